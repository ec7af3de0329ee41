"""`partial_fit`: one pass over new data, which rules count as an epoch; pickling between passes changes no bit."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from arignote import STOP, CheckpointError, ConfigError, DataError, NNClassifier, NNRegressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype(np.float32)
Y = np.array(["a", "b", "c"])[np.argmax(X[:, :3], axis=1)]
LINEAR = [["ClassificationOutputLayer", {"name": "out"}]]
# Everything that a pass must not lose: slots, rules by epochs and by updates, an average, and streams that draw.
LAYERS = [["FCLayer", {"n_units": 5}], ["BatchNormLayer"], ["DropoutLayer", {"dropout_p": 0.3}], *LINEAR]
SETTINGS = {
    "batch_size": 16,
    "sgd_type": "adam",
    "lr_rule": ["exponential", {"initial_value": 0.1, "multiply_by": 0.5, "n_epochs": 1}],
    "average": ["ema", {"decay": 0.9}],
    "monitor": ["grad_norm"],
    "augmentation": ["Noise", {"sigma": 0.1}],
}


def same(one, other):
    return one.params.keys() == other.params.keys() and all(
        (one.params[k] == other.params[k]).all() for k in one.params
    )


def passes(n, again=lambda classifier: classifier, x=X, y=Y, layers=LAYERS, **settings):
    classifier = NNClassifier(layers, rng=1, **SETTINGS | settings)
    for number in range(n):
        classifier = again(classifier.partial_fit(x, y, ["a", "b", "c"] if number == 0 else None))
    return classifier


def stop(event):
    """Stop after the second batch of the second pass."""
    return STOP if event.kind == "batch" and (event.epoch, event.batch) == (2, 2) else None


def gradient(x, labels, w, b):
    """Return the gradient of the mean of -log softmax(x w + b)[label], as any textbook has it."""
    errors = (softmax(x @ w + b, axis=1) - np.eye(3)[labels]) / len(x)
    return x.T @ errors, errors.sum(axis=0)


def test_a_pass_makes_one_update_of_each_batch_from_where_the_last_ended():
    settings = {"batch_size": 20, "sgd_type": "sgd", "lr_rule": 0.5, "shuffle": False}
    classifier = NNClassifier([["ClassificationOutputLayer", {"W": 0.0, "name": "out"}]], rng=1, **settings)
    w, b = np.zeros((4, 3)), np.zeros(3)
    for at in (slice(0, 40), slice(40, 60), slice(40, 60)):
        classifier.partial_fit(X[at], Y[at], classes=["a", "b", "c"])
        for first in range(at.start, at.stop, 20):
            some = slice(first, first + 20)
            slopes = gradient(X[some].astype(float), np.searchsorted(["a", "b", "c"], Y[some]), w, b)
            w, b = w - 0.5 * slopes[0], b - 0.5 * slopes[1]
        assert classifier.params["out.W"] == pytest.approx(w, abs=1e-6)
        assert classifier.params["out.b"] == pytest.approx(b, abs=1e-6)
    assert classifier.n_epochs_ == 3 and classifier.state_.progress.n_updates == 4


@pytest.mark.slow
def test_passes_over_one_set_of_rows_are_the_epochs_of_a_fit(tmp_path):
    fitted = NNClassifier(LAYERS, rng=1, **SETTINGS).fit(X, Y, n_epochs=3)
    plain = passes(3)
    assert same(plain, fitted) and plain.n_epochs_ == 3
    rates = [row["learning_rate"] for row in plain.history_]
    assert rates == [row["learning_rate"] for row in fitted.history_] and rates[2] == rates[0] / 4
    # Pickled, or loaded from the checkpoint, between passes.
    pickled = passes(3, lambda classifier: pickle.loads(pickle.dumps(classifier)))
    stem = str(tmp_path / "run")

    def loaded(classifier):
        return NNClassifier.load(stem).set_params(augmentation=SETTINGS["augmentation"])

    kept = passes(3, loaded, checkpoint=stem)
    assert same(pickled, fitted) and same(kept, fitted)
    assert kept.state_.history.sha256() == pickled.state_.history.sha256() == fitted.state_.history.sha256()


def test_without_a_seed_one_is_drawn_in_the_first_pass():
    classifier = NNClassifier(LINEAR, random_state=np.random.RandomState(3)).partial_fit(X, Y, ["a", "b", "c"])
    assert classifier.partial_fit(X[:9], Y[:9]).n_epochs_ == 2
    unseeded = NNClassifier(LINEAR).partial_fit(X, Y, ["a", "b", "c"])
    seed = unseeded.state_.rng
    assert unseeded.partial_fit(X, Y).state_.rng == seed


def test_classes_are_named_once_and_a_pass_may_have_some_of_them():
    classifier = NNClassifier(LINEAR, rng=1)
    with pytest.raises(ConfigError, match="classes must be passed on the first call to partial_fit"):
        classifier.partial_fit(X[:5], Y[:5])
    assert not hasattr(classifier, "state_")
    classifier.partial_fit(X[Y == "b"], Y[Y == "b"], classes=["c", "a", "b"])
    assert classifier.classes_.tolist() == ["a", "b", "c"]
    classifier.partial_fit(X[Y == "a"], Y[Y == "a"], classes=np.array(["a", "b", "c"]))
    with pytest.raises(ConfigError, match=r"is not the same as on last call to partial_fit, was: \['a', 'b', 'c'\]"):
        classifier.partial_fit(X, Y, classes=["a", "b"])
    with pytest.raises(DataError, match="'d'"):
        classifier.partial_fit(X[:1], ["d"])
    assert classifier.n_epochs_ == 2


def test_labels_that_the_output_layer_declares_need_no_classes():
    layers = [["ClassificationOutputLayer", {"n_classes": 4}]]
    assert NNClassifier(layers, rng=1).partial_fit(X[:5], [2, 1, 2, 2, 2]).classes_.tolist() == [0, 1, 2, 3]
    ranks = [["OrdinalOutputLayer", {"ranks": ["low", "middle", "high"]}]]
    found = NNClassifier(ranks, rng=1).partial_fit(X[:3], ["low", "low", "low"])
    assert found.classes_.tolist() == ["low", "middle", "high"]
    flags = NNClassifier([["MultilabelOutputLayer"]], rng=1)
    assert flags.partial_fit(X[:2], np.array([[0, 1], [0, 1]])).partial_fit(X[:1], [[1, 1]]).n_epochs_ == 2
    listed = NNClassifier([["MultilabelOutputLayer"]], rng=1).partial_fit(X[:2], [["red"], []], ["red", "blue"])
    assert listed.classes_.tolist() == ["blue", "red"]


def test_classes_of_several_outputs_are_named_by_the_output():
    layers = [
        ["ClassificationOutputLayer", {"name": "kind"}],
        ["RegressionOutputLayer", {"name": "size", "input": "in"}],
    ]
    layers = [["InputLayer", {"name": "in"}], *layers]
    y = {"kind": Y, "size": X[:, 0]}
    with pytest.raises(ConfigError, match=r"first call to partial_fit for 'kind': \{'kind'"):
        NNClassifier(layers, rng=1).partial_fit(X, y, {})
    with pytest.raises(ConfigError, match="there is no output layer 'sort'; output layers: kind, size"):
        NNClassifier(layers, rng=1).partial_fit(X, y, {"sort": ["a"]})
    fitted = NNClassifier(layers, rng=1).partial_fit(X, y, {"kind": ["a", "b", "c", "d"]})
    assert fitted.classes_.tolist() == ["a", "b", "c", "d"]
    mean = fitted.state_.targets["size"]["mean"]
    assert mean == pytest.approx([X[:, 0].mean()])
    assert fitted.partial_fit(X[:9], {"kind": Y[:9], "size": X[:9, 0] + 5}).state_.targets["size"]["mean"] == mean


def test_what_is_learned_of_the_data_is_that_of_the_first_pass():
    layers = [["RegressionOutputLayer", {"W": 0.0}]]
    settings = {"preprocess": "Standardise", "sgd_type": "sgd", "lr_rule": 0.0}
    regressor = NNRegressor(layers, rng=1, **settings).partial_fit(X, 3 * X[:, 0] + 7)
    # Weights of 0 predict the mean, which the second pass does not change.
    assert regressor.predict(X[:1]) == pytest.approx(np.mean(3 * X[:, 0] + 7))
    regressor.partial_fit(5 * X[:20] + 1, np.full(20, 100.0))
    assert regressor.predict(X[:1]) == pytest.approx(np.mean(3 * X[:, 0] + 7))
    assert regressor.state_.preprocess["0.mean"] == pytest.approx(X.mean(axis=0), abs=1e-5)


def test_sample_weights_count_in_their_pass():
    settings = {"batch_size": -1, "sgd_type": "sgd", "lr_rule": 0.5}
    weighted, chosen = (NNRegressor([["RegressionOutputLayer", {"W": 0.0}]], rng=1, **settings) for _ in range(2))
    for one in (weighted, chosen):
        one.partial_fit(X, X[:, 0])
    weighted.partial_fit(X, X[:, 0], np.repeat([0.0, 2.0], [45, 15]))
    chosen.partial_fit(X[45:], X[45:, 0])
    assert weighted.predict(X) == pytest.approx(chosen.predict(X), abs=1e-6)


def test_after_a_fit_it_begins_with_the_network_that_predicts():
    settings = {"batch_size": -1, "sgd_type": "momentum", "lr_rule": 3.0, "stop_rule": ["stalled", {"interval": 2}]}
    fitted = NNClassifier(LINEAR, rng=1, **settings).fit(X, Y, valid=(X[:9], Y[::-1][:9]), n_epochs=20)
    assert fitted.best_["epoch"] < fitted.n_epochs_ and fitted.state_.progress.ended
    w, b = (fitted.params[name].astype(float) for name in ("out.W", "out.b"))
    last = fitted.n_epochs_
    fitted.partial_fit(X, Y)
    slopes = gradient(X.astype(float), np.searchsorted(["a", "b", "c"], Y), w, b)
    # The first update of a momentum that begins with 0.
    assert fitted.params["out.W"] == pytest.approx(w - 3.0 * slopes[0], abs=1e-5)
    assert fitted.n_epochs_ == last + 1 and fitted.state_.progress.slots_since == last
    # Scratch, as scikit-learn fits.
    again = fitted.fit(X, Y, n_epochs=1, stop_rule=None)
    assert again.n_epochs_ == 1


def test_the_network_after_a_pass_predicts_though_an_earlier_one_was_better_and_is_loaded(tmp_path):
    settings = {"batch_size": -1, "sgd_type": "sgd", "lr_rule": 5.0, "valid": (X[:9], Y[::-1][:9])}
    classifier = NNClassifier(LINEAR, rng=1, checkpoint=str(tmp_path / "run"), **settings)
    for _ in range(4):
        classifier.partial_fit(X, Y, ["a", "b", "c"])
    assert classifier.best_["epoch"] < 4 and len(classifier.history_) == 4
    assert same(NNClassifier.load(str(tmp_path / "run")), classifier)
    value = classifier.evaluate(X[:9], Y[::-1][:9])["nll"]
    assert value == pytest.approx(classifier.history_[-1]["valid_nll"]) and value > classifier.best_["value"]


def test_files_of_another_run_are_not_taken_for_those_of_the_passes(tmp_path):
    stem = str(tmp_path / "run")
    first = passes(1, checkpoint=stem)
    with pytest.raises(CheckpointError, match=r'load\(run\), then partial_fit; .*resume="fresh"'):
        passes(1, checkpoint=stem)
    fresh = passes(1, checkpoint=stem, resume="fresh")
    with pytest.raises(CheckpointError, match="is of another run than this estimator"):
        first.partial_fit(X, Y)
    # "fresh" is for the first pass.
    assert fresh.partial_fit(X, Y).n_epochs_ == 2


def test_an_interrupted_pass_is_resumed_with_the_same_data_and_given_up_with_other_data(tmp_path):
    whole = passes(3)
    stopped = passes(2, observers=[stop], checkpoint=str(tmp_path / "run"))
    assert stopped.interrupted_ and (stopped.n_epochs_, stopped.state_.progress.batch) == (1, 2)
    copied, weighted = (
        pickle.loads(pickle.dumps(stopped)).set_params(observers=None, checkpoint=None) for _ in range(2)
    )
    copied.partial_fit(X, Y)
    assert copied.status_ == "pass 2, resumed at batch 2" and same(copied.partial_fit(X, Y), whole)
    loaded = NNClassifier.load(str(tmp_path / "run")).set_params(augmentation=SETTINGS["augmentation"])
    assert same(loaded.partial_fit(X, Y).partial_fit(X, Y), whole)
    assert weighted.partial_fit(X, Y, sample_weight=np.arange(1.0, len(X) + 1)).status_ == "pass 2"
    other = stopped.set_params(observers=None).partial_fit(X[:40], Y[:40])
    assert other.status_ == "pass 2" and other.n_epochs_ == 2 and other.history_[-1]["examples_seen"] == 60 + 32 + 40


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"valid": 0.1}, r"valid must be data of its own, \(X, y\), or None: .* got 0.1. set_params\(valid=None\)"),
        ({"test": [3, 5]}, "test must be data of its own"),
        ({"pretrain": {"n_epochs": 2}}, "pretrain .* is not supported by partial_fit. Pretrain with fit"),
        ({"class_weight": "balanced"}, "class_weight 'balanced' is not supported by partial_fit. Write the weights by"),
        ({"checkpoint": "runs/"}, "checkpoint 'runs/' is not supported by partial_fit"),
        ({"sgd_type": "sgd"}, "this run was started with something else"),
    ],
)
def test_settings_that_do_not_suit_a_pass_are_refused(settings, words):
    classifier = passes(1)
    with pytest.raises((ConfigError, CheckpointError), match=words):
        classifier.set_params(**settings).partial_fit(X, Y)


def test_data_of_another_shape_is_refused_and_columns_are_put_in_order():
    settings = {"sgd_type": "sgd", "lr_rule": 0.5, "batch_size": -1}
    frame = pd.DataFrame(X, columns=list("abcd"))
    fitted = [NNClassifier(LINEAR, rng=1, **settings).partial_fit(frame, Y, ["a", "b", "c"]) for _ in range(2)]
    with pytest.raises(DataError, match="X has 3 features, but NNClassifier is expecting 4 features as input"):
        fitted[0].partial_fit(X[:, :3], Y)
    assert same(fitted[0].partial_fit(frame, Y), fitted[1].partial_fit(frame[list("dbca")], Y))
    assert fitted[1].feature_names_in_.tolist() == list("abcd")


def test_a_stop_rule_does_not_end_passes():
    rule = ["reached", {"value": 100.0}]
    classifier = passes(3, valid=(X, Y), stop_rule=rule)
    assert classifier.n_epochs_ == 3


@pytest.mark.parametrize(
    "given",
    [
        (X[:2], np.array([[0, 1, 1], [1, 1, 0]])),
        (X[:2], [[0, 1, 1], [1, 1, 0]]),
        ((X[:2], np.array([[0, 1, 1], [1, 1, 0]])), None),
    ],
    ids=["array", "lists of a row", "a pair"],
)
def test_indicators_come_back_as_indicators_in_whatever_form_they_are_given(given):
    layers = [["MultilabelOutputLayer"]]
    fitted = NNClassifier(layers, rng=1).partial_fit(*given, classes=[0, 1, 2])
    assert fitted.predict(X[:5]).shape == (5, 3)
    with pytest.raises(
        ConfigError, match=r"classes must be the columns of y, \[0, 1, 2\], of which it holds indicators"
    ):
        NNClassifier(layers, rng=1).partial_fit(*given, classes=["r", "g", "b"])


def test_indicators_of_one_of_several_outputs_come_back_as_such():
    layers = [["InputLayer", {"name": "in"}], ["MultilabelOutputLayer", {"name": "flags"}]]
    layers += [["ClassificationOutputLayer", {"name": "kind", "input": "in"}]]
    y = {"flags": np.array([[0, 1], [1, 1]]), "kind": ["a", "b"]}
    fitted = NNClassifier(layers, rng=1).partial_fit(X[:2], y, {"flags": [0, 1], "kind": ["a", "b"]})
    assert fitted.predict(X[:5])["flags"].shape == (5, 2)


def test_columns_and_their_text_are_those_of_the_first_pass_in_files_too(tmp_path):
    first = pd.DataFrame({"a": X[:40, 0], "b": X[:40, 1], "ward": np.array(["1", "2"])[np.arange(40) % 2]})
    # In another order, and with a column of text that looks like numbers.
    first[["ward", "b", "a"]].to_csv(tmp_path / "second.csv", index=False)
    settings = {"rng": 1, "batch_size": 8, "preprocess": [["OneHot", {"handle_unknown": "ignore"}]]}

    def begun():
        return NNClassifier(LINEAR, **settings).partial_fit(first, Y[:40], ["a", "b", "c"])

    from_frame = begun().partial_fit(first, Y[:40])
    from_file = begun().partial_fit(str(tmp_path / "second.csv"), Y[:40])
    assert same(from_file, from_frame) and from_file.feature_names_in_.tolist() == ["a", "b", "ward"]
    # A pass in which the text is missing leaves it text.
    without = first.assign(ward=None)
    assert from_frame.partial_fit(without, Y[:40]).state_.data["text"] == ["ward"]
