"""An observer that prints: a line of a table for each validation; between them a bar on a terminal, else lines."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from math import inf, isfinite, nan
from typing import TYPE_CHECKING, Any, Self, TextIO

from arignote.report.events import Event
from arignote.report.tables import score_text

if TYPE_CHECKING:
    from rich.progress import Progress

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


def _bar_on(file: TextIO) -> Progress:
    """Return a bar that is drawn on a terminal; stopped, it leaves nothing behind."""
    # Imported with the first bar: it takes 0.1 s.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    # Without auto_refresh, which starts a thread that would draw beside the training loop.
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=Console(file=file),
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    bar.add_task("", visible=False)
    bar.start()
    # A process that is killed cannot show the cursor again.
    bar.console.show_cursor(True)
    return bar


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
        # No bar in a terminal that cannot move its cursor.
        self._is_terminal = self._file.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
        # While it is on the terminal.
        self._bar: Progress | None = None
        self._header = False
        # Time at which the bar was drawn, or a line printed.
        self._drawn = -inf if self._is_terminal else self._clock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._erase()

    def __call__(self, event: Event) -> None:
        if event.kind == "start":
            if event.text.startswith("resumes"):
                print(event.text, file=self._file, flush=True)
        elif event.kind == "validation":
            # The first validation is the best so far, even if its loss is not finite; then it has no star.
            loss = next((value for name, value in event.record.items() if name.startswith("valid_")), nan)
            self._erase()
            self._line(event.record, event.is_best and isfinite(loss))
            self._drawn = self._drawn if self._is_terminal else self._clock()
        elif event.kind == "batch":
            self._position(event)

    def _position(self, event: Event) -> None:
        """Draw the bar, or print a line, unless the last one is recent."""
        if self._clock() - self._drawn < (BAR_SECONDS if self._is_terminal else LINE_SECONDS):
            return
        self._drawn = self._clock()
        epoch = f"epoch {event.epoch}/{event.n_epochs}"
        if not self._is_terminal:
            print(f"{epoch}, batch {event.batch}/{event.n_batches}", file=self._file, flush=True)
            return
        self._bar = self._bar or _bar_on(self._file)
        [task] = self._bar.task_ids
        done = {"completed": event.batch, "total": event.n_batches}
        self._bar.update(task, description=epoch, **done, visible=True, refresh=True)

    def _erase(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _line(self, record: Mapping[str, Any], is_best: bool) -> None:
        widths = {name: max(len(name), 9) for name in record}
        if not self._header:
            self._header = True
            print("  ".join(f"{name:>{w}}" for name, w in widths.items()), file=self._file)
        cells = "  ".join(f"{_cell(name, value):>{widths[name]}}" for name, value in record.items())
        print(f"{cells}{'  *' if is_best else ''}", file=self._file, flush=True)
