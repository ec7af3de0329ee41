"""Arrays are copied into tensors by their names, all or none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote.engine.checked_copy import copy_into
from arignote.engine.network import Network
from arignote.errors import CheckpointError
from arignote.layers import declare, parse

LAYERS = [
    ["FCLayer", {"name": "a", "n_units": 4}],
    ["BatchNormLayer", {"name": "norm"}],
    ["ClassificationOutputLayer", {"name": "out", "n_classes": 3, "W": "glorot"}],
]


def network_of(seed=3):
    network = Network(declare(parse(LAYERS), (6,)))
    network.initialise(seed)
    return network


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
def test_arrays_that_do_not_fit_are_reported_and_nothing_is_copied(change, words):
    network, arrays = network_of(), network_of(seed=4).arrays()
    before = network.weights.clone()
    change(arrays)
    with pytest.raises(CheckpointError, match=words):
        copy_into(network.named, arrays, "here")
    assert torch.equal(network.weights, before)


def test_what_is_copied_into_a_network_may_be_of_another_type():
    network = network_of()
    arrays = {name: array.astype(np.float64) + 1 for name, array in network.arrays().items()}
    arrays["a.W"] = torch.full((6, 4), 2.0, dtype=torch.float64)
    arrays["out.b"] = np.arange(6.0)[::2]
    copy_into(network.named, arrays, "here")
    assert (network.arrays()["a.W"] == 2).all() and network.arrays()["out.b"].tolist() == [0, 2, 4]
    assert (network.arrays()["norm.var"] == 2).all() and network.weights.dtype == torch.float32


def test_the_first_in_order_of_several_entries_too_many_is_named():
    network = network_of()
    arrays = network.arrays() | {"z": np.zeros(1), "b": np.zeros(1)}
    with pytest.raises(CheckpointError, match=r"^here: has 'b', which the network does not know\."):
        copy_into(network.named, arrays, "here")
