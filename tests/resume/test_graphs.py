"""The promise for graphs: blocks, merge layers, shared weights, modules of torch, several inputs and outputs."""

from __future__ import annotations

import json
import signal
from functools import partial

import forked
import numpy as np
import pytest
from promise import digest, newest, resumes_after_every_batch

from arignote import CheckpointError, NNClassifier

pytestmark = pytest.mark.slow

N_ROWS = 61
# 49 rows to train on, in batches of 13, 13, 13 and 10: a single row would have no variance.
SETTINGS = {"n_epochs": 2, "batch_size": 13, "valid": 0.2, "n_threads": 1}


def fc(name, n_units=6, activation="tanh", **more):
    return ["FCLayer", {"name": name, "n_units": n_units, "activation": activation} | more]


def torch_layer(name, module, **params):
    return ["TorchLayer", {"name": name, "module": f"torch.nn:{module}", "params": params}]


def merge(kind, *inputs, **more):
    return [f"{kind}Layer", {"inputs": list(inputs)} | more]


DROPOUT = ["DropoutLayer", {"dropout_p": 0.3}]
OUTPUT = ["ClassificationOutputLayer", {"name": "output"}]
RESIDUAL = [
    fc("stem", l2=0.001),
    [
        "Block",
        {
            "name": "res",
            "repeat": 2,
            "layers": [fc("one", 5, "prelu"), DROPOUT, fc("two", 6), merge("Sum", "in", "two")],
        },
    ],
    DROPOUT,
    fc("again", share="stem"),
    OUTPUT,
]
BUFFERS = [
    fc("a"),
    torch_layer("norm", "BatchNorm1d", num_features=6, momentum=None),
    torch_layer("drop", "Dropout", p=0.3, inplace=True),
    merge("Concat", "a", "drop"),
    OUTPUT,
]
IMAGES = [
    ["InputImageLayer", {"n_pixels": [2, 3]}],
    ["ConvLayer", {"name": "stem", "n_output_maps": 2, "filter_shape": 1, "activation": "relu"}],
    ["DropoutLayer", {"dropout_p": 0.3, "per": "location"}],
    [
        "Block",
        {
            "name": "res",
            "repeat": 2,
            "layers": [
                ["ConvLayer", {"name": "conv", "n_output_maps": 2, "filter_shape": [1, 2]}],
                ["BatchNormLayer"],
                ["DropoutLayer", {"dropout_p": 0.3, "per": "channel"}],
                torch_layer("norm", "GroupNorm", num_groups=1, num_channels=2),
                merge("Sum", "in", "norm", crop="center"),
            ],
        },
    ],
    ["RReLULayer"],
    ["GlobalAveragePoolLayer", {"name": "mean"}],
    ["GlobalAveragePoolLayer", {"name": "early", "input": "stem"}],
    merge("Average", "mean", "early"),
    OUTPUT,
]
WINDOWS = [
    ["InputImageLayer", {"n_pixels": [2, 3]}],
    ["TransposedConvLayer", {"n_output_maps": 4, "filter_shape": 2, "untie_biases": True}],
    ["MaxPoolChannelsLayer", {"k": 2}],
    ["AveragePool2DLayer", {"pool_shape": 2, "stride": 1, "pad": 1, "count_include_pad": False}],
    ["LocallyConnectedLayer", {"n_output_maps": 2, "filter_shape": [3, 2], "l2": 0.01, "maxnorm": 1.0}],
    ["UpscaleLayer", {"scale_factor": 2, "mode": "dilate"}],
    ["MaxPool2DLayer", {"pool_shape": 3, "stride": 1, "pad": 1}],
    DROPOUT,
    ["LCLayer", {"n_units": 2, "n_segments": 4}],
    ["LCMaxoutLayer", {"n_units": 3, "n_segments": 2, "maxout_k": 2}],
    OUTPUT,
]
NORMS = [
    ["InputImageLayer", {"n_pixels": [2, 3]}],
    ["ConvLayer", {"n_output_maps": 4, "filter_shape": 1, "activation": "silu", "W": "orthogonal"}],
    ["PadLayer", {"width": [1, [0, 2]]}],
    ["GroupNormLayer", {"n_groups": 2}],
    ["LocalResponseNormLayer"],
    ["DropoutLayer", {"dropout_p": 0.2, "per": "channel"}],
    ["ScaleLayer", {"per": "location"}],
    ["BiasLayer"],
    ["RReLULayer"],
    ["InstanceNormLayer", {"fix_params": ["beta"]}],
    ["PermuteLayer", {"order": [2, 3, 1]}],
    ["SliceLayer", {"axis": 2, "start": 1}],
    ["ReshapeLayer", {"shape": [-1, 4]}],
    ["LayerNormLayer", {"n_axes": 1}],
    ["DropoutLayer", {"dropout_p": 0.2, "per": "channel", "axes": "NLC"}],
    ["BatchNormLayer", {"fix_params": True}],
    ["FCLayer", {"n_units": 5, "activation": "gelu", "W": ["sparse", {"density": 0.5, "std": 0.5}]}],
    OUTPUT,
]
BRANCHES = [
    fc("a"),
    DROPOUT,
    ["ClassificationOutputLayer", {"name": "output"}],
    fc("b", share="a", input="input"),
    merge("Multiply", "a", "b"),
    ["ClassificationOutputLayer", {"name": "side", "auxiliary": True}],
]
INPUTS = [
    ["InputLayer", {"channel": "one"}],
    fc("a"),
    DROPOUT,
    ["InputLayer", {"channel": "two"}],
    fc("b", 4),
    merge("Concat", "dropout1", "b"),
    ["ClassificationOutputLayer", {"name": "output"}],
    ["RegressionOutputLayer", {"name": "size", "input": "b"}],
]
STALLED = {"rule": "stalled", "initial_value": 0.2, "multiply_by": 0.5, "interval": 1}
CASES = {
    "residual, nag": (RESIDUAL, {"sgd_type": "nag", "lr_rule": STALLED}),
    "residual, adam in bf16": (RESIDUAL, {"sgd_type": "adam", "precision": "bf16"}),
    "residual, accumulated": (RESIDUAL, {"sgd_type": "momentum", "accumulate": 2, "sgd_max_grad_norm": 0.5}),
    "buffers": (BUFFERS, {"sgd_type": "adam"}),
    "buffers, in mid-epoch": (BUFFERS, {"sgd_type": "nag", "validation_frequency": 30}),
    "norms, noise and shapes": (NORMS, {"sgd_type": "adam"}),
    "norms, noise and shapes in bf16": (NORMS, {"sgd_type": "nag", "precision": "bf16"}),
    "images": (IMAGES, {"sgd_type": "rmsprop", "lr_rule": 0.01}),
    "images, channels last": (IMAGES, {"sgd_type": "nag", "channels_last": True}),
    "windows, places and segments": (WINDOWS, {"sgd_type": "adam"}),
    "two inputs and two outputs": (
        INPUTS,
        {
            "sgd_type": "adam",
            "train_loss": {"size": ["huber", {"weight": 0.3}]},
            "preprocess": {"two": ["Standardise"]},
            "augmentation": [["Noise", {"sigma": 0.1, "channel": "one"}]],
        },
    ),
    "several outputs": (BRANCHES, {"sgd_type": "nag", "train_loss": {"side": ["nll", {"weight": 0.3}]}}),
}


