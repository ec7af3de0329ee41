"""The values of a whole training, worked out by hand; the first validation is the best, and none is better."""

from __future__ import annotations

import pytest

import arignote.optim  # noqa: F401
from arignote.optim.rules.plan import planned_updates
from arignote.registry import build

HALVED = {"initial_value": 8.0, "multiply_by": 0.5}


def values(spec, n_epochs, rows=(1,), frequency=None):
    rule = build("rule", spec)
    found = planned_updates({"lr": rule}, {"lr": rule.start(0.01)}, n_epochs, rows, frequency)
    return [update.values["lr"] for update in found]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        # Changed at validation 1; two without an improvement halve it after epoch 3, two more after epoch 5.
        ({"rule": "stalled", "interval": 2, **HALVED}, [8, 8, 8, 4, 4, 2]),
        ({"rule": "fixed", "interval": 2, **HALVED}, [8, 8, 4, 4, 2, 2]),
        ({"rule": "fixed", "schedule": [1, 4], **HALVED}, [8, 4, 4, 4, 2, 2]),
        # By the schedule after epoch 2, and then after each epoch.
        ({"rule": "stalled", "interval": 1, "schedule": [2], **HALVED}, [8, 8, 4, 2, 1, 0.5]),
        ({"rule": "step", "n_epochs": 4, **HALVED}, [8, 8, 8, 8, 4, 4]),
        ("const", [0.01] * 6),
    ],
    ids=str,
)
def test_a_value_changes_after_the_epoch_worked_out_by_hand(spec, expected):
    assert values(spec, 6) == expected
    # Whatever the number of updates of an epoch.
    assert values(spec, 6, rows=(10, 10, 5)) == [value for value in expected for _ in range(3)]


def test_a_value_that_follows_updates_changes_within_an_epoch():
    assert values({"rule": "step", "n_updates": 2, **HALVED}, 2, rows=(4, 4, 2)) == [8, 8, 4, 4, 2, 2]


def test_validations_in_mid_epoch_come_after_the_update_that_completes_their_examples():
    # Epochs of 10 examples: validations after 4, 8, 14 (12 passed), 18 (16 passed) and 20.
    spec = {"rule": "fixed", "interval": 1, **HALVED}
    assert values(spec, 2, rows=(4, 4, 2), frequency=4) == [8, 4, 2, 2, 1, 0.5]
    assert values({**spec, "interval": 2}, 2, rows=(4, 4, 2), frequency=4) == [8, 8, 4, 4, 4, 2]
    # After 8 (5 passed), 10, 18 (15 passed) and 20.
    assert values(spec, 2, rows=(4, 4, 2), frequency=5) == [8, 8, 4, 2, 2, 1]
    # One that is due at the end of an epoch changes the next.
    assert values(spec, 3, rows=(4, 4, 2), frequency=10) == [8, 8, 8, 4, 4, 4, 2, 2, 2]


def test_the_schedule_of_a_stalled_rule_waits_for_its_last_epoch_in_mid_epoch_too():
    # After epoch 1 by the schedule; at validations 3 and 4, in epoch 2, no later epoch is complete; 5 is the first that
    # follows the last epoch of the schedule.
    spec = {"rule": "stalled", "interval": 1, "schedule": [1], **HALVED}
    assert values(spec, 3, rows=(5, 5), frequency=5) == [8, 8, 4, 4, 4, 2]


def test_updates_are_named_by_their_epoch_and_their_number():
    rule = build("rule", "const")
    found = list(planned_updates({"lr": rule}, {"lr": rule.start(0.5)}, 2, (4, 2)))
    assert [(one.epoch, one.number, one.n_of_epoch) for one in found] == [(1, 0, 2), (1, 1, 2), (2, 0, 2), (2, 1, 2)]
    assert list(planned_updates({"lr": rule}, {"lr": rule.start(0.5)}, 0, (4, 2))) == []
