"""What the page shows of a run, read from its files."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up import state
from promise import LAYERS, Stopped, killed_after

from arignote import CheckpointError, NNClassifier
from arignote.checkpoints.format import decode
from arignote.checkpoints.progress import History
from arignote.data.prepare.prepared import SUBSETS
from arignote.report.page.gather import StoredRun, page_of
from arignote.report.page.html import html_of
from arignote.report.page.overlay import page_of_several
from arignote.report.page.scored import ScoredRows

SETTINGS = {"n_epochs": 3, "batch_size": 64, "valid": 0.2, "test": 0.1, "monitor": ["fc1"]}


def fit(stem, digits, *observers, **settings):
    classifier = NNClassifier(LAYERS, name="<i>mine</i>", rng=3, observers=list(observers))
    return classifier.fit(*digits, **SETTINGS | settings, checkpoint=str(stem))


@pytest.fixture(scope="module")
def whole(digits, tmp_path_factory):
    stem = tmp_path_factory.mktemp("runs") / "whole"
    return stem, fit(stem, digits)


@pytest.mark.slow
def test_a_run_that_was_killed_three_times_has_the_curves_of_one_that_was_never_killed(whole, digits, tmp_path):
    for n_batches in (2, 1, 3):
        with contextlib.suppress(Stopped):
            fit(tmp_path / "run", digits, killed_after(n_batches), checkpoint_every=1)
    fit(tmp_path / "run", digits)
    killed, expected = (page_of(StoredRun.read(str(stem)))["curves"] for stem in (tmp_path / "run", whole[0]))
    assert {**killed, "marks": []} == {**expected, "marks": []} and expected["marks"] == []
    assert [mark["text"].partition(": ")[2] for mark in killed["marks"]] == ["killed, and resumed"] * 3
    # 210 rows are trained on, in 4 batches; the batch at which a run was killed is trained on again.
    assert [mark["x"] for mark in killed["marks"]] == pytest.approx([2 * 64 / 210, 3 * 64 / 210, 1 + 2 * 64 / 210])


def test_the_page_has_what_the_run_has(whole):
    stem, classifier = whole
    page = page_of(StoredRun.read(str(stem)))
    history = classifier.history_
    charts = {one["name"]: one["values"] for chart in page["curves"]["charts"] for one in chart["series"]}
    for name in ("train_nll", "valid_nll", "valid_error", "learning_rate", "momentum", "fc1.mean"):
        assert charts[name] == history[:, name]
    assert page["curves"]["best"] == classifier.best_["epoch"] - 1
    assert page["facts"]["best"] == (
        f"{classifier.best_['value']:.5g}",
        f"valid_nll in epoch {classifier.best_['epoch']}",
    )
    changed = dict(page["changed"])
    assert changed["batch_size"] == "64" and changed["monitor"] == '["fc1"]' and "shuffle" in dict(page["defaults"])
    assert [row[:4] for row in page["layers"]["rows"][:2]] == [
        ["input", "InputLayer", "64", "0"],
        ["fc1", "FCLayer", "12", f"{64 * 12 + 3 * 12:,}"],
    ]
    assert page["layers"]["total"][0] == f"{classifier.n_params:,}" and page["filters"] is None
    files = {file["name"]: file for file in page["files"]}
    assert (
        files["whole_last.ckpt"]["text"] == "3 of 3 epochs complete" and len(files["whole_last.ckpt"]["digest"]) == 64
    )
    html = html_of("run.html", page)
    assert "&lt;i&gt;mine&lt;/i&gt;" in html and "<i>mine" not in html and len(html) < 500_000


def test_each_file_of_a_run_is_decoded_once(whole, monkeypatch):
    where = []

    def counted(content, path):
        where.append(Path(path).name)
        return decode(content, path)

    monkeypatch.setattr("arignote.checkpoints.reader.decode", counted)
    for run in (whole[0], whole[0].with_name("whole_best.ckpt")):
        where.clear()
        stored = StoredRun.read(str(run))
        assert sorted(where) == sorted(file["name"] for file in stored.files)
    assert {"whole_last.ckpt", "whole_best.ckpt"} <= set(where)


def test_of_a_damaged_run_the_newest_good_state_is_shown_and_the_damage_reported(whole, digits, tmp_path):
    fit(tmp_path / "run", digits)
    (tmp_path / "run_last.ckpt").write_bytes(b"damaged")
    found = StoredRun.read(str(tmp_path / "run"))
    page = page_of(found)
    assert found.state.progress.n_validations < 3 and "run_last.ckpt: is truncated" in page["notes"][0]
    fit(tmp_path / "run", digits, resume="fresh")
    (tmp_path / "run_best.ckpt").write_bytes(b"damaged")
    assert "run_best.ckpt: is truncated" in page_of(StoredRun.read(str(tmp_path / "run")))["notes"][0]
    for path in tmp_path.glob("*.ckpt"):
        path.write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match=r"run_last\.ckpt"):
        StoredRun.read(str(tmp_path / "run"))


def test_a_run_without_validation_and_one_without_any_row_have_a_page(digits, tmp_path):
    fit(tmp_path / "run", digits, valid=None, test=None)
    page = page_of(StoredRun.read(str(tmp_path / "run")))
    assert page["facts"]["best"] is None and page["curves"]["best"] is None
    assert [one["name"] for one in page["curves"]["charts"][0]["series"]] == ["train_nll"]
    html_of("run.html", page)
    with contextlib.suppress(Stopped):
        fit(tmp_path / "early", digits, killed_after(1))
    assert "There is no validation yet" in html_of("run.html", page_of(StoredRun.read(str(tmp_path / "early"))))


def test_runs_are_overlaid_on_common_axes(whole, digits, tmp_path):
    stem, classifier = whole
    other = fit(tmp_path / "whole", digits, n_epochs=2, batch_size=50, validation_frequency=105)
    page = page_of_several([StoredRun.read(str(stem)), StoredRun.read(str(tmp_path / "whole"))])
    # Both have the name "whole", so that they are named by their stems.
    assert page["names"] == [str(stem), str(tmp_path / "whole")]
    x = page["curves"]["x"]
    # Batches of 50 of 210 rows: 105 are passed after 150, 210 after 210, 315 after 360.
    assert x == pytest.approx([150 / 210, 1, 1 + 150 / 210, 2, 3])
    chart = next(chart for chart in page["curves"]["charts"] if chart["title"] == "valid_nll")
    first, second = (np.array(one["values"], float) for one in chart["series"])
    assert first[[1, 3, 4]].tolist() == classifier.history_[:, "valid_nll"] and np.isnan(first[[0, 2]]).all()
    assert second[:4].tolist() == other.history_[:, "valid_nll"] and np.isnan(second[4])
    assert x[chart["series"][0]["best"]] == classifier.best_["epoch"]
    expected = {"n_epochs": ["3", "2"], "batch_size": ["64", "50"], "validation_frequency": ["-", "105"]}
    assert dict(page["settings"]) == {f"fit.{name}": values for name, values in expected.items()}
    assert "2 runs" in html_of("runs.html", page)


@pytest.mark.slow
def test_the_largest_page_is_under_500_kb():
    """100,000 validations of eight losses, and three parts of 1,000 classes with many mistakes."""
    n, rng = 100_000, np.random.default_rng(0)
    losses = {f"{part}_{loss}": rng.normal(size=n) for part in ("train", "valid") for loss in ("a", "b", "c", "d")}
    made_up = replace(state(5), history=History({"epoch": np.arange(1.0, n + 1), **losses}))
    ids_of, labels = (lambda at: [str(one) for one in at]), np.array([f"class {one}" for one in range(1000)])
    y, predicted = rng.integers(0, 30, 20_000), rng.integers(0, 1000, 20_000)
    certainty = rng.uniform(size=20_000)
    parts = [ScoredRows(part, {}, 20_000, ids_of, None, labels, y, predicted, certainty) for part in SUBSETS]
    page = page_of(StoredRun("run", made_up), parts)
    html = html_of("run.html", page)
    assert 250_000 < len(html.encode()) < 500_000
    assert "of 100,000 validations are drawn" in html and "The matrix of 1,000 classes is left out" in html


def test_a_file_with_odd_values_has_a_page():
    """A file may be forged, or of another version: what is not as a run writes it is left out."""
    odd = state(3, best=2)
    odd.spec["fit"] |= {"batch_size": "x", "validation_frequency": "y", "drop_last": [], "monitor": 5, "own": {"a": 1}}
    odd.spec["layers"] = [["NoLayer", {"name": "a"}]]
    odd.best.n_rows = 99
    odd.data["train"], odd.starts = {"features": {"shape": []}}, [[0, 0], [2, 7]]
    columns = {"epoch": [1.0, 2, 3], "valid_nll": [np.inf] * 3, "seconds": [1, np.nan, np.inf]}
    page = page_of(StoredRun("run", replace(odd, history=History(columns))))
    assert page["facts"]["best"] is None and page["facts"]["seconds"] == "1.0 s" and page["layers"] is None
    assert "the table of layers is left out" in page["notes"][0] and "NoLayer" in page["notes"][0]
    assert page["curves"]["marks"][0]["x"] == 2
    assert "valid_nll has no finite value" in html_of("run.html", page)
