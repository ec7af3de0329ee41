"""Dense layers over segments against products with block diagonal matrices of SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import block_diag

from arignote import ConfigError, NNClassifier
from arignote.layers import declare, parse
from arignote.layers.base import ShapeError
from arignote.registry import build

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 3, 4)).astype(np.float32)


def of_layer(spec, x=X):
    """Return the output of a layer, and its parameters as arrays."""
    layer = build("layer", spec)
    arrays = {
        name: RNG.normal(size=param.shape).astype(np.float32)
        for name, param in layer.declare_params(x.shape[1:]).items()
    }
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    found = layer.build(x.shape[1:])(tensors, torch.from_numpy(x), True).numpy()
    assert found.shape[1:] == layer.output_shape(x.shape[1:])
    return found, arrays


def of_segments(arrays, name, n_segments):
    return [arrays[f"{name}{number or ''}"] for number in range(n_segments)]


def sums_of(arrays, n_segments):
    sums = X.reshape(5, 12).astype(np.float64) @ block_diag(*of_segments(arrays, "W", n_segments))
    return sums + np.concatenate(of_segments(arrays, "b", n_segments)) if "b" in arrays else sums


@pytest.mark.parametrize(
    ("n_segments", "lengths"), [(1, [12]), (2, [6, 6]), (5, [2, 2, 2, 2, 4]), (7, [1] * 6 + [6]), (12, [1] * 12)]
)
@pytest.mark.parametrize("use_bias", [True, False])
def test_each_segment_has_units_of_its_own_and_the_last_one_what_is_left_over(n_segments, lengths, use_bias):
    found, arrays = of_layer(["LC", {"n_units": 3, "n_segments": n_segments, "use_bias": use_bias}])
    assert [len(array) for name, array in arrays.items() if name.startswith("W")] == lengths
    assert found.shape == (5, 3 * n_segments) and ("b" in arrays) == use_bias
    sums = sums_of(arrays, n_segments)
    slopes = np.concatenate(of_segments(arrays, "a", n_segments))
    np.testing.assert_allclose(found, np.where(sums > 0, sums, slopes * sums), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n_segments", [2, 5])
def test_of_maxout_the_largest_of_neighbouring_sums_of_each_segment_is_taken(n_segments):
    found, arrays = of_layer(["LCMaxout", {"n_units": 3, "n_segments": n_segments, "maxout_k": 2}])
    sums = sums_of(arrays, n_segments)
    assert sums.shape == (5, n_segments * 6) and not [name for name in arrays if name[0] not in "Wb"]
    np.testing.assert_allclose(found, np.maximum(sums[:, ::2], sums[:, 1::2]), rtol=1e-4, atol=1e-5)


def test_units_see_their_segment_for_initial_weights_and_costs():
    layer = build("layer", ["LC", {"n_units": 3, "n_segments": 5, "activation": "relu"}])
    params = layer.declare_params((3, 4))
    fans = {name: (p.fan_in, p.fan_out, p.unit_axis) for name, p in params.items() if name.startswith("W")}
    assert fans == {"W": (2, 3, 1), "W1": (2, 3, 1), "W2": (2, 3, 1), "W3": (2, 3, 1), "W4": (4, 3, 1)}
    assert layer.n_multiply_adds((3, 4)) == 2 * 3 * 4 + 4 * 3 and params["b"].initial.value == 0.0
    maxout = build("layer", ["LCMaxout", {"n_units": 3, "n_segments": 5}])
    assert maxout.maxout_k == 5 and maxout.n_multiply_adds((3, 4)) == 12 * 15
    assert layer.notes((3, 4)) == ["the last segment has 4 inputs, the others have 2"] and layer.notes((10,)) == []


def test_more_segments_than_inputs_are_refused_by_the_name_of_the_layer():
    with pytest.raises(ShapeError, match="n_segments must be at most 12, the number of inputs; got 13"):
        build("layer", ["LC", {"n_units": 1, "n_segments": 13}]).output_shape((3, 4))
    layers = [["LCMaxoutLayer", {"n_units": 1, "n_segments": 3}], ["ClassificationOutputLayer", {"n_classes": 2}]]
    with pytest.raises(ConfigError, match="lc1: n_segments must be at most 2"):
        declare(parse(layers), (2,))


def test_the_names_of_2015_are_those_of_a_list_of_layers_that_is_fitted(digits):
    layers = [
        ["SegmentedLayer", {"name": "old", "n_units": 8, "n_segments": 4}],
        ["LCMaxoutLayer", {"n_units": 5, "n_segments": 4, "maxout_k": 2}],
        ["ClassificationOutputLayer", {"n_classes": 10}],
    ]
    classifier = NNClassifier(layers, rng=1, n_epochs=3, batch_size=64).fit(*digits)
    assert type(classifier.get_layer("old")).__name__ == "LCLayer" and classifier.get_layer("lc1").maxout_k == 2
    assert classifier.score(*digits) > 0.5
