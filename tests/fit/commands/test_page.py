"""The page of a run as a command: whose data it scores, and what is left out if that is gone."""

from __future__ import annotations

import json
from contextlib import nullcontext

import numpy as np
import pytest

from arignote import ArignoteWarning, ConfigError
from arignote.checkpoints.format import decode, encode
from arignote.checkpoints.reader import RunFiles
from arignote.cli import app
from arignote.fit.commands.page import pages, write_page


def arignote(*words):
    app([str(word) for word in words], standalone_mode=False)


@pytest.fixture(scope="module")
def config(digits, tmp_path_factory):
    """A config beside its data, and its run."""
    X, y = digits
    folder = tmp_path_factory.mktemp("report")
    np.savez(folder / "data.npz", x=X, y=y, names=np.array([f"row{n}" for n in range(len(X))]))
    spec = {
        **{"name": "<b>", "rng": 1, "layers": [["FCLayer", {"n_units": 8}], ["ClassificationOutputLayer"]]},
        "data": {"train": {"features": "data.npz:x", "labels": "data.npz:y"}, "valid": 0.3},
        "fit": {"n_epochs": 2, "checkpoint": "runs/run"},
    }
    path = folder / "config.json"
    path.write_text(json.dumps(spec))
    arignote("fit", path, "--quiet")
    return path


def data_of(path):
    text = path.read_text().partition('<script type="application/json" id="data">')[2].partition("</script>")[0]
    return json.loads(text)


def test_the_page_of_a_run_names_rows_as_the_user_does(config, capsys, monkeypatch):
    monkeypatch.chdir(config.parent)
    arignote("report", "runs/run", "--config", "config.json", "--ids", "data.npz:names")
    assert capsys.readouterr().out == "runs/run_report.html\n"
    cells = data_of(config.parent / "runs" / "run_report.html")["cells"]
    rows = [row["id"] for part in cells for cell in part["cells"].values() for row in cell]
    assert len(cells) == 2 and len(rows) == len(set(rows)) and all(row.startswith("row") for row in rows)


def test_the_page_is_opened_in_a_browser_if_asked_for(config, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("webbrowser.open", asked.append)
    arignote("report", config.parent / "runs" / "run", "--out", tmp_path / "a b.html", "--open")
    assert asked == [(tmp_path / "a b.html").as_uri()] and (tmp_path / "a b.html").exists()


def test_what_needs_data_that_is_gone_is_left_out_and_reported(config, tmp_path):
    stem, page = config.parent / "runs" / "run", tmp_path / "page.html"
    text = config.read_text().replace("data.npz", "gone.npz")
    (tmp_path / "gone.json").write_text(text)
    for source, words in ((tmp_path / "gone.json", "gone.npz"), (None, "--config CONFIG")):
        # Who named the data is warned too.
        with pytest.warns(ArignoteWarning, match=words) if source else nullcontext():
            write_page([str(stem)], out=page, config=source)
        html = page.read_text()
        assert words in html and "matrices and mistakes" in html and 'class="matrix"' not in html
        assert 'id="layers"' in html and "<b>" not in html.partition("<h1>")[2].partition("</h1>")[0]
    (tmp_path / "other.json").write_text(config.read_text().replace("data.npz", "other.npz"))
    x = np.zeros((len(np.load(config.parent / "data.npz")["y"]), 64), np.float32)
    np.savez(tmp_path / "other.npz", x=x, y=np.arange(len(x)) % 10)
    with pytest.warns(ArignoteWarning, match="rows of the run"):
        write_page([str(stem)], out=page, config=tmp_path / "other.json")
    assert "the valid rows are left out: these are not the valid rows of the run" in page.read_text()


def test_options_that_have_no_effect_are_refused(config, tmp_path):
    stem = str(config.parent / "runs" / "run")
    with pytest.raises(ConfigError, match="--ids are for the data of the config"):
        write_page([stem], ids="data.npz:names")
    with pytest.raises(ConfigError, match="--config is for the page of one run"):
        write_page([stem, stem], config=config)
    with pytest.raises(ConfigError, match=r"^--out .*no/page.html: No such file"):
        write_page([stem], out=tmp_path / "no" / "page.html")


def test_the_page_of_a_run_that_trains_loads_itself_again_until_it_is_finished(config, monkeypatch, tmp_path):
    stem, out = tmp_path / "run", tmp_path / "page.html"
    words = ("fit", config, "--quiet", "--set", f"fit.checkpoint={stem}", "--set")
    arignote(*words, "fit.n_epochs=1", "--set", "fit.stop_rule=null")
    html = []
    # An unfinished run: its one epoch of three.
    path = tmp_path / "run_last.ckpt"
    state, _ = decode(path.read_bytes(), "")
    state.spec["fit"]["n_epochs"] = 3
    path.write_bytes(b"".join(encode(state)[0]))
    monkeypatch.setattr("time.sleep", lambda _: arignote(*words, "fit.n_epochs=3"))
    for _ in pages([str(stem)], out=out):
        html.append('http-equiv="refresh"' in out.read_text())
    assert html == [True, False]


def test_the_checkpoints_of_a_run_that_has_not_changed_are_not_read_again(config, monkeypatch, tmp_path):
    stem, reads = tmp_path / "run", []
    words = ("fit", config, "--quiet", "--set", f"fit.checkpoint={stem}")
    arignote(*words)
    path = tmp_path / "run_last.ckpt"
    finished = path.read_bytes()
    state, _ = decode(finished, "")
    state.spec["fit"]["n_epochs"] = 3
    path.write_bytes(b"".join(encode(state)[0]))
    really = RunFiles.read
    monkeypatch.setattr(RunFiles, "read", lambda files, name: (reads.append(name), really(files, name))[1])
    sleeps = []

    def sleep(_):
        sleeps.append(len(reads))
        if len(sleeps) == 3:
            path.write_bytes(finished)

    monkeypatch.setattr("time.sleep", sleep)
    assert len(list(pages([str(stem)], out=tmp_path / "page.html"))) == 2
    assert len(set(sleeps)) == 1 and len(sleeps) == 3
