"""Resume with other settings: what is refused, what is reported, what may change, and what force does."""

from __future__ import annotations

import os
import re
import shutil
import warnings
from math import inf
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up import numbered_classes
from promise import LAYERS, Stopped, digest, killed_after, newest, shift

from arignote import CheckpointError, NNClassifier
from arignote.checkpoints.format import encode
from arignote.checkpoints.progress import Best, History, Progress
from arignote.checkpoints.reader import RunFiles
from arignote.checkpoints.state import TrainingState
from arignote.checkpoints.writer import RunWriter
from arignote.errors import ArignoteWarning
from arignote.fit import changes as changes_module
from arignote.fit import resume
from arignote.fit.changes import changes
from arignote.fit.resume import candidates, load_into, resume_message
from arignote.optim.rules import RuleState
from arignote.spec.settings import FitSettings

SETTINGS = {
    "n_epochs": 3,
    "batch_size": 64,
    "valid": 0.2,
    "sgd_type": "nag",
    "lr_rule": {"rule": "stalled", "initial_value": 0.3, "multiply_by": 0.5, "interval": 1},
}
# 240 rows: four batches an epoch.
MIDDLE = [1, 2]

# Whole fits: left out of make fast.
pytestmark = pytest.mark.slow


def rewrite(stem, change):
    """Change the state in the newest file of a run, as another machine would have written it."""
    state = newest(stem)
    change(state)
    pieces, _ = encode(state)
    stem.with_name("run_last.ckpt").write_bytes(b"".join(pieces))


def files(stem):
    return {path.name: path.read_bytes() for path in stem.parent.iterdir()}


@pytest.fixture
def fit(digits):
    """Return a function that fits; `data`, `seed` and the layers may be others."""

    def run(stem=None, data=digits, seed=3, layers=LAYERS, **more):
        checkpoint = {"checkpoint": str(stem)} if stem else {}
        return NNClassifier(layers, rng=seed).fit(*data, **SETTINGS | checkpoint | more)

    return run


@pytest.fixture
def stopped(fit, tmp_path):
    """Return a function that leaves a run killed in its second epoch, after its second batch was saved."""

    def make(folder=tmp_path, **more):
        with pytest.raises(Stopped):
            fit(folder / "run", checkpoint_every=1, observers=killed_after(6), **more)
        progress = newest(folder / "run").progress
        assert [progress.epoch, progress.batch] == MIDDLE
        return folder / "run"

    return make


@pytest.fixture(scope="module")
def whole(digits):
    """Digest of the run that is not stopped."""
    return digest(NNClassifier(LAYERS, rng=3).fit(*digits, **SETTINGS))


@pytest.fixture(scope="module")
def augmented(digits):
    """What it ends in with an augmentation."""
    return digest(NNClassifier(LAYERS, rng=3).fit(*digits, **SETTINGS, augmentation=shift))


def shown(*parts):
    """Return a pattern for one warning that holds these texts in this order, and that the run resumes."""
    return r"resumes correctly, but perhaps not bit for bit: .*" + ".*".join(re.escape(part) for part in parts)


def test_the_file_records_what_may_change_bits_and_a_fingerprint_of_all_data(stopped, digits):
    state = newest(stopped())
    versions, machine = {"arignote", "python", "numpy", "torch"}, {"cpu", "processor", "instruction_sets", "caches"}
    how = {"device", "n_threads", "n_threads_from", "channels_last", "compile", "by_hand", "variables"}
    assert set(state.environment) == versions | machine | how | {"deterministic"}
    assert state.environment["by_hand"] == ["input", "fc1", "dropout1", "output"]
    assert state.environment["n_threads_from"] == "shapes"
    assert state.environment["torch"] == torch.__version__ and state.environment["numpy"] == np.__version__
    assert state.environment["cpu"] == torch.backends.cpu.get_cpu_capability()
    assert state.environment["deterministic"] is True
    assert set(state.data) == {"train", "valid", "split"} and state.data.pop("split") == {"valid": 0.2}
    assert state.data["train"]["features"]["shape"] == [240, 64]
    for part in state.data.values():
        assert all(re.fullmatch("[0-9a-f]{64}", part[kind]["sha256"]) for kind in ("features", "labels"))


OTHERS = {
    "arignote": ("arignote", "0.0.1"),
    "processor": ("processor", "another one"),
    "instruction sets": ("instruction_sets", ["avx512_f"]),
    "caches": ("caches", [1, 2]),
    "by hand": ("by_hand", []),
    "torch": ("torch", "1.2.3"),
    "numpy": ("numpy", "1.2.3"),
    "python": ("python", "2.7.18"),
    "device": ("device", "NVIDIA H200"),
    "capability": ("cpu", "DEFAULT of another machine"),
    "flags": ("deterministic", False),
}


@pytest.mark.parametrize("case", OTHERS)
def test_another_environment_is_reported_once_and_the_run_resumes(case, stopped, fit, whole):
    stem, (key, other) = stopped(), OTHERS[case]
    now = newest(stem).environment[key]
    rewrite(stem, lambda state: state.environment.update({key: other}))
    with pytest.warns(ArignoteWarning) as caught:
        ended = fit(stem)
    assert [str(one.message) for one in caught] == [
        f"{stem}_last.ckpt: resumes correctly, but perhaps not bit for bit: "
        f"environment.{key}: {other!r} then, {now!r} now"
    ]
    # Here the machine is the same in truth, so that the numbers are too.
    assert digest(ended) == whole
    assert ended.state_.starts == [[0, 0], MIDDLE]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(stem, n_epochs=4)


