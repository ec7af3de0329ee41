"""Base class of targets: from the values of a user to those that a network is trained to predict, and back."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from arignote.data.values.operations import Operation
from arignote.errors import DataError
from arignote.registry import Part

__all__ = ["LabelsPerRow", "Target", "TargetState"]

# What a target has learned, as plain data: the labels, the scale of numbers. A checkpoint holds it.
TargetState = dict[str, Any]
LabelsPerRow = Literal["none", "one", "several"]


class Target(Part):
    """Base class of targets. A target has no state of its own: what it learns is passed to it again.

    Attributes
    ----------
    train_loss, valid_loss, test_loss : str, tuple of str
        Losses of a fit that names none.
    from_input : bool
        Whether it is made of the input of the network, so that there is no `y`.
    labels_per_row : "none", "one" or "several"
        How many labels a row has: none if it has numbers. Predictions of labels are probabilities.
    has_steps : bool
        Whether a row has a value for each step of a sequence.
    """

    kind: ClassVar[str] = "target"
    train_loss: ClassVar[str]
    valid_loss: ClassVar[tuple[str, ...]]
    test_loss: ClassVar[tuple[str, ...]]
    from_input: ClassVar[bool] = False
    labels_per_row: ClassVar[LabelsPerRow] = "none"
    has_steps: ClassVar[bool] = False

    @abstractmethod
    def check(self, y: Any, what: str) -> NDArray[Any]:
        """Return values (rows, ...) as the user has them; raise DataError, with the row, if they are no such target.

        Parameters
        ----------
        y : array or list
        what : str
            Name of the data in errors.
        """

    @abstractmethod
    def learn(
        self, y: NDArray[Any], rows: NDArray[np.int64] | None, what: str, stored: TargetState | None = None
    ) -> TargetState:
        """Return what encoding and decoding need.

        Parameters
        ----------
        y : array (rows, ...)
            Values that `check` has returned, of all rows from which some are held out.
        rows : array (n,) of int64, or None
            Training rows; None: all.
        what : str
            Name of the data in errors.
        stored : dict, optional
            What the run that is resumed has learned. Without it the run is new, and what is suspicious is reported.

        Raises
        ------
        DataError
            If there is nothing to learn, such as from one class.
        """

    @abstractmethod
    def check_state(self, state: Mapping[str, Any]) -> None:
        """Raise KeyError, TypeError or ValueError if a state in a file is nothing that `learn` returns."""

    @abstractmethod
    def size(self, state: TargetState) -> int:
        """Return the number of outputs that a network needs."""

    @abstractmethod
    def encode(self, y: NDArray[Any], state: TargetState, what: str) -> NDArray[Any]:
        """Return the values that the network is trained on, int64 (rows,) or float32 (rows, n_outputs).

        Parameters
        ----------
        y : array (rows, ...)
            Values that `check` has returned.
        state : dict
            As `learn` has returned it.
        what : str
            Name of the data in errors.

        Raises
        ------
        DataError
            If a value is none that was learned; the message names the first row.
        """

    @abstractmethod
    def decode(self, predicted: NDArray[Any], state: TargetState) -> NDArray[Any]:
        """Return predictions as the user has values, from what the network predicts (rows, n_outputs)."""

    def operations(self, state: TargetState) -> list[Operation]:
        """Return what `decode` computes of numbers that the network predicts; nothing of probabilities."""
        return []

    @property
    def of_step(self) -> Target:
        """The target of a single value: itself, or for sequences of values that of a step."""
        return self

    def state_of_step(self, state: TargetState) -> TargetState:
        """Return what the target of a single value has learned, as of `of_step`."""
        return state

    def like(self, y: NDArray[Any], stored: TargetState) -> NDArray[Any]:
        """Return values in the form of those of the run that is resumed, which may be an older one."""
        return y

    def strata(self, y: NDArray[Any]) -> NDArray[Any]:
        """Return the stratum (rows,) of each row; rows are held out in proportion to their strata."""
        # One stratum: numbers have no classes to keep in proportion.
        return np.zeros(len(y), dtype=np.int64)

    def present_mask(self, y: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Return which rows (rows,) have a target; None if all have one."""
        return None

    def units(self, state: TargetState) -> NDArray[np.float64]:
        """Return the unit of each output (n_outputs,) in units of the user's values."""
        return np.ones(self.size(state))

    def classes(self, state: TargetState) -> NDArray[Any]:
        """Return the labels in the order of the outputs; raise DataError if the target has no classes."""
        raise DataError(f"the target is {self.named()}, which has no classes")

    def keywords(self, state: TargetState) -> dict[str, Any]:
        """Return the keywords by which an augmentation learns of the target."""
        return {}

    @abstractmethod
    def encoded_form(self, state: TargetState) -> str:
        """Return what encoded values are, in words for errors."""

    def is_encoded(self, y: NDArray[Any], state: TargetState) -> bool:
        """Return whether values that an augmentation returns have the form of encoded ones."""
        return y.shape[1:] == (self.size(state),) and y.dtype.kind in "iuf"

    @classmethod
    def named(cls) -> str:
        """Return its name as messages have it."""
        from arignote.registry import part_name

        return part_name(cls)
