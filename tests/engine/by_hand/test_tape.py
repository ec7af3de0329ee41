"""Gradients on the tape against networks that are written out in plain PyTorch, and against autograd, in float64."""

from __future__ import annotations

import weakref
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from arignote.engine.by_hand.links import Link
from arignote.engine.by_hand.tape import Tape, tape_of
from arignote.engine.feed import DeviceBatch
from arignote.engine.network import DEFAULT_SETUP, Network
from arignote.engine.setup import Setup
from arignote.engine.step import TrainingStep
from arignote.layers import declare, parse
from arignote.layers.base import Layer
from arignote.registry import build

functional = torch.nn.functional
N_CLASSES = 3


@pytest.fixture
def double():
    """float64 as the type in which networks are built, so that a wrong term cannot hide among errors of rounding."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


class Halved(Layer):
    """Half of what comes in, computed in the memory of what comes in."""

    def build(self, shape):
        return lambda params, x, training: x.mul_(0.5)


def halved_tanh(s):
    """An activation of a user's own."""
    return torch.tanh(s) / 2


def fc(name, n_units=4, activation="tanh", **more):
    return ["FCLayer", {"name": name, "n_units": n_units, "activation": activation} | more]


def conv(name, n_output_maps=2, filter_shape=1, activation="tanh", **more):
    params = {"name": name, "n_output_maps": n_output_maps, "filter_shape": filter_shape, "activation": activation}
    return ["ConvLayer", params | more]


def conv1d(name, n_output_maps=2, filter_length=3, activation="tanh", **more):
    params = {"name": name, "n_output_maps": n_output_maps, "filter_length": filter_length, "activation": activation}
    return ["Conv1DLayer", params | more]


def merge(kind, name, *inputs, **more):
    return [f"{kind}Layer", {"name": name, "inputs": list(inputs)} | more]


def output(name="output", **more):
    return ["ClassificationOutputLayer", {"name": name, "n_classes": N_CLASSES} | more]


def relu_in_place(name):
    return ["TorchLayer", {"name": name, "module": "torch.nn:ReLU", "params": {"inplace": True}}]


def sums(p, name, x):
    """Return the sums of a dense layer."""
    return x.flatten(1) @ p[f"{name}.W"] + p[f"{name}.b"]


def maps(p, name, x, **more):
    """Return the sums of a convolutional layer."""
    return functional.conv2d(x, p[f"{name}.W"], p.get(f"{name}.b"), **more)


def series(p, name, x, **more):
    """Return the sums of a convolutional layer over series (rows, channels, steps)."""
    return functional.conv1d(x, p[f"{name}.W"], p.get(f"{name}.b"), **more)


def norm(p, name, x):
    return functional.batch_norm(x, None, None, p[f"{name}.gamma"], p[f"{name}.beta"], training=True)


def chain(p, x):
    z = sums(p, "a", x).tanh()
    s = sums(p, "b", z)
    return (sums(p, "output", torch.where(s > 0, s, p["b.a"] * s)),)


def residual(p, x):
    z = sums(p, "stem", x).tanh()
    for number in (1, 2):
        inner = sums(p, f"res-{number}-one", z).relu()
        z = z + sums(p, f"res-{number}-two", inner)
    return (sums(p, "output", z),)


def residual_images(p, x):
    z = maps(p, "stem", x).relu()
    inner = norm(p, "res-1-norm", maps(p, "res-1-one", z)).tanh()
    inner = maps(p, "res-1-two", inner).relu()
    return (sums(p, "output", (inner + z).mean((2, 3))),)


def concat(p, x):
    a, b = maps(p, "a", x).tanh(), maps(p, "b", x).relu()
    c = maps(p, "c", a).tanh()
    return (sums(p, "output", torch.cat([a, b, c], 1)),)


def two_inputs(p, image, extra):
    a = maps(p, "a", image).tanh()
    b = sums(p, "b", torch.cat([sums(p, "fc", a).tanh(), extra], 1)).tanh()
    return (sums(p, "output", b),)


def inputs_of_two_outputs(p, one, two):
    a, b = sums(p, "a", one).tanh(), sums(p, "m", two).view(len(two), 4, 2).amax(2)
    return sums(p, "aux", a), sums(p, "output", torch.cat([a, b, two], 1))


def concat_of_the_input(p, x):
    a = sums(p, "a", x).tanh()
    return (sums(p, "output", sums(p, "b", torch.cat([x, a, x], 1)).tanh()),)


def average(p, x):
    a, b, c = (sums(p, name, x).tanh() for name in "abc")
    return (sums(p, "output", (a + b + c) / 3),)


def batch_norm(p, x):
    z = norm(p, "n", sums(p, "a", x).tanh())
    return (sums(p, "output", sums(p, "b", z).tanh()),)


def global_average(p, x):
    z = maps(p, "a", x).tanh()
    return (
        sums(p, "output", torch.cat([z.mean((2, 3)), functional.avg_pool2d(maps(p, "b", z).relu(), 3).flatten(1)], 1)),
    )


def shared(p, x):
    z = sums(p, "a", x).tanh()
    return (sums(p, "output", sums(p, "a", z).tanh()),)


def shared_by_hand_before(p, x):
    z = sums(p, "a", x).tanh()
    return (sums(p, "output", sums(p, "a", z).tanh() / 2),)


def shared_by_hand_behind(p, x):
    z = sums(p, "a", x).tanh() / 2
    return (sums(p, "output", sums(p, "a", z).tanh()),)


def shared_on_both_sides(p, x):
    z = sums(p, "a", x).tanh()
    z = sums(p, "a", sums(p, "a", z).tanh() / 2).tanh()
    z = sums(p, "a", z).tanh() / 2
    return (sums(p, "output", z),)


def shared_convolutions(p, x):
    z = maps(p, "a", functional.max_pool2d(maps(p, "a", x).relu(), 2)).relu()
    return (sums(p, "output", z),)


