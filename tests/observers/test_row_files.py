"""Logs of a run as text: what they contain, and that kills leave no row out and none there twice."""

from __future__ import annotations

import csv
import json
import random
import resource

import numpy as np
import pytest

from arignote import ArignoteWarning, ConfigError, NNClassifier
from arignote.observers import CSVLog, JSONLinesLog
from arignote.observers.events import Event

LAYERS = [["FCLayer", {"n_units": 5}], ["ClassificationOutputLayer"]]
X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)
# Three batches of 48 rows.
SETTINGS = {"n_epochs": 4, "batch_size": 20, "valid": 0.2, "n_threads": 1, "sgd_type": "nag"}


def fit(**settings):
    return NNClassifier(LAYERS, rng=3).fit(X, Y, **SETTINGS | settings)


class Kill(BaseException):
    """Ends a fit at once, as a kill does: nothing more is saved."""


class KillAfter:
    """Kills a fit at an event."""

    def __init__(self, n_events):
        self.n_left = n_events

    def __call__(self, event):
        self.n_left -= 1
        if self.n_left == 0:
            raise Kill


def killed_often(observers, seed, **settings):
    """Fit, killed at random events until it is done; return how often."""
    draw = random.Random(seed)
    for n_kills in range(100):
        try:
            fit(**settings, observers=[*observers, KillAfter(draw.randint(1, 9))])
        except Kill:
            continue
        return n_kills
    raise AssertionError("the run makes no progress")


def without_times(path):
    """Return the content of a log without its seconds; the two forms of text differ in how they write them."""
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert path.read_text() == "".join(json.dumps(row) + "\n" for row in rows)
        return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
    rows = list(csv.reader(path.read_text().splitlines()))
    seconds = rows[0].index("seconds") if "seconds" in rows[0] else len(rows[0])
    return [row[:seconds] + row[seconds + 1 :] for row in rows]


def logs(folder):
    return [
        ["CSVLog", {"path": str(folder / "validations.csv")}],
        ["CSVLog", {"path": str(folder / "batches.csv"), "rows": "batches"}],
        ["JSONLinesLog", {"path": str(folder / "log.jsonl"), "batches": True}],
    ]


FILES = ("validations.csv", "batches.csv", "log.jsonl")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of the logs of a run that was never killed, and its estimator."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, fit(observers=logs(folder))


def test_a_table_of_validations_is_the_history(whole):
    folder, fitted = whole
    rows = list(csv.DictReader((folder / "validations.csv").read_text().splitlines()))
    assert [{name: float(cell) for name, cell in row.items()} for row in rows] == list(fitted.history_)
    assert [row["examples_seen"] for row in rows] == ["48", "96", "144", "192"]


def test_the_loss_of_a_batch_is_that_of_an_event(whole):
    folder, _ = whole
    events = []
    fit(observers=events.append)
    rows = list(csv.DictReader((folder / "batches.csv").read_text().splitlines()))
    assert [(int(row["n_updates"]), float(row["loss"])) for row in rows] == [
        (event.n_updates, event.loss) for event in events if event.kind == "batch"
    ]
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines] == [*["batch"] * 3, "validation"] * 4
    assert [line["loss"] for line in lines if line["kind"] == "batch"] == [float(row["loss"]) for row in rows]


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"checkpoint_every": 2},
        # A state after the last batch of an epoch, whose validation is still to be done.
        {"checkpoint_every": 3},
        {"checkpoint_every": 2, "validation_frequency": 40},
    ],
)
def test_kills_leave_no_row_out_and_none_there_twice(settings, whole, tmp_path):
    expected = whole[0]
    if "validation_frequency" in settings:
        expected = tmp_path / "whole"
        fit(observers=logs(expected), **settings)
    found = tmp_path / "killed"
    n_kills = killed_often(logs(found), 5, checkpoint=str(found / "run"), **settings)
    assert n_kills >= 4
    for name in FILES:
        assert without_times(found / name) == without_times(expected / name)


def test_a_row_that_was_cut_in_the_middle_is_written_again(whole, tmp_path):
    settings = {"checkpoint": str(tmp_path / "run"), "checkpoint_every": 1}
    with pytest.raises(Kill):
        fit(**settings, observers=[*logs(tmp_path), KillAfter(10)])
    for name in FILES:
        with (tmp_path / name).open("a") as file:
            file.write((tmp_path / name).read_text().splitlines()[-1][:7])
    fit(**settings, observers=logs(tmp_path))
    for name in FILES:
        assert without_times(tmp_path / name) == without_times(whole[0] / name)


def test_rows_that_another_run_wrote_give_way_and_rows_that_are_gone_are_reported(tmp_path):
    path = tmp_path / "log.jsonl"
    fit(log=str(path))
    assert len(path.read_text().splitlines()) == 4
    settings = {"checkpoint": str(tmp_path / "run"), "checkpoint_every": 1, "log": str(path)}
    with pytest.raises(Kill):
        fit(**settings, observers=KillAfter(12))
    assert len(path.read_text().splitlines()) == 1
    path.unlink()
    with pytest.warns(ArignoteWarning, match=r"log\.jsonl: rows before the \d+ examples .* are missing"):
        fit(**settings)
    assert [json.loads(line)["epoch"] for line in path.read_text().splitlines()] == [2, 3, 4]


