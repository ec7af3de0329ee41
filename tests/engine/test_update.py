"""An update is the same whether the updater's kernel adds l2 or it is added before; what is fixed stays, norms hold."""

from __future__ import annotations

import pytest
import torch

from arignote.engine.network import Network
from arignote.engine.update import Update
from arignote.layers.architecture import declare, parse
from arignote.registry import build, names

LAYERS = [
    ["FCLayer", {"name": "a", "n_units": 6, "activation": "prelu", "l2": 0.3}],
    ["FCLayer", {"name": "b", "n_units": 5, "l2": 0.3, "l1": 0.01, "fix_params": ["b"]}],
    ["FCLayer", {"name": "c", "n_units": 4, "maxnorm": 0.5}],
    ["FCLayer", {"name": "d", "n_units": 4, "l2": 0.1, "fix_params": True}],
    ["ClassificationOutputLayer", {"name": "out", "l2": 0.2}],
]


def updated(updater, max_grad_norm=None, n_updates=3):
    """Return a network, as it was, and as it is after a few updates by the same gradients."""
    network = Network(declare(parse(LAYERS), (7,), 3))
    network.initialise(5)
    before = network.arrays()
    update = Update(network, build("updater", updater), max_grad_norm)
    with torch.no_grad():
        for n in range(1, n_updates + 1):
            network.gradients.copy_(torch.linspace(-1, 1, network.gradients.numel()).roll(n))
            update(0.01, 0.9, n)
    return before, network.arrays(), update.slots


@pytest.mark.parametrize("updater", sorted(names("updater")))
def test_l2_in_one_pass_gives_what_it_gives_before_the_update(updater):
    # A bound that no gradient reaches changes no number, and has the penalties added first.
    _, found, slots = updated(updater)
    _, expected, expected_slots = updated(updater, max_grad_norm=1e30)
    for name, values in expected.items():
        torch.testing.assert_close(torch.from_numpy(found[name]), torch.from_numpy(values), rtol=1e-6, atol=1e-7)
    for name, values in expected_slots.items():
        torch.testing.assert_close(slots[name], values, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("updater", ["sgd", "nag", "adam"])
def test_penalties_are_of_weights_alone_and_what_is_fixed_stays(updater):
    before, after, _ = updated(updater)
    same = {name for name, values in before.items() if (values == after[name]).all()}
    assert same == {"b.b", "d.W", "d.a", "d.b"}
    assert ((after["c.W"] ** 2).sum(0) ** 0.5 <= 0.5 + 1e-6).all()


def test_the_gradient_of_a_penalty_is_twice_its_share_of_the_weight():
    network = Network(declare(parse(LAYERS), (7,), 3))
    network.initialise(5)
    before = network.arrays()
    network.gradients.zero_()
    with torch.no_grad():
        Update(network, build("updater", "momentum"), None)(1.0, 0.0, 1)
    after = network.arrays()
    torch.testing.assert_close(torch.from_numpy(after["a.W"]), torch.from_numpy(before["a.W"] * (1 - 2 * 0.3)))
    torch.testing.assert_close(torch.from_numpy(after["out.W"]), torch.from_numpy(before["out.W"] * (1 - 2 * 0.2)))
    assert (after["a.a"] == before["a.a"]).all() and (after["a.b"] == before["a.b"]).all()


def test_the_norm_of_a_filter_is_of_all_its_weights():
    conv = ["ConvLayer", {"name": "conv", "n_output_maps": 3, "filter_shape": 3, "maxnorm": 0.5}]
    network = Network(
        declare(parse([["InputImageLayer", {"n_pixels": 8}], conv, ["ClassificationOutputLayer"]]), (64,), 3)
    )
    network.initialise(5)
    with torch.no_grad():
        network.named["conv.W"].copy_(torch.arange(27.0).view(3, 1, 3, 3))
        Update(network, build("updater", "sgd"), None)(0.0, 0.0, 1)
    norms = network.named["conv.W"].detach().flatten(1).norm(dim=1)
    torch.testing.assert_close(norms, torch.full((3,), 0.5))


@pytest.mark.parametrize("updater", ["sgd", "momentum"])
def test_the_norm_is_of_the_gradients_with_their_penalties(updater):
    before, after, _ = updated(updater, max_grad_norm=0.001, n_updates=1)
    moved = [
        torch.from_numpy(after[name] - before[name]) for name in ("a.W", "a.b", "a.a", "b.W", "c.b", "out.W", "out.b")
    ]
    assert 0 < float(torch.cat([one.flatten() for one in moved]).norm()) <= 0.01 * 0.001 * 1.001
