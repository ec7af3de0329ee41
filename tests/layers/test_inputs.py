"""Input layers: which examples they take, and what becomes of them."""

from __future__ import annotations

import pytest
import torch

from arignote.errors import ConfigError
from arignote.layers import InputLayer, declare, parse
from arignote.layers.base import ShapeError
from arignote.registry import build

OUTPUT = ["ClassificationOutputLayer", {"n_classes": 2}]


@pytest.mark.parametrize("shape", [(12,), (3, 4), (1, 3, 4)])
def test_flat_rows_and_images_without_channels_become_images(shape):
    layer = build("layer", ["InputImageLayer", {"n_pixels": [3, 4]}])
    x = torch.arange(24.0).reshape(2, *shape)
    assert layer.output_shape(shape) == (1, 3, 4)
    assert torch.equal(layer.build(shape)({}, x, True), torch.arange(24.0).reshape(2, 1, 3, 4))


def test_channels_come_first_in_flat_rows():
    layer = build("layer", ["InputImageLayer", {"n_pixels": 2, "n_images": 3}])
    assert layer.output_shape((12,)) == layer.n_in == (3, 2, 2)
    image = layer.build((12,))({}, torch.arange(12.0)[None], False)[0]
    assert image[1].tolist() == [[4, 5], [6, 7]]


@pytest.mark.parametrize(
    ("spec", "shape", "words"),
    [
        (["InputImageLayer", {"n_pixels": 8}], (63,), r"images are \(1, 8, 8\), but an example has the shape \(63,\)"),
        (["InputImageLayer", {"n_pixels": 8, "n_images": 3}], (8, 8), r"images are \(3, 8, 8\), but .* \(8, 8\)"),
        (["InputImageLayer", {"n_pixels": 8, "n_images": 3}], (8, 8, 3), r"images are \(3, 8, 8\)"),
        (["InputLayer", {"n_in": 64}], (8, 8), r"n_in is \(64,\), but an example has the shape \(8, 8\)"),
    ],
)
def test_another_shape_is_refused(spec, shape, words):
    with pytest.raises(ShapeError, match=words):
        build("layer", spec).output_shape(shape)
    with pytest.raises(ConfigError, match=f"input: {words}"):
        declare(parse([spec, OUTPUT]), shape)


@pytest.mark.parametrize(("given", "n_in"), [(64, (64,)), ([8, 8], (8, 8)), ((1, 8, 8), (1, 8, 8))])
def test_the_shape_of_an_example_may_be_given_in_place_of_data(given, n_in):
    assert declare(parse([["InputLayer", {"n_in": given}], OUTPUT]), None).n_in == n_in
    with pytest.raises(ConfigError, match="the shape of an example is not known: give n_in, or data"):
        declare(parse([["InputLayer"], OUTPUT]), None)


@pytest.mark.parametrize("name", ["BC01ToC01BLayer", "C01BToBC01Layer"])
def test_layers_of_2015_that_turned_axes_do_nothing_and_warn(name):
    layers = [["InputImageLayer", {"n_pixels": 8}], [name], OUTPUT]
    architecture = declare(parse(layers), (64,))
    x = torch.randn(2, 1, 8, 8)
    assert architecture.placed[1].layer.build((1, 8, 8))({}, x, True) is x
    assert architecture.notes == ["axes1: does nothing: axes are (batch, channels, height, width) throughout"]


def test_images_whose_channels_may_be_last_are_reported():
    conv = ["ConvLayer", {"n_output_maps": 2, "filter_shape": 1}]
    notes = declare(parse([conv, OUTPUT]), (8, 8, 3)).notes
    assert notes == ["conv1: input (8, 8, 3) reads as 8 channels; if channels are last, write axes: NHWC"]
    assert declare(parse([conv, OUTPUT]), (3, 8, 8)).notes == []
    with pytest.raises(ConfigError, match=r"input \(8, 8\) has no channels; if these are images, write axes: NHW"):
        declare(parse([conv, OUTPUT]), (8, 8))


def test_an_input_layer_gives_what_comes():
    layer, x = build("layer", ["InputLayer", {"n_in": 3}]), torch.randn(2, 3)
    assert layer.build((3,))({}, x, True) is x and layer.output_shape((3,)) == (3,) and layer.channel is None
    assert build("layer", ["InputLayer"]).output_shape((5, 4)) == (5, 4)


@pytest.mark.parametrize(
    ("n_images", "shape", "fits"),
    [
        (1, (2, 3), True),
        (1, (1, 2, 3), True),
        (1, (6,), True),
        (1, (3, 2), False),
        (1, (2, 3, 1), False),
        (1, (), False),
        (2, (2, 2, 3), True),
        (2, (12,), True),
        (2, (2, 3), False),
        (2, (6,), False),
    ],
)
def test_images_come_whole_flat_or_without_the_axis_of_one_channel(n_images, shape, fits):
    layer = build("layer", ["InputImageLayer", {"n_pixels": [2, 3], "n_images": n_images}])
    if fits:
        assert layer.output_shape(shape) == (n_images, 2, 3)
    else:
        with pytest.raises(ShapeError):
            layer.output_shape(shape)


def test_an_image_has_one_channel_of_its_own_accord():
    layer = build("layer", ["InputImageLayer", {"n_pixels": 4}])
    assert (layer.n_images, layer.n_pixels, layer.n_in, layer.channel) == (1, (4, 4), (1, 4, 4), None)


def test_an_example_has_one_axis_at_least():
    with pytest.raises(ConfigError, match=r"n_in must be a list of at least 1; got \[\]"):
        InputLayer(n_in=[], lengths=True)
