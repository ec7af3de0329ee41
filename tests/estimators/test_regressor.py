"""NNRegressor behaves as scikit-learn's users expect, and its numbers are those of scikit-learn."""

from __future__ import annotations

import io
import pickle
import re
from contextlib import redirect_stdout

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_regressor
from sklearn.metrics import (
    mean_absolute_error,
    mean_squared_error,
    median_absolute_error,
    r2_score,
    root_mean_squared_error,
)
from sklearn.model_selection import GridSearchCV, cross_val_score

from arignote import ArignoteWarning, CheckpointError, ConfigError, DataError, NNClassifier, NNRegressor

RNG = np.random.default_rng(6)
N = 90
X = RNG.normal(size=(N, 4)).astype(np.float32)
y = X.astype(np.float64) @ [1.0, -2.0, 0.5, 0.0] + 0.3 * X[:, 1] ** 2 + 0.1 * RNG.normal(size=N)
Y = np.column_stack([y, 40 * X[:, 0] - 300 + RNG.normal(size=N)])
LAYERS = [["FCLayer", {"n_units": 8, "activation": "tanh"}], ["RegressionOutputLayer"]]
FAST = {"n_epochs": 12, "batch_size": 16, "sgd_type": "adam", "lr_rule": 0.03}
NAN = np.nan
HOLES = Y.copy()
HOLES[[3, 20, 21], 0] = HOLES[[5, 40], 1] = HOLES[[7, 60, 61]] = NAN


def made(**params):
    return NNRegressor(LAYERS, rng=1, **FAST | params)


def test_predictions_have_the_form_of_y():
    for target in (y, Y, Y[:, :1], y.astype(np.float32), y.tolist(), pd.Series(y), pd.DataFrame(Y)):
        predicted = made(n_epochs=1).fit(X, target).predict(X)
        assert predicted.shape == np.shape(target) and predicted.dtype == np.float64


def test_it_learns_and_its_score_is_r2_of_scikit_learn():
    weights = np.linspace(0, 2, N)
    for target in (y, Y):
        fitted = made().fit(X, target)
        predicted = fitted.predict(X)
        assert fitted.score(X, target) == pytest.approx(r2_score(target, predicted)) and fitted.score(X, target) > 0.9
        expected = r2_score(target, predicted, sample_weight=weights)
        assert fitted.score(X, target, sample_weight=weights) == pytest.approx(expected)
    assert is_regressor(fitted) and not hasattr(fitted, "classes_") and fitted.n_features_in_ == 4


def test_its_predictions_are_those_of_its_weights_in_numpy():
    fitted = made(restore_best=False).fit(X, Y)
    p = fitted.params
    hidden = np.tanh(X.astype(np.float64) @ p["fc1.W"] + p["fc1.b"])
    expected = (hidden @ p["output.W"] + p["output.b"]) * Y.std(axis=0) + Y.mean(axis=0)
    np.testing.assert_allclose(fitted.predict(X), expected, rtol=1e-4, atol=1e-4)


def test_it_can_be_cloned_pickled_and_searched():
    regressor = made(valid=0.2, scale_target=False, missing_targets=True)
    again = clone(regressor)
    assert again.get_params() == regressor.get_params() and again.get_params()["scale_target"] is False
    fitted = made().fit(X, Y)
    assert np.array_equal(pickle.loads(pickle.dumps(fitted)).predict(X), fitted.predict(X))
    scores = cross_val_score(made(), X, y, cv=3)
    assert scores.shape == (3,) and (scores > 0.7).all()
    found = GridSearchCV(made(), {"lr_rule": [1e-6, 0.03]}, cv=2).fit(X, y)
    assert found.best_params_ == {"lr_rule": 0.03}


def test_a_run_is_loaded_with_its_scale(tmp_path):
    stem = str(tmp_path / "run")
    for target in (y, Y, Y[:, :1]):
        fitted = made(n_epochs=2, checkpoint=stem, resume="fresh").fit(X, target)
        loaded = NNRegressor.load(stem)
        assert np.array_equal(loaded.predict(X), fitted.predict(X)) and loaded.predict(X).shape == target.shape
        assert loaded.state_.targets == fitted.state_.targets
    memory = fitted.state_.targets["output"]
    assert memory == {"target": "numbers", "n_axes": 2, "mean": [Y[:, 0].mean()], "scale": [Y[:, 0].std()]}
    with pytest.raises(ConfigError, match=r"NNClassifier needs an output layer .* fits numbers: use NNRegressor"):
        NNClassifier.load(stem)