@pytest.mark.parametrize("name", ["ONEDNN_MAX_CPU_ISA", "MKL_CBWR", "OPENBLAS_CORETYPE"])
def test_a_variable_by_which_the_libraries_choose_other_kernels_is_reported(name, stopped, fit, monkeypatch):
    monkeypatch.delenv(name, raising=False)
    stem = stopped()
    monkeypatch.setenv(name, "AVX2")
    with pytest.warns(ArignoteWarning, match=shown(f"environment.variables.{name}: None then, 'AVX2' now")):
        fit(stem)


def test_a_limit_of_threads_is_reported_and_the_threads_in_force_are_recorded(stopped, fit, monkeypatch):
    monkeypatch.delenv("OMP_THREAD_LIMIT", raising=False)
    stem = stopped(n_threads=2)
    monkeypatch.setenv("OMP_THREAD_LIMIT", "1")
    with pytest.warns(ArignoteWarning, match=shown("environment.n_threads: 2 then, 1 now")):
        ended = fit(stem)
    assert ended.state_.environment["n_threads_from"] == "OMP_THREAD_LIMIT"


def test_what_the_number_of_threads_follows_from_is_no_difference(stopped, fit, whole):
    stem = stopped()
    assert newest(stem).environment["n_threads_from"] == "shapes"
    ended = fit(stem, n_threads=1)
    assert digest(ended) == whole and ended.state_.environment["n_threads_from"] == "setting"


def test_every_difference_is_listed(stopped, fit):
    stem = stopped()
    rewrite(stem, lambda state: state.environment.update(python="2.7.18", torch="1.2.3", cpu="NEON"))
    with pytest.warns(ArignoteWarning, match=shown("cpu: 'NEON'", "python: '2.7.18'", "torch: '1.2.3'")):
        fit(stem)


def test_an_entry_that_an_older_file_lacks_is_reported(stopped, fit, whole):
    stem = stopped()
    rewrite(stem, lambda state: state.environment.pop("cpu"))
    with pytest.warns(ArignoteWarning, match=shown("environment.cpu: None then")):
        assert digest(fit(stem)) == whole


def test_unset_threads_are_those_of_the_checkpoint_and_are_put_back(stopped, fit):
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        stem, seen = stopped(n_threads=2), []
        ended = fit(stem, observers=lambda event: seen.append(torch.get_num_threads()))
        assert set(seen) == {2} and torch.get_num_threads() == 1
        assert ended.state_.environment["n_threads"] == newest(stem).environment["n_threads"] == 2
        assert digest(ended) == digest(fit(n_threads=2))
    finally:
        torch.set_num_threads(before)


def test_another_number_of_threads_is_reported_and_used(stopped, fit):
    before, seen = torch.get_num_threads(), []
    stem = stopped(n_threads=2)
    with pytest.warns(ArignoteWarning, match=shown("environment.n_threads: 2 then, 1 now")):
        ended = fit(stem, n_threads=1, observers=lambda event: seen.append(torch.get_num_threads()))
    assert set(seen) == {1} and torch.get_num_threads() == before
    assert ended.state_.environment["n_threads"] == 1


def test_threads_are_put_back_after_a_refusal(stopped, fit):
    before = torch.get_num_threads()
    stem = stopped(n_threads=2)
    with pytest.raises(CheckpointError, match="batch_size"):
        fit(stem, batch_size=32, n_threads=1)
    assert torch.get_num_threads() == before


def test_nothing_is_lost_by_asking_for_the_wrong_thing(stopped, fit, whole):
    stem = stopped()
    with pytest.raises(CheckpointError, match="batch_size"):
        fit(stem, batch_size=32)
    assert digest(fit(stem)) == whole


FREE = {
    "n_workers": {"n_workers": 3},
    "augmentation in the loop": {"n_workers": 0},
    "prefetch": {"prefetch": 1},
    "checkpoint settings": {"checkpoint_every": "epoch", "keep_last": 4, "checkpoint_all": True, "keep_epochs": 1},
    "seconds between saves": {"checkpoint_every": "0.01s"},
    "observers": {"observers": [lambda event: None]},
    "stop signals": {"stop_signals": ["SIGUSR2"]},
    "metadata": {"extra_metadata": {"who": "me"}},
    "the seed left out": {"seed": None},
    "the device by name": {"device": "cpu"},
    "force without need": {"resume": "force"},
}


@pytest.mark.parametrize("case", FREE)
def test_what_decides_no_number_may_change_in_the_middle(case, stopped, fit, augmented):
    # A warning would be an error here.
    ended = fit(stopped(augmentation=shift, n_workers=1), augmentation=shift, **FREE[case])
    assert digest(ended) == augmented
    assert ended.state_.starts == [[0, 0], MIDDLE]


def test_verbose_and_notices_of_preemption_may_change(stopped, fit, tmp_path, capsys, whole):
    stem, notices = stopped(), tmp_path / "notice"
    ended = fit(stem, verbose=True, preemption=f"file:{notices}")
    assert digest(ended) == whole
    assert len(capsys.readouterr().out.splitlines()) >= 2


