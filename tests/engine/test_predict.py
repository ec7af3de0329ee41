"""Predictions and losses of several outputs, of which some rows have no target; those of one are in test_step.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, mean_absolute_error, r2_score

from arignote.engine.network import Network
from arignote.engine.predict import Scorer, predict
from arignote.engine.setup import Setup
from arignote.layers import declare, parse
from arignote.optim.losses import Loss
from arignote.registry import build
from arignote.spec.objective import ReportedLoss

RNG = np.random.default_rng(8)
X = RNG.normal(size=(7, 4)).astype(np.float32)
LAYERS = [
    ["FCLayer", {"name": "body", "n_units": 5, "activation": "tanh"}],
    ["ClassificationOutputLayer", {"name": "kind", "n_classes": 3, "W": "glorot_uniform"}],
    ["RegressionOutputLayer", {"name": "size", "n_outputs": 2, "W": "glorot_uniform", "input": "body"}],
]
Y = np.empty(7, [("kind", np.int64), ("size", np.float32, (2,))])
Y["kind"] = [0, 2, 1, 1, 0, 2, 2]
Y["size"] = RNG.normal(size=(7, 2))
# Row 1 has one number, rows 2 and 5 have none.
Y["size"][[1, 2, 2, 5, 5], [0, 0, 1, 0, 1]] = np.nan
UNITS = {"kind": np.ones(3), "size": np.array([2.0, 10.0])}
LOSSES = {"nll": "kind", "squared": "size", "mae": "size", "r2": "size"}


def network():
    found = Network(declare(parse(LAYERS), (4,)), Setup())
    found.initialise(3)
    return found.train()


def outputs_in_numpy(weights):
    """Return the probabilities of the classes, and the numbers."""
    h = np.tanh(X @ weights["body.W"] + weights["body.b"])
    z, numbers = (h @ weights[f"{name}.W"] + weights[f"{name}.b"] for name in ("kind", "size"))
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True), numbers


def scorer_of(a_network):
    return Scorer(a_network, [ReportedLoss(name, of, build("loss", name), UNITS[of]) for name, of in LOSSES.items()])


def cut(ends):
    return [slice(a, b) for a, b in zip([0, *ends], ends, strict=False)]


@pytest.mark.parametrize("ends", [[7], [2, 7], [3, 5, 6, 7]], ids=str)
def test_rows_without_a_target_do_not_count_for_the_losses_of_its_output(ends):
    scored = network()
    p, numbers = outputs_in_numpy(scored.arrays())
    by_row = np.nanmean((numbers - Y["size"])[[0, 1, 3, 4, 6]] ** 2, axis=1)
    columns = [(Y["size"][there, j], numbers[there, j]) for j in (0, 1) for there in [~np.isnan(Y["size"][:, j])]]
    expected = {
        "nll": log_loss(Y["kind"], p, labels=range(3)),
        # In scaled units, of the five rows that have a number at least.
        "squared": by_row.mean(),
        # In units of the user, of each column.
        "mae": np.mean([unit * mean_absolute_error(*one) for unit, one in zip(UNITS["size"], columns, strict=True)]),
        "r2": np.mean([r2_score(*one) for one in columns]),
    }
    found = scorer_of(scored)((X[rows], Y[rows]) for rows in cut(ends))
    assert list(found) == list(LOSSES) and found == pytest.approx(expected, rel=1e-5)


def test_the_losses_of_an_output_without_any_target_are_nan():
    without = Y.copy()
    without["size"] = np.nan
    found = scorer_of(network())([(X, without)])
    assert {name for name, value in found.items() if np.isnan(value)} == {"squared", "mae", "r2"}


def test_without_batches_there_are_no_losses():
    assert scorer_of(network())([]) == {}


def test_predictions_of_each_output_may_be_kept_while_losses_are_computed():
    scored, kept = network(), []
    p, numbers = outputs_in_numpy(scored.arrays())
    batches = [(X[rows], Y[rows]) for rows in cut([2, 7])]
    assert scorer_of(scored)(batches, keep=kept.append) == scorer_of(scored)(batches)
    for found in (kept, list(predict(scored, (x for x, _ in batches)))):
        assert [list(one) for one in found] == [["kind", "size"]] * 2
        assert [len(one["size"]) for one in found] == [2, 5]
        for name, expected in (("kind", p), ("size", numbers)):
            values = np.concatenate([one[name] for one in found])
            assert values.dtype == np.float32
            np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)


def test_losses_are_computed_without_a_graph_and_outside_training():
    scored = network()
    seen = []

    class Looks(Loss):
        def build(self):
            return lambda logits, y: seen.append((logits.requires_grad, torch.is_grad_enabled())) or logits[:, 0]

    Scorer(scored, [ReportedLoss("looks", "kind", Looks(), np.ones(3))])([(X, Y)])
    assert seen == [(False, False)] and not scored.training
