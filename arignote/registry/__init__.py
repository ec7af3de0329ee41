"""Parts, which a user declares as ``[Name, {params}]``: registered, built from specs and dumped as specs."""

from arignote.registry.complaints import complaints_of
from arignote.registry.marks import Mark, decides_numbers, is_of_machine
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
    register,
    split,
)
from arignote.registry.part_fields import PartField, PartsField, function_name, several, spec_schema, specs_schema
from arignote.registry.plain_values import plain

__all__ = [
    "Count",
    "Finite",
    "Mark",
    "NonNegative",
    "Pair",
    "Part",
    "PartField",
    "PartsField",
    "Positive",
    "Probability",
    "as_pair",
    "build",
    "complaints_of",
    "completed",
    "decides_numbers",
    "dump",
    "find",
    "function_name",
    "is_custom",
    "is_of_machine",
    "names",
    "only_trusting",
    "part_name",
    "plain",
    "register",
    "several",
    "spec_schema",
    "specs_schema",
    "split",
]
