"""Cosine with and without restarts, and one cycle: values worked out by hand from their definitions."""

from __future__ import annotations

from math import sqrt

import pytest

import arignote.optim  # noqa: F401
from arignote.errors import ConfigError
from arignote.optim.rules import Position
from arignote.registry import build

# (1 + cos(pi * k / 4)) / 2 for k = 0 .. 4.
QUARTERS = [1.0, (2 + sqrt(2)) / 4, 0.5, (2 - sqrt(2)) / 4, 0.0]


def values(n, **spec):
    rule = build("rule", spec)
    state = rule.start(0.01)
    positions = [Position(k, 1000 - k) if "n_epochs" in spec else Position(1000 - k, k) for k in range(n)]
    return [rule.value_at(state, position) for position in positions]


@pytest.mark.parametrize("unit", ["n_epochs", "n_updates"])
@pytest.mark.parametrize(
    ("spec", "length", "expected"),
    [
        # From 0.4 to 0, then 0.
        ({"initial_value": 0.4}, 4, [*(0.4 * q for q in QUARTERS), 0.0, 0.0]),
        # From 0.9 to 0.1.
        ({"initial_value": 0.9, "final_value": 0.1}, 4, [*(0.1 + 0.8 * q for q in QUARTERS), 0.1, 0.1]),
        # Up, as a momentum.
        ({"initial_value": 0.5, "final_value": 0.9}, 4, [*(0.9 - 0.4 * q for q in QUARTERS), 0.9]),
        # The last of a cycle is followed by the first of the next one: 0.1 itself is not reached.
        ({"initial_value": 0.9, "final_value": 0.1, "restarts": True}, 2, [0.9, 0.5, 0.9, 0.5, 0.9, 0.5]),
        # Cycles of 1, 2, 4 and 8.
        (
            {"initial_value": 1.0, "restarts": True, "multiply_length_by": 2},
            1,
            [1.0, 1.0, 0.5, *QUARTERS[:4], 1.0],
        ),
        # Cycles of 1, 3 and 9: cos(pi/3) = 1/2.
        ({"initial_value": 1.0, "restarts": True, "multiply_length_by": 3}, 1, [1.0, 1.0, 0.75, 0.25, 1.0]),
    ],
    ids=str,
)
def test_a_cosine_has_the_values_worked_out_by_hand(spec, length, expected, unit):
    found = values(len(expected), rule="cosine", **spec, **{unit: length})
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_restarts_far_into_training_are_where_they_were():
    # Cycles of 3: number 3000001 is the second of one, at (1 + cos(pi/3)) / 2.
    rule = build("rule", ["cosine", {"n_updates": 3, "restarts": True}])
    assert rule.value_after(3_000_001, 1.0) == pytest.approx(0.75, rel=1e-12)


@pytest.mark.parametrize("unit", ["n_epochs", "n_updates"])
@pytest.mark.parametrize(
    ("spec", "length", "expected"),
    [
        # Half of 8 up: counted from 0, number 3 has the peak and number 7 the last value.
        (
            {"rise": 0.5, "shape": "linear"},
            8,
            [0.1, 0.4, 0.7, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0],
        ),
        # A quarter of 12 up: 2 of the way, then 9.
        ({"rise": 0.25, "shape": "linear"}, 12, [0.1, 0.55, 1.0, *(k / 9 for k in range(8, -1, -1)), 0.0]),
        # Up in 0.6 of a step, down in 2.4.
        ({"rise": 0.4, "shape": "linear"}, 4, [0.1, 5 / 6, 5 / 12, 0.0]),
        # 4 steps up, of which each is a quarter of half a cosine, then 3 down: cos(pi/3) = 1/2.
        ({"rise": 0.625}, 8, [*(0.1 + 0.9 * (1 - q) for q in QUARTERS), 0.75, 0.25, 0.0, 0.0]),
    ],
    ids=str,
)
def test_one_cycle_has_the_values_worked_out_by_hand(spec, length, expected, unit):
    cycle = {"rule": "one_cycle", "initial_value": 0.1, "middle_value": 1.0, "final_value": 0.0}
    assert values(len(expected), **cycle, **spec, **{unit: length}) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_the_middle_and_the_last_value_are_exact():
    # 0.1 + (0.45 - 0.1) is 0.45, and 0.2 + (0.05 - 0.2) is 0.05, only up to rounding.
    cycle = {"rule": "one_cycle", "initial_value": 0.3, "rise": 0.5, "n_epochs": 8}
    assert values(4, middle_value=0.45, final_value=0.1, **cycle)[3] == 0.45 != 0.1 + (0.45 - 0.1)
    linear = cycle | {"shape": "linear"}
    assert values(8, middle_value=0.2, final_value=0.05, **linear)[7] == 0.05 != 0.2 + (0.05 - 0.2)


