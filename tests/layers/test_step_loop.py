"""Layers computed step by step, with a cell whose states are sums: worked out by hand."""

from __future__ import annotations

import pytest
import torch

from arignote.layers.step_loop import by_steps

# Two rows of three steps of one value.
X = torch.tensor([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]])[:, :, None]


def sums(params, suffix):
    """Return a cell with the states h, the sum so far of 10 x, and the number of its steps."""
    return lambda of_input, of_state, states: (of_input + of_state, states[1] + 1)


def layer(suffixes=("",), n_directions=1, **how):
    params = {f"{name}{suffix}": torch.tensor([[value]]) for suffix in suffixes for name, value in WEIGHTS.items()}
    forward = by_steps(sums, 2, suffixes, n_directions, **{"backwards": False, "only_last": False} | how)
    return lambda x: forward(params, x, False)


WEIGHTS = {"W_in": 10.0, "W_rec": 1.0}


def test_each_step_takes_its_input_and_the_state_before():
    assert layer()(X)[:, :, 0].tolist() == [[10, 30, 70], [80, 240, 560]]
    assert layer(only_last=True)(X).tolist() == [[70], [560]]


def test_backwards_begins_at_the_last_step_and_both_directions_lie_side_by_side():
    assert layer(backwards=True)(X)[:, :, 0].tolist() == [[70, 60, 40], [560, 480, 320]]
    both = layer(("", "_reverse"), 2)(X)
    assert both[0].tolist() == [[10, 70], [30, 60], [70, 40]]
    assert layer(("", "_reverse"), 2, only_last=True)(X).tolist() == [[70, 70], [560, 560]]


@pytest.mark.parametrize("backwards", [False, True])
def test_steps_that_do_not_count_are_zero_and_keep_the_state(backwards):
    x = X.clone()
    x[0, 2] = torch.nan
    lengths = torch.tensor([2, 3])
    expected = [[30, 20, 0], [560, 480, 320]] if backwards else [[10, 30, 0], [80, 240, 560]]
    assert layer(backwards=backwards)([x, lengths])[:, :, 0].tolist() == expected
    assert layer(backwards=backwards, only_last=True)([x, lengths]).tolist() == [[30], [560]]


def test_a_second_layer_takes_the_outputs_of_the_first():
    # 10 * (10, 30, 70), summed.
    assert layer(("", "1"))(X)[0, :, 0].tolist() == [100, 400, 1100]
