"""Signals and notices in one process: what is raised or returned, what is saved, and what is put back."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from promise import Stopped, at_event, digest, newest
from sklearn.model_selection import GridSearchCV

from arignote import ArignoteWarning, Interrupted, NNClassifier
from arignote.fit.validations import subset_scores
from arignote.preemption.signals import StopRequest

# Whole fits and commands: left out of make fast.
pytestmark = pytest.mark.slow

SETTINGS = {
    "n_epochs": 3,
    "batch_size": 64,
    "valid": 0.2,
    "test": 0.1,
    "sgd_type": "adam",
    "lr_rule": {"rule": "stalled", "initial_value": 0.01, "multiply_by": 0.5, "interval": 1},
}
LAYERS = [
    ["FCLayer", {"name": "fc1", "n_units": 12, "activation": "relu"}],
    ["DropoutLayer", {"dropout_p": 0.3}],
    ["ClassificationOutputLayer", {"name": "output"}],
]
HEEDED = ("SIGTERM", "SIGINT", "SIGUSR1", "SIGUSR2", "SIGALRM")


@pytest.fixture(autouse=True)
def _handlers_are_put_back():
    before = {name: signal.getsignal(signal.Signals[name]) for name in HEEDED}
    yield
    assert {name: signal.getsignal(signal.Signals[name]) for name in HEEDED} == before
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("arignote-notices")]


def send(*names):
    for name in names:
        os.kill(os.getpid(), signal.Signals[name])


def sender(*names, at=6, kind="batch"):
    """Return an observer that sends this process signals at the batch (or validation) number `at`."""
    return at_event(at, lambda: send(*names), kind)


def classifier(**settings):
    return NNClassifier(LAYERS, rng=3, **settings)


@pytest.fixture(scope="module")
def whole(digits):
    """Digest of the run that is not stopped."""
    return digest(classifier().fit(*digits, **SETTINGS))


@pytest.mark.parametrize(
    ("name", "code", "listening"),
    [
        ("SIGTERM", 143, {}),
        ("SIGUSR1", 138, {}),
        ("SIGUSR2", 140, {"stop_signals": ["SIGUSR2", "SIGINT"]}),
    ],
)
def test_a_signal_raises_interrupted_after_the_batch_with_everything_saved(
    name, code, listening, digits, tmp_path, whole
):
    stopped = classifier()
    with pytest.raises(Interrupted, match=f"{name}: stopped and saved") as caught:
        stopped.fit(*digits, **SETTINGS, **listening, checkpoint=str(tmp_path / "run"), observers=sender(name))
    assert (caught.value.code, caught.value.reason) == (code, name) and isinstance(caught.value, SystemExit)
    progress = newest(tmp_path / "run").progress
    assert (progress.epoch, progress.batch, progress.stopped_by) == (1, 2, name)
    assert stopped.interrupted_ and stopped.state_.progress.n_updates == 6
    ended = classifier().fit(*digits, **SETTINGS, checkpoint=str(tmp_path / "run"))
    assert digest(ended) == whole and not ended.interrupted_
    assert ended.state_.starts == [[0, 0], [1, 2]] and ended.state_.causes == ["start", name]


def test_a_signal_after_the_last_epoch_ends_the_process_and_leaves_a_complete_run(digits, tmp_path, whole):
    stem = str(tmp_path / "run")
    with pytest.raises(Interrupted) as caught:
        classifier().fit(*digits, **SETTINGS, checkpoint=stem, observers=sender("SIGTERM", at=1, kind="end"))
    progress = newest(tmp_path / "run").progress
    # There was nothing left to stop: no cause is recorded.
    assert caught.value.code == 143 and (progress.epoch, progress.stopped_by) == (3, None)
    again = classifier().fit(*digits, **SETTINGS, checkpoint=stem)
    assert digest(again) == whole and again.state_.starts == [[0, 0]]


def test_ctrl_c_returns_after_the_batch_with_everything_saved(digits, tmp_path, whole):
    stem = tmp_path / "files" / "run"
    handler = signal.getsignal(signal.SIGINT)
    with pytest.warns(ArignoteWarning, match=r"^Ctrl-C: fit returns with interrupted_ set, in epoch 2 of 3, after 2"):
        stopped = classifier().fit(*digits, **SETTINGS, checkpoint=str(stem), observers=sender("SIGINT"))
    assert signal.getsignal(signal.SIGINT) is handler
    assert stopped.interrupted_ and newest(stem).progress.stopped_by == "SIGINT"
    assert (stopped.state_.progress.epoch, stopped.state_.progress.batch) == (1, 2)
    shutil.copytree(stem.parent, tmp_path / "copy")
    assert digest(classifier().fit(*digits, **SETTINGS, checkpoint=str(stem))) == whole
    assert digest(NNClassifier.load(str(tmp_path / "copy" / "run")).fit(*digits, valid=0.2, test=0.1)) == whole


def test_a_second_ctrl_c_stops_at_once(digits, tmp_path, whole):
    message = sender("SIGINT", "SIGINT")
    with pytest.raises(KeyboardInterrupt):
        classifier().fit(*digits, **SETTINGS, checkpoint=str(tmp_path / "run"), checkpoint_every=1, observers=message)
    # Nothing of the batch at work is saved; the one before is.
    assert newest(tmp_path / "run").progress.n_updates == 5
    assert not list(tmp_path.glob(".*"))
    assert digest(classifier().fit(*digits, **SETTINGS, checkpoint=str(tmp_path / "run"))) == whole


@pytest.mark.parametrize("names", [("SIGINT", "SIGTERM"), ("SIGTERM", "SIGINT"), ("SIGTERM", "SIGTERM")])
def test_a_signal_to_end_takes_precedence_in_any_order(names, digits, tmp_path, whole):
    with pytest.raises(Interrupted) as caught:
        classifier().fit(*digits, **SETTINGS, checkpoint=str(tmp_path / "run"), observers=sender(*names))
    assert caught.value.code == 143
    assert digest(classifier().fit(*digits, **SETTINGS, checkpoint=str(tmp_path / "run"))) == whole


@pytest.fixture
def ctrl_c():
    """Ctrl-C as a terminal has it: a command in the background is started deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_without_stop_signals_no_handler_is_installed(digits, ctrl_c):
    seen = []
    before = [signal.getsignal(signal.Signals[name]) for name in HEEDED]

    def observer(event):
        seen.append([signal.getsignal(signal.Signals[name]) for name in HEEDED] == before)

    classifier().fit(*digits, **SETTINGS, stop_signals=(), observers=observer)
    assert all(seen)
    with pytest.raises(KeyboardInterrupt):
        classifier().fit(*digits, **SETTINGS, stop_signals=(), observers=sender("SIGINT"))
    seen.clear()
    classifier().fit(*digits, **SETTINGS, observers=observer)
    assert seen and not any(seen)