def data(layers):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(N_ROWS, 6)).astype(np.float32)
    y = (x[:, 0] + 0.3 * rng.normal(size=N_ROWS) > 0).astype(np.int64)
    if layers is INPUTS:
        return {"one": x[:, :4], "two": x[:, 4:] * 9}, {"output": y, "size": x[:, 5]}
    return (x, {"output": y, "side": (x[:, 1] > 0).astype(np.int64)}) if layers is BRANCHES else (x, y)


def fit(case, **more):
    layers, settings = CASES[case]
    return NNClassifier(layers, rng=7).fit(*data(layers), **SETTINGS | settings | more)


@pytest.mark.parametrize("case", CASES)
def test_stopped_after_every_batch_twice_it_ends_in_the_same_network(case, tmp_path):
    resumes_after_every_batch(partial(fit, case), tmp_path)


def test_a_state_has_each_tensor_once(tmp_path):
    fit("residual, nag", checkpoint=str(tmp_path / "run"))
    content = (tmp_path / "run_last.ckpt").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    names = [name for name in header if name != "__metadata__"]
    of_layers = {f"{layer}.{param}" for layer in ("stem", "output", "res-1-two", "res-2-two") for param in ("W", "b")}
    of_layers |= {f"res-{number}-one.{param}" for number in (1, 2) for param in ("W", "b", "a")}
    state = newest(tmp_path / "run")
    assert set(state.network) == of_layers and set(state.slots) == {f"velocity/{name}" for name in of_layers}
    # Of each parameter: its values, those of the updater, and those of the best network where they are others.
    matrices = {}
    for name in names:
        begin, end = header[name]["data_offsets"]
        start = 8 + int.from_bytes(content[:8], "little")
        if len(header[name]["shape"]) == 2:
            matrices.setdefault(content[start + begin : start + end], []).append(name)
    assert len(matrices) >= 12 and all(len(same) == 1 for same in matrices.values())


