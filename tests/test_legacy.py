"""Checkpoints of 2015: the same predictions, the same next step, nothing run."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

from arignote.errors import CheckpointError
from arignote.legacy import is_2015, pickles, read_2015
from arignote.safe.pickle import PickleError

SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "data"
SAMPLE = SHARED / "arignote2015_mlp_last.pkl.gz"
needs_sample = pytest.mark.skipif(not SAMPLE.exists(), reason="the sample of 2015 is in ../shared/data, not here")


def predict(state, x):
    from arignote.engine.network import Network, copy_into
    from arignote.engine.predict import predict
    from arignote.layers import declare, parse

    spec = state.spec
    network = Network(declare(parse(spec["layers"]), tuple(spec["n_in"]), state.n_outputs))
    copy_into(network.named, state.network, "2015")
    network.eval()
    return next(predict(network, [x]))["output"]


class Writer(pickle._Pickler):
    """Names classes as 2015 did, whatever lies under these names today."""

    def save_global(self, obj, name=None):
        module = getattr(obj, "of_2015", None)
        if module is None:
            return super().save_global(obj, name)
        self.write(pickle.GLOBAL + f"{module}\n{obj.__name__}\n".encode())
        self.memoize(obj)


def old(module, kind, **state):
    made = type(kind, (), {"of_2015": f"arignote.nnets.{module}"})()
    made.__dict__.update(state)
    return made


def layer(kind, n_in, name, **params):
    arrays = params.pop("arrays", {})
    common = {"l1": 0, "l2": 0, "fix_params": False, "maxnorm": None, "may_train_unsupervised": True}
    return old("layers", kind, **common | {"n_in": n_in, "name": name, "trainable_params": arrays} | params)


def rule(kind="constant", value=0.1, **more):
    params = {"final_value": None, "decrease_by": 0.0, "multiply_by": 1.0, "interval": None, "schedule": None}
    memory = {"last_epoch": 0, "best_valid": np.inf, "epochs_since_best": 0, "update_epochs": []}
    return old("sgd_updates", "Rule", **params | memory | {"rule": kind, "initial_value": value} | more)


def network(layers, n_in, memory=(), sgd_type="nag", lr=0.1, momentum=0.9, lr_rule=None, epoch=3, **trainer):
    sgd = old(
        "sgd_updates",
        "SGD",
        lr_rule=lr_rule or rule(value=lr),
        momentum_rule=rule(value=momentum),
        update_params=[],
        stored_update_params=list(memory),
        sgd_type=sgd_type,
        max_grad_norm=None,
        learning_rate=np.array(lr, np.float32),
        momentum=np.array(momentum, np.float32),
    )
    losses = {"train": "nll", "valid": "nll", "test": ["nll", "error"]}
    counts = {"epoch": epoch, "max_epochs": 5, "iter": 10 * epoch - 1, "examples_seen": 200 * epoch}
    shown = {
        "train_loss": [],
        "valid_loss": [],
        "test_loss": [],
        "train_valid_loss": [],
        "last_validation_loss": np.inf,
    }
    shown |= {"best_validation_loss": np.inf, "validation_frequency": None, "validate_on_train": False}
    trained = old("training", "SupervisedTraining", sgd=sgd, loss_type=losses, **counts | shown | trainer)
    rng = np.random.RandomState(0).get_state()
    layers = [layer("InputLayer", np.ravel(n_in), "input"), *layers]
    state = {"trainer": trained, "n_in": np.array(n_in), "batch_size": 20, "name": "old", "rng": rng}
    return old("nets", "NNClassifier", layers_train=layers, **state)


def write(path, net, version="3.0"):
    stream = io.BytesIO()
    Writer(stream, 2).dump({"model_store_version": version, "model_type": type(net)})
    Writer(stream, 2).dump(net)
    path.write_bytes(gzip.compress(stream.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")))
    return path


def drawn(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def output(n_in, n_classes=3, **params):
    arrays = {"W": drawn(n_in, n_classes), "b": drawn(n_classes)}
    return layer("ClassificationOutputLayer", (n_in,), "output", n_classes=n_classes, arrays=arrays, **params)


def convolved(x, weights, biases):
    from scipy.signal import convolve2d

    return np.array(
        [
            [sum(convolve2d(c, f, "valid") for c, f in zip(image, w, strict=True)) for w in weights]
            + biases[:, None, None]
            for image in x
        ]
    )


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


def test_the_filters_of_theano_are_turned_round(tmp_path):
    w, b = drawn(3, 2, 3, 2), drawn(3)
    conv = layer(
        "ConvLayer",
        (2, 6, 5),
        "conv1",
        n_output_maps=3,
        filter_shape=(3, 2),
        stride=(1, 1),
        activation="prelu",
        batch_size=20,
        partial_sum=1,
        maxnorm=1.0,
        arrays={"W": w, "b": b, "act_func_args": [np.array([0.1, 0.2, 0.3], np.float32)]},
    )
    last, x = output(48), drawn(4, 2, 6, 5)
    state = read_2015(write(tmp_path / "a.pkl.gz", network([conv, last], (2, 6, 5))))
    assert (state.network["conv1.W"] == w[:, :, ::-1, ::-1]).all()
    sums = convolved(x, w, b)
    maps = np.where(sums > 0, sums, sums * np.array([0.1, 0.2, 0.3])[:, None, None])
    arrays = last.trainable_params
    assert np.allclose(predict(state, x), softmax(maps.reshape(4, -1) @ arrays["W"] + arrays["b"]), atol=1e-5)


def test_an_output_without_weights_has_the_softmax_of_what_comes_in_within_its_bounds(tmp_path):
    arrays = {"W": 9 * drawn(4, 3), "b": drawn(3)}
    dense = layer("FCLayer", (4,), "fc", n_units=3, activation="linear", arrays=arrays)
    net = network([dense, layer("SoftmaxOutputLayer", (3,), "output", clip=(-1.0, 2.0))], [4])
    state = read_2015(write(tmp_path / "a.pkl.gz", net))
    x = drawn(5, 4)
    expected = softmax(np.clip(x @ arrays["W"] + arrays["b"], -1, 2))
    assert np.allclose(predict(state, x), expected, atol=1e-5)


def test_the_pieces_of_maxout_find_their_units(tmp_path):
    ws, bs = [drawn(2, 1, 2, 3) + k for k in range(3)], [drawn(2) - k for k in range(3)]
    wf, bf = [drawn(12, 4) * (k + 1) for k in range(2)], [drawn(4) + k for k in range(2)]
    shape = {"n_output_maps": 2, "filter_shape": (2, 3), "stride": (1, 1), "maxout_k": 3}
    net = network(
        [
            # One that was given came after the input layer that was always put first.
            layer("InputImageLayer", np.array([20]), "image", n_images=1, n_pixels=(4, 5)),
            layer("ConvMaxoutLayer", (1, 4, 5), "conv", arrays={"W": ws, "b": bs}, **shape),
            layer("MaxPool2DLayer", (2, 3, 3), "pool", pool_shape=(2, 1), stride=(1, 1)),
            layer("FCMaxoutLayer", (12,), "fc.1", n_units=4, maxout_k=2, arrays={"W": wf, "b": bf}),
            output(4),
        ],
        [20],
    )
    state, x = read_2015(write(tmp_path / "a.pkl.gz", net)), drawn(5, 20)
    maps = np.max([convolved(x.reshape(5, 1, 4, 5), w, b) for w, b in zip(ws, bs, strict=True)], axis=0)
    pooled = np.maximum(maps[:, :, :-1], maps[:, :, 1:]).reshape(5, -1)
    hidden = np.max([pooled @ w + b for w, b in zip(wf, bf, strict=True)], axis=0)
    arrays = net.layers_train[-1].trainable_params
    assert np.allclose(predict(state, x), softmax(hidden @ arrays["W"] + arrays["b"]), atol=1e-5)
    assert "fc_1.W" in state.network


def test_segments_of_an_input_find_their_arrays(tmp_path):
    w, b = [drawn(2, 3), drawn(3, 3)], [drawn(3), drawn(3) - 1]
    a = [[np.array([0.1, 0.2, 0.3], np.float32)], [np.array([0.4, 0.5, 0.6], np.float32)]]
    wm, bm = [[drawn(3, 2) + k + 5 * s for k in range(3)] for s in range(2)], [[drawn(2) + k for k in range(3)]] * 2
    arrays = {"W": w, "b": b, "act_func_args": a}
    segments = {"n_segments": 2}
    net = network(
        [
            layer(
                "LCLayer", (5,), "lc", n_units=3, activation="prelu", arrays=arrays, corruption_level=0.1, **segments
            ),
            layer("LCMaxoutLayer", (6,), "max", n_units=2, maxout_k=3, arrays={"W": wm, "b": bm}, **segments),
            output(4),
        ],
        [5],
    )
    state, x = read_2015(write(tmp_path / "a.pkl.gz", net)), drawn(4, 5)
    parts = []
    for part, weights, biases, (slopes,) in zip((x[:, :2], x[:, 2:]), w, b, a, strict=True):
        sums = part @ weights + biases
        parts.append(np.where(sums > 0, sums, slopes * sums))
    largest = [
        np.max([part @ weights + biases for weights, biases in zip(*pieces, strict=True)], axis=0)
        for part, *pieces in zip(parts, wm, bm, strict=True)
    ]
    last = net.layers_train[-1].trainable_params
    expected = softmax(np.concatenate(largest, axis=1) @ last["W"] + last["b"])
    assert np.allclose(predict(state, x), expected, atol=1e-5)
    assert set(state.slots) == {f"velocity/{name}" for name in state.network}


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


class Hostile:
    def __reduce__(self):
        return os.system, ("touch made-by-a-pickle",)


@pytest.mark.parametrize("place", ["first", "second"])
def test_a_pickle_that_names_code_is_refused_and_nothing_runs(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = pickle.dumps({"model_store_version": "3.0", **({"log": Hostile()} if place == "first" else {})}, 2)
    Path("bad.pkl").write_bytes(first + pickle.dumps([Hostile()], 2))
    with pytest.raises(CheckpointError, match=r"bad\.pkl: names (posix|nt)\.system, .*refused and nothing was run"):
        read_2015(tmp_path / "bad.pkl")
    assert not Path("made-by-a-pickle").exists()


@pytest.mark.parametrize("name", ["builtins\neval", "arignote.nnets.layers\nos.system", "arignote.cli\nmain"])
def test_only_the_names_of_the_format_are_known(name, tmp_path):
    (tmp_path / "bad.pkl").write_bytes(b"\x80\x02c" + name.encode() + b"\n.")
    with pytest.raises(CheckpointError, match=r"bad\.pkl: names .*nothing was run"):
        read_2015(tmp_path / "bad.pkl")


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


def test_pools_whose_windows_overlap_the_edge_are_those_of_theano(tmp_path):
    # theano.tensor.signal.pool of that time, ignore_border=False: a smaller window at the end counts.
    pool = layer("MaxPool2DLayer", (1, 5, 4), "pool", pool_shape=(2, 2), stride=(2, 2))
    last, x = output(6), drawn(3, 1, 5, 4)
    state = read_2015(write(tmp_path / "a.pkl.gz", network([pool, last], (1, 5, 4))))
    assert state.spec["layers"][1][1]["ignore_border"] is False
    arrays = last.trainable_params
    windows = np.pad(x, ((0, 0), (0, 0), (0, 1), (0, 0)), constant_values=-np.inf).reshape(3, 3, 2, 2, 2)
    z = windows.max((2, 4)).reshape(3, 6) @ arrays["W"] + arrays["b"]
    assert np.abs(predict(state, x) - softmax(z)).max() < 1e-6
    # A filter that only fits into the map with the window at the edge.
    pool = layer("MaxPool2DLayer", (1, 5, 5), "pool", pool_shape=(2, 2), stride=(2, 2))
    weights = {"W": drawn(2, 1, 3, 3), "b": drawn(2), "act_func_args": []}
    conv = layer(
        "ConvLayer", (1, 3, 3), "conv", n_output_maps=2, filter_shape=(3, 3), activation="linear", arrays=weights
    )
    state = read_2015(write(tmp_path / "c.pkl.gz", network([pool, conv, output(2)], (1, 5, 5))))
    assert state.spec["layers"][1][1]["ignore_border"] is False
    # Without such windows pools are as they were converted before.
    even = layer("MaxPool2DLayer", (1, 4, 4), "pool", pool_shape=(2, 2), stride=(2, 2))
    state = read_2015(write(tmp_path / "b.pkl.gz", network([even, output(4)], (1, 4, 4))))
    assert state.spec["layers"][1][1]["ignore_border"] is True


def linear_layer(n_in, n_units):
    arrays = {"W": drawn(n_in, n_units), "b": drawn(n_units), "act_func_args": []}
    return layer("FCLayer", (n_in,), "linear", n_units=n_units, activation="linear", l2=0.5, arrays=arrays)


def test_a_linear_layer_and_a_multilabel_output_are_one_layer_now(tmp_path):
    first, x = linear_layer(4, 3), drawn(5, 4)
    last, slots = layer("MultilabelOutputLayer", (3,), "output"), [{"velocity": drawn(4, 3)}, {"velocity": drawn(3)}]
    net = network([first, last], [4], slots)
    state = read_2015(write(tmp_path / "a.pkl.gz", net))
    z = x @ first.trainable_params["W"] + first.trainable_params["b"]
    assert np.abs(predict(state, x) - 1 / (1 + np.exp(-z))).max() < 1e-6
    assert state.targets == {"output": {"target": "flags", "form": "matrix", "dtype": "<i8", "values": [0, 1, 2]}}
    fit = state.spec["fit"]
    assert (fit["train_loss"], fit["test_loss"]) == ("binary_cross_entropy", ["binary_cross_entropy", "flag_error"])
    assert [name for name, _ in state.spec["layers"]] == ["InputLayer", "MultilabelOutputLayer"]
    assert state.spec["layers"][1][1]["l2"] == 0.5 and (state.slots["velocity/output.b"] == drawn(3) / -0.1).all()


def test_of_an_ordinal_output_of_2015_the_other_layers_are_loaded(tmp_path):
    from arignote import NNClassifier

    first = linear_layer(4, 2)
    path = write(tmp_path / "a.pkl.gz", network([first, layer("OrdinalOutputLayer", (2,), "output", clip=None)], [4]))
    with pytest.raises(CheckpointError, match=r"OrdinalOutputLayer has thresholds .* stored_network, .* load_params"):
        read_2015(path)
    linear = {"name": "linear", "n_units": 2, "activation": "linear", "load_params": True}
    new = NNClassifier([["FCLayer", linear], ["OrdinalOutputLayer"]], rng=1, n_epochs=0, stored_network=str(path))
    found = new.fit(drawn(8, 4), np.arange(8) % 3, batch_size=4)
    assert (found.params["linear.W"] == first.trainable_params["W"]).all()


def test_a_file_of_2015_is_known_by_its_beginning(tmp_path):
    packed = write(tmp_path / "a.pkl.gz", network([output(4)], [4]))
    (tmp_path / "a.pkl").write_bytes(gzip.decompress(packed.read_bytes()))
    assert is_2015(packed) and is_2015(str(tmp_path / "a.pkl"))
    # A header of 0x280 bytes begins as a pickle of protocol 2 does.
    (tmp_path / "a.ckpt").write_bytes((0x280).to_bytes(8, "little") + b'{"__metadata__":{}}')
    (tmp_path / "short").write_bytes(b"\x80")
    others = ["a.ckpt", "short", "none", "."]
    assert not any(is_2015(tmp_path / name) for name in others)


def test_a_packed_file_is_unpacked_up_to_twenty_times_its_length_and_a_floor(tmp_path, monkeypatch):
    """Weights are noise to gzip, which halves them at best; zeros are packed a thousandfold."""
    monkeypatch.setattr(pickles, "_ALWAYS_UNPACKED", 1_000)

    def read(value):
        path = tmp_path / "file"
        path.write_bytes(gzip.compress(pickle.dumps(value, 2)))
        with path.open("rb") as file:
            return pickles.read_value(pickles.source_of(file)), path.stat().st_size

    weights = os.urandom(100_000).hex()
    found, n_bytes = read(weights)
    assert found == weights and len(weights) > 1.5 * n_bytes
    with pytest.raises(
        PickleError, match=r"is longer than \d+ bytes \(unpacked\)|is cut short: it needs .* bytes more"
    ) as no:
        read("0" * 1_000_000)
    # The packed file has about 1,000 bytes.
    assert any(1_000 < int(word) < 100_000 for word in re.findall(r"\d+", str(no.value)))
