"""The table of parts: names lead to one class, whichever modules are imported."""

from __future__ import annotations

import pytest
from own_parts import own_names

from arignote.parts import HOMES
from arignote.registry import Part, find, is_known, kinds, names, part_name, register
from arignote.registry.table import _import_class


def test_a_kind_has_its_parts_by_name_whatever_was_used_first():
    for kind in kinds():
        listed = [part_name(cls).lower() for cls in own_names(kind).values()]
        assert listed == sorted(listed) and kind in HOMES


def test_no_word_stands_for_one_part_and_with_its_kind_for_another():
    """Otherwise the part that is found would depend on which of the two was imported first."""
    for kind in kinds():
        folded = {word.lower(): cls for word, cls in names(kind).items()}
        assert len(folded) == len(names(kind))
        assert all(folded.get(f"{word}{kind}", cls) is cls for word, cls in folded.items())


def test_the_module_of_a_name_is_imported_alone(monkeypatch):
    imported = []
    monkeypatch.setattr("arignote.registry.table.import_module", lambda name: imported.append(name) or Face)
    _import_class("layer", ["fclayer"])
    _import_class("initializer", ["he_normal"])
    _import_class("loss", ["squared"])
    assert imported == ["arignote.layers", "arignote.layers.initializers"]


class Face:
    FCLayer = HeNormal = None


def test_a_name_of_an_own_part_must_not_be_taken():
    class Stalled(Part):
        """A rule."""

        kind = "rule"

    with pytest.raises(RuntimeError, match="rule 'stalled' is registered twice"):
        register(name="stalled")(Stalled)


def test_a_word_is_known_in_any_case_and_without_its_kind():
    assert is_known("layer", "fc") and is_known("layer", "FCLAYER") and is_known("loss", "mse")
    assert not is_known("layer", "") and not is_known("layer", None) and not is_known("layer", "parse")
    assert find("layer", "segmented").__name__ == "LCLayer" and find("stop_rule", "stalled").__name__ == "StopStalled"