def auxiliary(p, x):
    a = sums(p, "a", x).tanh()
    b = sums(p, "b", a).tanh()
    return sums(p, "early", a), sums(p, "late", b), sums(p, "last", torch.cat([a, b], 1))


def outputs_of_one_layer(p, x):
    a = sums(p, "a", x).tanh()
    return sums(p, "early", a), sums(p, "last", a)


def maxout(p, x):
    a = sums(p, "a", x).tanh()
    m = sums(p, "m", a).view(len(x), 4, 3).amax(2)
    return (sums(p, "output", sums(p, "b", m).tanh()),)


def maxout_first(p, x):
    m = sums(p, "m", x).view(len(x), 4, 3).amax(2)
    return (sums(p, "output", m),)


def in_place(p, x):
    a = sums(p, "a", x).tanh()
    return (sums(p, "output", a + a / 2),)


def relu_of_one_of_two(p, x):
    a = sums(p, "a", x).tanh()
    return (sums(p, "output", sums(p, "b", a + a.relu()).tanh()),)


def in_place_first(p, x):
    return (sums(p, "output", x / 2 + sums(p, "a", x).tanh()),)


def unknown_neighbours(p, x):
    a = sums(p, "a", x).tanh()
    b = sums(p, "b", a).tanh() / 2
    c = sums(p, "c", b).tanh() / 2
    return (sums(p, "output", torch.maximum(c * a, b)),)


def fan_out(p, x):
    a = sums(p, "a", x).tanh()
    b, c, d = sums(p, "b", a).tanh(), sums(p, "c", a).sigmoid(), sums(p, "d", a)
    return (sums(p, "output", b + c + d),)


def output_and_others(p, x):
    a = sums(p, "a", x).tanh()
    early = sums(p, "early", a)
    b = sums(p, "b", a).tanh()
    return early, sums(p, "late", torch.cat([b, early], 1))


def pooled_beside(p, x):
    a = maps(p, "a", x).relu()
    pooled = functional.max_pool2d(a, 2).flatten(1)
    return (sums(p, "output", torch.cat([pooled, a.mean((2, 3))], 1)),)


def rectified(p, x):
    """A norm that is rectified and pooled, one that others take too, and a sum that is rectified."""
    a = functional.max_pool2d(norm(p, "n", maps(p, "a", x)).relu(), 2)
    b = norm(p, "m", maps(p, "b", a))
    total = (a + b.relu() + b).relu()
    return (sums(p, "output", total),)


def doubled(p, x):
    a = sums(p, "a", x).tanh()
    return (sums(p, "output", a + a),)


def cropped(p, x):
    a = maps(p, "a", x).tanh()
    return (sums(p, "output", (x[:, :, 1:-1, 1:-1] + a) * a),)


def alone(p, x):
    s = sums(p, "a", x)
    z = torch.where(s > 0, s, p["f.a"] * s)
    # The input of an activation alone is there for others as it was.
    z = z + s + s.relu()
    return (sums(p, "output", z),)


def alone_with_a_shelf(p, x):
    s = maps(p, "a", x)
    a, c = (p[f"f.{name}"].view(-1, 1, 1) for name in "ac")
    return (sums(p, "output", (s - c).relu() - a * (-(s + c)).relu()),)


def rectifiers(p, x):
    z = functional.leaky_relu(sums(p, "a", x), 0.25)
    z = functional.elu(sums(p, "b", z), 0.5)
    z = functional.selu(sums(p, "c", z))
    return (sums(p, "output", functional.softplus(sums(p, "d", z))),)


def rectifiers_alone(p, x):
    s = sums(p, "a", x)
    z = functional.leaky_relu(s, 0.25) + functional.elu(s, 0.5) + functional.selu(s) + functional.softplus(s)
    return (sums(p, "output", z),)


def padded(p, x):
    z = maps(p, "a", x, padding=(1, 2)).tanh()
    z = maps(p, "b", z, padding=1).relu()
    z = functional.max_pool2d(maps(p, "c", z, stride=2, padding=(2, 1)).relu(), 2)
    return (sums(p, "output", z),)


def dilated(p, x):
    z = maps(p, "a", x, dilation=2).tanh()
    return (sums(p, "output", maps(p, "b", z, padding=(1, 3), dilation=(1, 3)).tanh()),)


def grouped(p, x):
    z = maps(p, "a", x, groups=2).tanh()
    z = maps(p, "b", z, padding=2, dilation=2, groups=4)
    z = torch.where(z > 0, z, p["b.a"].view(-1, 1, 1) * z)
    z = maps(p, "c", z, padding=1, groups=2).tanh()
    # Only the first stage has groups and pads.
    return (sums(p, "output", functional.conv2d(z, p["c.W1"], p["c.b1"]).tanh()),)


def average_pools(p, x):
    a = functional.avg_pool2d(maps(p, "a", x).relu(), (2, 3), (1, 2))
    return (sums(p, "output", functional.avg_pool2d(maps(p, "b", a).tanh(), 2)),)


def series_pooled(p, x):
    z = functional.max_pool1d(series(p, "a", x, padding=2).relu(), 2)
    z = series(p, "b", z, padding=2, dilation=2, stride=2, groups=3)
    z = torch.where(z > 0, z, p["b.a"].view(-1, 1) * z)
    z = functional.avg_pool1d(norm(p, "norm", z), 3, 1)
    return (sums(p, "output", series(p, "c", z).sigmoid()),)


def series_with_channels_last(p, x):
    x = x.transpose(1, 2)
    a = series(p, "a", x, padding=1).relu()
    b = functional.max_pool1d(series(p, "b", a, padding=1).tanh(), 2, 1)
    c = functional.avg_pool1d(a, 2, 1)
    # Flattened as they lie in an example.
    flat = torch.cat([b, c], 1).transpose(1, 2).flatten(1)
    return (sums(p, "output", torch.cat([sums(p, "d", flat).tanh(), a.mean(2)], 1)),)


