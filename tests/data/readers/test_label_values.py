"""Labels of text tables: integers, numbers or text, as all of them are written."""

from __future__ import annotations

import numpy as np
import pytest

from arignote import DataError
from arignote.data.readers.csv import CSVReader


@pytest.fixture
def csv(tmp_path):
    """A function that writes a CSV file."""

    def write(content, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize(
    ("words", "expected", "dtype"),
    [
        (["10", "2", "-3"], [10, 2, -3], np.int64),
        (["1.0", "2"], [1.0, 2.0], np.float64),
        (["1.5", "1e3"], [1.5, 1000.0], np.float64),
        (["01", "2"], ["01", "2"], object),
        (["1", "1234567890123456789012"], ["1", "1234567890123456789012"], object),
        (["yes", "no"], ["yes", "no"], object),
    ],
    ids=str,
)
def test_labels_are_integers_numbers_or_text_as_all_of_them_are_written(csv, words, expected, dtype):
    reader = CSVReader(csv("x,y\n" + "".join(f"1,{word}\n" for word in words)), "y", labels=True)
    found = reader.read(slice(0, len(words)))
    assert reader.dtype == found.dtype == dtype and found.tolist() == expected


@pytest.mark.parametrize("marker", ["nan", "NA", "?", "", " ? ", "Nan"])
def test_labels_that_are_missing_among_numbers_are_nan(csv, marker):
    found = CSVReader(csv(f"x,y\n1,2\n1,{marker}\n1,3\n"), "y", labels=True)
    assert found.dtype == np.float64 and np.array_equal(found.read(slice(0, 3)), [2, np.nan, 3], equal_nan=True)


def test_labels_that_are_missing_among_words_are_nan_unless_they_are_given_as_words(csv):
    path = csv("x,y\n1,NA\n1,EU\n1, ?\n1,none\n1,\n")
    found = CSVReader(path, "y", labels=True).read(slice(0, 5)).tolist()
    assert found[1::2] == ["EU", "none"] and all(label != label for label in found[::2])
    found = CSVReader(path, "y", labels=True, csv={"missing": ["EU"]}).read(slice(0, 4)).tolist()
    assert found[0] == "NA" and found[1] != found[1] and found[2:] == [" ?", "none"]


def test_labels_of_many_chunks_are_of_one_kind(csv):
    path = csv("y\n" + "1\n" * 5000 + "0.5\n")
    assert CSVReader(path, "y", labels=True).read(slice(0, 1)).tolist() == [1.0]
    path = csv("y\n" + "1\n" * 5000 + "a\n")
    assert CSVReader(path, "y", labels=True).read(slice(0, 1)).tolist() == ["1"]
    with pytest.raises(DataError, match="labels=True needs a single column"):
        CSVReader(path, labels=True)
