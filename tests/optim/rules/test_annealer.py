"""The annealer, by tables worked out by hand from its definition."""

from __future__ import annotations

from math import inf, nan

import pytest

from arignote.errors import ConfigError
from arignote.optim.rules import RuleState
from arignote.registry import build


def values(losses, **params):
    """Return the value after each validation with (validation loss, training loss)."""
    rule = build("rule", ["annealer", {"initial_value": 8.0, "multiply_by": 0.5} | params])
    state, found = rule.start(0.01), []
    for number, (loss, train_loss) in enumerate(losses, 1):
        state = rule.after_validation(state, number, number, loss, train_loss)
        found.append(state.value)
    return found


def test_defaults_are_those_of_pydnn():
    rule = build("rule", "annealer")
    assert (rule.multiply_by, rule.interval, rule.train_threshold, rule.valid_threshold) == (0.1, 40, 0.995, 0.99995)
    assert rule.roll_back is rule.final_value is rule.restart_network is None and rule.needs_validation


def test_it_falls_after_so_many_validations_without_an_improvement_of_either_loss():
    flat = [(1.0, 1.0)] * 7
    assert values(flat, interval=2) == [8, 8, 4, 4, 2, 2, 1]
    # The validation loss improves in the third, the training loss in the fifth.
    losses = [(1.0, 1.0), (1.0, 1.0), (0.5, 1.0), (0.5, 1.0), (0.5, 0.5), (0.5, 0.5), (0.5, 0.5)]
    assert values(losses, interval=2) == [8, 8, 8, 8, 8, 8, 4]


def test_each_loss_must_improve_by_its_own_threshold():
    # 0.5 of a training loss of 1, 0.75 of a validation loss of 1: not below, just below.
    thresholds = {"train_threshold": 0.5, "valid_threshold": 0.75, "interval": 1}
    assert values([(1.0, 1.0), (0.75, 0.5)], **thresholds) == [8, 4]
    assert values([(1.0, 1.0), (0.75, 0.49)], **thresholds) == [8, 8]
    assert values([(1.0, 1.0), (0.74, 0.5)], **thresholds) == [8, 8]
    # The best is that of the last improvement: small steps add up.
    assert values([(1.0, 1.0), (0.8, 1.0), (0.74, 1.0)], **thresholds | {"interval": 2}) == [8, 8, 8]


def test_a_loss_below_zero_improves_downwards_by_its_threshold():
    # -1 - 0.5 * |-1| = -1.5
    thresholds = {"train_threshold": 1.0, "valid_threshold": 0.5, "interval": 1}
    assert values([(-1.0, 1.0), (-1.5, 1.0)], **thresholds) == [8, 4]
    assert values([(-1.0, 1.0), (-1.51, 1.0)], **thresholds) == [8, 8]


def test_a_loss_that_is_no_number_or_infinite_is_no_improvement():
    assert values([(nan, nan)] * 3, interval=2) == values([(inf, inf)] * 3, interval=2) == [8, 4, 4]
    assert values([(nan, 1.0), (nan, 1.0), (1.0, 1.0)], interval=2) == [8, 8, 8]


def test_it_remembers_both_losses_and_the_last_change():
    rule = build("rule", ["annealer", {"interval": 1, "train_threshold": 0.5, "valid_threshold": 0.5}])
    state = rule.after_validation(RuleState(4.0, 1.0, 3, 8.0), 4, 4, 0.75, 2.0)
    assert state == RuleState(4.0, 1.0, 4, 2.0)
    assert rule.after_validation(state, 5, 5, 0.25, 1.5) == RuleState(4.0, 0.25, 5, 2.0)
    assert rule.after_validation(state, 5, 5, 0.5, 1.0) == RuleState(0.4, 1.0, 5, 2.0)


def test_it_ends_training_below_its_final_value():
    rule = build("rule", ["annealer", {"final_value": 0.5}])
    assert [rule.ends(RuleState(value)) for value in (1.0, 0.5, 0.499)] == [False, False, True]
    assert not build("rule", "annealer").ends(RuleState(1e-30))
    assert rule.ineffective_reason(0.5) is None is not rule.ineffective_reason(0.499)


def test_a_warmup_in_front_of_it_restarts_and_ends_as_it_does():
    then = ["annealer", {"initial_value": 1.0, "interval": 1, "roll_back": "train", "final_value": 0.5}]
    rule = build("rule", ["warmup", {"initial_value": 0.1, "n_epochs": 2, "then": then}])
    assert rule.restart_network == "train" and rule.ends(RuleState(0.4)) and not rule.ends(RuleState(0.5))
    state = rule.after_validation(rule.start(0.01), 1, 1, 1.0, 1.0)
    assert state == RuleState(1.0, 1.0, 1, 1.0) and rule.after_validation(state, 2, 2, 1.0, 0.5).value == 1.0


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"multiply_by": 1.0}, "multiply_by must be a number < 1.0; got 1.0"),
        ({"multiply_by": 0}, "multiply_by must be a number > 0.0; got 0"),
        ({"train_threshold": 1.5}, "train_threshold must be a number <= 1"),
        ({"train_threshold": 0}, "train_threshold must be a number > 0"),
        ({"roll_back": "best"}, "roll_back must be 'train' or 'valid'"),
        ({"initial_value": 0.1, "final_value": 0.2}, "begins at 0.1, below its final_value 0.2"),
        ({"patience": 3}, "unknown parameter 'patience'"),
    ],
)
def test_a_wrong_parameter_is_refused(params, message):
    with pytest.raises(ConfigError) as refused:
        build("rule", ["annealer", params])
    assert message in str(refused.value)