def test_more_epochs_or_fewer_may_be_asked_for_in_the_middle(stopped, fit):
    stem = stopped()
    assert digest(fit(stem, n_epochs=2)) == digest(fit(n_epochs=2))
    assert digest(fit(stem, n_epochs=4)) == digest(fit(n_epochs=4))
    assert fit(stem, n_epochs=1).status_.startswith("finished, 4 epochs done, 1 asked for")


def test_a_stop_within_augmentation_resumes_with_any_number_of_threads(stopped, fit, tmp_path):
    expected = digest(fit(augmentation=shift, n_workers=0))
    stem = stopped(augmentation=shift, n_workers=4, prefetch=8)
    with pytest.raises(Stopped):
        fit(stem, augmentation=shift, n_workers=0, checkpoint_every=1, observers=killed_after(3))
    assert digest(fit(stem, augmentation=shift, n_workers=2, prefetch=1)) == expected


def other_rows(digits):
    return digits[0][:200], digits[1][:200]


def other_labels(digits):
    labels = digits[1].copy()
    at = np.flatnonzero(labels == 3)[0]
    labels[at] = 4
    return digits[0], labels


def other_features(digits):
    features = digits[0].copy()
    features[17, 3] += 0.5
    return features, digits[1]


def other_classes(digits):
    return digits[0], digits[1] + 100


# What is given in place of the run's own, and what the refusal says of it.
REFUSED = {
    "batch_size": ({"batch_size": 32}, "fit.batch_size: 64 then, 32 now"),
    "drop_last": ({"drop_last": True}, "fit.drop_last: False then, True now"),
    "accumulate": ({"accumulate": 2}, "fit.accumulate: 1 then, 2 now"),
    "shuffle": ({"shuffle": False}, "fit.shuffle: True then, False now"),
    "updater": ({"sgd_type": "adam"}, "fit.sgd_type"),
    "learning rate": ({"lr_rule": 0.1}, "fit.lr_rule"),
    "momentum": ({"momentum_rule": 0.5}, "fit.momentum_rule"),
    "gradient norm": ({"sgd_max_grad_norm": 1.0}, "fit.sgd_max_grad_norm: None then, 1.0 now"),
    "gradient value": ({"sgd_max_grad_value": 1.0}, "fit.sgd_max_grad_value: None then, 1.0 now"),
    "stop rule": ({"stop_rule": {"rule": "stalled", "interval": 2}}, "fit.stop_rule"),
    "validation": ({"validation_frequency": 100}, "fit.validation_frequency: None then, 100 now"),
    "validation losses": ({"valid_loss": ["error"]}, "fit.valid_loss"),
    "augmentation": ({"augmentation": shift}, "fit.augmentation"),
    "rows": ({"data": other_rows}, "data.train.features.shape: [240, 64] then, [160, 64] now"),
    "labels": ({"data": other_labels}, "labels.sha256"),
    "features": ({"data": other_features}, "features.sha256"),
    "classes": ({"data": other_classes}, "targets.output.values: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] then, [100, 101"),
    "held out rows": ({"valid": 0.3}, "data.train.features.shape"),
    "no rows held out": ({"test": 0.1}, "data.test: None then"),
    "seed": ({"seed": 4}, "rng: 3 then, 4 now"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_something_else_is_refused_with_the_diff_before_anything_is_written(case, stopped, fit, digits):
    stem, (given, text) = stopped(), REFUSED[case]
    if "data" in given:
        given = given | {"data": given["data"](digits)}
    before = files(stem)
    with pytest.raises(CheckpointError, match=re.escape(text)) as caught:
        fit(stem, **given)
    assert re.match(
        rf"{re.escape(str(stem))}_last\.ckpt: this run was started with something else:\n  ", str(caught.value)
    )
    assert 'resume="fresh" (--fresh)' in str(caught.value) and 'resume="force" (--force)' in str(caught.value)
    assert files(stem) == before


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda layers: layers[0][1].update(n_units=13), "layers.fc1.n_units: 12 then, 13 now"),
        (lambda layers: layers[0][1].update(activation="relu"), "layers.fc1.activation"),
        (lambda layers: layers[0][1].update(l2=0.0), "layers.fc1.l2: 0.001 then, 0.0 now"),
        (lambda layers: layers[1][1].update(dropout_p=0.5), "dropout_p: 0.3 then, 0.5 now"),
        (lambda layers: layers.pop(1), "then, None now"),
        (lambda layers: layers[0][1].update(name="first"), "layers.first: None then"),
        (
            lambda layers: layers.insert(0, layers.pop(1)),
            "order of layers: input, fc1, dropout1, output then, input, dropout1, fc1, output now",
        ),
    ],
)
def test_another_layer_is_refused_with_the_diff(change, text, stopped, fit, layers):
    stem = stopped()
    before = files(stem)
    change(layers)
    with pytest.raises(CheckpointError, match=re.escape(text)):
        fit(stem, layers=layers)
    assert files(stem) == before


