"""Initialisers: initial values from the shape of a parameter, its fans and a random stream of its own."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, WithJsonSchema

from arignote.registry import Part, PartField, Positive, part_name

__all__ = ["BiasSpec", "Gain", "Initializer", "InitializerSpec"]


class Initializer(Part):
    """Base class of initialisers, which define `draw`."""

    kind: ClassVar[str] = "initializer"
    # Whether it needs a matrix, or filters: parameters of two or more axes.
    of_matrices: ClassVar[bool] = False

    @abstractmethod
    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> NDArray[Any]:
        """Return float64 values of `shape`; `fan_in` and `fan_out` are numbers of connections of one unit.

        Parameters
        ----------
        rng : numpy.random.Generator
            The stream of this parameter alone.
        shape : tuple of int
            Shape of the parameter.
        fan_in, fan_out : int
            Numbers of connections into a unit, and out of an input.
        """


def _number(value: Any) -> Any:
    # By type, as a bool is an int.
    return ["constant", {"value": float(value)}] if type(value) in (int, float) else value


def _of_single_values(part: Initializer) -> Initializer:
    if part.of_matrices:
        raise ValueError(f"must be of single values, such as a number; got {part_name(part)!r}, which is for weights")
    return part


_NUMBER = {"type": "number"}
InitializerSpec = Annotated[Initializer | None, PartField("initializer", _number, shorthand_schema=_NUMBER)]
BiasSpec = Annotated[Initializer | None, PartField("initializer", _number, _of_single_values, shorthand_schema=_NUMBER)]


def _as_number(gain: Any) -> Any:
    return 2**0.5 if gain == "relu" else gain


# "relu" is sqrt(2): a rectifier halves the mean square of what comes in.
Gain = Annotated[
    Positive,
    BeforeValidator(_as_number),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"const": "relu"}]}),
]
