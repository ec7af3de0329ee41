"""Row numbers of hold-outs and shuffles by their names of 2015."""

from __future__ import annotations

import numpy as np
import pytest

from arignote import ConfigError, DataError
from arignote.util.misc import stratified_holdout, stratified_shuffle

LABELS = np.repeat(["a", "b", "c"], [50, 30, 20])[np.random.default_rng(3).permutation(100)]


def counts(rows):
    return np.unique(LABELS[rows], return_counts=True)[1].tolist()


def test_a_holdout_has_the_fraction_of_each_class_and_a_second_one_other_rows():
    first, second = stratified_holdout(LABELS, 0.2, extra_frac=0.1, rng=1)
    assert counts(first) == [10, 6, 4] and counts(second) == [5, 3, 2] and not set(first) & set(second)
    assert (np.diff(first) > 0).all() and len(stratified_holdout(LABELS, 0.1, rng=1)) == 10


def test_every_batch_of_a_shuffle_has_the_classes_in_proportion():
    order = stratified_shuffle(LABELS, batch_size=20, rng=1)
    assert sorted(order.tolist()) == list(range(100))
    for at in range(0, 100, 20):
        assert np.abs(np.array(counts(order[at : at + 20])) - [10, 6, 4]).max() <= 1
    assert len(set(order[:20].tolist()) & set(range(20))) < 12


def test_balanced_classes_have_as_many_rows_as_the_largest_and_lose_none():
    order = stratified_shuffle(LABELS, batch_size=30, balance_classes=True, rng=1)
    assert counts(order) == [50, 50, 50] and set(order.tolist()) == set(range(100))
    assert all(np.abs(np.array(counts(order[at : at + 30])) - 10).max() <= 1 for at in range(0, 150, 30))
    # Each of the 20 rows of "c" two or three times.
    assert set(np.bincount(order)[LABELS == "c"].tolist()) == {2, 3}


@pytest.mark.parametrize(
    "draw", [lambda rng: stratified_holdout(LABELS, 0.2, rng=rng), lambda rng: stratified_shuffle(LABELS, 20, rng=rng)]
)
def test_a_seed_gives_the_same_rows_again_and_another_seed_others(draw):
    for same in (lambda: 7, lambda: np.random.RandomState(7), lambda: np.random.default_rng(7)):
        assert (draw(same()) == draw(same())).all()
    assert (draw(7) != draw(8)).any() and (draw(None) != draw(None)).any()


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(DataError, match="leaves no row"):
        stratified_holdout(LABELS, 0.001, rng=1)
    with pytest.raises(ConfigError, match="batch_size must be an integer >= 1; got 0"):
        stratified_shuffle(LABELS, 0)
