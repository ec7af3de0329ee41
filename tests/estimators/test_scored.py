"""Scores of rows: predicted classes, their matrix and their mistakes, against a table worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from arignote import DataError
from arignote.estimators.scored import Scored

SCORED = Scored({"error": 0.5}, np.array(["ant", "bee", "cow"]), np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]))


def test_the_matrix_has_a_row_for_each_true_class():
    assert SCORED.confusion.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]


def test_mistakes_name_their_rows_by_number_or_by_id():
    assert SCORED.mistakes() == [(1, "ant", "bee"), (3, "cow", "ant")]
    assert SCORED.mistakes(["a", "b", "c", "d"]) == [("b", "ant", "bee"), ("d", "cow", "ant")]
    with pytest.raises(DataError, match="ids must name each of the 4 rows; got 2"):
        SCORED.mistakes(["a", "b"])
