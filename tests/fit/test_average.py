"""What a run with an average validates, keeps as best, predicts with and resumes from."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from promise import digest, newest, resumes_after_every_batch

from arignote import CheckpointError, NNClassifier
from arignote.errors import ArignoteWarning

LAYERS = [
    ["FCLayer", {"name": "fc1", "n_units": 8, "activation": "tanh"}],
    ["BatchNormLayer", {"name": "norm"}],
    ["DropoutLayer", {"dropout_p": 0.3}],
    ["ClassificationOutputLayer", {"name": "output"}],
]
EMA, SWA = {"kind": "ema", "decay": 0.8}, {"kind": "swa", "start": 2}


def data(n_rows=60):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n_rows, 5)).astype(np.float32)
    return x, (x[:, 0] + x[:, 1] > 0).astype(int)


def fit(average=EMA, n_epochs=4, **more):
    classifier = NNClassifier(LAYERS, rng=5, batch_size=16, n_epochs=n_epochs, sgd_type="nag", average=average)
    return classifier.fit(*data(), valid=(data(90)[0][60:], data(90)[1][60:]), **more)


def log_loss(params, x, y):
    """Return the mean cross-entropy of the network of `LAYERS`, outside training."""
    z = np.tanh(x @ params["fc1.W"] + params["fc1.b"])
    z = (z - params["norm.mean"]) / np.sqrt(params["norm.var"] + 1e-5) * params["norm.gamma"] + params["norm.beta"]
    z = z @ params["output.W"] + params["output.b"]
    return float(np.mean(np.log(np.exp(z).sum(1)) - z[np.arange(len(y)), y]))


def averaged(state):
    return {name.removeprefix("average/"): a for name, a in state.slots.items() if name.startswith("average/")}


@pytest.mark.parametrize("average", [EMA, SWA], ids=["ema", "swa"])
def test_the_average_is_validated_and_predicts(average, tmp_path):
    x, y = (values[60:] for values in data(90))
    stem = tmp_path / "run"
    classifier = fit(average, restore_best=False, checkpoint=str(stem))
    last = newest(stem)
    assert set(averaged(last)) == set(last.network)
    of_average, of_weights = (log_loss(params, x, y) for params in (averaged(last), last.network))
    assert abs(of_average - of_weights) > 1e-3
    assert classifier.history_[-1]["valid_nll"] == pytest.approx(of_average, rel=1e-5)
    for name, array in classifier.params.items():
        np.testing.assert_array_equal(array, averaged(last)[name])
    loaded = NNClassifier.load(str(stem), which="last")
    np.testing.assert_array_equal(loaded.predict_proba(x), classifier.predict_proba(x))


def test_the_best_network_is_the_average_at_the_best_validation(tmp_path):
    x, y = (values[60:] for values in data(90))
    classifier = fit(checkpoint=str(tmp_path / "run"))
    best = NNClassifier.load(str(tmp_path / "run"), which="best")
    assert not best.state_.slots
    for found in (classifier, best):
        assert log_loss(found.params, x, y) == pytest.approx(classifier.best_["value"], rel=1e-5)


def test_training_is_as_it_is_without_an_average():
    plain, with_average = fit(None), fit()
    assert plain.history_[-1]["train_nll"] == with_average.history_[-1]["train_nll"]
    for name, array in plain.state_.network.items():
        np.testing.assert_array_equal(with_average.state_.network[name], array)


@pytest.mark.slow
@pytest.mark.parametrize("more", [{"average": EMA}, {"average": SWA}, {"average": SWA, "validation_frequency": 20}])
def test_it_resumes_after_every_batch(more, tmp_path):
    resumes_after_every_batch(partial(fit, **more), tmp_path)


def test_a_run_whose_average_changed_is_refused(tmp_path):
    fit(EMA, n_epochs=1, checkpoint=str(tmp_path / "run"))
    with pytest.raises(
        CheckpointError, match=r"fit\.average: \['ema', \{'decay': 0\.8, 'warmup': False\}\] then, None now"
    ):
        fit(None, checkpoint=str(tmp_path / "run"))


def test_a_fit_of_no_epochs_predicts_with_its_first_weights():
    assert digest(fit(n_epochs=0))[1] == digest(fit(None, n_epochs=0))[1]


def test_with_force_an_average_that_is_added_begins_with_the_weights(tmp_path):
    fit(None, n_epochs=1, checkpoint=str(tmp_path / "run"))
    w_1 = newest(tmp_path / "run").network
    with pytest.warns(ArignoteWarning, match=r"fit\.average: None then, \['swa', \{'start': 1\}\] now"):
        fit({"kind": "swa", "start": 1}, n_epochs=2, resume="force", checkpoint=str(tmp_path / "run"))
    last = newest(tmp_path / "run")
    # The mean of the weights of two epochs, the first of which is complete.
    for name, array in averaged(last).items():
        np.testing.assert_allclose(array, (w_1[name] + last.network[name]) / 2, rtol=1e-5, atol=1e-7)


def test_with_force_an_average_may_be_left_out(tmp_path):
    stem = tmp_path / "run"
    fit(EMA, n_epochs=1, checkpoint=str(stem))
    with pytest.warns(ArignoteWarning, match="now"):
        fit(None, n_epochs=2, resume="force", checkpoint=str(stem))
    last, plain = newest(stem), fit(None, n_epochs=2)
    assert not averaged(last)
    for name, array in last.network.items():
        np.testing.assert_array_equal(array, plain.state_.network[name])


def test_a_layer_loads_the_average_of_a_run_that_has_one(tmp_path):
    # Without validation data there is no best file.
    stem = str(tmp_path / "run")
    source = NNClassifier(LAYERS, rng=5, batch_size=16, n_epochs=2, sgd_type="nag", average=EMA)
    source.fit(*data(), checkpoint=stem)
    layers = [[word, params | {"load_params": True}] if "name" in params else [word, params] for word, params in LAYERS]
    loaded = NNClassifier(layers, n_epochs=0, batch_size=16, rng=1, stored_network=stem).fit(*data())
    copied = NNClassifier(LAYERS, n_epochs=0, batch_size=16, rng=1).fit(*data())
    copied.set_trainable_params(stem)
    for name, array in averaged(newest(tmp_path / "run")).items():
        assert (source.state_.network[name] != array).any()
        for found in (loaded, copied):
            np.testing.assert_array_equal(found.params[name], array)