def series_of_one_channel(p, x):
    a = series(p, "a", x[:, None], stride=2).relu()
    b = functional.max_pool1d(x[:, None], 3).transpose(1, 2).flatten(1)
    return (sums(p, "output", torch.cat([a.mean(2), sums(p, "b", b).tanh(), x.mean(1, keepdim=True)], 1)),)


VECTORS, IMAGES = (4,), (2, 6, 6)
POOL = ["MaxPool2DLayer", {"pool_shape": 2}]
BLOCK = [
    "Block",
    {
        "name": "res",
        "repeat": 2,
        "layers": [fc("one", 5, "relu"), fc("two", 4, "linear"), merge("Sum", "sum", "in", "two")],
    },
]
IMAGE_BLOCK = [
    "Block",
    {
        "name": "res",
        "layers": [
            # A bias before it would do nothing.
            conv("one", activation="linear", use_bias=False),
            ["BatchNormLayer", {"name": "norm"}],
            ["TorchLayer", {"name": "tanh", "module": "torch.nn:Tanh"}],
            conv("two", activation="relu"),
            merge("Sum", "sum", "two", "in"),
        ],
    },
]
RECTIFIERS = [["leaky_relu", {"slope": 0.25}], ["elu", {"alpha": 0.5}], "selu", "softplus"]
AXES, GLOBAL = ["C01BToBC01Layer", {"name": "axes"}], ["GlobalAveragePoolLayer", {"name": "mean"}]
# Layers, shape of an example, the same network in plain PyTorch, and the layers that autograd records.
CASES = {
    "two inputs": (
        [
            ["InputLayer", {"channel": "image"}],
            conv("a"),
            fc("fc"),
            ["InputLayer", {"channel": "extra"}],
            merge("Concat", "both", "fc", "extra"),
            fc("b"),
            output(),
        ],
        {"image": IMAGES, "extra": (3,)},
        two_inputs,
        [],
    ),
    "two inputs, two outputs, one of unknown layers": (
        [
            ["InputLayer", {"channel": "one"}],
            fc("a"),
            ["InputLayer", {"channel": "two"}],
            ["FCMaxoutLayer", {"name": "m", "n_units": 4, "maxout_k": 2}],
            output(name="aux", input="a", auxiliary=True),
            merge("Concat", "all", "a", "m", "two"),
            output(),
        ],
        {"one": VECTORS, "two": (3,)},
        inputs_of_two_outputs,
        ["m"],
    ),
    "chain": ([fc("a"), fc("b", 5, "prelu"), output()], VECTORS, chain, []),
    "residual": ([fc("stem"), BLOCK, output()], VECTORS, residual, []),
    "residual images": (
        [conv("stem", activation="relu"), IMAGE_BLOCK, GLOBAL, output()],
        IMAGES,
        residual_images,
        ["res-1-tanh"],
    ),
    "concat": (
        [
            conv("a"),
            conv("b", 3, activation="relu", input="input"),
            conv("c", input="a"),
            merge("Concat", "all", "a", "b", "c"),
            output(),
        ],
        IMAGES,
        concat,
        [],
    ),
    "concat of the input": (
        [fc("a"), merge("Concat", "all", "input", "a", "input"), fc("b"), output()],
        VECTORS,
        concat_of_the_input,
        [],
    ),
    "average": (
        [fc("a"), fc("b", input="input"), fc("c", input="input"), merge("Average", "all", "a", "b", "c"), output()],
        VECTORS,
        average,
        [],
    ),
    "batch norm": ([fc("a"), ["BatchNormLayer", {"name": "n"}], fc("b"), output()], VECTORS, batch_norm, []),
    "global average": (
        [
            conv("a"),
            GLOBAL,
            conv("b", activation="relu", input="a"),
            ["TorchLayer", {"name": "pool", "module": "torch.nn:AvgPool2d", "params": {"kernel_size": 3}}],
            ["TorchLayer", {"name": "flat", "module": "torch.nn:Flatten"}],
            merge("Concat", "all", "mean", "flat"),
            output(),
        ],
        IMAGES,
        global_average,
        ["pool", "flat"],
    ),
    "shared": ([fc("a"), fc("b", share="a"), output()], VECTORS, shared, []),
    "shared, by hand before": (
        [fc("a"), fc("b", share="a", activation=halved_tanh), output()],
        VECTORS,
        shared_by_hand_before,
        ["b"],
    ),
    "shared, by hand behind": (
        [fc("a", activation=halved_tanh), fc("b", share="a"), output()],
        VECTORS,
        shared_by_hand_behind,
        ["a"],
    ),
    "shared on both sides": (
        [
            fc("a"),
            fc("b", share="a", activation=halved_tanh),
            fc("c", share="b"),
            fc("d", share="a", activation=halved_tanh),
            output(),
        ],
        VECTORS,
        shared_on_both_sides,
        ["b", "d"],
    ),
    "shared convolutions": (
        [conv("a", activation="relu"), POOL, conv("b", activation="relu", share="a"), output()],
        IMAGES,
        shared_convolutions,
        [],
    ),
    "auxiliary": (
        [
            fc("a"),
            output("early", auxiliary=True),
            fc("b"),
            output("late"),
            merge("Concat", "all", "a", "b"),
            output("last"),
        ],
        VECTORS,
        auxiliary,
        [],
    ),
    "outputs of one layer": ([fc("a"), output("early"), output("last")], VECTORS, outputs_of_one_layer, []),
    "maxout": (
        [fc("a"), ["FCMaxoutLayer", {"name": "m", "n_units": 4, "maxout_k": 3}], fc("b"), output()],
        VECTORS,
        maxout,
        ["m"],
    ),
    "maxout first": (
        [["FCMaxoutLayer", {"name": "m", "n_units": 4, "maxout_k": 3}], output()],
        VECTORS,
        maxout_first,
        ["m"],
    ),
    "a user's layer in place": (
        [fc("a"), Halved(name="half"), merge("Sum", "all", "a", "half"), output()],
        VECTORS,
        in_place,
        ["half"],
    ),
    "ReLU in place": (
        [fc("a"), relu_in_place("relu"), merge("Sum", "all", "a", "relu"), fc("b"), output()],
        VECTORS,
        relu_of_one_of_two,
        ["relu"],
    ),
    "in place, on the batch": (
        [Halved(name="half"), fc("a", input="input"), merge("Sum", "all", "half", "a"), output()],
        VECTORS,
        in_place_first,
        ["half"],
    ),
    "unknown neighbours": (
        [
            fc("a"),
            fc("b", activation=halved_tanh),
            fc("c", activation=halved_tanh),
            merge("Multiply", "product", "c", "a"),
            merge("Maximum", "largest", "product", "b"),
            output(),
        ],
        VECTORS,
        unknown_neighbours,
        ["b", "c", "product", "largest"],
    ),
    "fan-out": (
        [
            fc("a"),
            fc("b"),
            fc("c", activation="sigmoid", input="a"),
            fc("d", activation="linear", input="a"),
            merge("Sum", "all", "b", "c", "d"),
            output(),
        ],
        VECTORS,
        fan_out,
        [],
    ),
    "an output that others take": (
        [fc("a"), output("early"), fc("b"), merge("Concat", "all", "b", "early"), output("late")],
        VECTORS,
        output_and_others,
        [],
    ),
    "pooled, and not": (
        [
            conv("a", activation="relu"),
            POOL,
            ["GlobalAveragePoolLayer", {"name": "mean", "input": "a"}],
            ["TorchLayer", {"name": "flat", "module": "torch.nn:Flatten", "params": {}, "input": "pool1"}],
            merge("Concat", "all", "flat", "mean"),
            output(),
        ],
        IMAGES,
        pooled_beside,
        ["flat"],
    ),
    "pooled behind a layer that does nothing, and not": (
        [
            conv("a", activation="relu"),
            AXES,
            POOL,
            ["GlobalAveragePoolLayer", {"name": "mean", "input": "a"}],
            ["TorchLayer", {"name": "flat", "module": "torch.nn:Flatten", "input": "pool1"}],
            merge("Concat", "all", "flat", "mean"),
            output(),
        ],
        IMAGES,
        pooled_beside,
        ["flat"],
    ),
    "rectified in place, and not": (
        [
            conv("a", activation="linear", use_bias=False),
            ["BatchNormLayer", {"name": "n"}],
            ["ActivationLayer", {"name": "f", "activation": "relu"}],
            POOL,
            conv("b", activation="linear", use_bias=False),
            ["BatchNormLayer", {"name": "m"}],
            ["ActivationLayer", {"name": "g", "activation": "relu"}],
            merge("Sum", "all", "pool1", "g", "m"),
            ["ActivationLayer", {"name": "h", "activation": "relu"}],
            output(),
        ],
        IMAGES,
        rectified,
        [],
    ),
    "an activation alone": (
        [
            fc("a", activation="linear"),
            ["ActivationLayer", {"name": "f"}],
            ["ActivationLayer", {"name": "g", "activation": "relu", "input": "a"}],
            merge("Sum", "all", "f", "a", "g"),
            output(),
        ],
        VECTORS,
        alone,
        [],
    ),
    "an activation with slopes alone, of maps": (
        [
            conv("a", 3, 3, activation="linear"),
            ["ActivationLayer", {"name": "f", "activation": "prelu_shelf"}],
            output(),
        ],
        IMAGES,
        alone_with_a_shelf,
        [],
    ),
    "rectifiers": (
        [
            fc("a", 6, ["leaky_relu", {"slope": 0.25}]),
            fc("b", 5, ["elu", {"alpha": 0.5}]),
            fc("c", 6, "selu"),
            fc("d", 4, "softplus"),
            output(),
        ],
        VECTORS,
        rectifiers,
        [],
    ),
    "rectifiers alone": (
        [
            fc("a", activation="linear"),
            *(
                ["ActivationLayer", {"name": name, "activation": activation, "input": "a"}]
                for name, activation in zip("bcde", RECTIFIERS, strict=True)
            ),
            merge("Sum", "all", *"bcde"),
            output(),
        ],
        VECTORS,
        rectifiers_alone,
        [],
    ),
    "padded": (
        [
            conv("a", 3, 3, pad=[1, 2]),
            conv("b", 2, 3, "relu", pad="same"),
            conv("c", 3, [3, 2], "relu", pad="full", stride=2),
            POOL,
            output(),
        ],
        IMAGES,
        padded,
        [],
    ),
    "dilated": (
        [conv("a", 3, 2, dilation=2), conv("b", 2, 3, pad="same", dilation=[1, 3]), output()],
        IMAGES,
        dilated,
        [],
    ),
    "grouped": (
        [
            conv("a", 4, 2, n_groups=2),
            conv("b", 8, 3, "prelu", pad="same", dilation=2, n_groups=4),
            [
                "MLPConvLayer",
                {
                    "name": "c",
                    "n_output_maps": 3,
                    "n_units": [4],
                    "filter_shape": 3,
                    "activation": "tanh",
                    "pad": 1,
                    "n_groups": 2,
                },
            ],
            output(),
        ],
        IMAGES,
        grouped,
        [],
    ),
    "average pools": (
        [
            conv("a", 3, activation="relu"),
            ["AveragePool2DLayer", {"pool_shape": [2, 3], "stride": [1, 2]}],
            conv("b"),
            ["AveragePool2DLayer", {"pool_shape": 2}],
            output(),
        ],
        IMAGES,
        average_pools,
        [],
    ),
    "series": (
        [
            conv1d("a", 3, 5, "relu", pad="same"),
            ["MaxPool1DLayer", {"pool_length": 2}],
            # A bias before the normalisation would do nothing but for the slopes.
            conv1d("b", 6, 3, "prelu", pad="same", dilation=2, stride=2, n_groups=3),
            ["BatchNormLayer", {"name": "norm"}],
            ["AveragePool1DLayer", {"pool_length": 3, "stride": 1}],
            conv1d("c", 2, 2, "sigmoid"),
            output(),
        ],
        (2, 21),
        series_pooled,
        [],
    ),
    "series, channels last": (
        [
            conv1d("a", 3, activation="relu", pad=1, axes="NLC"),
            conv1d("b", 2, pad=1, axes="NLC"),
            ["MaxPool1DLayer", {"name": "m", "pool_length": 2, "stride": 1, "axes": "NLC"}],
            ["AveragePool1DLayer", {"name": "c", "input": "a", "pool_length": 2, "stride": 1, "axes": "NLC"}],
            merge("Concat", "both", "m", "c", axis=2),
            fc("d"),
            ["GlobalAveragePoolLayer", {"name": "mean", "input": "a", "axes": "NLC"}],
            merge("Concat", "all", "d", "mean"),
            output(),
        ],
        (9, 2),
        series_with_channels_last,
        [],
    ),
    "series of one channel": (
        [
            conv1d("a", 3, 4, "relu", stride=2),
            ["GlobalAveragePoolLayer", {"name": "mean", "axes": "NCL"}],
            ["MaxPool1DLayer", {"name": "m", "input": "input", "pool_length": 3, "axes": "NLC"}],
            fc("b"),
            ["GlobalAveragePoolLayer", {"name": "whole", "input": "input", "axes": "NLC"}],
            merge("Concat", "all", "mean", "b", "whole"),
            output(),
        ],
        (13,),
        series_of_one_channel,
        [],
    ),
    "one input twice": ([fc("a"), merge("Sum", "all", "a", "a"), output()], VECTORS, doubled, []),
    "cropped": (
        [
            conv("a", filter_shape=3),
            merge("Sum", "both", "input", "a", crop="center"),
            merge("Multiply", "product", "both", "a"),
            output(),
        ],
        IMAGES,
        cropped,
        ["both", "product"],
    ),
}


