"""Windows of a series as rows of a reader."""

from __future__ import annotations

import numpy as np
import pytest
from chunked_rows import Chunked

from arignote import DataError
from arignote.data.readers.base import ArrayReader
from arignote.data.readers.user_reader import check_reader
from arignote.data.readers.windows import WindowReader, Windows

SERIES = np.arange(22).reshape(11, 2)


@pytest.mark.parametrize(
    ("length", "step", "starts"),
    [
        (4, 3, [0, 3, 6]),
        (4, 1, [0, 1, 2, 3, 4, 5, 6, 7]),
        (11, 1, [0]),
        (5, 6, [0, 6]),
        (12, 1, []),
        (1, 5, [0, 5, 10]),
    ],
)
def test_windows_begin_every_few_steps_and_end_within_the_series(length, step, starts):
    assert Windows(length=length, step=step).starts(11).tolist() == starts
    # By default one begins at each step.
    assert Windows(length=9).starts(11).tolist() == [0, 1, 2]


@pytest.mark.parametrize(("length", "step", "gap"), [(4, 1, 3), (4, 3, 1), (4, 4, 0), (4, 5, 0), (5, 2, 2), (1, 1, 0)])
def test_the_gap_is_the_number_of_later_windows_with_a_step_in_common(length, step, gap):
    windows = Windows(length=length, step=step)
    steps = [set(range(start, start + length)) for start in windows.starts(60)]
    assert sum(bool(steps[0] & other) for other in steps[1:]) == windows.gap == gap


@pytest.mark.parametrize("make", [ArrayReader, Chunked])
@pytest.mark.parametrize(("length", "step"), [(4, 3), (3, 1), (2, 4)])
@pytest.mark.parametrize(
    "rows", [slice(0, 3), slice(1, 2), slice(2, 2), np.array([2, 0, 2]), np.array([], int)], ids=str
)
def test_rows_are_windows(make, length, step, rows):
    reader = WindowReader(make(SERIES), Windows(length=length, step=step), "X")
    expected = np.array([SERIES[at : at + length] for at in range(0, 11 - length + 1, step)])
    assert reader.shape == expected.shape and np.array_equal(reader.read(rows), expected[rows])


def test_each_step_is_read_once_for_neighbours_and_for_scattered_windows():
    check_reader(WindowReader(ArrayReader(SERIES), Windows(length=4, step=3), "X"))
    series = Chunked(SERIES, 9)
    reader = WindowReader(series, Windows(length=4, step=2), "X")
    reader.read(slice(0, 3))
    assert series.n_read == 8 and reader.chunk_rows == 4 and not reader.in_memory
    reader.read(np.array([3, 2]))
    assert series.n_read == 8 + 6


def test_the_value_of_a_window_is_that_of_its_last_step_or_of_all():
    windows, y = Windows(length=4, step=3), np.arange(11) * 10
    assert windows.values(y, each_step=False).tolist() == [30, 60, 90]
    assert windows.values(y, each_step=True).tolist() == [[0, 10, 20, 30], [30, 40, 50, 60], [60, 70, 80, 90]]


class OfAFile(Chunked):
    """Rows of a file with named columns, which is read from its beginning to its end."""

    is_sequential, columns = True, ("high", "low")

    def stamp(self):
        return self.where, 17


def test_windows_are_described_and_read_as_their_series_is():
    reader = WindowReader(OfAFile(SERIES.astype(np.int16), 3), Windows(length=2, step=4), "X")
    assert (reader.dtype, reader.where, reader.columns) == (np.int16, "data.h5:/x", ("high", "low"))
    # A chunk of 3 steps is no whole window from one beginning to the next.
    assert reader.chunk_rows == 1 and reader.is_sequential and not reader.in_memory
    assert reader.stamp() == ("data.h5:/x", 17)
    assert reader.read(np.array([], int)).dtype == np.int16
    in_memory = WindowReader(ArrayReader(SERIES), Windows(length=2), "X")
    assert in_memory.in_memory and not in_memory.is_sequential and in_memory.chunk_rows is None


def test_a_single_number_is_no_series():
    with pytest.raises(DataError, match="X has 0 steps, fewer than a window of 1"):
        WindowReader(ArrayReader(np.array(3.0)), Windows(length=1), "X")


def test_a_series_that_is_shorter_than_a_window_is_refused():
    with pytest.raises(DataError, match="X has 11 steps, fewer than a window of 12"):
        WindowReader(ArrayReader(SERIES), Windows(length=12), "X")
