"""Activations that are curved: sigmoids, softmax, exponential units and smooth rectifiers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from arignote.layers.activations.base import Activation
from arignote.registry import Positive, register

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ELU", "GELU", "SELU", "AbsTanh", "ScaledTanh", "SiLU", "Sigmoid", "Softmax", "Softplus", "Tanh"]


@register(name="tanh")
class Tanh(Activation):
    """Hyperbolic tangent: ``f(x) = tanh(x)``.

    Examples
    --------
    >>> import torch
    >>> Tanh().build()(torch.tensor([[-1.0, 2.0]]))
    tensor([[-0.7616,  0.9640]])
    """

    def build(self) -> Callable[..., Tensor]:
        return lambda x: x.tanh()


@register(name="abstanh")
class AbsTanh(Activation):
    """Absolute value of the hyperbolic tangent: ``f(x) = |tanh(x)|`` (Jarrett et al., ICCV 2009).

    Examples
    --------
    >>> import torch
    >>> AbsTanh().build()(torch.tensor([[-1.0, 2.0]]))
    tensor([[0.7616, 0.9640]])
    """

    def build(self) -> Callable[..., Tensor]:
        return lambda x: x.tanh().abs()


@register(name="scaled_tanh")
class ScaledTanh(Activation):
    """Scaled hyperbolic tangent: ``f(x) = scale_out * tanh(scale_in * x)`` (LeCun et al., "Efficient backprop", 1998).

    Parameters
    ----------
    scale_in : float > 0, default 0.6666666666666666
        Factor of the sums.
    scale_out : float > 0, default 1.7159
        Factor of the tangent; with the constants of the paper, which are the defaults, f(1) is 1 and f(-1) is -1.

    Examples
    --------
    >>> import torch
    >>> ScaledTanh().build()(torch.tensor([[-1.0, 2.0]]))
    tensor([[-1.0000,  1.4929]])
    """

    scale_in: Positive = 2 / 3
    scale_out: Positive = 1.7159

    def build(self) -> Callable[..., Tensor]:
        return lambda x: (x * self.scale_in).tanh() * self.scale_out


@register("sig", name="sigmoid")
class Sigmoid(Activation):
    """Logistic function: ``f(x) = 1 / (1 + exp(-x))``.

    Notes
    -----
    Its slope at 0 is 1/4, so that initial weights are multiplied by 4 (Glorot and Bengio, AISTATS 2010).

    Examples
    --------
    >>> import torch
    >>> Sigmoid().build()(torch.tensor([[-1.0, 2.0]]))
    tensor([[0.2689, 0.8808]])
    """

    gain: ClassVar[float] = 4.0

    def build(self) -> Callable[..., Tensor]:
        return lambda x: x.sigmoid()


@register(name="softmax")
class Softmax(Activation):
    """Softmax over the units: ``f(x)_i = exp(x_i) / sum_j exp(x_j)`` (Bridle, 1990).

    Notes
    -----
    It is over the first axis of an example: over the maps at each pixel of an image, and over the steps of a sequence.
    Output layers compute their own.

    Examples
    --------
    >>> import torch
    >>> Softmax().build()(torch.tensor([[-1.0, 2.0]]))
    tensor([[0.0474, 0.9526]])
    """

    def build(self) -> Callable[..., Tensor]:
        return lambda x: x.softmax(1)


@register(name="elu")
class ELU(Activation):
    """Exponential linear unit: ``f(x) = x if x > 0 else alpha * (exp(x) - 1)`` (Clevert et al., ICLR 2016).

    Parameters
    ----------
    alpha : float > 0, default 1.0
        The value that is approached for negative sums is -alpha.

    Examples
    --------
    >>> import torch
    >>> ELU().build()(torch.tensor([[-1.0, 2.0]]))
    tensor([[-0.6321,  2.0000]])
    """

    initial: ClassVar[str] = "he"
    alpha: Positive = 1.0

    def build(self) -> Callable[..., Tensor]:
        from torch.nn.functional import elu

        return lambda x: elu(x, self.alpha)


@register(name="selu")
class SELU(Activation):
    """Scaled exponential linear unit: ``f(x) = 1.0507 * (x if x > 0 else 1.6733 * (exp(x) - 1))``.

    Notes
    -----
    Klambauer et al., NIPS 2017. Initial weights have the variance ``1 / fan_in``, with which means and variances of
    the units stay near 0 and 1.

    Examples
    --------
    >>> import torch
    >>> SELU().build()(torch.tensor([[-1.0, 2.0]]))
    tensor([[-1.1113,  2.1014]])
    """

    initial: ClassVar[str] = "he"
    gain: ClassVar[float] = 0.5**0.5

    def build(self) -> Callable[..., Tensor]:
        from torch.nn.functional import selu

        return lambda x: selu(x)


@register(name="softplus")
class Softplus(Activation):
    """Smooth rectifier: ``f(x) = log(1 + exp(x))`` (Dugas et al., NIPS 2000).

    Examples
    --------
    >>> import torch
    >>> Softplus().build()(torch.tensor([[-1.0, 2.0]]))
    tensor([[0.3133, 2.1269]])
    """

    initial: ClassVar[str] = "he"

    def build(self) -> Callable[..., Tensor]:
        from torch.nn.functional import softplus

        # PyTorch returns x above 20, where the difference is beyond the digits of float32.
        return lambda x: softplus(x)


@register(name="gelu")
class GELU(Activation):
    """Gaussian error linear unit: ``f(x) = x * P(n <= x)``, n standard normal (Hendrycks and Gimpel, 2016).

    Notes
    -----
    arXiv:1606.08415. It is computed by the error function, not by the approximation with tanh.

    Examples
    --------
    >>> import torch
    >>> GELU().build()(torch.tensor([[-1.0, 2.0]]))
    tensor([[-0.1587,  1.9545]])
    """

    initial: ClassVar[str] = "he"

    def build(self) -> Callable[..., Tensor]:
        from torch.nn.functional import gelu

        return lambda x: gelu(x)


@register("swish", name="silu")
class SiLU(Activation):
    """Sigmoid linear unit, or swish: ``f(x) = x / (1 + exp(-x))`` (Elfwing et al., Neural Networks 2018).

    Examples
    --------
    >>> import torch
    >>> SiLU().build()(torch.tensor([[-1.0, 2.0]]))
    tensor([[-0.2689,  1.7616]])
    """

    initial: ClassVar[str] = "he"

    def build(self) -> Callable[..., Tensor]:
        from torch.nn.functional import silu

        return lambda x: silu(x)
