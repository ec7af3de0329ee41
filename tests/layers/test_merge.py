"""Merge layers against NumPy, and against slices that are written out by hand."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from own_parts import own_names

from arignote import ConfigError
from arignote.layers import declare, parse
from arignote.layers.base import ShapeError
from arignote.layers.merge import AverageLayer, ConcatLayer, MaximumLayer, MergeLayer, MultiplyLayer, SumLayer

FORMULAS = {
    "SumLayer": lambda xs: functools.reduce(np.add, xs),
    "MultiplyLayer": lambda xs: functools.reduce(np.multiply, xs),
    "MaximumLayer": lambda xs: np.stack(xs).max(0),
    "AverageLayer": lambda xs: np.stack(xs).mean(0),
    "ConcatLayer": lambda xs: np.concatenate(xs, 1),
}
MERGES = {name: cls for name, cls in own_names("layer").items() if issubclass(cls, MergeLayer)}
NAMES = ["a", "b", "c"]


def arrays(*shapes, n_rows=3):
    rng = np.random.default_rng(len(shapes))
    return [rng.normal(size=(n_rows, *shape)) for shape in shapes]


def merged(layer, xs):
    """Return the output of a layer in float64, whose shape is the declared one."""
    shapes = [x.shape[1:] for x in xs]
    found = layer.build(*shapes)({}, [torch.from_numpy(x) for x in xs], True).numpy()
    assert found.shape[1:] == layer.output_shape(*shapes)
    return found


def test_the_table_has_every_merge_layer():
    assert sorted(MERGES) == sorted(FORMULAS)


@pytest.mark.parametrize("shape", [(4,), (2, 3, 5)], ids=str)
@pytest.mark.parametrize("n_inputs", [2, 3])
@pytest.mark.parametrize("name", FORMULAS)
def test_each_merge_layer_is_its_formula(name, n_inputs, shape):
    xs = arrays(*[shape] * n_inputs)
    kept = [x.copy() for x in xs]
    found = merged(MERGES[name](inputs=NAMES[:n_inputs]), xs)
    np.testing.assert_allclose(found, FORMULAS[name](xs), rtol=1e-14, atol=1e-15)
    assert all(np.array_equal(x, before) for x, before in zip(xs, kept, strict=True))


@pytest.mark.parametrize("crop", ["none", "center"])
@pytest.mark.parametrize("name", FORMULAS)
def test_the_gradient_is_that_of_finite_differences(name, crop):
    shapes = [(2, 3, 4), (2, 3, 4), (2, 3, 4)] if crop == "none" else [(2, 3, 4), (2, 5, 3), (2, 4, 6)]
    layer = MERGES[name](inputs=NAMES, crop=crop)
    forward = layer.build(*shapes)
    xs = [torch.from_numpy(x).requires_grad_() for x in arrays(*shapes, n_rows=2)]
    assert torch.autograd.gradcheck(lambda *xs: forward({}, list(xs), True), xs, eps=1e-6, atol=1e-7)


# Heights 5 and 2, widths 4 and 7: which rows of the first and which columns of the second are kept.
KEPT = {
    "lower": (slice(0, 2), slice(0, 4)),
    # (5 - 2) // 2 = 1 row before, 2 behind; (7 - 4) // 2 = 1 column before, 2 behind.
    "center": (slice(1, 3), slice(1, 5)),
    "upper": (slice(3, 5), slice(3, 7)),
}


@pytest.mark.parametrize("crop", KEPT)
@pytest.mark.parametrize("name", FORMULAS)
def test_pixels_that_only_some_inputs_have_are_left_out(name, crop):
    tall, wide = arrays((3, 5, 4), (3, 2, 7))
    rows, columns = KEPT[crop]
    found = merged(MERGES[name](inputs=["tall", "wide"], crop=crop), [tall, wide])
    np.testing.assert_allclose(found, FORMULAS[name]([tall[:, :, rows], wide[:, :, :, columns]]), rtol=1e-14)


@pytest.mark.parametrize(
    ("large", "small", "kept"),
    [(7, 7, slice(0, 7)), (7, 6, slice(0, 6)), (7, 5, slice(1, 6)), (7, 4, slice(1, 5)), (7, 1, slice(3, 4))],
)
def test_the_center_of_odd_and_even_sizes(large, small, kept):
    xs = arrays((1, large, large), (1, small, small))
    found = merged(SumLayer(inputs=["a", "b"], crop="center"), xs)
    np.testing.assert_allclose(found, xs[0][:, :, kept, kept] + xs[1], rtol=1e-14)


def test_crop_does_not_change_inputs_of_equal_shapes_or_vectors():
    for shape in ((4,), (2, 3, 3)):
        xs = arrays(shape, shape)
        for crop in ("none", "lower", "center", "upper"):
            assert np.array_equal(merged(SumLayer(inputs=["a", "b"], crop=crop), xs), xs[0] + xs[1])


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_concat_joins_along_its_axis(axis):
    shape = [2, 3, 4]
    shapes = [tuple(n + k * (at == axis - 1) for at, n in enumerate(shape)) for k in range(3)]
    xs = arrays(*shapes)
    found = merged(ConcatLayer(inputs=NAMES, axis=axis), xs)
    np.testing.assert_array_equal(found, np.concatenate(xs, axis))
    assert np.array_equal(np.take(found, range(shape[axis - 1]), axis), xs[0])


def test_concat_crops_all_axes_but_its_own_and_that_of_channels():
    a, b = arrays((2, 5, 3), (2, 4, 6))
    found = merged(ConcatLayer(inputs=["a", "b"], axis=2, crop="upper"), [a, b])
    np.testing.assert_array_equal(found, np.concatenate([a, b[:, :, :, 3:]], 2))
    c, d = arrays((2, 5, 3), (7, 4, 6))
    found = merged(ConcatLayer(inputs=["a", "b"], crop="lower"), [c, d])
    np.testing.assert_array_equal(found, np.concatenate([c[:, :, :4], d[:, :, :4, :3]], 1))


CROP = '. With crop="center" pixels that only some have are left out'


@pytest.mark.parametrize("cls", [SumLayer, MultiplyLayer, MaximumLayer, AverageLayer])
@pytest.mark.parametrize(
    ("shapes", "hint"),
    [
        (((2, 5, 5), (2, 4, 5)), CROP),
        # Cropping changes neither channels nor the number of axes; vectors have no pixels.
        (((2, 5, 5), (3, 4, 5)), ""),
        (((2, 5, 5), (50,)), ""),
        (((4,), (5,)), ""),
    ],
)
def test_unequal_shapes_are_named_with_what_would_help(cls, shapes, hint):
    with pytest.raises(ShapeError) as raised:
        cls(inputs=["first", "second"]).output_shape(*shapes)
    listed = f"{shapes[0]}, {shapes[1]}"
    assert str(raised.value) == f"the inputs first, second must have equal shapes; got {listed}{hint}"


@pytest.mark.parametrize(
    ("axis", "shapes", "hint"),
    [
        (1, ((2, 5, 5), (2, 4, 5)), CROP),
        # Channels of both are kept, so that they need not be equal.
        (1, ((8, 5, 5), (4, 4, 4)), CROP),
        (2, ((2, 5, 5), (2, 4, 4)), CROP),
        (2, ((3, 5, 5), (2, 4, 4)), ""),
        (1, ((2, 5, 5), (50,)), ""),
    ],
)
def test_shapes_that_cannot_be_joined_are_named_with_what_would_help(axis, shapes, hint):
    with pytest.raises(ShapeError) as raised:
        ConcatLayer(inputs=["first", "second"], axis=axis).output_shape(*shapes)
    message = f"the inputs first, second must have equal shapes but for axis {axis}; got {shapes[0]}, {shapes[1]}"
    assert str(raised.value) == message + hint
    if hint:
        assert ConcatLayer(inputs=["first", "second"], axis=axis, crop="center").output_shape(*shapes)


@pytest.mark.parametrize("crop", ["lower", "center", "upper"])
def test_channels_that_differ_are_an_error_with_any_crop_and_no_crop_is_proposed(crop):
    with pytest.raises(ShapeError, match=r"must have equal shapes; got \(2, 5, 4\), \(3, 4, 4\)$"):
        SumLayer(inputs=["a", "b"], crop=crop).output_shape((2, 5, 4), (3, 4, 4))
    with pytest.raises(ShapeError, match=r"must have equal shapes; got \(4,\), \(2, 2\)$"):
        SumLayer(inputs=["a", "b"], crop=crop).output_shape((4,), (2, 2))


def test_an_axis_that_the_inputs_do_not_have_is_an_error():
    with pytest.raises(ShapeError, match=r"^axis 2 is none of the inputs a, b; got \(3,\), \(4,\)$"):
        ConcatLayer(inputs=["a", "b"], axis=2).output_shape((3,), (4,))


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"inputs": ["a"]}, "inputs"),
        ({}, "inputs must be given"),
        ({"inputs": ["a", "b"], "input": "a"}, r"input: a merge layer takes several, inputs: \[...\]"),
        ({"inputs": ["a", "b"], "crop": "middle"}, "crop must be"),
    ],
)
def test_wrong_parameters_are_refused(params, words):
    with pytest.raises(ConfigError, match=words):
        SumLayer(**params)
    with pytest.raises(ConfigError, match="axis must be an integer >= 1; got 0"):
        ConcatLayer(inputs=["a", "b"], axis=0)


def test_the_error_of_a_network_names_the_layer():
    layers = [
        ["FCLayer", {"n_units": 3}],
        ["FCLayer", {"n_units": 4}],
        ["SumLayer", {"name": "both", "inputs": ["fc1", "fc2"]}],
        ["ClassificationOutputLayer", {"n_classes": 2}],
    ]
    with pytest.raises(ConfigError) as raised:
        declare(parse(layers), (5,))
    assert str(raised.value) == "both: the inputs fc1, fc2 must have equal shapes; got (3,), (4,)"


def test_the_same_layer_may_be_an_input_twice():
    (x,) = arrays((4,))
    np.testing.assert_allclose(merged(MultiplyLayer(inputs=["a", "a"]), [x, x]), x**2, rtol=1e-14)
