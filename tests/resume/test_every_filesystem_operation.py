"""The promise, at every operation that a run does on its files: killed before it, or in the middle of a write."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

DRIVER = Path(__file__).with_name("filesystem_driver.py")
# All of them: python tests/resume/torture.py
SCENARIOS = {"batches": 60, "epochs": 50}


@pytest.fixture(scope="module")
def report():
    # SIGKILL takes nothing that the kernel has, so that files in memory prove as much, in less time.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        told = [sys.executable, str(DRIVER), folder, "--scenarios", *SCENARIOS]
        found = subprocess.run(told, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the driver forks")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_at_every_filesystem_operation_it_ends_in_the_same_bits_and_files(scenario, report):
    found = report[scenario]
    assert found["operations"] >= SCENARIOS[scenario]
    assert found["kills"] > found["operations"]
    assert found["mismatches"] == []
