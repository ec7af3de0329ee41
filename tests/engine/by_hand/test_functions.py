"""Gradients of layers by hand against their slow twin, autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from own_parts import first_names

from arignote import NNClassifier
from arignote.checkpoints.tensors import tensors_sha256
from arignote.engine.by_hand.tape import Tape, tape_of
from arignote.engine.network import Network
from arignote.engine.setup import Setup
from arignote.engine.step import TrainingStep
from arignote.layers import declare, parse
from arignote.layers.noise import dropout_mask
from arignote.optim.losses import NLL, Loss
from arignote.registry import build

functional = torch.nn.functional
# Maxout is left to autograd.
KNOWN = [name for name in first_names("activation") if name != "maxout"]


def step_of(layers, shape=(12,), n_classes=5, **more):
    network = Network(declare(parse(layers), shape, n_classes), Setup(**more))
    network.initialise(3)
    network.train()
    return TrainingStep(network, [build("loss", "nll")], build("updater", "sgd"))


def gradients(step, way, parts):
    """Return loss and gradients of several parts, as an update of them would add them up."""
    step.network.gradients.fill_(np.nan)
    losses = []
    for number, (x, y, weights) in enumerate(parts):
        torch.manual_seed(number)
        losses.append(float(way((x,), (y,), weights, len(y) / sum(len(y) for _, y, _ in parts), float(number > 0))))
    return losses, step.network.gradients.clone()


def compare(step, parts):
    assert isinstance(step._gradients, Tape)
    losses, found = gradients(step, step._gradients, parts)
    expected_losses, expected = gradients(step, step._by_autograd, parts)
    assert losses == pytest.approx(expected_losses, rel=1e-6)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)
    assert found.abs().max() > 0.01


def rows(n, n_in=12, n_classes=5):
    generator = torch.Generator().manual_seed(n)
    return torch.randn(n, n_in, generator=generator), torch.randint(0, n_classes, (n,), generator=generator), None


@pytest.mark.parametrize("activation", KNOWN)
@pytest.mark.parametrize("more", [{}, {"use_bias": False}, {"fix_params": ["W"]}, {"fix_params": True}], ids=str)
def test_each_activation_gives_the_gradients_of_autograd(activation, more):
    layers = [
        ["FCLayer", {"n_units": 30, "activation": activation}],
        ["DropoutLayer", {"dropout_p": 0.3}],
        ["FCLayer", {"n_units": 20, "activation": activation, **more}],
        ["GaussianNoiseLayer"],
        ["ClassificationOutputLayer", {"W": "glorot_uniform"}],
    ]
    compare(step_of(layers), [rows(17)])
    compare(step_of(layers), [rows(17), rows(4)])


def test_images_dropout_first_weights_and_shares_of_classes_give_the_gradients_of_autograd():
    layers = [
        ["InputImageLayer", {"n_pixels": [3, 4]}],
        ["DropoutLayer", {"dropout_p": 0.2}],
        ["FCLayer", {"n_units": 8}],
        ["ClassificationOutputLayer", {"W": "glorot_uniform"}],
    ]
    x, y, _ = rows(9)
    shares = torch.nn.functional.one_hot(y, 5).float() * 0.8 + 0.04
    for labels in (y, shares):
        for weights in (None, torch.linspace(0, 2, 9)):
            compare(step_of(layers), [(x, labels, weights)])


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("activation", KNOWN)
@pytest.mark.parametrize("more", [{}, {"use_bias": False, "stride": [2, 1]}, {"fix_params": ["W"]}], ids=str)
def test_convolutions_and_pooling_give_the_gradients_of_autograd(activation, more, channels_last):
    layers = [
        ["ConvLayer", {"n_output_maps": 6, "filter_shape": 3, "activation": activation}],
        ["MaxPool2DLayer", {"pool_shape": 2}],
        ["DropoutLayer", {"dropout_p": 0.2}],
        ["MLPConvLayer", {"n_output_maps": 5, "n_units": [4], "filter_shape": 2, "activation": activation, **more}],
        ["MaxPool2DLayer", {"pool_shape": [2, 1], "stride": 1}],
        ["FCLayer", {"n_units": 8, "activation": "tanh"}],
        ["ClassificationOutputLayer", {"W": "glorot_uniform"}],
    ]

    def images(n):
        x, y, weights = rows(n, 2 * 12 * 11)
        return x.view(n, 2, 12, 11), y, weights

    step = step_of(layers, (2, 12, 11), channels_last=channels_last)
    compare(step, [images(9)])
    compare(step, [images(9), images(3)])


def test_rectifying_after_pooling_gives_the_bits_of_rectifying_before():
    layers = [
        ["ConvLayer", {"n_output_maps": 6, "filter_shape": 3, "activation": "relu"}],
        ["MaxPool2DLayer", {"pool_shape": 2}],
        ["ClassificationOutputLayer", {"W": "glorot_uniform"}],
    ]
    step = step_of(layers, (1, 9, 9))
    x, y, _ = rows(20, 81)
    parts = [(x.view(20, 1, 9, 9), y, None)]
    (loss,), found = gradients(step, step._gradients, parts)
    (expected_loss,), expected = gradients(step, step._by_autograd, parts)
    assert loss == expected_loss and torch.equal(found, expected)


@pytest.mark.parametrize(
    "layer",
    [
        ["FCMaxoutLayer", {"n_units": 3}],
        ["FCLayer", {"n_units": 3, "activation": torch.relu}],
        ["FCLayer", {"n_units": 3, "activation": "maxout"}],
    ],
    ids=["FCMaxoutLayer", "a function", "maxout"],
)
def test_what_is_not_known_is_left_to_autograd(layer):
    step = step_of([layer, ["ClassificationOutputLayer", {"W": "glorot_uniform"}]])
    assert step.by_hand == ["input", "output"]
    compare(step, [rows(17), rows(4)])


def test_fit_by_hand_is_fit_by_autograd(digits, layers, monkeypatch):
    from arignote.engine import step

    by_hand = NNClassifier(layers, rng=3, n_epochs=2, batch_size=64).fit(*digits)
    monkeypatch.setattr(step, "tape_of", lambda network, losses: None)
    by_autograd = NNClassifier(layers, rng=3, n_epochs=2, batch_size=64).fit(*digits)
    assert tensors_sha256(by_hand.params) != tensors_sha256(NNClassifier(layers, rng=3, n_epochs=0).fit(*digits).params)
    for name, array in by_hand.params.items():
        np.testing.assert_allclose(array, by_autograd.params[name], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.25, 0.5, 0.8125, 77 / 256, 0.999])
def test_dropout_drops_with_its_probability_and_keeps_the_mean(p):
    torch.manual_seed(0)
    mask = dropout_mask(p)(torch.zeros(1001, 1003))
    kept = mask > 0
    n = mask.numel()
    assert abs(float(kept.float().mean()) - (1 - p)) < 5 * (p * (1 - p) / n) ** 0.5 + 1 / 65536
    assert torch.unique(mask[kept]).numel() == 1 and float(mask[kept][0]) == pytest.approx(1 / (1 - p), rel=1e-2)
    # Neighbours, which come of one word, have nothing in common.
    a, b = kept.float().flatten()[:-1], kept.float().flatten()[1:]
    if 0 < p < 0.9:
        assert abs(float(torch.corrcoef(torch.stack([a, b]))[0, 1])) < 5 / n**0.5


def gradients_of_torch(step, loss):
    """Return the gradients of `loss`, a function of leaves by parameter name, laid out as the network's."""
    leaves = {name: tensor.detach().clone().requires_grad_() for name, tensor in step.network.named.items()}
    value = loss(leaves)
    value.backward()
    flat = torch.full_like(step.network.gradients, np.nan)
    for name, view in step.network.flat_views(flat).items():
        view.copy_(leaves[name].grad)
    return value.item(), flat


