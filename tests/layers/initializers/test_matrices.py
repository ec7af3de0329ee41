"""Initial weights that are matrices: orthogonal and sparse ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from arignote.errors import ConfigError
from arignote.layers import declare, parse
from arignote.registry import build
from arignote.streams import stream

SHAPE, FAN_IN, FAN_OUT = (400, 250), 400, 250


def drawn(name, params, seed=0):
    return build("initializer", [name, params]).draw(stream(seed, "init"), SHAPE, FAN_IN, FAN_OUT)


@pytest.mark.parametrize("shape", [(5, 8), (8, 5), (6, 6), (4, 3, 2, 2), (30, 3, 2, 2), (7, 1)])
@pytest.mark.parametrize(("gain", "factor"), [(1.0, 1.0), (3.0, 3.0), ("relu", 2**0.5)])
def test_orthogonal_rows_or_columns_have_the_length_of_the_gain(shape, gain, factor):
    W = build("initializer", ["orthogonal", {"gain": gain}]).draw(stream(1, "init"), shape, 1, 1)
    assert W.shape == shape and W.dtype == np.float64
    flat = W.reshape(shape[0], -1)
    product = flat @ flat.T if flat.shape[0] <= flat.shape[1] else flat.T @ flat
    np.testing.assert_allclose(product, factor**2 * np.eye(min(flat.shape)), atol=1e-12)


@pytest.mark.slow
def test_orthogonal_matrices_are_as_those_of_scipy_uniformly_distributed():
    init, n = build("initializer", "orthogonal"), 4000
    mine = np.array([init.draw(stream(k, "init"), (3, 3), 3, 3) for k in range(n)])
    theirs = stats.ortho_group(3, seed=1).rvs(n)
    # Each entry, and the trace; the QR decomposition of LAPACK alone has a diagonal of one sign.
    for of in (lambda w: w[:, 0, 0], lambda w: w[:, 2, 1], lambda w: np.trace(w, axis1=1, axis2=2)):
        assert stats.ks_2samp(of(mine), of(theirs)).pvalue > 1e-3
    assert np.mean(np.linalg.det(mine) > 0) == pytest.approx(0.5, abs=5 * 0.5 / n**0.5)


@pytest.mark.parametrize(
    ("layer", "name", "per_unit", "n_weights"),
    [
        # A column of (75, 40) for each unit; round(0.2 * 75) = 15.
        (["FCLayer", {"n_units": 40}], "W", lambda w: w.T, 15),
        # Filters of 3 * 2 * 3 = 18 weights; round(0.2 * 18) = 4.
        (["ConvLayer", {"n_output_maps": 40, "filter_shape": [2, 3]}], "W", lambda w: w.reshape(40, 18), 4),
    ],
)
def test_sparse_weights_are_few_for_each_unit_and_normal(layer, name, per_unit, n_weights):
    layer[1]["W"] = ["sparse", {"density": 0.2, "std": 0.5}]
    param = declare(parse([layer, ["ClassificationOutputLayer", {"n_classes": 2}]]), (3, 5, 5)).placed[1].params[name]
    drawn = [param.initial.draw(stream(k, "init"), param.shape, param.fan_in, param.fan_out) for k in range(100)]
    units = np.concatenate([per_unit(w) for w in drawn])
    assert ((units != 0).sum(axis=1) == n_weights).all()
    values = units[units != 0]
    assert stats.kstest(values, "norm", (0, 0.5)).pvalue > 1e-3
    # Each place is drawn as often.
    assert stats.chisquare((units != 0).sum(axis=0)).pvalue > 1e-3


def test_sparse_weights_of_recurrent_layers_are_in_their_rows_and_one_is_always_there():
    layers = [["GRULayer", {"n_units": 4, "W": ["sparse", {"density": 0.01}]}], ["ClassificationOutputLayer"]]
    params = declare(parse(layers), (6, 9), 2).placed[1].params
    W = params["W_in"].initial.draw(stream(0, "init"), params["W_in"].shape, params["W_in"].fan_in, 4)
    assert W.shape == (12, 9) and ((W != 0).sum(axis=1) == 1).all()
    defaults = build("initializer", "sparse")
    assert (defaults.density, defaults.std) == (0.1, 0.01)


@pytest.mark.parametrize("name", ["orthogonal", "sparse"])
def test_biases_and_factors_are_no_matrices(name):
    words = f"must be of single values, such as a number; got '{name}', which is for weights"
    for layer, parameter in (
        (["FCLayer", {"n_units": 2}], "b"),
        (["BiasLayer", {}], "b"),
        (["ScaleLayer", {}], "scales"),
    ):
        with pytest.raises(ConfigError, match=f"{parameter} {words}"):
            build("layer", [layer[0], layer[1] | {parameter: name}])
    assert build("initializer", name) == build("layer", ["FCLayer", {"n_units": 2, "W": name}]).W
