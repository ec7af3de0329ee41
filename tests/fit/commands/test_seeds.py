"""Several seeds of a config: each is a run of its own, and the table has their mean and spread."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

import made_up
import numpy as np
import pytest
from command_line import arignote

from arignote import NNClassifier
from arignote.checkpoints.progress import Best, History
from arignote.fit.commands.fit import fit_command
from arignote.fit.commands.seeds import result_of, seed_lines, specs_of_seeds
from arignote.report.inspection import inspection
from arignote.spec.config import read_config

CONFIG = """\
rng: 7
data: {train: {features: "data.npz:x", labels: "data.npz:y"}, valid: 0.25, test: 0.2}
layers: [[FCLayer, {n_units: 3}], [ClassificationOutputLayer]]
fit: {n_epochs: 3, batch_size: 20, checkpoint: runs/a.b, n_threads: 1, log: log.jsonl}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    np.savez("data.npz", x=x, y=x[:, 0] > 0)
    Path("c.yaml").write_text(CONFIG)
    return tmp_path


@pytest.mark.slow
def test_each_seed_is_a_run_of_its_own_and_the_table_has_mean_and_spread(folder):
    ended = arignote("fit", "c.yaml", "--seeds", "3", "--set", "fit.verbose=false")
    assert ended.code == 0 and ended.err == ""
    fitted = {seed: NNClassifier.load(f"runs/a.b_seed{seed}") for seed in (7, 8, 9)}
    assert [len(Path(f"log_seed{seed}.jsonl").read_text().splitlines()) for seed in fitted] == [3, 3, 3]
    values = [min(row["valid_nll"] for row in one.history_) for one in fitted.values()]
    assert len(set(values)) == 3 and [one.state_.rng for one in fitted.values()] == [7, 8, 9]
    head, _, *rows = [line.split("  ") for line in ended.out.splitlines()[-7:]]
    column = [cell.strip() for cell in head if cell.strip()].index("valid_nll")
    cells = {row[0]: row[column] for row in ([cell.strip() for cell in line if cell.strip()] for line in rows)}
    expected = dict(zip(("7", "8", "9"), values, strict=True)) | {"mean": mean(values), "std": stdev(values)}
    assert cells == {name: f"{value:.5g}" for name, value in expected.items()}
    # The same bits as those of a single run with this seed.
    assert arignote("fit", "c.yaml", "--quiet", "--set", "rng=8", "--set", "fit.checkpoint=alone").code == 0
    digests = [inspection(stem)["weights_sha256"] for stem in ("runs/a.b_seed8", "alone")]
    assert digests[0] == digests[1]


def test_a_seed_that_was_stopped_is_resumed_and_those_before_it_are_not_trained_again(folder):
    assert arignote("fit", "c.yaml", "--quiet", "--seeds", "1").code == 0
    # A notice of preemption stops the second one at its first batch.
    Path("c.yaml").write_text(CONFIG.replace("n_threads: 1", 'n_threads: 1, preemption: "file:stop"'))
    Path("stop").touch()
    assert fit_command(Path("c.yaml"), n_seeds=2, quiet=True) == 143
    assert not inspection("runs/a.b_seed8")["finished"]
    Path("stop").unlink()
    ended = arignote("fit", "c.yaml", "--seeds", "2", "--set", "fit.verbose=false")
    assert ended.code == 0 and "finished, 3 of 3 epochs" in ended.out and "done, 3 of 3 epochs" in ended.out
    assert [len(inspection(f"runs/a.b_seed{seed}")["starts"]) for seed in (7, 8)] == [1, 2]
    assert [json.loads(line)["epoch"] for line in Path("log_seed8.jsonl").read_text().splitlines()] == [1, 2, 3]


def test_a_folder_of_a_log_is_one_for_each_seed_with_or_without_a_slash(folder):
    spec = read_config(Path("c.yaml"), ["fit.observers=[[TensorBoardLog, {path: tb/}], [TensorBoardLog, {path: tb}]]"])
    seeds = [one.fit for one in specs_of_seeds(spec, 2)]
    assert [[params["path"] for _, params in one["observers"]] for one in seeds] == [["tb_seed7"] * 2, ["tb_seed8"] * 2]
    # In a folder each fit has checkpoints of its own already.
    (one,) = specs_of_seeds(read_config(Path("c.yaml"), ["fit.checkpoint=runs/"]), 1)
    assert one.fit["checkpoint"] == "runs/"


def test_a_column_of_a_layer_is_no_loss_whatever_its_name():
    history = History({"epoch": [1, 2], "valid_nll": [0.5, 0.75], "test_a.norm": [3, 4], "scored_train_nll": [5, 6]})
    last = replace(made_up.state(2), history=history)
    assert result_of(last) == {"epoch": 2, "valid_nll": 0.75}
    assert result_of(replace(last, best=Best(0.5, 1, 10, 1))) == {"epoch": 1, "valid_nll": 0.5}


def test_a_seed_that_was_not_validated_has_no_cells_and_hides_no_column():
    assert seed_lines({1: {}, 2: {}}) == ["no seed was validated"]
    lines = seed_lines({1: {}, 2: {"epoch": 3, "valid_nll": 0.5}, 3: {"epoch": 5, "valid_nll": 1.5}})
    cells = [line.split() for line in lines]
    assert cells[0] == ["seed", "epoch", "valid_nll"] and ["1", "-", "-"] in cells
    # (3 + 5) / 2 and (0.5 + 1.5) / 2; both differ from their mean by 1 and by 0.5: sqrt(2 * 1 / 1), sqrt(2 * 0.25 / 1).
    assert ["mean", "4", "1"] in cells and ["std", "1.41421", "0.70711"] in cells
