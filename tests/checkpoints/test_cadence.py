"""How often a checkpoint is written, as a user writes it."""

from __future__ import annotations

import pytest

from arignote.checkpoints.cadence import AUTO, Cadence


@pytest.mark.parametrize(
    ("value", "n_batches", "seconds"),
    [
        ("auto", None, None),
        ("epoch", None, None),
        (1, 1, None),
        (7, 7, None),
        ("30s", None, 30.0),
        ("0.25s", None, 0.25),
        ("0s", None, 0.0),
    ],
)
def test_a_cadence_is_a_word_a_number_of_batches_or_a_time(value, n_batches, seconds):
    found = Cadence.parse(value)
    assert (found.written, found.n_batches, found.seconds) == (value, n_batches, seconds)
    assert type(found.seconds) is type(seconds)
    assert Cadence.parse(found) is found


def test_the_default_has_neither_batches_nor_seconds():
    assert (AUTO.written, AUTO.n_batches, AUTO.seconds) == ("auto", None, None)
    assert Cadence.parse("auto") == AUTO != Cadence.parse("epoch")


@pytest.mark.parametrize(
    "value", [0, -1, True, False, 1.0, None, "", "often", "30", "s", ".5s", "1.s", "-1s", "30 s", "30sec", "30s "]
)
def test_anything_else_is_refused_with_the_forms_there_are(value):
    with pytest.raises(
        ValueError, match=r'must be "auto", "epoch", a number of batches >= 1, or a time such as "30s"; got'
    ) as refused:
        Cadence.parse(value)
    assert str(refused.value).endswith(f"got {value!r}")
