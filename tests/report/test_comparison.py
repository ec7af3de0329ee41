"""Runs beside each other: numbers at the best epoch, settings that differ, the best first whatever its loss is."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from command_line import arignote

from arignote import ArignoteWarning, CheckpointError, ConfigError, NNClassifier, NNRegressor
from arignote.report.comparison import comparison, comparison_lines, differing

X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
SETTINGS = {"valid": 0.25, "batch_size": 20, "n_threads": 1}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Stems and estimators of a large and a small network, of which the second was stopped."""
    folder = tmp_path_factory.mktemp("runs")
    found = {}
    for name, n_units, n_epochs in (("large", 9, 3), ("small", 2, 2)):
        layers = [["FCLayer", {"name": "fc1", "n_units": n_units}], ["ClassificationOutputLayer"]]
        stem = str(folder / name)
        found[stem] = NNClassifier(layers, rng=1).fit(
            X, X[:, 0] > 0, **SETTINGS, n_epochs=n_epochs, checkpoint=stem, lr_rule=0.5
        )
    return found


def test_a_row_has_the_losses_at_the_best_epoch_and_the_settings_that_differ(runs):
    rows = comparison([*runs])
    for row, (stem, fitted) in zip(rows, runs.items(), strict=True):
        losses = [one["valid_nll"] for one in fitted.history_]
        at_best = fitted.history_[int(np.argmin(losses))]
        assert row["run"] == stem and row["status"] == "finished" and row["epochs"] == len(losses)
        assert row["best_epoch"] == at_best["epoch"] and row["valid_nll"] == min(losses)
        assert row["valid_error"] == at_best["valid_error"]
        assert row["seconds"] == pytest.approx(sum(one["seconds"] for one in fitted.history_))
    # Weights, biases and slopes of prelu; weights and biases of the output.
    assert [row["n_params"] for row in rows] == [4 * 9 + 9 + 9 + 9 * 2 + 2, 4 * 2 + 2 + 2 + 2 * 2 + 2]
    differing = {name: [row[name] for row in rows] for name in rows[0] if name.startswith(("fit.", "layers."))}
    assert differing == {"fit.n_epochs": [3, 2], "layers.fc1.n_units": [9, 2]}


def test_of_parts_only_the_parameters_that_differ_are_named_by_the_paths_of_set():
    def spec(rate, sigma, weight, *more):
        augmentation = [["Shift", {"max_shift": 1}], ["Noise", {"sigma": sigma}], *more]
        fit = {"lr_rule": ["stalled", {"initial_value": rate, "interval": 10}], "augmentation": augmentation}
        fit["class_weight"] = weight
        layers = [["FCLayer", {"name": "fc1", "n_units": 3, "W": ["uniform", {"scale": rate}]}]]
        return {"fit": fit, "layers": layers, "rng": 1, "n_in": [4]}

    found = differing([spec(0.1, 0.5, None), spec(0.2, 0.4, {"a": 2.0}, ["Noise", {"sigma": 0.3}])])
    assert found == {
        "fit.lr_rule.initial_value": [0.1, 0.2],
        "fit.augmentation.1.sigma": [0.5, 0.4],
        "fit.augmentation.2": [None, "Noise"],
        "fit.augmentation.2.sigma": [None, 0.3],
        "fit.class_weight.a": [None, 2.0],
        "layers.fc1.W.scale": [0.1, 0.2],
    }


def test_runs_are_sorted_by_a_column(runs):
    values = [row["valid_nll"] for row in comparison([*runs], "valid")]
    assert values == sorted(values)
    assert [row["layers.fc1.n_units"] for row in comparison([*runs], "layers.fc1.n_units")] == [2, 9]
    with pytest.raises(ConfigError, match=r"--sort valid_nl: there is no such column. Did you mean 'valid_nll'\?"):
        comparison([*runs], "valid_nl")


def test_of_a_score_the_largest_is_the_best(tmp_path):
    scores = {}
    for n_epochs in (1, 5):
        stem = str(tmp_path / str(n_epochs))
        settings = SETTINGS | {"valid_loss": ["r2"], "n_epochs": n_epochs, "checkpoint": stem}
        NNRegressor([["RegressionOutputLayer"]], rng=1).fit(X, X @ [1, 2, 3, 4], **settings)
        scores[stem] = comparison([stem])[0]["valid_r2"]
    expected = sorted(scores, key=scores.get, reverse=True)
    assert [row["run"] for row in comparison([*scores], "valid")] == expected
    assert len(set(scores.values())) == 2


def test_a_damaged_run_is_listed_beside_the_others_and_a_missing_one_is_an_error(runs, tmp_path):
    (tmp_path / "bad_last.ckpt").write_bytes(b"no checkpoint")
    bad, (large, small) = str(tmp_path / "bad"), runs
    with pytest.warns(ArignoteWarning, match=r"bad_last\.ckpt: .* Its run is listed as damaged$"):
        first, *others = comparison([bad, small, large])
    assert others == comparison([small, large])
    assert first == dict.fromkeys(others[0]) | {"run": bad, "status": "damaged"}
    with pytest.warns(ArignoteWarning, match="listed as damaged"):
        assert [row["run"] for row in comparison([bad, small, large], "fit.n_epochs")] == [small, large, bad]
    with pytest.raises(CheckpointError, match="bad_last"):
        comparison([bad])
    with pytest.raises(CheckpointError, match="nowhere: there is no run of this stem"):
        comparison([small, str(tmp_path / "nowhere")])


def test_the_command_prints_a_table_csv_and_json(runs):
    rows = comparison([*runs])
    table = arignote("compare", *runs).out.splitlines()
    assert table[0].split() == list(rows[0]) and [line.split()[0] for line in table[2:]] == [*runs]
    cells = list(csv.DictReader(arignote("compare", *runs, "--csv").out.splitlines()))
    assert [float(row["valid_nll"]) for row in cells] == [row["valid_nll"] for row in rows]
    assert json.loads(arignote("compare", *runs, "--json").out)["runs"] == rows
    failed = arignote("compare", *runs, "none")
    assert failed.code == 4 and failed.out == "" and "none: there is no run of this stem" in failed.err


def test_many_settings_that_differ_are_lines_of_a_table_of_their_own():
    rows = [{"run": f"runs/{name}", "epochs": n, "rng": n} for name, n in (("a", 1), ("b", 22))]
    few = [row | {f"fit.s{n}": f"{row['run']}{n}" for n in range(5)} for row in rows]
    assert comparison_lines(few)[0].split() == ["run", "epochs", "rng", *(f"fit.s{n}" for n in range(5))]
    many = [row | {"layers.fc1.n_units": row["epochs"]} for row in few]
    head, _, one, other, blank, settings, _, *lines = [line.split() for line in comparison_lines(many)]
    assert (head, one, other, blank) == (["run", "epochs"], ["runs/a", "1"], ["runs/b", "22"], [])
    assert settings == ["setting", "runs/a", "runs/b"]
    assert [lines[0], lines[1], lines[-1]] == [
        ["rng", "1", "22"],
        ["fit.s0", "runs/a0", "runs/b0"],
        ["layers.fc1.n_units", "1", "22"],
    ]
