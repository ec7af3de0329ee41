"""Estimators of several outputs: predictions and scores by their names, copies, pickles and files."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from promise import digest
from sklearn.base import clone
from sklearn.metrics import accuracy_score, confusion_matrix, median_absolute_error, r2_score

from arignote import ConfigError, DataError, NNClassifier, NNRegressor
from arignote.data import Data

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4)).astype(np.float32)
KIND = np.array(["cat", "dog", "eel"])[np.argmax(X[:, :3], axis=1)]
SIZE = (X @ [1.0, -2.0, 0.5, 3.0]).astype(np.float64) + 5
SIGN = (X[:, 3] > 0).astype(int)
TAGS = np.stack([X[:, 0] > 0, X[:, 1] > 0], axis=1).astype(int)
SETTINGS = {"n_epochs": 8, "batch_size": 15, "sgd_type": "adam", "lr_rule": 0.02, "n_threads": 1}
BODY = ["FCLayer", {"name": "body", "n_units": 8, "activation": "tanh"}]


def output(kind, name, **params):
    return [f"{kind}OutputLayer", {"name": name, "input": "body"} | params]


OUTPUTS = {
    "kind": (output("Classification", "kind"), KIND),
    "size": (output("Regression", "size"), SIZE),
    "sign": (output("Classification", "sign", auxiliary=True), SIGN),
    "tags": (output("Multilabel", "tags"), TAGS),
}


def layers_and_y(*names):
    return [BODY, *(OUTPUTS[name][0] for name in names)], {name: OUTPUTS[name][1] for name in names}


def fitted(*names, **settings):
    layers, y = layers_and_y(*names)
    estimator = NNRegressor if names[0] == "size" else NNClassifier
    return estimator(layers, rng=1).fit(X, y, **SETTINGS | settings), y


@pytest.fixture(scope="module")
def mixed():
    return fitted("kind", "size", "sign")


def by_hand(params, name):
    """Return the outputs of a layer as NumPy computes them."""
    h = np.tanh(X @ params["body.W"] + params["body.b"])
    return h @ params[f"{name}.W"] + params[f"{name}.b"]


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def test_predictions_of_classes_and_numbers_are_those_of_numpy(mixed):
    ours, _ = mixed
    found, z = ours.predict(X), by_hand(ours.params, "kind")
    # The auxiliary output is left out.
    assert list(found) == ["kind", "size"]
    np.testing.assert_array_equal(found["kind"], np.array(["cat", "dog", "eel"])[z.argmax(axis=1)])
    np.testing.assert_allclose(found["size"], by_hand(ours.params, "size")[:, 0] * SIZE.std() + SIZE.mean(), rtol=1e-4)
    # There is one output of classes: its labels and its probabilities are no dict.
    assert ours.classes_.tolist() == ["cat", "dog", "eel"]
    np.testing.assert_allclose(ours.predict_proba(X), softmax(z), atol=1e-6)


def test_of_several_outputs_of_labels_classes_and_probabilities_are_dicts_without_the_numbers():
    ours, _ = fitted("kind", "tags", "size")
    assert {name: labels.tolist() for name, labels in ours.classes_.items()} == {
        "kind": ["cat", "dog", "eel"],
        "tags": [0, 1],
    }
    p = ours.predict_proba(X)
    assert list(p) == ["kind", "tags"]
    np.testing.assert_allclose(p["kind"], softmax(by_hand(ours.params, "kind")), atol=1e-6)
    np.testing.assert_allclose(p["tags"], 1 / (1 + np.exp(-by_hand(ours.params, "tags"))), atol=1e-6)
    np.testing.assert_array_equal(ours.predict(X)["tags"], p["tags"] > 0.5)


def test_with_one_output_that_is_not_auxiliary_predictions_are_no_dict():
    ours, y = fitted("sign", "kind")
    assert ours.predict(X).shape == (90,) and ours.predict_proba(X).shape == (90, 3)
    assert ours.classes_.tolist() == ["cat", "dog", "eel"]
    assert ours.score(X, y) == accuracy_score(KIND, ours.predict(X))


def test_scores_are_those_of_the_main_output_from_all_values_or_from_its_own(mixed):
    ours, y = mixed
    expected = accuracy_score(KIND, ours.predict(X)["kind"])
    assert ours.score(X, y) == ours.score(X, KIND) == ours.score(X, {"kind": KIND}) == expected > 0.6
    of_size, y = fitted("size", "kind")
    assert of_size.score(X, y) == pytest.approx(r2_score(SIZE, of_size.predict(X)["size"]))
    with pytest.raises(DataError, match="y must have the values of 'size', the main output; got 'kind'"):
        of_size.score(X, {"kind": KIND})


def test_evaluate_returns_the_losses_of_all_outputs_and_named_ones_of_the_main_output(mixed):
    ours, y = mixed
    found, predicted, p = ours.evaluate(X, y), ours.predict(X), ours.predict_proba(X)
    assert list(found) == ["nll", "error", "size_squared", "size_mae", "size_r2", "sign_nll", "sign_error"]
    rows = np.arange(90)
    of_sign = softmax(by_hand(ours.params, "sign"))
    expected = {
        "nll": -np.log(p[rows, np.unique(KIND, return_inverse=True)[1]]).mean(),
        "error": 1 - accuracy_score(KIND, predicted["kind"]),
        "size_squared": np.mean(((predicted["size"] - SIZE) / SIZE.std()) ** 2),
        "size_mae": np.abs(predicted["size"] - SIZE).mean(),
        "size_r2": r2_score(SIZE, predicted["size"]),
        "sign_nll": -np.log(of_sign[rows, SIGN]).mean(),
        "sign_error": (of_sign.argmax(axis=1) != SIGN).mean(),
    }
    assert found == pytest.approx(expected, rel=1e-4)
    named = ours.evaluate(X, y, ["error", "accuracy", "brier"])
    assert list(named) == ["error", "accuracy", "brier"]
    assert named["accuracy"] == pytest.approx(1 - expected["error"])
    assert named["brier"] == pytest.approx(np.square(p - (KIND[:, None] == ours.classes_)).sum(axis=1).mean(), rel=1e-4)
    with pytest.raises(ConfigError, match="the loss 'rmse' does not fit classes"):
        ours.evaluate(X, y, "rmse")


def test_evaluate_returns_the_losses_and_metrics_that_are_named_for_each_output(mixed):
    ours, y = mixed
    predicted, of_sign = ours.predict(X), softmax(by_hand(ours.params, "sign"))
    losses = {"size": ["rmse", "neg_median_absolute_error"], "kind": "accuracy", "sign": ["accuracy", "nll"]}
    found = ours.evaluate(X, y, losses)
    expected = {
        "size_rmse": np.sqrt(np.mean((predicted["size"] - SIZE) ** 2)),
        "size_neg_median_absolute_error": -median_absolute_error(SIZE, predicted["size"]),
        "accuracy": accuracy_score(KIND, predicted["kind"]),
        "sign_accuracy": (of_sign.argmax(axis=1) == SIGN).mean(),
        "sign_nll": -np.log(of_sign[np.arange(90), SIGN]).mean(),
    }
    assert list(found) == list(expected) and found == pytest.approx(expected, rel=1e-4)
    assert ours.evaluate(X, y, {"kind": ["nll", {"label_smoothing": 0.0}]}) == ours.evaluate(X, y, "nll")
    # A mapping that names a loss is one loss of the main output.
    assert ours.evaluate(X, y, {"loss": "nll"}) == ours.evaluate(X, y, "nll")


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ({"sice": "mae"}, r"losses: there is no output layer 'sice'\. Did you mean 'size'\?"),
        ({"size": "nll"}, "the loss 'nll' does not fit numbers; losses that do: absolute, huber, mae"),
        ({"size": "accuracy"}, "unknown loss or metric 'accuracy' of numbers"),
        ({"sign": "top_2"}, r"top_2: K must lie in 1 \.\. 1"),
        ({"size": 3}, "must be"),
    ],
    ids=str,
)
def test_losses_that_do_not_suit_the_output_that_they_are_named_for_are_refused(losses, message, mixed):
    ours, y = mixed
    with pytest.raises(ValueError, match=message):
        ours.evaluate(X, y, losses)


def test_metrics_of_another_output_leave_out_rows_without_one(mixed):
    ours, y = mixed
    size = np.where(np.arange(90) % 4 == 0, np.nan, SIZE)
    again = NNClassifier(ours.layers, rng=1).fit(X, y | {"size": size}, **SETTINGS, missing_targets=True)
    known, predicted = np.isfinite(size), again.predict(X)["size"]
    found = again.evaluate(X, y | {"size": size}, {"size": ["neg_median_absolute_error", "mae"], "kind": "accuracy"})
    expected = {
        "size_neg_median_absolute_error": -median_absolute_error(SIZE[known], predicted[known]),
        "size_mae": np.abs(SIZE - predicted)[known].mean(),
        "accuracy": accuracy_score(KIND, again.predict(X)["kind"]),
    }
    assert found == pytest.approx(expected, rel=1e-5)


def test_metrics_of_a_main_output_of_numbers_leave_out_rows_without_one():
    size = np.where(np.arange(90) % 4 == 0, np.nan, SIZE)
    ours = NNRegressor(layers_and_y("size", "kind")[0], rng=1)
    ours.fit(X, {"size": size, "kind": KIND}, **SETTINGS, missing_targets=True)
    found = ours.evaluate(X, {"size": size, "kind": KIND}, ["neg_median_absolute_error", "rmse"])
    known, predicted = np.isfinite(size), ours.predict(X)["size"]
    assert found["neg_median_absolute_error"] == pytest.approx(-median_absolute_error(SIZE[known], predicted[known]))
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((SIZE - predicted)[known] ** 2)), rel=1e-5)


def test_evaluate_finds_the_rows_that_were_held_out():
    ours, y = fitted("kind", "size", "sign", valid=0.2, test=0.2)
    found = ours.evaluate(X, y, part="test")
    best = ours.history_[ours.best_["epoch"] - 1]
    assert found["nll"] == pytest.approx(best["test_nll"]) and found["size_mae"] == pytest.approx(best["test_size_mae"])
    with pytest.warns(UserWarning, match="trained on 54 of these 90 rows"):
        ours.evaluate(X, y)
    with pytest.raises(DataError, match="these are not the test rows of the run"):
        ours.evaluate(X, y | {"sign": 1 - SIGN}, part="test")


def test_the_confusion_matrix_and_the_mistakes_are_those_of_the_main_output(mixed):
    ours, y = mixed
    matrix, mistakes = ours.confusion(X, y)
    predicted = ours.predict(X)["kind"]
    np.testing.assert_array_equal(matrix, confusion_matrix(KIND, predicted))
    assert [mistake.id for mistake in mistakes] == np.flatnonzero(predicted != KIND).tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: {"kind": KIND}, "{'kind': ..., 'size': ..., 'sign': ...}; 'size' is missing"),
        (lambda y: y | {"sort": KIND}, "there is no output 'sort'"),
        (lambda y: KIND, "got ndarray"),
        (lambda y: y | {"size": SIZE[:5]}, "'kind' has 90, 'size' has 5, 'sign' has 90"),
        (lambda y: {name: one[:80] for name, one in y.items()}, "X has 90 rows, its labels 80"),
    ],
)
def test_other_values_of_y_are_refused_by_fit_and_by_evaluate(change, message, mixed):
    ours, y = mixed
    for call in (clone(ours).fit, ours.evaluate):
        with pytest.raises(DataError) as error:
            call(X, change(y))
        assert message in str(error.value)


def test_a_label_that_was_not_learned_is_named_with_its_output(mixed):
    ours, y = mixed
    with pytest.raises(DataError, match="label 'cow' of X, 'kind' row 2 is none of"):
        ours.evaluate(X, y | {"kind": np.array([*KIND[:2], "cow", *KIND[3:]])})


def test_the_main_output_decides_which_estimator_it_is():
    with pytest.raises(ConfigError, match="RegressionOutputLayer 'size' fits numbers: use NNRegressor"):
        layers, y = layers_and_y("size", "kind")
        NNClassifier(layers).fit(X, y)
    with pytest.raises(ConfigError, match="ClassificationOutputLayer 'kind' fits classes: use NNClassifier"):
        # The first output is auxiliary.
        layers, y = layers_and_y("sign", "kind", "size")
        NNRegressor(layers).fit(X, y)


def test_a_pickle_predicts_and_resumes_as_the_original_does():
    names = ("kind", "size", "sign")
    whole, y = fitted(*names)
    half, _ = fitted(*names, n_epochs=4)
    copied = pickle.loads(pickle.dumps(half))
    for name, found in half.predict(X).items():
        np.testing.assert_array_equal(copied.predict(X)[name], found)
    copied.warm_start = True
    assert digest(copied.fit(X, y, **SETTINGS)) == digest(whole)


def test_a_clone_has_the_settings_and_is_not_fitted():
    layers, y = layers_and_y("kind", "size")
    weighted = {"size": ["squared", {"weight": 0.5}]}
    ours = NNClassifier(layers, rng=1, train_loss=weighted, valid_loss={"size": ["rmse"]}, valid=0.2, **SETTINGS)
    copied = clone(ours)
    assert copied.get_params()["train_loss"] == weighted and not hasattr(copied, "classes_")
    assert digest(copied.fit(X, y)) == digest(ours.fit(X, y))


def test_a_loaded_run_predicts_scores_and_resumes_as_the_original_does(tmp_path):
    names, loss = ("kind", "size", "sign"), {"train_loss": {"size": ["huber", {"weight": 0.5}]}}
    whole, y = fitted(*names, **loss)
    half, _ = fitted(*names, **loss, n_epochs=4, checkpoint=str(tmp_path / "run"))
    loaded = NNClassifier.load(str(tmp_path / "run"))
    assert loaded.classes_.tolist() == half.classes_.tolist() and loaded.evaluate(X, y) == half.evaluate(X, y)
    for name, found in half.predict(X).items():
        np.testing.assert_array_equal(loaded.predict(X)[name], found)
    assert loaded.get_params()["train_loss"]["size"] == ["huber", {"weight": 0.5}]
    assert digest(loaded.fit(X, y, n_epochs=8, n_threads=1)) == digest(whole)


def test_data_takes_a_range_of_the_rows_of_each_output_and_alters_their_labels_together():
    layers, y = layers_and_y("kind", "size")

    def doubled(labels):
        labels = labels.copy()
        labels["size"] *= 2
        return labels

    data = Data(X, y, start=10, stop=70, alter_labels=doubled)
    expected = NNClassifier(layers, rng=1).fit(X[10:70], {"kind": KIND[10:70], "size": 2 * SIZE[10:70]}, **SETTINGS)
    assert digest(NNClassifier(layers, rng=1).fit(data, **SETTINGS)) == digest(expected)


def test_a_data_frame_with_a_column_for_each_output_is_taken():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    x, kind, size = rng.normal(size=(40, 3)).astype(np.float32), np.arange(40) % 2, rng.normal(size=40)
    layers = [
        ["FCLayer", {"n_units": 3}],
        ["ClassificationOutputLayer", {"name": "kind"}],
        ["RegressionOutputLayer", {"name": "size"}],
    ]

    def fitted(y):
        return NNClassifier(layers, rng=1, n_epochs=2, batch_size=10).fit(x, y)

    of_frame, of_dict = fitted(pd.DataFrame({"kind": kind, "size": size})), fitted({"kind": kind, "size": size})
    assert all(np.array_equal(of_frame.params[name], array) for name, array in of_dict.params.items())
