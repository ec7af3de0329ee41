"""Types of parameters that are numbers, or lists of numbers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from arignote.registry.plain_values import plain

__all__ = [
    "Count",
    "Finite",
    "Interval",
    "NonNegative",
    "Pair",
    "Positive",
    "Probability",
    "Triple",
    "as_pair",
    "as_sizes",
    "as_triple",
    "as_tuple",
]


def as_pair(value: Any) -> Any:
    """Return a list as a tuple, and one number as a pair of equal ones."""
    return _as_equal(value, 2)


def as_triple(value: Any) -> Any:
    """Return a list as a tuple, and one number as three equal ones."""
    return _as_equal(value, 3)


def _as_equal(value: Any, n: int) -> Any:
    value = plain(value)
    if isinstance(value, int | float):
        return (value,) * n
    if not isinstance(value, list):
        example, word = [3] * n, {2: "two", 3: "three"}[n]
        # YAML reads (3, 3) as text.
        hint = f". Write a list with brackets: {example}" if isinstance(value, str) and value.startswith("(") else ""
        raise ValueError(f"must be a number or a list of {word}; got {value!r}{hint}")
    return tuple(value)


def as_tuple(value: Any) -> Any:
    """Return a list as a tuple."""
    value = plain(value)
    return tuple(value) if isinstance(value, list) else value


def as_sizes(value: Any) -> Any:
    """Return a list as a tuple, and one number as a tuple of it."""
    value = as_tuple(value)
    return (value,) if isinstance(value, int) else value


def _ordered(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] >= bounds[1]:
        raise ValueError(f"must have its lower bound first; got {list(bounds)}")
    return bounds


Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, lt=1)]
Interval = Annotated[tuple[Finite, Finite], BeforeValidator(as_tuple), AfterValidator(_ordered)]
Pair = Annotated[tuple[Count, Count], BeforeValidator(as_pair, json_schema_input_type=Count | tuple[Count, Count])]
Triple = Annotated[
    tuple[Count, Count, Count], BeforeValidator(as_triple, json_schema_input_type=Count | tuple[Count, Count, Count])
]
