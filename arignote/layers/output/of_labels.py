"""Output layers of labels: classes, several labels per row, ranks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, model_validator

from arignote.errors import Complaint, ConfigError
from arignote.layers.base import Forward, Param, Shape, ShapeError
from arignote.layers.dense import affine
from arignote.layers.initializers import Constant
from arignote.layers.output.base import DenseOutputLayer, OutputLayer, StepwiseOutputLayer
from arignote.registry import ADDED, Count, Interval, register

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ClassificationOutputLayer", "MultilabelOutputLayer", "OrdinalOutputLayer", "SoftmaxOutputLayer"]


@register()
class ClassificationOutputLayer(StepwiseOutputLayer):
    """Class probabilities.

    ``p = softmax(x @ W + b)``; with ``n_classes=1``, ``p = sigmoid(x @ W + b)`` for the second of two classes.

    Parameters
    ----------
    n_classes : int >= 1, optional
        Number of classes; by default that of the labels.

    Notes
    -----
    W and b start at zero. The built layer returns logits, from which losses are computed without rounding to 0 or 1.

    Examples
    --------
    >>> ClassificationOutputLayer(n_classes=10).output_shape((400,))
    (10,)
    """

    n_classes: Count | None = None

    @property
    def target_spec(self) -> list[Any]:
        return self._fitted(["classes", {"n_classes": self.n_classes}])

    def to_predictions(self) -> Callable[[Tensor], Tensor]:
        return lambda logits: logits.softmax(-1)

    def output_shape(self, shape: Shape) -> Shape:
        # Of n_classes=1 there are two logits, one of which is 0.
        return self._of_each(shape, max(self.n_classes or 0, 2))

    def declare_params(self, shape: Shape) -> dict[str, Param]:
        return self._dense(shape[1:] if self.per_step else shape, self.n_classes or 2)

    def build(self, shape: Shape) -> Forward:
        return self._affine(_two_logits if self.n_classes == 1 else lambda x: x)


def _two_logits(z: Tensor) -> Tensor:
    """Return the logits (0, z) of two classes, whose softmax is the sigmoid of `z` (n, 1)."""
    from torch.nn.functional import pad

    return pad(z, (1, 0))


@register()
class SoftmaxOutputLayer(OutputLayer):
    """Class probabilities from what comes in, without weights: ``p = softmax(x)``.

    Parameters
    ----------
    clip : (float, float), optional
        Bounds of x, beyond which it is taken as the bound and has no gradient.
    n_classes : int >= 2, optional
        Number of classes, and of values that come in; by default that of the labels.

    Notes
    -----
    An output layer of 2015, for networks whose last layer has a linear unit for each class, or whose last maps are
    averaged. The built layer returns the logits x.

    Examples
    --------
    >>> SoftmaxOutputLayer(clip=[-10.0, 10.0]).output_shape((10,))
    (10,)
    """

    clip: Annotated[Interval | None, ADDED] = None
    n_classes: Annotated[int, Field(ge=2)] | None = None

    @property
    def target_spec(self) -> list[Any]:
        return ["classes", {"n_classes": self.n_classes}]

    def to_predictions(self) -> Callable[[Tensor], Tensor]:
        return lambda logits: logits.softmax(1)

    def output_shape(self, shape: Shape) -> Shape:
        n_in = prod(shape)
        n_classes = self.n_classes or max(n_in, 2)
        if n_in != n_classes:
            dense = f'["FCLayer", {{"n_units": {n_classes}, "activation": "linear"}}]'
            raise ShapeError(f"needs a value for each of {n_classes} classes; got {shape}. Put {dense} before it")
        return (n_in,)

    def build(self, shape: Shape) -> Forward:
        clip = self.clip

        def forward(params: Mapping[str, Tensor], x: Tensor, training: bool) -> Tensor:
            logits = x.flatten(1)
            return logits if clip is None else logits.clamp(*clip)

        return forward


@register()
class MultilabelOutputLayer(DenseOutputLayer):
    """Probabilities of several labels, each of which applies to a row or not.

    ``p = sigmoid(x @ W + b)``

    Parameters
    ----------
    n_classes : int >= 1, optional
        Number of labels; by default that of `y`.

    Notes
    -----
    W and b start at zero. The built layer returns logits.

    Examples
    --------
    >>> MultilabelOutputLayer(n_classes=3).output_shape((400,))
    (3,)
    """

    n_classes: Count | None = None

    @property
    def target_spec(self) -> list[Any]:
        return ["flags", {"n_classes": self.n_classes}]

    def to_predictions(self) -> Callable[[Tensor], Tensor]:
        return lambda logits: logits.sigmoid()

    def output_shape(self, shape: Shape) -> Shape:
        return (self.n_classes or 1,)

    def declare_params(self, shape: Shape) -> dict[str, Param]:
        return self._dense(shape, self.n_classes or 1)

    def build(self, shape: Shape) -> Forward:
        return affine(lambda x: x)


@register()
class OrdinalOutputLayer(DenseOutputLayer):
    """Probabilities of ranks, such as low < middle < high: the cumulative link model with a logistic link.

    ``P(y <= k) = sigmoid(threshold_k - x @ W)``

    Parameters
    ----------
    ranks : list of number or str, optional
        Labels from the lowest to the highest; by default numbers in their order. Text must be listed.
    n_classes : int >= 2, optional
        Number of ranks; by default that of the labels. Of whole numbers 0 .. n_classes - 1 some may be absent.

    clip : (float, float), optional
        Bounds of ``x @ W``, beyond which it is taken as the bound and has no gradient.

    Notes
    -----
    McCullagh, "Regression models for ordinal data", Journal of the Royal Statistical Society B, 1980. The first
    threshold and the gaps between neighbours are trained, ``threshold_k = threshold_0 + sum_j softplus(gap_j)``, so
    that thresholds rise by construction; they take the place of a bias, and start 1 apart around 0. The built layer
    returns ``log p``, from ``sigmoid(a) - sigmoid(b) = sigmoid(a) * sigmoid(-b) * (1 - exp(b - a))``, so that the loss
    "nll" is that of the model.

    Examples
    --------
    >>> OrdinalOutputLayer(n_classes=4).output_shape((400,))
    (4,)
    """

    ranks: list[int | float | str] | None = None
    n_classes: Count | None = None
    clip: Annotated[Interval | None, ADDED] = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.ranks is not None and len(set(self.ranks)) < max(len(self.ranks), 2):
            raise ConfigError(Complaint(("ranks",), f"ranks must be two or more different labels; got {self.ranks}"))
        if self.ranks is not None and self.n_classes not in (None, len(self.ranks)):
            message = f"n_classes must be the number of ranks, {len(self.ranks)}; got {self.n_classes}"
            raise ConfigError(Complaint(("n_classes",), message))
        if self.n_classes == 1:
            raise ConfigError(Complaint(("n_classes",), "n_classes must be an integer >= 2; got 1"))
        if self.b is not None or not self.use_bias:
            raise ConfigError(
                Complaint(("b" if self.use_bias else "use_bias",), "thresholds are in the place of a bias")
            )
        return self

    @property
    def target_spec(self) -> list[Any]:
        return ["ranks", {"ranks": self.ranks, "n_classes": self.n_classes}]

    def to_predictions(self) -> Callable[[Tensor], Tensor]:
        # p is the softmax of log p; exp would not sum to 1 exactly.
        return lambda log_p: log_p.softmax(1)

    def output_shape(self, shape: Shape) -> Shape:
        n_ranks = 2 if self.ranks is None else len(self.ranks)
        return (self.n_classes or n_ranks,)

    def declare_params(self, shape: Shape) -> dict[str, Param]:
        n_in, n_gaps = prod(shape), self.output_shape(shape)[0] - 2
        params = {
            "W": Param((n_in, 1), self.W or Constant(), fan_in=n_in, unit_axis=1),
            "threshold": Param((1,), Constant(value=-n_gaps / 2)),
        }
        if n_gaps:
            # softplus(0.5413) = 1
            params["gaps"] = Param((n_gaps,), Constant(value=0.541324854612918))
        return params

    def n_multiply_adds(self, shape: Shape) -> int:
        # One score, whatever the number of ranks.
        return prod(shape)

    def build(self, shape: Shape) -> Forward:
        clip = self.clip

        def forward(params: Mapping[str, Tensor], x: Tensor, training: bool) -> Tensor:
            score = x.flatten(1).mm(params["W"])
            score = score if clip is None else score.clamp(*clip)
            return _log_p_of_ranks(score, params["threshold"], params.get("gaps"))

        return forward


def _log_p_of_ranks(score: Tensor, threshold: Tensor, gaps: Tensor | None) -> Tensor:
    """Return log p (n, n_ranks) of scores (n, 1)."""
    from torch import cat
    from torch.nn.functional import logsigmoid, pad, softplus

    if gaps is None:
        return cat([logsigmoid(threshold - score), logsigmoid(score - threshold)], 1)
    thresholds = threshold + pad(softplus(gaps).cumsum(0), (1, 0))
    # Padded by the log of the factors 1 of the lowest and of the highest rank.
    is_below = pad(logsigmoid(thresholds - score), (0, 1))
    is_above = pad(logsigmoid(score - thresholds), (1, 0))
    # 1 - exp(-softplus(gap)) = sigmoid(gap)
    return is_below + is_above + pad(logsigmoid(gaps), (1, 1))
