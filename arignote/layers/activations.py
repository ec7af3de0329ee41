"""Activations: functions that layers apply to the sums of their units.

Each is one class with one required method, ``build() -> f(x, *slopes)`` on engine tensors, and may have trained
parameters of its own, one per unit (`slopes`). A callable ``f(x)`` is accepted instead of a name.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from arignote.registry import Count, Part, Positive, build, dump, function_name, register, spec_schema

__all__ = [
    "ELU",
    "SELU",
    "AbsTanh",
    "Activation",
    "ActivationSpec",
    "Custom",
    "LeakyReLU",
    "Linear",
    "Maxout",
    "PReLU",
    "PReLUShelf",
    "ReLU",
    "Sigmoid",
    "Softplus",
    "Tanh",
]


class Activation(Part):
    """Base class of activations.

    Attributes
    ----------
    slopes : dict of str to float
        Initial values of its own parameters, of which each unit has one.
    initial : str
        Initial weights that suit it: "he" (rectifiers) or "glorot".
    gain : float
        Factor of the standard deviation of these weights.
    """

    kind: ClassVar[str] = "activation"
    slopes: ClassVar[dict[str, float]] = {}
    initial: ClassVar[str] = "glorot"
    gain: ClassVar[float] = 1.0

    @property
    def pieces(self) -> int:
        """Number of sums of each unit (more than 1 for maxout)."""
        return 1

    @abstractmethod
    def build(self) -> Callable[..., Any]:
        """Return the function of engine tensors ``f(x, *slopes)``; units are axis 1 of `x`."""


@register(name="linear")
class Linear(Activation):
    """Identity: ``f(x) = x``.

    Examples
    --------
    >>> import torch
    >>> Linear().build()(torch.tensor([[-1.0, 2.0]]))
    tensor([[-1.,  2.]])
    """

    def build(self) -> Callable[..., Any]:
        return lambda x: x


@register(name="tanh")
class Tanh(Activation):
    """Hyperbolic tangent: ``f(x) = tanh(x)``.

    Examples
    --------
    >>> import torch
    >>> Tanh().build()(torch.tensor([[-1.0, 2.0]]))
    tensor([[-0.7616,  0.9640]])
    """

    def build(self) -> Callable[..., Any]:
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

    def build(self) -> Callable[..., Any]:
        return lambda x: x.tanh().abs()


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

    def build(self) -> Callable[..., Any]:
        return lambda x: x.sigmoid()


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

    def build(self) -> Callable[..., Any]:
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

    def build(self) -> Callable[..., Any]:
        from torch.nn.functional import leaky_relu

        return lambda x: leaky_relu(x, self.slope)


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

    def build(self) -> Callable[..., Any]:
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

    def build(self) -> Callable[..., Any]:
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

    def build(self) -> Callable[..., Any]:
        from torch.nn.functional import softplus

        return lambda x: softplus(x)


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
    gain: ClassVar[float] = (1 + 0.25**2) ** -0.5

    def build(self) -> Callable[..., Any]:
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

    def build(self) -> Callable[..., Any]:
        return _prelu_shelf


def _prelu_shelf(x: Any, a: Any, c: Any) -> Any:
    """Return ``max(x - c, 0) - a * max(-(x + c), 0)``; slopes belong to axis 1."""
    from torch import addcmul

    size = (-1,) + (1,) * (x.ndim - 2)
    edge = c.view(size)
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

    def build(self) -> Callable[..., Any]:
        # Not amax, whose backward pass compares values again, and finds none equal if they were rounded in between.
        return lambda x: x.unflatten(1, (-1, self.maxout_k)).max(2).values


class Custom(Activation):
    """A function of the user on engine tensors; a checkpoint stores only its name."""

    function: Callable[..., Any]

    def build(self) -> Callable[..., Any]:
        return self.function


def _activation(value: Any) -> Activation:
    if callable(value):
        return Custom(function=value)
    part: Activation = build("activation", value)
    return part


def _written(part: Activation) -> Any:
    return function_name(part.function) if isinstance(part, Custom) else dump(part)


ActivationSpec = Annotated[
    Activation,
    BeforeValidator(_activation),
    PlainSerializer(_written),
    WithJsonSchema({"anyOf": spec_schema("activation")}),
]