def losses_of(architecture):
    """Return a loss for each output layer: of weights 1, 0.5, 0.25."""
    return [build("loss", ["nll", {"weight": 0.5**n}]) for n in range(len(architecture.outputs))]


def step_of(layers, shape, setup=DEFAULT_SETUP):
    architecture = declare(parse(layers), shape)
    for place in architecture.placed:
        for name, param in place.params.items():
            if param.dtype == "float32":
                place.params[name] = replace(param, dtype=str(torch.get_default_dtype()).removeprefix("torch."))
    network = Network(architecture, setup)
    network.initialise(3)
    with torch.no_grad():
        network.weights.copy_(torch.randn(network.weights.shape, generator=torch.Generator().manual_seed(2)) * 0.7)
    return TrainingStep(network.train(), losses_of(architecture), build("updater", "sgd"))


def batches_of(shape, n_outputs, sizes, weighted):
    """Return (x, y, weights) of batches of random rows; x and y are tuples, with a tensor for each input or output."""
    generator = torch.Generator().manual_seed(7)
    found = []
    for n in sizes:
        y = tuple(torch.randint(0, N_CLASSES, (n,), generator=generator) for _ in range(n_outputs))
        shapes = shape.values() if isinstance(shape, dict) else [shape]
        x = tuple(torch.randn(n, *one, generator=generator) for one in shapes)
        found.append((x, y, torch.rand(n, generator=generator) if weighted else None))
    return found


