"""Parts of the data: disjoint, in proportion, of whole groups, and the same each time."""

from __future__ import annotations

import numpy as np
import pytest

from arignote import DataError
from arignote.data.partition import partition

LABELS = np.random.default_rng(0).choice(4, 1000, p=[0.7, 0.2, 0.09, 0.01])
HOWS = ["stratified", "contiguous"]


def check(found, n_rows):
    assert np.array_equal(np.sort(np.concatenate(list(found.values()))), np.arange(n_rows))
    for rows in found.values():
        assert (np.diff(rows) > 0).all()


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("fractions", [{"valid": 0.1}, {"valid": 0.25, "test": 0.3}, {"test": 0.5, "valid": 0.001}])
def test_parts_are_disjoint_and_of_the_size_asked_for(how, fractions):
    found = partition(LABELS, fractions, 3, how=how)
    check(found, 1000)
    assert {name: len(found[name]) for name in fractions} == {name: 1000 * share for name, share in fractions.items()}


def test_each_class_is_held_out_in_proportion():
    found = partition(LABELS, {"valid": 0.2, "test": 0.1}, 3)
    for name, share in (("valid", 0.2), ("test", 0.1), ("train", 0.7)):
        counts = np.bincount(LABELS[found[name]], minlength=4)
        assert (abs(counts - share * np.bincount(LABELS)) <= 1.5).all()


def test_labels_may_be_text():
    text = np.array(["a", "b", "c", "d"])[LABELS]
    for labels in (text, text.astype(object)):
        assert np.array_equal(
            partition(labels, {"valid": 0.2}, 3)["valid"], partition(LABELS, {"valid": 0.2}, 3)["valid"]
        )


def test_contiguous_parts_are_the_last_rows_in_the_order_of_their_names():
    found = partition(LABELS, {"valid": 0.2, "test": 0.1}, 3, how="contiguous")
    assert np.array_equal(found["train"], np.arange(700))
    assert np.array_equal(found["valid"], np.arange(700, 900))
    assert np.array_equal(found["test"], np.arange(900, 1000))


def test_the_seed_decides_which_rows():
    first = partition(LABELS, {"valid": 0.2}, 3)["valid"]
    assert np.array_equal(partition(LABELS, {"valid": 0.2}, 3)["valid"], first)
    assert not np.array_equal(partition(LABELS, {"valid": 0.2}, 4)["valid"], first)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("kind", [int, str])
def test_no_group_is_parted(how, kind):
    groups = np.random.default_rng(1).integers(0, 60, 1000).astype(kind)
    found = partition(LABELS, {"valid": 0.2, "test": 0.1}, 3, how=how, groups=groups)
    check(found, 1000)
    seen = [set(groups[rows].tolist()) for rows in found.values()]
    assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]
    assert abs(len(found["valid"]) - 200) < 20 and abs(len(found["test"]) - 100) < 20


def test_groups_that_are_large_are_met_as_nearly_as_can_be():
    groups = np.repeat([0, 1], 500)
    assert len(partition(LABELS, {"valid": 0.9}, 3, groups=groups)["valid"]) == 500
    with pytest.raises(DataError, match="valid: 1 group is too few for it and for training"):
        partition(LABELS, {"valid": 0.1}, 3, groups=np.zeros(1000))
    with pytest.raises(DataError, match="test: 1 group is too few"):
        partition(LABELS, {"valid": 0.3, "test": 0.3}, 3, groups=groups)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("groups", [None, LABELS])
def test_a_fraction_of_nothing_takes_nothing(how, groups):
    found = partition(LABELS, {"valid": 0.0}, 3, how=how, groups=groups)
    assert len(found["valid"]) == 0 and len(found["train"]) == 1000


@pytest.mark.parametrize("how", HOWS)
def test_rows_that_were_chosen_are_in_no_other_part(how):
    chosen = np.array([999, 5, 0, 998])
    found = partition(LABELS, {"test": 0.1}, 3, how=how, chosen={"valid": chosen})
    check(found, 1000)
    assert found["valid"].tolist() == [0, 5, 998, 999] and len(found["test"]) == 100


@pytest.mark.parametrize(
    ("fractions", "chosen", "words"),
    [
        ({"valid": 1.0}, {}, r"valid must be a fraction in \[0, 1\), or data; got 1.0"),
        ({"valid": -0.1}, {}, r"valid must be a fraction"),
        ({"valid": float("nan")}, {}, "valid must be a fraction"),
        ({"valid": 0.5, "test": 0.5}, {}, "leave no row to train on"),
        ({"valid": 0.0001}, {}, "valid=0.0001 of 1000 rows leaves no row for it"),
        ({"test": 0.5}, {"valid": np.arange(500)}, "test=0.5 of 1000 rows leaves no row for it, or none to train on"),
        ({}, {"valid": np.arange(1000)}, "no row is left to train on"),
        ({}, {"valid": np.arange(9), "test": np.array([20, 8])}, "test: row 8 belongs to another part already"),
    ],
)
def test_parts_that_leave_no_row_are_told(fractions, chosen, words):
    with pytest.raises(DataError, match=words):
        partition(LABELS, fractions, 3, chosen=chosen)