def test_outside_the_main_thread_a_fit_works_and_installs_no_handler(digits, whole):
    before = [signal.getsignal(signal.Signals[name]) for name in HEEDED]
    seen, ended = [], []

    def observer(event):
        seen.append([signal.getsignal(signal.Signals[name]) for name in HEEDED] == before)

    def run():
        ended.append(classifier().fit(*digits, **SETTINGS, observers=observer))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert digest(ended[0]) == whole and all(seen)


def test_an_error_in_training_puts_the_handlers_back(digits, tmp_path):
    def observer(event):
        raise Stopped

    with pytest.raises(Stopped):
        classifier().fit(*digits, **SETTINGS, checkpoint=str(tmp_path / "run"), observers=observer)
    assert not list(tmp_path.glob(".*.lock"))


def test_a_signal_that_this_system_does_not_know_is_left_out():
    with StopRequest(("SIGTERM", "SIGNOWHERE")):
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL


# The signal comes from inside the network, while it scores: an activation of one's own is reported when it is in a
# validation (no gradients are kept), and counts its calls.
SCORING = {"calls": 0, "at": 0}


def relu_that_may_send(x):
    if not torch.is_grad_enabled():
        SCORING["calls"] += 1
        if SCORING["calls"] == SCORING["at"]:
            send("SIGTERM")
    return torch.relu(x)


