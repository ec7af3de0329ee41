"""The values of rules over the epochs, as a table and as a drawing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from arignote.errors import ConfigError
from arignote.optim.rules.plan import PlannedUpdate
from arignote.report.tables import table_lines

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_values", "figure_of_values", "new_figure", "value_lines"]

# As the columns of the history.
_TITLES = {"lr": "learning_rate"}
# Points of an epoch that are drawn.
_MOST_POINTS = 100


def value_lines(updates: Iterable[PlannedUpdate]) -> list[str]:
    """Return the lines of a table with a row for each epoch; a value that changes within it is written as a -> b."""
    body, names = [], list[str]()
    for epoch, of_epoch in groupby(updates, key=lambda update: update.epoch):
        of_updates = list(of_epoch)
        first, last = of_updates[0], of_updates[-1]
        names = list(first.values)
        ends = [(f"{first.values[name]:.6g}", f"{last.values[name]:.6g}") for name in names]
        body.append([str(epoch), *(a if a == b else f"{a} -> {b}" for a, b in ends)])
    return table_lines(["epoch", *(_TITLES.get(name, name) for name in names)], body)


def draw_values(updates: Iterable[PlannedUpdate], path: Path) -> None:
    """Draw the values over the epochs into a file of a type that its extension names.

    Raises
    ------
    ConfigError
        If matplotlib is not installed, or cannot write the file.
    """
    try:
        figure = figure_of_values(updates)
    except ImportError as error:
        raise ConfigError(f"--plot {path}: {error}") from None
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--plot {path}: {error}") from None


def new_figure(width: float, height: float) -> Figure:
    """Return a figure of its own, without the global state of pyplot; its sizes are in inches.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("needs matplotlib: pip install 'arignote[plots]'") from None
    return Figure(figsize=(width, height), layout="constrained")


def figure_of_values(updates: Iterable[PlannedUpdate]) -> Figure:
    """Return a figure of the values over the epochs, one below the other."""
    drawn = [one for one in updates if one.number % (one.n_of_epoch // _MOST_POINTS + 1) == 0]
    names = list(drawn[0].values) if drawn else []
    figure = new_figure(8, 2 + 2 * len(names))
    for number, name in enumerate(names):
        axes = figure.add_subplot(len(names), 1, number + 1)
        # A value is in force from its update on.
        axes.step(*_points(drawn, name), where="post")
        axes.set_ylabel(_TITLES.get(name, name))
    if names:
        axes.set_xlabel("complete epochs")
    return figure


def _points(drawn: Sequence[PlannedUpdate], name: str) -> tuple[list[float], list[float]]:
    """Return complete epochs and the values in force from there on, up to the end of the last epoch."""
    x = [one.epoch - 1 + one.number / one.n_of_epoch for one in drawn]
    y = [one.values[name] for one in drawn]
    return [*x, drawn[-1].epoch], [*y, y[-1]]
