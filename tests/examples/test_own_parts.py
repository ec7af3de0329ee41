"""The examples of parts of one's own train, and a run of them that is stopped or killed resumes exactly."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import forked
import numpy as np
import pytest
from command_line import arignote
from promise import Stopped, digest, digest_of, killed_after, newest

from arignote import NNClassifier, registry
from arignote.data.readers.user_reader import check_reader

# Whole fits and commands: left out of make fast.
pytestmark = pytest.mark.slow

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "own_parts"
MODULES = sorted(path.stem for path in FOLDER.glob("*.py"))
# Stopped in the first epoch, at the end of an epoch of 23 batches, and in the second epoch.
STOPS = [1, 23, 30]
SETTINGS = {"n_epochs": 2, "checkpoint_every": 1, "n_threads": 1}


@pytest.fixture
def train(monkeypatch):
    """Import the script, as if its folder were the working directory; leave no part registered."""
    monkeypatch.setattr(registry.table, "_PARTS", {kind: registry.names(kind) for kind in registry.kinds()})
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    import train

    yield train
    for name in MODULES:
        sys.modules.pop(name, None)


def test_the_script_stopped_after_a_batch_and_resumed_ends_in_the_same_bits(train, tmp_path):
    fitted = train.fit(tmp_path / "whole", **SETTINGS)
    assert fitted.history_[-1]["valid_error"] < 0.3
    whole = digest(fitted)
    for n_batches in STOPS:
        folder = tmp_path / str(n_batches)
        with pytest.raises(Stopped):
            train.fit(folder, **SETTINGS, observers=killed_after(n_batches))
        resumed = train.fit(folder, **SETTINGS)
        assert len(resumed.state_.starts) == 2 and digest(resumed) == whole


@pytest.mark.slow
def test_the_script_killed_and_resumed_ends_in_the_same_bits(train, tmp_path):
    code = (
        "import os, signal, train\n"
        "def kill(event):\n"
        "    if event.kind == 'batch' and (event.epoch, event.batch) == (2, 3):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        f"train.fit({str(tmp_path / 'killed')!r}, **{SETTINGS}, observers=kill)"
    )
    path = os.pathsep.join(filter(None, [str(FOLDER), os.environ.get("PYTHONPATH")]))
    ended = forked.run(["-c", code], env=os.environ | {"PYTHONPATH": path})
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    resumed = train.fit(tmp_path / "killed", **SETTINGS)
    assert resumed.state_.starts == [[0, 0], [1, 2]]
    assert digest(resumed) == digest(train.fit(tmp_path / "whole", **SETTINGS))


# Each part alone, beside parts of the package.
ALONE = {
    "layer": lambda train: {"layers": [["rms_norm_layer:RMSNormLayer"], ["ClassificationOutputLayer"]]},
    "loss": lambda train: {"train_loss": "smoothed_loss:SmoothedLoss", "valid_loss": ["smoothed_loss:SmoothedLoss"]},
    "rule": lambda train: {"lr_rule": ["power_decay_rule:PowerDecay", {"initial_value": 0.1}]},
    "updater": lambda train: {"sgd_type": "signum_updater:Signum"},
    "augmentation": lambda train: {"augmentation": ["mask_augmentation:Mask", {"p": 0.2}], "n_workers": 2},
    "reader": lambda train: {},
}


@pytest.mark.parametrize("part", ALONE)
def test_each_part_alone_stopped_after_a_batch_and_resumed_ends_in_the_same_bits(part, train, digits, tmp_path):
    settings = {"valid": 0.2, "batch_size": 60, "sgd_type": "nag"} | SETTINGS | ALONE[part](train)
    layers = settings.pop("layers", [["FCLayer", {"n_units": 8}], ["ClassificationOutputLayer"]])
    data = digits
    if part == "reader":
        path = tmp_path / "digits.bin"
        path.write_bytes(np.column_stack([digits[1], digits[0] * 16]).astype("u1").tobytes())
        data = [train.RecordReader(path, 64, table) for table in ("features", "labels")]
        for reader in data:
            check_reader(reader)

    def fit(stem, **more):
        return NNClassifier(layers, rng=1).fit(*data, **settings, checkpoint=str(tmp_path / stem), **more)

    whole = digest(fit("whole"))
    for n_batches in (3, 6):
        with pytest.raises(Stopped):
            fit(f"stopped{n_batches}", observers=killed_after(n_batches))
        assert digest(fit(f"stopped{n_batches}")) == whole


def test_the_config_trains_and_resumes_in_the_same_bits(train, tmp_path, monkeypatch):
    place = tmp_path / "examples" / "own_parts"
    shutil.copytree(FOLDER, place)
    shutil.copytree(FOLDER.parents[1] / "arignote" / "sample_data", tmp_path / "arignote" / "sample_data")
    monkeypatch.chdir(tmp_path)
    config = ["fit", "examples/own_parts/config.yaml", "--set", "fit.checkpoint_every=1"]
    assert arignote(*config, "--set", "fit.n_epochs=1").code == 0
    resumed = arignote(*config, "--set", "fit.n_epochs=2")
    assert resumed.code == 0 and "resumes at epoch 2" in resumed.out, resumed
    assert arignote(*config, "--set", "fit.n_epochs=2", "--set", "fit.checkpoint=runs/whole").code == 0
    killed, whole = (digest_of(newest(tmp_path / "runs" / stem)) for stem in ("own_parts", "whole"))
    assert killed == whole
