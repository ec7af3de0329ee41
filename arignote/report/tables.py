"""Tables in plain text.

Tables of rich are not used: in a pipe they are cut or wrapped at 80 columns, and importing rich takes longer (90 ms)
than all else that these tables need.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from arignote.layers.architecture import Architecture

__all__ = ["aligned", "layer_table", "setup_line"]


def aligned(rows: Sequence[Sequence[str]], n_left: int = 0) -> list[str]:
    """Return the lines of a table: the first `n_left` columns aligned to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = ["<"] * n_left + [">"] * (len(widths) - n_left)
    return ["  ".join(f"{cell:{s}{w}}" for cell, s, w in zip(row, sides, widths, strict=True)) for row in rows]


def layer_table(architecture: Architecture) -> str:
    """Return the table of layers: name, type, output shape, parameters, totals; below it notes on layers."""
    head = ("name", "type", "output shape", "parameters")
    body = [
        (name, kind, " x ".join(map(str, shape)), f"{n_params:,}")
        for name, kind, shape, n_params in architecture.table()
    ]
    lines = aligned([head, *body, ("total", "", "", f"{architecture.n_params:,}")], n_left=3)
    rule = "-" * len(lines[0])
    notes = [f"note: {note}" for note in architecture.notes]
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], *notes])


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
