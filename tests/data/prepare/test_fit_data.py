"""The data of a fit as it is passed: how rows are held out, and which sources it has beside features."""

from __future__ import annotations

import numpy as np
import pytest

from arignote.data.arrays import Data, DataWithHoldoutPartitions
from arignote.data.prepare.fit_data import FitData, chooses_rows, other_sources, split_of

X, Y = np.ones((6, 2)), np.arange(6) % 2


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"valid": 0.25, "test": 0.0}, {"valid": 0.25}),
        ({"valid": [0, 3], "test": range(2)}, {"valid": "rows", "test": "rows"}),
        ({"valid": (X, Y), "test": Data(X, Y)}, {"valid": "data", "test": "data"}),
        ({"valid": 0.5, "groups": Y}, {"valid": 0.5, "groups": True}),
    ],
)
def test_a_checkpoint_records_how_rows_were_held_out(given, expected):
    assert split_of(FitData(X, Y, **given)) == expected


def test_fractions_of_data_are_recorded_unless_fit_was_given_others():
    data = DataWithHoldoutPartitions(X, Y, valid_frac=0.25, test_frac=0.125)
    assert split_of(FitData(data)) == {"valid": 0.25, "test": 0.125}
    assert split_of(FitData(data, valid=0.5)) == {"valid": 0.5, "test": 0.125}


@pytest.mark.parametrize(
    ("held_out", "are_rows"),
    [
        ([1, 2], True),
        (np.array([1]), True),
        (range(3), True),
        ([], False),
        ([0.5], False),
        (0.5, False),
        ("a.csv", False),
    ],
)
def test_row_numbers_are_whole_numbers_in_a_list_or_an_array(held_out, are_rows):
    assert chooses_rows(held_out) == are_rows


def test_sources_that_are_files_have_their_roles():
    data = FitData("x.csv", {"kind": "y.csv:k", "size": Y}, valid=("v.csv", "w.csv"), groups="g.csv", sample_weight=Y)
    expected = {"labels 'kind'": "y.csv:k", "labels of valid": "w.csv", "groups": "g.csv"}
    assert other_sources(data) == expected
