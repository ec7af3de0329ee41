"""The network: parameters as views of one vector, each drawn from the stream of its own name."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from arignote.engine.network import Network, copy_into
from arignote.errors import CheckpointError
from arignote.layers import declare, parse

LAYERS = [
    ["FCLayer", {"name": "a", "n_units": 4, "activation": "prelu", "fix_params": ["b"]}],
    ["BatchNormLayer", {"name": "norm"}],
    ["ClassificationOutputLayer", {"name": "out", "n_classes": 3, "W": "glorot"}],
]
TRAINED = ["a.W", "a.a", "norm.gamma", "norm.beta", "out.W", "out.b"]


def network_of(layers=LAYERS, seed=3):
    network = Network(declare(parse(layers), (6,)))
    network.initialise(seed)
    return network


def test_what_is_trained_lies_in_one_vector_and_nothing_else_does():
    network = network_of()
    assert [name for name, tensor in network.named.items() if tensor.requires_grad] == TRAINED
    assert network.weights.numel() == sum(network.named[name].numel() for name in TRAINED) == 24 + 4 + 8 + 12 + 3
    network.weights.fill_(7)
    for name, tensor in network.named.items():
        assert (tensor == 7).all() == (name in TRAINED), name
    views = network.flat_views(torch.arange(network.weights.numel()))
    assert list(views) == TRAINED and torch.equal(
        torch.cat([view.flatten() for view in views.values()]), torch.arange(51)
    )


def test_gradients_come_in_one_vector_too():
    network = network_of().train()
    network(torch.randn(5, 6)).square().sum().backward()
    assert network.gradients.abs().max() > 0
    for name, view in network.flat_views(network.gradients).items():
        assert torch.equal(view, network.named[name].grad)


def test_a_layer_starts_the_same_whatever_stands_around_it():
    more = [["FCLayer", {"name": "first", "n_units": 6}], *LAYERS]
    plain, longer, other = network_of().arrays(), network_of(more).arrays(), network_of(seed=4).arrays()
    for name in ("a.W", "out.W"):
        assert np.array_equal(plain[name], longer[name]) and not np.isclose(plain[name], other[name]).any()


def test_no_two_layers_start_alike():
    square = [["FCLayer", {"name": name, "n_units": 6}] for name in "ab"]
    found = network_of([*square, *LAYERS[2:]]).arrays()
    assert not np.isclose(found["a.W"], found["b.W"]).any()


def test_the_outputs_of_all_layers_end_in_those_of_the_network():
    network, x = network_of().eval(), torch.randn(5, 6)
    found = network.outputs(x)
    assert [name for name, _ in found] == ["input", "a", "norm", "out"]
    assert torch.equal(found[-1][1], network(x)) and found[0][1] is x


def test_a_network_comes_back_from_a_pickle_as_it_was():
    network, x = network_of().eval(), torch.randn(5, 6)
    again = pickle.loads(pickle.dumps(network)).eval()
    assert torch.equal(again(x), network(x))
    again.weights.zero_()
    assert (again.named["a.W"] == 0).all() and (network.named["a.W"] != 0).any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda arrays: arrays.pop("a.W"), r"here: has no entry 'a\.W', which the network needs"),
        (lambda arrays: arrays.update({"b.W": np.zeros(1)}), r"here: has 'b\.W', which the network does not know"),
        (
            lambda arrays: arrays.update({"out.b": np.zeros((3, 1))}),
            r"here: 'out\.b' has shape \(3, 1\); the network needs \(3,\)\. Was the spec changed\?",
        ),
    ],
    ids=["less", "more", "shape"],
)
def test_arrays_that_do_not_fit_are_told_and_nothing_is_copied(change, words):
    network, arrays = network_of(), network_of(seed=4).arrays()
    before = network.weights.clone()
    change(arrays)
    with pytest.raises(CheckpointError, match=words):
        copy_into(network.named, arrays, "here")
    assert torch.equal(network.weights, before)
