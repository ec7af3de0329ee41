"""Tables in plain text."""

from __future__ import annotations

from collections.abc import Sequence

from arignote.layers.architecture import Architecture

__all__ = ["aligned", "layer_table"]


def aligned(rows: Sequence[Sequence[str]], n_left: int = 0) -> list[str]:
    """Return the lines of a table: the first `n_left` columns aligned to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = ["<"] * n_left + [">"] * (len(widths) - n_left)
    return ["  ".join(f"{cell:{s}{w}}" for cell, s, w in zip(row, sides, widths, strict=True)) for row in rows]


def layer_table(architecture: Architecture) -> str:
    """Return the table of layers: name, type, output shape, parameters, totals."""
    head = ("name", "type", "output shape", "parameters")
    body = [
        (name, kind, " x ".join(map(str, shape)), f"{n_params:,}")
        for name, kind, shape, n_params in architecture.table()
    ]
    lines = aligned([head, *body, ("total", "", "", f"{architecture.n_params:,}")], n_left=3)
    rule = "-" * len(lines[0])
    notes = [f"note: {note}" for note in architecture.notes]
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], *notes])
