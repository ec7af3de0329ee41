"""Tables in plain text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from arignote.layers.architecture import Architecture, Placed
from arignote.layers.base import ParametricLayer
from arignote.layers.costs import LayerCosts, costs_of
from arignote.safe.memory import size_text

__all__ = ["epoch_line", "layer_content", "layer_table", "setup_line", "table_lines"]

# Between columns.
_GAP = "  "
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def table_lines(
    head: Sequence[str], body: Iterable[Sequence[str]], totals: Sequence[str] = (), n_left: int = 0
) -> list[str]:
    """Return the lines of a table, which is as wide as its cells whatever the width of the terminal.

    Parameters
    ----------
    head : sequence of str
        Names of the columns.
    body : iterable of sequence of str
        Rows.
    totals : sequence of str, optional
        The last row, below a line.
    n_left : int
        The first columns are aligned to the left, the others to the right.
    """
    # The name of a class may hold anything, a line break or what moves the cursor.
    rows = [[_CONTROL.sub(lambda found: repr(found[0])[1:-1], cell) for cell in row] for row in (head, *body)]
    ends = [list(totals)] if totals else []
    widths = [max(map(_width, column)) for column in zip(*rows, *ends, strict=True)]
    rule = "-" * (sum(widths) + len(_GAP) * (len(widths) - 1))

    def line(row: Sequence[str]) -> str:
        fills = [" " * (width - _width(cell)) for width, cell in zip(widths, row, strict=True)]
        pairs = zip(row, fills, strict=True)
        return _GAP.join(cell + fill if n < n_left else fill + cell for n, (cell, fill) in enumerate(pairs))

    lines = [line(rows[0]), rule, *map(line, rows[1:])]
    return [*lines, rule, *map(line, ends)] if ends else lines


def _width(text: str) -> int:
    """Return the columns that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    # Only for other text, such as Chinese, whose characters take two: importing rich takes 0.1 s.
    from rich.cells import cell_len

    return cell_len(text)


def layer_table(architecture: Architecture, n_rows: int) -> str:
    """Return the table of layers, with totals; below it what its numbers are of, and notes on layers.

    Parameters
    ----------
    architecture : Architecture
    n_rows : int
        Rows of a batch, whose outputs take the memory; -1, which means all training rows, counts as one.
    """
    # -1 means all rows, whose number is not known here.
    n_rows = max(n_rows, 1)
    costs = costs_of(architecture)
    body = [(one.name, one.type, " x ".join(map(str, one.output_shape)), *_numbers([one], n_rows)) for one in costs]
    head = ("name", "type", "output shape", "parameters", "multiply-adds", "memory")
    lines = table_lines(head, body, ("total", "", "", *_numbers(costs, n_rows)), n_left=3)
    size = f"{n_rows:,} row{'s' if n_rows > 1 else ''}"
    meaning = f"multiply-adds: of one row, forward; memory: outputs of a batch of {size}, float32"
    fixed = [text for place in architecture.placed if (text := _fixed(place))]
    below = [meaning, *([f"fixed: {'; '.join(fixed)}"] if fixed else [])]
    return "\n".join([*lines, *below, *(f"note: {note}" for note in architecture.notes)])


def layer_content(architecture: Architecture, n_rows: int) -> dict[str, Any]:
    """Return what `layer_table` shows, as plain data; `n_multiply_adds` and `n_bytes` of a layer are of one row."""
    costs = costs_of(architecture)
    return {
        "layers": [one._asdict() for one in costs],
        "n_params": sum(one.n_params for one in costs),
        "batch_size": max(n_rows, 1),
        "fixed": [text for place in architecture.placed if (text := _fixed(place))],
        "notes": list(architecture.notes),
    }


def _fixed(place: Placed) -> str:
    """Return which parameters of a layer are fixed, and for how long; empty if none are."""
    layer = place.layer
    names = [name for name in place.params if isinstance(layer, ParametricLayer) and layer.is_fixed(name)]
    if not names:
        return ""
    of_layer = place.name if len(names) == len(place.params) else f"{place.name} ({', '.join(names)})"
    n_epochs = getattr(layer, "thaw_at", None)
    return of_layer if n_epochs is None else f"{of_layer} for {n_epochs} epoch{'s' if n_epochs > 1 else ''}"


def _numbers(costs: Sequence[LayerCosts], n_rows: int) -> tuple[str, str, str]:
    """Return the sums of what layers cost, as cells."""
    n_params, n_multiply_adds, n_bytes = (
        sum(getattr(one, name) for one in costs) for name in ("n_params", "n_multiply_adds", "n_bytes")
    )
    return f"{n_params:,}", f"{n_multiply_adds:,}", size_text(n_rows * n_bytes)


def setup_line(settings: Mapping[str, Any], seconds: float, *, is_default: bool, is_chosen: bool) -> str:
    """Return a line on a setup of the engine that was measured.

    Parameters
    ----------
    settings : dict
        As `fit` takes them.
    seconds : float
        Of one step.
    is_default : bool
        Whether the rules of shapes choose it.
    is_chosen : bool
        Whether it is written into the config.
    """
    text = ", ".join(f"{name}: {json.dumps(value)}" for name, value in settings.items())
    notes = [note for note, is_so in (("by rule", is_default), ("chosen", is_chosen)) if is_so]
    return f"{1000 * seconds:9.3f} ms a step  {text}{'  <- ' + ', '.join(notes) if notes else ''}"


def epoch_line(seconds: float, step_seconds: float, n_steps: int, n_timed: int) -> str:
    """Return a line on the estimated time of an epoch: of all of its steps, of one step, and how many were timed."""
    return (
        f"an epoch takes about {seconds:.3g} s without its validation: {n_steps:,} steps of "
        f"{1000 * step_seconds:.3g} ms ({n_timed:,} timed)"
    )