def computed(step, way, batches):
    """Return the losses and the gradients of an update by several batches."""
    step.network.gradients.fill_(np.nan)
    n_rows = sum(len(x[0]) for x, _, _ in batches)
    kept = [[one.clone() for one in x] for x, _, _ in batches]
    losses = []
    for number, (x, y, weights) in enumerate(batches):
        torch.manual_seed(number)
        losses.append(way(x, y, weights, len(x[0]) / n_rows, float(number > 0)).item())
    assert all(all(map(torch.equal, x, before)) for (x, _, _), before in zip(batches, kept, strict=True))
    return losses, {name: view.clone() for name, view in step.network.flat_views(step.network.gradients).items()}


def expected_of(step, reference, batches):
    """Return the same of the network in plain PyTorch."""
    p = {
        name: tensor.detach().clone().requires_grad_(tensor.requires_grad)
        for name, tensor in step.network.named.items()
    }
    n_rows = sum(len(x[0]) for x, _, _ in batches)
    losses = []
    for x, y, weights in batches:
        total = 0.0
        for n, (logits, target) in enumerate(zip(reference(p, *x), y, strict=True)):
            of_rows = functional.cross_entropy(logits, target, reduction="none")
            total = total + 0.5**n * (of_rows if weights is None else weights * of_rows).sum() / n_rows
        total.backward()
        losses.append(total.item())
    return losses, {name: tensor.grad for name, tensor in p.items() if tensor.requires_grad}


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("sizes", [(7,), (7, 4)], ids=["one batch", "two batches"])
@pytest.mark.parametrize("case", CASES)
def test_gradients_are_those_of_the_network_in_plain_pytorch(case, sizes, weighted, double):
    layers, shape, reference, by_autograd = CASES[case]
    step = step_of(layers, shape)
    architecture = step.network.architecture
    assert isinstance(step._gradients, Tape)
    assert step.by_hand == [place.name for place in architecture.placed if place.name not in by_autograd]
    batches = batches_of(shape, len(architecture.outputs), sizes, weighted)
    expected_losses, expected = expected_of(step, reference, batches)
    for way in (step._gradients, step._by_autograd):
        losses, found = computed(step, way, batches)
        assert losses == pytest.approx(expected_losses, rel=1e-12)
        assert found.keys() == expected.keys()
        for name, gradient in expected.items():
            assert gradient.abs().max() > 1e-4, name
            torch.testing.assert_close(
                found[name], gradient, rtol=1e-9, atol=1e-12, msg=lambda m, name=name: f"{name}: {m}"
            )


