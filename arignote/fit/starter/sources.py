"""Which arrays or columns of a file are features and which are labels, as the `data:` section of a config."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arignote.data.readers.column_roles import INDEX, LABELS
from arignote.data.readers.images import ImageFolderReader
from arignote.data.readers.npy import arrays_in
from arignote.data.readers.parquet import ParquetReader
from arignote.data.readers.tables import HDF5_ENDINGS, Table, expanded, is_text_file, split_source, table_at
from arignote.data.specs import CSVFormat
from arignote.data.values.columns import chosen_columns
from arignote.errors import ConfigError, DataError, listed

__all__ = ["Sources", "find_sources"]

# Words in the names of arrays.
_SUBSETS = {"train": "train", "valid": "valid", "validation": "valid", "val": "valid", "dev": "valid", "test": "test"}
_OF_LABELS = (*LABELS, "y", "class", "classes")
# Pixels of a side; a network for larger ones takes hours on a processor.
_LARGEST_IMAGE = 64


@dataclass
class Sources:
    """The `data:` section of a config.

    Attributes
    ----------
    subsets : dict of str to dict
        Sources of "train" and, if the file has them, of "valid" and "test"; paths start from the working directory.
    notes : list of str
        What was decided without being certain.
    """

    subsets: dict[str, dict[str, Any]]
    notes: list[str] = field(default_factory=list)


def find_sources(data: str, labels: str | None, csv: CSVFormat | None = None) -> Sources:
    """Find features and labels.

    Parameters
    ----------
    data : str
        A source, as of `get_reader`.
    labels : str, optional
        A column or an array of the same file, or another source.
    csv : CSVFormat, optional
        Format of a text table; what it leaves out is detected.

    Raises
    ------
    DataError
        If there is no such file, if `csv` is for none of its kind, or if its columns cannot be features and labels.
    ConfigError
        If it is not clear what the labels are.
    """
    name, key = split_source(expanded(data))
    path = Path(name)
    if labels == "":
        raise ConfigError("--labels must be a column or an array of the same file, or another file; got ''")
    if not path.exists():
        raise DataError(f"{path}: there is no such file")
    is_source = labels is not None and os.path.exists(split_source(expanded(labels))[0])
    given = {"labels": labels} if is_source else {}
    if csv is not None and (path.is_dir() or not is_text_file(path)):
        raise DataError(f"{path}: 'csv' does not apply to this kind of source")
    if path.is_dir():
        return _of_folder(path, given)
    if path.suffix.lower() == ".npz":
        return _of_arrays(path, key, labels, given, arrays_in(path))
    if path.suffix.lower() == ".npy":
        if not is_source:
            raise ConfigError(f"{data}: has no labels: give --labels a source, such as labels.npy")
        return Sources({"train": {"features": data, **given}})
    if is_text_file(path) or path.suffix.lower() == ".parquet":
        table = table_at(path, "", csv)
        assert table is not None
        whole = str(path) if key else data
        # Labels of another source come with `given`; otherwise `labels` names a column of this table.
        sources = _of_table(table, whole, str(path), None if given else labels, given, key)
        if csv is not None:
            sources.subsets["train"]["csv"] = csv.model_dump(exclude_none=True)
        return sources
    if path.suffix.lower() not in HDF5_ENDINGS:
        # The reader raises the error, which lists the endings.
        return Sources({"train": {"features": data, **given}})
    return _of_hdf5(path, key, labels, given)


def _of_folder(path: Path, given: dict[str, Any]) -> Sources:
    """Return images of a folder, with a size if theirs differ or are large."""
    sizes = ImageFolderReader(path, size=(1, 1)).sizes
    # Of the image in the middle by height: a single large one does not decide the size.
    middle = [int(side) for side in sorted(sizes.tolist())[len(sizes) // 2]]
    sources = Sources({"train": {"features": str(path), **given}})
    if max(middle) > _LARGEST_IMAGE or (sizes != sizes[0]).any():
        factor = min(1.0, _LARGEST_IMAGE / max(middle))
        size = [max(8, round(side * factor)) for side in middle]
        sources.subsets["train"]["size"] = size
        sources.notes.append(f"images are resized to {size[0]} x {size[1]} (height x width): size of data.train")
    return sources


def _of_hdf5(path: Path, key: str, labels: str | None, given: dict[str, Any]) -> Sources:
    from arignote.data.readers.hdf5 import tables_in

    available = tables_in(path)
    names = [key] if key else available
    table = table_at(path, names[0]) if len(names) == 1 and names[0] in available else None
    if table is not None:
        source = f"{path}:{names[0]}"
        return _of_table(table, source, source, None if given else labels, given)
    return _of_arrays(path, key, labels, given, available)


def _of_table(
    table: Table, data: str, whole: str, label: str | None, given: dict[str, Any], asked: str = ""
) -> Sources:
    """Return the columns of a table: all are features but the labels, dates and the index of a DataFrame.

    With `asked`, as after the colon of a source, those that it names, or all but those that it excludes.
    """
    if len(set(table.names)) < len(table.names):
        twice = next(name for name in table.names if table.names.count(name) > 1)
        raise DataError(f"{table.where}: two columns are named {twice!r}: rename one of them in the file")
    sources = Sources({"train": {"features": data}})
    train, left_out = sources.subsets["train"], [name for name in table.names if INDEX.fullmatch(name)]
    chosen, are_named = chosen_columns(asked or None, table.names, table.where)
    for name in ParquetReader.unreadable_in(table.path) if table.path.suffix.lower() == ".parquet" else ():
        if name != label and name not in left_out:
            left_out.append(name)
            sources.notes.append(
                f"the column {name!r} is neither numbers nor text, and is left out: columns of data.train"
            )
    if not given:
        kept = [name for name in table.names if name not in left_out]
        label = label or _named_label(kept) or _last_label(kept, chosen, sources.notes)
        if not set(kept) - {label}:
            beside = f" beside {', '.join(map(repr, left_out))}" if left_out else ""
            columns = f"one column only, {label!r}{beside}" if kept else "no columns of numbers or text"
            raise DataError(f"{table.where}: has {columns}; a table needs columns of features and one of labels")
        given = {"labels": f"{whole}:{label}"}
        left_out.append(label)
    if asked:
        train["columns"] = [name for name in chosen if are_named or name not in left_out]
    elif left_out:
        # A column without a name is excluded by its position.
        train["columns"] = [f"!{name or table.names.index(name)}" for name in left_out]
    train |= given
    return sources


def _named_label(columns: Sequence[str]) -> str | None:
    """Return the only column that has a name of labels."""
    named = [name for name in columns if name.lower() in LABELS]
    return named[0] if len(named) == 1 else None


def _last_label(columns: Sequence[str], features: Sequence[str], notes: list[str]) -> str:
    """Return the last column, of those that are no features if there are some, and note it; "" of none."""
    label = next(reversed([name for name in columns if name not in features] or columns), "")
    notes.append(f"no column is named as labels: the last one, {label!r}, is taken; --labels names another")
    return label


def _of_arrays(path: Path, key: str, labels: str | None, given: dict[str, Any], available: Sequence[str]) -> Sources:
    """Return arrays of a file: pairs such as x_train and y_train, or the features and labels of one subset."""
    if not available:
        raise DataError(f"{path}: has no arrays")
    if len(available) == 1 and not given:
        raise ConfigError(f"{path}: has no labels beside {available[0]!r}: give --labels a source, such as labels.npy")
    if labels is not None and not given:
        wanted = next((name for name in available if name.strip("/") == labels.strip("/")), None)
        if wanted is None:
            raise ConfigError(f"--labels {labels}: {path} has no such array. There are: {listed(available)}")
        given = {"labels": f"{path}:{wanted}"}
    if key and given:
        return Sources({"train": {"features": f"{path}:{key}", **given}})
    by_subset: dict[str, list[str]] = {}
    for name in available:
        by_subset.setdefault(next((_SUBSETS[word] for word in _words(name) if word in _SUBSETS), ""), []).append(name)
    subsets: dict[str, dict[str, Any]] = {}
    for subset, names in by_subset.items() if "train" in by_subset and not key else [("train", list(available))]:
        if subset:
            subsets[subset] = _pair(path, key, names, given if subset == "train" else {})
    return Sources(subsets)


def _pair(path: Path, key: str, names: Sequence[str], given: dict[str, Any]) -> dict[str, Any]:
    """Return features and labels among some arrays; ConfigError if there is not one of each."""
    of_labels = [name for name in names if set(_words(name)) & set(_OF_LABELS)]
    source = given.get("labels", f"{path}:{of_labels[0]}" if len(of_labels) == 1 else None)
    of_features = [key] if key else [name for name in names if name not in of_labels and f"{path}:{name}" != source]
    if len(of_features) != 1 or source is None:
        raise ConfigError(
            f"{path}: which array has the features, and which the labels? Name them, as in arignote init "
            f"{path}:{(of_features or names)[0]} --labels {(of_labels or names)[-1]}. There are: {listed(names)}"
        )
    return {"features": f"{path}:{of_features[0]}", "labels": source}


def _words(name: str) -> list[str]:
    """Return the words of the name of an array: "train" and "y" of "y_train", "yTrain" or "/train/y"."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)]
