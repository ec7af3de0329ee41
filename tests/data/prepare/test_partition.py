"""Parts of the data: disjoint, in proportion, of whole groups, and the same each time."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import StratifiedShuffleSplit

from arignote import DataError
from arignote.data.prepare.partition import partition
from arignote.streams import stream

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
    found = partition(labels=LABELS, fractions={"valid": 0.2, "test": 0.1}, seed=3, how="contiguous")
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
    with pytest.raises(DataError, match="valid: only one group is left, and training needs a group, too"):
        partition(LABELS, {"valid": 0.1}, 3, groups=np.zeros(1000))
    with pytest.raises(DataError, match="test: only one group is left"):
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
        ({}, {"valid": np.arange(9), "test": np.array([20, 8])}, "test: row 8 already belongs to another subset"),
    ],
)
def test_parts_that_leave_no_row_are_reported(fractions, chosen, words):
    with pytest.raises(DataError, match=words):
        partition(LABELS, fractions, 3, chosen=chosen)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("counts", "fractions", "expected"),
    [
        # Of n free rows sorted by class, numbers (k + 0.5) * n / n_wanted are drawn: 0-based, rounded down.
        # 20 rows, 10 wanted: 1, 3, 5 ... 19.
        ((10, 6, 4), {"valid": 0.5}, {"valid": [5, 3, 2]}),
        # 5 wanted: 2, 6, 10, 14, 18.
        ((10, 6, 4), {"valid": 0.25}, {"valid": [2, 2, 1]}),
        # 1 wanted: 10.
        ((10, 6, 4), {"valid": 0.05}, {"valid": [0, 1, 0]}),
        # Of the remaining 8, 4, 3 rows 5 are wanted: 1, 4, 7, 10, 13.
        ((10, 6, 4), {"valid": 0.25, "test": 0.25}, {"valid": [2, 2, 1], "test": [3, 1, 1]}),
        # 15 of 20 wanted: 0, 2, 3, 4, 6, 7, 8 of class 0; 10, 11, 12, 14, 15 of class 1; 16, 18, 19 of class 2.
        ((10, 6, 4), {"valid": 0.75}, {"valid": [7, 5, 3]}),
    ],
)
def test_the_number_of_rows_of_each_class_follows_from_the_fractions(counts, fractions, expected, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat([5, 7, 8], counts))
    found = partition(labels, fractions, seed)
    check(found, 20)
    assert {name: [int((labels[found[name]] == label).sum()) for label in (5, 7, 8)] for name in fractions} == expected


def test_rows_are_stratified_as_scikit_learn_does():
    # The share of each class differs from that of StratifiedShuffleSplit by one row at most.
    splitter = StratifiedShuffleSplit(n_splits=1, test_size=0.3, random_state=0)
    _, theirs = next(splitter.split(LABELS, LABELS))
    ours = partition(LABELS, {"valid": 0.3}, 0)["valid"]
    assert len(ours) == len(theirs)
    assert abs(np.bincount(LABELS[ours], minlength=4) - np.bincount(LABELS[theirs], minlength=4)).max() <= 1


def test_each_row_of_a_class_is_held_out_equally_often_over_many_seeds():
    labels = np.repeat([0, 1], [30, 10])
    times = np.zeros(40)
    for seed in range(400):
        times[partition(labels, {"valid": 0.25}, seed)["valid"]] += 1
    # Binomial: 400 draws of chance 1/4, five standard deviations.
    assert abs(times - 100).max() < 5 * (400 * 0.25 * 0.75) ** 0.5


@pytest.mark.parametrize(
    ("n_rows", "fraction", "n_wanted"),
    # Halves are rounded to even.
    [(10, 0.25, 2), (10, 0.35, 4), (10, 0.16, 2), (10, 0.14, 1), (10, 0.06, 1), (10, 0.89, 9), (10, 0.94, 9)],
)
@pytest.mark.parametrize("how", HOWS)
def test_a_fraction_is_rounded_to_the_nearest_number_of_rows(n_rows, fraction, n_wanted, how):
    found = partition(np.arange(n_rows) % 2, {"valid": fraction}, 0, how=how)
    check(found, n_rows)
    assert len(found["valid"]) == n_wanted and len(found["train"]) == n_rows - n_wanted


def test_a_single_row_may_remain_for_training_and_no_fewer():
    chosen = {"test": np.arange(4)}
    assert len(partition(np.zeros(10), {"valid": 0.5}, 0, chosen=chosen)["train"]) == 1
    with pytest.raises(DataError, match=r"valid=0.6 of 10 rows leaves no row for it, or none to train on"):
        partition(np.zeros(10), {"valid": 0.6}, 0, chosen=chosen)
    with pytest.raises(DataError, match="leaves no row for it"):
        partition(np.zeros(10), {"valid": 0.96}, 0)


@pytest.mark.parametrize("how", HOWS)
def test_parts_come_in_the_order_of_their_names_with_row_numbers_of_64_bits(how):
    found = partition(np.zeros(10), {"b": 0.3, "none": 0.0, "a": 0.2}, 1, how=how, chosen={"c": np.array([4, 0])})
    assert {name: len(rows) for name, rows in found.items()} == {"c": 2, "b": 3, "none": 0, "a": 2, "train": 3}
    assert all(rows.dtype == np.int64 for rows in found.values())
    if how == "contiguous":
        assert (
            found["b"].tolist() == [5, 6, 7] and found["a"].tolist() == [8, 9] and found["train"].tolist() == [1, 2, 3]
        )


def test_contiguous_parts_skip_the_rows_that_were_chosen():
    found = partition(np.zeros(10), {"valid": 0.2}, 1, how="contiguous", chosen={"test": np.array([9, 7])})
    assert {name: rows.tolist() for name, rows in found.items()} == {
        "test": [7, 9],
        "valid": [6, 8],
        "train": [0, 1, 2, 3, 4, 5],
    }


@pytest.mark.parametrize(
    ("sizes", "fraction", "expected"),
    [
        # As near to fraction * rows as whole groups get; never all of them.
        ([10] * 10, 0.3, 30),
        ([3] * 10, 0.25, 9),  # round(7.5) = 8: 9 is nearer than 6
        ([4] * 5, 0.45, 8),  # 9
        ([4] * 5, 0.55, 12),  # 11
        ([4] * 5, 0.3, 4),  # 6 is as near to 4 as to 8: the smaller one
        ([4] * 5, 0.06, 4),  # 1: one group at least
        ([4] * 5, 0.94, 16),  # 19: all but one group at most
        ([5, 5], 0.9, 5),
    ],
)
def test_the_number_of_groups_is_the_one_nearest_to_the_fraction(sizes, fraction, expected):
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    for seed in range(5):
        found = partition(np.zeros(len(groups)), {"valid": fraction}, seed, groups=groups)
        check(found, len(groups))
        assert len(found["valid"]) == expected
        assert not set(groups[found["valid"]]) & set(groups[found["train"]])


def test_groups_of_unequal_sizes_are_taken_in_the_order_of_the_stream_of_the_part():
    sizes = [1, 7, 2, 5, 3, 4, 8, 6]
    groups = np.repeat(list("hgfedcba"), sizes)
    known = list("abcdefgh")
    for seed in range(6):
        found = partition(np.zeros(36), {"valid": 0.4, "test": 0.2}, seed, groups=groups)
        taken = {}
        remaining = known
        for name, n_wanted in (("valid", 14), ("test", 7)):
            order = [remaining[n] for n in stream(seed, "partition", name).permutation(len(remaining))]
            totals = np.cumsum([sizes[::-1][known.index(group)] for group in order])[:-1]
            taken[name] = set(order[: int(abs(totals - n_wanted).argmin()) + 1])
            remaining = [group for group in remaining if group not in taken[name]]
        assert {name: set(groups[found[name]].tolist()) for name in taken} == taken
        assert set(groups[found["train"]].tolist()) == set(remaining)


def test_every_group_is_held_out_equally_often_over_many_seeds():
    groups, times = np.repeat(np.arange(10), 2), np.zeros(10)
    for seed in range(400):
        times[np.unique(groups[partition(np.zeros(20), {"valid": 0.2}, seed, groups=groups)["valid"]])] += 1
    # Binomial: 400 draws of chance 2/10, five standard deviations.
    assert abs(times - 80).max() < 5 * (400 * 0.2 * 0.8) ** 0.5


def test_rows_of_a_part_drawn_in_proportion_are_those_of_the_stream():
    labels = np.array([1, 0, 1, 0, 0, 1, 0, 0])
    for seed in range(6):
        shuffled = stream(seed, "partition").permutation(8).tolist()
        by_class = [row for label in (0, 1) for row in shuffled if labels[row] == label]
        # 4 of 8 rows: the numbers 1, 3, 5, 7.
        assert partition(labels, {"valid": 0.5}, seed)["valid"].tolist() == sorted(by_class[1::2])


def test_chosen_rows_are_named_where_they_collide_and_fractions_where_they_leave_nothing():
    with pytest.raises(DataError, match=r"test: row 8 already belongs to another subset"):
        partition(LABELS, {}, 3, chosen={"valid": np.array([3, 8, 9]), "test": np.array([20, 9, 8])})
    with pytest.raises(DataError, match=r"the fractions \{'valid': 0.7, 'test': 0.4\} leave no row to train on"):
        partition(LABELS, {"valid": 0.7, "test": 0.4}, 3)
    assert len(partition(LABELS, {"valid": 0.9, "test": 0.05}, 3)["train"]) == 50
