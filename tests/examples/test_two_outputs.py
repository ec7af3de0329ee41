"""The example of several outputs runs, and both of its networks learn."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "two_outputs.py"


def test_the_script_prints_scores_of_all_outputs_and_leaves_the_auxiliary_one_out(capsys):
    names = runpy.run_path(str(SCRIPT))
    lines = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert lines["digits"] == "[0 1 2 3 4]" and "'digit': array([0, 1, 2, 3, 4])" in lines["digits and ink"]
    both = names["classifier"].evaluate(names["X"], {"digit": names["y"], "ink": names["ink"]}, part="test")
    assert lines["with ink"] == str(both)
    assert both["error"] < 0.08 and both["ink_r2"] > 0.4
    assert "'parity_error'" in lines["with parity"]
