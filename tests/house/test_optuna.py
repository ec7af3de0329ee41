"""The code of docs/searches.md for Optuna: run by Optuna where it is installed, and by a trial of the test anywhere."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "searches.md"
BLOCKS = re.findall(r"^```python\n([\s\S]*?)^```$", DOCUMENT.read_text(), re.M)


class PrunedError(Exception):
    pass


class Trial:
    """A trial of Optuna as the document uses it: https://optuna.readthedocs.io/en/stable/reference/trial.html."""

    def __init__(self, prune_at=None):
        self.prune_at, self.reported = prune_at, []

    def suggest_int(self, name, low, high):
        return low

    def suggest_float(self, name, low, high, log=False):
        return 0.1

    def report(self, value, step):
        self.reported.append((step, value))

    def should_prune(self):
        return len(self.reported) == self.prune_at


@pytest.fixture
def namespace(tmp_path, monkeypatch):
    """What the document has defined before the study: data and the objective."""
    monkeypatch.chdir(tmp_path)
    found = {"optuna": SimpleNamespace(TrialPruned=PrunedError)}
    # All that comes before the first search, and the objective.
    for block in (BLOCKS[0].partition("layers =")[0], *(block for block in BLOCKS if "def objective" in block)):
        exec(compile(block, str(DOCUMENT), "exec"), found)
    return found


def test_an_observer_reports_each_validation_and_stops_a_trial_that_is_pruned(namespace):
    trial = Trial(prune_at=2)
    with pytest.raises(PrunedError):
        namespace["objective"](trial)
    assert [step for step, _ in trial.reported] == [1, 2]
    # The same parameters again resume the run.
    again = Trial()
    best = namespace["objective"](again)
    assert [step for step, _ in again.reported] == [3, 4, 5]
    assert best == min(value for _, value in trial.reported + again.reported)


@pytest.mark.slow
def test_optuna_runs_the_study_of_the_document(namespace):
    optuna = pytest.importorskip("optuna", reason="optuna is not installed: pip install optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    exec(compile(BLOCKS[-1], str(DOCUMENT), "exec"), namespace)
    trials = namespace["study"].trials
    assert len(trials) == 8 and any(trial.state.name == "PRUNED" for trial in trials)
    assert all(trial.state.name in ("PRUNED", "COMPLETE") for trial in trials)
