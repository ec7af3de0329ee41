"""Activations: what a layer does with the sums of its units.

Each is one class with one required method, ``build() -> f(x, *slopes)`` on engine tensors, and may have parameters
of its own, one per unit (`slopes`). A callable ``f(x)`` may stand where a name may.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from arignote.registry import Count, Part, build, dump, function_name, register, spec_schema

__all__ = ["Activation", "ActivationSpec"]


class Activation(Part):
    """What every activation is.

    Attributes
    ----------
    slopes : dict of str to float
        Parameters of its own, one per unit, and where they start.
    initial : str
        The initial weights that suit it: "he" (rectifiers) or "glorot".
    gain : float
        By how much the standard deviation of these weights is multiplied.
    """

    kind: ClassVar[str] = "activation"
    slopes: ClassVar[dict[str, float]] = {}
    initial: ClassVar[str] = "glorot"
    gain: ClassVar[float] = 1.0

    @property
    def pieces(self) -> int:
        """How many sums each unit takes (more than 1 for maxout)."""
        return 1

    @abstractmethod
    def build(self) -> Callable[..., Any]:
        """Return the function of engine tensors ``f(x, *slopes)``; units are axis 1 of `x`."""


@register(name="linear")
class Linear(Activation):
    """Identity: ``f(x) = x``."""

    def build(self) -> Callable[..., Any]:
        return lambda x: x


@register(name="tanh")
class Tanh(Activation):
    """Hyperbolic tangent: ``f(x) = tanh(x)``."""

    def build(self) -> Callable[..., Any]:
        return lambda x: x.tanh()


@register(name="abstanh")
class AbsTanh(Activation):
    """Absolute value of the hyperbolic tangent: ``f(x) = |tanh(x)|``."""

    def build(self) -> Callable[..., Any]:
        return lambda x: x.tanh().abs()


@register("sig", name="sigmoid")
class Sigmoid(Activation):
    """Logistic function: ``f(x) = 1 / (1 + exp(-x))``; its Glorot weights are multiplied by 4."""

    gain: ClassVar[float] = 4.0

    def build(self) -> Callable[..., Any]:
        return lambda x: x.sigmoid()


@register("rec", "relu_max", name="relu")
class ReLU(Activation):
    """Rectifier: ``f(x) = max(x, 0)``."""

    initial: ClassVar[str] = "he"

    def build(self) -> Callable[..., Any]:
        return lambda x: x.relu()


@register("rec_para", name="prelu")
class PReLU(Activation):
    """Parametric rectifier, a slope per unit: ``f(x) = max(x, 0) + a * min(x, 0)`` (He et al., ICCV 2015)."""

    slopes: ClassVar[dict[str, float]] = {"a": 0.25}
    initial: ClassVar[str] = "he"
    gain: ClassVar[float] = (1 + 0.25**2) ** -0.5

    def build(self) -> Callable[..., Any]:
        return lambda x, a: x.prelu(a)


@register(name="prelu_shelf")
class PReLUShelf(Activation):
    """Parametric rectifier with a shelf around zero: ``f(x) = max(x - c, 0) - a * max(-(x + c), 0)``."""

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
    """The largest of `maxout_k` sums per unit: ``f(x)_i = max_j x_ij`` (Goodfellow et al., ICML 2013)."""

    initial: ClassVar[str] = "he"
    gain: ClassVar[float] = 2**-0.5
    maxout_k: Count = 5

    @property
    def pieces(self) -> int:
        return self.maxout_k

    def build(self) -> Callable[..., Any]:
        # Not amax, whose gradient looks for the largest again, and finds none where rounding came between.
        return lambda x: x.unflatten(1, (-1, self.maxout_k)).max(2).values


class Custom(Activation):
    """A user's own function of an engine tensor; a checkpoint keeps its name only."""

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
