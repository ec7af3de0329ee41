"""The history: columns that only grow; copies of its head stay as they were, whatever is appended to others."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest

from arignote.checkpoints.progress import History, Progress, is_loss, subset_of

ROWS = [
    {"epoch": 1, "examples_seen": 100, "train_nll": 2.0, "seconds": 0.5},
    {"epoch": 2, "examples_seen": 200, "train_nll": 1.5, "test_error": 0.25, "seconds": 0.5},
    {"epoch": 3, "examples_seen": 300, "train_nll": 1.25, "seconds": 0.5},
]


def history(rows=ROWS):
    found = History()
    for row in rows:
        found.append(row)
    return found


def test_a_run_begins_with_nothing_done():
    assert list(vars(Progress()).values()) == [0, 0, 0, 0, 0, 0, False, False, None, None, None, 0]


def test_columns_of_integers_become_float64():
    found = History({"epoch": [1, 2]})
    assert found.arrays()["epoch"].dtype == np.float64 and len(found) == 2


def test_what_only_some_rows_have_is_nan_in_the_others():
    found = history()
    assert len(found) == 3 and found.names == ["epoch", "examples_seen", "train_nll", "seconds", "test_error"]
    assert np.array_equal(found.arrays()["test_error"], [np.nan, 0.25, np.nan], equal_nan=True)
    assert all(column.dtype == np.float64 and column.shape == (3,) for column in found.arrays().values())


def test_a_row_comes_back_with_its_counts_as_integers():
    first, second, _ = history().records()
    assert second == ROWS[1] and isinstance(second["epoch"], int) and isinstance(second["examples_seen"], int)
    assert isnan(first["test_error"]) and first["train_nll"] == 2.0


def test_the_first_rows_are_those_of_the_whole_and_do_not_grow_with_it():
    whole = history(ROWS[:2])
    head = whole.head(1)
    whole.append(ROWS[2])
    assert (len(head), len(whole)) == (1, 3) and len(head.arrays()["epoch"]) == 1
    assert [record["epoch"] for record in head.records()] == [1]
    assert len(History()) == 0 and History().records() == []


def test_the_digest_is_of_all_numbers_but_those_of_the_clock():
    slower = [row | {"seconds": 9.0} for row in ROWS]
    assert history(slower).sha256() == history().sha256()
    other = [*ROWS[:2], ROWS[2] | {"train_nll": np.nextafter(1.25, 2)}]
    assert len({history(rows).sha256() for rows in (ROWS, other, ROWS[:2])}) == 3


@pytest.mark.parametrize("n_rows", [1, 16, 17, 100])
@pytest.mark.parametrize("n_head", [1, 16, 17, 100])
def test_heads_of_the_same_rows_grow_independently(n_rows, n_head):
    whole = history({"epoch": row + 1, "valid_nll": 1 / (row + 1)} for row in range(n_rows))
    one, two = whole.head(n_head), whole.head(n_head)
    kept = one.records()
    for name, grows in (("whole", whole), ("one", one), ("two", two)):
        grows.append({"epoch": 1000, name: 5.0})
    n_kept = min(n_rows, n_head)
    assert [len(found) for found in (whole, one, two)] == [n_rows + 1, n_kept + 1, n_kept + 1]
    for found in (whole, one, two):
        assert [{name: row[name] for name in kept[0]} for row in found.records()[:n_kept]] == kept
    assert one.record(-1)["one"] == two.record(-1)["two"] == whole.record(-1)["whole"] == 5.0
    assert "two" not in one.names and isnan(one.record(0)["one"])


@pytest.mark.parametrize(
    ("column", "subset", "loss"),
    [
        ("train_nll", "train", True),
        ("scored_train_nll", "scored_train", False),
        ("valid_aux_nll", "valid", True),
        ("test_a.norm", None, False),
        ("testing", None, False),
    ],
)
def test_a_column_without_a_dot_that_begins_with_a_subset_is_a_loss_of_it(column, subset, loss):
    assert (subset_of(column), is_loss(column)) == (subset, loss)
