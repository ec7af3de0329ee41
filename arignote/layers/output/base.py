"""Base classes of output layers: each names the target that it fits, and how its outputs become predictions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from arignote.layers.base import Forward, Layer, Param, Shape, ShapeError, WeightedLayer
from arignote.layers.dense import affine
from arignote.layers.initializers import Constant
from arignote.registry import ADDED

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["DenseOutputLayer", "OutputLayer", "StepwiseOutputLayer"]


class OutputLayer(Layer):
    """Base class of output layers, which are the last of a network, or of one of its branches.

    Parameters
    ----------
    auxiliary : bool, default False
        Whether the output only helps training: `predict` leaves it out, and it never decides which network is best.
    """

    name_prefix: ClassVar[str] = "output"
    # The parameter that holds the number of outputs.
    size_parameter: ClassVar[str] = "n_classes"
    auxiliary: Annotated[bool, ADDED] = False

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
    def to_predictions(self) -> Callable[[Tensor], Tensor]:
        """Return the function from outputs (n, n_outputs) to predictions: probabilities, or numbers."""

    def sized(self, n_outputs: int) -> Self:
        """Return the layer with this number of outputs, unless it is set."""
        # A layer of a user may have no such parameter.
        if getattr(self, self.size_parameter, n_outputs) is not None:
            return self
        return self.model_copy(update={self.size_parameter: n_outputs})


class DenseOutputLayer(OutputLayer, WeightedLayer):
    """Base class of output layers with weights."""

    def _dense(self, shape: Shape, n_outputs: int) -> dict[str, Param]:
        """Return the parameters of ``x @ W + b``, x (shape)."""
        n_in = prod(shape)
        params = {"W": Param((n_in, n_outputs), self.W or Constant(), n_in, n_outputs, unit_axis=1)}
        if self.use_bias:
            params["b"] = Param((n_outputs,), self.b or Constant())
        return params


class StepwiseOutputLayer(DenseOutputLayer):
    """Base class of output layers that may fit a value for each step of a sequence.

    Parameters
    ----------
    per_step : bool, default False
        Whether there is a target for each step of a sequence, with weights that all steps share; the first axis of the
        input is that of the steps. The loss of a row is the mean over the steps that have a target.
    """

    per_step: Annotated[bool, ADDED] = False

    def _fitted(self, spec: list[Any]) -> list[Any]:
        return ["steps", {"of": spec}] if self.per_step else spec

    def _of_each(self, shape: Shape, n_outputs: int) -> Shape:
        """Return the shape of the output for an input of `shape`."""
        if not self.per_step:
            return (n_outputs,)
        if len(shape) != 2:
            raise ShapeError(f"per_step needs a layer with the steps of sequences, (steps, features); got {shape}")
        return (shape[0], n_outputs)

    def _affine(self, activation: Callable[..., Tensor]) -> Forward:
        """Return the forward function ``f(x @ W + b)`` over rows, or over all of their steps."""
        forward = affine(activation)
        if not self.per_step:
            return forward

        def of_steps(params: Mapping[str, Tensor], x: Tensor, training: bool) -> Tensor:
            # Steps as rows: `affine` flattens all axes but the first.
            values = forward(params, x.reshape(x.shape[0] * x.shape[1], -1), training)
            return values.view(*x.shape[:2], -1)

        return of_steps
