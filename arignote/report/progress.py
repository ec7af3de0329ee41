"""Observers that print: a table line per validation, and a bar per epoch where there is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from math import isfinite, nan
from typing import Any, TextIO

from arignote.trainer import Event

__all__ = ["ProgressLines"]


def _cell(name: str, value: Any) -> str:
    if name in ("epoch", "examples_seen"):
        return str(value)
    if value != value:
        # The test data is scored at a new best only.
        return "" if name.startswith("test_") else "nan"
    if name.endswith("error"):
        return f"{100 * value:.2f} %"
    return f"{value:.2f}" if name == "seconds" else f"{value:.5g}"


class ProgressLines:
    """Prints the history as it grows.

    Parameters
    ----------
    file : text file, optional
        Where; standard output by default.
    """

    def __init__(self, file: TextIO | None = None):
        self._file = file or sys.stdout
        self._bar = self._file.isatty()
        self._header = False
        self._drawn = 0.0

    def __call__(self, event: Event) -> None:
        if event.kind == "start":
            if event.text.startswith("goes on"):
                print(event.text, file=self._file, flush=True)
        elif event.kind == "validation":
            # The first validation is the best so far, whatever it found; one that is not finite earns no star.
            loss = next((value for name, value in event.record.items() if name.startswith("valid_")), nan)
            self._line(event.record, event.is_best and isfinite(loss))
        elif self._bar and time.monotonic() - self._drawn > 0.1:
            self._drawn = time.monotonic()
            done = 30 * event.batch // event.n_batches
            bar = "=" * done + " " * (30 - done)
            text = f"\repoch {event.epoch}/{event.n_epochs} [{bar}] {event.batch}/{event.n_batches}"
            print(text, end="", file=self._file, flush=True)

    def _line(self, record: Mapping[str, Any], is_best: bool) -> None:
        if self._bar:
            # The bar gives way.
            print("\r\033[K", end="", file=self._file)
        widths = {name: max(len(name), 9) for name in record}
        if not self._header:
            self._header = True
            print("  ".join(f"{name:>{w}}" for name, w in widths.items()), file=self._file)
        cells = "  ".join(f"{_cell(name, value):>{widths[name]}}" for name, value in record.items())
        print(f"{cells}{'  *' if is_best else ''}", file=self._file, flush=True)
