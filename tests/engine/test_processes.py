"""Which of several processes computes what, and what a single one does."""

from __future__ import annotations

import pytest
import torch

from arignote.engine.processes import Processes
from arignote.engine.shards import TreeSum
from arignote.fit.changes import differences


@pytest.mark.parametrize(
    ("size", "n", "owned"),
    [
        (2, 4, [range(2), range(2, 4)]),
        (3, 4, [range(1), range(1, 2), range(2, 4)]),
        (3, 2, [range(0), range(1), range(1, 2)]),
        (1, 3, [range(3)]),
    ],
)
def test_shards_are_dealt_to_processes_as_neighbours(size, n, owned):
    assert [Processes(rank, size).own(n) for rank in range(size)] == owned


def test_a_single_process_of_torchrun_sends_nothing():
    processes, tree = Processes(0, 1), TreeSum(2)
    tree.add(0, 1, torch.tensor([1.0]))
    tree.add(1, 2, torch.tensor([2.0]))
    assert processes.total(tree, 2, torch.empty(1)).tolist() == [3.0]
    assert processes.gather(b"abc") == [b"abc"] and processes.of_first(b"") == b""
    processes.check_equal({"a": 1}, differences)
    with pytest.raises(KeyError), processes.together():
        raise KeyError


def test_what_asks_a_process_to_stop_is_known_after_the_next_sum():
    processes = Processes(0, 1)

    def total():
        tree = TreeSum(1)
        tree.add(0, 1, torch.tensor([1.0]))
        return processes.total(tree, 1, torch.empty(1))

    total()
    assert processes.stop is None
    processes.asked = lambda: (15, "SIGTERM")
    assert total().tolist() == [1.0] and processes.stop == (15, "SIGTERM")
    # The first reason stays.
    processes.asked = lambda: (2, "SIGINT")
    total()
    assert processes.stop == (15, "SIGTERM")