def test_two_equal_layers_in_each_others_place_are_another_network(stopped, fit):
    def two(first, second):
        same = {"n_units": 12, "activation": "relu"}
        return [["FCLayer", {"name": name} | same] for name in (first, second)] + [LAYERS[-1]]

    stem = stopped(layers=two("a", "b"))
    with pytest.raises(CheckpointError, match="order of layers: input, a, b, output then, input, b, a, output now"):
        fit(stem, layers=two("b", "a"))
    # An order that follows from another difference is not reported twice.
    with pytest.raises(CheckpointError) as caught:
        fit(stem, layers=two("b", "c"))
    assert "order" not in str(caught.value)


def test_parameters_that_an_older_file_lacks_have_their_defaults(stopped, fit, whole):
    def of_an_older_version(state):
        for _, params in state.spec["layers"]:
            # Of a layer, and of a part within it.
            params.pop("l1", None)
            if "activation" in params:
                params["activation"] = params["activation"][:1]
        fit = state.spec["fit"]
        del fit["drop_last"], fit["augmentation"], fit["accumulate"], fit["scale_target"]
        del fit["lr_rule"][1]["final_value"]
        fit["sgd_type"] = fit["sgd_type"][:1]

    stem = stopped()
    rewrite(stem, of_an_older_version)
    assert digest(fit(stem)) == whole


def test_a_default_that_is_another_value_now_is_a_difference(stopped, fit, layers):
    stem = stopped()
    rewrite(stem, lambda state: state.spec["layers"][1][1].pop("l2"))
    stem.with_name("run_last.1.ckpt").unlink()
    # The file lacks l2, whose default is 0; the run has 0.001.
    with pytest.raises(CheckpointError, match=re.escape("layers.fc1.l2: 0.0 then, 0.001 now")):
        fit(stem)


STORED = Path(__file__).parents[1] / "checkpoints" / "stored"


@pytest.mark.parametrize("version", [2, 3])
def test_a_stored_run_resumes_and_ends_as_if_it_had_begun_today(version, digits, tmp_path):
    # Written with the layers and settings below, stopped in its second epoch after two batches: version 2 by the commit
    # b2e6c64, version 3 by the one that added it.
    layers = [
        ["ConvLayer", {"name": "conv", "n_output_maps": 3, "filter_shape": 3, "l2": 0.001}],
        ["MaxPool2DLayer", {"pool_shape": 2}],
        ["BatchNormLayer", {}],
        ["FCMaxoutLayer", {"name": "maxout", "n_units": 8, "maxout_k": 2, "maxnorm": 3.0}],
        ["DropoutLayer", {"dropout_p": 0.3}],
        ["ClassificationOutputLayer", {"name": "output"}],
    ]
    settings = SETTINGS | {
        "sgd_type": "adam",
        "lr_rule": {"rule": "stalled", "initial_value": 0.01, "multiply_by": 0.5, "interval": 1},
        "preprocess": [["Standardise"]],
        "augmentation": [["Noise", {"sigma": 0.1}]],
        "n_threads": 1,
    }
    images = digits[0].reshape(-1, 1, 8, 8), digits[1]
    for kind in ("last", "best"):
        shutil.copy(STORED / f"v{version}_{kind}.ckpt", tmp_path / f"run_{kind}.ckpt")
    whole = NNClassifier(layers, rng=3).fit(*images, **settings)
    with warnings.catch_warnings():
        # Versions, and the machine; anything else is an error.
        warnings.filterwarnings(
            "ignore", r"[^;]*bit for bit: environment\.[^;]*(; environment\.[^;]*)*$", ArignoteWarning
        )
        ended = NNClassifier(layers, rng=3).fit(*images, **settings, checkpoint=str(tmp_path / "run"))
    assert ended.state_.starts == [[0, 0], MIDDLE]
    assert [row["epoch"] for row in ended.history_] == [1, 2, 3]
    # Another processor may round in another way.
    for name, array in whole.state_.network.items():
        np.testing.assert_allclose(ended.state_.network[name], array, rtol=1e-3, atol=1e-4)


def test_where_no_file_may_be_nothing_is_written(stopped, fit):
    stem = stopped()
    before = files(stem)
    with pytest.raises(CheckpointError, match="resume is False"):
        fit(stem, resume=False)
    assert files(stem) == before


def test_a_force_that_is_impossible_is_an_error_before_anything_is_written(stopped, fit, layers, digits):
    stem = stopped()
    before = files(stem)
    # No warning that the run resumes.
    with pytest.raises(CheckpointError, match=r"keeps other slots .*'mean/fc1\.W'.*resume=\"fresh\""):
        fit(stem, sgd_type="adam", resume="force")
    layers[0][1]["n_units"] = 13
    with pytest.raises(CheckpointError, match=r"'fc1.W' has shape \(64, 12\); the network needs \(64, 13\)"):
        fit(stem, layers=layers, resume="force")
    assert files(stem) == before


def forced(fit, stem, *parts, **given):
    """Resume by force; one warning lists all that differs."""
    with pytest.warns(ArignoteWarning) as caught:
        ended = fit(stem, resume="force", **given)
    texts = [str(one.message) for one in caught]
    assert len(texts) == 1 and re.search(shown(*parts), texts[0]), texts
    return ended


def positions(events):
    return [(event.epoch, event.batch) for event in events if event.kind == "batch"]


