"""Gradients by hand against their slow twin, autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote import NNClassifier
from arignote.engine.explicit import chain_of
from arignote.engine.modules import cross_entropy, mask_of
from arignote.engine.network import Network
from arignote.engine.setup import Setup
from arignote.engine.step import TrainingStep
from arignote.layers import declare, parse
from arignote.registry import build
from arignote.tensors import tensors_sha256

KNOWN = ["linear", "relu", "tanh", "sigmoid", "prelu", "prelu_shelf", "abstanh"]


def step_of(layers, shape=(12,), n_classes=5, **more):
    network = Network(declare(parse(layers), shape, n_classes), Setup(**more))
    network.initialise(3)
    network.train()
    return TrainingStep(network, build("loss", "nll"), build("updater", "sgd"))


def gradients(step, way, parts):
    """Return loss and gradients of several parts, as an update of them would add them up."""
    step.network.gradients.fill_(np.nan)
    losses = []
    for number, (x, y, weights) in enumerate(parts):
        torch.manual_seed(number)
        losses.append(float(way(x, y, weights, len(y) / sum(len(y) for _, y, _ in parts), float(number > 0))))
    return losses, step.network.gradients.clone()


def compare(step, parts):
    assert type(step._gradients).__name__ == "Chain"
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
        ["BatchNormLayer"],
        ["FCMaxoutLayer", {"n_units": 3}],
        ["FCLayer", {"n_units": 3, "activation": torch.relu}],
        ["FCLayer", {"n_units": 3, "activation": "maxout"}],
    ],
    ids=lambda spec: spec[0],
)
def test_what_is_not_known_is_left_to_autograd(layer):
    network = step_of([layer, ["ClassificationOutputLayer"]]).network
    assert chain_of(network, cross_entropy) is None


def test_fit_by_hand_is_fit_by_autograd(digits, layers, monkeypatch):
    from arignote.engine import step

    by_hand = NNClassifier(layers, rng=3, n_epochs=2, batch_size=64).fit(*digits)
    monkeypatch.setattr(step, "chain_of", lambda network, loss: None)
    by_autograd = NNClassifier(layers, rng=3, n_epochs=2, batch_size=64).fit(*digits)
    assert tensors_sha256(by_hand.params) != tensors_sha256(NNClassifier(layers, rng=3, n_epochs=0).fit(*digits).params)
    for name, array in by_hand.params.items():
        np.testing.assert_allclose(array, by_autograd.params[name], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.25, 0.5, 0.8125, 77 / 256, 0.999])
def test_dropout_drops_as_often_as_told_and_keeps_the_mean(p):
    torch.manual_seed(0)
    mask = mask_of(p)(torch.zeros(1001, 1003))
    kept = mask > 0
    n = mask.numel()
    assert abs(float(kept.float().mean()) - (1 - p)) < 5 * (p * (1 - p) / n) ** 0.5 + 1 / 65536
    assert torch.unique(mask[kept]).numel() == 1 and float(mask[kept][0]) == pytest.approx(1 / (1 - p), rel=1e-2)
    # Neighbours, which come of one word, have nothing in common.
    a, b = kept.float().flatten()[:-1], kept.float().flatten()[1:]
    if 0 < p < 0.9:
        assert abs(float(torch.corrcoef(torch.stack([a, b]))[0, 1])) < 5 / n**0.5
