"""The rows of the data of a fit, split into subsets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.prepare.cross_validation import first_split
from arignote.data.prepare.fit_data import FitData, OpenedData
from arignote.data.prepare.groups_and_weights import groups_of
from arignote.data.prepare.partition import partition
from arignote.data.rows.selection import Rows
from arignote.data.settings import DataSettings
from arignote.data.targets import Targets, TargetState
from arignote.data.values.fields import ExampleShape
from arignote.errors import DataError, axes_hint

__all__ = ["Split", "present_rows", "split_rows"]


@dataclass(frozen=True)
class Split:
    """Rows of each subset with values of the target.

    Attributes
    ----------
    rows : dict of str to Rows
    y : array (n_rows, ...)
        Of all rows from which some are held out.
    present : dict of str to array of int64
        Numbers among these of the rows of each subset; none of a subset of its own data, nor of "train" if it is all.
    n_rows : int
    numbers : dict of str to array of int64
        Numbers of the rows of each subset that is held out, with those that lack the target.
    """

    rows: dict[str, Rows]
    y: Any
    present: dict[str, NDArray[np.int64]]
    n_rows: int
    numbers: dict[str, NDArray[np.int64]]


def split_rows(
    data: FitData, opened: OpenedData, settings: DataSettings, seed: int, stored: Mapping[str, TargetState] | None
) -> Split:
    """Return the rows of each subset, without those that lack the target.

    Parameters
    ----------
    data : FitData
    opened : OpenedData
        Its opened rows, and what is held out of them.
    settings : DataSettings
    seed : int
        Seed of the run, from which it follows which rows a fraction takes.
    stored : dict of str to TargetState, optional
        What the run that is resumed has learned of its targets.
    """
    targets = data.targets
    rows = dict(opened.rows)
    if data.n_in is not None:
        _check_n_in(data.n_in, rows["train"].n_in)
    if stored is not None and not targets.from_input:  # before the split, as labels sort otherwise as text
        rows = {name: replace(subset, y=targets.like(np.asarray(subset.y), stored)) for name, subset in rows.items()}
    whole, n_rows, numbers = rows["train"], len(rows["train"]), opened.numbers
    groups = None if data.groups is None else groups_of(data.groups, n_rows, settings.windows)
    unused = None
    if opened.splitter is not None:
        valid, unused = first_split(opened.splitter, whole, targets, groups, seed)
        numbers = numbers | {"valid": valid}
    if opened.fractions or numbers:
        # Without labels all rows are of one class.
        strata = np.zeros(n_rows, dtype=np.int64) if whole.y is None else targets.strata(whole.y)
        windows = settings.windows
        # Windows that are held out have no step in common with others.
        how, gap = (settings.partition, 0) if windows is None else ("contiguous", windows.gap)
        numbers = partition(
            strata, opened.fractions, seed, how=how, groups=groups, chosen=numbers, unused=unused, gap=gap
        )
        rows |= {name: whole.take(at) for name, at in numbers.items()}
    # Rows without a target are left out only now, as row numbers of the user, and those that a run records, count them.
    present = dict(numbers)
    for name, subset in rows.items():
        mask = None if subset.y is None else targets.present_mask(subset.y)
        if mask is None:
            continue
        if not mask.any():
            raise DataError(f"y of {name} is missing in every row")
        rows[name] = subset.take(np.flatnonzero(mask))
        if name in present:
            present[name] = present[name][mask]
        elif name == "train":
            present[name] = np.flatnonzero(mask)
    _check_shapes(rows)
    return Split(rows, whole.y, present, n_rows, numbers)


def present_rows(rows: Rows, targets: Targets) -> Rows:
    """Return the rows that have a target, as a fit takes them."""
    mask = None if rows.y is None else targets.present_mask(rows.y)
    return rows if mask is None else rows.take(np.flatnonzero(mask))


def _check_shapes(rows: Mapping[str, Rows]) -> None:
    """Raise DataError if the shape of an example differs between subsets."""
    train = rows["train"]
    for name, subset in rows.items():
        stored = [{k: one.shape[1:] for k, one in rows_of_subset.readers.items()} for rows_of_subset in (subset, train)]
        # Stored shapes first: `n_in` reads a row and converts it.
        if stored[0] != stored[1] and subset.n_in != train.n_in:
            message = f"an example of {name} has shape {subset.n_in}, one of X {train.n_in}"
            raise DataError(message + axes_hint(subset.n_in, train.n_in))


def _check_n_in(n_in: ExampleShape, shape: ExampleShape) -> None:
    """Raise DataError unless `n_in` of the user is the shape of an example, or its number of values."""
    if n_in != shape and (isinstance(shape, dict) or n_in != (prod(shape),)):
        message = f"n_in is {n_in}, but an example of X has the shape {shape}"
        raise DataError(message + axes_hint(shape, n_in))
