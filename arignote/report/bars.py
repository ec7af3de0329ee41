"""The bar of an epoch, on a terminal or in the output of a notebook."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

__all__ = ["NotebookBar", "TerminalBar", "bar_on"]


def bar_on(file: TextIO) -> TerminalBar | NotebookBar | None:
    """Return the bar for a file; None if it can show none."""
    if file.isatty():
        # No bar in a terminal that cannot move its cursor.
        return None if os.environ.get("TERM", "").lower() in ("dumb", "unknown") else TerminalBar(file)
    return NotebookBar() if file is sys.stdout and _is_notebook() else None


def _is_notebook() -> bool:
    # In a notebook it has been imported; rich, which takes 0.1 s, knows the kinds of notebooks.
    if "IPython" not in sys.modules:
        return False
    from rich.console import Console

    return Console().is_jupyter


def _progress(console: Console | None) -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    # Without auto_refresh, which starts a thread that would draw beside the training loop.
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[more]}"),
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    bar.add_task("", visible=False, more="")
    return bar


def _update(bar: Progress, text: str, n_done: int, n_all: int, more: str) -> None:
    [task] = bar.task_ids
    bar.update(task, description=text, completed=n_done, total=n_all, more=more, visible=True)


class TerminalBar:
    """A bar in the last line of a terminal; erased, it leaves nothing behind.

    Above the rows of a table it would have to draw them again with each change: a line that others print, or a window
    that is made narrower, leaves some of them twice.
    """

    # Whether it is erased before a line is printed.
    gives_way = True

    def __init__(self, file: TextIO):
        self._file = file
        # While it is on the terminal.
        self._bar: Progress | None = None

    def draw(self, text: str, n_done: int, n_all: int, more: str = "") -> None:
        """Draw the bar: a text before it; after it how many of all are done, and more text."""
        if self._bar is None:
            # Imported with the first bar: it takes 0.1 s.
            from rich.console import Console

            self._bar = _progress(Console(file=self._file, force_jupyter=False))
            self._bar.start()
            # A process that is killed cannot show the cursor again.
            self._bar.console.show_cursor(True)
        _update(self._bar, text, n_done, n_all, more)
        self._bar.refresh()

    def erase(self) -> None:
        """Erase the bar, until it is drawn again."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class NotebookBar:
    """A bar in an output of its own above the lines of a notebook; erased, this is empty.

    The bar of rich in notebooks needs ipywidgets. Here its HTML is the output, which is replaced.
    """

    gives_way = False

    def __init__(self) -> None:
        self._bar: Progress | None = None
        # Replaces what is in the output.
        self._output: Any = None
        self._is_drawn = False

    def draw(self, text: str, n_done: int, n_all: int, more: str = "") -> None:
        """Draw the bar: a text before it; after it how many of all are done, and more text."""
        self._bar = self._bar or _progress(None)
        self._is_drawn = True
        _update(self._bar, text, n_done, n_all, more)
        if self._output is not None:
            self._output.update(self._bar)
            return
        from IPython.display import display

        self._output = display(self._bar, display_id=True)

    def erase(self) -> None:
        """Erase the bar, until it is drawn again."""
        if self._is_drawn:
            self._is_drawn = False
            self._output.update({"text/plain": ""}, raw=True)
