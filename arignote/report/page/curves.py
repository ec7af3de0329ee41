"""The curves of runs, as plain data: columns of the history over epochs, thinned, and where processes began."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import inf
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arignote.checkpoints.progress import OBSERVER, subset_of
from arignote.checkpoints.state import TrainingState
from arignote.data.prepare.prepared import SUBSETS
from arignote.report.json_text import json_safe
from arignote.report.score_text import score_text

__all__ = ["batch_size_of", "charts_of", "marks_of"]

Columns = dict[str, NDArray[np.float64]]

# Of all columns together, so that the page stays small: 20 bytes each. A curve of fewer rows cannot be read.
_MOST_NUMBERS = 12_000
_FEWEST_ROWS = 80
_NO_LOSSES = ("epoch", "examples_seen", "seconds")


def charts_of(state: TrainingState, share: int = 1) -> dict[str, Any]:
    """Return the charts of a run.

    Parameters
    ----------
    state : TrainingState
    share : int
        What share of the numbers of a page it has: 1 / `share`.

    Returns
    -------
    dict
        "x": the epochs of the drawn validations; "best": which of them is the best one; "charts": each with `title`,
        `kind` ("loss", "rule" or "monitor") and its `series`, with `values` and a `summary` in words; "n_validations",
        and "n_drawn", which is smaller if they were thinned: of each stretch the lowest and the highest value of each
        loss are drawn.
    """
    columns = state.history.arrays()
    titles = _titles(state, columns)
    best = state.best_row
    losses = [columns[name] for names in titles["loss"].values() for name in names]
    most = _MOST_NUMBERS // (share * max(len(columns), 1))
    rows, x = _drawn(len(state.history), losses, best, max(most, _FEWEST_ROWS)), _epochs(state, columns)

    def series(kind: str, name: str, at: int) -> dict[str, Any]:
        role, values = subset_of(name) if kind == "loss" else at, columns[name]
        return {
            "name": name,
            "role": role,
            "values": json_safe(values[rows].tolist()),
            "summary": _summary(name, values, x),
        }

    charts = [
        {"title": title, "kind": kind, "series": [series(kind, name, at) for at, name in enumerate(names)]}
        for kind, of_kind in titles.items()
        for title, names in of_kind.items()
    ]
    return {
        "x": json_safe(x[rows].tolist()),
        "best": None if best is None else rows.tolist().index(best),
        "charts": charts,
        "n_validations": len(state.history),
        "n_drawn": len(rows),
    }


def batch_size_of(state: TrainingState) -> int:
    """Return the rows of a batch; 0 if that is all rows, or the file does not say it."""
    size = state.spec["fit"].get("batch_size")
    return size if type(size) is int and size > 0 else 0


def _titles(state: TrainingState, columns: Columns) -> dict[str, dict[str, list[str]]]:
    """Return the columns of each chart by its title, by the kind of the chart."""
    losses: dict[str, list[str]] = {}
    monitored: dict[str, list[str]] = {}
    rules = [name for name in ("learning_rate", "momentum", *state.rules) if name in columns]
    for name in columns:
        subset = subset_of(name)
        if subset is not None:
            losses.setdefault(name.removeprefix(f"{subset}_"), []).append(name)
        elif name not in (*rules, *_NO_LOSSES):
            layer, _, statistic = name.rpartition(".")
            monitored.setdefault(f"{statistic} of outputs" if layer else name, []).append(name)
    return {"loss": losses, "rule": {name: [name] for name in rules}, "monitor": monitored}


def _summary(name: str, values: NDArray[np.float64], x: NDArray[np.float64]) -> str:
    """Return a curve in words, for those who do not see it."""
    finite = np.flatnonzero(np.isfinite(values))
    if not len(finite):
        return f"{name} has no finite value"
    first, last, low = finite[0], finite[-1], finite[np.argmin(values[finite])]
    text = {at: score_text(name, float(values[at])) for at in (first, last, low)}
    return f"{name} from {text[first]} to {text[last]}, lowest {text[low]} in epoch {x[low]:.4g}"


def _drawn(n_rows: int, columns: Sequence[NDArray[np.float64]], best: int | None, most: int) -> NDArray[np.int64]:
    """Return the rows (n,) that are drawn: all, or of each stretch the lowest and the highest value of each column."""
    if n_rows <= most:
        return np.arange(n_rows)
    kept = {0, n_rows - 1, *([] if best is None else [best])}
    # Two rows, the lowest and the highest, are kept of each stretch and column.
    edges = np.linspace(0, n_rows, max(most // (2 * max(len(columns), 1)), 1) + 1).astype(int).tolist()
    for column in columns:
        for first, end in pairwise(edges):
            finite = first + np.flatnonzero(np.isfinite(column[first:end]))
            if len(finite):
                kept |= {int(finite[np.argmin(column[finite])]), int(finite[np.argmax(column[finite])])}
    return np.array(sorted(kept))


class _EpochSizes(NamedTuple):
    """Rows of an epoch, those of a final one, and the number of epochs before the final ones."""

    n_rows: int
    n_final: int
    final_since: float

    def of(self, epoch: int) -> int:
        """Return the rows of an epoch (from 0)."""
        return self.n_rows if epoch < self.final_since else self.n_final

    def before(self, epoch: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the rows of all epochs before an epoch (from 0)."""
        n_usual = np.minimum(epoch, self.final_since)
        return n_usual * self.n_rows + (epoch - n_usual) * self.n_final


