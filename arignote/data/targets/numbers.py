"""Numbers: one or several per row, learned in units of their spread."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from arignote.data.targets.base import Target, TargetState
from arignote.data.values.missing_values import is_missing
from arignote.data.values.operations import Operation, computed
from arignote.errors import DataError
from arignote.registry import Count, register

__all__ = ["Numbers"]


@register(name="numbers")
class Numbers(Target):
    """One or several numbers per row: ``t_i[j] = (y_i[j] - mean_j) / scale_j`` is what the network learns.

    Parameters
    ----------
    n_outputs : int >= 1, optional
        Number of columns; by default that of `y`.
    scale_target : bool, default True
        Whether mean and scale are mean and standard deviation of the training rows; else they are 0 and 1. Of a
        column of equal values the scale is 1.
    missing_targets : bool, default False
        Whether a value may be missing (NaN, None): its row does not count for its column.

    Examples
    --------
    >>> target = Numbers()
    >>> y = target.check([1.0, 3.0], "y")
    >>> state = target.learn(y, None, "y")
    >>> state["mean"], state["scale"], target.encode(y, state, "y").tolist()
    ([2.0], [1.0], [[-1.0], [1.0]])
    """

    train_loss: ClassVar[str] = "squared"
    valid_loss: ClassVar[tuple[str, ...]] = ("squared", "mae", "r2")
    test_loss: ClassVar[tuple[str, ...]] = ("rmse", "mae", "r2")
    n_outputs: Count | None = None
    scale_target: bool = True
    missing_targets: bool = False

    def check(self, y: Any, what: str) -> NDArray[Any]:
        values = _as_numbers(y, what)
        if values.ndim not in (1, 2) or 0 in values.shape:
            raise DataError(f"y of {what} must have the shape (rows,) or (rows, columns); got {values.shape}")
        by_row = values.reshape(len(values), -1)
        good = np.isfinite(by_row) | (np.isnan(by_row) if self.missing_targets else False)
        if not good.all():
            row = int(np.argmin(good.all(axis=1)))
            value = by_row[row][~good[row]][0]
            where = f"y of {what} row {row}" + (f" column {int(np.argmin(good[row]))}" if values.ndim == 2 else "")
            if not np.isnan(value):
                raise DataError(f"{where} is {value}; numbers must be finite")
            raise DataError(
                f"{where} is missing; leave the row out, or set missing_targets=True, and it does not count"
            )
        return values

    def learn(
        self, y: NDArray[Any], rows: NDArray[np.int64] | None, what: str, stored: TargetState | None = None
    ) -> TargetState:
        n_columns = 1 if y.ndim == 1 else y.shape[1]
        if self.n_outputs is not None and self.n_outputs != n_columns:
            raise DataError(f"y of {what} has {n_columns} columns, the output layer n_outputs={self.n_outputs}")
        if stored and (stored["n_axes"], len(stored["mean"])) == (y.ndim, n_columns):
            # Means may be rounded differently on another machine.
            return stored
        train = (y if rows is None else y[rows]).reshape(-1, n_columns).astype(np.float64)
        is_absent = np.isnan(train).all(axis=0)
        if is_absent.any():
            raise DataError(f"y of {what} column {int(np.argmax(is_absent))} is missing in every training row")
        mean, scale = np.zeros(n_columns), np.ones(n_columns)
        if self.scale_target:
            # What overflows is an error below.
            with np.errstate(over="ignore"):
                mean, scale = np.nanmean(train, axis=0), np.nanstd(train, axis=0)
            if not np.isfinite([mean, scale]).all():
                raise DataError(f"y of {what} is too large to be scaled; divide it")
            # The spread of equal values is what rounding leaves of their mean.
            scale[scale <= 10 * np.finfo(np.float64).eps * np.abs(mean)] = 1.0
        return {"n_axes": y.ndim, "mean": mean.tolist(), "scale": scale.tolist()}

    def check_state(self, state: Mapping[str, Any]) -> None:
        n_axes, mean, scale = state["n_axes"], state["mean"], state["scale"]
        if type(n_axes) is not int or n_axes not in (1, 2):
            raise ValueError(f"a target of {n_axes!r:.100} axes")
        if not 1 <= len(mean) == len(scale) or (n_axes == 1 and len(mean) > 1):
            raise ValueError("a target whose mean and scale differ in number, or from its axes")
        if not all(type(value) is float and isfinite(value) for value in [*mean, *scale]) or min(scale) <= 0:
            raise ValueError("a target whose mean and scale are no finite numbers")

    def size(self, state: TargetState) -> int:
        return len(state["mean"])

    def encode(self, y: NDArray[Any], state: TargetState, what: str) -> NDArray[Any]:
        n_columns = 1 if y.ndim == 1 else y.shape[1]
        if n_columns != self.size(state):
            raise DataError(f"y of {what} has {n_columns} columns, that of the training data {self.size(state)}")
        # In float64: where the mean is large beside the scale, float32 has too few digits for the difference.
        scaled = (y.reshape(-1, n_columns).astype(np.float64) - state["mean"]) / state["scale"]
        is_too_large = (np.abs(scaled) > np.finfo(np.float32).max).any(axis=1)
        if is_too_large.any():
            raise DataError(f"y of {what} row {int(np.argmax(is_too_large))} is too large for float32; scale it")
        return np.ascontiguousarray(scaled, dtype=np.float32)

    def decode(self, predicted: NDArray[Any], state: TargetState) -> NDArray[Any]:
        return computed(self.operations(state), predicted)

    def operations(self, state: TargetState) -> list[Operation]:
        # In float64, the type of both arrays.
        scaled: list[Operation] = [("multiply", np.array(state["scale"])), ("add", np.array(state["mean"]))]
        return [*scaled, ("squeeze", -1)] if state["n_axes"] == 1 else scaled

    def present_mask(self, y: NDArray[Any]) -> NDArray[np.bool_] | None:
        is_nan = np.isnan(y).reshape(len(y), -1).all(axis=1)
        return ~is_nan if is_nan.any() else None

    def units(self, state: TargetState) -> NDArray[np.float64]:
        return np.array(state["scale"])

    def encoded_form(self, state: TargetState) -> str:
        return f"numbers (rows, {self.size(state)})"


def _as_numbers(y: Any, what: str) -> NDArray[Any]:
    """Return an array of numbers; NaN for masked values, None and the markers of pandas."""
    try:
        # float64, as integers have no NaN.
        values = np.asarray(y.astype(np.float64).filled(np.nan) if np.ma.is_masked(y) else y)
    except ValueError:
        raise DataError(f"y of {what} must be numbers (rows,) or (rows, columns); its rows differ in length") from None
    if values.dtype == object:
        objects = np.array([np.nan if is_missing(value) else value for value in values.ravel()], object)
        # Text that reads as numbers is text, whatever its dtype.
        if any(isinstance(value, str | bytes) for value in objects):
            raise _no_number(objects.tolist(), what)
        try:
            values = objects.astype(np.float64).reshape(values.shape)
        except (TypeError, ValueError):
            raise _no_number(objects.tolist(), what) from None
    if values.dtype.kind in "US":
        raise _no_number(values.ravel().tolist(), what)
    if values.dtype.kind not in "biuf":
        raise DataError(f"y of {what} must be numbers; got {values.dtype}")
    return values


def _no_number(values: list[Any], what: str) -> DataError:
    word = next((value for value in values if not _is_number(value)), values[0])
    return DataError(
        f"y of {what} must be numbers; got {word!r:.100}. If these are classes, use ClassificationOutputLayer "
        "(NNClassifier)"
    )


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
