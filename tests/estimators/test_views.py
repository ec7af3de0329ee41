"""The outputs of layers, against formulas in NumPy, and what an estimator says of a layer that it lacks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from chunked_rows import Chunked
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from arignote import ConfigError, NNClassifier, NNRegressor
from arignote.layers import Layer

LAYERS = [
    ["FCLayer", {"n_units": 12, "activation": "relu"}],
    ["DropoutLayer", {"dropout_p": 0.5}],
    ["FCLayer", {"n_units": 5, "activation": "tanh"}],
    ["ClassificationOutputLayer"],
]
FAST = {"n_epochs": 6, "batch_size": 16, "sgd_type": "adam", "lr_rule": 0.05, "n_threads": 1}


def by_formula(X, p):
    """Return the output of each layer in evaluation mode, where dropout changes nothing."""
    first = np.maximum(X @ p["fc1.W"] + p["fc1.b"], 0)
    second = np.tanh(first @ p["fc2.W"] + p["fc2.b"])
    scores = second @ p["output.W"] + p["output.b"]
    return {"input": X, "fc1": first, "dropout1": first, "fc2": second, "output": scores}


@pytest.mark.slow
def test_the_output_of_each_layer_is_that_of_its_formula_with_the_best_weights(digits, tmp_path):
    X, y = digits
    # It overfits, so that the last network is not the best one.
    fitted = NNClassifier(LAYERS, rng=1).fit(
        X, y, valid=0.3, **FAST | {"n_epochs": 60}, checkpoint=str(tmp_path / "run")
    )
    assert not np.array_equal(fitted.state_.network["fc1.W"], fitted.params["fc1.W"])
    for name, expected in by_formula(X, fitted.params).items():
        found = fitted.layer_output(X, name)
        assert found.dtype == np.float32 and found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        assert np.array_equal(NNClassifier.load(str(tmp_path / "run")).layer_output(X, name), found)
    scores = fitted.layer_output(X, "output")
    softmax = np.exp(scores - scores.max(1, keepdims=True))
    np.testing.assert_allclose(fitted.predict_proba(X), softmax / softmax.sum(1, keepdims=True), rtol=1e-4, atol=1e-6)


def test_rows_come_in_every_form_that_predict_takes_and_in_batches(digits):
    pandas = pytest.importorskip("pandas")
    X = np.tile(digits[0], (12, 1))
    frame = pandas.DataFrame(X, columns=[f"pixel{n}" for n in range(X.shape[1])])
    fitted = NNClassifier(LAYERS, rng=1).fit(frame.iloc[:90], digits[1][:90], **FAST, preprocess=[["Standardise"]])
    found = fitted.layer_output(frame, "fc2")
    # More than one batch outside training has.
    assert len(found) == len(X) > 2048
    assert np.array_equal(fitted.layer_output(frame[frame.columns[::-1]], "fc2"), found)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        assert np.array_equal(fitted.layer_output(Chunked(X, 50), "fc2"), found)
    # The input layer gives rows as they are preprocessed, by what the training rows were like.
    rows = X[:90].astype(np.float64)
    scaled = (X - rows.mean(0)) / np.where(rows.std(0) == 0, 1, rows.std(0))
    np.testing.assert_allclose(fitted.layer_output(frame, "input"), scaled, rtol=1e-4, atol=1e-5)


def test_channels_sequences_and_tokens_have_outputs_too():
    rng = np.random.default_rng(0)
    words = [rng.integers(0, 9, n) for n in rng.integers(2, 6, 20)]
    words[0] = np.array([3, 1, 4, 1, 5])
    extra = rng.normal(size=(20, 2)).astype(np.float32)
    padded = np.array([[*word, *[0] * (5 - len(word))] for word in words])
    layers = [
        ["InputLayer", {"channel": "words", "lengths": "n"}],
        ["EmbeddingLayer", {"n_tokens": 9, "n_units": 3}],
        ["GRULayer", {"n_units": 4}],
        ["GRULayer", {"n_units": 2, "only_last": True}],
        ["InputLayer", {"channel": "extra"}],
        ["ConcatLayer", {"inputs": ["gru2", "extra"]}],
        ["RegressionOutputLayer"],
    ]
    X = {"words": padded, "n": np.array([len(word) for word in words]), "extra": extra}
    fitted = NNRegressor(layers, rng=1).fit(X, rng.normal(size=20), **FAST | {"n_epochs": 1})
    tokens = fitted.layer_output(X, "words")
    assert tokens.dtype.kind == "i" and np.array_equal(tokens, padded)
    assert np.array_equal(fitted.layer_output(X, "embedding1"), fitted.params["embedding1.W"][padded])
    states = fitted.layer_output(X, "gru1")
    assert states.shape == (20, 5, 4) and not states[1, len(words[1]) :].any() and states[0].all()
    assert np.array_equal(fitted.layer_output(X, "concat1")[:, 2:], extra)


class Drawing(Layer):
    """Noise outside training too."""

    def build(self, shape):
        return lambda params, x, training: x + torch.rand(x.shape)


def test_what_layers_draw_is_what_they_draw_to_predict_and_the_generators_of_the_caller_stay(digits):
    X, y = digits
    layers = [LAYERS[0], Drawing(name="first"), Drawing(name="second"), LAYERS[-1]]
    fitted = NNClassifier(layers, rng=1).fit(X, y, **FAST | {"n_epochs": 1})
    torch.manual_seed(3)
    before = torch.get_rng_state()
    scores = torch.from_numpy(fitted.layer_output(X, "output"))
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(scores.softmax(1).numpy(), fitted.predict_proba(X))
    second, output = fitted.layer_output(X, "second"), fitted.params
    np.testing.assert_allclose(scores, second @ output["output.W"] + output["output.b"], rtol=1e-4, atol=1e-5)


def test_layers_compute_in_the_precision_of_the_run(digits):
    X, y = digits
    fitted = NNClassifier(LAYERS, rng=1, precision="bf16").fit(X, y, **FAST | {"n_epochs": 1})
    found, expected = fitted.layer_output(X, "fc1"), by_formula(X, fitted.params)["fc1"]
    assert found.dtype == np.float32 and np.array_equal(found, torch.from_numpy(found).bfloat16().float())
    np.testing.assert_allclose(found, expected, rtol=0.05, atol=0.05)


def test_a_layer_that_is_not_there_is_answered_with_the_nearest_name(digits):
    fitted = NNClassifier(LAYERS, rng=1).fit(*digits, **FAST | {"n_epochs": 0})
    message = "there is no layer 'fc3'. Did you mean 'fc2'? There are: input, fc1, dropout1, fc2, output"
    for ask in (lambda name: fitted.layer_output(digits[0], name), fitted.get_layer):
        with pytest.raises(ConfigError) as caught:
            ask("fc3")
        assert str(caught.value) == message
        with pytest.raises(ConfigError, match=r"there is no layer 7\. There are: input, fc1"):
            ask(7)


def test_before_fit_the_error_is_that_of_scikit_learn(digits):
    unfitted = NNClassifier(LAYERS)
    for ask in (
        lambda: unfitted.layer_output(digits[0], "fc1"),
        lambda: unfitted.params,
        unfitted.history_frame,
        lambda: unfitted.n_params,
    ):
        with pytest.raises(NotFittedError, match=r"^This NNClassifier is not fitted yet"):
            ask()
    # What follows from the declaration is known.
    assert unfitted.get_layer("fc1").n_units == 12
    weights, biases = 64 * 12 + 12 * 5 + 5 * 3, 12 + 5 + 3
    declared = NNClassifier([*LAYERS[:-1], ["ClassificationOutputLayer", {"n_classes": 3}]], n_in=64)
    assert declared.n_params == weights + biases


@pytest.mark.slow
def test_a_pipeline_shows_an_estimator_that_is_not_fitted_or_wrongly_declared():
    for layers in (LAYERS, [["FCLayr", {}]], "no such file.yaml"):
        assert "NNClassifier" in make_pipeline(StandardScaler(), NNClassifier(layers))._repr_html_()


def test_a_loss_of_a_name_gives_its_value_for_each_row_of_outputs():
    found = NNClassifier(LAYERS).get_loss("nll")
    logits, y = torch.tensor([[1.0, 2.0, 0.5], [0.0, 0.0, 3.0]]), torch.tensor([1, 0])
    log_p = logits.numpy() - np.log(np.exp(logits.numpy()).sum(1, keepdims=True))
    np.testing.assert_allclose(found.build()(logits, y), -log_p[[0, 1], [1, 0]], rtol=1e-6)
    assert NNClassifier(LAYERS).get_loss(["top_k_error", {"k": 2}]).k == 2
    assert NNClassifier(LAYERS).get_loss("f1_macro").metric == "f1_macro"
    with pytest.raises(ConfigError, match="unknown loss 'nl'"):
        NNClassifier(LAYERS).get_loss("nl")
