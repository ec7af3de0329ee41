"""`load_params`: from which entries of a stored network the parameters of a layer are loaded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

__all__ = ["LoadParams", "StoredTensor", "of_repetition"]

_FORMS = "true, the name of a layer of stored_network, or a mapping from parameters to entries of its file"


@dataclass(frozen=True)
class StoredTensor:
    """One tensor of a file.

    Attributes
    ----------
    name : str
        Its name in the file.
    transpose : bool, tuple of int or None
        Whether its axes are reversed, or their order, as of `numpy.transpose`; None if the spec does not say it.
    """

    name: str
    transpose: bool | tuple[int, ...] | None = None

    @property
    def spec(self) -> str | dict[str, Any]:
        """The entry as plain data."""
        if self.transpose is None:
            return self.name
        return {
            "name": self.name,
            "transpose": list(self.transpose) if isinstance(self.transpose, tuple) else self.transpose,
        }


# The number of a repetition: "{n}" from 1, "{n-1}" from 0.
_NUMBER = re.compile(r"\{n([+-]\d+)?\}")


def of_repetition(load: str | Mapping[str, StoredTensor], number: int) -> str | dict[str, StoredTensor] | None:
    """Return what the layers of a repetition of a block load, with its number in the names; None if none has one.

    Parameters
    ----------
    load : str or dict of str to StoredTensor
        Its names may have "{n}", or "{n-1}" where the first repetition is 0.
    number : int
        From 1.
    """

    def named(name: str) -> str:
        return _NUMBER.sub(lambda found: str(number + int(found[1] or 0)), name)

    if isinstance(load, str):
        return named(load) if _NUMBER.search(load) else None
    if not any(_NUMBER.search(entry.name) for entry in load.values()):
        return None
    return {param: replace(entry, name=named(entry.name)) for param, entry in load.items()}


def _built(value: Any) -> bool | str | dict[str, StoredTensor] | None:
    if value is None or value is False:
        return None
    if value is True or (isinstance(value, str) and value):
        return value
    if not isinstance(value, Mapping) or not value:
        raise ValueError(f"must be {_FORMS}, such as {{W: fc.weight, b: fc.bias}}; got {value!r}")
    return {str(param): _entry(param, entry) for param, entry in value.items()}


def _entry(param: Any, value: Any) -> StoredTensor:
    if isinstance(value, StoredTensor):
        return value
    if isinstance(value, str):
        return StoredTensor(value)
    if isinstance(value, Mapping) and isinstance(value.get("name"), str) and value.keys() <= {"name", "transpose"}:
        transpose = value.get("transpose")
        if isinstance(transpose, bool | None):
            return StoredTensor(value["name"], transpose)
        # [-1] is no order of axes, and so is refused below.
        axes = transpose if isinstance(transpose, list | tuple) and all(type(a) is int for a in transpose) else [-1]
        if sorted(axes) == list(range(len(axes))):
            return StoredTensor(value["name"], tuple(axes))
        raise ValueError(
            f"transpose of {param} must be true, false or an order of all axes, such as [3, 2, 0, 1]; got {transpose!r}"
        )
    raise ValueError(f"{param} must be the name of an entry, or {{name: ..., transpose: true}}; got {value!r}")


def _written(value: Any) -> Any:
    return {param: entry.spec for param, entry in value.items()} if isinstance(value, Mapping) else value


_ENTRY_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "transpose": {"anyOf": [{"type": "boolean"}, {"type": "array", "items": {"type": "integer"}}]},
            },
            "required": ["name"],
            "additionalProperties": False,
        },
    ]
}
LoadParams = Annotated[
    bool | str | dict[str, StoredTensor] | None,
    PlainValidator(_built),
    PlainSerializer(_written),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": ["boolean", "string", "null"]},
                {"type": "object", "additionalProperties": _ENTRY_SCHEMA, "minProperties": 1},
            ]
        }
    ),
]
