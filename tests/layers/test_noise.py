"""Layers that disturb: how much while training, and not at all outside it."""

from __future__ import annotations

import pytest
import torch
from beside_autograd import compare, rows, step_of
from scipy import stats

from arignote.errors import ConfigError
from arignote.layers import declare, parse
from arignote.layers.noise import dropout_mask
from arignote.registry import build

X = torch.linspace(-3, 3, 60_000).reshape(200, 300)
LAYERS = [["Dropout", {"dropout_p": 0.3}], ["GaussianNoise", {"sigma": 0.5}]]
DRAWS = [*LAYERS, ["RReLU"]]


def forward(spec, training=True, seed=0):
    torch.manual_seed(seed)
    return build("layer", spec).build(tuple(X.shape[1:]))({}, X, training)


@pytest.mark.parametrize("spec", LAYERS, ids=lambda spec: spec[0])
def test_outside_training_the_input_goes_through_as_it_is(spec):
    assert forward(spec, training=False) is X
    assert not torch.equal(forward(spec), X)


@pytest.mark.parametrize("spec", DRAWS, ids=lambda spec: spec[0])
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


# What has a value of its own in an example: the shape of the values that are drawn.
SHARED = [
    ({"per": "unit"}, (4, 6, 5), (4, 6, 5)),
    ({"per": "channel"}, (4, 6, 5), (4, 1, 1)),
    ({"per": "location"}, (4, 6, 5), (1, 6, 5)),
    ({"per": "channel"}, (6, 5), (6, 1)),
    ({"per": "channel", "axes": "NCL"}, (6, 5), (6, 1)),
    ({"per": "channel", "axes": "NLC"}, (6, 5), (1, 5)),
    ({"per": "location"}, (6, 5), (1, 5)),
    ({"per": "location", "axes": "NLC"}, (6, 5), (6, 1)),
    ({"per": "channel"}, (30,), (30,)),
]


@pytest.mark.parametrize(("params", "shape", "drawn"), SHARED, ids=str)
def test_what_is_dropped_as_a_whole_is_a_value_a_channel_or_a_location(params, shape, drawn):
    n, p = 5000, 0.3
    layer = build("layer", ["Dropout", {"dropout_p": p} | params])
    assert layer.output_shape(shape) == shape
    x = torch.full((n, *shape), 2.0)
    torch.manual_seed(0)
    found = layer.build(shape)({}, x, True)
    assert found.shape == x.shape and layer.build(shape)({}, x, False) is x
    # One value of each that is drawn, and all others are the same.
    own = found[(slice(None), *(slice(0, size) for size in drawn))]
    assert own.shape == (n, *drawn) and torch.equal(own.expand_as(found), found)
    kept = own != 0
    torch.testing.assert_close(own[kept], torch.full_like(own[kept], 2 / 0.7), rtol=1e-4, atol=0)
    share = kept.double().flatten(1)
    assert abs(float(share.mean()) - 0.7) < 5 * (p * (1 - p) / kept.numel()) ** 0.5
    # Each example, and whatever is drawn within one, is dropped on its own.
    together = torch.corrcoef(share.T) - torch.eye(share.shape[1])
    assert float(together.abs().max()) < 5 / n**0.5


def test_units_are_channels_of_one_value_each():
    assert torch.equal(forward(["Dropout", {"dropout_p": 0.3, "per": "channel"}]), forward(LAYERS[0]))


@pytest.mark.parametrize(
    ("params", "shape", "words"),
    [
        (
            {"per": "location"},
            (400,),
            r"per .location. needs images .* or series; got \(400,\)",
        ),
        ({"per": "channel", "axes": "NLC"}, (3, 8, 8), r"axes 'NLC' needs series of two axes; got \(3, 8, 8\)"),
    ],
)
def test_a_shape_without_channels_or_locations_is_refused_by_the_name_of_the_layer(params, shape, words):
    layers = [["DropoutLayer", {"name": "drop", "dropout_p": 0.5} | params], ["ClassificationOutputLayer"]]
    with pytest.raises(ConfigError, match=f"drop.*: {words}"):
        declare(parse(layers), shape, 2)
    with pytest.raises(ConfigError, match="per must be 'unit', 'channel' or 'location'"):
        build("layer", ["Dropout", {"dropout_p": 0.5, "per": "map"}])


