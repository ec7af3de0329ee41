"""Linear warm-up: in front of rules of the position and of the loss, by values worked out by hand."""

from __future__ import annotations

from math import inf

import pytest

import arignote.optim  # noqa: F401
from arignote.errors import ConfigError
from arignote.optim.rules import Position, RuleState
from arignote.registry import build


def values(n, **spec):
    rule = build("rule", {"rule": "warmup", **spec})
    state = rule.start(0.01)
    positions = [Position(k, 1000 - k) if "n_epochs" in spec else Position(1000 - k, k) for k in range(n)]
    return [rule.value_at(state, position) for position in positions]


@pytest.mark.parametrize("unit", ["n_epochs", "n_updates"])
@pytest.mark.parametrize(
    ("then", "length", "expected"),
    [
        # 0.1 + 0.4 * n / 4
        (0.5, 4, [0.1, 0.2, 0.3, 0.4, 0.5, 0.5]),
        (["const", {"initial_value": 0.5}], 2, [0.1, 0.3, 0.5, 0.5]),
        (0.5, 1, [0.1, 0.5]),
    ],
    ids=str,
)
def test_the_value_rises_in_a_line_to_a_constant(then, length, expected, unit):
    assert values(len(expected), initial_value=0.1, then=then, **{unit: length}) == pytest.approx(expected, rel=1e-12)


def test_the_rule_that_follows_counts_from_the_start_of_training():
    # v = 0.8 * 0.5^floor(n/2): 0.8, 0.8, 0.4, 0.4, 0.2; value = 0.2 + (v - 0.2) * n / 4.
    step = {"rule": "step", "initial_value": 0.8, "multiply_by": 0.5, "n_epochs": 2}
    assert values(7, initial_value=0.2, then=step, n_epochs=4) == pytest.approx([0.2, 0.35, 0.3, 0.35, 0.2, 0.2, 0.1])


def test_a_rule_that_follows_without_a_first_value_begins_at_that_of_the_updater():
    assert values(3, initial_value=0.0, then="const", n_updates=2) == [0.0, 0.005, 0.01]


def test_the_last_value_of_the_warm_up_is_exact():
    # 0.2 + (0.9 - 0.2) * 7 / 7 is 0.9 only up to rounding.
    assert values(8, initial_value=0.2, then=0.9, n_updates=7)[7] == 0.9 != 0.2 + (0.9 - 0.2) * 7 / 7


def test_a_stalled_rule_behind_a_warm_up_sees_every_validation_and_epoch():
    stalled = {"rule": "stalled", "initial_value": 0.8, "multiply_by": 0.5, "interval": 1, "schedule": [1]}
    rule = build("rule", {"rule": "warmup", "initial_value": 0.0, "n_epochs": 2, "then": stalled})
    assert (
        rule.needs_validation
        and not build("rule", ["warmup", {"initial_value": 0.0, "n_epochs": 2, "then": 1}]).needs_validation
    )
    state = rule.after_epoch(rule.after_validation(rule.start(0.01), 1, 1, 3.0), 1, 1)
    # The schedule halves 0.8 after epoch 1; half of the warm-up is complete.
    assert state == RuleState(0.4, 3.0, 1) and rule.value_at(state, Position(1, 9)) == pytest.approx(0.2)
    state = rule.after_validation(state, 2, 2, 4.0)
    assert state == RuleState(0.2, 3.0, 2) and rule.value_at(state, Position(2, 18)) == 0.2


def test_the_highest_value_and_what_can_never_change_are_those_of_the_rule_that_follows():
    def rule(then, initial_value=0.25):
        return build("rule", ["warmup", {"initial_value": initial_value, "n_epochs": 3, "then": then}])

    assert rule(["linear", {"final_value": 0.9, "n_epochs": 4}]).highest(0.5) == 0.9
    assert rule(["exponential", {"multiply_by": 2.0, "n_epochs": 4}]).highest(0.5) == inf
    assert rule("const").ineffective_reason(0.5) is None
    assert rule(["linear", {"final_value": 0.5, "n_epochs": 4}]).ineffective_reason(0.5).startswith("the value never")
    for initial_value in (0.5, 0.75):
        assert rule("const", initial_value).ineffective_reason(0.5) == (
            f"the warm-up begins at {initial_value}, and must rise; the rule that follows begins at 0.5"
        )


def test_the_value_changes_within_an_epoch_if_the_warm_up_or_the_rule_that_follows_counts_updates():
    def rule(then, **length):
        return build("rule", ["warmup", {"initial_value": 0.1, "then": then, **length}])

    of_updates = ["step", {"multiply_by": 0.5, "n_updates": 9}]
    assert rule(of_updates, n_epochs=2).follows_updates and rule(0.5, n_updates=2).follows_updates
    assert not rule(0.5, n_epochs=2).follows_updates


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"n_epochs": 3, "then": 0.5}, "^initial_value must be given$"),
        ({"n_epochs": 3, "initial_value": 0.1}, "^then must be given$"),
        ({"initial_value": 0.1, "then": 0.5}, "must be given; neither is given"),
        (
            {"n_epochs": 3, "initial_value": 0.1, "then": ["cosin"]},
            r"^then: unknown rule 'cosin'\. Did you mean 'cosine'\?",
        ),
        ({"n_epochs": 3, "initial_value": 0.1, "then": True}, "a rule must be written"),
        (
            {"n_epochs": 3, "initial_value": 0.1, "then": ["step", {"n_epochs": 1}]},
            "^then: multiply_by must be given$",
        ),
    ],
    ids=str,
)
def test_a_warm_up_that_cannot_work_is_refused(params, words):
    with pytest.raises(ConfigError, match=words):
        build("rule", ["warmup", params])


def test_a_warm_up_is_invalid_if_the_rule_that_follows_is():
    then = ["fixed", {"multiply_by": 0.5, "schedule": [2, 1]}]
    warmup = build("rule", ["warmup", {"initial_value": 0.1, "n_epochs": 2, "then": then}])
    assert warmup.invalid_reason == "schedule must be in ascending order, each epoch once; 1 follows 2"
    assert build("rule", ["warmup", {"initial_value": 0.1, "n_epochs": 2, "then": 0.5}]).invalid_reason is None
