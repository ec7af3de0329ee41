"""Small real data for all tests."""

from __future__ import annotations

import gc
import os
import platform
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from promise import LAYERS

# Commands, not tests.
collect_ignore = [
    "hostile/driver.py",
    "hostile/fuzz.py",
    "mutants/changes.py",
    "mutants/operators.py",
    "mutants/run.py",
    "mutants/sandbox.py",
    "resume/torture.py",
]

# A library asks for it by the command `uname -p`; the answer is kept for the rest of the process.
platform.processor()

# Folders of tests are in memory where Linux offers that: each checkpoint is synchronised, and a disk is waited for.
# A kill of a process loses nothing that was written to either. Containers often give 64 MB, or forbid programs there.
MEMORY = Path("/dev/shm")
if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 4e9 and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Load all modules without collecting garbage, and spare them later: each collection would look at all of it.

    Tests run on one thread of torch, as threads that wait for each other cost small networks more than they give. A
    test of threads sets how many; the processes that tests start have the default.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Fail a test without the marker `slow` that starts a process or connects to a server, its fixtures included."""
    if item.get_closest_marker("slow"):
        return (yield)

    def refuse(*args, **kwargs):
        raise RuntimeError("a test that starts a process or connects to a server needs the marker @pytest.mark.slow")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess.Popen, "__init__", refuse)
        patch.setattr(os, "fork", refuse, raising=False)
        patch.setattr(socket.socket, "connect", refuse)
        return (yield)


@pytest.fixture
def layers():
    return [[name, dict(params)] for name, params in LAYERS]


@pytest.fixture(scope="session")
def digits():
    from sklearn.datasets import load_digits

    data = load_digits()
    return (data.data[:300] / 16).astype(np.float32), data.target[:300]
