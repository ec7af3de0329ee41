"""Stop rules: settings and what the history says; in a fit, the epoch in which it ends."""

from __future__ import annotations

import numpy as np
import pytest

import arignote.optim  # noqa: F401
from arignote import ConfigError, NNClassifier
from arignote.registry import build

MLP = [["FCLayer", {"n_units": 8}], ["ClassificationOutputLayer"]]


def ends(spec, losses):
    """Return the validation (from 1) with which a rule ends training; None where it does not."""
    rule = build("stop_rule", spec)
    for n in range(1, len(losses) + 1):
        if rule.ends(np.array(losses[:n], float), 1 + losses.index(min(losses[:n]))):
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
    assert rule.ends(np.linspace(9, 0.1, n_validations), best_at) is expected


@pytest.mark.parametrize(
    ("min_delta", "losses", "expected"),
    [
        # Improvements of 0.1, each below 0.25: the third after the first is 0.3 better than it, and counts.
        (0.25, [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.44], None),
        (0.25, [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.45, 0.45], 7),
        # One of exactly min_delta does not count.
        (0.25, [1.0, 0.75, 0.75, 0.75], 4),
        (0.0, [1.0, 0.75, 0.75, 0.75], None),
        # An accuracy, as the trainer negates it: 0.5, 0.625, 0.65, 0.66, then 1/16 more than 0.625, or a bit more.
        (0.0625, [-0.5, -0.625, -0.65, -0.66, -0.6875], 5),
        (0.0625, [-0.5, -0.625, -0.65, -0.66, -0.6876], None),
        (0.25, [np.nan, 1.0, 1.0, 1.0], None),
        (0.25, [np.nan, 1.0, 1.0, 1.0, 1.0], 5),
    ],
)
def test_improvements_of_at_most_min_delta_do_not_count(min_delta, losses, expected):
    rule = build("stop_rule", ["stalled", {"interval": 3, "min_delta": min_delta}])
    best_at = [1 + int(np.nanargmin([np.inf, *losses[1:n]])) if n > 1 else 1 for n in range(1, len(losses) + 1)]
    ending = (n for n, best in enumerate(best_at, 1) if rule.ends(np.array(losses[:n]), best))
    assert next(ending, None) == expected


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
