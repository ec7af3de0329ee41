"""Output layers: each names the target that it fits, and how its outputs become predictions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from math import prod
from typing import Any, ClassVar, Literal, Self

from pydantic import model_validator

from arignote.errors import Complaint, ConfigError
from arignote.layers.base import Param, Shape, ShapeError, WeightedLayer
from arignote.layers.dense import affine
from arignote.layers.initializers import Constant
from arignote.registry import Count, register

__all__ = [
    "ClassificationOutputLayer",
    "MultilabelOutputLayer",
    "OrdinalOutputLayer",
    "OutputLayer",
    "RegressionOutputLayer",
]


class OutputLayer(WeightedLayer):
    """Base class of output layers, which are the last of a network, or of one of its branches.

    Parameters
    ----------
    auxiliary : bool, default False
        Whether the output only helps training: `predict` leaves it out, and it never decides which network is best.
    """

    name_prefix: ClassVar[str] = "output"
    # The parameter that holds the number of outputs.
    size_parameter: ClassVar[str] = "n_classes"
    auxiliary: bool = False

    @property
    @abstractmethod
    def target_spec(self) -> list[Any]:
        """The target that the layer fits, ``[Name, {params}]``."""

    @property
    def fits(self) -> str:
        """Name of the target of a row, or of a step."""
        name, params = self.target_spec
        fitted: str = params["of"][0] if "of" in params else name
        return fitted

    @abstractmethod
    def to_predictions(self) -> Callable[[Any], Any]:
        """Return the function from outputs (n, n_outputs) to predictions: probabilities, or numbers."""

    def sized(self, n_outputs: int) -> Self:
        """Return the layer with this number of outputs, unless it is set."""
        # A layer of a user may have no such parameter.
        if getattr(self, self.size_parameter, n_outputs) is not None:
            return self
        return self.model_copy(update={self.size_parameter: n_outputs})

    def _dense(self, shape: Shape, n_outputs: int) -> dict[str, Param]:
        """Return the parameters of ``x @ W + b``, x (shape)."""
        n_in = prod(shape)
        params = {"W": Param((n_in, n_outputs), self.W or Constant(), n_in, n_outputs, unit_axis=1)}
        if self.use_bias:
            params["b"] = Param((n_outputs,), self.b or Constant())
        return params


class _StepwiseOutput(OutputLayer):
    """Base class of output layers that may fit a value for each step of a sequence.

    Parameters
    ----------
    per_step : bool, default False
        Whether there is a target for each step of a sequence, with weights that all steps share; the first axis of the
        input is that of the steps. The loss of a row is the mean over the steps that have a target.
    """

    per_step: bool = False

    def _fitted(self, spec: list[Any]) -> list[Any]:
        return ["steps", {"of": spec}] if self.per_step else spec

    def _of_each(self, shape: Shape, n_outputs: int) -> Shape:
        """Return the shape of the output for an input of `shape`."""
        if not self.per_step:
            return (n_outputs,)
        if len(shape) != 2:
            raise ShapeError(f"per_step needs a layer with the steps of sequences, (steps, features); got {shape}")
        return (shape[0], n_outputs)

    def _affine(self, activation: Callable[..., Any]) -> Callable[..., Any]:
        """Return the forward function ``f(x @ W + b)`` over rows, or over all of their steps."""
        forward = affine(activation)
        if not self.per_step:
            return forward

        def of_steps(params: Mapping[str, Any], x: Any, training: bool) -> Any:
            found = forward(params, x.reshape(x.shape[0] * x.shape[1], -1), training)
            return found.view(*x.shape[:2], -1)

        return of_steps


@register()
class ClassificationOutputLayer(_StepwiseOutput):
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

    def to_predictions(self) -> Callable[[Any], Any]:
        return lambda logits: logits.softmax(-1)

    def output_shape(self, shape: Shape) -> Shape:
        return self._of_each(shape, max(self.n_classes or 0, 2))

    def declare_params(self, shape: Shape) -> dict[str, Param]:
        return self._dense(shape[1:] if self.per_step else shape, self.n_classes or 2)

    def build(self, shape: Shape) -> Callable[..., Any]:
        return self._affine(_two_logits if self.n_classes == 1 else lambda x: x)


def _two_logits(z: Any) -> Any:
    """Return the logits (0, z) of two classes, whose softmax is the sigmoid of `z` (n, 1)."""
    from torch.nn.functional import pad

    return pad(z, (1, 0))


@register()
class MultilabelOutputLayer(OutputLayer):
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

    def to_predictions(self) -> Callable[[Any], Any]:
        return lambda logits: logits.sigmoid()

    def output_shape(self, shape: Shape) -> Shape:
        return (self.n_classes or 1,)

    def declare_params(self, shape: Shape) -> dict[str, Param]:
        return self._dense(shape, self.n_classes or 1)

    def build(self, shape: Shape) -> Callable[..., Any]:
        return affine(lambda x: x)


@register()
class OrdinalOutputLayer(OutputLayer):
    """Probabilities of ranks, such as low < middle < high: the cumulative link model with a logistic link.

    ``P(y <= k) = sigmoid(threshold_k - x @ W)``

    Parameters
    ----------
    ranks : list of number or str, optional
        Labels from the lowest to the highest; by default numbers in their order. Text must be listed.
    n_classes : int >= 2, optional
        Number of ranks; by default that of the labels. Of whole numbers 0 .. n_classes - 1 some may be absent.

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

    @model_validator(mode="after")
    def _is_consistent(self) -> Any:
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

    def to_predictions(self) -> Callable[[Any], Any]:
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

    def build(self, shape: Shape) -> Callable[..., Any]:
        def forward(params: Mapping[str, Any], x: Any, training: bool) -> Any:
            return _log_p_of_ranks(x.flatten(1).mm(params["W"]), params["threshold"], params.get("gaps"))

        return forward


def _log_p_of_ranks(score: Any, threshold: Any, gaps: Any) -> Any:
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


@register()
class RegressionOutputLayer(_StepwiseOutput):
    """Numbers.

    ``o = x @ W + b``

    Parameters
    ----------
    n_outputs : int >= 1, optional
        Numbers per row; by default the columns of `y`.
    target : "numbers" or "same", default "numbers"
        What is learned: `y`, or the input of the network (preprocessed, but not augmented), as an autoencoder does.

    Notes
    -----
    W and b start at zero, the mean of a scaled target.

    Examples
    --------
    >>> RegressionOutputLayer(n_outputs=2).output_shape((400,))
    (2,)
    """

    size_parameter: ClassVar[str] = "n_outputs"
    n_outputs: Count | None = None
    target: Literal["numbers", "same"] = "numbers"

    @model_validator(mode="after")
    def _steps_have_targets_of_their_own(self) -> Any:
        if self.per_step and self.target == "same":
            raise ConfigError(Complaint(("per_step",), "per_step is for targets of y; the target is the input"))
        return self

    @property
    def target_spec(self) -> list[Any]:
        return self._fitted([self.target, {"n_outputs": self.n_outputs}])

    def to_predictions(self) -> Callable[[Any], Any]:
        return lambda outputs: outputs

    def output_shape(self, shape: Shape) -> Shape:
        return self._of_each(shape, self.n_outputs or 1)

    def declare_params(self, shape: Shape) -> dict[str, Param]:
        return self._dense(shape[1:] if self.per_step else shape, self.n_outputs or 1)

    def build(self, shape: Shape) -> Callable[..., Any]:
        return self._affine(lambda x: x)
