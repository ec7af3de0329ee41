"""The promise, in one process: stopped after every batch, everything rebuilt from the file, the same network."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
from promise import Stopped, at_event, digest, killed_after, shift

from arignote import ArignoteWarning, CheckpointError, ConfigError, NNClassifier
from arignote.checkpoints.format import decode

SETTINGS = {
    "n_epochs": 3,
    "batch_size": 64,
    "valid": 0.2,
    "test": 0.1,
    "lr_rule": {"rule": "stalled", "initial_value": 0.3, "multiply_by": 0.5, "interval": 1},
}


def read(path):
    return decode(path.read_bytes(), str(path))[0]


# What else a run may be made of stands in test_matrix.py, all pairs of it; here are larger batches, and their ends.
CASES = {
    "stalled": {},
    "augmentation in threads": {"augmentation": shift, "n_workers": 4},
    "validation in mid-epoch": {"validation_frequency": 100},
    "no validation": {"valid": None, "test": 0.1, "lr_rule": 0.1},
    "rules of numbers": {
        "rules": {
            "fc1.l2": ["linear", {"final_value": 0.01, "n_updates": 9}],
            "fc1.l1": {"rule": "stalled", "initial_value": 0.001, "multiply_by": 0.5, "interval": 1},
            "fc1.maxnorm": ["exponential", {"initial_value": 3.0, "multiply_by": 0.5, "n_epochs": 1}],
            "dropout1.dropout_p": ["linear", {"final_value": 0.0, "n_updates": 7}],
            "fc1.lr_factor": ["linear", {"final_value": 0.5, "n_updates": 7}],
            "sgd_max_grad_norm": {"rule": "stalled", "initial_value": 2.0, "multiply_by": 0.5, "interval": 1},
        }
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_stopped_after_every_batch_it_ends_in_the_same_network(case, digits, layers, tmp_path):
    settings = SETTINGS | {"sgd_type": "nag"} | CASES[case]
    whole = NNClassifier(layers, rng=3).fit(*digits, **settings)
    n_updates = whole.state_.progress.n_updates

    def run(stem, observer=None):
        more = {"observers": observer} if observer else {}
        return NNClassifier(layers, rng=3).fit(*digits, **settings, checkpoint=stem, checkpoint_every=1, **more)

    expected = None
    for k in range(1, n_updates):
        stem = str(tmp_path / f"run{k}")
        with pytest.raises(Stopped):
            run(stem, killed_after(k))
        ended = run(stem)
        n_per_epoch = n_updates // 3
        # A kill between the last batch of an epoch and its end is the batch position n_per_epoch.
        whole_epochs, batch = (k - 1) // n_per_epoch, (k - 1) % n_per_epoch + 1
        assert ended.state_.starts in ([[0, 0], [whole_epochs, batch]], [[0, 0], [whole_epochs + 1, 0]])
        expected = expected or digest(whole)
        assert digest(ended) == expected


def test_three_times_interrupted_it_ends_in_the_same_network(digits, layers, tmp_path):
    settings = SETTINGS | {"sgd_type": "adam"}
    whole = NNClassifier(layers, rng=3).fit(*digits, **settings)
    stem = str(tmp_path / "run")
    for _ in range(3):
        with pytest.raises(Stopped):
            NNClassifier(layers, rng=3).fit(
                *digits, **settings, checkpoint=stem, checkpoint_every=1, observers=killed_after(2)
            )
    ended = NNClassifier(layers, rng=3).fit(*digits, **settings, checkpoint=stem)
    assert digest(ended) == digest(whole)
    assert len(ended.state_.starts) == 4


@pytest.mark.slow
def test_the_pace_of_saving_never_changes_the_result(digits, layers, tmp_path):
    found = [
        digest(
            NNClassifier(layers, rng=3).fit(
                *digits, **SETTINGS, checkpoint=str(tmp_path / str(n)), checkpoint_every=every
            )
        )
        for n, every in enumerate(["auto", "epoch", 2, "0.01s"])
    ]
    assert found == [found[0]] * 4


def test_a_finished_run_returns_at_once_and_more_epochs_resume_it(digits, layers, tmp_path):
    stem = str(tmp_path / "run")
    first = NNClassifier(layers, rng=3).fit(*digits, **SETTINGS, checkpoint=stem)
    again = NNClassifier(layers, rng=3).fit(*digits, **SETTINGS, checkpoint=stem)
    assert again.status_.startswith("finished, 3 of 3 epochs")
    assert digest(again) == digest(first)
    longer = NNClassifier(layers, rng=3).fit(*digits, **SETTINGS | {"n_epochs": 5}, checkpoint=stem)
    straight = NNClassifier(layers, rng=3).fit(*digits, **SETTINGS | {"n_epochs": 5})
    assert digest(longer) == digest(straight)


def test_a_finished_run_refuses_something_else_with_the_diff(digits, layers, tmp_path):
    stem = str(tmp_path / "run")
    NNClassifier(layers, rng=3).fit(*digits, **SETTINGS, checkpoint=stem)
    with pytest.raises(CheckpointError, match=r"batch_size: 64 then, 32 now[\s\S]*fresh[\s\S]*force"):
        NNClassifier(layers, rng=3).fit(*digits, **SETTINGS | {"batch_size": 32}, checkpoint=stem)
    layers[0][1]["n_units"] = 13
    with pytest.raises(CheckpointError, match=r"layers.fc1.n_units: 12 then, 13 now"):
        NNClassifier(layers, rng=3).fit(*digits, **SETTINGS, checkpoint=stem)
    layers[0][1]["n_units"] = 12
    X = digits[0].copy()
    X[17, 3] += 0.5
    with pytest.raises(CheckpointError, match=r"data\..*sha256"):
        NNClassifier(layers, rng=3).fit(X, digits[1], **SETTINGS, checkpoint=stem)
    with pytest.raises(CheckpointError, match="resume is False"):
        NNClassifier(layers, rng=3).fit(*digits, **SETTINGS, checkpoint=stem, resume=False)


def test_fresh_starts_over_and_leaves_no_file_of_the_old_run(digits, layers, tmp_path):
    stem = str(tmp_path / "run")
    NNClassifier(layers, rng=3).fit(*digits, **SETTINGS, checkpoint=stem, checkpoint_every=1)
    new = NNClassifier(layers, rng=4).fit(*digits, **SETTINGS, checkpoint=stem, resume="fresh")
    assert new.state_.starts == [[0, 0]]
    assert {read(path).run_id for path in tmp_path.glob("*.ckpt")} == {new.state_.run_id}


def test_an_interrupted_classifier_resumes_after_pickling(digits, layers):
    import pickle

    whole = NNClassifier(layers, rng=3).fit(*digits, **SETTINGS)

    interrupt = at_event(6, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.warns(ArignoteWarning, match="interrupted_"):
        stopped = NNClassifier(layers, rng=3, **SETTINGS).fit(*digits, observers=interrupt)
    again = pickle.loads(pickle.dumps(stopped))
    assert np.array_equal(again.predict(digits[0]), stopped.predict(digits[0]))
    assert digest(again.fit(*digits)) == digest(whole)


def test_the_name_of_a_file_of_a_run_is_refused_as_a_stem(digits, layers, tmp_path):
    with pytest.raises(ConfigError, match="did you mean"):
        NNClassifier(layers, rng=3).fit(*digits, checkpoint=str(tmp_path / "digits_last.ckpt"))
    assert not list(tmp_path.iterdir())


def test_a_path_that_cannot_be_written_is_reported_before_training(digits, layers, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot be made"):
        NNClassifier(layers, rng=3).fit(*digits, checkpoint=str(tmp_path / "file" / "run"), observers=killed_after(0))


def test_a_folder_gets_one_stem_for_each_fit(digits, layers, tmp_path):
    folder = f"{tmp_path}/"
    for n_units in (5, 6):
        layers[0][1]["n_units"] = n_units
        for _ in range(2):
            fitted = NNClassifier(layers, rng=3, name="mlp").fit(*digits, n_epochs=1, checkpoint=folder)
    assert fitted.status_.startswith("finished")
    assert len(list(tmp_path.glob("mlp-*_last.ckpt"))) == 2


def test_a_file_of_a_newer_format_is_refused(digits, layers, tmp_path, monkeypatch):
    from arignote.checkpoints import format as checkpoint

    stem = str(tmp_path / "run")
    with monkeypatch.context() as newer:
        newer.setattr(checkpoint, "VERSION", 99)
        NNClassifier(layers, rng=3).fit(*digits, n_epochs=1, checkpoint=stem)
    with pytest.raises(CheckpointError, match=r"format version 99.*Update Arignote"):
        NNClassifier.load(stem)


@pytest.mark.slow
def test_what_ended_a_run_and_how_it_was_split_survive_kills_and_a_second_fit(digits, layers, tmp_path):
    # At a rate of 0 the first validation stays the best; the second ends the run.
    settings = SETTINGS | {"n_epochs": 9, "sgd_type": "sgd", "lr_rule": 0.0, "stop_rule": ["stalled", {"interval": 1}]}
    whole = NNClassifier(layers, rng=3).fit(*digits, **settings)
    stem = str(tmp_path / "run")
    with pytest.raises(Stopped):
        NNClassifier(layers, rng=3).fit(
            *digits, **settings, checkpoint=stem, checkpoint_every=1, observers=killed_after(5)
        )
    for _ in range(2):
        ended = NNClassifier(layers, rng=3).fit(*digits, **settings, checkpoint=stem)
        progress = ended.state_.progress
        assert (progress.epoch, progress.ended, progress.stopped_by) == (2, True, "stop_rule")
        assert not ended.interrupted_ and digest(ended) == digest(whole)
        assert ended.state_.data["split"] == {"valid": 0.2, "test": 0.1}
        assert ended.evaluate(*digits, part="valid")["nll"] == pytest.approx(ended.best_["value"], rel=1e-6)
    assert NNClassifier.load(stem).state_.progress.stopped_by == "stop_rule"