@pytest.mark.parametrize("case", ["average pools", "series", "series, channels last", "series of one channel"])
def test_gradients_do_not_depend_on_how_filters_lie_in_memory(case, double):
    layers, shape, reference, _ = CASES[case]
    step = step_of(layers, shape, Setup(channels_last=True))
    filters = step.network.named["a.W"]
    assert filters.movedim(1, -1).is_contiguous()
    batches = batches_of(shape, 1, (7, 4), weighted=False)
    _, expected = expected_of(step, reference, batches)
    for way in (step._gradients, step._by_autograd):
        _, found = computed(step, way, batches)
        for name, gradient in expected.items():
            torch.testing.assert_close(found[name], gradient, rtol=1e-9, atol=1e-12)


class TripledInTraining(Layer):
    """Three times what comes in, or outside training what comes in."""

    def build(self, shape):
        return lambda params, x, training: 3 * x if training else x


def test_layers_that_autograd_records_are_in_training(double):
    step = step_of([fc("a"), TripledInTraining(name="t"), output()], VECTORS)
    assert step.by_hand == ["input", "a", "output"]
    batches = batches_of(VECTORS, 1, (7,), False)
    losses, found = computed(step, step._gradients, batches)
    expected_losses, expected = expected_of(
        step, lambda p, x: (sums(p, "output", 3 * sums(p, "a", x).tanh()),), batches
    )
    assert losses == pytest.approx(expected_losses, rel=1e-12)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-9, atol=1e-12)


class OnesLayer(Layer):
    """Ones, whatever comes in."""

    def build(self, shape):
        return lambda params, x, training: torch.ones_like(x)


def test_layers_on_which_an_output_does_not_depend_have_gradients_of_zero(double):
    step = step_of([fc("a"), OnesLayer(name="t"), output()], VECTORS)
    batches = batches_of(VECTORS, 1, (7,), False)
    losses, found = computed(step, step._gradients, batches)
    expected_losses, expected = expected_of(step, lambda p, x: (sums(p, "output", torch.ones_like(x)),), batches)
    assert losses == pytest.approx(expected_losses, rel=1e-12)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], torch.zeros_like(found[name]) if gradient is None else gradient)
    assert expected["a.W"] is None and expected["output.W"].abs().max() > 0.01


@pytest.mark.parametrize("case", CASES)
def test_in_float32_they_are_the_same_within_rounding(case):
    layers, shape, _, _ = CASES[case]
    step = step_of(layers, shape)
    batches = batches_of(shape, len(step.network.architecture.outputs), (7, 4), False)
    expected_losses, expected = computed(step, step._by_autograd, batches)
    losses, found = computed(step, step._gradients, batches)
    assert losses == pytest.approx(expected_losses, rel=1e-5)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "case",
    [
        "concat",
        "residual images",
        "shared convolutions",
        "pooled, and not",
        "cropped",
        "padded",
        "dilated",
        "grouped",
        "average pools",
    ],
)
def test_in_memory_with_channels_last_they_are_the_same(case):
    layers, shape, reference, _ = CASES[case]
    network = Network(declare(parse(layers), shape), Setup(channels_last=True))
    with torch.no_grad():
        network.weights.copy_(torch.randn(network.weights.shape, generator=torch.Generator().manual_seed(2)) * 0.7)
    step = TrainingStep(network.train(), losses_of(network.architecture), build("updater", "sgd"))
    assert isinstance(step._gradients, Tape)
    batches = batches_of(shape, 1, (7, 4), False)
    batches = [((x.contiguous(memory_format=torch.channels_last),), *rest) for (x,), *rest in batches]
    losses, found = computed(step, step._gradients, batches)
    expected_losses, expected = expected_of(step, reference, batches)
    assert losses == pytest.approx(expected_losses, rel=1e-5)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-5)


def fixed(layers, names):
    """Return the layers with those of some names fixed, those of blocks too."""
    found = []
    for layer in layers:
        if isinstance(layer, list) and layer[0] == "Block":
            layer = [layer[0], layer[1] | {"layers": fixed(layer[1]["layers"], names)}]
        elif isinstance(layer, list) and layer[1].get("name") in names:
            layer = [layer[0], layer[1] | {"fix_params": True}]
        found.append(layer)
    return found


