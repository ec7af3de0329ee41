"""Linear, exponential, step and inverse: values worked out by hand from their definitions."""

from __future__ import annotations

from math import inf

import pytest

import arignote.optim  # noqa: F401
from arignote.errors import ConfigError
from arignote.optim.rules import Position
from arignote.registry import build


def values(n, **spec):
    """Return the value in force after each number of epochs, or of updates; the other count must not matter."""
    rule = build("rule", spec)
    state = rule.start(0.01)
    positions = [Position(k, 1000 - k) if "n_epochs" in spec else Position(1000 - k, k) for k in range(n)]
    return [rule.value_at(state, position) for position in positions]


@pytest.mark.parametrize("unit", ["n_epochs", "n_updates"])
@pytest.mark.parametrize(
    ("spec", "length", "expected"),
    [
        # 0.5 + 0.4 * n / 4, then 0.9.
        ({"rule": "linear", "initial_value": 0.5, "final_value": 0.9}, 4, [0.5, 0.6, 0.7, 0.8, 0.9, 0.9, 0.9]),
        ({"rule": "linear", "initial_value": 0.3, "final_value": 0.0}, 3, [0.3, 0.2, 0.1, 0.0, 0.0]),
        ({"rule": "linear", "initial_value": 0.3, "final_value": 0.1}, 1, [0.3, 0.1, 0.1]),
        # 0.8 * 0.25^(n/2)
        ({"rule": "exponential", "initial_value": 0.8, "multiply_by": 0.25}, 2, [0.8, 0.4, 0.2, 0.1, 0.05]),
        (
            {"rule": "exponential", "initial_value": 0.8, "multiply_by": 0.5, "final_value": 0.15},
            1,
            [0.8, 0.4, 0.2, 0.15, 0.15],
        ),
        (
            {"rule": "exponential", "initial_value": 0.1, "multiply_by": 2.0, "final_value": 0.5},
            1,
            [0.1, 0.2, 0.4, 0.5, 0.5],
        ),
        # 0.8 * 0.5^floor(n/3)
        ({"rule": "step", "initial_value": 0.8, "multiply_by": 0.5}, 3, [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2]),
        ({"rule": "step", "initial_value": 0.8, "multiply_by": 0.5, "final_value": 0.3}, 1, [0.8, 0.4, 0.3, 0.3]),
        (
            {"rule": "step", "initial_value": 0.1, "multiply_by": 3.0, "final_value": 0.5},
            2,
            [0.1, 0.1, 0.3, 0.3, 0.5, 0.5],
        ),
        # 0.6 / (1 + 0.5 * n): that of pydnn, by its epoch.
        ({"rule": "inverse", "initial_value": 0.6, "decay": 0.5}, 1, [0.6, 0.4, 0.3, 0.24, 0.2]),
        ({"rule": "inverse", "initial_value": 0.6, "decay": 0.5, "final_value": 0.25}, 1, [0.6, 0.4, 0.3, 0.25, 0.25]),
        # 0.6 / (1 + n / 4)
        ({"rule": "inverse", "initial_value": 0.6, "decay": 1.0}, 4, [0.6, 0.48, 0.4, 0.6 / 1.75, 0.3]),
    ],
    ids=str,
)
def test_the_values_are_those_worked_out_by_hand_in_epochs_and_in_updates(spec, length, expected, unit):
    assert values(len(expected), **spec, **{unit: length}) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_a_rule_without_a_first_value_begins_at_that_of_the_updater():
    # The updater of `values` has 0.01.
    assert values(3, rule="exponential", multiply_by=0.5, n_epochs=1) == [0.01, 0.005, 0.0025]


def test_the_last_value_of_a_line_is_exact():
    # 0.2 + (0.9 - 0.2) * 7 / 7 is 0.9 only up to rounding.
    assert values(9, rule="linear", initial_value=0.2, final_value=0.9, n_updates=7)[7:] == [0.9, 0.9]


def test_a_value_that_grows_without_a_bound_is_infinite_in_the_end():
    assert values(5000, rule="exponential", initial_value=1.0, multiply_by=2.0, n_epochs=1)[-1] == inf
    assert values(5000, rule="step", initial_value=1.0, multiply_by=2.0, n_epochs=1, final_value=8.0)[-1] == 8.0


