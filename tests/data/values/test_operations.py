"""Formulas of arrays as plain data: what each operation gives, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from arignote.data.values.operations import computed

X = np.array([[1.0, np.nan], [4.0, 8.0]])


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (("subtract", np.array([1.0, 2.0])), [[0.0, np.nan], [3.0, 6.0]]),
        (("divide", np.array([2.0, 4.0])), [[0.5, np.nan], [2.0, 2.0]]),
        (("multiply", 3.0), [[3.0, np.nan], [12.0, 24.0]]),
        (("add", np.array([10.0, 20.0])), [[11.0, np.nan], [14.0, 28.0]]),
        (("matmul", np.array([[2.0], [0.0]])), [[np.nan], [8.0]]),
        (("reshape", (-1, 2, 1)), [[[1.0], [np.nan]], [[4.0], [8.0]]]),
        (("fill_missing", np.array([5.0, 7.0])), [[1.0, 7.0], [4.0, 8.0]]),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_each_operation_has_its_argument_on_the_right(operation, expected):
    np.testing.assert_array_equal(computed([operation], X), expected)


def test_operations_follow_one_another_and_leave_the_rows_as_they_are():
    before = X.copy()
    steps = [
        ("fill_missing", np.array([0.0, 2.0])),
        ("subtract", np.array([1.0, 2.0])),
        ("divide", np.array([3.0, 6.0])),
    ]
    assert computed(steps, X).tolist() == [[0.0, 0.0], [1.0, 1.0]]
    assert computed([("squeeze", 1)], X[:, :1]).tolist() == [1.0, 4.0]
    np.testing.assert_array_equal(X, before)
