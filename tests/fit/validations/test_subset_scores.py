"""Batches outside training: all rows in their order, or those of one process."""

from __future__ import annotations

import numpy as np
import pytest

from arignote.data.readers.base import ArrayReader
from arignote.data.rows.open_rows import rows_of
from arignote.data.rows.selection import Rows
from arignote.engine.network import Network
from arignote.engine.predict import validation_rows
from arignote.engine.processes import Processes
from arignote.fit.validations.subset_scores import in_order
from arignote.layers import declare, parse

N = 5000


@pytest.mark.parametrize("n_workers", [0, 2])
def test_processes_share_the_batches_of_all_rows_in_their_order(n_workers):
    network = Network(declare(parse([["ClassificationOutputLayer", {"n_classes": 2}]]), (3,)))
    x, y = np.arange(3 * N, dtype=np.float32).reshape(N, 3), np.arange(N) % 2
    # A power of two, of which 5,000 rows are three batches.
    assert validation_rows(network) == 2048
    batches = [
        list(in_order(network, rows_of(x, y), y, n_workers=n_workers, own=own))
        for own in (range, Processes(0, 2).own, Processes(1, 2).own)
    ]
    assert [[len(of_x) for of_x, _ in one] for one in batches] == [[2048, 2048, 904], [2048], [2048, 904]]
    for found in (batches[0], batches[1] + batches[2]):
        assert np.array_equal(np.concatenate([of_x for of_x, _ in found]), x)
        assert np.array_equal(np.concatenate([of_y for _, of_y in found]), y)


@pytest.mark.parametrize("n_workers", [0, 1, 3])
@pytest.mark.parametrize("y_from_x", [False, True])
def test_rows_are_read_in_their_order_in_batches_that_suit_the_network(n_workers, y_from_x):
    network = Network(declare(parse([["ClassificationOutputLayer"]]), (2,), 3))
    size = validation_rows(network)
    x = np.arange(2 * (2 * size + 5), dtype=np.float32).reshape(-1, 2)
    y = None if y_from_x else np.arange(len(x))
    batches = list(in_order(network, Rows(ArrayReader(x)), y, y_from_x=y_from_x, n_workers=n_workers))
    assert [len(one) for one, _ in batches] == [size, size, 5]
    assert np.array_equal(np.concatenate([one for one, _ in batches]), x)
    assert np.array_equal(np.concatenate([one for _, one in batches]), x if y_from_x else y)
