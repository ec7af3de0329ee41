"""What a killed process wrote after the state that is resumed happens again: where the rows that stay end."""

from __future__ import annotations

import pytest

from arignote.observers.base import kept
from arignote.observers.events import Event


@pytest.mark.parametrize(
    ("kind", "examples_seen", "is_kept"),
    [("batch", 120, True), ("batch", 121, False), ("validation", 100, True), ("validation", 120, False)],
)
def test_batches_are_kept_up_to_the_state_and_validations_up_to_its_last_one(kind, examples_seen, is_kept):
    # 120 examples were trained on, and the last validation of the state was after 100.
    start = Event("start", 2, 5, 1, 4, {"examples_seen": 100.0}, examples_seen=120)
    assert kept(start, kind, examples_seen) == is_kept


def test_before_the_first_validation_none_is_kept():
    assert not kept(Event("start", 1, 5, 1, 4, {}, examples_seen=20), "validation", 20)
