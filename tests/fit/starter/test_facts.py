"""What the values of features and labels are taken for."""

from __future__ import annotations

import numpy as np
import pytest

from arignote.data.readers.mixed import MixedReader
from arignote.data.readers.user_reader import reader_of
from arignote.errors import ConfigError, DataError
from arignote.fit.starter.facts import facts_of_features, facts_of_labels

ROWS = np.arange(60)
LABELS = {
    "text": (np.array(["u", "v"] * 30), "classes", 0),
    "bools": (ROWS % 2 == 0, "classes", 0),
    "counted from 0": (ROWS % 3, "classes", 0),
    "counted from 1, in a column": (ROWS[:, None] % 3 + 1, "classes", 0),
    # Whole numbers that are no count may be either.
    "years": (2000 + ROWS % 3, "classes", 1),
    "whole numbers as floats": (ROWS % 3 * 1.0, "classes", 1),
    "12 values of 5 rows each": (ROWS % 12, "classes", 0),
    "13 values of fewer rows": (ROWS % 13, "numbers", 1),
    "numbers": (ROWS / 7, "numbers", 0),
    "several numbers": (np.stack([ROWS, ROWS / 7], 1), "numbers", 0),
    "one-hot": (np.eye(3)[ROWS % 3], "classes", 0),
    "flags": (np.stack([ROWS % 2, ROWS % 3 == 0], 1), "flags", 0),
}


@pytest.mark.parametrize(("values", "kind", "n_notes"), LABELS.values(), ids=LABELS)
def test_labels_are_classes_flags_or_numbers(values, kind, n_notes):
    found = facts_of_labels(reader_of(values))
    assert (found.kind, len(found.notes)) == (kind, n_notes)


def test_labels_that_are_all_the_same_or_all_different_texts_are_refused():
    with pytest.raises(DataError, match="the labels are all the same, \\[1\\]"):
        facts_of_labels(reader_of(np.ones(9, int)))
    with pytest.raises(ConfigError, match="each row has another label"):
        facts_of_labels(reader_of(np.array(["a", "b", "c"])))


@pytest.mark.parametrize(
    "values",
    [
        np.where(ROWS < 3, ROWS / 7, np.nan),
        np.array(["u", "v", "w"] + [np.nan] * 57, object),
        np.where(ROWS[:, None] < 3, 1.0, [0.0, np.nan]),
    ],
    ids=["numbers", "text", "one of several"],
)
def test_rows_without_a_label_are_refused_with_what_can_be_done_before_there_is_a_config(values):
    with pytest.raises(DataError, match=r"57 of 60 rows have no label, the first is row 3\. Remove these rows"):
        facts_of_labels(reader_of(values))


def test_the_columns_of_a_table_that_name_the_row_or_hold_no_value_are_no_features():
    n = 12
    numbers = np.stack([np.arange(n), np.arange(n) * 2, np.where(np.arange(n) == 3, np.nan, 1.0), [np.nan] * n], 1)
    words = np.array([[f"name{k}", "uv"[k % 2], None] for k in range(n)], object)
    words[4, 1] = None
    names = ["patient_id", "name", "height", "age", "none", "kind", "nothing"]
    found = facts_of_features(MixedReader(numbers, words, [1, 5, 6], names))
    assert found.left_out == ["patient_id", "name", "none", "nothing"]
    assert [note.split(",")[0] for note in found.notes[1:3]] == [
        "the column 'name' names the row",
        "the column 'none' holds no value",
    ]
    assert found.lacks_numbers and found.lacks_text and found.has_numbers and found.has_text
    assert found.description == "2 columns of numbers and 1 column of text"


IMAGES = {
    (5, 28, 28): ("NHW", (1, 28, 28)),
    (5, 3, 8, 9): ("NCHW", (3, 8, 9)),
    (5, 8, 9, 3): ("NHWC", (3, 8, 9)),
    (5, 1, 8, 1): ("NCHW", (1, 8, 1)),
}


@pytest.mark.parametrize(("shape", "expected"), IMAGES.items())
def test_arrays_of_more_axes_are_images_in_the_order_of_their_axes(shape, expected):
    found = facts_of_features(reader_of(np.full(shape, 200, np.uint8)))
    assert (found.kind, found.axes, found.image, found.high) == ("images", *expected, 200)
    with pytest.raises(ConfigError, match="must be rows of numbers, or images"):
        facts_of_features(reader_of(np.zeros((5, 2, 2, 2, 2))))


WRONG = {
    "no numbers": (np.array([["a", "b"]] * 3), "must be numbers; got <U1"),
    "none at all": (np.zeros((0, 3)), "holds no number that is finite"),
    "none that is finite": (np.full((3, 2), np.nan), "holds no number that is finite"),
    "images with missing pixels": (np.where(np.arange(192).reshape(3, 8, 8) == 5, np.nan, 1.0), "pixels are missing"),
}


@pytest.mark.parametrize(("values", "message"), WRONG.values(), ids=WRONG)
def test_features_that_no_network_can_be_trained_on_are_refused(values, message):
    with pytest.raises(DataError, match=message):
        facts_of_features(reader_of(values))


def test_rows_that_may_be_images_are_remarked():
    rows = np.zeros((5, 64))
    rows[0, 0] = 16
    assert "images of 8 x 8" in facts_of_features(reader_of(rows)).notes[0]
    rows[0, 0] = 17
    assert facts_of_features(reader_of(rows)).notes == []
