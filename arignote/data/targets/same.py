"""The input of the network as its own target."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from arignote.data.targets.base import Target, TargetState
from arignote.data.values.operations import Operation, computed
from arignote.errors import DataError
from arignote.registry import Count, register
from arignote.safe.limits import LARGEST_COUNT, MOST_AXES

__all__ = ["Same"]


@register(name="same")
class Same(Target):
    """The input itself, so that there is no y: ``t_i = x_i``, x_i preprocessed, but not augmented, and flattened.

    Parameters
    ----------
    n_outputs : int >= 1, optional
        Number of values of an example.

    Examples
    --------
    >>> Same().size({"shape": [1, 8, 8]})
    64
    """

    train_loss: ClassVar[str] = "squared"
    valid_loss: ClassVar[tuple[str, ...]] = ("squared", "mae", "r2")
    test_loss: ClassVar[tuple[str, ...]] = ("rmse", "mae", "r2")
    from_input: ClassVar[bool] = True
    n_outputs: Count | None = None

    def check(self, y: Any, what: str) -> NDArray[Any]:
        raise DataError(f"the target of {what} is its input: leave y out")

    def learn(
        self, y: NDArray[Any], rows: NDArray[np.int64] | None, what: str, stored: TargetState | None = None
    ) -> TargetState:
        """Return the shape of an example; `y` is one example (1, ...), as the network takes it."""
        n_values = prod(y.shape[1:])
        if self.n_outputs is not None and self.n_outputs != n_values:
            raise DataError(f"an example of {what} has {n_values} values, the output layer n_outputs={self.n_outputs}")
        return {"shape": list(y.shape[1:])}

    def check_state(self, state: Mapping[str, Any]) -> None:
        shape = state["shape"]
        # By type, as a bool is an int.
        if not 0 < len(shape) <= MOST_AXES or any(type(n) is not int or not 1 <= n < LARGEST_COUNT for n in shape):
            raise ValueError(f"a target of the shape {shape!r:.100}")

    def size(self, state: TargetState) -> int:
        return prod(state["shape"])

    def encode(self, y: NDArray[Any], state: TargetState, what: str) -> NDArray[Any]:
        # Flat, as the outputs of a dense layer are.
        return y.reshape(len(y), -1)

    def decode(self, predicted: NDArray[Any], state: TargetState) -> NDArray[Any]:
        return computed(self.operations(state), predicted)

    def operations(self, state: TargetState) -> list[Operation]:
        return [("reshape", (-1, *state["shape"]))]

    def encoded_form(self, state: TargetState) -> str:
        return f"numbers (rows, {self.size(state)})"