@pytest.mark.parametrize("first", ["the end", "a kill before the first save"])
def test_a_run_that_begins_anew_writes_its_header_and_all_of_its_rows(first, whole, tmp_path):
    settings = {"checkpoint": str(tmp_path / "run"), "observers": logs(tmp_path)}
    if first == "the end":
        fit(**settings)
    else:
        with pytest.raises(Kill):
            fit(**settings | {"observers": [*logs(tmp_path), KillAfter(5)]}, checkpoint_every=99)
    fit(**settings, resume="fresh" if first == "the end" else True)
    for name in FILES:
        assert without_times(tmp_path / name) == without_times(whole[0] / name)


def test_the_runs_of_pretraining_leave_the_table_of_the_run_of_the_network(tmp_path):
    layers = [["FCLayer", {"n_units": 3, "activation": "sigmoid"}], ["ClassificationOutputLayer"]]
    settings = {"n_epochs": 1, "pretrain": {"n_epochs": 1}, "checkpoint": str(tmp_path / "run")}
    fitted = NNClassifier(layers, rng=3).fit(X, Y, **SETTINGS | settings, observers=logs(tmp_path)[0])
    rows = list(csv.DictReader((tmp_path / "validations.csv").read_text().splitlines()))
    assert [{name: float(cell) for name, cell in row.items()} for row in rows] == list(fitted.history_)


def test_the_names_of_columns_are_quoted_where_a_layer_has_a_comma_or_a_quote_in_its_name(tmp_path):
    layers = [["FCLayer", {"n_units": 5, "name": 'fc,"1'}], ["ClassificationOutputLayer"]]
    settings = {"checkpoint": str(tmp_path / "run"), "monitor": ['fc,"1'], "observers": logs(tmp_path)[0]}
    for n_epochs in (1, 2):
        NNClassifier(layers, rng=3).fit(X, Y, **SETTINGS | settings | {"n_epochs": n_epochs})
    header, *rows = csv.reader((tmp_path / "validations.csv").read_text().splitlines())
    assert [len(row) for row in rows] == [len(header)] * 2 == [len(set(header))] * 2
    assert [row[header.index("epoch")] for row in rows] == ["1", "2"]
    assert all(float(row[header.index('fc,"1.mean')]) for row in rows)


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "a,b\r1,2\n", "[1, 2]\n", '{"kind": 3}\n', "epoch,loss\n1,2\n", "a"])
@pytest.mark.parametrize("name", ["CSVLog", "JSONLinesLog"])
def test_a_file_that_is_no_log_is_refused_and_kept(name, text, tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(text.encode())
    with pytest.raises(ConfigError, match=r"fit\.observers: .*data\.csv exists, and is no log "):
        fit(observers=[name, {"path": str(path)}], checkpoint=str(tmp_path / "run"))
    assert path.read_bytes() == text.encode() and not list(tmp_path.glob("*.ckpt"))
    with pytest.raises(ConfigError, match=r"exists, and is no log "):
        fit(observers=[name, {"path": str(tmp_path)}])


def test_a_column_that_begins_later_is_empty_before(tmp_path):
    observers = ["CSVLog", {"path": str(tmp_path / "log.csv")}]
    settings = {"checkpoint": str(tmp_path / "run"), "observers": observers}
    fit(n_epochs=2, **settings)
    with pytest.warns(ArignoteWarning, match="valid_loss"):
        fit(n_epochs=3, **settings, valid_loss=["nll", "brier"], resume="force")
    rows = list(csv.DictReader((tmp_path / "log.csv").read_text().splitlines()))
    assert [row["valid_brier"] == "" for row in rows] == [True, True, False]
    assert all(float(row["valid_nll"]) > 0 for row in rows)


def test_a_row_whose_new_column_a_full_disk_had_no_room_for_is_kept(tmp_path):
    path = tmp_path / "log.csv"
    log = CSVLog(path=str(path)).opened()
    log(Event("start", 1, 4, 0, 1, {}))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for epoch, later in enumerate(({}, {"b": 0.5}, {}, {"b": 0.25}), 1):
        event = Event("validation", epoch, 4, 1, 1, {"epoch": epoch, "examples_seen": 8 * epoch, "a": 1.5, **later})
        if epoch == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, hard))
            try:
                with pytest.raises(OSError, match="File too large"):
                    log(event)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        else:
            log(event)
    assert path.read_text() == "epoch,examples_seen,a,b\n1,8,1.5,\n2,16,1.5,\n3,24,1.5,\n4,32,1.5,0.25\n"
    assert [one.name for one in tmp_path.iterdir()] == ["log.csv"]


@pytest.mark.parametrize("second", [CSVLog(path="x/../rows"), JSONLinesLog(path="rows", batches=True)])
def test_two_observers_that_write_one_file_are_refused_before_training(second, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").mkdir()
    with pytest.raises(ConfigError, match=r"two of fit.observers and fit.log write '.*rows': give each a file"):
        fit(observers=second, log="rows")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_the_runs_of_pretraining_write_neither_the_log_nor_a_page(tmp_path):
    layers = [["FCLayer", {"n_units": 3, "activation": "sigmoid"}], ["ClassificationOutputLayer"]]
    settings = {"n_epochs": 1, "pretrain": {"n_epochs": 1}, "checkpoint": str(tmp_path / "run"), "report": True}
    NNClassifier(layers, rng=3).fit(X, Y, **SETTINGS | settings, log=str(tmp_path / "rows.jsonl"))
    assert [path.name for path in tmp_path.glob("*.html")] == ["run_report.html"]
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 1
