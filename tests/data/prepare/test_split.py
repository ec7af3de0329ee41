"""The rows of the data of a fit, split into subsets: fractions, row numbers, groups, data of their own."""

from __future__ import annotations

import numpy as np
import pytest
from prepared_rows import X, Y, prepared

from arignote import DataError
from arignote.data import Data, DataWithHoldoutPartitions
from arignote.data.readers.base import Reader


class Chunked(Reader):
    where, chunk_rows = "data.h5:/x", 7

    def __init__(self, array=X):
        self.array, self.shape, self.dtype, self.read_rows = array, array.shape, array.dtype, []

    def read(self, rows):
        self.read_rows += np.arange(len(self))[rows].tolist()
        return self.array[rows]


def test_nothing_but_one_row_is_read_to_part_the_data():
    reader = Chunked()
    prepared(reader, valid=0.2)
    assert len(reader.read_rows) <= 1


@pytest.mark.parametrize("kind", [int, str, float])
def test_no_group_is_parted(kind):
    groups = (np.arange(90) % 11).astype(kind)
    found = prepared(valid=0.3, test=0.2, groups=groups)
    seen = [set(groups[rows.index].tolist()) for rows, _ in found.subsets.values()]
    assert sum(map(len, seen)) == len(set.union(*seen)) == 11


@pytest.mark.parametrize("groups", [[None] * 90, ["a", None] * 45, ["a", 1] * 45])
def test_groups_that_cannot_be_compared_are_reported(groups):
    with pytest.raises(DataError, match=r"groups must be all numbers or all text, with none missing"):
        prepared(valid=0.3, groups=np.array(groups, dtype=object))


def test_rows_are_parted_in_proportion_of_the_classes_or_from_the_end():
    found = prepared(valid=0.2, test=0.1)
    assert {name: np.bincount(classes).tolist() for name, (_, classes) in found.subsets.items()} == {
        "train": [42, 14, 7],
        "valid": [12, 4, 2],
        "test": [6, 2, 1],
    }
    found = prepared(valid=0.2, test=0.1, settings={"partition": "contiguous"})
    assert {name: rows.index.tolist() for name, (rows, _) in found.subsets.items()} == {
        "train": list(range(63)),
        "valid": list(range(63, 81)),
        "test": list(range(81, 90)),
    }


def test_the_seed_decides_which_rows_are_held_out():
    first, again, other = (prepared(valid=0.2, seed=seed).subsets["valid"][0].index.tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_a_part_that_is_data_of_its_own_leaves_the_rows_whole():
    found = prepared(valid=(X[:5] + 1, Y[:5]), test=Data(X[50:70], Y[50:70], start=10))
    assert [len(rows) for rows, _ in (found.subsets[name] for name in ("train", "valid", "test"))] == [90, 5, 10]
    assert np.array_equal(found.subsets["valid"][0].features(slice(0, 5)), X[:5] + 1)
    assert np.array_equal(found.subsets["test"][0].features(slice(0, 10)), X[60:70])
    assert found.subsets["test"][1].tolist() == [1] * 10


def test_a_fraction_may_be_beside_data_of_its_own():
    found = prepared(valid=(X[:5], Y[:5]), test=0.1)
    assert {name: len(rows) for name, (rows, _) in found.subsets.items()} == {"train": 81, "valid": 5, "test": 9}


def test_fractions_of_zero_hold_nothing_out():
    found = prepared(valid=0.0, test=0)
    assert list(found.subsets) == ["train"] and len(found.subsets["train"][0]) == 90


def test_the_fractions_of_data_give_way_to_those_of_fit():
    x = DataWithHoldoutPartitions(X, Y, 0.2, 0.1)
    sizes = [
        {name: len(rows) for name, (rows, _) in prepared(x, None, **given).subsets.items()}
        for given in ({}, {"valid": 0.3}, {"test": [1, 2, 3]}, {"valid": 0})
    ]
    assert sizes == [
        {"train": 63, "valid": 18, "test": 9},
        {"train": 54, "valid": 27, "test": 9},
        {"train": 69, "valid": 18, "test": 3},
        {"train": 81, "test": 9},
    ]
    assert list(prepared(DataWithHoldoutPartitions(X, Y), None).subsets) == ["train"]


@pytest.mark.parametrize("part", [True, False, "0.2", "5", ".5"])
def test_a_fraction_must_be_a_number(part):
    with pytest.raises(DataError, match=rf"valid must be a fraction in \[0, 1\), row numbers or data; got {part!r}"):
        prepared(valid=part)


def test_text_with_two_points_is_a_source_and_no_fraction():
    with pytest.raises(DataError) as caught:
        prepared(valid="1.2.3")
    assert "1.2.3" in str(caught.value) and "must be a fraction" not in str(caught.value)


def test_groups_may_be_objects_of_one_type():
    groups = np.array([f"patient {n % 9}" for n in range(90)], dtype=object)
    found = prepared(valid=0.3, groups=groups)
    seen = {name: set(groups[rows.index]) for name, (rows, _) in found.subsets.items()}
    assert len(found.subsets["valid"][0]) == 30 and not seen["train"] & seen["valid"]


@pytest.mark.parametrize(
    "part", [[3, 4], range(3, 5), np.array([3, 4]), np.array([4, 3], np.uint8), [np.int64(3), 4]], ids=str
)
def test_row_numbers_may_be_a_list_a_range_or_an_array(part):
    assert prepared(valid=part).subsets["valid"][0].index.tolist() == [3, 4]


@pytest.mark.parametrize("part", [[0], [89], [0, 89]])
def test_the_first_and_the_last_row_may_be_held_out(part):
    assert prepared(test=part).subsets["test"][0].index.tolist() == part


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (np.array([1.0, 2.0]), "valid: row numbers must be integers; got float64"),
        (
            np.arange(10, 101),
            r"valid: row numbers must lie in 0 \.\. 89; got \[10, 11, 12, 13, 14, 15, 16, 17, 18, 19\]",
        ),
        ([-1, 3], r"valid: row numbers must lie in 0 \.\. 89; got \[-1, 3\]"),
        ([], r"valid must have the shape \(rows, features"),
    ],
    ids=str,
)
def test_row_numbers_that_cannot_be_are_reported(part, words):
    with pytest.raises(DataError, match=words):
        prepared(valid=part)
