"""Scores of predictions: those of scikit-learn in the units of the user, and accuracies of probabilities, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from made_up import numbered_classes
from sklearn.metrics import f1_score, log_loss, median_absolute_error, roc_auc_score

from arignote import ConfigError
from arignote.data.targets import Classes, EachStep, Flags, Numbers
from arignote.optim.losses import Score
from arignote.spec.metrics import score_of_rows

# Four rows of three classes; the last has two classes that are equally probable.
PROBA = np.array([[0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.6, 0.3, 0.1], [0.4, 0.4, 0.2]], dtype=np.float32)
Y = np.array([0, 2, 1, 1])


def of_classes(name):
    return score_of_rows(Score(metric=name), Classes(), numbered_classes(3), PROBA, Y)


@pytest.mark.parametrize(("name", "value"), [("accuracy", 0.25), ("top_1", 0.25), ("top_2", 1.0)])
def test_the_true_class_is_among_the_most_probable(name, value):
    assert of_classes(name) == value


def test_scores_of_classes_are_those_of_scikit_learn():
    # Recalls: 1 of 1, 0 of 2, 0 of 1.
    assert of_classes("balanced_accuracy") == pytest.approx(1 / 3)
    p = PROBA.astype(float)
    assert of_classes("neg_log_loss") == pytest.approx(-log_loss(Y, p / p.sum(1, keepdims=True)))
    assert of_classes("f1_macro") == pytest.approx(f1_score(Y, [0, 1, 0, 0], average="macro"))
    with pytest.raises(ConfigError, match="roc_auc: multi_class must be in"):
        of_classes("roc_auc")


def test_scores_of_flags_take_a_probability_above_one_half_as_a_label():
    target = Flags()
    y = target.check([[1, 0], [0, 1], [1, 1]], "y")
    memory = target.learn(y, None, "y")
    p = np.array([[0.9, 0.5], [0.4, 0.6], [0.2, 0.7]], np.float32)
    found = {
        name: score_of_rows(Score(metric=name), target, memory, p, y.astype(np.float32))
        for name in ("f1_macro", "roc_auc")
    }
    assert found["f1_macro"] == pytest.approx(f1_score(y, [[1, 0], [0, 1], [0, 1]], average="macro"))
    assert found["roc_auc"] == pytest.approx(roc_auc_score(y, p))


def test_scores_of_numbers_are_in_units_of_the_target_and_of_rows_that_have_it():
    target = Numbers(missing_targets=True)
    y = target.check([10.0, 20.0, np.nan, 60.0], "y")
    memory = target.learn(y, None, "y")
    predicted = np.array([[0.5], [-0.5], [9.0], [1.0]], np.float32)
    score, mean, scale = Score(metric="neg_median_absolute_error"), 30.0, np.std([10, 20, 60])
    found = score_of_rows(score, target, memory, predicted, target.encode(y, memory, "y"))
    wanted = median_absolute_error([10, 20, 60], mean + scale * np.array([0.5, -0.5, 1.0]))
    assert found == pytest.approx(-wanted)


def test_scores_of_steps_are_of_all_steps_that_have_a_target():
    target = EachStep(of="classes")
    y = target.check([["a", "b"], ["b"]], "y")
    memory = target.learn(y, None, "y")
    p = np.array([[[0.9, 0.1], [0.8, 0.2]], [[0.3, 0.7], [0.9, 0.1]]], np.float32)
    assert score_of_rows(Score(metric="accuracy"), target, memory, p, target.encode(y, memory, "y")) == 2 / 3
