"""Activations: functions that layers apply to the sums of their units.

Each is one class with one required method, ``build() -> f(x, *slopes)`` on engine tensors, and may have trained
parameters of its own, one per unit (`slopes`). A callable ``f(x)`` is accepted instead of a name.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from arignote.registry import Count, Part, build, dump, function_name, register, spec_schema

__all__ = [
    "AbsTanh",
    "Activation",
    "ActivationSpec",
    "Custom",
    "Linear",
    "Maxout",
    "PReLU",
    "PReLUShelf",
    "ReLU",
    "Sigmoid",
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