def test_a_scaled_target_makes_the_units_of_y_irrelevant():
    plain, scaled = made(valid=0.2).fit(X, y), made(valid=0.2).fit(X, 1000 * y + 7)
    np.testing.assert_allclose(scaled.predict(X), 1000 * plain.predict(X) + 7, rtol=1e-4, atol=1e-1)
    for name, factor in (("valid_squared", 1), ("train_squared", 1), ("valid_mae", 1000), ("valid_r2", 1)):
        ours, theirs = ([row[name] for row in one.history_] for one in (scaled, plain))
        np.testing.assert_allclose(ours, np.multiply(theirs, factor), rtol=1e-3, atol=1e-4)
    unscaled = made(scale_target=False).fit(X, y)
    assert unscaled.state_.targets["output"] == {"target": "numbers", "n_axes": 1, "mean": [0.0], "scale": [1.0]}
    assert unscaled.score(X, y) > 0.9


def test_the_scale_is_that_of_the_training_rows():
    held_out = np.arange(0, N, 3)
    fitted = made(n_epochs=1).fit(X, y, valid=held_out)
    train = np.delete(y, held_out)
    assert fitted.state_.targets["output"]["mean"] == pytest.approx([train.mean()])
    assert fitted.state_.targets["output"]["scale"] == pytest.approx([train.std()])


@pytest.mark.parametrize("target", [y, Y, HOLES], ids=["one", "two", "missing"])
def test_what_a_validation_reports_is_what_scikit_learn_computes_of_the_predictions(target):
    held_out, losses = np.arange(1, N, 4), ["rmse", "mae", "r2", "squared", ["huber", {"delta": 0.5}]]
    fitted = made(restore_best=False, missing_targets=True, valid_loss=losses).fit(X, target, valid=held_out)
    row, predicted = fitted.history_[-1], fitted.predict(X[held_out]).reshape(len(held_out), -1)
    true = target[held_out].reshape(predicted.shape)
    there = ~np.isnan(true)
    scores = {"rmse": root_mean_squared_error, "mae": mean_absolute_error, "r2": r2_score}
    for name, score in scores.items():
        by_column = [score(true[at, j], predicted[at, j]) for j, at in enumerate(there.T)]
        assert row[f"valid_{name}"] == pytest.approx(np.mean(by_column), rel=1e-4)
    difference = np.where(there, np.nan_to_num(true) - predicted, 0.0) / fitted.state_.targets["output"]["scale"]
    rows, n_there = there.any(axis=1), np.maximum(there.sum(axis=1), 1)
    by_row = (difference**2).sum(axis=1) / n_there
    assert row["valid_squared"] == pytest.approx(by_row[rows].mean(), rel=1e-4)
    size = np.abs(difference)
    huber = np.where(size <= 0.5, size**2 / 2, 0.5 * (size - 0.25)).sum(axis=1) / n_there
    assert row["valid_huber(delta=0.5)"] == pytest.approx(huber[rows].mean(), rel=1e-4)
    evaluated = fitted.evaluate(X, target, losses, part="valid") if target is not HOLES else None
    if evaluated is not None:
        assert {f"valid_{name}": value for name, value in evaluated.items()} == pytest.approx(
            {name: row[name] for name in row if name.startswith("valid_")}
        )


def test_rows_without_any_target_are_left_out():
    fitted = made(missing_targets=True, n_epochs=2).fit(X, HOLES)
    there = ~np.isnan(HOLES).all(axis=1)
    assert there.sum() == N - 3
    without = made(missing_targets=True, n_epochs=2).fit(X[there], HOLES[there])
    assert np.array_equal(fitted.predict(X), without.predict(X))
    assert fitted.state_.progress.examples_seen == 2 * (N - 3)
    assert fitted.state_.targets["output"]["mean"] == pytest.approx(np.nanmean(HOLES, axis=0))
    assert fitted.state_.targets["output"]["scale"] == pytest.approx(np.nanstd(HOLES, axis=0))


