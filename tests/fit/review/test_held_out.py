"""The rows of a part of a run are found again, or refused."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from command_line import arignote

from arignote import CheckpointError, DataError, NNClassifier
from arignote.data import Data
from arignote.data.prepare.fit_data import FitData, split_of
from arignote.data.rows.open_rows import rows_of
from arignote.fit.review import held_out
from arignote.fit.review.held_out import StoredSubsets, n_training_rows, rows_of_subset

rng = np.random.default_rng(4)
X, Y = rng.normal(size=(60, 3)).astype(np.float32), np.arange(60) % 2
OWN = rng.normal(size=(20, 3)).astype(np.float32), np.arange(20) % 2


def state_of(**more):
    return NNClassifier([["ClassificationOutputLayer"]], rng=1).fit(X, Y, n_epochs=1, batch_size=20, **more).state_


@pytest.mark.parametrize(
    ("given", "split"),
    [
        (FitData(X, Y), {}),
        (FitData(X, Y, valid=0.25, test=0), {"valid": 0.25}),
        (FitData(X, Y, valid=np.arange(3), test=[4, 5]), {"valid": "rows", "test": "rows"}),
        (FitData(X, Y, valid=OWN, test=Data(*OWN), groups=Y), {"valid": "data", "test": "data", "groups": True}),
        (FitData(X, Y, valid="v.h5:/x"), {"valid": "data"}),
    ],
)
def test_how_each_part_was_given_is_plain_data(given, split):
    assert split_of(given) == split


def test_all_parts_together_are_all_rows_once():
    state = state_of(valid=0.2, test=0.1)
    parts = {part: rows_of_subset(state, FitData(X, Y), part) for part in ("train", "valid", "test")}
    assert {part: len(rows) for part, rows in parts.items()} == {"train": 42, "valid": 12, "test": 6}
    assert sorted(np.concatenate([rows.index for rows in parts.values()])) == list(range(60))
    # What fit is given now does not matter: the fractions are those of the run.
    again = rows_of_subset(state, FitData(X, Y, valid=0.5, test=0.3), "test")
    assert again.index.tolist() == parts["test"].index.tolist()


def test_the_parts_of_one_split_are_prepared_once(monkeypatch):
    calls, really = [], held_out.prepare
    monkeypatch.setattr(held_out, "prepare", lambda *given: (calls.append(given), really(*given))[1])
    state = state_of(valid=0.2, test=OWN)
    parts = StoredSubsets(state, FitData(X, Y, test=OWN))
    found = {part: parts.rows(part) for part in ("train", "valid", "test")}
    assert {part: len(rows) for part, rows in found.items()} == {"train": 48, "valid": 12, "test": 20}
    assert len(calls) == 1


def test_a_part_of_its_own_data_is_that_data():
    state = state_of(valid=OWN)
    for given in (FitData(X, Y, valid=OWN), FitData(*OWN)):
        assert len(rows_of_subset(state, given, "valid")) == 20
    assert len(rows_of_subset(state, FitData(X, Y), "train")) == 60
    with pytest.raises(DataError, match="these are not the valid rows of the run"):
        rows_of_subset(state, FitData(X, Y), "valid")


def test_parts_of_row_numbers_are_those_rows_where_the_numbers_are_given_again():
    rows = {"valid": np.array([7, 3, 11]), "test": range(40, 50)}
    state = state_of(**rows)
    found = {
        part: rows_of_subset(state, FitData(X, Y, **rows), part).index.tolist() for part in ("train", "valid", "test")
    }
    assert found["valid"] == [3, 7, 11] and found["test"] == list(range(40, 50))
    assert sorted(found["train"] + found["valid"] + found["test"]) == list(range(60))
    for given, missing in (
        (FitData(X, Y), "valid"),
        (FitData(X, Y, valid=rows["valid"]), "test"),
        (FitData(X, Y, valid=0.05, test=rows["test"]), "valid"),
        (FitData(X, Y, valid=OWN, test=rows["test"]), "valid"),
    ):
        with pytest.raises(DataError, match=f"^{missing} was given to fit as row numbers or a splitter, which a run"):
            rows_of_subset(state, given, "train")
    with pytest.raises(DataError, match="these are not the valid rows of the run"):
        rows_of_subset(state, FitData(X, Y, **rows | {"valid": [7, 3, 12]}), "valid")


def test_training_rows_are_counted_in_the_data_of_the_run_alone():
    state = state_of(test=0.25)

    def counted(x, y):
        return n_training_rows(state, rows_of(x, y), FitData(x, y))

    assert counted(X, Y) == 45
    assert [counted(X[:59], Y[:59]), counted(X + 1, Y), counted(X, 1 - Y)] == [0, 0, 0]


def test_a_file_of_an_earlier_version_needs_what_was_held_out():
    state = state_of(valid=0.2)
    del state.data["split"]
    assert len(rows_of_subset(state, FitData(X, Y, valid=0.2), "valid")) == 12
    with pytest.raises(DataError, match="does not record what it held out: give valid as it was given to fit"):
        rows_of_subset(state, FitData(X, Y), "valid")


@pytest.mark.parametrize(
    "data", [{"split": 5}, {"split": {"valid": 2.0}}, {"split": {"valid": "a file"}}, {"valid": "sha"}]
)
def test_a_file_that_no_run_writes_is_refused(data):
    state = state_of(valid=0.2)
    state.data.update(data)
    with pytest.raises(CheckpointError, match="of the run must"):
        rows_of_subset(state, FitData(X, Y), "valid")


# --- images that are stored as flat rows

IMAGES = [["InputImageLayer", {"n_pixels": 4}], ["FCLayer", {"n_units": 2}], ["ClassificationOutputLayer"]]
FLAT = np.random.default_rng(7).normal(size=(40, 16)).astype(np.float32), np.arange(40) % 2


@pytest.fixture
def flat_run(tmp_path, monkeypatch):
    """A run of version 0.1 that was trained on flat rows, of which a fifth was held out, and its config."""
    monkeypatch.chdir(tmp_path)
    for name in ("last", "best"):
        shutil.copy(
            Path(__file__).parents[2] / "checkpoints" / "stored" / f"flat_images_{name}.ckpt", f"run_{name}.ckpt"
        )
    np.savez("t.npz", x=FLAT[0], y=FLAT[1])
    layers = "[[InputImageLayer, {n_pixels: 4}], [FCLayer, {n_units: 2}], [ClassificationOutputLayer]]"
    data = "{train: {features: 't.npz:x', labels: 't.npz:y'}, valid: 0.2}"
    Path("config.yaml").write_text(f"data: {data}\nlayers: {layers}\n")


# What version 0.1 wrote into the history of the run, at its best validation.
FLAT_NLL = 0.6934921741485596


@pytest.mark.usefixtures("flat_run")
def test_a_part_of_a_run_that_was_trained_on_flat_rows_is_scored():
    fitted = NNClassifier.load("run").set_params(valid=0.2)
    assert fitted.evaluate(*FLAT, part="valid") == pytest.approx({"nll": FLAT_NLL, "error": 0.5}, rel=1e-6)
    ended = arignote("evaluate", "run", "--config", "config.yaml", "--part", "valid")
    assert ended.code == 0, ended.err
    assert float(re.search(r"^nll (\S+)$", ended.out, re.M)[1]) == pytest.approx(FLAT_NLL, abs=1e-6)


def test_a_part_of_its_own_data_may_be_flat_rows_of_images():
    own = FLAT[0][:10], FLAT[1][:10]
    fitted = NNClassifier(IMAGES, rng=1).fit(*FLAT, valid=own, n_epochs=1, batch_size=20)
    # The validation after the only epoch.
    expected = {"nll": fitted.history_[0]["valid_nll"], "error": fitted.history_[0]["valid_error"]}
    assert fitted.evaluate(*own, part="valid") == pytest.approx(expected, rel=1e-6)