def test_other_rows_by_force_begin_the_unfinished_epoch_again(stopped, fit, digits):
    stem, events = stopped(), []
    before = newest(stem).progress
    assert before.examples_seen == 240 + 128
    data = other_rows(digits)
    ended = forced(fit, stem, "data.train.features.shape", data=data, observers=events.append)
    # 160 rows: three batches, from the first of the second epoch on.
    assert positions(events) == [(2, 1), (2, 2), (2, 3), (3, 1), (3, 2), (3, 3)]
    assert ended.state_.starts == [[0, 0], [1, 0]]
    assert ended.state_.progress.examples_seen == before.examples_seen + 2 * 160
    assert np.isfinite(ended.history_[-1]["train_nll"])
    # What it resumes with is its own from now on.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fit(stem, data=data, n_epochs=4).n_epochs_ == 4
    with pytest.raises(CheckpointError, match=r"shape: \[160, 64\] then, \[240, 64\] now"):
        fit(stem, n_epochs=4)


def test_the_training_loss_of_an_epoch_begun_again_is_that_of_its_own_rows(stopped, fit, digits, tmp_path):
    found = []
    for unfinished in (True, False):
        folder = tmp_path / str(unfinished)
        stem = stopped(folder)
        if not unfinished:
            # As if nothing of its second epoch had been counted.
            rewrite(stem, uncount)
        found.append(forced(fit, stem, "data.train", data=other_rows(digits), n_epochs=2).history_[-1]["train_nll"])
    assert found[0] == found[1]


def uncount(state):
    state.progress.batch = state.progress.epoch_examples = 0
    state.epoch_loss = np.float64(0.0)


@pytest.mark.parametrize("kind", ["features", "labels"])
def test_other_values_of_as_many_rows_resume_within_the_epoch(kind, stopped, fit, digits):
    stem, events = stopped(), []
    data = {"features": other_features, "labels": other_labels}[kind](digits)
    forced(fit, stem, f"{kind}.sha256", data=data, observers=events.append)
    assert positions(events)[0] == (2, 3)


def test_another_batch_size_by_force_begins_the_unfinished_epoch_again(stopped, fit):
    stem, events = stopped(), []
    ended = forced(fit, stem, "fit.batch_size: 64 then, 100 now", batch_size=100, observers=events.append)
    assert positions(events) == [(2, 1), (2, 2), (2, 3), (3, 1), (3, 2), (3, 3)]
    assert ended.state_.spec["fit"]["batch_size"] == 100
    with pytest.raises(CheckpointError, match="batch_size: 100 then, 64 now"):
        fit(stem)


def test_other_classes_by_force_are_predicted_from_then_on(stopped, fit, digits):
    ended = forced(fit, stopped(), "targets.output.values", data=other_classes(digits))
    assert ended.classes_.tolist() == list(range(100, 110))
    assert ended.predict(digits[0][:5]).min() >= 100
    assert ended.state_.starts == [[0, 0], MIDDLE]


def test_another_layer_setting_by_force_is_used(stopped, fit, layers):
    stem = stopped()
    layers[1][1]["dropout_p"] = 0.0
    ended = forced(fit, stem, "dropout_p: 0.3 then, 0.0 now", layers=layers)
    assert ended.state_.spec["layers"][2][1]["dropout_p"] == 0.0 and ended.state_.starts == [[0, 0], MIDDLE]
    assert fit(stem, layers=layers).status_.startswith("finished")


def test_another_seed_by_force_is_the_seed_of_the_run_from_then_on(stopped, fit):
    stem = stopped()
    ended = forced(fit, stem, "rng: 3 then, 4 now", seed=4)
    assert ended.n_epochs_ == 3
    # A run that was forced can be resumed with the new settings, without another force.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fit(stem, seed=4, n_epochs=4).n_epochs_ == 4


def test_a_run_in_memory_is_refused_and_forced_like_one_in_files(digits, layers):
    model = NNClassifier(layers, rng=3).fit(*digits, **SETTINGS | {"n_epochs": 1})
    # As that of a run that was loaded.
    model.loaded_ = True
    with pytest.raises(CheckpointError, match=r"the estimator's state: this run was started with something else"):
        model.fit(*digits, **SETTINGS | {"batch_size": 32})
    with pytest.warns(ArignoteWarning, match=shown("batch_size: 64 then, 32 now")):
        model.fit(*digits, **SETTINGS | {"batch_size": 32}, resume="force")
    assert model.n_epochs_ == 3


def test_fresh_starts_over_without_a_check(stopped, fit):
    stem = stopped()
    rewrite(stem, lambda state: state.environment.update(torch="1.2.3"))
    ended = fit(stem, resume="fresh", batch_size=32)
    assert ended.state_.starts == [[0, 0]] and ended.n_epochs_ == 3
    assert not [name for name in os.listdir(stem.parent) if name.startswith(".")]


def test_a_batch_cut_to_the_data_is_reported_once_and_is_not_a_difference(digits, layers, tmp_path):
    X, y = digits
    settings = {"batch_size": 5000, "n_epochs": 2, "checkpoint": str(tmp_path / "run"), "checkpoint_every": "epoch"}
    with pytest.warns(ArignoteWarning, match="used as one batch") as shown:
        NNClassifier(layers, rng=3).fit(X, y, **settings)
    assert len(shown) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NNClassifier(layers, rng=3).fit(X, y, **settings | {"batch_size": 6000, "n_epochs": 3})
        with pytest.raises(CheckpointError, match=r"data\.train\.features\.shape") as refused:
            NNClassifier(layers, rng=3).fit(X[:-1], y[:-1], **settings)
        assert "batch_size" not in str(refused.value)
        with pytest.raises(CheckpointError, match=r"fit\.batch_size: 300 then, 64 now"):
            NNClassifier(layers, rng=3).fit(X, y, **settings | {"batch_size": 64})


