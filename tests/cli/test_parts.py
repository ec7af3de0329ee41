"""`arignote parts`: kinds, the parts of a kind, and one with its parameters."""

from __future__ import annotations

from command_line import arignote
from own_parts import first_names


def test_kinds_parts_and_parameters_are_listed_from_the_registry():
    kinds = arignote("parts").out
    assert "updater" in kinds and "layer" in kinds
    updaters = arignote("parts", "updater").out
    assert all(name in updaters for name in first_names("updater"))
    # The kind may be left out.
    assert arignote("parts", "updater", "adam").out == arignote("parts", "adam").out
    assert "beta1" in arignote("parts", "adam").out


def test_an_unknown_part_is_refused_with_the_nearest_one():
    ended = arignote("parts", "updater", "adamm")
    assert ended.code == 2 and "adam" in ended.err and not ended.out
