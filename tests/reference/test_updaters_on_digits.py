"""Every updater learns the digits with its default rates: none diverges, none stays at chance."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from own_parts import first_names

SCRIPT = runpy.run_path(str(Path(__file__).resolve().parents[2] / "benchmarks" / "updaters.py"))


@pytest.mark.slow
@pytest.mark.parametrize("updater", first_names("updater"))
def test_a_few_epochs_with_default_rates_leave_chance_behind(updater):
    history = SCRIPT["fitted"](updater, seed=0, n_epochs=5)
    losses = [record["train_nll"] for record in history]
    # Chance is an nll of log(10) = 2.30, and an error of 0.9 on ten classes.
    assert losses == sorted(losses, reverse=True) and losses[-1] < 2.2
    assert history[-1]["valid_error"] < 0.4


def test_the_table_has_every_updater():
    assert SCRIPT["updaters"]() == first_names("updater")