@pytest.mark.parametrize(
    ("change", "reported", "column", "values"),
    [
        ({"lr_rule": 0.001}, "fit.lr_rule", "learning_rate", [0.001, 0.001]),
        ({"momentum_rule": 0.25}, "fit.momentum_rule", "momentum", [0.25, 0.25]),
        (
            {"lr_rule": {"rule": "fixed", "initial_value": 0.5, "multiply_by": 0.5, "interval": 1}},
            "fit.lr_rule",
            "learning_rate",
            [0.5, 0.25],
        ),
    ],
)
def test_a_rule_that_is_forced_starts_at_its_initial_value(change, reported, column, values, stopped, fit):
    # Of three epochs the first was done when it was stopped.
    ended = forced(fit, stopped(), reported, **change)
    assert [record[column] for record in ended.history_[1:]] == values


# The pieces of a resume, with states written out


def made(n_updates=5, run_id="a" * 32, train=None, **fit):
    """Return a state as a file holds it."""
    settings = FitSettings(**{"n_epochs": 3, "batch_size": 4, "sgd_type": "nag"} | fit).model_dump(mode="json")
    train = {"features": {"shape": [10, 2], "sha256": "0"}} if train is None else train
    return TrainingState(
        network={"out.W": np.full((2, 3), n_updates, "f4")},
        slots={"velocity/out.W": np.full((2, 3), -n_updates, "f4")},
        epoch_loss=np.float64(n_updates / 2),
        rules={"lr": RuleState(0.25, 1.5, 2), "momentum": RuleState(0.75, 1.5, 1)},
        rng=3,
        run_id=run_id,
        spec={"name": None, "n_in": [2], "layers": [["FCLayer", {"name": "out", "n_units": 3}]], "fit": settings},
        targets={"out": numbered_classes(3)},
        data={"train": train},
        environment={},
        progress=Progress(1, 2, 18, n_updates, 4, 8, True, stopped_by="SIGTERM"),
        history=History({"epoch": [1.0], "examples_seen": [10.0]}),
        starts=[[0, 0], [1, 1]],
    )


def written(stem, *states):
    """Write states as the last files of a run, one after the other."""
    files = RunWriter(str(stem), keep_last=5)
    for state in states:
        files.save(state)
    return RunFiles(str(stem))


def chosen(files, spool, resume=True):
    """Return the numbers of updates of the states that a fit may resume from, and what was said of files."""
    faults = []
    return [state.progress.n_updates for _, state in candidates(files, spool, resume, faults)], faults


def test_the_states_that_a_fit_may_resume_from_come_newest_first(tmp_path):
    files = written(tmp_path / "run", made(1), made(2), made(3))
    assert chosen(files, None) == ([3, 2, 1], [])
    assert chosen(files, None, "force") == ([3, 2, 1], [])
    assert chosen(files, None, "fresh") == ([], []) and chosen(None, None) == ([], [])
    assert chosen(RunFiles(str(tmp_path / "other")), None, False) == ([], [])
    with pytest.raises(CheckpointError, match=r"run_last.ckpt: exists, and resume is False"):
        chosen(files, None, False)


@pytest.mark.parametrize(
    ("n_spooled", "run_id", "expected"),
    [(4, "a", [4, 3, 2]), (3, "a", [3, 2]), (2, "a", [3, 2]), (4, "b", [3, 2])],
)
def test_a_state_that_was_kept_here_is_taken_where_it_is_ahead_in_the_same_run(n_spooled, run_id, expected, tmp_path):
    files = written(tmp_path / "run", made(2), made(3))
    spool = written(tmp_path / "spool", made(n_spooled, run_id=run_id * 32))
    assert chosen(files, spool)[0] == expected


def test_where_nothing_was_kept_here_the_files_of_the_run_are_taken(tmp_path):
    assert chosen(written(tmp_path / "run", made(2)), RunFiles(str(tmp_path / "spool"))) == ([2], [])


def test_a_state_that_was_kept_here_is_taken_where_no_file_of_the_run_is_good(tmp_path):
    spool = written(tmp_path / "spool", made(7))
    assert chosen(RunFiles(str(tmp_path / "run")), spool) == ([7], [])
    files = written(tmp_path / "run", made(3))
    (tmp_path / "run_last.ckpt").write_bytes(b"damaged")
    found, faults = chosen(files, spool)
    assert found == [7] and len(faults) == 1 and "run_last.ckpt" in faults[0]
    with pytest.raises(CheckpointError, match=r"run_last.ckpt: [\s\S]*No good checkpoint is left; resume=.fresh."):
        chosen(files, None)


def rows(n_rows):
    return {"features": {"shape": [n_rows, 2], "sha256": "0"}}