@pytest.mark.parametrize("per", ["channel", "location"])
def test_the_gradient_by_hand_is_that_of_what_was_drawn(per):
    layers = [
        ["ConvLayer", {"n_output_maps": 3, "filter_shape": 2, "activation": "tanh"}],
        ["DropoutLayer", {"dropout_p": 0.4, "per": per}],
        ["ClassificationOutputLayer", {"W": "glorot_uniform"}],
    ]
    step = step_of(layers, (2, 4, 5))
    assert "dropout1" in step.by_hand
    x, y, _ = rows(9, 40)
    compare(step, [(x.view(9, 2, 4, 5), y, None)])


def test_a_randomised_rectifier_draws_a_slope_for_each_value_and_has_the_mean_outside_training():
    x = torch.randn(300, 400, generator=torch.Generator().manual_seed(1))
    layer = build("layer", ["RReLU", {"lower": 0.2, "upper": 0.6}])
    torch.manual_seed(0)
    found = layer.build((400,))({}, x, True)
    assert torch.equal(found[x > 0], x[x > 0])
    slopes = (found / x)[x < 0].double()
    n = slopes.numel()
    # A uniform distribution of this width: its ends, mean, deviation, and no value that repeats its neighbour.
    assert 0.2 - 1e-6 <= float(slopes.min()) < 0.2001 and 0.5999 < float(slopes.max()) <= 0.6 + 1e-6
    assert float(slopes.mean()) == pytest.approx(0.4, abs=5 * 0.4 / 12**0.5 / n**0.5)
    assert stats.kstest(slopes.numpy(), "uniform", (0.2, 0.4)).pvalue > 0.001
    assert abs(float(torch.corrcoef(torch.stack([slopes[:-1], slopes[1:]]))[0, 1])) < 5 / n**0.5
    outside = layer.build((400,))({}, x, False)
    torch.testing.assert_close(outside, torch.where(x > 0, x, 0.4 * x))


def test_the_bounds_of_a_randomised_rectifier_are_those_of_torch_and_its_mean_too():
    layer, theirs = build("layer", "RReLU"), torch.nn.RReLU()
    assert (layer.lower, layer.upper) == (theirs.lower, theirs.upper) == (1 / 8, 1 / 3)
    x = torch.linspace(-3, 3, 31).requires_grad_()
    found, expected = layer.build((31,))({}, x, False), theirs.eval()(x)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*(torch.autograd.grad(y.sum(), x) for y in (found, expected)))


def test_the_gradient_of_a_randomised_rectifier_is_the_slope_that_was_drawn():
    x = torch.full((50,), -1.0, requires_grad=True)
    found = build("layer", "RReLU").build((50,))({}, x, True)
    found.sum().backward()
    assert torch.equal(x.grad, -found.detach()) and x.grad.unique().numel() > 40


def test_bounds_of_a_slope_in_the_wrong_order_are_refused():
    with pytest.raises(ConfigError, match=r"upper must be a number >= lower, 0.5; got 0.25"):
        build("layer", ["RReLU", {"lower": 0.5, "upper": 0.25}])
    with pytest.raises(ConfigError, match="lower must be a number >= 0"):
        build("layer", ["RReLU", {"lower": -0.5}])
    equal = build("layer", ["RReLU", {"lower": 0.25, "upper": 0.25}]).build((2,))
    assert equal({}, torch.tensor([-4.0, 4.0]), True).tolist() == [-1.0, 4.0]
