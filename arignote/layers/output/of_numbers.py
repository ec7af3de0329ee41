"""Output layers of numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import model_validator

from arignote.errors import Complaint, ConfigError
from arignote.layers.base import Forward, Param, Shape
from arignote.layers.output.base import StepwiseOutputLayer
from arignote.registry import Count, register

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["RegressionOutputLayer"]


@register()
class RegressionOutputLayer(StepwiseOutputLayer):
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
    def _steps_have_targets_of_their_own(self) -> Self:
        if self.per_step and self.target == "same":
            raise ConfigError(Complaint(("per_step",), "per_step is for targets of y; the target is the input"))
        return self

    @property
    def target_spec(self) -> list[Any]:
        return self._fitted([self.target, {"n_outputs": self.n_outputs}])

    def to_predictions(self) -> Callable[[Tensor], Tensor]:
        return lambda outputs: outputs

    def output_shape(self, shape: Shape) -> Shape:
        return self._of_each(shape, self.n_outputs or 1)

    def declare_params(self, shape: Shape) -> dict[str, Param]:
        return self._dense(shape[1:] if self.per_step else shape, self.n_outputs or 1)

    def build(self, shape: Shape) -> Forward:
        return self._affine(lambda x: x)