@pytest.mark.parametrize(
    ("case", "names"),
    [
        ("chain", ["a"]),
        ("chain", ["b"]),
        ("chain", ["a", "b"]),
        ("chain", ["output"]),
        ("residual", ["stem"]),
        ("residual", ["one"]),
        ("residual", ["two"]),
        ("residual", ["stem", "one", "two"]),
        ("concat", ["a"]),
        ("concat", ["a", "b"]),
        ("concat", ["c"]),
        ("average", ["b"]),
        ("shared", ["a"]),
        ("shared on both sides", ["a"]),
        ("auxiliary", ["a"]),
        ("auxiliary", ["b", "late"]),
        ("auxiliary", ["a", "early"]),
        ("maxout", ["m"]),
        ("maxout", ["a", "m"]),
        ("maxout", ["a"]),
        ("maxout first", ["m"]),
        ("ReLU in place", ["a"]),
        ("unknown neighbours", ["a", "b"]),
        ("unknown neighbours", ["b"]),
        ("fan-out", ["a", "c"]),
        ("an output that others take", ["a", "early"]),
        ("cropped", ["a"]),
    ],
    ids=lambda given: given if isinstance(given, str) else "+".join(given),
)
def test_gradients_beside_fixed_layers(case, names, double):
    layers, shape, reference, _ = CASES[case]
    step = step_of(fixed(layers, names), shape)
    with torch.no_grad():
        for name, tensor in step.network.named.items():
            if not tensor.requires_grad:
                tensor.copy_(torch.randn(tensor.shape, generator=torch.Generator().manual_seed(len(name))))
    batches = batches_of(shape, len(step.network.architecture.outputs), (7, 4), True)
    expected_losses, expected = expected_of(step, reference, batches)
    for way in (step._gradients, step._by_autograd):
        before = step.network.arrays()
        losses, found = computed(step, way, batches)
        assert losses == pytest.approx(expected_losses, rel=1e-12) and found.keys() == expected.keys()
        assert not any(name.split(".")[0].split("-")[-1] in names for name in found)
        for name, gradient in expected.items():
            torch.testing.assert_close(found[name], gradient, rtol=1e-9, atol=1e-12)
        assert all(np.array_equal(array, before[name]) for name, array in step.network.arrays().items())


