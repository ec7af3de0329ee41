"""What any rule has: its first state, no effect of its own, the values that a user gave."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from math import inf

import pytest

import arignote.optim  # noqa: F401
from arignote.optim.rules import Position, Rule, RuleState, RuleValues
from arignote.registry import build


def test_a_run_starts_with_the_value_of_the_rule_or_that_of_the_updater():
    assert build("rule", "const").start(0.25) == RuleState(0.25, inf, 0)
    assert build("rule", {"rule": "const", "initial_value": 0.0}).start(0.25) == RuleState(0.0, inf, 0)


def test_a_constant_keeps_its_state():
    rule, state = build("rule", "constant"), RuleState(0.5, 0.25, 3)
    assert rule.after_validation(state, 9, 9, 0.1) == rule.after_epoch(state, 9, 9) == state
    assert (rule.ineffective_reason(0.5), rule.highest(0.5), rule.needs_validation) == (None, 0.5, False)


def test_a_rule_without_settings_changes_nothing():
    rule, state = Rule(), RuleState(0.5, 0.25, 3)
    assert rule.initial_value is None and rule.after_validation(state, 9, 9, 0.1) is rule.after_epoch(state, 9, 9)
    assert (rule.follows_updates, rule.becomes_0(0.5), rule.ends(state)) == (False, False, False)


def test_the_values_in_force_are_named_by_their_rules():
    assert RuleValues(0.1, 0.9, {"fc.l2": 0.5}).by_name == {"lr": 0.1, "momentum": 0.9, "fc.l2": 0.5}


def test_the_state_of_a_rule_is_frozen():
    with pytest.raises(FrozenInstanceError):
        RuleState(0.5).value = 1.0


def test_the_value_in_force_is_that_of_the_state_wherever_training_is():
    rule = build("rule", {"rule": "stalled", "interval": 1, "multiply_by": 0.5})
    for position in (Position(0, 0), Position(3, 70)):
        assert Rule().value_at(RuleState(0.25), position) == rule.value_at(RuleState(0.25), position) == 0.25


@pytest.mark.parametrize(
    ("spec", "given"),
    [
        ("const", []),
        ({"rule": "const", "initial_value": 0.0}, [(("initial_value",), 0.0)]),
        (
            {"rule": "fixed", "interval": 1, "initial_value": 0.5, "final_value": 0.0, "multiply_by": 0.5},
            [(("initial_value",), 0.5), (("final_value",), 0.0)],
        ),
        (
            {"rule": "one_cycle", "initial_value": 0.1, "middle_value": 0.5, "final_value": 0.0, "n_epochs": 9},
            [(("initial_value",), 0.1), (("final_value",), 0.0), (("middle_value",), 0.5)],
        ),
        (
            {"rule": "absolute", "after_updates": [[2, 0.5], [4, 0.25]]},
            [(("after_updates", 0, 1), 0.5), (("after_updates", 1, 1), 0.25)],
        ),
        (
            {"rule": "warmup", "initial_value": 0.1, "n_epochs": 2, "then": {"rule": "const", "initial_value": 0.5}},
            [(("initial_value",), 0.1), (("then", "initial_value"), 0.5)],
        ),
    ],
    ids=str,
)
def test_the_values_that_a_user_gave_come_with_the_path_of_their_parameter(spec, given):
    assert list(build("rule", spec).given_values()) == given
