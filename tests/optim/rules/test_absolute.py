"""Values that are listed with the number of epochs or updates after which they begin."""

from __future__ import annotations

import pytest

import arignote.optim  # noqa: F401
from arignote.errors import ConfigError
from arignote.optim.rules import Position, RuleState
from arignote.registry import build


def values(n, unit, **spec):
    rule = build("rule", {"rule": "absolute", **spec})
    state = rule.start(0.25)
    positions = [Position(k, 1000 - k) if unit == "after_epochs" else Position(1000 - k, k) for k in range(n)]
    return [rule.value_at(state, position) for position in positions]


@pytest.mark.parametrize("unit", ["after_epochs", "after_updates"])
def test_each_value_is_in_force_from_its_number_on(unit):
    # ((0, .1), (2, .01), (3, .001)) of pydnn, whose first epoch is number 0.
    entries = [[0, 0.1], [2, 0.01], [3, 0.001]]
    assert values(6, unit, **{unit: entries}) == [0.1, 0.1, 0.01, 0.001, 0.001, 0.001]


@pytest.mark.parametrize("unit", ["after_epochs", "after_updates"])
def test_before_the_first_entry_the_first_value_is_in_force(unit):
    assert values(4, unit, **{unit: [[2, 0.01]]}) == [0.25, 0.25, 0.01, 0.01]
    assert values(4, unit, initial_value=0.5, **{unit: [[2, 0.01]]}) == [0.5, 0.5, 0.01, 0.01]


def test_the_state_begins_with_the_first_value():
    assert build("rule", ["absolute", {"after_epochs": [[0, 0.5], [2, 0.25]]}]).start(0.1) == RuleState(0.5)
    assert build("rule", ["absolute", {"after_epochs": [[1, 0.5]]}]).start(0.1) == RuleState(0.1)


def test_the_highest_value_is_that_of_the_list_or_the_first():
    rule = build("rule", ["absolute", {"after_epochs": [[1, 0.5], [2, 0.75], [3, 0.25]]}])
    assert rule.highest(0.6) == 0.75 and rule.highest(0.8) == 0.8


def test_a_rule_whose_values_are_equal_says_that_it_has_no_effect():
    rule = build("rule", ["absolute", {"after_epochs": [[1, 0.5], [2, 0.5]]}])
    assert rule.ineffective_reason(0.5) == "the value never changes: all values are 0.5"
    assert rule.ineffective_reason(0.25) is None
    assert build("rule", ["absolute", {"after_epochs": [[1, 0.5], [2, 0.25]]}]).ineffective_reason(0.5) is None


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "^after_epochs or after_updates must be given; neither is given$"),
        (
            {"after_epochs": [[1, 0.5]], "after_updates": [[1, 0.5]]},
            "^after_epochs or after_updates must be given; both are given$",
        ),
        ({"after_epochs": []}, r"^after_epochs must be a list of at least 1; got \[\]$"),
        (
            {"after_epochs": [[5, 0.5], [2, 0.25]]},
            "^after_epochs must be in ascending order, each number once; 2 follows 5$",
        ),
        (
            {"after_updates": [[5, 0.5], [5, 0.25]]},
            "^after_updates must be in ascending order, each number once; 5 follows 5$",
        ),
        ({"after_epochs": [[-1, 0.5]]}, "^after_epochs must be an integer >= 0; got -1$"),
        ({"after_epochs": [[1, 0.5, 3]]}, r"must be a list of pairs .*; got \[1, 0\.5, 3\]$"),
        ({"after_epochs": [[1, float("inf")]]}, "must be a finite number; got inf"),
        (
            {"after_epochs": [[0, 0.5], [2, 0.25]], "initial_value": 0.5},
            r"^initial_value 0\.5 and after_epochs both give the first value: leave one out$",
        ),
    ],
    ids=str,
)
def test_a_list_that_cannot_work_is_refused(params, words):
    with pytest.raises(ConfigError, match=words):
        build("rule", ["absolute", params])


def test_it_waits_for_the_first_entry_with_another_value():
    entries = [[0, 0.5], [2, 0.5], [3, 0.25]]
    assert build("rule", ["absolute", {"after_epochs": entries}]).waits(0.5) == (3, 0)
    assert build("rule", ["absolute", {"after_updates": entries}]).waits(0.5) == (0, 3)
    assert build("rule", ["absolute", {"after_epochs": [[2, 0.5], [3, 0.25]]}]).waits(0.1) == (2, 0)
    assert build("rule", ["absolute", {"after_epochs": [[2, 0.5]]}]).waits(0.5) == (0, 0)


def test_each_value_is_given_with_its_place_in_the_list():
    rule = build("rule", ["absolute", {"initial_value": 0.1, "after_updates": [[2, 0.5], [3, 0.25]]}])
    places = [("initial_value",), ("after_updates", 0, 1), ("after_updates", 1, 1)]
    assert list(rule.given_values()) == list(zip(places, [0.1, 0.5, 0.25], strict=True))
