"""Activations of straight pieces: rectifiers, and maxout."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from arignote.layers.activations.base import Activation
from arignote.registry import Count, Positive, register

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LeakyReLU", "Linear", "Maxout", "PReLU", "PReLUShelf", "ReLU"]


@register(name="linear")
class Linear(Activation):
    """Identity: ``f(x) = x``.

    Examples
    --------
    >>> import torch
    >>> Linear().build()(torch.tensor([[-1.0, 2.0]]))
    tensor([[-1.,  2.]])
    """

    def build(self) -> Callable[..., Tensor]:
        return lambda x: x


@register("rec", "relu_max", name="relu")
class ReLU(Activation):
    """Rectified linear unit: ``f(x) = max(x, 0)`` (Nair and Hinton, ICML 2010).

    Examples
    --------
    >>> import torch
    >>> ReLU().build()(torch.tensor([[-1.0, 2.0]]))
    tensor([[0., 2.]])
    """

    initial: ClassVar[str] = "he"

    def build(self) -> Callable[..., Tensor]:
        return lambda x: x.relu()


@register(name="leaky_relu")
class LeakyReLU(Activation):
    """Rectifier with a small slope below zero: ``f(x) = max(x, 0) + slope * min(x, 0)`` (Maas et al., ICML 2013).

    Parameters
    ----------
    slope : float > 0, default 0.01
        Slope of negative sums; Lasagne's very leaky rectifier has 1/3.

    Examples
    --------
    >>> import torch
    >>> LeakyReLU(slope=0.1).build()(torch.tensor([[-1.0, 2.0]]))
    tensor([[-0.1000,  2.0000]])
    """

    initial: ClassVar[str] = "he"
    slope: Positive = 0.01

    def build(self) -> Callable[..., Tensor]:
        from torch.nn.functional import leaky_relu

        return lambda x: leaky_relu(x, self.slope)


@register("rec_para", name="prelu")
class PReLU(Activation):
    """Parametric rectifier: ``f(x) = max(x, 0) + a * min(x, 0)`` (He et al., ICCV 2015).

    Notes
    -----
    Each unit, or map of images, trains its own slope `a`, which starts at 0.25.

    Examples
    --------
    >>> import torch
    >>> PReLU().build()(torch.tensor([[-1.0, 2.0]]), torch.tensor([0.25, 0.25]))
    tensor([[-0.2500,  2.0000]])
    """

    slopes: ClassVar[dict[str, float]] = {"a": 0.25}
    initial: ClassVar[str] = "he"
    # The variance of the weights is 2 / ((1 + a^2) fan_in): He et al. 2015, section 2.2.
    gain: ClassVar[float] = (1 + 0.25**2) ** -0.5

    def build(self) -> Callable[..., Tensor]:
        return lambda x, a: x.prelu(a)


@register(name="prelu_shelf")
class PReLUShelf(Activation):
    """Parametric rectifier with a shelf around zero: ``f(x) = max(x - c, 0) - a * max(-(x + c), 0)``.

    Notes
    -----
    Each unit, or map of images, trains its own slope `a`, which starts at 0.25, and its own half width `c` of the
    shelf, which starts at 0.05. An activation of pydnn (2015).

    Examples
    --------
    >>> import torch
    >>> PReLUShelf().build()(torch.tensor([[-1.0, 2.0]]), torch.tensor([0.5, 0.5]), torch.tensor([0.25, 0.25]))
    tensor([[-0.3750,  1.7500]])
    """

    slopes: ClassVar[dict[str, float]] = {"a": 0.25, "c": 0.05}
    initial: ClassVar[str] = "he"
    gain: ClassVar[float] = (1 + 0.25**2) ** -0.5

    def build(self) -> Callable[..., Tensor]:
        return _prelu_shelf


def _prelu_shelf(x: Tensor, a: Tensor, c: Tensor) -> Tensor:
    """Return ``max(x - c, 0) - a * max(-(x + c), 0)``; slopes belong to axis 1."""
    from torch import addcmul

    size = (-1,) + (1,) * (x.ndim - 2)
    edge = c.view(size)
    # In place: the gradient of a rectifier needs its result, and not the sums.
    return addcmul((x - edge).relu_(), (x + edge).neg_().relu_(), a.view(size), value=-1)


@register(name="maxout")
class Maxout(Activation):
    """The largest of `maxout_k` sums of each unit: ``f(x)_i = max_j x_ij`` (Goodfellow et al., ICML 2013).

    Parameters
    ----------
    maxout_k : int >= 1, default 5
        Number of sums per unit.

    Examples
    --------
    >>> import torch
    >>> Maxout(maxout_k=2).build()(torch.tensor([[-1.0, 2.0, 5.0, 3.0]]))
    tensor([[2., 5.]])
    """

    initial: ClassVar[str] = "he"
    gain: ClassVar[float] = 2**-0.5
    maxout_k: Count = 5

    @property
    def pieces(self) -> int:
        return self.maxout_k

    def build(self) -> Callable[..., Tensor]:
        # Not amax, whose backward pass compares values again, and finds none equal if they were rounded in between.
        return lambda x: x.unflatten(1, (-1, self.maxout_k)).max(2).values
