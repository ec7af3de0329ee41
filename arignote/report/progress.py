"""An observer that prints: a line of a table for each validation; between them a bar, or lines where there is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from math import inf, isfinite, nan
from typing import Any, Self, TextIO

from arignote.observers.events import Event
from arignote.report.bars import bar_on
from arignote.report.tables import score_text

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
    return f"{value:.2f}" if name == "seconds" else score_text(name, value)


class ProgressLines:
    """Observer that prints the history as it grows; a context, at whose end the bar is erased.

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
        self._bar = bar_on(self._file)
        self._header = False
        # Time at which the bar was drawn, or a line printed.
        self._drawn = -inf if self._bar else self._clock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.erase()

    def __call__(self, event: Event) -> None:
        if event.kind == "start":
            if event.text.startswith("resumes"):
                print(event.text, file=self._file, flush=True)
        elif event.kind == "validation":
            # The first validation is the best so far, even if its loss is not finite; then it has no star.
            loss = next((value for name, value in event.record.items() if name.startswith("valid_")), nan)
            if self._bar and self._bar.gives_way:
                self._bar.erase()
            self._line(event.record, event.is_best and isfinite(loss))
            self._drawn = self._drawn if self._bar else self._clock()
        elif event.kind == "batch":
            self._position(event)

    def _position(self, event: Event) -> None:
        """Draw the bar, or print a line, unless the last one is recent."""
        if self._clock() - self._drawn < (BAR_SECONDS if self._bar else LINE_SECONDS):
            return
        self._drawn = self._clock()
        epoch = f"epoch {event.epoch}/{event.n_epochs}"
        if self._bar:
            self._bar.draw(epoch, event.batch, event.n_batches)
        else:
            print(f"{epoch}, batch {event.batch}/{event.n_batches}", file=self._file, flush=True)

    def _line(self, record: Mapping[str, Any], is_best: bool) -> None:
        widths = {name: max(len(name), 9) for name in record}
        if not self._header:
            self._header = True
            print("  ".join(f"{name:>{w}}" for name, w in widths.items()), file=self._file)
        cells = "  ".join(f"{_cell(name, value):>{widths[name]}}" for name, value in record.items())
        print(f"{cells}{'  *' if is_best else ''}", file=self._file, flush=True)
