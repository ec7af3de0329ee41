"""Observers in a run: an error hurts nothing, STOP leaves a run that can be resumed, files are named when written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from promise import digest
from sklearn.model_selection import GridSearchCV

from arignote import STOP, ArignoteWarning, ConfigError, NNClassifier
from arignote.checkpoints.format import decode
from arignote.report.observers import held_alone
from arignote.spec.settings import checked_settings

LAYERS = [
    ["FCLayer", {"n_units": 5}],
    ["DropoutLayer", {"dropout_p": 0.3}],
    ["ClassificationOutputLayer"],
]
X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)
# Three batches of 48 rows.
SETTINGS = {"n_epochs": 3, "batch_size": 20, "valid": 0.2, "n_threads": 1, "sgd_type": "nag"}


def fit(**settings):
    return NNClassifier(LAYERS, rng=3).fit(X, Y, **SETTINGS | settings)


@pytest.fixture(scope="module")
def expected():
    """What a run without observers ends in."""
    return digest(fit())


class Failing:
    """Draws from a global generator, and raises, at every event."""

    def on_event(self, event):
        np.random.rand()
        raise OSError(f"the disk of {event.kind}")


def test_an_observer_that_raises_is_reported_once_and_changes_nothing(expected):
    events = []
    with pytest.warns(ArignoteWarning) as warned:
        ended = fit(observers=[Failing(), events.append, Failing()])
    message = f"observer {__name__}:Failing raised OSError: the disk of start ({__file__}, line "
    assert [str(one.message).startswith(message) for one in warned] == [True, True]
    assert " at the start of epoch 1, batch 0. Training continues" in str(warned[0].message)
    assert digest(ended) == expected
    assert [event.kind for event in events] == ["start", *[*["batch"] * 3, "validation"] * 3, "end"]


@pytest.mark.parametrize(
    ("kind", "at", "is_stored"),
    [("start", 0, True), ("batch", 4, True), ("batch", 4, False), ("validation", 6, True), ("save", 3, True)],
)
def test_a_run_that_an_observer_stops_is_resumed_to_the_same_bits(kind, at, is_stored, expected, tmp_path):
    events = []

    def observer(event):
        events.append(event)
        return STOP if (event.kind, event.n_updates) == (kind, at) else None

    settings = SETTINGS | {"checkpoint": str(tmp_path / "run") if is_stored else None, "checkpoint_every": "epoch"}
    stopped = fit(**settings, observers=observer)
    assert stopped.interrupted_ and stopped.state_.progress.stopped_by == "observer"
    assert stopped.state_.progress.n_updates == at and stopped.predict(X).shape == (60,)
    assert (events[-1].kind, events[-1].n_updates, events[-1].text) == ("end", at, "observer")
    again = NNClassifier(LAYERS, rng=3) if is_stored else stopped
    ended = again.fit(X, Y, **settings)
    assert digest(ended) == expected and not ended.interrupted_


def test_a_stop_at_the_last_validation_is_the_end_of_the_run(expected):
    ended = fit(observers=lambda event: STOP if event.kind == "validation" and event.epoch == 3 else None)
    assert not ended.interrupted_ and digest(ended) == expected


def test_a_search_goes_on_after_a_candidate_that_an_observer_stops():
    def observer(event):
        return STOP if event.kind == "validation" and event.epoch == 2 else None

    estimator = NNClassifier(LAYERS, rng=1, n_threads=1, n_epochs=4, observers=observer)
    search = GridSearchCV(estimator, {"batch_size": [20, 30]}, cv=2, error_score="raise").fit(X, Y)
    assert search.best_estimator_.n_epochs_ == 2 and np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_the_files_of_an_event_are_those_that_were_written(tmp_path):
    found = []

    def observer(event):
        for path in map(Path, event.files):
            state, _ = decode(path.read_bytes(), str(path))
            # The best file is for predicting: it has no position.
            assert "best" in path.name or state.progress.n_updates == event.n_updates
            found.append((path.name, event.epoch))

    fit(n_epochs=2, checkpoint=str(tmp_path / "run"), checkpoint_every=2, checkpoint_all=True, observers=observer)
    # The second epoch is the better one; its state is saved before it ends, and again at its end.
    assert found == [
        ("run_last.ckpt", 1),
        ("run_best.ckpt", 1),
        ("run_epoch1.ckpt", 1),
        ("run_last.ckpt", 1),
        ("run_last.ckpt", 2),
        ("run_last.ckpt", 2),
        ("run_best.ckpt", 2),
        ("run_epoch2.ckpt", 2),
        ("run_last.ckpt", 2),
    ]


def test_two_fits_at_a_time_do_not_write_one_log(tmp_path):
    path, link = tmp_path / "new" / "log.csv", tmp_path / "link.csv"
    link.symlink_to(path)
    settings = {"n_epochs": 1, "checkpoint": str(tmp_path / "run"), "observers": ["CSVLog", {"path": str(link)}]}
    message = (
        r"log\.csv: process .* is training this run; .*\. Two fits cannot write one log: give each a file of its own$"
    )
    with held_alone(checked_settings({"log": str(path)})), pytest.raises(ConfigError, match=message):
        fit(**settings)
    # Nothing was trained or written, and nothing is left of the lock.
    assert [one.name for one in tmp_path.rglob("*") if not one.is_symlink()] == ["new"]
    fit(**settings)
    assert len(path.read_text().splitlines()) == 2 and [one.name for one in path.parent.iterdir()] == ["log.csv"]


def test_a_log_that_cannot_be_written_ends_no_fit(tmp_path, expected):
    (tmp_path / "file").touch()
    with pytest.warns(ArignoteWarning, match="observer .* raised FileExistsError"):
        assert digest(fit(log=str(tmp_path / "file" / "log.jsonl"))) == expected
