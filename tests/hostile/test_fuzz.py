"""2,000 mutations of valid files of every format end in a result or an error of Arignote (`make torture`: an hour)."""

from __future__ import annotations

import sys

import pytest
from hostile.seeds import FORMATS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="limits of memory by the address space"),
]

SEED, N_INPUTS = 2015, 2_000


@pytest.mark.parametrize("name", FORMATS)
def test_2000_mutations_of_valid_files_end_in_a_result_or_an_error_of_arignote(name, tmp_path):
    from hostile.fuzz import GOOD, fuzz

    n_inputs = -(-N_INPUTS // len(FORMATS))
    ends, found = fuzz(name, SEED, n_inputs, tmp_path)
    assert found == []
    assert sum(ends[end] for end in GOOD) == n_inputs
    # Mutations that are all read, or all refused, would test little.
    assert 0 < ends["result"] < n_inputs, ends


def test_a_reader_that_fails_is_a_finding(tmp_path, monkeypatch):
    """The fuzzer itself: an exception that is not Arignote's, and a crash, are found, and their inputs are saved."""
    import json
    import subprocess
    from pathlib import Path

    code = """
import ctypes, sys, hostile.readers as readers, hostile.fuzz as fuzz
from pathlib import Path

def fails(path):
    first = path.read_bytes()[:1]
    if first == b"\\0":
        raise ZeroDivisionError("nothing")
    if first == b"\\xff":
        ctypes.string_at(0)

readers.READERS["source"] = fails
fuzz.work("npy", 1, int(sys.argv[1]), 400, Path(sys.argv[2]), Path(sys.argv[3]))
"""
    (tmp_path / "in").mkdir()
    words = [sys.executable, "-c", code, "0", str(tmp_path / "in"), str(tmp_path / "out")]
    found = subprocess.run(words, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    lines = found.stdout.splitlines()
    # The crash is the last input that the worker named.
    assert found.returncode < 0 and lines[-1].isdigit()
    ends = [json.loads(line)["ended"] for line in lines if line.startswith("{")]
    assert "result" in ends and "ZeroDivisionError (not an ArignoteError)" in ends
    assert len(list((tmp_path / "out").iterdir())) == len([end for end in ends if "Zero" in end])
