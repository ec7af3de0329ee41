"""Figures of matplotlib: the history, the confusion matrix and the filters of a fitted estimator, and planned rules.

They show what the page of a run shows (``arignote report``), and a script can change them.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.errors import ConfigError
from arignote.report.rule_values import figure_of_values, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from arignote.estimators.base import NNEstimator
    from arignote.estimators.predictor import Predictor

__all__ = ["plot_confusion", "plot_filters", "plot_history", "plot_schedule"]

# Colour and style of the curve of a subset, as on the page of a run.
_STYLES = {"train": ("0.5", "-"), "scored_train": ("0.5", ":"), "valid": ("C0", "-"), "test": ("C1", "--")}
_FILTERS_OF_ROW = 16


def plot_history(estimator: NNEstimator, *, log: bool = False) -> Figure:
    """Return a figure of the curves of a run over its epochs, one below the other.

    Parameters
    ----------
    estimator : NNEstimator
        Fitted, or loaded: ``NNClassifier.load("runs/digits")``.
    log : bool, default False
        Whether losses have a logarithmic axis.

    Returns
    -------
    matplotlib.figure.Figure
        With axes for each loss, each rule, and what is monitored. The best validation is marked by a circle, each place
        at which the run was resumed by a dashed line. Of very many validations some are left out, as on the page.

    Raises
    ------
    NotFittedError
        Before `fit`.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> plot_history(classifier).savefig("history.png")  # doctest: +SKIP
    """
    from arignote.report.page.curves import charts_of, marks_of

    state = _predictor_of(estimator).state
    curves, marks = charts_of(state), marks_of(state)
    charts = curves["charts"]
    heights = [3 if chart["kind"] == "loss" else 1 for chart in charts]
    figure = new_figure(8, 1 + sum(heights))
    for chart, axes in zip(charts, _stacked(figure, heights), strict=True):
        is_loss = chart["kind"] == "loss"
        for series in chart["series"]:
            values = np.array(series["values"], float)
            there = np.isfinite(values)
            color, style = _STYLES.get(series["role"], (None, "-"))
            x = np.array(curves["x"])
            # Without NaN, at which matplotlib would interrupt the line: test losses are there at new bests alone.
            axes.plot(x[there], values[there], style, color=color, label=series["name"])
            if series["role"] == "valid" and curves["best"] is not None:
                axes.plot(x[curves["best"]], values[curves["best"]], "o", color=color, markerfacecolor="white")
        for mark in marks:
            axes.axvline(mark["x"], color="0.6", linestyle="--", linewidth=0.8)
        axes.set_ylabel(chart["title"])
        axes.set_yscale("log" if log and is_loss else "linear")
        if len(chart["series"]) > 1 or is_loss:
            axes.legend()
    figure.supxlabel("epochs")
    return figure


def _predictor_of(estimator: NNEstimator) -> Predictor:
    if isinstance(estimator, str | Path):
        raise ConfigError(f"a fitted estimator is needed, as NNClassifier.load({str(estimator)!r}) returns; got a path")
    return estimator._predictor()


def _stacked(figure: Figure, heights: Sequence[int]) -> list[Any]:
    """Return axes below each other, with a common axis of epochs."""
    if not heights:
        return []
    return list(np.ravel(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)))


def plot_confusion(
    estimator: NNEstimator, X: Any, y: Any = None, *, part: str | None = None, rates: bool = False
) -> Figure:
    """Return a figure of the confusion matrix of a classifier, as scikit-learn draws it.

    Parameters
    ----------
    estimator : NNClassifier
        Fitted, with one class per row.
    X, y, part : object
        Data with labels, and which of its rows count, as in `NNClassifier.confusion`.
    rates : bool, default False
        Whether cells are shares of the rows of their true class, in [0, 1], in place of counts.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ConfigError
        If the estimator does not predict one class per row.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> plot_confusion(classifier, X, y, part="valid").savefig("matrix.png")  # doctest: +SKIP
    """
    if not hasattr(estimator, "confusion"):
        raise ConfigError(f"a confusion matrix is of classes; {type(estimator).__name__} predicts numbers")
    matrix, _ = estimator.confusion(X, y, part=part)
    size = 2 + 0.45 * len(matrix)
    figure = new_figure(size, size)
    # It imports matplotlib itself.
    from sklearn.metrics import ConfusionMatrixDisplay

    shown = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1) if rates else matrix
    classes: Any = estimator.classes_
    labels = classes[_predictor_of(estimator).targets.main] if isinstance(classes, dict) else classes
    display = ConfusionMatrixDisplay(shown, display_labels=labels)
    display.plot(ax=figure.subplots(), cmap="Blues", colorbar=False, values_format=".2f" if rates else "d")
    return figure


def plot_filters(estimator: NNEstimator, layer: str | None = None) -> Figure:
    """Return a figure of the filters of a convolution of images.

    Parameters
    ----------
    estimator : NNEstimator
        Fitted, or loaded.
    layer : str, optional
        Name of the convolution; by default the first one.

    Returns
    -------
    matplotlib.figure.Figure
        With axes for each filter: in colour if it has three channels, else for each channel of each filter, up to 64. A
        filter is scaled by its largest absolute weight, so that 0 is the same grey in all.

    Raises
    ------
    NotFittedError
        Before `fit`.
    ConfigError
        If there is no such convolution.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> plot_filters(classifier, "conv1").savefig("filters.png")  # doctest: +SKIP
    """
    from arignote.report.page.pictures import filters_of, weights_of_filters

    network = _predictor_of(estimator).network
    filters = weights_of_filters(network.architecture, dict(network.arrays()), layer)
    if filters is None:
        raise ConfigError(f"there is no convolution of images{'' if layer is None else f' {layer!r}'} in the network")
    pixels, _ = filters_of(filters[1])
    n_columns = min(len(pixels), _FILTERS_OF_ROW)
    n_rows = ceil(len(pixels) / n_columns)
    figure = new_figure(0.6 * n_columns, 0.6 * n_rows)
    grid = np.ravel(figure.subplots(n_rows, n_columns, squeeze=False))
    for axes in grid:
        axes.set_axis_off()
    for axes, one in zip(grid, pixels, strict=False):
        # Fixed bounds, as imshow would stretch the grey of each filter to its own range.
        axes.imshow(one, cmap="gray", vmin=0, vmax=255)
    return figure


def plot_schedule(source: NNEstimator | str | Path, n_rows: int | None = None) -> Figure:
    """Return a figure of the values that rules will have in each epoch, given that no validation improves on the first.

    Parameters
    ----------
    source : NNEstimator, str or Path
        An estimator, which need not be fitted, or the path of a config.
    n_rows : int, optional
        Number of training rows, for an estimator with a rule whose value changes within an epoch.

    Returns
    -------
    matplotlib.figure.Figure
        With axes for the learning rate, the momentum if the updater has one, and each number that follows a rule.

    Raises
    ------
    ConfigError
        If `n_rows` is needed and not given, or the config is wrong.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> plot_schedule(NNClassifier(layers, lr_rule=rule, n_epochs=30)).savefig("schedule.png")  # doctest: +SKIP
    """
    from arignote.fit.preview.planned_rules import planned, planned_rules, rows_of_updates

    if isinstance(source, str | Path):
        from arignote.spec.config import read_config

        return figure_of_values(planned_rules(read_config(Path(source))))
    from arignote.estimators.constructor import settings_of

    settings = settings_of(source, {})

    def of_updates() -> list[int]:
        if n_rows is None:
            raise ConfigError("values change within an epoch: give n_rows, the number of training rows")
        return rows_of_updates(n_rows, settings.batch_size, settings.accumulate, drop_last=settings.drop_last)

    return figure_of_values(planned(source._layers(), settings, of_updates))
