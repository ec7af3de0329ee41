"""A validation: its row, and which one is the best, by hand."""

from __future__ import annotations

from math import isnan, nan
from types import SimpleNamespace

import numpy as np
import pytest

from arignote.fit.validations.validation import Validation
from arignote.optim.rules import RuleValues

VALUES = RuleValues(0.25, 0.5, {"fc1.l2": 0.125})


def state_of(best=None, is_final=False, names=()):
    """Return what a validation reads of a state: 24 of the epoch's losses over 8 examples."""
    progress = SimpleNamespace(epoch=2, examples_seen=80, epoch_examples=8, n_validations=3, is_final=is_final)
    return SimpleNamespace(
        progress=progress,
        epoch_loss=24.0,
        best=None if best is None else SimpleNamespace(value=best),
        history=SimpleNamespace(names=names),
    )


def validation(value, *, greater=False, score_test=None, asked=None):
    def validate(n):
        (asked if asked is not None else []).append(n)
        return {"valid_nll": value, "valid_error": 7.0}

    return Validation(validate, None, score_test, None, "nll", greater, "valid_nll")


def test_a_row_has_the_mean_loss_of_the_epoch_the_losses_and_the_values_of_the_rules():
    asked = []
    result = validation(0.75, asked=asked)(state_of(), VALUES)
    rules = {"learning_rate": 0.25, "momentum": 0.5, "fc1.l2": 0.125}
    losses = {"train_nll": 3.0, "valid_nll": 0.75, "valid_error": 7.0}
    assert result.row == {"epoch": 3.0, "examples_seen": 80.0} | losses | rules
    assert (result.value, result.is_best, asked) == (0.75, True, [3])


@pytest.mark.parametrize(
    ("value", "best", "greater", "is_best"),
    [
        (0.5, 0.6, False, True),
        (0.6, 0.6, False, False),
        (0.7, 0.6, False, False),
        (0.7, 0.6, True, True),
        (0.5, 0.6, True, False),
        # Any number is better than a NaN, and no NaN than anything.
        (9.0, nan, False, True),
        (nan, 0.6, False, False),
        (nan, nan, False, False),
    ],
)
def test_the_best_is_lower_or_where_more_is_better_higher(value, best, greater, is_best):
    assert validation(value, greater=greater)(state_of(best), VALUES).is_best == is_best


def test_test_rows_are_scored_at_the_best_alone_and_missing_otherwise():
    tested = validation(0.5, score_test=lambda n: {"test_error": 4.0})
    assert tested(state_of(0.6), VALUES).row["test_error"] == 4.0
    assert isnan(tested(state_of(0.4, names=("test_error",)), VALUES).row["test_error"])


def test_final_epochs_validate_and_test_nothing():
    result = validation(0.5, score_test=lambda n: {"test_error": 4.0})(state_of(0.6, is_final=True), VALUES)
    assert isnan(result.value) and not result.is_best and not {"valid_nll", "test_error"} & set(result.row)


def test_what_is_better_if_larger_is_given_to_rules_as_its_negative():
    assert validation(1.0, greater=True).loss(0.75) == -0.75 and validation(1.0).loss(0.75) == 0.75
    history = SimpleNamespace(arrays=lambda: {"valid_nll": np.array([1.0, 3.0])})
    assert validation(1.0, greater=True).losses(history).tolist() == [-1.0, -3.0]