@pytest.mark.parametrize(
    ("then", "now", "expected"),
    [
        ({"batch_size": 10}, {"batch_size": 4}, ["fit.batch_size: 10 then, 4 now"]),
        ({"batch_size": 4}, {"batch_size": 10}, ["fit.batch_size: 4 then, 10 now"]),
        ({"batch_size": 4}, {"batch_size": 5}, ["fit.batch_size: 4 then, 5 now"]),
        # All rows in one batch, of whatever data: only the data is another.
        (
            {"batch_size": 10},
            {"batch_size": 12, "train": rows(12)},
            ["data.train.features.shape: [10, 2] then, [12, 2] now"],
        ),
        ({}, {"n_epochs": 9, "verbose": True}, []),
    ],
)
def test_a_batch_of_all_rows_is_the_same_whatever_their_number(then, now, expected):
    assert changes(made(**then), made(**now)) == expected


@pytest.mark.parametrize("data", [{}, {"train": {}}, {"train": {"features": {}}}])
def test_a_state_without_a_record_of_its_data_has_no_number_of_rows(data):
    then, now = made(batch_size=1), made(batch_size=10)
    then.data = data
    assert changes(then, now)[0] == "fit.batch_size: 1 then, 10 now"
    assert taken_over(then).progress.batch == 0


def layered(*layers):
    state = made()
    state.spec["layers"] = [["FCLayer", {"name": name, "n_units": n_units}] for name, n_units in layers]
    return state


def test_the_order_of_layers_is_compared_where_their_names_are_the_same():
    then = layered(("a", 3), ("b", 3), ("c", 3))
    order = "order of layers: a, b, c then, b, a, c now"
    assert changes(then, layered(("a", 3), ("b", 3), ("c", 3))) == []
    assert changes(then, layered(("b", 3), ("a", 3), ("c", 3))) == [order]
    assert changes(then, layered(("b", 5), ("a", 3), ("c", 3))) == [order, "layers.b.n_units: 3 then, 5 now"]
    (gone,) = changes(then, layered(("b", 3), ("c", 3)))
    assert gone.startswith("layers.a: ")


def test_the_seed_and_the_data_are_compared_but_not_the_names_of_columns():
    then, now = made(), made(train=rows(11))
    now.rng, now.data["feature_names"] = 4, ["x", "y"]
    now.targets = {"out": then.targets["out"] | {"values": [0, 1, 3]}}
    assert changes(then, now) == [
        "rng: 3 then, 4 now",
        "targets.out.values: [0, 1, 2] then, [0, 1, 3] now",
        "data.train.features.shape: [10, 2] then, [11, 2] now",
    ]
    # A checkpoint of 2015 knows nothing of the data.
    then.data = {}
    assert changes(then, now) == ["rng: 3 then, 4 now"]


def taken_over(stored, **changes):
    """Return a live state of zeros after it has taken over a stored one; `changes` are of its data and settings."""
    state = made(0, run_id="new", **changes)
    state.network = {name: torch.zeros(2, 3) for name in state.network}
    state.slots = {name: torch.zeros(2, 3) for name in state.slots}
    state.epoch_loss = torch.zeros((), dtype=torch.float64)
    state.rules = {"lr": RuleState(0.5), "momentum": RuleState(0.9)}
    state.progress, state.history, state.starts = Progress(), History(), []
    load_into(state, stored, "file")
    return state


def test_a_live_state_takes_over_all_that_a_stored_one_remembers():
    stored = made(5)
    stored.best = Best(0.5, 1, 10, 1, "d" * 64, {"out.W": np.ones((2, 3), "f4")})
    state = taken_over(stored)
    assert state.network["out.W"].tolist() == [[5] * 3] * 2 and state.slots["velocity/out.W"].tolist() == [[-5] * 3] * 2
    assert state.epoch_loss.item() == 2.5 and state.rules == stored.rules and state.run_id == "a" * 32
    # What ended the process before does not end this one.
    assert state.progress == Progress(1, 2, 18, 5, 4, 8, True)
    assert state.history.arrays()["epoch"].tolist() == [1.0] and state.starts == [[0, 0], [1, 1]]
    assert vars(state.best) == vars(stored.best)
    state.history.append({"epoch": 2.0})
    state.best.value, state.progress.epoch, state.starts[0][0] = 0.0, 2, 9
    assert len(stored.history) == 1 and stored.best.value == 0.5
    assert stored.progress.epoch == 1 and stored.starts[0][0] == 0
    assert taken_over(made(5)).best is None


FEATURES = {"shape": [10, 2], "sha256": "0"}


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({}, False),
        ({"train": {"features": FEATURES | {"sha256": "1"}}}, False),
        ({"lr_rule": 0.125}, False),
        ({"train": {"features": FEATURES | {"shape": [11, 2]}}}, True),
        ({"batch_size": 5}, True),
        ({"drop_last": True}, True),
        ({"accumulate": 2}, True),
    ],
)
def test_an_unfinished_epoch_begins_again_where_its_batches_are_others(change, again):
    state = taken_over(made(5), **change)
    progress = state.progress
    assert (progress.batch, progress.epoch_examples, progress.validation_due) == (
        (0, 0, False) if again else (2, 8, True)
    )
    assert (progress.epoch, progress.examples_seen, progress.n_updates) == (1, 18, 5)
    assert state.epoch_loss.item() == (0 if again else 2.5)


@pytest.mark.parametrize("change", [{"rng": 4}, {"data": {"order": {"kind": "chunks", "n_window": 2}}}])
def test_it_begins_again_where_the_order_of_the_rows_is_another(change):
    stored = made(5)
    data = {"train": {"features": FEATURES}}
    vars(stored).update({"data": data} | change | {"data": data | change.get("data", {})})
    assert taken_over(stored).progress.batch == 0


