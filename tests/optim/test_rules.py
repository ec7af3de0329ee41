"""Rules as functions of (settings, state), with the defects of 2015 as regressions."""

from __future__ import annotations

from math import inf, nan

import pytest

import arignote.optim  # noqa: F401
from arignote.errors import ConfigError
from arignote.registry import build


def values(spec, losses):
    rule = build("rule", spec)
    state, found = rule.start(0.01), []
    for epoch, loss in enumerate(losses, 1):
        state = rule.after_validation(state, epoch, epoch, loss)
        state = rule.after_epoch(state, epoch, epoch)
        found.append(round(state.value, 6))
    return found


def test_const_never_changes():
    assert values({"rule": "const", "initial_value": 0.3}, [nan] * 4) == [0.3] * 4


def test_stalled_counts_from_the_last_best_or_the_last_change():
    spec = {"rule": "stalled", "initial_value": 0.8, "multiply_by": 0.5, "interval": 2}
    assert values(spec, [3, 2, 4, 4, 4, 1, 5, 5]) == [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.4, 0.2]


def test_momentum_grows_and_stops_at_its_final_value():
    spec = {"rule": "fixed", "initial_value": 0.7, "decrease_by": -0.1, "final_value": 0.95, "interval": 1}
    assert values(spec, [nan] * 4) == [0.8, 0.9, 0.95, 0.95]


def test_a_value_that_falls_without_a_final_one_stops_at_0():
    spec = {"rule": "fixed", "initial_value": 0.5, "decrease_by": 0.2, "interval": 1}
    assert values(spec, [nan] * 4) == [0.3, 0.1, 0.0, 0.0]


@pytest.mark.parametrize(
    ("spec", "highest"),
    [
        ({"rule": "const"}, 0.5),
        ({"rule": "fixed", "decrease_by": 0.1, "interval": 1}, 0.5),
        ({"rule": "fixed", "decrease_by": -0.1, "interval": 1, "final_value": 0.9}, 0.9),
        ({"rule": "fixed", "decrease_by": -0.1, "schedule": [2, 7]}, 0.7),
        ({"rule": "fixed", "decrease_by": -0.1, "schedule": [2, 2, 7]}, 0.7),
        ({"rule": "fixed", "decrease_by": -0.1, "schedule": [2, 7], "interval": 1}, inf),
        ({"rule": "stalled", "multiply_by": 1.1, "interval": 9}, inf),
        ({"rule": "stalled", "multiply_by": 0.5, "decrease_by": -0.8, "interval": 1}, 0.8),
    ],
)
def test_the_highest_value_is_what_a_long_training_comes_to(spec, highest):
    assert build("rule", spec).highest(0.5) == pytest.approx(highest)
    found = values(spec | {"initial_value": 0.5}, [1.0] * 60)
    assert max(found) <= highest + 1e-6 and (highest == inf or max(0.5, *found) == pytest.approx(highest))


def test_the_epochs_of_the_schedule_come_first_then_every_interval():
    spec = {"rule": "fixed", "initial_value": 1.0, "multiply_by": 0.5, "schedule": [2, 5], "interval": 2}
    assert values(spec, [nan] * 9) == [1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.0625]


def test_a_rule_that_missed_its_moment_still_changes():
    # 2015: the test was ==, so that a kill in that epoch froze the learning rate for ever.
    rule = build("rule", {"rule": "stalled", "initial_value": 1.0, "multiply_by": 0.5, "interval": 3})
    state = rule.after_validation(rule.start(0.01), 1, 1, 1.0)
    assert rule.after_validation(state, 7, 7, 2.0).value == 0.5


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"rule": "fixed", "initial_value": 1.0}, "interval"),
        ({"rule": "fixed", "initial_value": 0.1, "multiply_by": 0.5, "final_value": 1.0, "interval": 1}, "never be"),
        ({"rule": "fixed", "schedule": []}, r"schedule must be a list of at least 1; got \[\]"),
        ({"rule": "stalled", "interval": 0}, "interval must be an integer >= 1; got 0"),
        ({"rule": "fixed", "interval": 1, "multiply_by": nan}, "multiply_by must be a finite number; got nan"),
        ({"rule": "fixed", "interval": 1, "multiply_by": -1}, r"multiply_by must be a number >= 0\.0; got -1"),
        ({"rule": "const", "initial_value": inf}, "initial_value must be a finite number; got inf"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(spec, words):
    with pytest.raises(ConfigError, match=words):
        build("rule", spec)
