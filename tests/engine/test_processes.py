"""Processes in the environment: which there are, and who computes what."""

from __future__ import annotations

import pytest
import torch

from arignote import ConfigError
from arignote.engine.processes import Processes, connected, own_gpu
from arignote.engine.shards import TreeSum
from arignote.fit.changes import differences
from arignote.launch import FROM_TORCHRUN, is_first_process


@pytest.fixture
def environment(monkeypatch):
    for name in FROM_TORCHRUN:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize("world_size", [None, "", "1"])
def test_without_torchrun_there_is_one_process(environment, world_size):
    if world_size is not None:
        environment.setenv("WORLD_SIZE", world_size)
    with connected() as processes:
        assert processes is None and is_first_process()


def test_a_number_of_processes_that_do_not_know_each_other_is_refused(environment):
    environment.setenv("WORLD_SIZE", "2")
    environment.setenv("RANK", "1")
    with pytest.raises(ConfigError, match=r"^WORLD_SIZE is 2, but torchrun sets MASTER_ADDR, MASTER_PORT too"):
        connected().__enter__()
    # Nobody else prints.
    assert is_first_process()


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


@pytest.mark.parametrize(("local_rank", "gpu"), [(None, 0), ("1", 1), ("5", 1)])
def test_each_process_of_a_machine_has_a_gpu_of_its_own_while_it_is_connected(monkeypatch, local_rank, gpu):
    current = [0]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: current[-1])
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if local_rank is not None:
        monkeypatch.setenv("LOCAL_RANK", local_rank)
    with own_gpu():
        assert torch.cuda.current_device() == gpu
    assert torch.cuda.current_device() == 0
