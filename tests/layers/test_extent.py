"""Padded, cropped and sliced examples against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote import ConfigError
from arignote.layers import declare, parse
from arignote.registry import build

RNG = np.random.default_rng(2)
OUTPUT = ["ClassificationOutputLayer", {"n_classes": 2}]


def padded(*widths, value=0.0):
    """Return the function that pads rows (n, ...) by (before, behind) of each axis of an example."""
    return lambda x: np.pad(x, ((0, 0), *widths), constant_values=value)


# The layer, the shape of an example, and the function of rows (n, ...).
FORMULAS = [
    (["Pad", {"width": 1}], (2, 3, 4), padded((0, 0), (1, 1), (1, 1))),
    (["Pad", {"width": [1, 2]}], (2, 3, 4), padded((0, 0), (1, 1), (2, 2))),
    (["Pad", {"width": [[0, 1], [2, 3]], "value": -1.5}], (2, 3, 4), padded((0, 0), (0, 1), (2, 3), value=-1.5)),
    (["Pad", {"width": [[1, 2]]}], (2, 5), padded((0, 0), (1, 2))),
    (["Pad", {"width": [[1, 2]], "axes": "NCL"}], (2, 5), padded((0, 0), (1, 2))),
    (["Pad", {"width": [[1, 2]], "axes": "NLC"}], (5, 2), padded((1, 2), (0, 0))),
    (["Pad", {"width": 2}], (5,), padded((2, 2))),
    (["Pad", {"width": 1}], (2, 3, 2, 2), padded((0, 0), (1, 1), (1, 1), (1, 1))),
    (["Pad", {"width": 0}], (2, 3, 4), lambda x: x),
    (["Crop", {"width": 1}], (2, 3, 4), lambda x: x[:, :, 1:2, 1:3]),
    (["Crop", {"width": [0, [1, 2]]}], (2, 3, 4), lambda x: x[:, :, :, 1:2]),
    (["Crop", {"width": [[0, 3]], "axes": "NLC"}], (5, 2), lambda x: x[:, :2]),
    (["Crop", {"width": [[1, 0]]}], (2, 5), lambda x: x[:, :, 1:]),
    (["Crop", {"width": 2}], (5,), lambda x: x[:, 2:3]),
    (["Slice", {"stop": 2}], (3, 4, 5), lambda x: x[:, :2]),
    (["Slice", {"start": 1, "axis": 3}], (3, 4, 5), lambda x: x[:, :, :, 1:]),
    (["Slice", {"start": -3, "stop": -1, "axis": 2}], (3, 4, 5), lambda x: x[:, :, -3:-1]),
    (["Slice", {"step": 2}], (5,), lambda x: x[:, ::2]),
    (["Slice", {"start": 1, "stop": 100, "step": 3}], (6, 2), lambda x: x[:, 1:100:3]),
    (["Slice", {"index": 0}], (3, 4), lambda x: x[:, 0]),
    (["Slice", {"index": -1, "axis": 2}], (3, 4, 5), lambda x: x[:, :, -1]),
]


@pytest.mark.parametrize(
    ("spec", "shape", "formula"), FORMULAS, ids=lambda value: None if callable(value) else str(value)
)
def test_values_are_kept_added_and_left_out_as_numpy_does_it(spec, shape, formula):
    x = RNG.normal(size=(6, *shape))
    layer, expected = build("layer", spec), formula(x)
    assert layer.output_shape(shape) == expected.shape[1:] and layer.declare_params(shape) == {}
    leaf = torch.from_numpy(x).requires_grad_()
    found = layer.build(shape)({}, leaf, True)
    assert np.array_equal(found.detach(), expected)
    found.sum().backward()
    # 1 where a value is kept, which is where it is found in the output.
    assert np.array_equal(leaf.grad, np.isin(x, expected) * 1.0)


@pytest.mark.parametrize(
    ("spec", "shape", "words"),
    [
        (
            ["PadLayer", {"width": [1]}],
            (2, 3, 4),
            r"pad1.*: width must have an entry for each of 2 axes of .*; got \[1\]",
        ),
        (
            ["PadLayer", {"width": [1, 1], "axes": "NLC"}],
            (5, 2),
            r"each of 1 axes of .*; got \[1, 1\]$",
        ),
        (
            ["CropLayer", {"axes": "NLC", "width": 1}],
            (2, 3, 4),
            r"axes 'NLC' needs series of two axes; got \(2, 3, 4\)",
        ),
        (
            ["CropLayer", {"width": [1, 2]}],
            (2, 3, 4),
            r"crop1.*: width \[1, 2\] leaves nothing of 4 rows, columns or steps",
        ),
        (
            ["SliceLayer", {"axis": 2}],
            (4,),
            r"slice1.*: axis must be at most the number of axes of an example, 1; got 2",
        ),
        (["SliceLayer", {"start": 4}], (4,), r"slice1.*: start 4 and stop None leave nothing of 4 values"),
        (["SliceLayer", {"index": 3}], (3, 2), r"slice1.*: index must be one of 3 values, -3 \.\. 2; got 3"),
        (["SliceLayer", {"index": -4}], (3, 2), r"index must be one of 3 values, -3 \.\. 2; got -4"),
        (["SliceLayer", {"index": 0}], (3,), r"index leaves no axis of an example \(3,\): use start and stop"),
    ],
)
def test_a_shape_that_does_not_fit_is_refused_by_the_name_of_the_layer(spec, shape, words):
    with pytest.raises(ConfigError, match=words):
        declare(parse([spec, OUTPUT]), shape)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (["Pad", {"width": -1}], "width must be an integer >= 0; got -1"),
        (["Pad", {"width": [1, [2, 3, 4]]}], r"width must be an integer or a list of 2; got \[2, 3, 4\]"),
        (["Pad", {"width": []}], "width must be an integer or a list of at least 1"),
        (["Pad"], "width must be given"),
        (["Slice", {"index": 1, "stop": 2}], "stop and index cannot both be set"),
        (["Slice", {"index": 1, "start": 0}], "start and index cannot both be set"),
        (["Slice", {"index": 1, "step": 2}], "step and index cannot both be set"),
        (["Slice", {"step": 0}], "step must be an integer >= 1"),
        (["Slice", {"axis": 0}], "axis must be an integer >= 1"),
    ],
)
def test_parameters_out_of_bounds_are_refused(spec, words):
    with pytest.raises(ConfigError, match=words):
        build("layer", spec)
