"""Summaries of columns, added chunk by chunk: those of NumPy and of the standard library over the whole column."""

from __future__ import annotations

import statistics

import numpy as np
import pytest

from arignote.data.values.summaries import SUMMARIES

VALUES = np.random.default_rng(0).integers(0, 9, 41).astype(float).tolist()


def summary(name, chunks):
    made = SUMMARIES[name]()
    for chunk in chunks:
        made.add(chunk)
    return made


@pytest.mark.parametrize("size", [1, 7, 41])
def test_the_size_of_the_chunks_does_not_matter(size):
    chunks = [VALUES[at : at + size] for at in range(0, 41, size)]
    assert summary("mean", chunks).value() == pytest.approx(np.mean(VALUES), rel=1e-14)
    assert summary("median", chunks).value() == np.median(VALUES)
    assert VALUES.count(summary("most_frequent", chunks).value()) == VALUES.count(statistics.mode(VALUES))


@pytest.mark.parametrize(
    "values", [[3.0, 1.0], [5.0, 1.0, 1.0, 2.0], [2.0, 2.0, 9.0], [-1.0, 0.5, 0.25, 7.0, 7.0, 7.0]]
)
def test_a_median_is_the_mean_of_both_values_in_the_middle_each_counted_as_often_as_it_occurs(values):
    assert summary("median", [values]).value() == statistics.median(values)


def test_of_equally_frequent_values_the_smallest_is_taken_text_too():
    assert summary("most_frequent", [["b", "a", "c"], ["c", "a"]]).value() == "a"
    counts = summary("most_frequent", [["b", "a", "a"]])
    # Different values are kept, rows are not.
    assert counts.n_values == 2 and counts.n_bytes == 200 and summary("mean", [[1.0, 3.0]]).n_bytes == 0