@pytest.mark.parametrize("channels_last", [False, True])
def test_weights_changed_after_the_tape_was_built_are_those_that_it_uses(channels_last):
    layers = [
        ["ConvLayer", {"name": "conv", "n_output_maps": 6, "filter_shape": 3, "activation": "tanh"}],
        ["MLPConvLayer", {"name": "mlp", "n_output_maps": 5, "n_units": [4], "filter_shape": 2}],
        ["FCLayer", {"name": "fc", "n_units": 7, "activation": "prelu_shelf"}],
        ["ClassificationOutputLayer", {"name": "out"}],
    ]
    step = step_of(layers, (2, 6, 7), channels_last=channels_last)
    x, y, _ = rows(9, 2 * 6 * 7)
    x = x.view(9, 2, 6, 7)

    def loss(p):
        z = functional.conv2d(x, p["conv.W"], p["conv.b"]).tanh()
        z = functional.prelu(functional.conv2d(z, p["mlp.W"], p["mlp.b"]), p["mlp.a"])
        z = functional.prelu(functional.conv2d(z, p["mlp.W1"], p["mlp.b1"]), p["mlp.a1"])
        z = z.flatten(1) @ p["fc.W"] + p["fc.b"]
        z = (z - p["fc.c"]).relu() - p["fc.a"] * (-(z + p["fc.c"])).relu()
        return functional.cross_entropy(z @ p["out.W"] + p["out.b"], y)

    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        with torch.no_grad():
            step.network.weights.add_(torch.randn(step.network.weights.shape, generator=generator), alpha=0.2)
        expected_loss, expected = gradients_of_torch(step, loss)
        step.network.gradients.fill_(np.nan)
        assert float(step._gradients((x,), (y,), None, 1.0, 0.0)) == pytest.approx(expected_loss, rel=1e-5)
        torch.testing.assert_close(step.network.gradients, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("share", [1.0, 0.25])
def test_loss_and_gradients_of_an_output_layer_are_those_worked_out_in_numpy(share, weighted):
    step = step_of([["ClassificationOutputLayer", {"W": "glorot_uniform"}]])
    x, y, _ = rows(8)
    weights = np.linspace(0, 2, 8) if weighted else np.ones(8)
    W = step.network.arrays()["output.W"].astype(np.float64)
    logits = x.numpy() @ W
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    nll = -np.log(p[np.arange(8), y])
    to_logits = share * weights[:, None] * (p - np.eye(5)[y]) / 8
    given = torch.from_numpy(weights.astype(np.float32)) if weighted else None
    for n_times in (1, 2):
        found = step._gradients((x,), (y,), given, share, float(n_times > 1))
        assert float(found) == pytest.approx(share * (weights * nll).mean(), rel=1e-5) and not found.requires_grad
        views = step.network.flat_views(step.network.gradients)
        np.testing.assert_allclose(views["output.W"], n_times * x.numpy().T @ to_logits, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(views["output.b"], n_times * to_logits.sum(0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("layer", [["DropoutLayer", {"dropout_p": 0.3}], ["GaussianNoiseLayer", {"sigma": 0.7}]])
def test_what_disturbs_draws_once_and_its_gradient_is_that_of_what_was_drawn(layer):
    dense = ["FCLayer", {"name": "fc", "n_units": 6, "activation": "linear"}]
    step = step_of([dense, layer, ["ClassificationOutputLayer", {"name": "out", "W": "glorot_uniform"}]])
    x, y, _ = rows(8)
    torch.manual_seed(4)
    if layer[0] == "DropoutLayer":
        mask, noise = dropout_mask(0.3)(torch.zeros(8, 6)), 0.0
    else:
        mask, noise = 1.0, 0.7 * torch.randn(8, 6)

    def loss(p):
        z = (x @ p["fc.W"] + p["fc.b"]) * mask + noise
        return functional.cross_entropy(z @ p["out.W"] + p["out.b"], y)

    expected_loss, expected = gradients_of_torch(step, loss)
    torch.manual_seed(4)
    assert float(step._gradients((x,), (y,), None, 1.0, 0.0)) == pytest.approx(expected_loss, rel=1e-5)
    torch.testing.assert_close(step.network.gradients, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("pool", "stride"), [(2, None), ([3, 2], None), ([2, 3], [1, 2]), ([1, 3], [2, 1])])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_windows_and_strides_by_hand_are_those_of_torch(activation, pool, stride):
    layers = [
        ["ConvLayer", {"name": "conv", "n_output_maps": 3, "filter_shape": [2, 3], "stride": [1, 2]}],
        ["MaxPool2DLayer", {"pool_shape": pool} | ({"stride": stride} if stride else {})],
        ["ClassificationOutputLayer", {"name": "out", "W": "glorot_uniform"}],
    ]
    layers[0][1]["activation"] = activation
    step = step_of(layers, (2, 8, 13))
    x, y, _ = rows(5, 2 * 8 * 13)
    x = x.view(5, 2, 8, 13)

    def loss(p):
        z = getattr(functional.conv2d(x, p["conv.W"], p["conv.b"], (1, 2)), activation)()
        z = functional.max_pool2d(z, pool, stride)
        return functional.cross_entropy(z.flatten(1) @ p["out.W"] + p["out.b"], y)

    expected_loss, expected = gradients_of_torch(step, loss)
    assert float(step._gradients((x,), (y,), None, 1.0, 0.0)) == pytest.approx(expected_loss, rel=1e-5)
    torch.testing.assert_close(step.network.gradients, expected, rtol=1e-4, atol=1e-6)


def test_one_sigmoid_output_is_left_to_autograd():
    for n_classes, by_hand in ((1, ["input"]), (2, ["input", "output"])):
        step = step_of([["ClassificationOutputLayer", {"n_classes": n_classes, "W": "glorot_uniform"}]], n_classes=2)
        assert step.by_hand == by_hand
        compare(step, [rows(17, n_classes=2), rows(4, n_classes=2)])


@pytest.mark.parametrize(
    ("more", "by_hand"),
    [
        ({}, True),
        ({"precision": "bf16_matmul"}, True),
        ({"compile": True}, True),
        ({"precision": "bf16"}, False),
        ({"precision": "fp16"}, False),
    ],
)
def test_layers_that_compute_in_another_type_are_left_to_autograd(more, by_hand):
    network = Network(
        declare(parse([["FCLayer", {"n_units": 3}], ["ClassificationOutputLayer"]]), (4,), 2), Setup(**more)
    )
    assert (tape_of(network, [NLL()]) is not None) == by_hand


def test_the_gradient_of_a_loss_of_ones_own_is_its_own():
    class Squares(Loss):
        """The mean square distance of the logits from the class number."""

        differentiable = True

        def build(self):
            return lambda logits, y: (logits - y[:, None]).square().mean(1)

    layers = [["ClassificationOutputLayer", {"name": "out", "W": "glorot_uniform"}]]
    network = step_of(layers).network
    step = TrainingStep(network, [Squares()], build("updater", "sgd"))
    assert isinstance(step._gradients, Tape)
    x, y, _ = rows(8)
    for share in (1.0, 0.5):
        logits = x.numpy() @ network.arrays()["out.W"]
        distance = logits - y.numpy()[:, None]
        found = step._gradients((x,), (y,), None, share, 0.0)
        assert float(found) == pytest.approx(share * (distance**2).mean(), rel=1e-5)
        expected = share * x.numpy().T @ distance * 2 / distance.size
        np.testing.assert_allclose(network.flat_views(network.gradients)["out.W"], expected, rtol=1e-4, atol=1e-6)


def test_every_class_number_counts():
    # torch leaves out a class of the number that its losses ignore, by default -100.
    step = step_of([["ClassificationOutputLayer", {"W": "glorot_uniform"}]], n_classes=103)
    x, y = rows(103)[0], torch.arange(103)
    compare(step, [(x, y, None)])
    W = step.network.arrays()["output.W"]
    p = torch.from_numpy(x.numpy() @ W).softmax(1).numpy()
    assert float(step._gradients((x,), (y,), None, 1.0, 0.0)) == pytest.approx(
        -np.log(p[range(103), range(103)]).mean(), rel=1e-5
    )
    views = step.network.flat_views(step.network.gradients)
    np.testing.assert_allclose(views["output.b"], (p - np.eye(103)).sum(0) / 103, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    "behind",
    [
        [],
        [["FCLayer", {"n_units": 5, "activation": "tanh"}]],
        [["ConvLayer", {"n_output_maps": 3, "filter_shape": 2, "activation": "tanh"}]],
        [["DropoutLayer", {"dropout_p": 0.3}]],
        [["MaxPool2DLayer", {"pool_shape": 2}], ["ConvLayer", {"n_output_maps": 3, "filter_shape": 2}]],
    ],
    ids=lambda layers: layers[0][0] if layers else "nothing",
)
def test_whatever_stands_behind_a_rectified_convolution_gets_rectified_values(behind):
    first = ["ConvLayer", {"n_output_maps": 4, "filter_shape": 2, "activation": "relu"}]
    x, y, _ = rows(9, 2 * 6 * 5)
    step = step_of([first, *behind, ["ClassificationOutputLayer", {"W": "glorot_uniform"}]], (2, 6, 5))
    compare(step, [(x.view(9, 2, 6, 5), y, None)])
