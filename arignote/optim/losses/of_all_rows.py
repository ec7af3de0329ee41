"""Scores of the predictions of all rows at once, which no mean over rows gives: metrics of scikit-learn by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, WithJsonSchema

from arignote.errors import ConfigError, did_you_mean, nearest
from arignote.optim.losses.base import Loss
from arignote.registry import is_known, names, register

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["METRIC_SCHEMA", "Score", "metrics_that_fit", "near_metric", "to_score"]

# Scorers of scikit-learn by what they rate: classes or their probabilities, and numbers.
_OF_CLASSES = re.compile(
    r"(accuracy|balanced_accuracy|top_k_accuracy|average_precision|neg_brier_score|neg_log_loss|matthews_corrcoef"
    r"|d2_(brier|log_loss)_score|positive_likelihood_ratio|neg_negative_likelihood_ratio"
    r"|(f1|precision|recall|jaccard|roc_auc)(_\w+)?)"
)
_OF_NUMBERS = re.compile(r"explained_variance|d2_absolute_error_score|neg_max_error|neg_(root_)?(mean|median)_\w+|r2")
_TOP = re.compile(r"top_([0-9]{1,6})")


# The scorers of other versions of scikit-learn too, which is not imported for it.
METRIC_SCHEMA = {
    "type": "string",
    "pattern": "^(" + "|".join(one.pattern for one in (_OF_CLASSES, _OF_NUMBERS, _TOP)) + ")$",
    "patternErrorMessage": "there is no such loss or metric",
    "examples": ["accuracy", "balanced_accuracy", "f1_macro", "r2", "roc_auc_ovr", "top_5"],
}


@cache
def _scorers(which: Literal["classes", "numbers"]) -> list[str]:
    from sklearn.metrics import get_scorer_names

    pattern = _OF_CLASSES if which == "classes" else _OF_NUMBERS
    return [name for name in get_scorer_names() if pattern.fullmatch(name)]


def metrics_that_fit(target: str) -> list[str]:
    """Return the names of the metrics that fit a target, such as "classes"; none of an input that is its own target."""
    if target in ("classes", "ranks", "flags"):
        return ["accuracy", *(["top_5"] if target != "flags" else []), *_scorers("classes")]
    return _scorers("numbers") if target == "numbers" else []


def _is_metric(name: str) -> bool:
    return bool(_TOP.fullmatch(name)) or name in (*_scorers("classes"), *_scorers("numbers"))


def to_score(value: Any) -> Any:
    """Return the spec of a score for the name of a metric; any other value, such as the name of a loss, as it is."""
    return ["score", {"metric": value}] if _is_no_loss(value) and _is_metric(value) else value


def near_metric(value: Any) -> str | None:
    """Return the metric that a name of none, and of no loss, may mean."""
    return nearest(value, _metrics()) if _is_no_loss(value) and nearest(value, names("loss")) is None else None


def _is_no_loss(value: Any) -> bool:
    return isinstance(value, str) and ":" not in value and not is_known("loss", value)


def _metrics() -> list[str]:
    return list(dict.fromkeys([*metrics_that_fit("classes"), *metrics_that_fit("numbers")]))


def _known(name: str) -> str:
    if not _is_metric(name):
        raise ValueError(f"must be the name of a metric; got {name!r}. {did_you_mean(name, _metrics())}")
    return name


@register(name="score")
class Score(Loss):
    """A metric of the predictions of all rows at once, the larger the better: ``score = metric(y, predicted)``.

    Parameters
    ----------
    metric : str
        "accuracy"; "top_5": how often the true class is among the five most probable; or a scorer of scikit-learn, such
        as "balanced_accuracy", "f1_macro", "roc_auc_ovr", "neg_median_absolute_error".

    Notes
    -----
    In `valid_loss`, `test_loss` and `evaluate` the name of the metric is enough, "f1_macro". It is reported only; the
    predictions of all rows are kept for it, in float32.

    Examples
    --------
    >>> Score(metric="f1_macro").fits("classes")
    True
    """

    targets: ClassVar[tuple[str, ...]] = ()
    greater_is_better: ClassVar[bool] = True
    metric: Annotated[str, AfterValidator(_known), WithJsonSchema(METRIC_SCHEMA)]

    def fits(self, target: str) -> bool:
        if self.top is not None and self.metric != "accuracy":
            return target in ("classes", "ranks")
        return self.metric in metrics_that_fit(target)

    @property
    def top(self) -> int | None:
        """Among how many of the most probable classes the true one must be; None of a scorer."""
        match = _TOP.fullmatch(self.metric)
        return 1 if self.metric == "accuracy" else int(match[1]) if match else None

    def build(self) -> Callable[..., Tensor]:
        raise ConfigError(f"the score {self.metric!r} has no value for each row")

    def check(self, n_outputs: int) -> None:
        if self.metric != "accuracy" and self.top is not None and not 1 <= self.top < n_outputs:
            raise ConfigError(
                f"{self.metric}: K must lie in 1 .. {n_outputs - 1}, below the number of classes, {n_outputs}"
            )

    def named(self) -> str:
        return self.metric

    @property
    def column(self) -> str:
        return self.metric
