"""A target for each step of a sequence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from arignote.data.targets.base import Target, TargetState
from arignote.data.values.fields import joined
from arignote.data.values.operations import Operation
from arignote.errors import DataError
from arignote.registry import PartField, register

__all__ = ["EachStep", "counted"]


@register(name="steps")
class EachStep(Target):
    """A value of another target for each step of a sequence: ``t_i[s] = target(y_i[s])``.

    Parameters
    ----------
    of : [Name, {params}]
        The target of a step, such as "classes" or "numbers".

    Notes
    -----
    Values are (rows, steps), or lists that differ in their number of steps. Validated ones are a structured array with
    the fields "values" (rows, steps, ...) and "counts" (rows, steps): whether a step has a value. Encoded ones are -1
    (class numbers) or NaN (numbers) where a step has none.

    Examples
    --------
    >>> target = EachStep(of="classes")
    >>> y = target.check([["a", "b"], ["b"]], "y")
    >>> target.encode(y, target.learn(y, None, "y"), "y")
    array([[ 0,  1],
           [ 1, -1]])
    """

    has_steps: ClassVar[bool] = True
    of: Annotated[Target, PartField("target")]

    @property
    def of_step(self) -> Target:
        return self.of

    def state_of_step(self, state: TargetState) -> TargetState:
        of_step: TargetState = state["of"]
        return of_step

    def check(self, y: Any, what: str, counts: NDArray[np.bool_] | None = None) -> NDArray[Any]:
        """Return values as a structured array, as of `Target.check`.

        Parameters
        ----------
        y : array (rows, steps, ...), or list of arrays (steps, ...)
        what : str
            Name of the data in errors.
        counts : array (rows, steps) of bool, optional
            Which steps of the input count; those of `y` that do not are ignored. By default all that `y` has.
        """
        if isinstance(y, np.ndarray) and y.dtype.names == ("values", "counts"):
            return y
        rows = _as_rows(y, what)
        if counts is not None and len(rows) != len(counts):
            raise DataError(f"{what} has {len(counts)} rows, its labels {len(rows)}; the numbers must be equal")
        n_steps = max(map(len, rows)) if counts is None else counts.shape[1]
        is_counted = np.zeros((len(rows), n_steps), dtype=bool)
        flat = []
        for number, row in enumerate(rows):
            # All True: without lengths of the input each value counts.
            of_row = np.arange(len(row)) >= 0 if counts is None else counts[number]
            # Rows of the length of their sequence, or padded as it is.
            if len(row) not in (len(of_row), int(of_row.sum())) or not of_row.any():
                raise DataError(
                    f"y of {what} row {number} must have a value for each of {int(of_row.sum())} steps; got {len(row)}"
                )
            is_counted[number, : len(of_row)] = of_row
            flat.append(row if len(row) == int(of_row.sum()) else row[of_row])
        with _named_by_row(is_counted):
            values = self.of.check(np.concatenate(flat), what)
        padded = np.zeros((*is_counted.shape, *values.shape[1:]), values.dtype)
        padded[is_counted] = values
        return joined({"values": padded, "counts": is_counted})

    def learn(
        self, y: NDArray[Any], rows: NDArray[np.int64] | None, what: str, stored: TargetState | None = None
    ) -> TargetState:
        # Steps of all rows, and the numbers of those of the training rows among them.
        is_train = np.zeros(len(y), dtype=bool)
        is_train[slice(None) if rows is None else rows] = True
        of_train = np.flatnonzero(np.repeat(is_train, y["counts"].sum(axis=1)))
        with _named_by_row(y["counts"]):
            of_step = self.of.learn(_flat(y), of_train, what, None if stored is None else stored["of"])
        return {"of": {"target": self.of.named()} | of_step}

    def check_state(self, state: Mapping[str, Any]) -> None:
        self.of.check_state(state["of"])

    def size(self, state: TargetState) -> int:
        return self.of.size(state["of"])

    def encode(self, y: NDArray[Any], state: TargetState, what: str) -> NDArray[Any]:
        with _named_by_row(y["counts"]):
            encoded = self.of.encode(_flat(y), state["of"], what)
        fill = -1 if encoded.dtype.kind == "i" else np.nan
        padded = np.full((*y["counts"].shape, *encoded.shape[1:]), fill, encoded.dtype)
        padded[y["counts"]] = encoded
        return padded

    def decode(self, predicted: NDArray[Any], state: TargetState) -> NDArray[Any]:
        n_rows, n_steps = predicted.shape[:2]
        values = self.of.decode(predicted.reshape(n_rows * n_steps, -1), state["of"])
        return values.reshape(n_rows, n_steps, *values.shape[1:])

    def operations(self, state: TargetState) -> list[Operation]:
        return self.of.operations(state["of"])

    def like(self, y: NDArray[Any], stored: TargetState) -> NDArray[Any]:
        values = self.of.like(y["values"].reshape(-1, *y["values"].shape[2:]), stored["of"])
        return joined({"values": values.reshape(*y["counts"].shape, *values.shape[1:]), "counts": y["counts"]})

    def units(self, state: TargetState) -> NDArray[np.float64]:
        return self.of.units(state["of"])

    def classes(self, state: TargetState) -> NDArray[Any]:
        return self.of.classes(state["of"])

    def keywords(self, state: TargetState) -> dict[str, Any]:
        return self.of.keywords(state["of"])

    def encoded_form(self, state: TargetState) -> str:
        return f"for each step {self.of.encoded_form(state['of'])}"

    def is_encoded(self, y: NDArray[Any], state: TargetState) -> bool:
        if y.ndim != (2 if y.dtype.kind in "iu" else 3):
            return False
        counts = counted(y)
        return bool(counts.any()) and self.of.is_encoded(y[counts], state["of"])


def counted(encoded: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which steps (rows, steps) of encoded values have one."""
    # In all columns: with missing_targets, single ones of a step may be NaN.
    mask: NDArray[np.bool_] = encoded >= 0 if encoded.dtype.kind in "iu" else ~np.isnan(encoded).all(axis=2)
    return mask


@contextmanager
def _named_by_row(counts: NDArray[np.bool_]) -> Iterator[None]:
    """Name row and step in errors of the target of a step, which numbers all steps that have a value as rows."""
    try:
        yield
    except DataError as error:
        places = np.argwhere(counts)

        def named(match: re.Match[str]) -> str:
            row, step = places[int(match[1])]
            return f"row {row} step {step}"

        raise DataError(re.sub(r"\brow (\d+)", named, str(error))) from None


def _flat(y: NDArray[Any]) -> NDArray[Any]:
    """Return the values of all steps that have one (n, ...)."""
    values: NDArray[Any] = y["values"][y["counts"]]
    return values


def _as_rows(y: Any, what: str) -> Sequence[NDArray[Any]]:
    """Return the values of each row, arrays (steps, ...)."""
    rows = [np.asarray(row) for row in y] if hasattr(y, "__len__") else []
    if not rows or any(row.ndim < 1 for row in rows):
        raise DataError(f"y of {what} must have a value for each step, (rows, steps), or a list with those of each row")
    return rows
