"""Tables of predictions, against tables worked out by hand."""

from __future__ import annotations

import numpy as np

from arignote.report.scores import by_class, confusion_matrix, mistakes

# Four rows of three classes; the last has two classes that are equally probable.
PROBA = np.array([[0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.6, 0.3, 0.1], [0.4, 0.4, 0.2]], dtype=np.float32)
Y = np.array([0, 2, 1, 1])


def test_the_matrix_counts_true_classes_in_rows_and_predicted_ones_in_columns():
    predicted = PROBA.argmax(axis=1)
    assert confusion_matrix(Y, predicted, 3).tolist() == [[1, 0, 0], [2, 0, 0], [0, 1, 0]]
    found = mistakes(Y, predicted, np.array(["a", "b", "c"]), None)
    assert found == [(1, "c", "b"), (2, "b", "a"), (3, "b", "a")] and found[0].predicted == "b"


def test_the_table_by_class_shows_a_dash_for_a_division_by_zero():
    lines = [line.split() for line in by_class(Y, PROBA.argmax(axis=1), np.array(["a", "b", "c"]))]
    rules = [line for line in lines if line and set(line[0]) == {"-"} and len(line[0]) > 1]
    assert [lines.index(rule) for rule in rules] == [1, 8]
    lines = [line for line in lines if line not in rules]
    assert lines[:4] == [
        ["class", "rows", "precision", "recall", "f1"],
        ["a", "1", "0.3333", "1.0000", "0.5000"],
        ["b", "2", "0.0000", "0.0000", "0.0000"],
        ["c", "1", "-", "0.0000", "0.0000"],
    ]
    assert lines[6:] == [["a", "b", "c"], ["a", "1", "0", "0"], ["b", "2", "0", "0"], ["c", "0", "1", "0"]]


def test_of_many_classes_the_most_frequent_mistakes_are_listed():
    # Five rows of each class are right; two of class 3 and nine of class 7 are not.
    right = np.repeat(np.arange(30), 5)
    y, predicted = np.append(right, [3] * 2 + [7] * 9), np.append(right, [4] * 2 + [1] * 9)
    lines = [line.split() for line in by_class(y, predicted, np.arange(30))]
    at = lines.index(["most", "frequent", "mistakes"])
    head, _, *pairs = lines[at + 1 :]
    assert head == ["class", "predicted", "rows"] and pairs == [["7", "1", "9"], ["3", "4", "2"]]
