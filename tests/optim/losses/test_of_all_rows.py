"""Scores by the name of a metric: which there are, which targets they fit, and that they are of all rows at once."""

from __future__ import annotations

import pytest
from sklearn.metrics import get_scorer_names

from arignote import ConfigError
from arignote.optim.losses import Score, metrics_that_fit, to_score
from arignote.registry import build

# Scorers of clusters, which are no predictions, and those whose names are losses.
OTHERS = {
    *("adjusted_mutual_info_score", "adjusted_rand_score", "completeness_score", "fowlkes_mallows_score"),
    *("homogeneity_score", "mutual_info_score", "normalized_mutual_info_score", "rand_score", "v_measure_score"),
}


def test_every_scorer_of_predictions_is_a_metric_of_classes_or_of_numbers():
    of_classes, of_numbers = metrics_that_fit("classes"), metrics_that_fit("numbers")
    assert {*of_classes, *of_numbers} - {"top_5"} == set(get_scorer_names()) - OTHERS
    assert not set(of_classes) & set(of_numbers) and metrics_that_fit("same") == []
    assert (
        "neg_log_loss" in of_classes and "explained_variance" in of_numbers and "top_5" not in metrics_that_fit("flags")
    )


@pytest.mark.parametrize(
    ("name", "fitting"),
    [
        ("accuracy", "classes ranks flags"),
        ("top_3", "classes ranks"),
        ("f1_macro", "classes ranks flags"),
        ("neg_root_mean_squared_error", "numbers"),
    ],
)
def test_a_score_fits_targets_of_its_kind_and_is_better_if_it_is_larger(name, fitting):
    score = build("loss", to_score(name))
    assert type(score) is Score and score.column == name and score.greater_is_better and not score.differentiable
    targets = ("classes", "ranks", "flags", "numbers", "same", "own_input")
    assert [target for target in targets if score.fits(target)] == fitting.split()


def test_other_values_stay_as_they_are():
    for value in ("nll", "r2", "cross_entropy", "mine:Loss", ["nll", {}], None, "anything"):
        assert to_score(value) == value


def test_a_score_has_no_value_for_each_row_and_is_checked_against_the_number_of_classes():
    with pytest.raises(ConfigError, match="the score 'f1' has no value for each row"):
        Score(metric="f1").build()
    for name in ("top_0", "top_3"):
        with pytest.raises(ConfigError, match=r"K must lie in 1 \.\. 2, below the number of classes, 3"):
            Score(metric=name).check(3)
    Score(metric="top_2").check(3)
    Score(metric="accuracy").check(1)
    with pytest.raises(ConfigError, match="must be the name of a metric; got 'f1_marco'"):
        Score(metric="f1_marco")
