"""Confusion matrices, tables by class and mistakes, as plain data, within the size of a page."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.report.page.pictures import shown
from arignote.report.page.scored import ScoredRows
from arignote.report.scores import confusion_matrix

__all__ = ["matrix_of"]

# Of classes: a larger matrix cannot be read, a longer table is thinned to the worst ones.
_MOST_COLUMNS = 30
_LONGEST_TABLE = 100
_MOST_PAIRS = 50
# Of rows that are listed, of one cell and of a subset; of pictures likewise.
_MOST_ROWS = 40
_ROWS_OF_SUBSET = 2000
_MOST_PICTURES = 12
_PICTURES_OF_SUBSET = 180


def matrix_of(scored: ScoredRows) -> dict[str, Any]:
    """Return the confusion matrix of a subset and what it consists of.

    Returns
    -------
    dict
        "labels"; "matrix", None with more than 30 classes; "by_class": label, precision, recall, F1 (None where a
        divisor is 0) and support, of more than 100 classes those of the lowest F1; "pairs": the most frequent mistakes
        as (class, predicted, rows); "cells": by "class,predicted" the rows of each mistake, the most certain first,
        each with `id`, `p` and, for images, `picture`; "n_wrong" and "n_listed" rows.
    """
    assert scored.labels is not None
    labels = [text if len(text := str(label)) <= 80 else f"{text[:79]}…" for label in scored.labels.tolist()]
    matrix = confusion_matrix(scored.y, scored.predicted, len(labels))
    is_small = len(labels) <= _MOST_COLUMNS
    pairs = _pairs(matrix)
    cells, n_listed = _cells(scored, pairs if is_small else pairs[:_MOST_PAIRS])
    by_class = _by_class(scored, labels)
    return {
        "labels": labels,
        "matrix": [[(n, n / (sum(row) or 1)) for n in row] for row in matrix.tolist()] if is_small else None,
        "by_class": by_class[:_LONGEST_TABLE],
        "pairs": [(labels[a], labels[b], f"{a},{b}", n) for a, b, n in pairs[: 10 if is_small else _MOST_PAIRS]],
        "cells": cells,
        "n_wrong": int(matrix.sum() - matrix.trace()),
        "n_listed": n_listed,
    }


def _pairs(matrix: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Return the classes that are mistaken, those that are predicted, and how many rows; the most first."""
    wrong = matrix - np.diag(matrix.diagonal())
    at = np.flatnonzero(wrong)
    order = at[np.argsort(-wrong.flat[at], kind="stable")]
    return [(*divmod(place, len(matrix)), int(wrong.flat[place])) for place in order.tolist()]


def _by_class(scored: ScoredRows, labels: list[str]) -> list[dict[str, Any]]:
    """Return precision, recall, F1 and support of each class; of many those of the lowest F1 first."""
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(
        scored.y, scored.predicted, labels=np.arange(len(labels)), zero_division=np.nan
    )
    names = ("precision", "recall", "f1", "support")
    rows = [
        {"label": label} | {name: None if value != value else value for name, value in zip(names, values, strict=True)}
        for label, *values in zip(labels, *(column.tolist() for column in columns), strict=True)
    ]
    if len(rows) > _LONGEST_TABLE:
        # False before True: classes without rows, which have no F1, come last.
        rows.sort(key=lambda row: (row["support"] == 0, row["f1"] or 0.0))
    return rows


def _cells(scored: ScoredRows, pairs: list[tuple[int, int, int]]) -> tuple[dict[str, list[dict[str, Any]]], int]:
    """Return the rows of the mistakes by cell, and how many rows are listed."""
    wrong = np.flatnonzero(scored.y != scored.predicted)
    # Both classes in one number, by which rows are sorted and those of a cell are found.
    codes = scored.y[wrong] * np.int64(1 << 32) + scored.predicted[wrong]
    # The most certain first, then in the order of the rows.
    order = np.lexsort((wrong, -scored.certainty[wrong], codes))
    wrong, codes = wrong[order], codes[order]
    rows_by_pair: dict[str, list[dict[str, Any]]] = {}
    n_listed = n_pictures = 0
    for a, b, n in pairs:
        n_rows = min(n, _MOST_ROWS, _ROWS_OF_SUBSET - n_listed)
        if n_rows <= 0:
            break
        first = int(np.searchsorted(codes, a * (1 << 32) + b))
        at = wrong[first : first + n_rows]
        certain = scored.certainty[at].astype(float).tolist()
        rows_by_pair[f"{a},{b}"] = [
            {"id": i, "p": round(p, 4)} for i, p in zip(scored.ids_of(at), certain, strict=True)
        ]
        n_listed += n_rows
        if scored.pictures_of is not None and n_pictures < _PICTURES_OF_SUBSET:
            pictures = shown(scored.pictures_of(at[:_MOST_PICTURES]))
            n_pictures += len(pictures)
            for row, picture in zip(rows_by_pair[f"{a},{b}"], pictures, strict=False):
                row["picture"] = picture
    return rows_by_pair, n_listed
