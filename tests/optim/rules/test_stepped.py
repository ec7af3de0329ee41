"""Rules that change in steps as functions of (settings, state), with the defects of 2015 as regressions."""

from __future__ import annotations

import re
from math import inf, nan

import pytest

import arignote.optim  # noqa: F401
from arignote.errors import ConfigError
from arignote.optim.rules import RuleState
from arignote.registry import build, dump, part_name


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


def test_the_momentum_of_pydnn_grows_after_each_validation_that_is_worse_than_the_best():
    # Its recursion: m <- 1.01 * m if the loss is above the best.
    spec = {"rule": "stalled", "initial_value": 0.9, "multiply_by": 1.01, "interval": 1, "final_value": 0.99}
    assert values(spec, [3, 2, 2.5, 2.4, 1, 1.5]) == [0.9, 0.9, 0.909, 0.91809, 0.91809, 0.927271]


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
        (
            {"rule": "fixed", "initial_value": 1.0},
            r"^interval \(validations\) or schedule \(epochs, from 1\) must be given$",
        ),
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


@pytest.mark.parametrize(
    ("settings", "value", "expected"),
    [
        # multiply_by * (old - decrease_by)
        ({"multiply_by": 0.5, "decrease_by": 0.2}, 1.0, 0.4),
        ({"multiply_by": 2.0, "decrease_by": -0.5}, 1.0, 3.0),
        ({"multiply_by": 0.0}, 1.0, 0.0),
        ({"decrease_by": 2.0}, 1.0, 0.0),
        # Down to the final value, and no further.
        ({"decrease_by": 0.25, "final_value": 0.5}, 1.0, 0.75),
        ({"decrease_by": 0.5, "final_value": 0.5}, 1.0, 0.5),
        ({"decrease_by": 0.75, "final_value": 0.5}, 1.0, 0.5),
        ({"decrease_by": 0.25, "final_value": 0.5}, 0.5, 0.5),
        # Up to the final value, and no further.
        ({"decrease_by": -0.25, "final_value": 1.5}, 1.0, 1.25),
        ({"decrease_by": -0.75, "final_value": 1.5}, 1.0, 1.5),
        ({"decrease_by": -0.25, "final_value": 1.5}, 1.5, 1.5),
        # A value beyond the final one stays.
        ({"decrease_by": 0.25, "final_value": 0.5}, 0.375, 0.375),
        ({"decrease_by": -0.25, "final_value": 1.5}, 1.75, 1.75),
        ({"multiply_by": 0.5, "final_value": 0.0}, 1.0, 0.5),
        ({"decrease_by": 0.5, "final_value": 0.0}, 0.25, 0.0),
        ({"decrease_by": 0.5, "final_value": 0.0}, 0.0, 0.0),
    ],
    ids=str,
)
def test_a_change_gives_the_value_worked_out_by_hand(settings, value, expected):
    rule = build("rule", {"rule": "fixed", "interval": 1, **settings})
    assert rule.after_validation(RuleState(value), 1, 1, nan) == RuleState(expected, inf, 1)
    scheduled = build("rule", {"rule": "fixed", "schedule": [4], **settings})
    assert scheduled.after_epoch(RuleState(value, 0.5, 2), 9, 4) == RuleState(expected, 0.5, 9)


@pytest.mark.parametrize(
    ("name", "settings", "validation", "epoch", "changes"),
    [
        # The state was changed at validation 10.
        ("fixed", {"interval": 3}, 12, 5, False),
        ("fixed", {"interval": 3}, 13, 5, True),
        ("fixed", {"interval": 3}, 14, 5, True),
        ("fixed", {"interval": 1}, 10, 5, False),
        ("fixed", {"interval": 1}, 11, 0, True),
        ("fixed", {"interval": 1, "schedule": [2, 6]}, 11, 5, False),
        ("fixed", {"interval": 1, "schedule": [6, 2]}, 11, 6, False),
        ("fixed", {"interval": 1, "schedule": [2, 6]}, 11, 7, True),
        ("fixed", {"schedule": [2, 6]}, 99, 7, False),
        ("stalled", {"interval": 3}, 12, 5, False),
        ("stalled", {"interval": 3}, 13, 5, True),
        ("stalled", {"interval": 1, "schedule": [6]}, 99, 6, False),
        ("stalled", {"interval": 1, "schedule": [6]}, 99, 7, True),
    ],
)
def test_a_value_changes_at_the_validation_worked_out_by_hand(name, settings, validation, epoch, changes):
    rule = build("rule", {"rule": name, "multiply_by": 0.5, **settings})
    before = RuleState(1.0, 0.25, 10)
    expected = RuleState(0.5, 0.25, validation) if changes else before
    assert rule.after_validation(before, validation, epoch, 0.75) == expected