@pytest.mark.parametrize(
    ("then", "now", "lr", "momentum"),
    [
        # Stored values are 0.25 and 0.75; a rule that starts anew has 0.5 and 0.9, and waits from validation 4 on.
        ({}, {}, RuleState(0.25, 1.5, 2), RuleState(0.75, 1.5, 1)),
        ({"lr_rule": 0.5}, {"lr_rule": 0.5, "sgd_type": "momentum"}, RuleState(0.25, 1.5, 2), RuleState(0.9, inf, 4)),
        ({"lr_rule": 0.25}, {"lr_rule": 0.5}, RuleState(0.5, inf, 4), RuleState(0.75, 1.5, 1)),
        ({}, {"momentum_rule": 0.9}, RuleState(0.25, 1.5, 2), RuleState(0.9, inf, 4)),
        ({}, {"sgd_type": "momentum"}, RuleState(0.5, inf, 4), RuleState(0.9, inf, 4)),
    ],
)
def test_a_rule_keeps_its_value_unless_it_or_where_it_starts_is_another(then, now, lr, momentum):
    assert taken_over(made(5, **then), **now).rules == {"lr": lr, "momentum": momentum}


def test_a_rule_of_a_number_keeps_its_value_unless_it_or_the_value_of_its_layer_is_another():
    def rules(n_units=3, l2=0.5, **fit):
        return {"fit": fit, "layers": [["FCLayer", {"name": "out", "n_units": n_units, "l2": l2}]]}

    def resumed(then, now):
        stored, state = made(5, **then["fit"]), made(0, **now["fit"])
        stored.spec["layers"], state.spec["layers"] = then["layers"], now["layers"]
        stored.rules["out.l2"] = RuleState(0.125, 1.5, 2)
        state.network = {name: torch.zeros(2, 3) for name in state.network}
        state.slots = {name: torch.zeros(2, 3) for name in state.slots}
        state.epoch_loss = torch.zeros((), dtype=torch.float64)
        state.rules |= {"out.l2": RuleState(0.75)} if now["fit"].get("rules") else {}
        if not then["fit"].get("rules"):
            del stored.rules["out.l2"]
        load_into(state, stored, "file")
        return state.rules.get("out.l2")

    step, other = (["step", {"multiply_by": by, "n_epochs": 1}] for by in (0.5, 0.25))
    first = ["step", {"multiply_by": 0.5, "n_epochs": 1, "initial_value": 0.5}]
    by_rule = {
        key: rules(rules={"out.l2": rule}) for key, rule in {"step": step, "other": other, "first": first}.items()
    }
    assert resumed(by_rule["step"], by_rule["step"]) == RuleState(0.125, 1.5, 2)
    assert resumed(by_rule["step"], by_rule["other"]) == RuleState(0.75, inf, 4)
    assert resumed(by_rule["step"], rules(l2=0.25, rules={"out.l2": step})) == RuleState(0.75, inf, 4)
    assert resumed(by_rule["first"], rules(l2=0.25, rules={"out.l2": first})) == RuleState(0.125, 1.5, 2)
    # A rule that is new by force, and one that is no more.
    assert resumed(rules(), by_rule["step"]) == RuleState(0.75, inf, 4)
    assert resumed(by_rule["step"], rules()) is None


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (Progress(epoch=1, batch=2), r"epoch 2, batch 2 \(file\)$"),
        (Progress(epoch=3), r"^finished, 3 of 3 epochs \(file\)$"),
        (Progress(epoch=2, ended=True), r"^finished, 2 of 3 epochs \(ended by its stop rule\) \(file\)$"),
        (Progress(epoch=5), r"^finished, 5 epochs done, 3 asked for \(file\)$"),
    ],
)
def test_where_a_run_stands_is_said_in_a_line(progress, expected):
    state = made()
    state.progress = progress
    assert re.search(expected, resume_message(state, "file"))


def test_a_resume_completes_each_of_its_two_specs_once_to_compare_and_once_to_take_over(stopped, fit, monkeypatch):
    """Completing the settings of a file validates each of them, which takes longer than a step of a small fit."""
    stem, n_calls = stopped(), {"completed": 0, "completed_settings": 0}

    def counted(name):
        function = getattr(changes_module, name)

        def call(*args):
            n_calls[name] += 1
            return function(*args)

        return call

    for name in n_calls:
        monkeypatch.setattr(changes_module, name, counted(name))
    monkeypatch.setattr(resume, "completed_settings", changes_module.completed_settings)
    fit(stem)
    # Of the stored state and of the new one; the layers for the comparison alone.
    assert n_calls == {"completed": 2 * len(newest(stem).spec["layers"]), "completed_settings": 2 + 2}


def test_by_force_a_stop_rule_reads_the_loss_that_is_validated_now(stopped, fit):
    stem = stopped()
    before = newest(stem)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Any error is below 2, but the column of the loss before has no value from here on.
        ended = fit(stem, valid_loss="error", stop_rule=["reached", {"value": 2.0}], resume="force")
    assert ended.n_epochs_ == before.progress.epoch + 1 < before.n_epochs
    assert ended.state_.progress.stopped_by == "stop_rule"
