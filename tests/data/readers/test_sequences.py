"""Sequences of different lengths, as rows of one number of steps."""

from __future__ import annotations

import numpy as np
import pytest
from chunked_rows import Chunked

from arignote import DataError
from arignote.data.readers.base import ArrayReader
from arignote.data.readers.sequences import PaddedReader, RaggedReader, lengths_from_offsets, ragged, valid_steps
from arignote.data.readers.user_reader import check_reader

LENGTHS = np.array([2, 4, 1, 3])
VALUES = np.arange(1, 21, dtype=np.float32).reshape(10, 2)
ROWS = np.zeros((4, 4, 2), np.float32)
ROWS[0, :2], ROWS[1], ROWS[2, :1], ROWS[3, :3] = VALUES[:2], VALUES[2:6], VALUES[6:7], VALUES[7:]


def test_steps_count_up_to_the_length_or_where_the_mask_is_true():
    expected = [[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 1, 0]]
    assert valid_steps(LENGTHS, 4).tolist() == np.array(expected, bool).tolist()
    mask = np.array([[0, 2, 0], [1, 1, 0]])
    assert valid_steps(mask, 3).tolist() == [[False, True, False], [True, True, False]]


@pytest.mark.parametrize("make", [ArrayReader, Chunked])
@pytest.mark.parametrize(
    "rows", [slice(0, 4), slice(1, 3), slice(2, 2), np.array([3, 0, 3]), np.array([], int)], ids=str
)
def test_ragged_rows_are_padded_with_zeros(make, rows):
    reader = RaggedReader(make(VALUES), LENGTHS, "X")
    assert reader.shape == (4, 4, 2) and np.array_equal(reader.read(rows), ROWS[rows])
    longer = RaggedReader(make(VALUES), LENGTHS, "X", n_steps=6).read(rows)
    assert longer.shape[1] == 6 and np.array_equal(longer[:, :4], ROWS[rows]) and not longer[:, 4:].any()


def test_ragged_rows_are_a_reader_as_any_other_and_only_their_steps_are_read():
    check_reader(RaggedReader(ArrayReader(VALUES), LENGTHS, "X"))
    values = Chunked(VALUES)
    reader = RaggedReader(values, LENGTHS, "X")
    reader.read(slice(1, 3))
    assert values.n_read == 5 and reader.chunk_rows == 1 and not reader.in_memory
    values.chunk_rows = 1000
    # Steps of a chunk are about as many rows as their mean length makes of them.
    assert RaggedReader(values, LENGTHS, "X").chunk_rows == 400


class OfAFile(Chunked):
    """Rows of a file that is read from its beginning to its end."""

    is_sequential = True

    def stamp(self):
        return self.where, 17


@pytest.mark.parametrize(
    "make",
    [
        lambda reader, values: RaggedReader(
            reader(values.reshape(-1, 2)[[0, 1, 4, 5, 6, 7, 8, 12, 13, 14]]), LENGTHS, "X"
        ),
        lambda reader, values: PaddedReader(reader(values), LENGTHS, "X"),
    ],
    ids=["ragged", "padded"],
)
def test_sequences_are_described_and_read_as_their_steps_are(make):
    reader = make(lambda values: OfAFile(values, 8), ROWS.astype(np.int16))
    assert (reader.dtype, reader.where, reader.stamp()) == (np.int16, "data.h5:/x", ("data.h5:/x", 17))
    assert reader.is_sequential and not reader.in_memory
    # 8 steps are 3 sequences of 2.5 steps, 8 padded ones are 8.
    assert reader.chunk_rows == (3 if isinstance(reader, RaggedReader) else 8)
    assert (
        np.array_equal(reader.read(slice(0, 4)), ROWS.astype(np.int16)) and reader.read(slice(1, 1)).dtype == np.int16
    )
    in_memory = make(ArrayReader, ROWS)
    assert in_memory.in_memory and not in_memory.is_sequential and in_memory.chunk_rows is None


def test_rows_without_padding_are_not_copied():
    values = np.ones((2, 3, 1))
    reader = PaddedReader(ArrayReader(values), np.array([3, 3]), "X")
    assert np.shares_memory(reader.read(slice(0, 2)), values)


def test_a_list_of_arrays_is_ragged():
    lists = [VALUES[:2], VALUES[2:6].tolist(), VALUES[6:7], VALUES[7:]]
    reader = ragged(lists, "X", None)
    assert np.array_equal(reader.read(slice(0, 4)), ROWS) and reader.lengths.tolist() == [2, 4, 1, 3]
    assert ragged([[1, 2], [3]], "X", 3).read(slice(0, 2)).tolist() == [[1, 2, 0], [3, 0, 0]]
    # As many steps as the network takes are not too many.
    assert ragged([[1, 2], [3]], "X", 2).read(slice(0, 2)).tolist() == [[1, 2], [3, 0]]