@pytest.mark.parametrize(("epoch", "changes"), [(1, False), (2, True), (3, False), (5, True), (6, False)])
def test_the_epochs_of_a_schedule_are_counted_from_1(epoch, changes):
    for name in ("fixed", "stalled"):
        rule = build("rule", {"rule": name, "multiply_by": 0.5, "schedule": [5, 2]})
        before = RuleState(1.0, 0.25, 3)
        assert rule.after_epoch(before, 8, epoch) == (RuleState(0.5, 0.25, 8) if changes else before)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (0.4, RuleState(1.0, 0.4, 13)),
        # An equal loss is no improvement, nor is one that is no number: the interval ends.
        (0.5, RuleState(0.5, 0.5, 13)),
        (0.6, RuleState(0.5, 0.5, 13)),
        (nan, RuleState(0.5, 0.5, 13)),
    ],
)
def test_only_a_lower_loss_starts_the_interval_of_stalled_again(loss, expected):
    rule = build("rule", {"rule": "stalled", "multiply_by": 0.5, "interval": 3})
    assert rule.after_validation(RuleState(1.0, 0.5, 10), 13, 5, loss) == expected


def test_fixed_ignores_the_loss():
    rule = build("rule", {"rule": "fixed", "multiply_by": 0.5, "interval": 3})
    assert rule.after_validation(RuleState(1.0, inf, 10), 12, 5, 0.1) == RuleState(1.0, inf, 10)
    assert not rule.needs_validation and build("rule", {"rule": "stalled", "interval": 1}).needs_validation


@pytest.mark.parametrize(
    ("settings", "start", "words"),
    [
        ({"multiply_by": 0.5}, 1.0, None),
        ({"multiply_by": 0.5, "final_value": 0.5}, 1.0, None),
        ({"multiply_by": 0.5, "final_value": 1.0}, 1.0, None),
        ({"multiply_by": 0.5, "final_value": 2.0}, 1.0, "from 1.0 the first change goes down"),
        ({"multiply_by": 2.0, "final_value": 2.0}, 1.0, None),
        ({"multiply_by": 2.0, "final_value": 0.5}, 1.0, "from 1.0 the first change goes up"),
        ({"decrease_by": 0.5, "final_value": 2.0}, 1.0, "from 1.0 the first change goes down"),
        # 0.5 * (1 - -1) - 1 = 0
        (
            {"multiply_by": 0.5, "decrease_by": -1.0, "final_value": 2.0},
            1.0,
            "from 1.0 the first change is 0",
        ),
        ({"multiply_by": 0.5, "decrease_by": -1.0, "final_value": 2.0}, 0.25, None),
        ({"final_value": 2.0}, 1.0, "from 1.0 the first change is 0"),
    ],
    ids=str,
)
def test_a_final_value_in_the_other_direction_can_never_be_reached(settings, start, words):
    reason = build("rule", {"rule": "fixed", "interval": 1, **settings}).ineffective_reason(start)
    assert reason == (None if words is None else f"final_value {settings['final_value']} can never be reached: {words}")


