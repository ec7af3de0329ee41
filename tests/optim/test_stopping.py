"""Stop rules: settings and what the history says; in a fit, the epoch in which it ends."""

from __future__ import annotations

import pytest

import arignote.optim  # noqa: F401
from arignote import ConfigError, NNClassifier
from arignote.registry import build

MLP = [["FCLayer", {"n_units": 8}], ["ClassificationOutputLayer"]]


def ends(spec, losses):
    """Return the validation (from 1) with which a rule ends training; None where it does not."""
    rule = build("stop_rule", spec)
    for n, loss in enumerate(losses, 1):
        if rule.ends(n, 1 + losses.index(min(losses[:n])), loss):
            return n
    return None


@pytest.mark.parametrize(
    ("interval", "losses", "expected"),
    [
        (1, [3, 2, 2.5], 3),
        (2, [3, 2, 2.5, 1, 2, 2, 0], 6),
        (2, [3, 2, 2.5, 1, 2], None),
        (3, [1, 1, 1, 1], 4),
    ],
)
def test_stalled_counts_from_the_best(interval, losses, expected):
    assert ends(["stalled", {"interval": interval}], losses) == expected


@pytest.mark.parametrize(
    ("n_validations", "best_at", "expected"), [(7, 4, True), (6, 4, False), (8, 4, True), (3, 3, False), (3, 0, True)]
)
def test_stalled_ends_when_the_interval_has_passed_since_the_best(n_validations, best_at, expected):
    rule = build("stop_rule", ["stalled", {"interval": 3}])
    assert rule.ends(n_validations, best_at, 0.1) is expected and rule.ends(n_validations, best_at, 9.0) is expected


@pytest.mark.parametrize(("value", "expected"), [(0.5, 3), (0.75, 2), (0.1, None)])
def test_reached_ends_at_the_value_itself(value, expected):
    assert ends(["reached", {"value": value}], [1.0, 0.75, 0.5, 0.6]) == expected


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (["stalled"], "interval must be given"),
        (["stalled", {"interval": 0}], "interval must be an integer >= 1; got 0"),
        (["reached"], "value must be given"),
        (["reachd", {"value": 1.0}], r"Did you mean 'reached'\?"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(spec, words):
    with pytest.raises(ConfigError, match=words):
        build("stop_rule", spec)


def test_a_fit_ends_with_the_epoch_of_the_rule_and_stays_ended(digits, tmp_path):
    settings = {"n_epochs": 30, "batch_size": 32, "valid": 0.2, "lr_rule": 0.1, "sgd_type": "nag"}
    losses = [row["valid_nll"] for row in NNClassifier(MLP, rng=1).fit(*digits, **settings | {"n_epochs": 4}).history_]
    rule = {"rule": "reached", "value": losses[2]}
    stem = str(tmp_path / "run")
    ended = NNClassifier(MLP, rng=1).fit(*digits, **settings, stop_rule=rule, checkpoint=stem)
    assert losses[2] < min(losses[:2]) and ended.n_epochs_ == 3 and ended.state_.progress.ended
    again = NNClassifier(MLP, rng=1).fit(*digits, **settings, stop_rule=rule, checkpoint=stem)
    assert again.status_.startswith("finished, 3") and again.n_epochs_ == 3