@pytest.mark.parametrize(
    ("sequences", "n_steps", "words"),
    [
        ([], None, "X is empty"),
        ([[], [1, 2]], None, "X row 0 is a sequence without a step"),
        ([[1, 2], []], None, "X row 1 is a sequence without a step"),
        ([[1, 2], ["a"]], None, r"X row 1 must be an array \(steps\) of numbers; got <U1"),
        (
            [[[1, 2]], [[1, 2, 3]]],
            None,
            r"X row 1 must be an array \(steps, 2\) of numbers; got int64 of the shape \(1, 3\)",
        ),
        ([1, 7, 3], None, r"X must be a list of sequences, arrays \(steps, ...\); row 0 is 1"),
        ([[1, 2], 3], None, "arrays .*; row 1 is 3"),
        ([[1], [1, 2, 3]], 2, "X row 1 has 3 steps, the network takes 2: set n_in of the input layer to"),
    ],
)
def test_lists_that_are_no_sequences_are_refused_by_row(sequences, n_steps, words):
    with pytest.raises(DataError, match=words):
        ragged(sequences, "X", n_steps)


def test_lengths_that_do_not_add_up_are_refused():
    with pytest.raises(DataError, match="the lengths of X add up to 9 steps; there are 10"):
        RaggedReader(ArrayReader(VALUES), np.array([2, 4, 1, 2]), "X")

    with pytest.raises(DataError, match="X row 0 is a sequence without a step"):
        RaggedReader(ArrayReader(VALUES[:0]), np.array([], int), "X")


def test_rows_of_one_number_each_are_no_sequences():
    with pytest.raises(DataError, match=r"X must be sequences \(rows, steps, ...\) of .*, 4; got \(4,\)"):
        PaddedReader(ArrayReader(np.ones(4)), np.array([1, 1, 1, 1]), "X")
    rows = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert PaddedReader(ArrayReader(rows), np.array([1, 2]), "X").read(slice(0, 2)).tolist() == [[1, 0], [3, 4]]


@pytest.mark.parametrize("offsets", [[0, 2, 6, 7], [0, 2, 6, 7, 10]])
def test_offsets_are_where_rows_begin_and_may_end_with_the_end(offsets):
    assert lengths_from_offsets(np.array(offsets), 10, "X").tolist() == LENGTHS.tolist()


@pytest.mark.parametrize("offsets", [[1, 2, 6], [0, 6, 2], [0, 2, 2], [0, 2, 11]])
def test_offsets_that_do_not_rise_from_zero_are_refused(offsets):
    with pytest.raises(DataError, match="the offsets of X must begin with 0 and rise to the number of steps, 10"):
        lengths_from_offsets(np.array(offsets), 10, "X")


MASK = np.array([[1, 1, 0, 0], [1, 0, 1, 1], [0, 0, 0, 1], [1, 1, 1, 0]]) != 0


@pytest.mark.parametrize("make", [ArrayReader, Chunked])
@pytest.mark.parametrize("steps", [LENGTHS, MASK], ids=["lengths", "mask"])
def test_whatever_stands_in_the_padding_is_read_as_zero(make, steps):
    counts = valid_steps(steps, 4)
    stored = np.random.default_rng(0).normal(size=(4, 4, 2))
    expected = np.where(counts[:, :, None], stored, 0)
    stored[~counts] = np.nan
    before = stored.copy()
    reader = PaddedReader(make(stored), steps, "X")
    for rows in (slice(0, 4), slice(1, 3), np.array([3, 1, 1])):
        assert np.array_equal(reader.read(rows), expected[rows])
    assert np.array_equal(stored, before, equal_nan=True) and reader.shape == stored.shape


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (np.array([2, 5, 1, 3]), "X row 1 must have 1 to 4 steps that count; got 5"),
        (np.array([2, 4, 0, 3]), "X row 2 must have 1 to 4 steps that count; got 0"),
        (np.array([2, 4, 1]), "as many rows as their lengths or mask have, 3"),
        (MASK[:, :3], r"the mask of X must have the shape \(4, 4\); got \(4, 3\)"),
        (MASK & [[1, 1, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1]], "X row 1 must have 1 to 4 .* got 0"),
    ],
)
def test_steps_that_do_not_fit_are_refused_by_row(steps, words):
    with pytest.raises(DataError, match=words):
        PaddedReader(ArrayReader(ROWS), steps, "X")
