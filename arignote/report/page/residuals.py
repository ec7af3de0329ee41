"""Predicted against true numbers, and residuals, as plain data within the size of a page."""

from __future__ import annotations

from math import ceil, floor, log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.report.page.scored import ScoredRows

__all__ = ["residuals_of"]

Array = NDArray[np.float64]

# Of columns and of points that are drawn; a point has about 70 bytes in each of two plots.
_MOST_COLUMNS = 4
_MOST_POINTS = 300
# The frame in the drawing, as the template has it.
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 312, 12, 200


def residuals_of(scored: ScoredRows) -> list[dict[str, Any]]:
    """Return for each of the first columns of numbers what its plots are made of.

    Returns
    -------
    list of dict
        "column" (from 0), "n_columns", "n_rows" with a value; "r2", "rmse" and "mae" over all of these; "plots" of some
        of them, the largest residuals and evenly chosen ones: predicted against true, and predicted - true.
    """
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    of_columns = []
    for column in range(min(scored.y.shape[1], _MOST_COLUMNS)):
        present = np.flatnonzero(np.isfinite(scored.y[:, column]) & np.isfinite(scored.predicted[:, column]))
        # R^2 is not defined for a single value.
        if len(present) < 2:
            continue
        true, predicted = scored.y[present, column], scored.predicted[present, column]
        at = _drawn(np.abs(predicted - true))
        ids = scored.ids_of(present[at])
        of_columns.append(
            {
                "column": column,
                "n_columns": scored.y.shape[1],
                "r2": float(r2_score(true, predicted)),
                "rmse": float(root_mean_squared_error(true, predicted)),
                "mae": float(mean_absolute_error(true, predicted)),
                "n_rows": len(present),
                "plots": [
                    _plot("predicted against true", true[at], predicted[at], ids, is_diagonal=True),
                    _plot("residual (predicted - true) by prediction", predicted[at], (predicted - true)[at], ids),
                ],
            }
        )
    return of_columns


def _drawn(size: Array) -> NDArray[np.int64]:
    """Return the positions (n,) of the points that are drawn, by the size of their residuals."""
    if len(size) <= _MOST_POINTS:
        return np.arange(len(size))
    largest = np.argsort(-size, kind="stable")[: _MOST_POINTS // 4]
    evenly = np.linspace(0, len(size) - 1, _MOST_POINTS - len(largest)).astype(np.int64)
    return np.unique(np.concatenate([largest, evenly]))


def _plot(title: str, x: Array, y: Array, ids: list[str], *, is_diagonal: bool = False) -> dict[str, Any]:
    """Return points within the frame of a drawing, with a line where predictions are right."""
    x_low, x_high = _bounds(x, y if is_diagonal else x)
    y_low, y_high = (x_low, x_high) if is_diagonal else _bounds(y, np.zeros(1))

    def across(value: Any) -> Any:
        return _LEFT + (_RIGHT - _LEFT) * (value - x_low) / (x_high - x_low)

    def down(value: Any) -> Any:
        return _BOTTOM - (_BOTTOM - _TOP) * (value - y_low) / (y_high - y_low)

    ends = (x_low, x_high) if is_diagonal else (0.0, 0.0)
    texts = [f"{row}: {a:.5g}, {b:.5g}" for row, a, b in zip(ids, x.tolist(), y.tolist(), strict=True)]
    return {
        "title": title,
        "x_name": "true" if is_diagonal else "predicted",
        "summary": f"{len(x)} points, x from {x.min():.4g} to {x.max():.4g}, y from {y.min():.4g} to {y.max():.4g}",
        "line": f"M{_LEFT} {down(ends[0]):.1f}L{_RIGHT} {down(ends[1]):.1f}",
        "points": list(zip(across(x).round(1).tolist(), down(y).round(1).tolist(), texts, strict=True)),
        "x_ticks": [{"at": round(across(tick), 1), "text": f"{tick:.6g}"} for tick in _ticks(x_low, x_high)],
        "y_ticks": [{"at": round(down(tick), 1), "text": f"{tick:.6g}"} for tick in _ticks(y_low, y_high)],
    }


def _bounds(*values: Array) -> tuple[float, float]:
    """Return what an axis covers: all values, and a margin."""
    low, high = min(float(one.min()) for one in values), max(float(one.max()) for one in values)
    # If all values are equal, an axis of length 0 would divide by 0.
    margin = 0.05 * (high - low) or abs(high) or 1.0
    return low - margin, high + margin


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers between two numbers, about four: multiples of 1, 2 or 5 times a power of 10."""
    rough = (high - low) / 4
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [step * k for k in range(ceil(low / step), floor(high / step) + 1)]