SCRIPT = """
import os, signal, sys
import numpy as np
from arignote import NNClassifier

def observer(event):
    if event.kind == "batch" and (event.epoch, event.batch) == ({epoch}, {batch}):
        os.kill(os.getpid(), signal.SIGKILL)

found = np.load("data.npz")
x, y = ({{name[2:]: found[name] for name in found if name[0] == one}} for one in "xy")
x, y = x.get("", x), y.get("", y)
NNClassifier({layers!r}, rng=7).fit(x, y, **{settings!r}, checkpoint="run", checkpoint_every=1, observers=observer)
"""


@pytest.mark.parametrize(
    ("case", "moments"),
    [
        ("residual, nag", [(1, 2), (2, 3)]),
        ("buffers", [(1, 4)]),
        ("images", [(2, 1)]),
        ("two inputs and two outputs", [(1, 3)]),
    ],
)
def test_killed_by_sigkill_it_ends_in_the_same_network(case, moments, tmp_path):
    layers, settings = CASES[case]
    x, y = (one if isinstance(one, dict) else {"": one} for one in data(layers))
    named = {f"x {name}": array for name, array in x.items()} | {f"y {name}": array for name, array in y.items()}
    np.savez(tmp_path / "data.npz", **named)
    for epoch, batch in moments:
        script = SCRIPT.format(epoch=epoch, batch=batch, layers=layers, settings=SETTINGS | settings)
        ended = forked.run(["-c", script], cwd=tmp_path)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
    resumed = fit(case, checkpoint=str(tmp_path / "run"))
    assert digest(resumed) == digest(fit(case))
    assert len(resumed.state_.starts) == 1 + len(moments)


def test_a_graph_that_was_linked_otherwise_is_not_resumed(tmp_path):
    x, y = data(RESIDUAL)
    layers = [fc("a"), fc("b"), fc("c", input="a"), merge("Sum", "b", "c"), OUTPUT]
    stem = str(tmp_path / "run")
    NNClassifier(layers, rng=7).fit(x, y, **SETTINGS, checkpoint=stem)
    for changed, words in (
        ([fc("a"), fc("b"), fc("c", share="b", input="a"), merge("Sum", "b", "c"), OUTPUT], "layers.c.share"),
        ([fc("a"), fc("b"), fc("c"), merge("Sum", "b", "c"), OUTPUT], "layers.c.input: 'a' then, None now"),
        ([fc("a"), fc("b"), fc("c", input="a"), merge("Sum", "a", "b", "c"), OUTPUT], "layers.sum1.inputs"),
    ):
        with pytest.raises(CheckpointError, match=words):
            NNClassifier(changed, rng=7).fit(x, y, **SETTINGS, checkpoint=stem)
    # In other words it is the same network.
    same = [fc("a", input="input"), fc("b", input="a"), fc("c", input="a"), merge("Sum", "b", "c"), OUTPUT]
    assert NNClassifier(same, rng=7).fit(x, y, **SETTINGS, checkpoint=stem).status_.startswith("finished")
