"""Which columns of a table are features and which are labels, groups or weights."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from arignote.data.readers.base import Reader
from arignote.data.readers.tables import TEXT, Table, expanded, split_source, table_at
from arignote.data.values.columns import Columns, Names, chosen_columns
from arignote.errors import DataError, listed, warn

__all__ = ["INDEX", "LABELS", "feature_columns", "label_columns", "proposed_source"]

LABELS = ("label", "labels", "target", "targets")
# Names of the index of a DataFrame: written by to_csv, assigned by read_csv, and written by to_parquet.
INDEX = re.compile(r"|Unnamed: 0|__index_level_\d+__")
# Suffixes of files that hold several arrays, with the prefix of the names of arrays.
_WITHIN = {".npz": "", ".h5": "/", ".hdf5": "/"}


def proposed_source(source: str, base: Path) -> tuple[dict[str, str], list[str]]:
    """Return how a config would name a file as features and labels.

    Parameters
    ----------
    source : str
        A path, optionally with columns after a colon.
    base : Path
        Folder of a relative path.

    Returns
    -------
    example : dict of str to str
        "features" and "labels".
    names : list of str
        All columns; empty if they cannot be read.
    """
    name, columns = split_source(source)
    path = base / expanded(name)
    is_table = path.suffix.lower() in (*TEXT, ".parquet")
    if not columns and path.suffix.lower() in _WITHIN:
        at = _WITHIN[path.suffix.lower()]
        return {"features": f"{name}:{at}x", "labels": f"{name}:{at}y"}, []
    names: list[str] = []
    with suppress(DataError, OSError):
        table = table_at(path) if is_table and path.is_file() else None
        names = list(table.names) if table is not None else []
    features = chosen_columns(columns, names, name)[0] if columns and set(columns.split(",")) <= set(names) else []
    others = [column for column in names if column not in features]
    label = next((column for column in others if column.lower() in LABELS), others[-1] if others else "COLUMN")
    return {"features": source, "labels": f"{name}:{label}" if is_table else "FILE"}, names


def feature_columns(
    table: Table,
    asked: Columns | None,
    like: Names = (),
    others: Mapping[str, Any] | None = None,
    is_named: bool | None = None,
) -> tuple[list[str], bool]:
    """Select the columns that are features.

    Parameters
    ----------
    table : Table
    asked : str, int or sequence of these, optional
        As in `chosen_columns`; by default, all columns that are not named label, labels, target or targets.
    like : tuple of str or of int
        Names (positions, for a table without header) of the columns that a run was trained on: the result is these, in
        this order.
    others : dict of str to source
        Other sources that the data names, by role: "labels", "groups" ... Their columns of this table are not features.
    is_named : bool, optional
        Whether the columns of `asked` were named one by one; by default, this follows from `asked`.

    Returns
    -------
    names : list of str
        Columns of the features.
    is_named : bool
        Whether they were named one by one.

    Raises
    ------
    DataError
        If a column is named both as a feature and in another role, or a column that the run was trained on is missing.

    Warns
    -----
    ArignoteWarning
        If columns are left out of the features, or the index of a DataFrame is among them.
    """
    names, are_named = chosen_columns(asked, table.names, table.where)
    is_named = are_named if is_named is None else is_named
    taken: dict[str, str] = {}
    for role, other in (others or {}).items():
        taken |= dict.fromkeys(_of_other(table, other), role)
    both = [name for name in names if name in taken]
    if both and is_named and not like:
        raise DataError(
            f"{table.where}: the column {both[0]!r} is named among the features and as {taken[both[0]]}: leave it out "
            f"of the features, as in {table.path.name}:!{both[0]}"
        )
    # Names say nothing of a table without header; positions that the user has named may differ from those of the run.
    if like and isinstance(like[0], str) == table.has_names and not (is_named and not table.has_names):
        return _as_learned(table, names, like), is_named
    if both:
        left_out = ", ".join(f"{name!r} ({taken[name]})" for name in both)
        word = "column is" if len(both) == 1 else "columns are"
        warn(f"{table.where}: {word} left out of the features: {left_out}")
    names = [name for name in names if name not in taken]
    # 0, which is false, too, is the first column.
    if not asked and asked != 0:
        names = [name for name in names if name.lower() not in LABELS]
    if not names:
        raise DataError(f"{table.where}: no columns are left for the features. There are: {listed(table.names)}")
    if not are_named:
        _warn_of_index(table, names)
    return names, is_named


def _warn_of_index(table: Table, features: list[str]) -> None:
    """Warn if the index of a DataFrame, which usually numbers the rows, is among the features."""
    index = next((name for name in table.names if name in features and INDEX.fullmatch(name)), None)
    # to_csv writes the index as the first column; to_parquet appends it to the others.
    if index is None or (table.dialect is not None and (index != table.names[0] or not table.has_names)):
        return
    column = f"the column {index!r} is" if index else "the first column, which has no name, is"
    selection, written = ("!0", "to_csv") if table.dialect is not None else (f"!{index}", "to_parquet")
    warn(
        f"{table.where}: {column} what pandas writes for the index of a DataFrame, and is used as a feature. To leave "
        f'it out, set columns: "{selection}" beside features ({table.path.name}:{selection} in Python), or write the '
        f"file with {written}(index=False)"
    )


def _as_learned(table: Table, names: list[str], like: Names) -> list[str]:
    wanted = [str(name) for name in like]
    missing = [name for name in wanted if name not in names]
    if missing:
        what = "column" if len(missing) == 1 else "columns"
        if table.has_names:
            raise DataError(
                f"{table.where}: lacks the {what} {', '.join(map(repr, missing[:5]))}, which the network was trained "
                f"on. There are: {listed(names)}"
            )
        raise DataError(
            f"{table.where}: has {len(table.names)} columns; the network was trained on columns {wanted[0]} to "
            f"{wanted[-1]} of a table without header. Name the columns to use: {table.path}:0:{len(wanted)}"
        )
    return wanted


def _of_other(table: Table, other: Any) -> list[str]:
    """Return the columns of this table that another source names."""
    if isinstance(other, Reader):
        origin = other.origin
        is_here = origin is not None and table.is_at(origin.path, origin.table)
        return [str(name) for name in other.columns] if is_here else []
    if not isinstance(other, str | os.PathLike):
        return []
    name, key = split_source(expanded(other))
    at, columns = ("", key) if not table.table else _split_table(key, table.table)
    if not columns or not table.is_at(name, at):
        return []
    return chosen_columns(columns, table.names, table.where)[0]


def _split_table(key: str, table: str) -> tuple[str, str]:
    """Split "/table:columns" if it names this table; else return the key as it is, without columns."""
    start = f"{table.strip('/')}:"
    bare = key.strip().lstrip("/")
    return (table, bare.removeprefix(start)) if bare.startswith(start) else (key, "")


def label_columns(table: Table, asked: Columns | None) -> str | list[str]:
    """Select the columns that hold the labels.

    Parameters
    ----------
    table : Table
    asked : str, int or sequence of these, optional
        As in `chosen_columns`; by default, the column named label, labels, target or targets, or the only column.

    Returns
    -------
    str or list of str
        A single column as a string.

    Raises
    ------
    DataError
        If there is no such column, or several columns may be the labels.
    """
    if asked is not None and asked != "":
        names, _ = chosen_columns(asked, table.names, table.where)
        return names[0] if len(names) == 1 else names
    named = [name for name in table.names if name.lower() in LABELS]
    named = named if len(table.names) > 1 else list(table.names)
    if len(named) != 1:
        last = table.names[-1] if table.names else ""
        raise DataError(
            f'{table.where}: which column holds the labels? Name it, as in labels: "{table.where}:{last}". '
            f"There are: {listed(table.names)}"
        )
    return named[0]
