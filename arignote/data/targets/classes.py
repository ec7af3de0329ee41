"""Classes: one of several labels per row, in an order of their own or in none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from arignote.data.targets.base import LabelsPerRow, Target, TargetState
from arignote.data.targets.label_checks import check_classes, check_labels
from arignote.data.targets.labels import (
    encode_labels,
    find_classes,
    labels_of_state,
    like_classes,
    state_of_labels,
)
from arignote.errors import DataError
from arignote.registry import Count, register

__all__ = ["Classes", "Ranks"]


class _OneLabel(Target):
    """Base class of targets of which each row has one label."""

    labels_per_row: ClassVar[LabelsPerRow] = "one"

    def check(self, y: Any, what: str) -> NDArray[Any]:
        return check_labels(y, what)

    def check_state(self, state: Mapping[str, Any]) -> None:
        labels_of_state(state)

    def classes(self, state: TargetState) -> NDArray[Any]:
        return labels_of_state(state)

    def like(self, y: NDArray[Any], stored: TargetState) -> NDArray[Any]:
        # As text if the labels of the run are, as version 0.1 read text tables.
        return like_classes(y, labels_of_state(stored))

    def strata(self, y: NDArray[Any]) -> NDArray[Any]:
        return y

    def size(self, state: TargetState) -> int:
        return len(state["values"])

    def decode(self, predicted: NDArray[Any], state: TargetState) -> NDArray[Any]:
        labels: NDArray[Any] = labels_of_state(state)[predicted.argmax(axis=1)]
        return labels

    def encoded_form(self, state: TargetState) -> str:
        n = self.size(state)
        return f"class numbers in 0 .. {n - 1}, or shares of the classes (rows, {n})"

    def is_encoded(self, y: NDArray[Any], state: TargetState) -> bool:
        if y.ndim == 1 and y.dtype.kind in "iu":
            return bool(y.min() >= 0 and y.max() < self.size(state))
        return super().is_encoded(y, state)

    def keywords(self, state: TargetState) -> dict[str, Any]:
        return {"n_classes": self.size(state)}


@register(name="classes")
class Classes(_OneLabel):
    """One of several classes per row: ``y_i = c``, c a label without order.

    Parameters
    ----------
    n_classes : int >= 1, optional
        Number of classes; by default that of the labels. Of whole numbers 0 .. n_classes - 1 some may be absent.

    Examples
    --------
    >>> target = Classes()
    >>> target.learn(target.check(["no", "yes", "no"], "y"), None, "y")["values"]
    ['no', 'yes']
    """

    train_loss: ClassVar[str] = "nll"
    valid_loss: ClassVar[tuple[str, ...]] = ("nll", "error")
    test_loss: ClassVar[tuple[str, ...]] = ("error", "nll")
    n_classes: Count | None = None

    def learn(
        self, y: NDArray[Any], rows: NDArray[np.int64] | None, what: str, stored: TargetState | None = None
    ) -> TargetState:
        if stored is None:
            check_classes(y, self.n_classes, what)
        # Of all rows: a class that only held-out rows have needs an output too.
        return state_of_labels(find_classes(y, self.n_classes))

    def encode(self, y: NDArray[Any], state: TargetState, what: str) -> NDArray[Any]:
        return encode_labels(y, labels_of_state(state), what)


@register(name="ranks")
class Ranks(_OneLabel):
    """One of several ranks per row: ``y_i = c``, c a label of an order, such as low < middle < high.

    Parameters
    ----------
    ranks : list of number or str, optional
        The labels from the lowest to the highest; by default numbers in their order. Text has none of its own.
    n_classes : int >= 2, optional
        Number of ranks; by default that of the labels. Of whole numbers 0 .. n_classes - 1 some may be absent.

    Examples
    --------
    >>> target = Ranks(ranks=["low", "middle", "high"])
    >>> state = target.learn(target.check(["high", "low"], "y"), None, "y")
    >>> target.encode(target.check(["high", "low"], "y"), state, "y")
    array([2, 0])
    """

    train_loss: ClassVar[str] = "nll"
    valid_loss: ClassVar[tuple[str, ...]] = ("nll", "error", "rank_error")
    test_loss: ClassVar[tuple[str, ...]] = ("error", "rank_error", "nll")
    ranks: list[int | float | str] | None = None
    n_classes: Annotated[int, Field(ge=2)] | None = None

    def learn(
        self, y: NDArray[Any], rows: NDArray[np.int64] | None, what: str, stored: TargetState | None = None
    ) -> TargetState:
        if self.ranks is not None:
            state = state_of_labels(np.array(self.ranks))
            if stored is None:
                # Rows are numbered as the user has them, before some are held out.
                self.encode(y, state, what)
            return state
        if y.dtype.kind not in "biuf":
            raise DataError(
                f"ranks of {what} are text, which has no order: write it, "
                f'["OrdinalOutputLayer", {{"ranks": {sorted(set(map(str, y.tolist())))[:20]}}}], the lowest first'
            )
        if stored is None:
            check_classes(y, self.n_classes, what)
        return state_of_labels(find_classes(y, self.n_classes))

    def encode(self, y: NDArray[Any], state: TargetState, what: str) -> NDArray[Any]:
        labels = labels_of_state(state)
        # encode_labels needs sorted labels; `order` leads from their places back to the ranks.
        order = np.argsort(labels)
        encoded: NDArray[Any] = order[encode_labels(y, labels[order], what)]
        return encoded