@pytest.mark.parametrize(
    ("settings", "start", "highest"),
    [
        ({"interval": 1}, 0.5, 0.5),
        ({"interval": 1, "multiply_by": 0.5}, 0.5, 0.5),
        ({"interval": 1, "multiply_by": 2.0}, 0.5, inf),
        ({"interval": 1, "decrease_by": -0.25}, 0.5, inf),
        # The fixed point of 0.5 * (v + 1) is 1.
        ({"interval": 1, "multiply_by": 0.5, "decrease_by": -1.0}, 0.5, 1.0),
        ({"interval": 1, "multiply_by": 0.5, "decrease_by": -1.0}, 1.0, 1.0),
        ({"interval": 1, "multiply_by": 2.0, "final_value": 3.0}, 0.5, 3.0),
        ({"interval": 1, "multiply_by": 2.0, "final_value": 3.0}, 4.0, 4.0),
        ({"schedule": [3], "multiply_by": 2.0}, 0.5, 1.0),
        ({"schedule": [3, 9, 4], "multiply_by": 2.0}, 0.5, 4.0),
        ({"schedule": [3, 9], "multiply_by": 2.0, "final_value": 1.5}, 0.5, 1.5),
    ],
    ids=str,
)
def test_the_highest_value_is_that_worked_out_by_hand(settings, start, highest):
    assert build("rule", {"rule": "fixed", **settings}).highest(start) == highest


@pytest.mark.parametrize(
    ("settings", "becomes_0"),
    [
        ({"decrease_by": 0.1, "interval": 3}, True),
        ({"decrease_by": 0.1, "multiply_by": 0.5, "interval": 3}, True),
        ({"decrease_by": 0.6, "multiply_by": 1.5, "interval": 3}, True),
        ({"multiply_by": 0.0, "interval": 3}, True),
        ({"multiply_by": 0.5, "interval": 3}, False),
        # Towards 0.5 * 0.2 / (1 - 0.5) = 0.2.
        ({"decrease_by": -0.2, "multiply_by": 0.5, "interval": 3}, False),
        ({"decrease_by": 0.1, "interval": 3, "final_value": 0.2}, False),
        # 1.5 * (0.75 - 0.2) is more than 0.75, and so on.
        ({"decrease_by": 0.2, "multiply_by": 1.5, "interval": 3}, False),
        ({"decrease_by": 0.25, "schedule": [1, 2]}, False),
        ({"decrease_by": 0.25, "schedule": [1, 2, 2]}, False),
        ({"decrease_by": 0.25, "schedule": [1, 2, 3]}, True),
    ],
    ids=str,
)
def test_whether_the_value_becomes_0_is_worked_out_by_hand(settings, becomes_0):
    assert build("rule", {"rule": "fixed", **settings}).becomes_0(0.75) is becomes_0


def test_the_settings_of_a_rule_have_their_defaults():
    rule = build("rule", {"rule": "stalled", "interval": 2})
    assert rule.model_dump() == {
        "initial_value": None,
        "multiply_by": 1.0,
        "decrease_by": 0.0,
        "final_value": None,
        "interval": 2,
        "schedule": None,
    }


@pytest.mark.parametrize("name", ["const", "fixed", "stalled"])
def test_a_rule_is_written_under_its_name(name):
    rule = build("rule", {"rule": name} if name == "const" else {"rule": name, "interval": 1})
    assert part_name(rule) == name and dump(rule)[0] == name


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"multiply_by": 0.5, "schedule": [2, 3, 7]}, None),
        ({"decrease_by": 0.25, "schedule": [2]}, None),
        ({"multiply_by": 0.5, "interval": 1}, None),
        ({"decrease_by": 1.0, "interval": 1}, None),
        ({"multiply_by": 2.0, "interval": 1}, None),
        ({"multiply_by": 0.5, "schedule": [2, 5, 3]}, "schedule must be .*, each epoch once; 3 follows 5"),
        ({"multiply_by": 0.5, "schedule": [4, 4]}, "schedule must be in ascending order.*; 4 follows 4"),
        ({"interval": 3}, "the value never changes: multiply_by is 1 and decrease_by 0"),
    ],
    ids=str,
)
def test_a_schedule_that_is_not_ascending_and_a_change_of_nothing_are_invalid(settings, reason):
    for name in ("fixed", "stalled"):
        found = build("rule", {"rule": name, **settings}).invalid_reason
        assert found is None if reason is None else re.match(reason, found)


def test_a_rule_waits_for_the_first_epoch_of_its_schedule_and_not_for_validations():
    assert build("rule", {"rule": "fixed", "multiply_by": 0.5, "schedule": [4, 6], "interval": 1}).waits(0.5) == (4, 0)
    assert build("rule", {"rule": "stalled", "multiply_by": 0.5, "interval": 3}).waits(0.5) is None
