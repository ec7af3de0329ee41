"""What is monitored is in the history, decides nothing, and comes back after a kill."""

from __future__ import annotations

from itertools import pairwise
from math import isnan

import numpy as np
import pytest
import torch
from promise import Stopped, killed_after, resumes_after_every_batch

from arignote import ArignoteWarning, NNClassifier
from arignote.layers import Layer

LAYERS = [["FCLayer", {"n_units": 8, "activation": "relu"}], ["ClassificationOutputLayer"]]
DISTURBED = [
    ["FCLayer", {"n_units": 8, "activation": "relu"}],
    ["BatchNormLayer"],
    ["DropoutLayer", {"dropout_p": 0.3}],
    ["ClassificationOutputLayer"],
]
RNG = np.random.default_rng(3)
X = RNG.normal(size=(60, 5)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
# Without momentum an update is the gradient times the rate.
SGD = {"sgd_type": "sgd", "lr_rule": 0.25, "batch_size": 60, "n_threads": 1, "restore_best": False, "shuffle": False}


def fit(layers=LAYERS, **settings):
    return NNClassifier(layers, rng=3).fit(X, Y, **SGD | settings)


def flat(classifier):
    return np.concatenate([array.ravel() for array in classifier.params.values()]).astype(np.float64)


def test_the_norm_of_the_gradient_is_that_of_the_updates_divided_by_the_rate():
    weights = [flat(fit(n_epochs=n)) for n in range(5)]
    norms = [np.linalg.norm(b - a) / 0.25 for a, b in pairwise(weights)]
    found = [row["grad_norm"] for row in fit(n_epochs=4, monitor="grad_norm").history_]
    np.testing.assert_allclose(found, norms, rtol=1e-5)
    # One validation for two updates.
    found = [row["grad_norm"] for row in fit(n_epochs=4, monitor="grad_norm", validation_frequency=120).history_]
    np.testing.assert_allclose(found, [np.mean(norms[:2]), np.mean(norms[2:])], rtol=1e-5)
    # The gradient of an update of two batches is that of all of their rows.
    accumulated = fit(n_epochs=1, monitor="grad_norm", batch_size=30, accumulate=2)
    assert accumulated.history_[0]["grad_norm"] == pytest.approx(norms[0], rel=1e-5)


def test_the_norm_is_that_of_the_loss_alone_before_it_is_clipped():
    plain = fit(n_epochs=1, monitor="grad_norm").history_[0]["grad_norm"]
    penalised = [["FCLayer", LAYERS[0][1] | {"l1": 0.5, "l2": 0.5}], LAYERS[1]]
    # The norm at the first update, of equal weights.
    assert fit(penalised, n_epochs=1, monitor="grad_norm").history_[0]["grad_norm"] == plain
    assert fit(n_epochs=1, monitor="grad_norm", sgd_max_grad_norm=1e-3).history_[0]["grad_norm"] == plain
    fixed = [[name, params | {"fix_params": True}] for name, params in ([LAYERS[0], [LAYERS[1][0], {}]])]
    assert fit(fixed, n_epochs=1, monitor="grad_norm").history_[0]["grad_norm"] == 0


@pytest.mark.parametrize("part", ["valid", "train"])
def test_outputs_are_those_of_the_first_rows_of_the_validation_or_else_the_training_data(part):
    held_out = RNG.normal(size=(40, 5)).astype(np.float32)
    valid = (held_out, (held_out[:, 0] > 0).astype(int)) if part == "valid" else None
    fitted = fit(n_epochs=2, valid=valid, monitor=["fc1", "output"], batch_size=20)
    rows = (held_out if part == "valid" else X)[:20]
    p = fitted.params
    hidden = np.maximum(rows @ p["fc1.W"] + p["fc1.b"], 0)
    last = fitted.history_[-1]
    for name, values in (("fc1", hidden), ("output", hidden @ p["output.W"] + p["output.b"])):
        assert last[f"{name}.norm"] == pytest.approx(np.linalg.norm(values, axis=1).mean(), rel=1e-5)
        assert last[f"{name}.mean"] == pytest.approx(values.mean(), rel=1e-4, abs=1e-6)
        assert last[f"{name}.zeros"] == (values == 0).mean()
    assert 0 < last["fc1.zeros"] < 1
    few = fit(n_epochs=1, monitor="input", valid=[4], batch_size=20)
    assert few.history_[0]["input.mean"] == pytest.approx(X[4].mean(), rel=1e-5)


class Drawing(Layer):
    """Noise, in training and outside."""

    def build(self, shape):
        return lambda params, x, training: x + torch.rand(x.shape)


@pytest.mark.parametrize(
    ("layers", "settings"),
    [
        (LAYERS, {}),
        (DISTURBED, {"validation_frequency": 30}),
        ([*DISTURBED[:3], Drawing(name="own"), DISTURBED[3]], {}),
        (DISTURBED, {"precision": "fp16", "sgd_max_grad_norm": 0.1}),
        (DISTURBED, {"precision": "bf16", "accumulate": 2, "validate_on_train": True}),
    ],
)
def test_it_changes_no_bit_of_training(layers, settings):
    settings = {"n_epochs": 3, "batch_size": 12, "valid": 0.2, "test": 0.2, "shuffle": True} | settings
    plain, monitored = fit(layers, **settings), fit(layers, **settings, monitor=["grad_norm", "input", "fc1"])
    assert np.array_equal(flat(plain), flat(monitored))
    slots = {name: array for name, array in monitored.state_.slots.items() if name != "monitor/grad_norm"}
    assert all(np.array_equal(array, slots.pop(name)) for name, array in plain.state_.slots.items()) and not slots
    added = ["grad_norm", "input.norm", "input.mean", "input.zeros", "fc1.norm", "fc1.mean", "fc1.zeros"]
    for one, other in zip(plain.history_, monitored.history_, strict=True):
        assert [name for name in other if name not in one] == added
        np.testing.assert_equal(
            {k: v for k, v in one.items() if k != "seconds"}, {k: other[k] for k in one if k != "seconds"}
        )


@pytest.mark.slow
@pytest.mark.parametrize("frequency", [None, 30])
def test_a_run_that_is_stopped_after_any_batch_has_the_same_history(frequency, tmp_path):
    def run(**more):
        settings = {"n_epochs": 3, "batch_size": 12, "valid": 0.2, "validation_frequency": frequency}
        return fit([*DISTURBED[:3], Drawing(name="own"), DISTURBED[3]], **settings | more, monitor=["grad_norm", "own"])

    resumes_after_every_batch(run, tmp_path)


def test_what_is_monitored_may_change_when_a_run_is_resumed(tmp_path):
    stem, more = str(tmp_path / "run"), {"n_epochs": 3, "batch_size": 12}
    with pytest.raises(Stopped):
        fit(**more, checkpoint=stem, checkpoint_every=1, observers=killed_after(7))
    begun = fit(**more, checkpoint=stem, monitor=["grad_norm", "fc1"])
    assert np.array_equal(flat(begun), flat(fit(**more)))
    norms = [row["grad_norm"] for row in begun.history_]
    assert isnan(norms[0]) and isnan(begun.history_[0]["fc1.mean"]) and all(norm > 0 for norm in norms[1:])
    whole = fit(**more, monitor=["grad_norm", "fc1"]).history_
    assert (
        begun.history_[2]["grad_norm"] == whole[2]["grad_norm"]
        and begun.history_[1]["fc1.mean"] == whole[1]["fc1.mean"]
    )
    ended = fit(**more | {"n_epochs": 4}, checkpoint=stem)
    assert isnan(ended.history_[3]["grad_norm"]) and "monitor/grad_norm" not in ended.state_.slots


def test_a_run_that_is_forced_to_other_batches_begins_the_mean_again(tmp_path):
    # At a rate of 0 each epoch has the same gradients: of five batches before, of one batch now.
    still = {"lr_rule": 0.0, "monitor": "grad_norm"}
    stem = str(tmp_path / "run")
    with pytest.raises(Stopped):
        fit(**still, n_epochs=1, batch_size=12, checkpoint=stem, checkpoint_every=1, observers=killed_after(3))
    with pytest.warns(ArignoteWarning, match="fit.batch_size: 12 then, 60 now"):
        forced = fit(**still, n_epochs=1, checkpoint=stem, resume="force")
    whole = fit(**still, n_epochs=1)
    assert forced.history_[0]["grad_norm"] == whole.history_[0]["grad_norm"]
    assert forced.history_[0]["grad_norm"] != fit(**still, n_epochs=1, batch_size=12).history_[0]["grad_norm"]
