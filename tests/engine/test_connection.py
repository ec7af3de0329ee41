"""Processes in the environment: which there are, and which GPU each has."""

from __future__ import annotations

import pytest
import torch

from arignote import ConfigError
from arignote.engine.connection import connected, own_gpu
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
