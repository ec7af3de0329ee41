"""An LSTM step by step, beside the fused one of torch, and its peepholes beside their formula in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote.layers.lstm_loop import lstm_cell
from arignote.layers.step_loop import by_steps

RNG = np.random.default_rng(0)
N_ROWS, N_STEPS, N_IN, N_UNITS = 3, 5, 2, 4


def lstm_by_steps(suffixes, n_directions=1, *, only_last=True, max_gradient=None):
    """Return the forward function of an LSTM, whose steps have two states, h and c."""
    return by_steps(lstm_cell(max_gradient), 2, suffixes, n_directions, backwards=False, only_last=only_last)


def params_of(lstm, suffix):
    """Return the parameters of one direction of torch.nn.LSTM, by our names."""
    of_torch = {"W_in": "weight_ih_l0", "W_rec": "weight_hh_l0", "b_in": "bias_ih_l0", "b_rec": "bias_hh_l0"}
    return {f"{ours}{suffix}": getattr(lstm, theirs + suffix) for ours, theirs in of_torch.items()}


@pytest.mark.parametrize("only_last", [False, True])
def test_both_directions_are_those_of_torch(only_last):
    torch.manual_seed(0)
    lstm = torch.nn.LSTM(N_IN, N_UNITS, batch_first=True, bidirectional=True).double()
    params = params_of(lstm, "") | params_of(lstm, "_reverse")
    x = torch.tensor(RNG.normal(size=(N_ROWS, N_STEPS, N_IN)))
    loop = lstm_by_steps(["", "_reverse"], 2, only_last=only_last)
    outputs, (last, _) = lstm(x)
    expected = torch.cat([last[0], last[1]], 1) if only_last else outputs
    torch.testing.assert_close(loop(params, x, False), expected)


def test_steps_beyond_the_length_of_a_row_change_nothing():
    torch.manual_seed(1)
    params = params_of(torch.nn.LSTM(N_IN, N_UNITS, batch_first=True).double(), "")
    x = torch.tensor(RNG.normal(size=(2, N_STEPS, N_IN)))
    last = lstm_by_steps([""])
    short = last(params, [x, torch.tensor([3, 5])], False)
    x[0, 3:] = torch.nan
    torch.testing.assert_close(last(params, [x, torch.tensor([3, 5])], False), short)
    torch.testing.assert_close(short[:1], last(params, x[:1, :3], False))


def test_peepholes_add_the_cell_before_to_two_gates_and_the_new_cell_to_the_third():
    # Gers and Schmidhuber, 2000: i, f see c_{t-1}, o sees c_t.
    w_in, w_rec, w_cell = RNG.normal(size=(16, N_IN)), RNG.normal(size=(16, N_UNITS)), RNG.normal(size=(3, N_UNITS))
    x = RNG.normal(size=(N_ROWS, N_STEPS, N_IN))
    h = c = np.zeros((N_ROWS, N_UNITS))
    for step in range(N_STEPS):
        i, f, g, o = np.split(x[:, step] @ w_in.T + h @ w_rec.T, 4, axis=1)
        i, f = (1 / (1 + np.exp(-(gate + w * c))) for gate, w in ((i, w_cell[0]), (f, w_cell[1])))
        c = f * c + i * np.tanh(g)
        h = np.tanh(c) / (1 + np.exp(-(o + w_cell[2] * c)))
    params = {"W_in": torch.tensor(w_in), "W_rec": torch.tensor(w_rec), "W_cell": torch.tensor(w_cell)}
    found = lstm_by_steps([""])(params, torch.tensor(x), False)
    np.testing.assert_allclose(found, h, rtol=1e-12)


def test_gradients_of_the_sums_are_clipped_on_their_way_back_alone():
    params = {"W_in": torch.full((4, 1), 0.5), "W_rec": torch.zeros(4, 1)}
    for tensor in params.values():
        tensor.requires_grad_()
    x = torch.ones(1, 1, 1)
    outputs = []
    for bound in (None, 0.01):
        params["W_in"].grad = None
        out = lstm_by_steps([""], max_gradient=bound)(params, x, True)
        out.sum().backward()
        outputs.append((out.item(), params["W_in"].grad.abs().max().item()))
    (free, slope), (clipped, bounded) = outputs
    assert free == clipped and slope > 0.01 and bounded == pytest.approx(0.01)
