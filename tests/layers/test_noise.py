"""Layers that disturb: how much while training, and not at all outside it."""

from __future__ import annotations

import pytest
import torch

from arignote.errors import ConfigError
from arignote.layers.noise import dropout_mask
from arignote.registry import build

X = torch.linspace(-3, 3, 60_000).reshape(200, 300)
LAYERS = [["Dropout", {"dropout_p": 0.3}], ["GaussianNoise", {"sigma": 0.5}]]


def forward(spec, training=True, seed=0):
    torch.manual_seed(seed)
    return build("layer", spec).build(tuple(X.shape[1:]))({}, X, training)


@pytest.mark.parametrize("spec", LAYERS, ids=lambda spec: spec[0])
def test_outside_training_the_input_goes_through_as_it_is(spec):
    assert forward(spec, training=False) is X
    assert not torch.equal(forward(spec), X)


@pytest.mark.parametrize("spec", LAYERS, ids=lambda spec: spec[0])
def test_what_is_drawn_is_that_of_the_seed(spec):
    assert torch.equal(forward(spec, seed=1), forward(spec, seed=1))
    assert not torch.equal(forward(spec, seed=1), forward(spec, seed=2))


def test_dropout_drops_with_its_probability_and_scales_what_it_keeps():
    found = forward(LAYERS[0])
    kept = found != 0
    assert abs(float(kept.float().mean()) - 0.7) < 5 * (0.3 * 0.7 / X.numel()) ** 0.5
    torch.testing.assert_close(found[kept], X[kept] / 0.7, rtol=1e-4, atol=0)


def test_noise_is_normal_with_its_deviation():
    noise = (forward(LAYERS[1]) - X).flatten()
    n = X.numel()
    assert abs(float(noise.mean())) < 5 * 0.5 / n**0.5
    assert float(noise.std()) == pytest.approx(0.5, rel=5 / (2 * n) ** 0.5)
    # Of normal values 4.55 in 100 lie beyond two deviations.
    assert float((noise.abs() > 1).float().mean()) == pytest.approx(0.0455, abs=5 * (0.0455 / n) ** 0.5)
    assert abs(float(torch.corrcoef(torch.stack([noise[:-1], noise[1:]]))[0, 1])) < 5 / n**0.5


@pytest.mark.parametrize("spec", [["Dropout", {"dropout_p": 0.0}], ["GaussianNoise", {"sigma": 0.0}]])
def test_a_probability_or_deviation_of_0_changes_nothing(spec):
    assert torch.equal(forward(spec), X)


def test_a_probability_that_follows_a_rule_takes_the_place_of_that_of_the_layer():
    layer = build("layer", ["Dropout", {"dropout_p": 0.0}]).build((300,))
    for p, kept in [(0.5, 2.0), (0.75, 4.0), (0.5, 2.0)]:
        found = layer({"dropout_p": p}, torch.ones(200, 300), True)
        assert found.unique().tolist() == [0.0, kept]
        assert float((found == 0).float().mean()) == pytest.approx(p, abs=5 * (p * (1 - p) / X.numel()) ** 0.5)
    assert layer({"dropout_p": 0.5}, X, False) is X and torch.equal(layer({}, X, True), X)


def test_a_deviation_that_follows_a_rule_takes_the_place_of_that_of_the_layer():
    layer = build("layer", ["GaussianNoise", {"sigma": 0.5}]).build((300,))
    for sigma in (2.0, 0.0):
        torch.manual_seed(3)
        found = layer({"sigma": sigma}, X, True)
        torch.manual_seed(3)
        torch.testing.assert_close(found, X + sigma * torch.randn_like(X))


def test_noise_has_a_tenth_as_its_deviation_of_its_own_accord():
    assert build("layer", "GaussianNoise").sigma == 0.1
    noise = forward(["GaussianNoise"]) - X
    assert float(noise.std()) == pytest.approx(0.1, rel=5 / (2 * X.numel()) ** 0.5)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (["Dropout", {"dropout_p": 1.0}], "dropout_p must be a number < 1"),
        (["Dropout", {"dropout_p": -0.1}], "dropout_p must be a number >= 0"),
        (["Dropout"], "dropout_p must be given"),
        (["GaussianNoise", {"sigma": -0.1}], "sigma must be a number >= 0"),
    ],
)
def test_settings_out_of_bounds_are_refused(spec, words):
    with pytest.raises(ConfigError, match=words):
        build("layer", spec)


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
