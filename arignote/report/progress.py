"""An observer that prints: a line of a table for each validation; between them a bar on a terminal, else lines.

Progress bars of rich are not used: importing rich takes a tenth of a second, and a thread of it would draw beside the
training loop.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from math import inf, isfinite, nan
from typing import Any, TextIO

from arignote.report.events import Event

__all__ = ["ProgressLines"]

# Seconds between two drawings of the bar on a terminal, and between two lines elsewhere.
BAR_SECONDS = 0.1
LINE_SECONDS = 30.0


def _cell(name: str, value: Any) -> str:
    """Return a value of the history as text: errors in percent, seconds with two digits."""
    if name in ("epoch", "examples_seen"):
        return str(value)
    if value != value:
        # The test data is scored only at a new best.
        return "" if name.startswith("test_") else "nan"
    if name.endswith("error"):
        return f"{100 * value:.2f} %"
    return f"{value:.2f}" if name == "seconds" else f"{value:.5g}"


class ProgressLines:
    """Observer that prints the history as it grows.

    Parameters
    ----------
    file : text file, optional
        The file to print to; standard output by default.
    clock : callable, optional
        Returns seconds; `time.monotonic` by default.
    """

    def __init__(self, file: TextIO | None = None, clock: Callable[[], float] | None = None):
        self._file = file or sys.stdout
        self._clock = clock or time.monotonic
        self._bar = self._file.isatty()
        self._header = False
        # Time at which the bar was drawn, or a line printed.
        self._drawn = -inf if self._bar else self._clock()

    def __call__(self, event: Event) -> None:
        if event.kind == "start":
            if event.text.startswith("resumes"):
                print(event.text, file=self._file, flush=True)
        elif event.kind == "validation":
            # The first validation is the best so far, even if its loss is not finite; then it has no star.
            loss = next((value for name, value in event.record.items() if name.startswith("valid_")), nan)
            self._line(event.record, event.is_best and isfinite(loss))
            self._drawn = self._drawn if self._bar else self._clock()
        elif self._clock() - self._drawn < (BAR_SECONDS if self._bar else LINE_SECONDS):
            return
        elif not self._bar:
            self._drawn = self._clock()
            text = f"epoch {event.epoch}/{event.n_epochs}, batch {event.batch}/{event.n_batches}"
            print(text, file=self._file, flush=True)
        else:
            self._drawn = self._clock()
            done = 30 * event.batch // event.n_batches
            bar = "=" * done + " " * (30 - done)
            text = f"\repoch {event.epoch}/{event.n_epochs} [{bar}] {event.batch}/{event.n_batches}"
            print(text, end="", file=self._file, flush=True)

    def _line(self, record: Mapping[str, Any], is_best: bool) -> None:
        if self._bar:
            # Erase the bar.
            print("\r\033[K", end="", file=self._file)
        widths = {name: max(len(name), 9) for name in record}
        if not self._header:
            self._header = True
            print("  ".join(f"{name:>{w}}" for name, w in widths.items()), file=self._file)
        cells = "  ".join(f"{_cell(name, value):>{widths[name]}}" for name, value in record.items())
        print(f"{cells}{'  *' if is_best else ''}", file=self._file, flush=True)
