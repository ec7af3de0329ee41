"""Curves of a run: positions, thinning and marks, worked out by hand."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest
from made_up import live_state

from arignote.checkpoints.progress import Best, History, Progress
from arignote.report.page.curves import charts_of, marks_of


def run(history, *, n_rows=None, fit=None, **changes):
    data = {part: {"features": {"shape": [n, 3]}} for part, n in (n_rows or {}).items()}
    spec = {"name": None, "n_in": [3], "layers": [], "fit": {"n_epochs": 5, "batch_size": 4} | (fit or {})}
    return live_state(history=History(history), data=data, spec=spec, **changes)


def charts(state):
    return {
        chart["title"]: {one["name"]: one["values"] for one in chart["series"]} for chart in charts_of(state)["charts"]
    }


def test_a_chart_has_the_curves_of_one_loss_and_the_numbers_are_those_of_the_history():
    columns = {
        **{"epoch": [1, 2], "examples_seen": [10, 20], "train_nll": [3.0, nan], "scored_train_nll": [1.0, 2.0]},
        **{
            "valid_nll": [0.1 + 0.2, inf],
            "test_nll": [4.0, 5.0],
            "valid_error": [0.5, 0.25],
            "valid_a.zeros": [0.0, 0.5],
        },
        **{"grad_norm": [7.0, 6.0], "learning_rate": [0.1, 0.1], "momentum": [0.9, 0.9], "fc1.l2": [0.01, 0.02]},
        "seconds": [1.0, 1.0],
    }
    state = run(columns, rules=dict.fromkeys(("lr", "momentum", "fc1.l2")))
    found = charts(state)
    assert found["nll"] == {
        **{"train_nll": [3.0, None], "scored_train_nll": [1.0, 2.0], "valid_nll": [0.1 + 0.2, None]},
        "test_nll": [4.0, 5.0],
    }
    assert list(found) == ["nll", "error", "learning_rate", "momentum", "fc1.l2", "zeros of outputs", "grad_norm"]
    assert found["zeros of outputs"] == {"valid_a.zeros": [0.0, 0.5]} and charts_of(state)["x"] == [1, 2]
    kinds = [chart["kind"] for chart in charts_of(state)["charts"]]
    assert kinds == ["loss"] * 2 + ["rule"] * 3 + ["monitor"] * 2
    nll = charts_of(state)["charts"][0]["series"]
    assert [one["role"] for one in nll] == ["train", "scored_train", "valid", "test"]
    assert nll[3]["summary"] == "test_nll from 4 to 5, lowest 4 in epoch 1"


@pytest.mark.parametrize(
    ("epoch", "seen", "progress", "fit", "x"),
    [
        # Epochs of 10 rows.
        ([1, 1, 2, 2], [4, 10, 14, 20], Progress(), {}, [0.4, 1, 1.4, 2]),
        # The last two rows of an epoch are left out.
        ([1, 1, 2], [4, 8, 12], Progress(), {"drop_last": True}, [0.5, 1, 1.5]),
        # From epoch 2 on the 5 rows of validation are trained on too.
        ([1, 2, 2, 3], [10, 16, 25, 40], Progress(final_since=1), {}, [1, 1.4, 2, 3]),
    ],
)
def test_a_validation_in_mid_epoch_is_where_it_was(epoch, seen, progress, fit, x):
    columns = {"epoch": epoch, "examples_seen": seen, "train_nll": np.ones(len(epoch))}
    state = run(columns, n_rows={"train": 10, "valid": 5}, fit={"validation_frequency": 4} | fit, progress=progress)
    assert charts_of(state)["x"] == pytest.approx(x)


def test_of_100_000_validations_the_best_and_the_extremes_of_each_loss_are_drawn():
    n = 100_000
    losses = {name: np.random.default_rng(at).normal(size=n) for at, name in enumerate(("train_nll", "valid_nll"))}
    losses["train_nll"][[7, 77_777]] = -50, nan
    losses["valid_nll"][54_321] = 60
    best = Best(float(losses["valid_nll"][31_415]), 31_416, 1, 31_416)
    state = run({"epoch": np.arange(1.0, n + 1), **losses}, best=best)
    found = charts_of(state)
    x = found["x"]
    assert found["n_validations"] == n and 2000 < found["n_drawn"] == len(x) <= 4000
    assert {1, 8, 31_416, 54_322, n} <= set(x) and x == sorted(set(x)) and x[found["best"]] == 31_416
    drawn = charts(state)["nll"]
    assert drawn["train_nll"][x.index(8)] == -50 and drawn["valid_nll"][x.index(54_322)] == 60
    assert drawn["valid_nll"] == losses["valid_nll"][np.array(x, int) - 1].tolist()
    # Of half of a page, half of the numbers.
    assert charts_of(state, share=2)["n_drawn"] <= 2000


def test_each_process_after_the_first_is_a_mark_with_its_cause():
    state = run(
        {"epoch": [1.0]},
        n_rows={"train": 10, "valid": 5},
        starts=[[0, 0], [1, 2], [2, 0], [2, 1], [3, 2]],
        causes=["killed", "SIGTERM", "finished"],
        progress=Progress(epoch=4, batch=1, stopped_by="observer"),
    )
    # The first causes are of an older version, which recorded none.
    assert [mark["text"] for mark in marks_of(state)] == [
        "in epoch 2, after batch 2: resumed",
        "after epoch 2: killed, and resumed",
        "in epoch 3, after batch 1: stopped by SIGTERM, and resumed",
        "in epoch 4, after batch 2: continued after its end",
        "in epoch 5 of 5, after 1 batch: stopped by an observer",
    ]
    # Batches of 4 of 10 rows.
    assert [mark["x"] for mark in marks_of(state)] == pytest.approx([1.8, 2, 2.4, 3.8, 4.4])
