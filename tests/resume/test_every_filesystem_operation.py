"""The promise, at every operation that a run does on its files: killed before it, or in the middle of a write."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import forked
import pytest

pytestmark = pytest.mark.slow

DRIVER = Path(__file__).with_name("filesystem_driver.py")
# All of them: python tests/resume/torture.py
SCENARIOS = {"batches": 60}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the driver forks")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_at_every_filesystem_operation_it_ends_in_the_same_bits_and_files(scenario):
    # SIGKILL loses nothing that the kernel has, so files in memory prove as much in less time.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        ended = forked.run([DRIVER, folder, "--scenarios", scenario], check=True)
    found = json.loads(ended.stdout)[scenario]
    assert found["operations"] >= SCENARIOS[scenario]
    assert found["kills"] > found["operations"]
    assert found["mismatches"] == []