class Operations(TorchDispatchMode):
    """Counts the operations of the engine."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.counts[function.overloadpacket.__name__] += 1
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("layers", "n_products"),
    [
        # Three forward; the gradients of three W, of the input of `output` and of that of `b`.
        ([fc("a"), fc("b"), output()], 8),
        # None of W of `a`, and none of the input of `b`.
        ([fc("a", fix_params=True), fc("b"), output()], 6),
        ([fc("a", fix_params=True), fc("b", fix_params=True), output()], 4),
        # `a` is below `b`, so that `b` is walked through.
        ([fc("a"), fc("b", fix_params=True), output()], 7),
        ([fc("a"), fc("b", fix_params=True), output(fix_params=True)], 6),
        ([fc("a", fix_params=True), fc("b", fix_params=True), output(fix_params=True)], 3),
        # What autograd records: no gradient of the batch, nor of fixed layers.
        ([["FCMaxoutLayer", {"n_units": 4, "maxout_k": 2}], output()], 5),
        ([["FCMaxoutLayer", {"n_units": 4, "maxout_k": 2, "fix_params": True}], output()], 3),
        ([fc("a", fix_params=True), ["FCMaxoutLayer", {"n_units": 4, "maxout_k": 2}], output()], 6),
        # Of two branches into a sum, one is fixed.
        ([fc("a", fix_params=True), fc("b", input="input"), merge("Sum", "all", "a", "b"), output()], 6),
    ],
    ids=range(10),
)
def test_no_product_is_computed_that_no_gradient_needs(layers, n_products):
    step = step_of(layers, VECTORS)
    ((x, y, _),) = batches_of(VECTORS, 1, (7,), False)
    with Operations() as operations:
        step._gradients(x, y, None, 1.0, 0.0)
    assert operations.counts["mm"] == n_products


def test_a_rectifier_works_in_place_where_nothing_else_takes_its_input_and_behind_pooling_where_it_can():
    layers, shape, _, _ = CASES["rectified in place, and not"]
    step = step_of(layers, shape)
    ((x, y, _),) = batches_of(shape, 1, (7,), False)
    with Operations() as operations:
        step._gradients(x, y, None, 1.0, 0.0)
    assert (operations.counts["relu_"], operations.counts["relu"]) == (2, 1)
    names = [type(link.function).__name__ for link in step._gradients._links]
    assert names.index("MaxPool") < names.index("ActivationInPlace")


def test_a_batch_norm_on_a_single_row_uses_its_running_statistics(double):
    step = step_of([fc("a"), ["BatchNormLayer", {"name": "n"}], output()], VECTORS)
    with torch.no_grad():
        step.network.named["n.mean"].copy_(torch.tensor([0.1, -0.2, 0.3, 0.0]))
        step.network.named["n.var"].copy_(torch.tensor([0.5, 1.0, 2.0, 3.0]))
    before = step.network.arrays()

    def reference(p, x):
        a = (sums(p, "a", x).tanh() - p["n.mean"]) / (p["n.var"] + 1e-5).sqrt() * p["n.gamma"] + p["n.beta"]
        return (sums(p, "output", a),)

    batches = batches_of(VECTORS, 1, (1,), False)
    _, expected = expected_of(step, reference, batches)
    for way in (step._gradients, step._by_autograd):
        _, found = computed(step, way, batches)
        for name, gradient in expected.items():
            torch.testing.assert_close(found[name], gradient, rtol=1e-9, atol=1e-12)
    assert all(np.array_equal(array, before[name]) for name, array in step.network.arrays().items())


def test_the_running_statistics_are_those_of_torch(double):
    step = step_of([fc("a"), ["BatchNormLayer", {"name": "n", "alpha": 0.25}], output()], VECTORS)
    batches = batches_of(VECTORS, 1, (7, 4), False)
    mean, var = torch.zeros(4), torch.ones(4)
    for (x,), _, _ in batches:
        a = sums(step.network.named, "a", x).tanh()
        mean, var = 0.75 * mean + 0.25 * a.mean(0), 0.75 * var + 0.25 * a.var(0, correction=1)
    computed(step, step._gradients, batches)
    torch.testing.assert_close(step.network.named["n.mean"].detach(), mean.detach(), rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(step.network.named["n.var"].detach(), var.detach(), rtol=1e-12, atol=1e-15)


def test_an_ordinal_output_is_left_to_autograd_behind_layers_by_hand(double):
    step = step_of([fc("a"), fc("b"), ["OrdinalOutputLayer", {"name": "ranks", "n_classes": 3}]], VECTORS)
    assert step.by_hand == ["input", "a", "b"]

    def reference(p, x):
        score = sums({"s.W": p["ranks.W"], "s.b": torch.zeros(1)}, "s", sums(p, "b", sums(p, "a", x).tanh()).tanh())
        thresholds = torch.cat([p["ranks.threshold"], p["ranks.threshold"] + functional.softplus(p["ranks.gaps"])])
        below = torch.cat([torch.zeros(len(x), 1), (thresholds - score).sigmoid(), torch.ones(len(x), 1)], 1)
        return ((below[:, 1:] - below[:, :-1]).log(),)

    batches = batches_of(VECTORS, 1, (7, 4), True)
    expected_losses, expected = expected_of(step, reference, batches)
    losses, found = computed(step, step._gradients, batches)
    assert losses == pytest.approx(expected_losses, rel=1e-9)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    "case", ["residual", "auxiliary", "shared on both sides", "ReLU in place", "in place, on the batch"]
)
def test_dropout_draws_the_same_masks_by_hand_as_by_autograd(case):
    layers, shape, _, _ = CASES[case]
    drop = ["DropoutLayer", {"dropout_p": 0.5}]
    step = step_of([drop, *layers[:-1], drop, layers[-1]], shape)
    batches = batches_of(shape, len(step.network.architecture.outputs), (9, 4), False)
    expected_losses, expected = computed(step, step._by_autograd, batches)
    losses, found = computed(step, step._gradients, batches)
    assert losses == pytest.approx(expected_losses, rel=1e-5)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)


# Outside training a batch norm is another function.
@pytest.mark.parametrize("case", [case for case in CASES if "BatchNormLayer" not in str(CASES[case])])
def test_outside_training_the_outputs_are_those_of_plain_pytorch(case, double):
    layers, shape, reference, _ = CASES[case]
    network = step_of(layers, shape).network.eval()
    ((x, _, _),) = batches_of(shape, 1, (7,), False)
    before = [one.clone() for one in x]
    with torch.no_grad():
        found, expected = network(*x), reference(network.named, *x)
    assert all(map(torch.equal, x, before))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


class Watched(Layer):
    """What comes in, of which it is known whether it is still in memory."""

    def build(self, shape):
        def forward(params, x, training):
            ALIVE.append([name for name, reference in REFERENCES.items() if reference() is not None])
            y = x + 0
            REFERENCES[self.name] = weakref.ref(y)
            return y

        return forward


REFERENCES, ALIVE = {}, []


def test_outside_training_outputs_are_released_when_no_layer_needs_them():
    layers = [
        Watched(name="w1"),
        fc("a"),
        Watched(name="w2"),
        fc("b"),
        Watched(name="w3"),
        fc("c"),
        Watched(name="w4"),
        merge("Sum", "all", "w2", "w4"),
        Watched(name="w5"),
        fc("d"),
        Watched(name="w6"),
        output(),
    ]
    network = step_of(layers, VECTORS).network.eval()
    REFERENCES.clear(), ALIVE.clear()
    with torch.no_grad():
        (found,) = network(torch.zeros(5, 4))
    # The second is kept until it is added, each other one until the next layer has taken it.
    assert ALIVE == [[], [], ["w2"], ["w2"], [], []]
    assert not [name for name, reference in REFERENCES.items() if reference() is not None] and found.shape == (5, 3)


@pytest.mark.parametrize(
    ("setup", "layer", "is_by_hand"),
    [
        (Setup(compile=True), fc("b"), True),
        # Autograd would record a part of it without the compiler.
        (Setup(compile=True), fc("b", activation=halved_tanh), False),
        (Setup(), fc("b", activation=halved_tanh), True),
        (Setup(precision="bf16"), fc("b"), False),
    ],
)
def test_on_a_cpu_what_has_functions_is_by_hand_unless_it_is_cast_or_the_rest_is_compiled(setup, layer, is_by_hand):
    network = step_of([fc("a"), layer, output()], VECTORS).network
    network.setup = setup
    assert (tape_of(network, [build("loss", "nll")], [1.0]) is not None) is is_by_hand


class Doubled:
    """A function that notes which outputs of others are alive when it is called."""

    trains = False

    def __init__(self, references):
        self.references, self.alive = references, []

    def forward(self, x):
        self.alive = [n for n, one in enumerate(self.references) if one() is not None]
        y = 2 * (sum(x) if isinstance(x, list) else x)
        self.references.append(weakref.ref(y))
        return y, None


def test_in_training_outputs_are_released_when_no_link_needs_them():
    references = []
    functions = [Doubled(references) for _ in range(4)]
    # The first output is taken by the second function and, beside that of the second, by the third.
    sources = [(0,), (1,), (1, 2), (3,)]
    links = [
        Link(function, taken, str(n), (), is_merge=len(taken) > 1)
        for n, (function, taken) in enumerate(zip(functions, sources, strict=True))
    ]
    tape = Tape(links, 1, [4], [], [build("loss", "nll")], [1.0], torch.device("cpu"))
    loss = tape((torch.zeros(5, 3),), (torch.zeros(5, dtype=torch.int64),), None, 1.0, 0.0)
    assert [one.alive for one in functions] == [[], [0], [0, 1], [2]] and loss.item() == pytest.approx(np.log(3))


def test_an_update_by_the_tape_is_that_of_torch(double):
    layers, shape, reference, _ = CASES["auxiliary"]
    step = step_of(layers, shape)
    batches = batches_of(shape, 3, (7, 4), True)
    before = {name: tensor.detach().clone() for name, tensor in step.network.named.items()}
    _, gradients = expected_of(step, reference, batches)
    n_rows = [len(batch[0][0]) for batch in batches]
    step([DeviceBatch(*batch) for batch in batches], [0, 1], lr=0.3, momentum=0.0, n=1, n_rows=n_rows)
    for name, tensor in step.network.named.items():
        torch.testing.assert_close(tensor.detach(), before[name] - 0.3 * gradients[name], rtol=1e-9, atol=1e-12)
