"""Tables in plain text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from arignote.layers.architecture import Architecture

__all__ = ["layer_table", "score_text", "setup_line", "table_lines"]

# Lines below the head and above the totals; in ASCII, so that a table can be printed in any encoding.
_BOX = "    \n    \n -- \n    \n -- \n -- \n    \n    \n"


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
    # Importing rich takes as long as all else that most commands need.
    from rich.box import Box
    from rich.console import Console
    from rich.table import Table

    table = Table(
        box=Box(_BOX, ascii=True),
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        show_footer=bool(totals),
    )
    for column, name in enumerate(head):
        total = totals[column] if totals else ""
        table.add_column(name, total, justify="left" if column < n_left else "right", no_wrap=True)
    for row in body:
        table.add_row(*row)
    # Labels are no markup.
    console = Console(width=1_000_000, color_system=None, markup=False, emoji=False, highlight=False)
    with console.capture() as printed:
        console.print(table)
    return printed.get().splitlines()


def layer_table(architecture: Architecture) -> str:
    """Return the table of layers: name, type, output shape, parameters, totals; below it notes on layers."""
    body = [
        (name, kind, " x ".join(map(str, shape)), f"{n_params:,}")
        for name, kind, shape, n_params in architecture.table()
    ]
    totals = ("total", "", "", f"{architecture.n_params:,}")
    lines = table_lines(("name", "type", "output shape", "parameters"), body, totals, n_left=3)
    return "\n".join([*lines, *(f"note: {note}" for note in architecture.notes)])


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


def score_text(name: str, value: float) -> str:
    """Return a loss as text: an error in percent, unless it is a distance in ranks."""
    is_share = name.endswith("error") and not name.endswith("rank_error")
    return f"{100 * value:.2f} %" if is_share else f"{value:.5g}"
