"""Scores of scikit-learn in validations: of all rows at once, larger is better for everything that follows them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    log_loss,
    mean_absolute_error,
    median_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)
from sklearn.utils.class_weight import compute_class_weight

from arignote import CheckpointError, ConfigError, DataError, NNClassifier, NNRegressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4)).astype(np.float32)
Y = np.argmax(X[:, :3] + 0.5 * RNG.normal(size=(90, 3)), axis=1)
HELD = X[60:], Y[60:]
LAYERS = [["FCLayer", {"n_units": 5}], ["ClassificationOutputLayer"]]
SETTINGS = {"rng": 1, "batch_size": 16, "sgd_type": "nag", "lr_rule": 0.3, "valid": HELD}


def fitted(layers=LAYERS, y=Y, **settings):
    return NNClassifier(layers, **SETTINGS | settings).fit(X[:60], y[:60])


def test_values_are_those_of_scikit_learn_in_the_order_of_the_setting():
    names = ["f1_macro", "nll", "roc_auc_ovr", "accuracy"]
    settings = {"n_epochs": 2, "restore_best": False, "validate_on_train": True, "test": HELD}
    classifier = fitted(valid_loss=names, test_loss=["balanced_accuracy"], **settings)
    row, predicted, p = classifier.history_[-1], classifier.predict(HELD[0]), classifier.predict_proba(HELD[0])
    assert [name for name in row if name.startswith("valid_")] == [f"valid_{name}" for name in names]
    assert row["valid_f1_macro"] == pytest.approx(f1_score(HELD[1], predicted, average="macro"))
    wanted = roc_auc_score(HELD[1], p / p.sum(1, keepdims=True), multi_class="ovr")
    assert row["valid_roc_auc_ovr"] == pytest.approx(wanted)
    assert row["valid_accuracy"] == pytest.approx(np.mean(predicted == HELD[1]))
    assert row["test_balanced_accuracy"] == pytest.approx(balanced_accuracy_score(HELD[1], predicted))
    of_train = f1_score(Y[:60], classifier.predict(X[:60]), average="macro")
    assert row["scored_train_f1_macro"] == pytest.approx(of_train)
    assert classifier.evaluate(*HELD, names) == {name: pytest.approx(row[f"valid_{name}"]) for name in names}


def test_scores_of_numbers_are_in_units_of_the_target_and_of_another_output_by_its_name():
    number = 100 * X[:, 0] + 7
    settings = {"valid": (X[60:], number[60:]), "n_epochs": 2, "restore_best": False}
    name = "neg_median_absolute_error"
    regressor = NNRegressor([["RegressionOutputLayer"]], **SETTINGS | settings, valid_loss=name).fit(
        X[:60], number[:60]
    )
    wanted = median_absolute_error(number[60:], regressor.predict(X[60:]))
    assert regressor.history_[-1][f"valid_{name}"] == pytest.approx(-wanted, rel=1e-5)
    layers = [["InputLayer", {"name": "in"}], ["ClassificationOutputLayer", {"name": "kind"}]]
    layers += [["RegressionOutputLayer", {"name": "size", "input": "in"}]]
    both = [{"kind": Y[at], "size": number[at]} for at in (slice(60), slice(60, 90))]
    settings |= {"valid": (X[60:], both[1]), "valid_loss": {"size": [name], "kind": ["f1_macro"]}}
    several = NNClassifier(layers, **SETTINGS | settings).fit(X[:60], both[0])
    predicted, row = several.predict(X[60:]), several.history_[-1]
    assert row[f"valid_size_{name}"] == pytest.approx(-median_absolute_error(number[60:], predicted["size"]), rel=1e-5)
    assert row["valid_f1_macro"] == pytest.approx(f1_score(Y[60:], predicted["kind"], average="macro"))


def test_the_largest_score_is_best_and_rules_follow_it():
    rule = ["stalled", {"initial_value": 0.3, "multiply_by": 0.5, "interval": 1}]
    classifier = fitted(valid_loss="accuracy", lr_rule=rule, n_epochs=12)
    scores = [row["valid_accuracy"] for row in classifier.history_]
    assert classifier.best_["value"] == max(scores) and classifier.best_["epoch"] == 1 + scores.index(max(scores))
    # By hand: after a validation without a larger score than before, the value is halved.
    value, best, wanted = 0.3, -1.0, []
    for score in scores:
        wanted.append(value)
        value, best = (value, score) if score > best else (0.5 * value, best)
    assert [row["learning_rate"] for row in classifier.history_] == pytest.approx(wanted) and wanted[-1] < 0.3
    assert max(scores) > scores[0]
    annealer = ["annealer", {"initial_value": 0.3, "multiply_by": 0.5, "interval": 1, "train_threshold": 1e-9}]
    found = fitted(valid_loss="accuracy", lr_rule=annealer, n_epochs=12).history_
    value, best, wanted = 0.3, -np.inf, []
    for number, row in enumerate(found):
        wanted.append(value)
        # The training loss never falls to a billionth of the first one, which counts as an improvement.
        is_better = row["valid_accuracy"] > best + 5e-5 * abs(best) if number else True
        value, best = (value, row["valid_accuracy"]) if is_better else (0.5 * value, best)
    assert [row["learning_rate"] for row in found] == pytest.approx(wanted)


def test_a_stop_rule_follows_the_score():
    reached = fitted(valid_loss="accuracy", n_epochs=30, stop_rule=["reached", {"value": 0.6}])
    scores = [row["valid_accuracy"] for row in reached.history_]
    assert scores[-1] >= 0.6 and all(score < 0.6 for score in scores[:-1]) and len(scores) < 30


def test_a_score_of_classes_that_are_never_predicted_is_reported_without_a_warning():
    # Weights of 0 and a rate of 0: class 0 for every row.
    layers = [["ClassificationOutputLayer", {"W": 0.0}]]
    classifier = fitted(layers, valid_loss=["precision_macro"], lr_rule=0.0, n_epochs=1)
    assert classifier.history_[0]["valid_precision_macro"] == pytest.approx(np.mean(Y[60:] == 0) / 3)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ("roc_auc", "valid_loss: roc_auc: multi_class must be in"),
        ("f1", "valid_loss: f1: Target is multiclass but average='binary'"),
        ("top_3", r"top_3: K must lie in 1 \.\. 2"),
        ("neg_mean_squared_error", "'neg_mean_squared_error' does not fit ClassificationOutputLayer"),
    ],
)
def test_a_score_that_cannot_be_computed_is_refused_before_training(loss, words, tmp_path):
    with pytest.raises(ConfigError, match=words):
        fitted(valid_loss=loss, checkpoint=str(tmp_path / "run"))
    assert not list(tmp_path.glob("*.ckpt"))


def test_a_score_without_a_value_for_one_class_is_refused_before_training():
    two = (Y > 0).astype(int)
    with pytest.raises(ConfigError, match="valid_loss: valid_roc_auc cannot be computed for these targets, such as"):
        fitted(y=two, valid_loss="roc_auc", valid=(X[:60][two[:60] == 1], np.ones(two[:60].sum(), int)))


def test_a_score_that_fails_for_some_predictions_is_nan_and_training_goes_on():
    number = np.exp(X[:, 0])
    settings = {"valid": (X[60:], number[60:]), "n_epochs": 2, "lr_rule": 3.0, "sgd_type": "sgd"}
    name = "neg_root_mean_squared_log_error"
    regressor = NNRegressor([["RegressionOutputLayer"]], **SETTINGS | settings, valid_loss=[name, "mae"])
    found = regressor.fit(X[:60], number[:60]).history_
    assert any(np.isnan(row[f"valid_{name}"]) for row in found) and len(found) == 2


def test_a_run_resumes_in_the_same_bits(tmp_path):
    settings = {
        "valid_loss": ["f1_macro", "nll"],
        "lr_rule": ["stalled", {"initial_value": 0.3, "multiply_by": 0.5, "interval": 1}],
    }
    whole = fitted(n_epochs=5, **settings)
    fitted(n_epochs=2, checkpoint=str(tmp_path / "run"), **settings)
    resumed = fitted(n_epochs=5, checkpoint=str(tmp_path / "run"), **settings)
    assert resumed.status_.startswith("resumes at epoch 3")
    assert resumed.state_.history.sha256() == whole.state_.history.sha256()
    assert all((resumed.params[name] == array).all() for name, array in whole.params.items())
    assert NNClassifier.load(str(tmp_path / "run")).valid_loss[0] == ["score", {"metric": "f1_macro"}]


def test_rows_count_in_validations_by_their_weights_where_asked():
    weights = RNG.uniform(0.1, 3, 90)
    by_class = {0: 1.0, 1: 5.0, 2: 0.5}
    settings = {"valid": np.arange(60, 90), "n_epochs": 2, "restore_best": False, "validate_on_train": True}
    names = ["nll", "error", "f1_macro", "accuracy", "roc_auc_ovr"]

    def scored(**more):
        classifier = NNClassifier(LAYERS, **SETTINGS | settings | more, class_weight=by_class, valid_loss=names)
        return classifier.fit(X, Y, sample_weight=weights)

    plain, weighted = scored(), scored(weighted_validation=True)
    # The weights of training are the same in both.
    assert all((plain.params[name] == array).all() for name, array in weighted.params.items())
    w = weights * np.array([1.0, 5.0, 0.5])[Y]
    for prefix, at in (("valid", slice(60, 90)), ("scored_train", slice(60))):
        p, predicted, row = weighted.predict_proba(X[at]).astype(float), weighted.predict(X[at]), weighted.history_[-1]
        p /= p.sum(1, keepdims=True)
        assert row[f"{prefix}_nll"] == pytest.approx(log_loss(Y[at], p, sample_weight=w[at]), rel=1e-5)
        assert row[f"{prefix}_error"] == pytest.approx(1 - accuracy_score(Y[at], predicted, sample_weight=w[at]))
        assert row[f"{prefix}_accuracy"] == pytest.approx(accuracy_score(Y[at], predicted, sample_weight=w[at]))
        wanted = f1_score(Y[at], predicted, average="macro", sample_weight=w[at])
        assert row[f"{prefix}_f1_macro"] == pytest.approx(wanted)
        wanted = roc_auc_score(Y[at], p, multi_class="ovr", sample_weight=w[at])
        assert row[f"{prefix}_roc_auc_ovr"] == pytest.approx(wanted)
    assert plain.history_[-1]["valid_nll"] == pytest.approx(log_loss(Y[60:], weighted.predict_proba(X[60:])), rel=1e-5)


def test_balanced_weights_of_validation_rows_are_those_of_the_training_rows():
    settings = {"class_weight": "balanced", "weighted_validation": True, "n_epochs": 1}
    classifier = fitted(**settings)
    w = compute_class_weight("balanced", classes=np.arange(3), y=Y[:60])[Y[60:]]
    wanted = log_loss(Y[60:], classifier.predict_proba(X[60:]), sample_weight=w)
    assert classifier.history_[0]["valid_nll"] == pytest.approx(wanted, rel=1e-5)


def test_weighted_losses_of_numbers_are_those_of_scikit_learn():
    number, weights = 100 * X[:, 0] + 7 * RNG.normal(size=90), RNG.uniform(0.1, 3, 90)
    names = ["r2", "mae", "rmse"]
    settings = {"valid": np.arange(60, 90), "n_epochs": 2, "restore_best": False, "weighted_validation": True}
    regressor = NNRegressor([["RegressionOutputLayer"]], **SETTINGS | settings, valid_loss=names)
    row = regressor.fit(X, number, sample_weight=weights).history_[-1]
    given = number[60:], regressor.predict(X[60:])
    assert row["valid_r2"] == pytest.approx(r2_score(*given, sample_weight=weights[60:]), rel=1e-4)
    assert row["valid_mae"] == pytest.approx(mean_absolute_error(*given, sample_weight=weights[60:]), rel=1e-5)
    assert row["valid_rmse"] == pytest.approx(root_mean_squared_error(*given, sample_weight=weights[60:]), rel=1e-5)
    with pytest.raises(ConfigError, match="neg_max_error takes no weights: leave it, or weighted_validation, out"):
        regressor.set_params(valid_loss="neg_max_error").fit(X, number, sample_weight=weights)
    with pytest.raises(DataError, match="weighted_validation needs a sample_weight of each row of valid"):
        regressor.set_params(valid_loss=None).fit(X, number, valid=(X, number), sample_weight=weights)


def test_weights_of_validation_rows_decide_what_a_run_is(tmp_path):
    weights = np.ones(90)
    settings = {"valid": np.arange(60, 90), "weighted_validation": True, "checkpoint": str(tmp_path / "run")}
    NNClassifier(LAYERS, **SETTINGS | settings).fit(X, Y, n_epochs=1, sample_weight=weights)
    weights[70] = 2.0
    with pytest.raises(CheckpointError, match=r"data\.weights of valid"):
        NNClassifier(LAYERS, **SETTINGS | settings).fit(X, Y, n_epochs=2, sample_weight=weights)
