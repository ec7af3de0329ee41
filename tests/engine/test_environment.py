"""What may change bits is recorded as the libraries and the system report it."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import arignote
from arignote.engine.environment import environment
from arignote.engine.setup import Setup


def test_the_instruction_sets_are_those_of_the_processor():
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    flags = set((re.search(r"^flags\s*: (.*)$", text, re.M) or [""] * 2)[1].split())
    if not flags:
        pytest.skip("no /proc/cpuinfo with flags")
    found = set(environment(Setup(), [])["instruction_sets"])
    assert {"avx", "avx2", "f16c"} & flags <= found
    assert ("avx512_f" in found) == ("avx512f" in flags)


def test_variables_of_the_math_libraries_are_recorded_and_no_others(monkeypatch):
    before = environment(Setup(), [])["variables"]
    monkeypatch.setenv("ONEDNN_DEFAULT_FPMATH_MODE", "BF16")
    monkeypatch.setenv("MKL_VERBOSE", "0")
    monkeypatch.setenv("HOME", "/nowhere")
    assert environment(Setup(), [])["variables"] == before | {"ONEDNN_DEFAULT_FPMATH_MODE": "BF16"}


def test_a_torch_that_reports_no_capabilities_leaves_them_out(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    found = environment(Setup(), [])
    assert found["instruction_sets"] == found["caches"] == [] and found["processor"]


def test_the_environment_has_versions_and_the_setup_but_not_what_decides():
    found = environment(Setup("cpu", 3, "cores", True, "bf16", True), ["fc1"])
    expected = {
        "arignote": arignote.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "deterministic": True,
        "device": "cpu",
        "n_threads": 3,
        "n_threads_from": "cores",
        "by_hand": ["fc1"],
        "channels_last": True,
        "compile": True,
    }
    assert {name: found[name] for name in expected} == expected and "precision" not in found
