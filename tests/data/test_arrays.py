"""Data in memory: the columns of DataFrames, in the order of the network."""

from __future__ import annotations

import numpy as np
import pytest

from arignote import Data, DataError
from arignote.data.arrays import columns_in_order

pd = pytest.importorskip("pandas")

FRAME = pd.DataFrame({"c": [3, 30], "text": ["u", "v"], "a": [1, 10]})


def test_columns_are_taken_by_name_and_others_left_out():
    assert columns_in_order(FRAME, ["a", "c"], "X").to_numpy().tolist() == [[1, 3], [10, 30]]
    frame, labels = columns_in_order((FRAME, [0, 1]), ["a", "c"], "X")
    assert list(frame.columns) == ["a", "c"] and labels == [0, 1]


def test_the_rest_of_data_stays_and_the_callers_own_is_not_changed():
    given = Data(FRAME, [0, 1], batch_size=7, axes="NHW")
    found = columns_in_order(given, ["a", "c"], "X")
    assert list(found.features.columns) == ["a", "c"] and found.batch_size == 7 and found.axes == "NHW"
    assert given.features is FRAME


@pytest.mark.parametrize("x", [np.zeros((2, 2)), FRAME.set_axis([0, 1, 2], axis=1), "t.csv", None])
def test_what_has_no_names_stays_as_it_is(x):
    assert columns_in_order(x, ["a", "c"], "X") is x


@pytest.mark.parametrize("learned", [[], [0, 1], ["c", "text", "a"]])
def test_a_frame_stays_as_it_is_where_no_other_names_are_known(learned):
    assert columns_in_order(FRAME, learned, "X") is FRAME


def test_columns_that_are_missing_or_there_twice_are_named():
    with pytest.raises(DataError, match=r"^valid lacks the columns 'b', 'd', .* There are: c, text, a"):
        columns_in_order(FRAME, ["a", "b", "d"], "valid")
    with pytest.raises(DataError, match=r"^X has several columns 'a'"):
        columns_in_order(FRAME[["a", "c", "a"]], ["c", "a"], "X")
