"""Pooling of windows against NumPy and torch, and the notes about pixels and steps that no window sees."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote.errors import ConfigError
from arignote.layers import declare, parse
from arignote.layers.base import ShapeError
from arignote.registry import build

X = np.random.default_rng(0).normal(size=(2, 3, 8, 7)).astype(np.float32)


def forward(layer, x=X):
    return layer.build(x.shape[1:])({}, torch.from_numpy(x), False).numpy()


@pytest.mark.parametrize(
    "params",
    [{"pool_shape": 2}, {"pool_shape": [3, 2]}, {"pool_shape": 3, "stride": 2}, {"pool_shape": 2, "stride": [3, 1]}],
    ids=str,
)
def test_the_largest_and_the_mean_of_each_window_are_taken(params):
    for name, reduced in (("MaxPool2D", np.max), ("AveragePool2D", np.mean)):
        layer = build("layer", [name, params])
        (height, width), (down, right) = layer.pool_shape, layer.stride or layer.pool_shape
        views = np.lib.stride_tricks.sliding_window_view(X, (height, width), axis=(2, 3))[:, :, ::down, ::right]
        found = forward(layer)
        np.testing.assert_allclose(found, reduced(views, axis=(4, 5)), rtol=1e-5, atol=1e-6)
        assert layer.output_shape(X.shape[1:]) == found.shape[1:]


@pytest.mark.parametrize("axes", ["NCL", "NLC"])
@pytest.mark.parametrize(
    "params", [{"pool_length": 2}, {"pool_length": 3, "stride": 2}, {"pool_length": 1, "stride": 3}]
)
def test_of_series_the_largest_and_the_mean_of_each_window_of_steps_are_taken(params, axes):
    series = X[:, :, 0]
    for name, reduced in (("MaxPool1D", np.max), ("AveragePool1D", np.mean)):
        layer = build("layer", [name, params | {"axes": axes}])
        views = np.lib.stride_tricks.sliding_window_view(series, layer.pool_length, axis=2)
        expected = reduced(views[:, :, :: layer.stride or layer.pool_length], axis=3)
        x = series if axes == "NCL" else np.ascontiguousarray(series.transpose(0, 2, 1))
        found = forward(layer, x)
        assert layer.output_shape(x.shape[1:]) == found.shape[1:]
        np.testing.assert_allclose(found if axes == "NCL" else found.transpose(0, 2, 1), expected, rtol=1e-5, atol=1e-6)
        # One number for each step is one channel.
        of_one = forward(layer, np.ascontiguousarray(series[:, 0]))
        np.testing.assert_array_equal(of_one if axes == "NCL" else of_one.transpose(0, 2, 1), expected[:, :1])


def test_of_series_steps_that_no_window_sees_are_reported_and_too_long_windows_refused():
    layer = build("layer", ["MaxPool1D", {"pool_length": 3}])
    assert layer.notes((2, 8)) == ["stride 3 leaves the last 2 of 8 steps out"]
    assert build("layer", ["AveragePool1D", {"pool_length": 3, "axes": "NLC"}]).notes((8, 2)) == layer.notes((2, 8))
    with pytest.raises(ShapeError, match="pool_length 3 is larger than its series of 2 steps"):
        layer.output_shape((8, 2))
    with pytest.raises(ShapeError, match=r"needs series \(channels, steps\) or \(steps,\); got \(1, 8, 8\)"):
        layer.output_shape((1, 8, 8))


@pytest.mark.parametrize(
    ("params", "shape", "notes"),
    [
        ({"pool_shape": 2}, (1, 8, 8), []),
        ({"pool_shape": 3}, (1, 8, 9), ["stride 3 leaves the last 2 of 8 rows out"]),
        ({"pool_shape": 8, "stride": 3}, (1, 8, 9), ["stride 3 leaves the last 1 of 9 columns out"]),
        (
            {"pool_shape": 1, "stride": [2, 1]},
            (1, 7, 7),
            ["stride 2 is larger than the window 1: rows between windows"],
        ),
    ],
)
def test_pixels_that_no_window_sees_are_reported(params, shape, notes):
    found = build("layer", ["MaxPool2D", params]).notes(shape)
    assert len(found) == len(notes) and all(one.startswith(note) for one, note in zip(found, notes, strict=True))


@pytest.mark.parametrize(
    "name", ["AveragePool2DLayer", "MaxPool2DLayer", "GlobalAveragePoolLayer", "GlobalMaxPoolLayer"]
)
def test_rows_that_are_not_images_are_refused_with_a_hint(name):
    params = {"pool_shape": 2} if "2D" in name else {}
    layers = parse([[name, params], ["ClassificationOutputLayer", {"n_classes": 2}]])
    with pytest.raises(ConfigError, match=r"pool1: needs images .*got \(64,\)\. Put \[\"InputImageLayer\""):
        declare(layers, (64,))
    with pytest.raises(ShapeError, match=r"pool_shape \[3, 9\] is larger than its map \[8, 7\]"):
        build("layer", ["MaxPool2D", {"pool_shape": [3, 9]}]).output_shape((3, 8, 7))


def test_a_window_of_one_number_is_square_and_steps_by_itself():
    layer = build("layer", ["MaxPool2D", {"pool_shape": 3}])
    assert layer.pool_shape == (3, 3) and layer.stride is None and layer.output_shape((2, 9, 7)) == (2, 3, 2)
    assert layer.notes((2, 9, 7)) == ["stride 3 leaves the last 1 of 7 columns out"]
    strided = build("layer", ["MaxPool2D", {"pool_shape": [3, 2], "stride": [1, 2]}])
    assert strided.output_shape((2, 9, 7)) == (2, 7, 3)
    assert strided.notes((2, 9, 7)) == ["stride 2 leaves the last 1 of 7 columns out"]


def test_the_gradient_of_pooling_goes_to_the_largest_and_to_all_of_a_mean():
    x = torch.tensor([[[[1.0, 5.0], [3.0, 2.0]]]]).requires_grad_()
    build("layer", ["MaxPool2D", {"pool_shape": 2}]).build((1, 2, 2))({}, x, True).sum().backward()
    assert x.grad.tolist() == [[[[0.0, 1.0], [0.0, 0.0]]]]
    x.grad = None
    build("layer", ["AveragePool2D", {"pool_shape": [1, 2]}]).build((1, 2, 2))({}, x, True)[..., 0, :].sum().backward()
    assert x.grad.tolist() == [[[[0.5, 0.5], [0.0, 0.0]]]]


def pad_of(params):
    """Return the pad as numbers; with "same" a map keeps its size at stride 1: half of the window less one."""
    pad, window = params.get("pad", 0), params["pool"]
    if pad == "valid":
        return 0
    if pad == "same":
        return (window - 1) // 2 if isinstance(window, int) else [(n - 1) // 2 for n in window]
    return pad


def padded_views(x, params, value):
    """Return the windows of maps that are surrounded by `value`."""
    n_axes = x.ndim - 2
    window, stride, pad = (
        [given] * n_axes if isinstance(given, int) else given
        for given in (params["pool"], params.get("stride", params["pool"]), pad_of(params))
    )
    padded = np.pad(x.astype(np.float64), [(0, 0), (0, 0), *((p, p) for p in pad)], constant_values=value)
    views = np.lib.stride_tricks.sliding_window_view(padded, window, axis=tuple(range(2, x.ndim)))
    return views[(..., *(slice(None, None, s) for s in stride), *[slice(None)] * n_axes)]


VOLUMES = np.random.default_rng(1).normal(size=(2, 3, 6, 5, 7)).astype(np.float32)
PADDED = [
    ("1D", {"pool": 3, "pad": "same", "stride": 2}),
    ("2D", {"pool": [3, 5], "pad": "same", "stride": 1}),
    ("3D", {"pool": [1, 3, 3], "pad": "same"}),
    ("2D", {"pool": 2, "pad": "valid"}),
    ("1D", {"pool": 3, "pad": 1}),
    ("1D", {"pool": 4, "pad": 2, "stride": 1}),
    ("2D", {"pool": 3, "pad": 1, "stride": 2}),
    ("2D", {"pool": [2, 5], "pad": [0, 2], "stride": [1, 2]}),
    ("2D", {"pool": [4, 1], "pad": [2, 0]}),
    ("3D", {"pool": 2}),
    ("3D", {"pool": [3, 1, 2], "stride": [1, 2, 3]}),
    ("3D", {"pool": [2, 3, 5], "pad": [1, 0, 2], "stride": [1, 2, 2]}),
    ("3D", {"pool": [4, 2, 3], "pad": [0, 1, 1], "stride": [2, 1, 3]}),
]


@pytest.mark.parametrize(("axes", "params"), PADDED, ids=str)
def test_what_is_around_a_map_is_never_the_largest_and_counts_in_a_mean_as_zeros_or_not_at_all(axes, params):
    # Negative values, which are smaller than zeros around them.
    x = -np.abs({"1D": X[:, :, 0], "2D": X, "3D": VOLUMES}[axes]) - 1
    window = "pool_length" if axes == "1D" else "pool_shape"
    given = {window if key == "pool" else key: value for key, value in params.items()}
    reduced = tuple(range(x.ndim, 2 * x.ndim - 2))
    for name, more, value, reduce in (
        ("MaxPool", {}, -np.inf, np.max),
        ("AveragePool", {}, 0.0, np.mean),
        ("AveragePool", {"count_include_pad": True}, 0.0, np.mean),
        ("AveragePool", {"count_include_pad": False}, np.nan, np.nanmean),
    ):
        layer = build("layer", [name + axes, given | more])
        found, expected = forward(layer, x), reduce(padded_views(x, params, value), axis=reduced)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        assert layer.output_shape(x.shape[1:]) == found.shape[1:]


@pytest.mark.parametrize(("axes", "params"), PADDED, ids=str)
def test_outputs_and_gradients_of_padded_pools_are_those_of_torch(axes, params):
    x = {"1D": X[:, :, 0], "2D": X, "3D": VOLUMES}[axes]
    window = "pool_length" if axes == "1D" else "pool_shape"
    given = {window if key == "pool" else key: value for key, value in params.items()}
    stride, pad = params.get("stride"), pad_of(params)
    of_torch = [
        ("MaxPool", {}, getattr(torch.nn, f"MaxPool{axes.lower()}")(params["pool"], stride, pad)),
        *(
            ("AveragePool", {"count_include_pad": counts}, avg(params["pool"], stride, pad, count_include_pad=counts))
            for avg in [getattr(torch.nn, f"AvgPool{axes.lower()}")]
            for counts in (True, False)
        ),
    ]
    for name, more, expected in of_torch:
        mine, theirs = (torch.from_numpy(x.copy()).requires_grad_() for _ in range(2))
        layer = build("layer", [name + axes, given | more])
        y, z = layer.build(x.shape[1:])({}, mine, True), expected(theirs)
        torch.testing.assert_close(y, z)
        weights = torch.linspace(-1, 2, y.numel()).view_as(y)
        (y * weights).sum().backward()
        (z * weights).sum().backward()
        torch.testing.assert_close(mine.grad, theirs.grad)


# Eight rows and seven columns, series of eight steps, volumes of 6 x 5 x 7; a last window that would begin in the zeros
# behind a map is none.
PARTIAL = [
    ("1D", {"pool": 3}),
    ("1D", {"pool": 4, "stride": 3, "pad": 2}),
    ("2D", {"pool": [3, 2]}),
    ("2D", {"pool": 3, "stride": [2, 4]}),
    ("2D", {"pool": [5, 2], "stride": [3, 3], "pad": [2, 1]}),
    ("2D", {"pool": [2, 2], "stride": [5, 3], "pad": [1, 1]}),
    ("2D", {"pool": 1, "stride": 5}),
    ("3D", {"pool": [4, 2, 3]}),
    ("3D", {"pool": [4, 3, 2], "pad": [1, 1, 1], "stride": [3, 2, 4]}),
]


def reduced_windows(x, params, reduce):
    """Return what `reduce` makes of each window, cut at the end of a map and of its pad, by a loop over windows."""
    n_axes = x.ndim - 2
    window, stride, pad = (
        [given] * n_axes if isinstance(given, int) else given
        for given in (params["pool"], params.get("stride", params["pool"]), params.get("pad", 0))
    )
    sizes = list(zip(x.shape[2:], window, stride, pad, strict=True))
    # All windows that are whole, and one more, if it has a value that these have not, and begins in the map.
    begins = [[a for a in range(-p, n, s) if a == -p or a - s + w < n + p] for n, w, s, p in sizes]
    found = np.empty((*x.shape[:2], *map(len, begins)))
    for place in np.ndindex(*map(len, begins)):
        first = [begin[at] for begin, at in zip(begins, place, strict=True)]
        axes = list(zip(first, sizes, strict=True))
        inside = [slice(max(a, 0), min(a + w, n)) for a, (n, w, _, _) in axes]
        n_padded = np.prod([min(a + w, n + p) - a for a, (n, w, _, p) in axes])
        values = x[(slice(None), slice(None), *inside)].reshape(*x.shape[:2], -1)
        found[(slice(None), slice(None), *place)] = reduce(values.astype(np.float64), n_padded)
    return found


@pytest.mark.parametrize(("axes", "params"), PARTIAL, ids=str)
def test_without_ignore_border_a_last_window_has_the_values_that_are_left(axes, params):
    x = {"1D": X[:, :, 0], "2D": X, "3D": VOLUMES}[axes]
    window = "pool_length" if axes == "1D" else "pool_shape"
    given = {window if key == "pool" else key: value for key, value in params.items()} | {"ignore_border": False}
    avg = getattr(torch.nn, f"AvgPool{axes.lower()}")
    arguments = params["pool"], params.get("stride"), params.get("pad", 0)
    for name, more, reduce, of_torch in (
        ("MaxPool", {}, lambda v, n: v.max(-1), getattr(torch.nn, f"MaxPool{axes.lower()}")),
        ("AveragePool", {}, lambda v, n: v.sum(-1) / n, avg),
        ("AveragePool", {"count_include_pad": False}, lambda v, n: v.mean(-1), avg),
    ):
        layer = build("layer", [name + axes, given | more])
        mine, theirs = (torch.from_numpy(x.copy()).requires_grad_() for _ in range(2))
        y, z = layer.build(x.shape[1:])({}, mine, True), of_torch(*arguments, ceil_mode=True, **more)(theirs)
        np.testing.assert_allclose(y.detach().numpy(), reduced_windows(x, params, reduce), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(y, z)
        assert layer.output_shape(x.shape[1:]) == y.shape[1:]
        weights = torch.linspace(-1, 2, y.numel()).view_as(y)
        (y * weights).sum().backward()
        (z * weights).sum().backward()
        torch.testing.assert_close(mine.grad, theirs.grad)


def test_without_ignore_border_nothing_is_left_out_but_between_windows():
    layer = build("layer", ["MaxPool2D", {"pool_shape": [3, 1], "stride": [3, 2], "ignore_border": False}])
    assert layer.notes((1, 8, 8)) == ["stride 2 is larger than the window 1: columns between windows are left out"]
    with pytest.raises(ShapeError, match=r"pool_shape \[3, 1\] is larger than its map \[2, 8\]"):
        layer.output_shape((1, 2, 8))


def test_notes_and_shapes_count_what_is_around_a_map():
    layer = build("layer", ["MaxPool3D", {"pool_shape": 3, "pad": [1, 0, 0], "stride": [2, 3, 4]}])
    assert layer.output_shape((2, 6, 7, 8)) == (2, 3, 2, 2)
    assert layer.notes((2, 6, 7, 8)) == [
        "stride 2 leaves the last 1 of 8 slices out",
        "stride 3 leaves the last 1 of 7 rows out",
        "stride 4 leaves the last 1 of 8 columns out",
        "stride 4 is larger than the window 3: columns between windows are left out",
    ]
    assert build("layer", ["AveragePool2D", {"pool_shape": 3, "pad": 1}]).output_shape((1, 1, 7)) == (1, 1, 3)
    with pytest.raises(ShapeError, match=r"pool_shape \[3, 3\] is larger than its map \[1, 7\]"):
        build("layer", ["AveragePool2D", {"pool_shape": 3, "pad": [0, 1]}]).output_shape((1, 1, 5))


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("MaxPool1D", {"pool_length": 3, "pad": 2}, "pad must be at most half of pool_length, 1; got 2"),
        ("AveragePool2D", {"pool_shape": [4, 3], "pad": 2}, r"half of pool_shape, \[2, 1\]; got \[2, 2\]"),
        ("MaxPool3D", {"pool_shape": 2, "pad": [1, 1, 2]}, r"half of pool_shape, \[1, 1, 1\]; got \[1, 1, 2\]"),
        ("MaxPool2D", {"pool_shape": 2, "pad": -1}, "pad must be an integer >= 0; got -1"),
        ("MaxPool2D", {"pool_shape": [3, 2], "pad": "same"}, r"'same' needs a window of odd height .*; got \[3, 2\]"),
        ("MaxPool1D", {"pool_length": 2, "pad": "same"}, "pad 'same' needs a window of odd length; got 2"),
        ("AveragePool3D", {"pool_shape": 3, "pad": "full"}, "pad must be .*'same' or 'valid'; got 'full'"),
        ("MaxPool3D", {"pool_shape": [2, 2]}, r"pool_shape must be a list of 3; got \[2, 2\]"),
        ("MaxPool3D", {"pool_shape": "(2, 2, 2)"}, r"must be a number or a list of three; .* brackets: \[3, 3, 3\]"),
        ("AveragePool3D", {"pool_shape": 2, "stride": 0}, "stride must be an integer >= 1; got 0"),
    ],
)
def test_pads_and_windows_that_cannot_be_are_refused(name, params, message):
    with pytest.raises(ConfigError, match=message):
        build("layer", [name, params])


def test_rows_that_are_not_volumes_are_refused_with_a_hint():
    layer = build("layer", ["MaxPool3D", {"pool_shape": 2}])
    with pytest.raises(ShapeError, match=r"^needs volumes \(channels, depth, height, width\); got \(8,\)$"):
        layer.output_shape((8,))
    with pytest.raises(ShapeError, match=r"got \(8, 8, 8\)\. Write X\[:, None\] if there is one channel$"):
        layer.output_shape((8, 8, 8))
    with pytest.raises(ShapeError, match=r"use the layers of volumes, such as MaxPool3DLayer$"):
        build("layer", ["MaxPool2D", {"pool_shape": 2}]).output_shape((1, 8, 8, 8))
