"""The sources of the `data:` section of a config, opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from arignote.data.readers.base import Reader
from arignote.data.readers.sources import get_reader, is_text_source
from arignote.data.readers.tables import split_source
from arignote.data.specs import CSVFormat, Source, labels_by_role
from arignote.data.values.columns import Mixed, Names
from arignote.data.values.fields import ALONE
from arignote.errors import DataError, ErrorCollector

__all__ = ["open_labels", "open_source"]


def open_source(
    source: Source,
    load: bool = True,
    like: Source | None = None,
    columns: Names | Mapping[str, Names] = (),
    others: Mapping[str, Any] | None = None,
    has_labels: bool = True,
    mixed: Mapping[str, Mixed] = MappingProxyType({}),
) -> tuple[Reader | dict[str, Reader], Reader | dict[str, Reader] | None]:
    """Return the readers of features and labels of a source in a config.

    Parameters
    ----------
    source : Source
        Labels that it does not name are read from the file of the features.
    load
        As in `get_reader`.
    like : Source, optional
        Source whose `color`, `size`, `mode` and `csv` are used if `source` does not set them.
    columns : tuple of str, or dict of str to these, optional
        Names of the columns of the training rows, by channel if there are several; the features are these, in this
        order.
    others : dict of str to source, optional
        As in `get_reader`.
    has_labels : bool
        Whether there are labels.
    mixed : dict of str to bool or tuple, optional
        As in `get_reader`, by channel.

    Returns
    -------
    features : Reader, or dict of str to Reader
        Of several channels a reader for each.
    labels : Reader, dict of str to Reader, or None
        Of several outputs a reader for each.

    Raises
    ------
    DataError
        Reports the errors of features and of labels together.
    """
    options: dict[str, Any] = {
        key: getattr(like, key, None) if getattr(source, key) is None else getattr(source, key)
        for key in ("color", "size", "mode", "csv")
    }
    csv = options.pop("csv")
    labels = source.labels or _file_of_labels(source.channels.values(), has_labels)
    by_role = labels_by_role("labels", labels) if has_labels else {}
    others = by_role | dict(others or {})
    options |= {"columns": source.columns, "load": load}
    collector = ErrorCollector()
    features: dict[str, Reader] = {}
    for channel, src in source.channels.items():
        # Columns of another channel are not features of this one.
        beside = {f"channel {name!r}": one for name, one in source.channels.items() if name != channel}
        # `csv` of `like` does not apply to files that are not text tables.
        form = csv if source.csv is not None or is_text_source(src) else None
        known = columns.get(channel, ()) if isinstance(columns, Mapping) else columns
        with collector.collect():
            features[channel] = get_reader(
                src, like=known, others=others | beside, csv=form, mixed=mixed.get(channel, False), **options
            )
    label_readers: list[Reader] = []
    for one in by_role.values():
        with collector.collect():
            label_readers.append(open_labels(one, csv, load))
    collector.raise_all()
    # After `raise_all`: only then is there a reader for each of the labels.
    of_labels = dict(zip(labels, label_readers, strict=True)) if isinstance(labels, Mapping) and has_labels else None
    return features.get(ALONE, features), of_labels or (label_readers[0] if has_labels else None)


def _file_of_labels(features: Iterable[str], has_labels: bool) -> str:
    """Return the file of the features, whose labels are meant where none are named; DataError if there are several."""
    files = {split_source(src)[0] for src in features}
    if len(files) > 1 and has_labels:
        raise DataError("labels must be named, as the channels of the features are in several files")
    return next(iter(files))


def open_labels(source: str, csv: CSVFormat | None = None, load: bool = True) -> Reader:
    """Return the reader of labels, groups or weights, whose file may be of another kind than that of the features.

    Parameters
    ----------
    source, load
        As in `get_reader`.
    csv : CSVFormat, optional
        Format of text tables, ignored for other files.

    Returns
    -------
    Reader
    """
    return get_reader(source, labels=True, load=load, csv=csv if is_text_source(source) else None)
