"""Which function takes which values: lists of layers, and their links worked out by hand."""

from __future__ import annotations

import pytest
import torch

from arignote.engine.by_hand.links import LinkBuilder
from arignote.engine.network import DEFAULT_SETUP, Network
from arignote.layers import declare, parse


def halved_tanh(s):
    """An activation of a user's own, which has no function by hand."""
    return torch.tanh(s) / 2


def fc(name, **more):
    return ["FCLayer", {"name": name, "n_units": 4, "activation": "tanh"} | more]


def own(name, **more):
    return fc(name, activation=halved_tanh, **more)


def add(name, *inputs):
    return ["SumLayer", {"name": name, "inputs": list(inputs)}]


def conv(name, activation="relu"):
    return ["ConvLayer", {"name": name, "n_output_maps": 2, "filter_shape": 3, "activation": activation}]


OUT = ["ClassificationOutputLayer", {"name": "out", "n_classes": 3}]
POOL = ["MaxPool2DLayer", {"name": "pool", "pool_shape": 2}]
ACT, FLAT = ["ActivationLayer", {"name": "act", "activation": "relu"}], ["FlattenLayer", {"name": "flat"}]


def built(layers, shape=(4,)):
    """Return (function, sources, layer) of each link, the places of the outputs, and the builder."""
    builder = LinkBuilder(Network(declare(parse(layers), shape), DEFAULT_SETUP))
    links, outputs = builder.links()
    return [(type(one.function).__name__, one.sources, one.layer) for one in links], outputs, builder


@pytest.mark.parametrize(
    ("layers", "links"),
    [
        ([fc("a"), fc("b")], [("Dense", (0,), "a"), ("Dense", (1,), "b")]),
        # Values of b that a layer beside the next one takes.
        (
            [fc("a"), fc("b"), add("s", "a", "b")],
            [("Dense", (0,), "a"), ("Dense", (1,), "b"), ("Sum", (1, 2), "s")],
        ),
        # A layer that changes nothing has no link.
        ([fc("a"), FLAT, fc("b")], [("Dense", (0,), "a"), ("Dense", (1,), "b")]),
        # In place where a sum of a dense layer has no other use, even through one that changes nothing.
        (
            [fc("a", activation="linear"), ACT, fc("b")],
            [("Dense", (0,), "a"), ("ActivationInPlace", (1,), "act"), ("Dense", (2,), "b")],
        ),
        (
            [fc("a", activation="linear"), FLAT, ACT, fc("b")],
            [("Dense", (0,), "a"), ("ActivationInPlace", (1,), "act"), ("Dense", (2,), "b")],
        ),
        (
            [fc("a", activation="linear"), ACT, add("s", "a", "act")],
            [("Dense", (0,), "a"), ("ActivationOutOfPlace", (1,), "act"), ("Sum", (1, 2), "s")],
        ),
        (
            [fc("a", activation="linear"), FLAT, ACT, add("s", "a", "act")],
            [("Dense", (0,), "a"), ("ActivationOutOfPlace", (1,), "act"), ("Sum", (1, 2), "s")],
        ),
        # Neighbours that autograd records are one link.
        ([own("u"), own("v"), fc("b")], [("Segment", (0,), "v"), ("Dense", (1,), "b")]),
        ([fc("a"), own("u"), own("v"), own("w")], [("Dense", (0,), "a"), ("Segment", (1,), "w")]),
        # Of which only the last is taken by others ...
        (
            [own("u"), own("v"), add("s", "u", "v")],
            [("Segment", (0,), "u"), ("Segment", (1,), "v"), ("Sum", (1, 2), "s")],
        ),
        (
            [own("u"), own("v"), own("w"), add("s", "v", "w")],
            [("Segment", (0,), "v"), ("Segment", (1,), "w"), ("Sum", (1, 2), "s")],
        ),
        # ... but those within take any.
        (
            [own("u"), own("v"), ["MultiplyLayer", {"name": "w", "inputs": ["u", "v"]}], fc("b")],
            [("Segment", (0,), "w"), ("Dense", (1,), "b")],
        ),
    ],
)
def test_each_function_takes_the_values_of_those_before_it(layers, links):
    found, outputs, builder = built([*layers, OUT])
    n = len(links)
    assert found == [*links, ("Dense", (n,), "out")] and outputs == [n + 1] and builder.n_inputs == 1
    by_hand = [params["name"] for _, params in layers if params["name"] not in ("u", "v", "w")]
    assert builder.by_hand == ["input", *by_hand, "out"] and builder.has_segments == any(
        one[0] == "Segment" for one in links
    )


@pytest.mark.parametrize(
    ("n_classes", "layer", "kinds"),
    [
        (3, [ACT[0], ACT[1] | {"input": "early"}], ["Dense", "Dense", "ActivationOutOfPlace", "Dense"]),
        # An output of one sum has no function by hand.
        (1, own("v", input="early"), ["Dense", "Segment", "Segment", "Dense"]),
    ],
)
def test_an_output_that_another_layer_takes_is_kept_for_the_loss(n_classes, layer, kinds):
    early = ["ClassificationOutputLayer", {"name": "early", "n_classes": n_classes, "auxiliary": True}]
    found, outputs, _ = built([fc("a"), early, layer, OUT])
    assert [one[0] for one in found] == kinds and outputs == [2, 4]
    assert [one[1] for one in found] == [(0,), (1,), (2,), (3,)]


@pytest.mark.parametrize(
    ("layers", "links"),
    [
        (
            [conv("c"), POOL],
            [("Convolution", (0,), "c"), ("MaxPool", (1,), "pool"), ("ActivationInPlace", (2,), "pool")],
        ),
        ([conv("c", "tanh"), POOL], [("Convolution", (0,), "c"), ("MaxPool", (1,), "pool")]),
    ],
)
def test_a_rectifier_goes_behind_pooling(layers, links):
    assert built([*layers, OUT], (1, 6, 6))[0] == [*links, ("Dense", (len(links),), "out")]


def test_a_segment_names_the_layers_whose_parameters_it_uses_and_takes_each_value_once():
    layers = [fc("a"), own("u"), own("v", share="u", input="a"), add("s", "u", "v"), OUT]
    links, _ = LinkBuilder(Network(declare(parse(layers), (4,)), DEFAULT_SETUP)).links()
    assert [(one.owners, one.is_merge) for one in links] == [
        (("a",), False),
        (("u",), True),
        (("u",), True),
        (("s",), True),
        (("out",), False),
    ]


def test_a_function_trains_what_is_not_fixed_now():
    network = Network(declare(parse([fc("a", fix_params=True, thaw_at=2), OUT]), (4,)), DEFAULT_SETUP)
    for thawed in ([], ["a"]):
        network.thaw(thawed)
        assert [one.function.trains for one in LinkBuilder(network).links()[0]] == [bool(thawed), True]