@pytest.fixture(scope="module")
def large():
    """Enough rows for validations of several batches."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 8)).astype(np.float32)
    y = (x @ rng.normal(size=(8, 3))).argmax(1)
    return (x[:600], y[:600]), (x[600:], y[600:])


@pytest.mark.parametrize(
    ("settings", "at", "position", "due"),
    [
        # Five batches of each validation; those after each epoch begin with calls 1, 6 ...; 8 is in the second.
        ({}, 8, (1, 10), False),
        # A validation every 200 rows is due at batches 4, 7 and 10 of the first epoch; 8 is in the second.
        ({"validation_frequency": 200}, 8, (0, 7), True),
        # The losses of the training data (two batches) come first.
        ({"validation_frequency": 200, "validate_on_train": True}, 9, (0, 7), True),
        # The test data is scored where the validation is the best so far.
        ({"validation_frequency": 200, "test": True}, 7, (0, 4), True),
    ],
)
def test_a_signal_in_mid_validation_leaves_it_to_be_done(settings, at, position, due, large, tmp_path, monkeypatch):
    monkeypatch.setattr(subset_scores, "validation_rows", lambda network: 512)
    train, valid = large
    layers = [["FCLayer", {"name": "fc1", "n_units": 8, "activation": relu_that_may_send}], LAYERS[2]]
    settings = {"n_epochs": 3, "batch_size": 64, "valid": valid, "sgd_type": "adam"} | settings
    if "test" in settings:
        settings["test"] = valid

    def fit(at=0, **more):
        SCORING.update(calls=0, at=at)
        return NNClassifier(layers, rng=3).fit(*train, **settings, **more)

    straight = digest(fit())
    stem = tmp_path / "run"
    with pytest.raises(Interrupted):
        fit(at, checkpoint=str(stem))
    assert SCORING["calls"] == at, "the validation was left after its batch"
    progress = newest(stem).progress
    assert ((progress.epoch, progress.batch), progress.validation_due) == (position, due)
    n_rows = len(newest(stem).history)
    # Once more: the validation with which the run resumes is stopped too.
    with pytest.raises(Interrupted):
        fit(2, checkpoint=str(stem))
    progress = newest(stem).progress
    assert ((progress.epoch, progress.batch), progress.validation_due) == (position, due)
    assert len(newest(stem).history) == n_rows
    assert digest(fit(checkpoint=str(stem))) == straight


@pytest.mark.parametrize(("name", "kind"), [("SIGINT", KeyboardInterrupt), ("SIGTERM", Interrupted)])
def test_a_signal_ends_a_whole_search(name, kind, digits):
    starts = []
    message = sender(name)

    def observer(event):
        starts.append(event.kind == "start")
        message(event)

    search = GridSearchCV(
        classifier(n_epochs=2, observers=observer), {"batch_size": [32, 64]}, cv=2, n_jobs=1, error_score="raise"
    )
    warned = pytest.warns(ArignoteWarning, match="this is lost") if name == "SIGTERM" else nullcontext()
    with warned, pytest.raises(kind):
        search.fit(*digits)
    assert sum(starts) == 1


def test_a_file_that_appears_is_a_notice(digits, tmp_path, whole):
    notice, stem = tmp_path / "taken", tmp_path / "run"

    def observer(event):
        if event.batch == 2 and event.epoch == 2:
            notice.write_text("the machine goes at noon\n")
        if notice.exists():
            time.sleep(0.05)

    message = SETTINGS | {"n_epochs": 1000}
    with pytest.raises(Interrupted, match="the machine goes at noon: stopped and saved") as caught:
        classifier().fit(*digits, **message, checkpoint=str(stem), preemption=f"file:{notice}", observers=observer)
    assert caught.value.code == 143
    progress = newest(stem).progress
    assert progress.stopped_by == "the machine goes at noon" and progress.epoch >= 1
    ended = classifier().fit(*digits, **SETTINGS | {"n_epochs": progress.epoch + 2}, checkpoint=str(stem))
    assert digest(ended) == digest(classifier().fit(*digits, **SETTINGS | {"n_epochs": progress.epoch + 2}))


def test_a_notice_that_is_there_already_lets_nothing_begin(digits, tmp_path, whole):
    notice, stem = tmp_path / "taken", tmp_path / "run"
    notice.write_text("")
    batches = []
    with pytest.raises(Interrupted, match="exists: stopped and saved"):
        classifier().fit(
            *digits,
            **SETTINGS | {"n_epochs": 1000},
            checkpoint=str(stem),
            preemption=f"file:{notice}",
            observers=lambda event: (batches.append(event), time.sleep(0.3)),
        )
    assert len(batches) < 10
    notice.unlink()
    ended = classifier().fit(*digits, **SETTINGS, checkpoint=str(stem), preemption=f"file:{notice}")
    assert digest(ended) == whole


@pytest.mark.parametrize(("name", "kind"), [("SIGTERM", Interrupted), ("SIGINT", KeyboardInterrupt)])
def test_a_signal_ends_the_wait_for_the_lease_of_another(name, kind, digits):
    import fsspec

    store = fsspec.filesystem("memory")
    lease = json.dumps({"host": "lost", "pid": 1, "id": "other", "renewed": 7}).encode()
    store.pipe("/preempted/.run.lease", lease)
    timer = threading.Timer(0.7, send, [name])
    timer.start()
    try:
        with pytest.warns(match="process 1 on lost holds this run"), pytest.raises(kind):
            classifier().fit(*digits, **SETTINGS, checkpoint="memory://preempted/run")
        assert [path.rpartition("/")[2] for path in store.ls("/preempted", detail=False)] == [".run.lease"]
        assert store.cat("/preempted/.run.lease") == lease
    finally:
        timer.cancel()
        store.rm("/preempted", recursive=True)