def _sizes(state: TrainingState) -> _EpochSizes | None:
    """Return the sizes of epochs; None if the file does not record them."""
    try:
        n_rows = [state.data[subset]["features"]["shape"][0] for subset in SUBSETS if subset in state.data]
    except (KeyError, TypeError, IndexError):
        return None
    if not n_rows or not all(type(n) is int and n > 0 for n in n_rows):
        return None
    final, size = state.progress.final_since, batch_size_of(state)
    drops = bool(state.spec["fit"].get("drop_last"))
    usual, of_final = (n - n % size if drops and 0 < size <= n else n for n in (n_rows[0], sum(n_rows)))
    return _EpochSizes(usual, of_final, inf if final is None else final)


def _epochs(state: TrainingState, columns: Columns) -> NDArray[np.float64]:
    """Return how many epochs (rows,) were complete at each validation, with fractions in mid-epoch."""
    epoch, sizes = columns.get("epoch", np.arange(1.0, len(state.history) + 1)), _sizes(state)
    if state.spec["fit"].get("validation_frequency") is None or sizes is None or "examples_seen" not in columns:
        return epoch
    n_of = np.where(epoch - 1 < sizes.final_since, sizes.n_rows, sizes.n_final)
    epochs: NDArray[np.float64] = epoch - 1 + np.clip((columns["examples_seen"] - sizes.before(epoch - 1)) / n_of, 0, 1)
    return epochs


def marks_of(state: TrainingState) -> list[dict[str, Any]]:
    """Return where processes of the run began after the first one, and where it is stopped now: `x` and `text`."""
    progress, sizes, size = state.progress, _sizes(state), batch_size_of(state)

    def mark(epoch: int, batch: int, text: str) -> dict[str, Any]:
        share = min(batch * size / sizes.of(epoch), 1.0) if sizes is not None and size else 0.0
        return {"x": epoch + share, "text": text}

    causes = ["unknown"] * (len(state.starts) - len(state.causes)) + state.causes
    marks = []
    # Without the first one, with which the run began.
    for (epoch, batch), cause in list(zip(state.starts, causes, strict=False))[1:]:
        where = f"in epoch {epoch + 1}, after batch {batch}" if batch else f"after epoch {epoch}"
        marks.append(mark(epoch, batch, f"{where}: {_in_words(cause)}"))
    if progress.interrupted:
        marks.append(mark(progress.epoch, progress.batch, f"{state.position}: stopped by {_name(progress.stopped_by)}"))
    return marks


def _in_words(cause: str) -> str:
    words = {"killed": "killed, and resumed", "unknown": "resumed", "finished": "continued after its end"}
    return words.get(cause) or f"stopped by {_name(cause)}, and resumed"


def _name(cause: str | None) -> str:
    return "an observer" if cause == OBSERVER else str(cause)
