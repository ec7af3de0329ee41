"""Activations: functions that layers apply to the sums of their units.

Each is one class with one required method, ``build() -> f(x, *slopes)`` on engine tensors, and may have trained
parameters of its own, one per unit (`slopes`). A callable ``f(x)`` is accepted instead of a name.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from arignote.registry import Part, build, dump, function_name, spec_schema

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Activation", "ActivationSpec", "Custom"]


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
    def build(self) -> Callable[..., Tensor]:
        """Return the function of engine tensors ``f(x, *slopes)``; units are axis 1 of `x`."""


# Not registered, so that no file can name one.
class Custom(Activation):
    """A function of the user on engine tensors; a checkpoint stores only its name."""

    function: Callable[..., Any]

    def build(self) -> Callable[..., Tensor]:
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
    WithJsonSchema(spec_schema("activation")),
]
