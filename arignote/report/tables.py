"""Tables in plain text."""

from __future__ import annotations

from arignote.layers.architecture import Architecture

__all__ = ["layer_table"]


def layer_table(architecture: Architecture) -> str:
    """Return the table of layers: name, type, output shape, parameters, totals."""
    head = ("name", "type", "output shape", "parameters")
    body = [
        (name, kind, " x ".join(map(str, shape)), f"{n_params:,}")
        for name, kind, shape, n_params in architecture.table()
    ]
    rows = [head, *body, ("total", "", "", f"{architecture.n_params:,}")]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "  ".join(
            f"{cell:<{w}}" if i < 3 else f"{cell:>{w}}" for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    rule = "-" * len(lines[0])
    notes = [f"note: {note}" for note in architecture.notes]
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], *notes])