@pytest.mark.parametrize(
    ("spec", "start", "highest"),
    [
        ({"rule": "linear", "final_value": 0.9}, 0.5, 0.9),
        ({"rule": "linear", "final_value": 0.1}, 0.5, 0.5),
        ({"rule": "exponential", "multiply_by": 0.5}, 0.5, 0.5),
        ({"rule": "exponential", "multiply_by": 1.5}, 0.5, inf),
        ({"rule": "exponential", "multiply_by": 1.5, "final_value": 0.75}, 0.5, 0.75),
        ({"rule": "step", "multiply_by": 1.5}, 0.5, inf),
        ({"rule": "step", "multiply_by": 0.5, "final_value": 0.25}, 0.5, 0.5),
        ({"rule": "step", "multiply_by": 1.0}, 0.5, 0.5),
        ({"rule": "inverse", "decay": 0.5}, 0.5, 0.5),
    ],
    ids=str,
)
def test_the_highest_value_is_that_worked_out_by_hand(spec, start, highest):
    assert build("rule", spec | {"n_epochs": 3}).highest(start) == highest


@pytest.mark.parametrize(
    ("spec", "start", "reason"),
    [
        ({"rule": "linear", "final_value": 0.5}, 0.25, None),
        ({"rule": "linear", "final_value": 0.5}, 0.5, "the value never changes: it begins at final_value 0.5"),
        ({"rule": "exponential", "multiply_by": 0.5}, 0.5, None),
        ({"rule": "exponential", "multiply_by": 1.0}, 0.5, "the value never changes: multiply_by is 1"),
        ({"rule": "step", "multiply_by": 1.0}, 0.5, "the value never changes: multiply_by is 1"),
        ({"rule": "step", "multiply_by": 0.5}, 0.0, "the value never changes: it begins at 0"),
        ({"rule": "inverse", "decay": 0.5}, 0.0, "the value never changes: it begins at 0"),
        ({"rule": "inverse", "decay": 0.5, "final_value": 0.25}, 0.5, None),
        (
            {"rule": "inverse", "decay": 0.5, "final_value": 0.5},
            0.5,
            "final_value 0.5 can never be reached: the value begins at 0.5 and falls",
        ),
        (
            {"rule": "exponential", "multiply_by": 0.5, "final_value": 0.75},
            0.5,
            "final_value 0.75 can never be reached: the value begins at 0.5 and falls",
        ),
        ({"rule": "step", "multiply_by": 2.0, "final_value": 0.75}, 0.5, None),
        (
            {"rule": "step", "multiply_by": 2.0, "final_value": 0.5},
            0.5,
            "final_value 0.5 can never be reached: the value begins at 0.5 and rises",
        ),
        (
            {"rule": "step", "multiply_by": 2.0, "final_value": 0.25},
            0.5,
            "final_value 0.25 can never be reached: the value begins at 0.5 and rises",
        ),
    ],
    ids=str,
)
def test_a_rule_that_can_have_no_effect_says_why(spec, start, reason):
    assert build("rule", spec | {"n_updates": 3}).ineffective_reason(start) == reason


LENGTH = r"^n_epochs \(the value changes after each epoch\) or n_updates \(after each update\) must be given; "


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"rule": "linear", "final_value": 0.5}, f"{LENGTH}neither is given$"),
        ({"rule": "step", "multiply_by": 0.5, "n_epochs": 2, "n_updates": 9}, f"{LENGTH}both are given$"),
        ({"rule": "linear", "n_epochs": 3}, "^final_value must be given$"),
        ({"rule": "step", "n_epochs": 3}, "^multiply_by must be given$"),
        ({"rule": "inverse", "n_epochs": 3}, "^decay must be given$"),
        ({"rule": "step", "n_epochs": 0, "multiply_by": 0.5}, "^n_epochs must be an integer >= 1; got 0$"),
        ({"rule": "step", "n_updates": 2.5, "multiply_by": 0.5}, r"^n_updates must be an integer; got 2\.5$"),
        ({"rule": "step", "n_epochs": 2, "multiply_by": 0.0}, r"^multiply_by must be a number > 0(\.0)?; got 0\.0$"),
        ({"rule": "inverse", "n_epochs": 2, "decay": -1.0}, r"^decay must be a number > 0(\.0)?; got -1\.0$"),
        ({"rule": "exponential", "n_epochs": 2, "multiply_by": inf}, "^multiply_by must be a finite number; got inf$"),
    ],
    ids=str,
)
def test_a_rule_that_cannot_work_is_refused(spec, words):
    with pytest.raises(ConfigError, match=words):
        build("rule", spec)


def test_steps_wait_for_the_end_of_their_length_and_others_change_at_once():
    assert build("rule", ["step", {"multiply_by": 0.5, "n_epochs": 3}]).waits(0.5) == (3, 0)
    assert build("rule", ["step", {"multiply_by": 0.5, "n_updates": 4}]).waits(0.5) == (0, 4)
    assert build("rule", ["exponential", {"multiply_by": 0.5, "n_epochs": 3}]).waits(0.5) is None
