"""An observer that prints: a line of a table for each validation; between them a bar, or lines where there is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from math import inf, isfinite, nan
from typing import Any, Self, TextIO

from arignote.observers.events import Event
from arignote.report.bars import bar_on
from arignote.report.score_text import score_text
from arignote.safe.memory import peak_bytes, size_text

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


class _Pace:
    """Speed of a process that trains, and the time that is left.

    Parameters
    ----------
    seconds : float
        The time at the start.
    start : Event
        Where the process begins.
    """

    def __init__(self, seconds: float, start: Event):
        self._seconds, self._start = seconds, start

    def words(self, now: float, event: Event) -> list[str]:
        """Return the rate and the time that is left, both with validations; nothing before the first batch."""
        n_done, seconds = _batches(event) - _batches(self._start), now - self._seconds
        if n_done <= 0 or seconds <= 0:
            return []
        left = round((event.n_epochs * event.n_batches - _batches(event)) * seconds / n_done)
        rate = (event.examples_seen - self._start.examples_seen) / seconds
        return [f"{rate:,.0f} rows/s", f"{timedelta(seconds=left)} left"]


def _batches(event: Event) -> int:
    """Return the number of batches that are done, of all epochs."""
    return (event.epoch - 1) * event.n_batches + event.batch


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
        self._pace: _Pace | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.erase()

    def __call__(self, event: Event) -> None:
        if event.kind == "start":
            self._pace = _Pace(self._clock(), event)
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
        now = self._clock()
        if now - self._drawn < (BAR_SECONDS if self._bar else LINE_SECONDS):
            return
        self._drawn = now
        epoch = f"epoch {event.epoch}/{event.n_epochs}"
        words = [] if self._pace is None else self._pace.words(now, event)
        if self._bar:
            # The bar takes what is left of the line.
            self._bar.draw(epoch, event.batch, event.n_batches, "  ".join([*words, size_text(peak_bytes())]))
        else:
            print(", ".join([epoch, f"batch {event.batch}/{event.n_batches}", *words]), file=self._file, flush=True)

    def _line(self, record: Mapping[str, Any], is_best: bool) -> None:
        widths = {name: max(len(name), 9) for name in record}
        if not self._header:
            self._header = True
            print("  ".join(f"{name:>{w}}" for name, w in widths.items()), file=self._file)
        cells = "  ".join(f"{_cell(name, value):>{widths[name]}}" for name, value in record.items())
        print(f"{cells}{'  *' if is_best else ''}", file=self._file, flush=True)
