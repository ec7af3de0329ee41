"""An update is the same whether the updater's kernel adds l2 or it is added before; what is fixed stays, norms hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from own_parts import own_names
from scipy.optimize import nnls

from arignote.engine.network import Network
from arignote.engine.setup import Setup
from arignote.engine.update import Update
from arignote.layers import declare, parse
from arignote.layers.base import Layer, Param
from arignote.layers.initializers import Constant
from arignote.optim.updaters import DecoupledUpdater, Momentum, Updater
from arignote.registry import build

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


@pytest.mark.parametrize("updater", sorted(own_names("updater")))
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


def step_of_sgd(layers, gradient=0.0, max_grad_norm=None, lr=1.0, updater="sgd", weights=None, shape=(3,)):
    """Return parameters by name as they were, and as they are after one update with the same gradient everywhere."""
    network = Network(declare(parse(layers), shape, 2))
    network.initialise(5)
    with torch.no_grad():
        for name, values in (weights or {}).items():
            network.named[name].copy_(torch.tensor(values))
        network.gradients.fill_(gradient)
        before = network.arrays()
        Update(network, build("updater", updater), max_grad_norm)(lr, 0.0, 1)
    return before, network.arrays()


@pytest.mark.parametrize("updater", ["sgd", "momentum"])
def test_the_gradient_of_l1_is_the_sign_of_the_weight(updater):
    # d/dw 0.25 * |w| = 0.25 * sign(w), and 0 at 0: a step of 1 takes it off.
    layers = [["ClassificationOutputLayer", {"name": "out", "l1": 0.25}]]
    weights = {"out.W": [[2.0, -2.0], [0.0, 0.5], [-0.125, 3.0]], "out.b": [1.0, -1.0]}
    _, after = step_of_sgd(layers, updater=updater, weights=weights)
    assert after["out.W"].tolist() == [[1.75, -1.75], [0.0, 0.25], [0.125, 2.75]]
    assert after["out.b"].tolist() == [1.0, -1.0]


@pytest.mark.parametrize("updater", ["sgd", "momentum"])
def test_an_update_goes_down_the_gradient_of_loss_and_penalties_together(updater):
    # w - lr * (g + 2 * l2 * w + l1 * sign(w)) = w - 0.5 * (1 + 0.5 * w + 0.125 * sign(w))
    layers = [["ClassificationOutputLayer", {"name": "out", "l1": 0.125, "l2": 0.25}]]
    weights = {"out.W": [[2.0, -2.0], [0.0, 4.0], [-1.0, 1.0]]}
    _, after = step_of_sgd(layers, gradient=1.0, lr=0.5, updater=updater, weights=weights)
    expected = [[0.9375, -1.9375], [-0.5, 2.4375], [-1.1875, 0.1875]]
    assert after["out.W"].tolist() == expected and after["out.b"].tolist() == [-0.5, -0.5]


@pytest.mark.parametrize(("gradient", "is_cut"), [(0.5, True), (0.4, True), (0.3, False)])
def test_clipping_is_that_of_torch(gradient, is_cut):
    # Eight values, whose norm is sqrt(8) times each: 1 lies between 0.3 and 0.4 of them.
    before, after = step_of_sgd([["ClassificationOutputLayer", {"name": "out"}]], gradient, max_grad_norm=1.0)
    weight = torch.nn.Parameter(torch.zeros(8))
    weight.grad = torch.full((8,), gradient)
    torch.nn.utils.clip_grad_norm_([weight], 1.0)
    assert (weight.grad[0].item() < gradient) == is_cut
    for name in before:
        np.testing.assert_allclose(before[name] - after[name], weight.grad[0].item(), rtol=1e-6)


def test_clipping_divides_by_the_norm_and_a_millionth():
    # As torch.nn.utils.clip_grad_norm_: of a norm of 4e-6 and a bound of 2e-6, 2 / (4 + 1) is left.
    before, after = step_of_sgd(
        [["ClassificationOutputLayer", {"name": "out", "use_bias": False}]], 2e-6, max_grad_norm=2e-6, shape=(2,)
    )
    np.testing.assert_allclose(before["out.W"] - after["out.W"], 2e-6 * 2 / 5, rtol=1e-5)


def test_gradients_of_zero_are_not_divided_by_their_norm():
    before, after = step_of_sgd([["ClassificationOutputLayer", {"name": "out"}]], 0.0, max_grad_norm=1.0)
    assert all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("updater", ["sgd", "momentum", "adam"])
def test_penalties_count_in_the_norm_of_the_gradients(updater):
    layers = [["ClassificationOutputLayer", {"name": "out", "l2": 0.5}]]
    weights = {"out.W": [[3.0, 0.0], [0.0, 0.0], [0.0, 4.0]]}
    # The gradient is the weight itself, of norm 5, cut to 1; adam's first step is the sign of its gradient.
    before, after = step_of_sgd(layers, max_grad_norm=1.0, updater=updater, weights=weights)
    moved = before["out.W"] - after["out.W"]
    expected = [[0.6, 0.0], [0.0, 0.0], [0.0, 0.8]] if updater != "adam" else [[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]
    np.testing.assert_allclose(moved, expected, rtol=1e-6)


@pytest.mark.parametrize("updater", ["sgd", "momentum"])
@pytest.mark.parametrize("max_grad_norm", [None, 0.5, 100.0])
def test_gradients_are_clipped_by_value_and_then_by_norm_as_torch_does(updater, max_grad_norm):
    layers = [["ClassificationOutputLayer", {"name": "out", "l2": 0.5}]]
    network = Network(declare(parse(layers), (2,), 2))
    network.weights.copy_(torch.tensor([2.0, -4.0, 0.125, 1.0, 0.0, 0.0]))
    network.gradients.copy_(torch.tensor([-1.5, 1.0, 0.125, 2.0, 0.25, -0.75]))
    start = network.weights.clone()
    weight = torch.nn.Parameter(start.clone())
    # With the gradient of 0.5 * w^2, w itself, of the weights: 0.5, -3, 0.25, 3, and of the biases 0.25, -0.75.
    weight.grad = torch.tensor([0.5, -3.0, 0.25, 3.0, 0.25, -0.75])
    torch.nn.utils.clip_grad_value_([weight], 0.625)
    assert weight.grad.tolist() == [0.5, -0.625, 0.25, 0.625, 0.25, -0.625]
    if max_grad_norm is not None:
        torch.nn.utils.clip_grad_norm_([weight], max_grad_norm)
    with torch.no_grad():
        Update(network, build("updater", updater), max_grad_norm, 0.625)(1.0, 0.0, 1)
    torch.testing.assert_close(network.weights, start - weight.grad)


def test_constraints_are_those_of_lasagne_within_its_epsilon():
    # updates.total_norm_constraint and updates.norm_constraint, both with an epsilon of 1e-7.
    layers = [["ClassificationOutputLayer", {"name": "out", "maxnorm": 1.5}]]
    weights = np.array([[3.0, 0.5], [-4.0, 0.5], [1.0, 0.5]])
    gradient = np.full(8, 2.0)
    norm = np.sqrt((gradient**2).sum())
    gradient *= np.clip(norm, 0, 3.0) / (1e-7 + norm)
    expected = weights - 0.1 * gradient[:6].reshape(3, 2)
    norms = np.sqrt((expected**2).sum(0, keepdims=True))
    expected *= np.clip(norms, 0, 1.5) / (1e-7 + norms)
    _, after = step_of_sgd(layers, gradient=2.0, lr=0.1, max_grad_norm=3.0, weights={"out.W": weights})
    np.testing.assert_allclose(after["out.W"], expected, rtol=1e-6)


@pytest.mark.parametrize("updater", ["sgd", "momentum"])
def test_weights_below_zero_become_zero_after_the_step_and_biases_stay(updater):
    layers = [["ClassificationOutputLayer", {"name": "out", "nonnegative": True}]]
    weights = {"out.W": [[2.0, 0.25], [0.5, -3.0], [0.0, 1.0]], "out.b": [1.0, -1.0]}
    _, after = step_of_sgd(layers, gradient=1.0, lr=0.5, updater=updater, weights=weights)
    assert after["out.W"].tolist() == [[1.5, 0.0], [0.0, 0.0], [0.0, 0.5]] and after["out.b"].tolist() == [0.5, -1.5]


def test_norms_are_those_of_the_weights_that_are_left():
    layers = [["ClassificationOutputLayer", {"name": "out", "nonnegative": True, "maxnorm": 2.5}]]
    weights = {"out.W": [[3.0, 2.0], [-4.0, -9.0], [4.0, 0.0]]}
    _, after = step_of_sgd(layers, weights=weights)
    # Of (3, 0, 4) half is left; (2, 0, 0) is short enough.
    np.testing.assert_allclose(after["out.W"], [[1.5, 2.0], [0.0, 0.0], [2.0, 0.0]], rtol=1e-6)


@pytest.mark.parametrize("channels_last", [False, True])
def test_filters_and_all_weights_of_a_recurrent_layer_are_not_negative(channels_last):
    conv = ["ConvLayer", {"name": "conv", "n_output_maps": 4, "filter_shape": 3, "nonnegative": True}]
    network = Network(
        declare(parse([conv, ["ClassificationOutputLayer", {"name": "out"}]]), (2, 5, 5), 2),
        Setup(channels_last=channels_last),
    )
    network.initialise(5)
    before = network.arrays()
    with torch.no_grad():
        Update(network, build("updater", "sgd"), None)(0.0, 0.0, 1)
    assert np.array_equal(network.arrays()["conv.W"], np.maximum(before["conv.W"], 0)) and (before["conv.W"] < 0).any()
    recurrent = ["RecurrentLayer", {"name": "r", "n_units": 4, "nonnegative": True, "fix_params": ["W_rec"]}]
    network = Network(declare(parse([recurrent, ["ClassificationOutputLayer"]]), (5, 3), 2))
    network.initialise(5)
    with torch.no_grad():
        Update(network, build("updater", "sgd"), None)(0.0, 0.0, 1)
    # What is fixed stays.
    assert (network.named["r.W_in"] >= 0).all() and (network.named["r.W_rec"] < 0).any()


def test_the_weights_of_a_nonnegative_regression_are_those_of_scipy():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(40, 6)).astype(np.float32)
    y = x @ np.array([2.0, -1.0, 0.5, 0.0, -0.25, 1.0]) + 0.1 * rng.normal(size=40)
    layer = ["RegressionOutputLayer", {"n_outputs": 1, "use_bias": False, "nonnegative": True}]
    network = Network(declare(parse([layer]), (6,)))
    update = Update(network, build("updater", ["momentum", {"momentum": 0.5}]), None)
    with torch.no_grad():
        for n in range(1, 301):
            w = network.weights.numpy()
            network.gradients.copy_(torch.from_numpy(x.T @ (x @ w - y) / 40))
            update(0.2, 0.5, n)
    expected, _ = nnls(x, y)
    assert (expected == 0).sum() == 2
    np.testing.assert_allclose(network.weights, expected, atol=1e-4)


def test_only_units_whose_norm_is_too_large_are_scaled():
    layers = [["FCLayer", {"name": "fc", "n_units": 4, "maxnorm": 2.5}], ["ClassificationOutputLayer", {"name": "out"}]]
    # Columns are units: norms 5, 2.5, 1 and 0.
    weights = {"fc.W": [[3.0, 1.5, 0.0, 0.0], [4.0, 2.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.0]], "fc.b": [9.0] * 4}
    before, after = step_of_sgd(layers, weights=weights)
    expected = [[1.5, 1.5, 0.0, 0.0], [2.0, 2.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.0]]
    np.testing.assert_allclose(after["fc.W"], expected, rtol=1e-6)
    assert np.array_equal(after["fc.W"][:, 1:], before["fc.W"][:, 1:])
    assert after["fc.b"].tolist() == [9.0] * 4 and after["fc.a"].tolist() == [0.25] * 4


def test_norms_are_bounded_after_the_step():
    layers = [["ClassificationOutputLayer", {"name": "out", "maxnorm": 1.0}]]
    _, after = step_of_sgd(layers, gradient=-1.0, lr=3.0, weights={"out.W": np.zeros((3, 2))})
    np.testing.assert_allclose((after["out.W"] ** 2).sum(0), [1.0, 1.0], rtol=1e-6)


@pytest.mark.parametrize("channels_last", [False, True])
def test_filters_have_a_norm_for_each_map_however_they_lie(channels_last):
    conv = ["ConvLayer", {"name": "conv", "n_output_maps": 2, "filter_shape": [1, 2], "maxnorm": 1.0}]
    architecture = declare(parse([conv, ["ClassificationOutputLayer"]]), (2, 2, 2), 2)
    network = Network(architecture, Setup(channels_last=channels_last))
    network.initialise(5)
    with torch.no_grad():
        # Four values for each map: norms 2 * 3 and 2 * 0.25.
        network.named["conv.W"].copy_(torch.tensor([3.0, 0.25]).view(2, 1, 1, 1).expand(2, 2, 1, 2))
        Update(network, build("updater", "sgd"), None)(0.0, 0.0, 1)
    np.testing.assert_allclose(network.arrays()["conv.W"][:, 0, 0, 0], [0.5, 0.25], rtol=1e-6)


@pytest.mark.parametrize("updater", ["momentum", "nag", "adam", "amsgrad"])
def test_each_stretch_has_the_l2_of_its_layer_and_slots_lie_as_the_weights(updater):
    network = Network(declare(parse(LAYERS), (7,), 3))
    network.initialise(5)
    start = network.arrays()
    gradient = torch.linspace(-1, 1, network.gradients.numel())
    gradients = {name: view.clone() for name, view in network.flat_views(gradient).items()}
    update = Update(network, build("updater", updater), None)
    groups = []
    for name, l2 in {"a": 0.3, "b": 0.3, "c": 0.0, "out": 0.2}.items():
        for param, decay in {"W": 2 * l2, "b": 0.0, "a": 0.0}.items():
            if f"{name}.{param}" in gradients:
                weight = torch.nn.Parameter(torch.from_numpy(start[f"{name}.{param}"].copy()))
                groups.append((f"{name}.{param}", {"params": [weight], "weight_decay": decay}))
    make = {
        "momentum": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
        "nag": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True),
        "adam": lambda p: torch.optim.Adam(p, lr=0.01),
        "amsgrad": lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True),
    }[updater]
    optimiser = make([group for _, group in groups])
    for n in range(1, 4):
        with torch.no_grad():
            for name, view in network.flat_views(network.gradients).items():
                view.copy_(gradients[name])
            for name, group in groups:
                weight = group["params"][0]
                weight.grad = gradients[name] + (0.01 * weight.sign() if name == "b.W" else 0.0)
            update(0.01, 0.9, n)
        optimiser.step()
        weight = dict(groups)["c.W"]["params"][0]
        with torch.no_grad():
            weight.mul_((0.5 / weight.norm(dim=0, keepdim=True)).clamp(max=1.0))
    assert {name for name, _ in groups} == set(gradients)
    for name, group in groups:
        weight = group["params"][0]
        torch.testing.assert_close(network.named[name].detach(), weight.detach(), rtol=1e-5, atol=1e-6)
        buffer = optimiser.state[weight].get("momentum_buffer", optimiser.state[weight].get("exp_avg"))
        slot = network.flat_views(update.slots["mean" if updater in ("adam", "amsgrad") else "velocity"])[name]
        torch.testing.assert_close(slot, buffer, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("max_grad_norm", [None, 1e30])
def test_a_decoupled_decay_is_of_weights_alone_and_l2_goes_into_the_means(max_grad_norm):
    network = Network(declare(parse(LAYERS), (7,), 3))
    network.initialise(5)
    start = network.arrays()
    updater = build("updater", ["adamw", {"weight_decay": 3.0}])
    update = Update(network, updater, max_grad_norm)
    gradient = torch.linspace(-1, 1, network.gradients.numel())
    theirs = {}
    for name, view in network.flat_views(gradient).items():
        weight = torch.nn.Parameter(torch.from_numpy(start[name].copy()))
        decay = 3.0 if name.endswith(".W") else 0.0
        theirs[name] = weight, view.clone(), torch.optim.AdamW([weight], lr=0.01, weight_decay=decay)
    for n in range(1, 4):
        network.gradients.copy_(gradient)
        with torch.no_grad():
            update(0.01, 0.0, n)
            for name, (weight, slope, optimiser) in theirs.items():
                l2 = {"a.W": 0.3, "b.W": 0.3, "out.W": 0.2}.get(name, 0.0)
                weight.grad = slope + 2 * l2 * weight + (0.01 * weight.sign() if name == "b.W" else 0.0)
                optimiser.step()
            weight = theirs["c.W"][0]
            weight.mul_((0.5 / weight.norm(dim=0, keepdim=True)).clamp(max=1.0))
    assert {"a.b", "a.a", "c.W", "out.W"} <= set(theirs)
    for name, (weight, _, _) in theirs.items():
        torch.testing.assert_close(network.named[name].detach(), weight.detach(), rtol=1e-5, atol=1e-6)


def test_an_updater_of_a_users_own_has_the_penalties_in_its_gradients():
    class Plain(Updater):
        slots = ("last",)

        def step(self, w, g, slots, lr, momentum, n):
            slots["last"].copy_(g)
            w.sub_(g, alpha=lr)

    class Fused(Momentum):
        def step(self, w, g, slots, lr, momentum, n):
            slots["velocity"].copy_(-g)
            w.sub_(g, alpha=2 * lr)

    layers = [["ClassificationOutputLayer", {"name": "out", "l2": 0.25}]]
    for updater, slot, sign, factor in ((Plain(), "last", 1, 1), (Fused(), "velocity", -1, 2)):
        network = Network(declare(parse(layers), (1,), 2))
        network.weights.copy_(torch.tensor([2.0, -4.0, 1.0, 1.0]))
        network.gradients.fill_(1.0)
        update = Update(network, updater, None)
        assert update.slots[slot].tolist() == [0.0] * 4
        update(0.5, 0.0, 1)
        # g + 2 * 0.25 * w, for the two weights alone.
        assert (sign * update.slots[slot]).tolist() == [2.0, -1.0, 1.0, 1.0]
        expected = np.array([2.0, -4.0, 1.0, 1.0]) - factor * 0.5 * np.array([2.0, -1.0, 1.0, 1.0])
        assert network.weights.tolist() == expected.tolist()


def test_an_updater_cannot_put_another_tensor_in_the_place_of_a_slot():
    class Replacing(Updater):
        slots = ("last",)

        def step(self, w, g, slots, lr, momentum, n):
            slots["last"] = g.clone()

    network = Network(declare(parse([["ClassificationOutputLayer"]]), (1,), 2))
    with pytest.raises(TypeError):
        Update(network, Replacing(), None)(0.5, 0.0, 1)


# Parameters of b are between those of a and c, which have the same factor; the weight of c is fixed.
RATES = [
    ["FCLayer", {"name": "a", "n_units": 6, "activation": "prelu", "l2": 0.3, "lr_factor": 0.25}],
    ["FCLayer", {"name": "b", "n_units": 5, "l2": 0.3, "l1": 0.01}],
    ["BatchNormLayer", {"name": "norm", "lr_factor": 4.0}],
    ["FCLayer", {"name": "c", "n_units": 4, "lr_factor": 0.25, "fix_params": ["W"]}],
    ["ClassificationOutputLayer", {"name": "out", "l2": 0.2, "lr_factor": 3.0}],
]
FACTORS = {"a": 0.25, "b": 1.0, "norm": 4.0, "c": 0.25, "out": 3.0}
OF_TORCH = {
    "sgd": lambda p, lr: torch.optim.SGD(p, lr=lr),
    "nag": lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9, nesterov=True),
    "rmsprop": lambda p, lr: torch.optim.RMSprop(p, lr=lr, alpha=0.9, eps=1e-6),
    "adam": lambda p, lr: torch.optim.Adam(p, lr=lr),
    "adamw": lambda p, lr: torch.optim.AdamW(p, lr=lr, weight_decay=0.0),
    "nadam": lambda p, lr: torch.optim.NAdam(p, lr=lr),
}


@pytest.mark.parametrize("max_grad_norm", [None, 1e30])
@pytest.mark.parametrize("updater", OF_TORCH)
def test_a_factor_of_the_learning_rate_is_that_of_a_group_of_torch(updater, max_grad_norm):
    network = Network(declare(parse(RATES), (7,), 3))
    network.initialise(5)
    start = network.arrays()
    update = Update(
        network, build("updater", [updater, {"weight_decay": 5.0}] if updater == "adamw" else updater), max_grad_norm
    )
    gradient = torch.linspace(-1, 1, network.gradients.numel())
    theirs = {}
    for name, view in network.flat_views(gradient).items():
        layer, param = name.split(".")
        weight = torch.nn.Parameter(torch.from_numpy(start[name].copy()))
        group = {"params": [weight], "lr": 0.01 * FACTORS[layer]}
        if updater == "adamw" and param == "W":
            group["weight_decay"] = 5.0
        theirs[name] = weight, view.clone(), OF_TORCH[updater]([group], 0.01)
    for n in range(1, 4):
        network.gradients.copy_(gradient)
        with torch.no_grad():
            update(0.01, 0.9, n)
            for name, (weight, slope, optimiser) in theirs.items():
                l2 = {"a.W": 0.3, "b.W": 0.3, "out.W": 0.2}.get(name, 0.0)
                weight.grad = slope + 2 * l2 * weight + (0.01 * weight.sign() if name == "b.W" else 0.0)
                optimiser.step()
    assert {"a.a", "b.W", "norm.gamma", "c.b", "out.W"} <= set(theirs) and "c.W" not in theirs
    for name, (weight, _, _) in theirs.items():
        torch.testing.assert_close(network.named[name].detach(), weight.detach(), rtol=1e-5, atol=1e-6)
    assert np.array_equal(network.arrays()["c.W"], start["c.W"])


@pytest.mark.parametrize("updater", sorted(own_names("updater")))
def test_a_factor_scales_the_steps_of_every_updater_and_not_its_gradients(updater):
    # Of one weight and its bias; a scaled gradient would leave the steps of adam and lion as they are.
    ends = {}
    for factor, lr in ((1.0, 0.01), (0.25, 0.04), (1.0, 0.04)):
        network = Network(declare(parse([["ClassificationOutputLayer", {"lr_factor": factor}]]), (1,), 2))
        network.weights.copy_(torch.tensor([2.0, -4.0, 1.0, 1.0]))
        update = Update(network, build("updater", updater), None)
        for n in range(1, 4):
            network.gradients.copy_(torch.tensor([1.0, -2.0, 0.5, -0.25]))
            update(lr, 0.9, n)
        ends[factor, lr] = network.weights.tolist(), {name: slot.tolist() for name, slot in update.slots.items()}
    assert ends[0.25, 0.04] == ends[1.0, 0.01] != ends[1.0, 0.04]


def test_parameters_of_a_layer_that_has_no_factor_take_whole_steps():
    class Shift(Layer):
        def declare_params(self, shape):
            return {"s": Param(shape, Constant())}

        def build(self, shape):
            return lambda params, x, training: x + params["s"]

    network = Network(declare([Shift(name="shift"), *parse(["ClassificationOutputLayer"])], (3,), 2))
    network.gradients.fill_(1.0)
    with torch.no_grad():
        Update(network, build("updater", "sgd"), None)(0.5, 0.0, 1)
    assert network.named["shift.s"].tolist() == [-0.5] * 3


def test_without_factors_there_is_one_step_over_the_whole_vector():
    class Record(Updater):
        slots = ("last",)

        def step(self, w, g, slots, lr, momentum, n):
            seen.append((w.numel(), g.numel(), slots["last"].numel(), lr))

    seen = []
    for layers in (LAYERS, RATES):
        network = Network(declare(parse(layers), (7,), 3))
        Update(network, Record(), None)(0.5, 0.0, 1)
        seen.append(network.weights.numel())
    (n_values, *_), n_first, *by_factor, n_second = seen
    assert n_values == n_first
    # In the order of the factors: a, and c without its weight; b; norm; out.
    sizes = [7 * 6 + 6 + 6, 4 + 4, 6 * 5 + 5 + 5, 10, 4 * 3 + 3]
    assert by_factor == [(n, n, n, 0.5 * f) for n, f in zip(sizes, (0.25, 0.25, 1.0, 4.0, 3.0), strict=True)]
    assert sum(sizes) == n_second


def test_an_own_step_of_an_updater_with_a_decay_takes_the_whole_vector():
    class Own(DecoupledUpdater):
        def step_slices(self, w, g, slots, lr, momentum, n, decay):
            raise AssertionError

        def step(self, w, g, slots, lr, momentum, n):
            seen.append(w.numel())

    seen = []
    network = Network(declare(parse([["ClassificationOutputLayer"]]), (1,), 2))
    Update(network, Own(weight_decay=0.5), None)(0.5, 0.0, 1)
    assert seen == [4]


def test_the_values_in_force_and_the_number_of_the_update_reach_the_updater():
    class Record(Updater):
        def step(self, w, g, slots, lr, momentum, n):
            seen.append((lr, momentum, n))

    seen = []
    network = Network(declare(parse([["ClassificationOutputLayer"]]), (1,), 2))
    Update(network, Record(), None)(0.5, 0.25, 7)
    assert seen == [(0.5, 0.25, 7)]


RULED = ["a.l2", "b.l1", "c.maxnorm"]


@pytest.mark.parametrize("updater", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("max_grad_norm", [None, 1e30])
def test_numbers_that_follow_a_rule_are_those_of_the_update(updater, max_grad_norm):
    # Each in place of that of its layer: 0.3, 0.01 and 0.5; other layers keep theirs.
    def after(layers, **more):
        network = Network(declare(parse(layers), (7,), 3))
        network.initialise(5)
        update = Update(network, build("updater", updater), max_grad_norm, **more)
        with torch.no_grad():
            for n, numbers in enumerate(steps, 1):
                network.gradients.copy_(torch.linspace(-1, 1, network.gradients.numel()).roll(n))
                update(0.1, 0.5, n, numbers)
        return network.arrays()

    steps = [{"a.l2": 0.125, "b.l1": 0.0625, "c.maxnorm": 0.25}] * 2
    layers = [[name, dict(params)] for name, params in LAYERS]
    layers[0][1]["l2"], layers[1][1]["l1"], layers[2][1]["maxnorm"] = 0.125, 0.0625, 0.25
    found, expected = after(LAYERS, ruled=RULED), after(layers)
    for name, values in expected.items():
        torch.testing.assert_close(torch.from_numpy(found[name]), torch.from_numpy(values), rtol=1e-6, atol=1e-7)
    assert not (found["a.W"] == after(LAYERS)["a.W"]).all() and not (found["c.W"] == after(LAYERS)["c.W"]).all()


def test_a_penalty_that_follows_a_rule_changes_from_update_to_update():
    layers = [["ClassificationOutputLayer", {"name": "out"}]]
    network = Network(declare(parse(layers), (2,), 2))
    with torch.no_grad():
        network.named["out.W"].fill_(1.0)
        update = Update(network, build("updater", "sgd"), None, ruled=["out.l2", "out.l1"])
        for n, (l2, l1, expected) in enumerate([(0.25, 0.0, 0.5), (0.0, 0.0, 0.5), (0.125, 0.25, 0.125)], 1):
            network.gradients.zero_()
            update(1.0, 0.0, n, {"out.l2": l2, "out.l1": l1})
            # w - 2 * l2 * w - l1
            assert network.named["out.W"].unique().tolist() == [expected]
            assert network.named["out.b"].unique().tolist() == [0.0]