def test_a_missing_value_does_not_count_for_its_column():
    # The second column is missing except in four rows: it learns from these, the first from all.
    target = Y.copy()
    target[4:, 1] = NAN
    whole = made(missing_targets=True, n_epochs=40).fit(X, target)
    assert r2_score(target[:, 0], whole.predict(X)[:, 0]) > 0.9
    assert np.abs(whole.predict(X)[:4, 1] - target[:4, 1]).max() < np.ptp(target[:4, 1])


def test_weights_stay_with_their_rows_where_some_lack_the_target():
    weights = np.linspace(0.1, 2, N)
    there = ~np.isnan(HOLES).all(axis=1)
    fitted = made(missing_targets=True, n_epochs=2).fit(X, HOLES, sample_weight=weights)
    without = made(missing_targets=True, n_epochs=2).fit(X[there], HOLES[there], sample_weight=weights[there])
    assert np.array_equal(fitted.predict(X), without.predict(X))
    other = made(missing_targets=True, n_epochs=2).fit(X, HOLES)
    assert not np.array_equal(fitted.predict(X), other.predict(X))


def test_the_score_of_missing_targets_is_the_mean_of_their_columns():
    fitted = made(missing_targets=True).fit(X, HOLES)
    predicted, there = fitted.predict(X), ~np.isnan(HOLES)
    expected = np.mean([r2_score(HOLES[at, j], predicted[at, j]) for j, at in enumerate(there.T)])
    assert fitted.score(X, HOLES) == pytest.approx(expected)
    assert fitted.evaluate(X, HOLES, "r2")["r2"] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(DataError, match=r"^y of X row 3 column 0 is missing; leave the row out"):
        made(n_epochs=1).fit(X, Y).score(X, HOLES)
    with pytest.raises(DataError, match=r"^X has 90 rows, y 89; the numbers must be equal$"):
        fitted.score(X, HOLES[1:])


@pytest.mark.parametrize("how", ["fraction", "data"])
def test_a_part_with_missing_targets_is_found_again_and_scored(how):
    valid = 0.3 if how == "fraction" else (X[:50], HOLES[:50])
    fitted = made(missing_targets=True, valid_loss=["mae", "r2"]).fit(X, HOLES, valid=valid)
    found = fitted.evaluate(X, HOLES, part="valid") if how == "fraction" else fitted.evaluate(*valid, part="valid")
    assert found["mae"] == pytest.approx(fitted.best_["value"])


def test_training_rows_are_reported_even_if_some_lack_the_target():
    fitted = made(missing_targets=True, n_epochs=1).fit(X, HOLES, valid=0.2)
    n_train = fitted.state_.data["train"]["features"]["shape"][0]
    n_there = n_train + fitted.state_.data["valid"]["features"]["shape"][0]
    assert n_there == N - 3
    with pytest.warns(ArignoteWarning, match=f"trained on {n_train} of these {n_there} rows"):
        fitted.evaluate(X, HOLES)


def test_the_largest_r2_is_the_best():
    fitted = made(valid=0.3, valid_loss="r2", lr_rule=0.3, n_epochs=15).fit(X, y)
    values = [row["valid_r2"] for row in fitted.history_]
    # The last is not the best, so that the order matters.
    assert fitted.best_["value"] == max(values) > values[-1]
    assert fitted.best_["epoch"] == 1 + int(np.argmax(values))
    assert fitted.evaluate(X, y, "r2", part="valid")["r2"] == pytest.approx(max(values))
    # Of a loss the smallest is.
    fitted = made(valid=0.3, valid_loss="rmse", lr_rule=0.3, n_epochs=15).fit(X, y)
    assert fitted.best_["value"] == min(row["valid_rmse"] for row in fitted.history_)


def test_rules_take_a_larger_r2_as_an_improvement():
    rule = {"rule": "stalled", "initial_value": 0.3, "multiply_by": 0.5, "interval": 1}
    fitted = made(valid=0.3, valid_loss="r2", lr_rule=rule, n_epochs=15).fit(X, y)
    values, rates = ([row[name] for row in fitted.history_] for name in ("valid_r2", "learning_rate"))
    expected, best = [0.3], -np.inf
    for value in values:
        expected.append(expected[-1] if value > best else expected[-1] / 2)
        best = max(best, value)
    assert rates == pytest.approx(expected[:-1]) and values.index(best) > 0 and rates[-1] < 0.3


