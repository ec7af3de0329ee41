"""Parts: what a user declares as ``[Name, {params}]``; registered, built from specs, and written as specs."""

from arignote.registry.complaints import complaints_of
from arignote.registry.part import (
    Count,
    Finite,
    NonNegative,
    Pair,
    Part,
    Positive,
    Probability,
    as_pair,
    build,
    completed,
    dump,
    find,
    is_custom,
    names,
    only_trusting,
    part_name,
    part_of,
    register,
    split,
)
from arignote.registry.plain_values import plain

__all__ = [
    "Count",
    "Finite",
    "NonNegative",
    "Pair",
    "Part",
    "Positive",
    "Probability",
    "as_pair",
    "build",
    "complaints_of",
    "completed",
    "dump",
    "find",
    "is_custom",
    "names",
    "only_trusting",
    "part_name",
    "part_of",
    "plain",
    "register",
    "split",
]
