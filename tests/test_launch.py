"""The environment of torchrun: who prints and writes."""

from __future__ import annotations

import os

import pytest

from arignote.launch import is_alone, is_first_process, torchrun_of


@pytest.mark.parametrize(
    ("environment", "is_first", "are_alone"),
    [
        ({}, True, True),
        ({"RANK": "1"}, True, True),
        ({"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}, True, False),
        ({"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}, True, True),
        ({"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}, False, False),
        ({"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "", "MASTER_PORT": "1"}, True, True),
    ],
)
def test_the_first_process_of_those_that_know_each_other_prints(environment, is_first, are_alone, monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert (is_first_process(), is_alone()) == (is_first, are_alone)


def test_only_a_process_of_torchrun_has_one_that_started_it(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    assert torchrun_of() is None
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    assert torchrun_of() == os.getppid()
