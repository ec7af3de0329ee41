"""Subjects of commits, which a stranger reads in `git log`."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Of the first commit that is held to it: earlier ones stay as they are.
SINCE = "2026-12-01T03:10:00+00:00"


@pytest.mark.slow
def test_subjects_name_a_place_and_fit_in_72_characters():
    log = ["git", "log", "--no-merges", f"--since={SINCE}", "--format=%h %s"]
    listed = subprocess.run(log, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a clone")
    subjects = dict(line.split(" ", 1) for line in listed.stdout.splitlines())
    wrong = {commit: one for commit, one in subjects.items() if len(one) > 72 or not re.match(r"[\w, ./]+: \S", one)}
    assert wrong == {}