def test_a_cycle_rises_in_three_tenths_of_its_length_along_cosines():
    # 0.3 * 10 - 1 = 2: half of the way after one epoch, all of it after two.
    found = values(4, rule="one_cycle", initial_value=0.2, middle_value=1.0, final_value=0.1, n_epochs=10)
    # One of 7 steps down: (1 + cos(pi/7)) / 2 = 0.950484...
    assert found == pytest.approx([0.2, 0.6, 1.0, 0.1 + 0.9 * 0.9504844339512095], rel=1e-12)


def test_a_momentum_goes_down_and_up_again():
    found = values(
        6,
        rule="one_cycle",
        initial_value=0.95,
        middle_value=0.85,
        final_value=0.95,
        rise=0.5,
        n_epochs=6,
        shape="linear",
    )
    assert found == pytest.approx([0.95, 0.9, 0.85, 0.85 + 0.1 / 3, 0.85 + 0.2 / 3, 0.95], rel=1e-12)


def test_the_highest_value_is_that_worked_out_by_hand():
    assert build("rule", ["cosine", {"n_epochs": 3}]).highest(0.5) == 0.5
    assert build("rule", ["cosine", {"n_epochs": 3, "final_value": 0.75}]).highest(0.5) == 0.75
    for middle, final, highest in [(0.25, 0.125, 0.5), (0.75, 0.125, 0.75), (0.25, 0.875, 0.875)]:
        rule = build("rule", ["one_cycle", {"n_epochs": 9, "middle_value": middle, "final_value": final}])
        assert rule.highest(0.5) == highest


def test_a_rule_that_can_have_no_effect_says_why():
    cosine = build("rule", ["cosine", {"n_epochs": 3, "final_value": 0.5}])
    assert cosine.ineffective_reason(0.5) == "the value never changes: it begins at final_value 0.5"
    assert cosine.ineffective_reason(0.25) is None
    cycle = build("rule", ["one_cycle", {"n_epochs": 9, "middle_value": 0.5, "final_value": 0.5}])
    assert cycle.ineffective_reason(0.5) == "the value never changes: initial, middle and final value are 0.5"
    assert cycle.ineffective_reason(0.25) is None
    assert (
        build("rule", ["one_cycle", {"n_epochs": 9, "middle_value": 0.75, "final_value": 0.5}]).ineffective_reason(0.5)
        is None
    )


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (["cosine"], "n_epochs .* or n_updates .* must be given; neither is given"),
        (
            ["cosine", {"n_epochs": 3, "multiply_length_by": 2}],
            "^multiply_length_by 2 needs restarts: true$",
        ),
        (
            ["cosine", {"n_epochs": 3, "multiply_length_by": 0, "restarts": True}],
            "multiply_length_by must be an integer >= 1",
        ),
        (["one_cycle", {"n_epochs": 9, "final_value": 0.1}], "^middle_value must be given$"),
        (["one_cycle", {"n_epochs": 9, "middle_value": 0.1}], "^final_value must be given$"),
        (
            ["one_cycle", {"n_epochs": 3, "middle_value": 0.5, "final_value": 0.1}],
            r"^n_epochs must be more than 1 / rise = 3\.33333; got 3$",
        ),
        (
            ["one_cycle", {"n_updates": 2, "middle_value": 0.5, "final_value": 0.1, "rise": 0.5}],
            "^n_updates must be more than 1 / rise = 2; got 2$",
        ),
        (
            ["one_cycle", {"n_epochs": 9, "middle_value": 1, "final_value": 0, "rise": 1.0}],
            r"rise must be a number < 1(\.0)?; got 1\.0",
        ),
        (
            ["one_cycle", {"n_epochs": 9, "middle_value": 1, "final_value": 0, "shape": "round"}],
            "shape must be 'cosine' or 'linear'; got 'round'",
        ),
    ],
    ids=str,
)
def test_a_rule_that_cannot_work_is_refused(spec, words):
    with pytest.raises(ConfigError, match=words):
        build("rule", spec)
