"""Residuals: sums worked out by hand, and points where the drawing has them."""

from __future__ import annotations

import numpy as np
import pytest

from arignote.report.page.residuals import residuals_of
from arignote.report.page.scored import ScoredRows


def scored(y, predicted):
    return ScoredRows("test", {}, len(y), lambda at: [str(n) for n in at], None, None, np.array(y), np.array(predicted))


def test_the_scores_are_over_rows_with_a_value_and_right_predictions_lie_on_the_line():
    y = [[0.0, 1.0], [2.0, np.nan], [4.0, 3.0]]
    predicted = [[0.0, 1.0], [5.0, 1.0], [4.0, 3.0]]
    first, second = residuals_of(scored(y, predicted))
    # Squares: 9 of 8 around the mean.
    assert (first["r2"], first["rmse"], first["mae"]) == pytest.approx((1 - 9 / 8, 3**0.5, 1))
    assert (second["r2"], second["n_rows"], first["n_columns"]) == (1.0, 2, 2)
    against, residual = first["plots"]
    # Both axes from -0.25 to 5.25: 264 pixels across, 188 down.
    across, down = (lambda v: 48 + 264 * (v + 0.25) / 5.5), (lambda v: 200 - 188 * (v + 0.25) / 5.5)
    for (x, y_at, text), (true, own), row in zip(against["points"], [(0, 0), (2, 5), (4, 4)], range(3), strict=True):
        assert (x, y_at) == pytest.approx((across(true), down(own)), abs=0.06) and text.startswith(f"{row}: ")
    assert against["line"] == "M48 200.0L312 12.0"
    assert [tick["text"] for tick in against["x_ticks"]] == ["0", "2", "4"]
    assert residual["points"][1][2] == "1: 5, 3"


def test_of_many_rows_the_largest_residuals_are_drawn():
    y = np.zeros((10_000, 6))
    predicted = np.random.default_rng(0).normal(size=(10_000, 6))
    predicted[777, 0] = -40
    found = residuals_of(scored(y, predicted))
    texts = [text for _, _, text in found[0]["plots"][0]["points"]]
    assert len(found) == 4 and "777: 0, -40" in texts and 200 < len(texts) <= 300
