"""The data of a fit as the user passes it, and the opened rows of its subsets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.arrays import Data, DataWithHoldoutPartitions
from arignote.data.inputs import Input
from arignote.data.prepare.cross_validation import is_splitter
from arignote.data.readers.sources import is_source
from arignote.data.rows.open_rows import rows_of
from arignote.data.rows.selection import Rows
from arignote.data.settings import DataSettings
from arignote.data.specs import CSVFormat, labels_by_role
from arignote.data.targets import Classes, Targets
from arignote.data.values.columns import Names
from arignote.data.values.fields import ExampleShape
from arignote.errors import DataError

__all__ = ["FitData", "OpenedData", "chooses_rows", "open_data", "other_sources", "padded_as", "split_of"]


@dataclass(frozen=True)
class FitData:
    """Data of a fit, as the user passes it.

    Attributes
    ----------
    x, y : object
        Features and labels, as `rows_of` takes them.
    valid, test : float, array of row numbers, or data; optional
        Rows held out of `x`, or data of their own; `valid` may be a splitter too, as of `first_split`.
    sample_weight, groups : array (rows,) or source, optional
        Weight of each row of `x`, and groups of rows that stay in one subset.
    targets : Targets
        What `y` is.
    inputs : tuple of Input
        What the network takes of `x`.
    n_in : tuple of int, or dict of str to these, optional
        Shape of an example, of several channels by name, as the user expects it.
    csv : dict or CSVFormat, optional
        Format of the text tables that `x`, `y`, `valid` and `test` name as strings; what is left out is detected.
    columns, text : tuple of str or of int, or dict of str to these; optional
        Columns that the network was trained on before, and those of them that are text, as of `rows_of`.
    """

    x: Any
    y: Any = None
    valid: Any = None
    test: Any = None
    sample_weight: Any = None
    groups: Any = None
    targets: Targets = field(default_factory=lambda: Targets({"output": Classes()}, "output"))
    inputs: tuple[Input, ...] = (Input(),)
    n_in: ExampleShape | None = None
    csv: Mapping[str, Any] | CSVFormat | None = None
    columns: Names | Mapping[str, Names] = ()
    text: Names | Mapping[str, Names] | None = None


@dataclass(frozen=True)
class OpenedData:
    """Opened rows of a fit, before any are held out.

    Attributes
    ----------
    rows : dict of str to Rows
        "train", and "valid" and "test" if they are data of their own.
    fractions : dict of str to float
        Fractions of "train" to hold out, by subset.
    numbers : dict of str to array of int64
        Row numbers of "train" to hold out, by subset.
    splitter : object or None
        What chooses the rows of "valid" out of "train".
    digests : dict of int to str
        Digests of readers by their id, as far as they are known; see `Rows.fingerprint`.
    """

    rows: dict[str, Rows]
    fractions: dict[str, float]
    numbers: dict[str, NDArray[np.int64]]
    splitter: Any = None
    digests: dict[int, str] = field(default_factory=dict)


def other_sources(data: FitData) -> dict[str, Any]:
    """Return the sources of a fit other than its features, by role: "labels", "groups", "labels of valid" ..."""
    sources = labels_by_role("labels", _features_and_labels(data.x, data.y)[1])
    sources |= {"groups": data.groups, "sample_weight": data.sample_weight}
    for name, held_out in (("valid", data.valid), ("test", data.test)):
        sources |= labels_by_role(f"labels of {name}", _features_and_labels(held_out)[1])
    return {role: source for role, source in sources.items() if is_source(source)}


def _features_and_labels(x: Any, y: Any = None) -> tuple[Any, Any]:
    """Return features and labels of (x, y) or `Data`."""
    if isinstance(x, Data):
        return x.features, x.labels if y is None else y
    return x if isinstance(x, tuple) and len(x) == 2 and y is None else (x, y)


def open_data(data: FitData, settings: DataSettings) -> OpenedData:
    """Open the data of each subset.

    Parameters
    ----------
    data : FitData
    settings : DataSettings

    Returns
    -------
    OpenedData
        Labels are read, features that are not in memory are not.

    Raises
    ------
    DataError
        If labels are missing, or `valid` or `test` is not a fraction, row numbers or data.
    """
    x, valid, test = data.x, data.valid, data.test
    if isinstance(x, DataWithHoldoutPartitions):
        valid = x.valid_frac or None if valid is None else valid
        test = x.test_frac or None if test is None else test
    open_rows = partial(
        rows_of,
        allow_nonfinite=settings.allow_nonfinite,
        axes=settings.axes,
        others=other_sources(data),
        csv=data.csv,
        targets=data.targets,
        windows=settings.windows,
        preprocess=settings.preprocess,
    )
    rows = {"train": open_rows(x, data.y, what="X", inputs=data.inputs, columns=data.columns, text=data.text)}
    # "valid" and "test" are opened after "train", as they take its columns and its number of steps.
    inputs = padded_as(rows["train"], data.inputs)
    needs_y = not data.targets.from_input
    if rows["train"].y is None and needs_y:
        raise DataError("fit requires y to be passed, but the target y is None: write fit(X, y), or fit((X, y))")
    fractions: dict[str, float] = {}
    numbers: dict[str, NDArray[np.int64]] = {}
    for name, held_out in (("valid", valid), ("test", test)):
        # A bool is an int: valid=True would otherwise be a fraction of 1.
        if isinstance(held_out, bool) or _is_fraction(held_out):
            raise DataError(f"{name} must be a fraction in [0, 1), row numbers or data; got {held_out!r}")
        if is_splitter(held_out):
            if name != "valid":
                raise DataError(f"{name} must be a fraction, row numbers or data: a splitter chooses valid alone")
        elif isinstance(held_out, int | float):
            fractions |= {name: float(held_out)} if held_out else {}  # 0 holds nothing out
        elif _are_row_numbers(held_out):
            numbers[name] = _row_numbers(name, held_out, len(rows["train"]))
        elif held_out is not None:
            like = rows["train"]
            rows[name] = open_rows(held_out, what=name, inputs=inputs, columns=like.columns, text=like.text)
            if rows[name].y is None and needs_y:
                raise DataError(f"{name} must be a fraction, row numbers, (X, y) or Data with labels")
    return OpenedData(rows, fractions, numbers, valid if is_splitter(valid) else None)


def padded_as(rows: Rows, inputs: Sequence[Input]) -> tuple[Input, ...]:
    """Return inputs whose sequences are padded to as many steps as those of the rows."""
    return tuple(
        one if one.steps is None or one.n_steps is not None else replace(one, n_steps=rows.readers[one.field].shape[1])
        for one in inputs
    )


def split_of(data: FitData) -> dict[str, Any]:
    """Return how "valid" and "test" were specified, as plain data; a checkpoint stores it.

    Returns
    -------
    dict of str to float or str
        For "valid" and "test", if set: the fraction that was held out, "rows" for row numbers or a splitter, or "data"
        for data of its own. "groups" is True if rows of a group stayed together.
    """
    split: dict[str, Any] = {}
    for name in ("valid", "test"):
        held_out = getattr(data, name)
        if held_out is None and isinstance(data.x, DataWithHoldoutPartitions):
            held_out = getattr(data.x, f"{name}_frac")
        if isinstance(held_out, int | float):
            split |= {name: float(held_out)} if held_out else {}
        elif held_out is not None:
            split[name] = "rows" if chooses_rows(held_out) else "data"
    return split | ({} if data.groups is None else {"groups": True})


def _is_fraction(held_out: Any) -> bool:
    """Return whether `held_out` is a string that is a number, and so not a source."""
    # "0.1" in quotes would be the path of a file.
    return isinstance(held_out, str) and held_out.replace(".", "", 1).isdigit()


def chooses_rows(held_out: Any) -> bool:
    """Return whether `valid` or `test` of a fit names rows of `x`, by number or a splitter: no file holds these."""
    return _are_row_numbers(held_out) or is_splitter(held_out)


def _are_row_numbers(held_out: Any) -> bool:
    if isinstance(held_out, list | range):
        held_out = (
            np.asarray(held_out) if held_out and all(isinstance(row, int | np.integer) for row in held_out) else None
        )
    # Masks and floats, too: `_row_numbers` refuses them with a hint.
    return isinstance(held_out, np.ndarray) and held_out.ndim == 1 and held_out.dtype.kind in "iubf"


def _row_numbers(name: str, held_out: Any, n_rows: int) -> NDArray[np.int64]:
    numbers = np.asarray(held_out)
    if numbers.dtype.kind not in "iu":
        raise DataError(f"{name}: row numbers must be integers; got {numbers.dtype}. Of a mask: np.flatnonzero(mask)")
    numbers = numbers.astype(np.int64)
    if len(numbers) == 0 or numbers.min() < 0 or numbers.max() >= n_rows:
        raise DataError(f"{name}: row numbers must lie in 0 .. {n_rows - 1}; got {numbers[:10].tolist()}")
    values, counts = np.unique(numbers, return_counts=True)
    if len(values) != len(numbers):
        raise DataError(f"{name}: row numbers must differ; row {values[counts > 1][0]} is named twice")
    return numbers
