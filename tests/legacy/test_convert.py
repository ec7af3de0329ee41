"""Checkpoints of 2015: where the run stood, and the same next step."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from of_2015 import drawn, layer, network, old, output, predict, rule, write

from arignote.errors import CheckpointError
from arignote.legacy import is_2015, read_2015

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
SAMPLE = SHARED / "arignote2015_mlp_last.pkl.gz"
needs_sample = pytest.mark.skipif(not SAMPLE.exists(), reason="the sample of 2015 is in ../shared/data, not here")


@needs_sample
def test_the_sample_of_2015_predicts_what_it_predicted_and_stands_where_it_stood():
    expected, state = np.load(SAMPLE.with_name("arignote2015_mlp_last_expected.npz")), read_2015(SAMPLE)
    assert np.abs(predict(state, expected["x"]) - expected["proba"]).max() < 1e-5
    assert state.progress.epoch == expected["epoch"] == state.n_epochs
    assert np.float32(state.rules["lr"].value) == expected["learning_rate"]
    assert np.float32(state.rules["momentum"].value) == expected["momentum"]
    assert state.spec["fit"]["sgd_type"] == ["momentum", {"momentum": 0.9}]
    assert (state.progress.n_updates, state.progress.examples_seen, state.progress.n_validations) == (240, 24000, 6)
    assert state.history.record(-1)["test_error"] == pytest.approx(0.1)
    assert state.best is not None and state.best.value == pytest.approx(0.40921244)


@needs_sample
def test_the_state_of_the_sample_is_plain_data_and_float32_arrays():
    state = read_2015(SAMPLE)
    assert json.loads(json.dumps(state.to_plain()))["spec"] == state.spec
    assert state.run_id == read_2015(SAMPLE).run_id
    assert {name.removeprefix("velocity/") for name in state.slots} == set(state.network)
    assert {a.dtype.name for a in (state.network | state.slots).values()} == {"float32"}


@needs_sample
@pytest.mark.parametrize("n_bytes", [0, 1, 5, 100, 5000, -5000, -3])
def test_a_sample_cut_short_is_reported_with_its_path(n_bytes, tmp_path):
    cut = tmp_path / "cut_last.pkl.gz"
    cut.write_bytes(SAMPLE.read_bytes()[:n_bytes])
    with pytest.raises(CheckpointError, match=r"^/.*cut_last\.pkl\.gz: is truncated"):
        read_2015(cut)


@pytest.mark.parametrize("sgd_type", ["nag", "momentum"])
def test_the_next_step_is_that_of_2015(sgd_type, tmp_path):
    import torch

    from arignote.registry import build

    velocity, g, mu, lr = drawn(4, 3), drawn(3, 4).T.copy(), 0.9, 0.1
    net = network([output(4)], [4], [{"velocity": velocity}, {"velocity": drawn(3)}], sgd_type, lr, mu)
    state = read_2015(write(tmp_path / "a.pkl.gz", net))
    w = torch.tensor(state.network["output.W"])
    slots = {"velocity": torch.tensor(state.slots["velocity/output.W"])}
    updater = build("updater", state.spec["fit"]["sgd_type"])
    updater.step(w, torch.tensor(g), slots, state.rules["lr"].value, state.rules["momentum"].value, 31)
    assert np.allclose(w.numpy(), net.layers_train[-1].trainable_params["W"] + mu * velocity - lr * g, atol=1e-6)


def test_the_memory_of_adadelta_is_kept_and_fixed_parameters_have_none(tmp_path):
    memory = [{"accumulator": np.full(3, 2.0, np.float32), "delta_acc": np.full(3, 5.0, np.float32)}]
    net = network([output(4, fix_params=["W_out"])], [4], memory, "adadelta", momentum=0.95)
    state = read_2015(write(tmp_path / "a.pkl.gz", net))
    assert {name: a.tolist() for name, a in state.slots.items()} == {
        "square/output.b": [2.0] * 3,
        "square_step/output.b": [5.0] * 3,
    }
    assert state.spec["layers"][-1][1]["fix_params"] == ["W"]


def test_without_a_memory_the_updater_starts_at_rest(tmp_path):
    state = read_2015(write(tmp_path / "a.pkl.gz", network([output(4)], [4])))
    assert {name: a.shape for name, a in state.slots.items()} == {
        "velocity/output.W": (4, 3),
        "velocity/output.b": (3,),
    }
    assert not any(a.any() for a in state.slots.values())


def test_a_change_of_rate_that_was_due_when_the_file_was_written_is_made(tmp_path):
    stalled = rule("stalled", 0.4, multiply_by=0.5, interval=2, last_epoch=1, best_valid=np.float32(0.5))
    shown = {"valid_loss": [(9, 0.5), (19, 0.6), (29, 0.7)], "train_loss": [(i, 1.0) for i in range(30)]}
    shown |= {"last_validation_loss": 0.7, "best_validation_loss": 0.5}
    velocity = drawn(4, 3)
    memory = [{"velocity": velocity}, {"velocity": drawn(3)}]
    state = read_2015(write(tmp_path / "a.pkl.gz", network([output(4)], [4], memory, lr=0.4, lr_rule=stalled, **shown)))
    assert state.rules["lr"].value == 0.2 and state.rules["lr"].changed_at == 3
    assert np.allclose(state.slots["velocity/output.W"], -velocity / 0.2)
    assert state.history.arrays()["valid_nll"].tolist() == [0.5, 0.6, 0.7] and state.best is None
    assert state.history.arrays()["epoch"].tolist() == [1, 2, 3]


def test_every_error_is_reported_with_its_path(tmp_path):
    def shown(net, version="3.0"):
        with pytest.raises(CheckpointError) as error:
            read_2015(write(tmp_path / "a.pkl.gz", net, version))
        path, _, message = str(error.value).partition(": ")
        assert path == str(tmp_path / "a.pkl.gz")
        return message

    whole = [output(4)]
    assert "got version '2.0'" in shown(network(whole, [4]), "2.0")
    assert "must hold an NNClassifier; got Rule" in shown(rule())
    auto = "DenoisingAutoEncoderLayer"
    assert f"layers[1] ({auto} 'auto'): n_units must be given" in shown(
        network([layer(auto, (4,), "auto"), *whole], [4])
    )
    assert "output.W has the shape [5, 3]; the layer needs [4, 3]" in shown(
        network(
            [layer("ClassificationOutputLayer", (4,), "output", n_classes=3, arrays=output(5).trainable_params)], [4]
        )
    )
    assert "has 0 arrays; 2 are needed" in shown(
        network([layer("ClassificationOutputLayer", (4,), "output", n_classes=3)], [4])
    )
    assert "SupervisedTraining has no entry 'sgd'" in shown(
        old("nets", "NNClassifier", trainer=old("training", "SupervisedTraining", epoch=1))
    )
    assert "sgd_type is 'lbfgs'" in shown(network(whole, [4], sgd_type="lbfgs"))
    assert "has slots for 1 arrays; its network trains 2" in shown(network(whole, [4], [{"velocity": drawn(3)}]))
    pool = layer("MaxPool2DLayer", (1, 5, 5), "pool", pool_shape=(2, 2), stride=(2, 2))
    assert "layer 'output' has an input of [8]" in shown(network([pool, output(8)], (1, 5, 5)))
    flags = layer("MultilabelOutputLayer", (4,), "output")
    assert "must come after an FCLayer with activation 'linear'" in shown(network([flags], [4]))
    strings = {"W": np.array([["a"]]), "b": drawn(3)}
    assert "arrays of a checkpoint are numbers" in shown(
        network([layer("ClassificationOutputLayer", (4,), "output", n_classes=3, arrays=strings)], [4])
    )
    with pytest.raises(CheckpointError, match=r"there\.pkl: cannot be read: No such file"):
        read_2015(tmp_path / "not-there.pkl")
    (tmp_path / "text").write_text("epoch 3")
    with pytest.raises(CheckpointError, match=r"text: is a broken pickle"):
        read_2015(tmp_path / "text")


def test_a_file_of_2015_is_known_by_its_beginning(tmp_path):
    packed = write(tmp_path / "a.pkl.gz", network([output(4)], [4]))
    (tmp_path / "a.pkl").write_bytes(gzip.decompress(packed.read_bytes()))
    assert is_2015(packed) and is_2015(str(tmp_path / "a.pkl"))
    # A header of 0x280 bytes begins as a pickle of protocol 2 does.
    (tmp_path / "a.ckpt").write_bytes((0x280).to_bytes(8, "little") + b'{"__metadata__":{}}')
    (tmp_path / "short").write_bytes(b"\x80")
    others = ["a.ckpt", "short", "none", "."]
    assert not any(is_2015(tmp_path / name) for name in others)
