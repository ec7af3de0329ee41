"""What an autoencoder reconstructs: the input of its own layer, which need not be that of the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from arignote.data.targets.base import Target, TargetState
from arignote.data.targets.same import Same
from arignote.registry import register

__all__ = ["OwnInput"]

# What comes with a batch, and is learned of it, is the input of the network.
_SAME = Same()


@register(name="own_input")
class OwnInput(Target):
    """The input of the output layer, so that there is no y: ``t_i = h_i``.

    Notes
    -----
    h is computed by the layers before, and given out by the layer itself, with its reconstruction.

    Examples
    --------
    >>> OwnInput().size({"shape": [1, 8, 8]})
    64
    """

    train_loss: ClassVar[str] = "reconstruction"
    valid_loss: ClassVar[tuple[str, ...]] = ("reconstruction",)
    test_loss: ClassVar[tuple[str, ...]] = ("reconstruction",)
    from_input: ClassVar[bool] = True

    def check(self, y: Any, what: str) -> NDArray[Any]:
        """Return values of any kind, which are not used: those of the network whose layer is pretrained."""
        try:
            return np.asarray(y)
        except ValueError:
            # Lists of different lengths, as several labels of a row are.
            values = np.empty(len(y), dtype=object)
            values[:] = [tuple(value) for value in y]
            return values

    def learn(
        self, y: NDArray[Any], rows: NDArray[np.int64] | None, what: str, stored: TargetState | None = None
    ) -> TargetState:
        """Return the shape of an example of the network."""
        return _SAME.learn(y, rows, what, stored)

    def check_state(self, state: Mapping[str, Any]) -> None:
        _SAME.check_state(state)

    def size(self, state: TargetState) -> int:
        return _SAME.size(state)

    def encode(self, y: NDArray[Any], state: TargetState, what: str) -> NDArray[Any]:
        return _SAME.encode(y, state, what)

    def decode(self, predicted: NDArray[Any], state: TargetState) -> NDArray[Any]:
        return predicted

    def encoded_form(self, state: TargetState) -> str:
        return _SAME.encoded_form(state)