def test_training_ends_when_r2_has_stalled_or_is_large_enough():
    stop = {"rule": "stalled", "interval": 3}
    fitted = made(valid=0.3, valid_loss="r2", lr_rule=0.3, n_epochs=60, stop_rule=stop).fit(X, y)
    values = [row["valid_r2"] for row in fitted.history_]
    assert fitted.n_epochs_ < 60 and int(np.argmax(values)) == len(values) - 4
    fitted = made(valid=0.3, valid_loss="r2", n_epochs=60, stop_rule={"rule": "reached", "value": 0.8}).fit(X, y)
    values = [row["valid_r2"] for row in fitted.history_]
    assert 1 < fitted.n_epochs_ < 60 and values[-1] >= 0.8 > max(values[:-1])
    fitted = made(valid=0.3, valid_loss="mae", n_epochs=60, stop_rule={"rule": "reached", "value": 0.5}).fit(X, y)
    values = [row["valid_mae"] for row in fitted.history_]
    assert 1 < fitted.n_epochs_ < 60 and values[-1] <= 0.5 < min(values[:-1])


@pytest.mark.parametrize("loss", ["squared", "absolute", ["huber", {"delta": 0.5}], "mse"], ids=str)
def test_each_loss_is_learned_and_named_in_the_history(loss):
    fitted = made(train_loss=loss).fit(X, y)
    name = {"mse": "squared", "squared": "squared", "absolute": "absolute"}.get(str(loss), "huber(delta=0.5)")
    assert f"train_{name}" in fitted.history_[0] and fitted.score(X, y) > 0.9


def test_evaluate_gives_losses_and_scorers_of_scikit_learn():
    fitted = made().fit(X, Y)
    predicted = fitted.predict(X)
    found = fitted.evaluate(X, Y, ["rmse", "neg_mean_squared_error", "neg_median_absolute_error", "mse"])
    assert found == pytest.approx(
        {
            "rmse": root_mean_squared_error(Y, predicted),
            "neg_mean_squared_error": -mean_squared_error(Y, predicted),
            "neg_median_absolute_error": -median_absolute_error(Y, predicted),
            # In scaled units.
            "mse": (((Y - predicted) / Y.std(axis=0)) ** 2).mean(),
        },
        rel=1e-4,
    )
    assert list(fitted.evaluate(X, Y)) == ["squared", "mae", "r2"]
    for name, words in (
        ("accuracy", "unknown loss or metric 'accuracy' of numbers"),
        ("top_3", "unknown loss or metric"),
    ):
        with pytest.raises(ConfigError, match=words):
            fitted.evaluate(X, Y, name)
    with pytest.raises(ConfigError, match="the loss 'nll' does not fit numbers; losses that do: absolute, huber, mae"):
        fitted.evaluate(X, Y, "nll")


def changed(row, value, column=None):
    """Return a copy of y, or of Y, with one other value."""
    copy = (y if column is None else Y).astype(object if isinstance(value, str) else np.float64)
    copy[row if column is None else (row, column)] = value
    return copy


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (y.astype(str), f"y of X must be numbers; got '{y.astype(str)[0]}'. If these are classes, use Classification"),
        (changed(8, "red"), "y of X must be numbers; got 'red'"),
        (changed(8, np.inf), "y of X row 8 is inf; numbers must be finite"),
        (changed(8, NAN), "y of X row 8 is missing; leave the row out, or set missing_targets=True"),
        (changed(8, NAN, 1), "y of X row 8 column 1 is missing"),
        (Y[:, :, None], "y of X must have the shape (rows,) or (rows, columns); got (90, 2, 1)"),
        (y[1:], "X has 90 rows, its labels 89; the numbers must be equal"),
        (None, "fit requires y to be passed"),
    ],
    ids=["text", "a word", "inf", "nan", "nan of a column", "axes", "short", "none"],
)
def test_a_target_that_cannot_be_learned_is_refused_with_its_row(target, words):
    with pytest.raises(DataError, match=re.escape(words)):
        made().fit(X, target)


