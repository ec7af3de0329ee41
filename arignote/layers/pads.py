"""Padding of maps: a number of zeros on each side, or "same", "full" or "valid"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from arignote.errors import Complaint, ConfigError
from arignote.registry import as_pair, as_triple

__all__ = [
    "NonNegativeCount",
    "Pad1D",
    "Pad2D",
    "Pad3D",
    "PadName",
    "PoolPad1D",
    "PoolPad2D",
    "PoolPad3D",
    "Zeros2D",
    "Zeros3D",
    "zeros_of",
]

NonNegativeCount = Annotated[int, Field(ge=0)]
PadName = Literal["same", "full", "valid"]
_Pair = tuple[NonNegativeCount, NonNegativeCount]
_Triple = tuple[NonNegativeCount, NonNegativeCount, NonNegativeCount]
# A window that sees nothing of a map has no largest value, and no mean.
_PoolPadName = Literal["same", "valid"]


Zeros2D = Annotated[_Pair, BeforeValidator(as_pair, json_schema_input_type=NonNegativeCount | _Pair)]
Zeros3D = Annotated[_Triple, BeforeValidator(as_triple, json_schema_input_type=NonNegativeCount | _Triple)]


def _named_or(as_tuple: Callable[[Any], Any], accepted: Any) -> BeforeValidator:
    return BeforeValidator(
        lambda value: value if isinstance(value, str) else as_tuple(value), json_schema_input_type=accepted
    )


Pad1D = NonNegativeCount | PadName
Pad2D = Annotated[_Pair | PadName, _named_or(as_pair, NonNegativeCount | _Pair | PadName)]
Pad3D = Annotated[_Triple | PadName, _named_or(as_triple, NonNegativeCount | _Triple | PadName)]
PoolPad1D = NonNegativeCount | _PoolPadName
PoolPad2D = Annotated[_Pair | _PoolPadName, _named_or(as_pair, NonNegativeCount | _Pair | _PoolPadName)]
PoolPad3D = Annotated[_Triple | _PoolPadName, _named_or(as_triple, NonNegativeCount | _Triple | _PoolPadName)]


def zeros_of(
    pad: int | tuple[int, ...] | PadName,
    window: tuple[int, ...],
    dilation: tuple[int, ...],
    name: str = "pad",
    what: str = "a filter",
) -> tuple[int, ...]:
    """Return the number of zeros on each side of a map, by axis; raise ConfigError if these cannot be equal.

    Parameters
    ----------
    pad : int, tuple of int, "same", "full" or "valid"
        A number is that of series.
    window, dilation : tuple of int
        See `Geometry`.
    name : str
        Name of the parameter in errors.
    what : str
        What slides, in errors.
    """
    if not isinstance(pad, str):
        return (pad,) if isinstance(pad, int) else pad
    if pad == "same" and any(n % 2 == 0 for n in window):
        sizes = {1: "length", 2: "height and width", 3: "depth, height and width"}[len(window)]
        got = window[0] if len(window) == 1 else list(window)
        raise ConfigError(Complaint((name,), f"{name} 'same' needs {what} of odd {sizes}; got {got}"))
    reach = tuple(d * (n - 1) for d, n in zip(dilation, window, strict=True))
    # The reach of an odd window is even: half of it is on each side.
    return {"same": tuple(n // 2 for n in reach), "full": reach, "valid": (0,) * len(reach)}[pad]