def test_the_number_of_columns_is_that_of_the_layer_and_of_the_training_rows():
    with pytest.raises(DataError, match="y of X has 2 columns, the output layer n_outputs=3"):
        NNRegressor([["RegressionOutputLayer", {"n_outputs": 3}]], rng=1).fit(X, Y)
    fitted = made(n_epochs=1).fit(X, Y)
    with pytest.raises(DataError, match="y of X has 1 columns, that of the training data 2"):
        fitted.evaluate(X, y)
    with pytest.raises(DataError, match="y of X has 1 columns, that of the training data 2"):
        fitted.score(X, y)
    with pytest.raises(DataError, match="y of valid has 1 columns, that of the training data 2"):
        made().fit(X, Y, valid=(X, y))
    with pytest.raises(DataError, match="y of X column 1 is missing in every training row"):
        made(missing_targets=True).fit(X, np.column_stack([y, np.full(N, NAN)]))
    with pytest.raises(DataError, match="y of valid is missing in every row"):
        made(missing_targets=True).fit(X, y, valid=(X, np.full(N, NAN)))


@pytest.mark.parametrize(
    ("estimator", "output", "fits", "other"),
    [
        (NNRegressor, "ClassificationOutputLayer", "classes", "NNClassifier"),
        (NNRegressor, "MultilabelOutputLayer", "flags", "NNClassifier"),
        (NNRegressor, "OrdinalOutputLayer", "ranks", "NNClassifier"),
        (NNClassifier, "RegressionOutputLayer", "numbers", "NNRegressor"),
    ],
)
def test_an_output_layer_of_another_estimator_is_refused(estimator, output, fits, other):
    with pytest.raises(ConfigError) as refused:
        estimator([[output]], rng=1).fit(X, y)
    assert str(refused.value).endswith(f"{output} 'output' fits {fits}: use {other}")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"train_loss": "nll"}, "train_loss 'nll' does not fit RegressionOutputLayer 'output', which fits numbers; "),
        ({"train_loss": "nll"}, "losses that do: absolute, huber, squared"),
        ({"valid_loss": ["mae", "error"]}, "valid_loss 'error' does not fit RegressionOutputLayer 'output'"),
        ({"test_loss": "flag_error"}, "test_loss 'flag_error' does not fit RegressionOutputLayer"),
        ({"test_loss": "brier"}, "losses that do: absolute, huber, squared"),
        (
            {"train_loss": "mae"},
            "'mae' cannot be trained on: it has no gradient. Use 'absolute' or 'huber' or 'squared'",
        ),
        (
            {"class_weight": "balanced"},
            "class_weight is for one output of classes, but RegressionOutputLayer fits numbers",
        ),
        (
            {"balance_classes": True},
            "balance_classes is for one output of classes, but RegressionOutputLayer fits numbers",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused_with_the_pair(settings, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        made(**settings).fit(X, y, valid=0.2, test=0.2)


def test_all_settings_that_do_not_fit_are_in_one_report():
    with pytest.raises(ConfigError) as refused:
        made(train_loss="hinge", valid_loss=["mae", "error"], class_weight={0: 1.0}).fit(X, y)
    assert [complaint.path for complaint in refused.value.complaints] == [
        ("fit", "train_loss"),
        ("fit", "valid_loss"),
        ("fit", "class_weight"),
    ]


def test_a_run_is_not_resumed_with_another_target(tmp_path):
    stem = str(tmp_path / "run")
    made(n_epochs=1, checkpoint=stem).fit(X, y)
    for settings, words in (
        ({"scale_target": False}, "fit.scale_target: True then, False now"),
        ({"missing_targets": True}, "fit.missing_targets: False then, True now"),
        ({"train_loss": "absolute"}, "fit.train_loss: 'squared' then, 'absolute' now"),
    ):
        with pytest.raises(CheckpointError, match=words):
            made(n_epochs=2, checkpoint=stem, **settings).fit(X, y)
    with pytest.raises(CheckpointError, match=r"data.train.labels.sha256"):
        made(n_epochs=2, checkpoint=stem).fit(X, y + 1)
    with pytest.raises(CheckpointError, match=r"targets.output.n_axes: 1 then, 2 now"):
        made(n_epochs=2, checkpoint=stem).fit(X, Y)
    assert made(n_epochs=2, checkpoint=stem).fit(X, y).n_epochs_ == 2


def test_an_augmentation_may_change_numbers():
    def negated(x, y, rng):
        return -x, -y

    odd = X[:, 0].astype(np.float64)
    fitted = made(augmentation=negated).fit(X, odd)
    assert fitted.score(X, odd) > 0.9

    def wrong(x, y, rng):
        return x, y[:, 0]

    with pytest.raises(DataError, match=r"y must be numbers \(rows, 1\); got float32 of shape \(16,\)"):
        made(augmentation=wrong).fit(X, odd)


AUTOENCODER = [["FCLayer", {"n_units": 3, "activation": "tanh"}], ["RegressionOutputLayer", {"target": "same"}]]


def test_an_autoencoder_has_its_input_as_target(tmp_path):
    stem = str(tmp_path / "run")
    settings = FAST | {"valid_loss": ["r2", "mae", "squared"], "n_epochs": 30}
    fitted = NNRegressor(AUTOENCODER, rng=1, **settings).fit(X, valid=0.2, checkpoint=stem)
    predicted = fitted.predict(X)
    assert predicted.shape == X.shape and predicted.dtype == np.float32
    assert fitted.score(X) == pytest.approx(r2_score(X, predicted), rel=1e-5) and fitted.score(X) > 0.4
    found = fitted.evaluate(X, losses=["r2", "mae", "squared"])
    assert found == pytest.approx(
        {
            "r2": r2_score(X, predicted),
            "mae": mean_absolute_error(X, predicted),
            "squared": mean_squared_error(X, predicted),
        },
        rel=1e-5,
    )
    assert fitted.evaluate(X, losses="r2", part="valid")["r2"] == pytest.approx(fitted.best_["value"])
    assert fitted.state_.targets["output"] == {"target": "same", "shape": [4]}
    assert np.array_equal(NNRegressor.load(stem).predict(X), predicted)
    with pytest.raises(DataError, match="the target of X is its input: leave y out"):
        NNRegressor(AUTOENCODER, rng=1).fit(X, y)


def test_an_autoencoder_learns_what_is_preprocessed_and_not_augmented():
    shifted = 50 * X + 1000
    seen = []

    def blank(x, y, rng):
        seen.append((x.copy(), y.copy()))
        return np.zeros_like(x), y

    settings = FAST | {"preprocess": [["Standardise"]], "augmentation": blank, "n_epochs": 1, "n_workers": 0}
    fitted = NNRegressor(AUTOENCODER, rng=1, **settings).fit(shifted)
    standard = (shifted - shifted.mean(axis=0)) / shifted.std(axis=0)
    assert all(np.array_equal(x.reshape(len(x), -1), target) for x, target in seen)
    rows = np.concatenate([target for _, target in seen[-6:]])
    np.testing.assert_allclose(np.sort(rows, axis=0), np.sort(standard, axis=0), rtol=1e-3, atol=1e-3)
    assert fitted.predict(shifted).shape == shifted.shape


def test_labels_that_come_with_the_features_are_not_used_by_an_autoencoder():
    import torch

    plain = NNRegressor(AUTOENCODER, rng=1, **FAST | {"n_epochs": 1}).fit(X)
    for data in (
        {"x": X, "labels": y},
        torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(y)),
    ):
        fitted = NNRegressor(AUTOENCODER, rng=1, **FAST | {"n_epochs": 1}).fit(data)
        assert np.array_equal(fitted.predict(X), plain.predict(X))
        assert fitted.state_.data["train"]["labels"] is None
    for data in ((X, y), ((X, y),)):
        with pytest.raises(DataError, match="the target of X is its input: leave y out"):
            NNRegressor(AUTOENCODER, rng=1).fit(*data)


def test_an_autoencoder_of_images_predicts_images():
    images = RNG.normal(size=(20, 2, 3, 3)).astype(np.float32)
    layers = [["ConvLayer", {"n_output_maps": 2, "filter_shape": 2}], AUTOENCODER[-1]]
    fitted = NNRegressor(layers, rng=1, n_epochs=1, batch_size=10).fit(images, valid=images[:5])
    assert fitted.predict(images).shape == images.shape
    assert fitted.state_.targets["output"] == {"target": "same", "shape": [2, 3, 3]}
    assert fitted.history_[0]["valid_squared"] > 0
    with pytest.raises(DataError, match="an example of X has 18 values, the output layer n_outputs=5"):
        NNRegressor([["RegressionOutputLayer", {"target": "same", "n_outputs": 5}]], rng=1, batch_size=10).fit(images)


def test_lines_of_a_fit_show_numbers_and_not_percent():
    out = io.StringIO()
    with redirect_stdout(out):
        fitted = made(n_epochs=1, verbose=True).fit(X, Y, valid=0.2)
    assert "valid_mae" in out.getvalue() and "%" not in out.getvalue()
    assert f"{fitted.history_[0]['valid_mae']:.5g}" in out.getvalue()
