"""Initial weights: mean, spread and range by their formulas, and the fans that layers give them."""

from __future__ import annotations

import numpy as np
import pytest
from own_parts import first_names, own_names
from scipy import stats

from arignote.errors import ConfigError
from arignote.layers import declare, parse
from arignote.registry import build
from arignote.streams import stream

SHAPE, FAN_IN, FAN_OUT = (400, 250), 400, 250
# Standard deviation, and the bound of what is uniform: that of a uniform value of this deviation is sqrt(3) times it.
CASES = {
    "normal": ({"std": 0.3, "mean": 1.0}, 0.3, None),
    "uniform": ({"range": 0.3}, 0.3 / 3**0.5, 0.3),
    "he_normal": ({"gain": 0.5}, 0.5 * (2 / FAN_IN) ** 0.5, None),
    "he_uniform": ({}, (2 / FAN_IN) ** 0.5, (6 / FAN_IN) ** 0.5),
    "glorot_normal": ({"gain": 4.0}, 4 * (2 / (FAN_IN + FAN_OUT)) ** 0.5, None),
    "glorot_uniform": ({}, (2 / (FAN_IN + FAN_OUT)) ** 0.5, (6 / (FAN_IN + FAN_OUT)) ** 0.5),
}


def drawn(name, params, seed=0):
    return build("initializer", [name, params]).draw(stream(seed, "init"), SHAPE, FAN_IN, FAN_OUT)


@pytest.mark.parametrize("name", CASES)
def test_values_have_the_mean_spread_and_bound_of_their_formula(name):
    params, std, bound = CASES[name]
    values = drawn(name, params)
    n = values.size
    assert values.shape == SHAPE and values.dtype == np.float64
    assert abs(values.mean() - params.get("mean", 0)) < 5 * std / n**0.5
    assert values.std() == pytest.approx(std, rel=5 / (2 * n) ** 0.5)
    largest = abs(values - params.get("mean", 0)).max()
    # Of as many normal values the largest is beyond four deviations.
    assert (0.999 * bound < largest <= bound) if bound else largest > 4 * std


@pytest.mark.parametrize("name", CASES)
def test_values_are_those_of_their_stream(name):
    params = CASES[name][0]
    assert np.array_equal(drawn(name, params), drawn(name, params))
    assert not np.isin(drawn(name, params, 1), drawn(name, params)).any()


def test_a_number_is_a_constant_and_aliases_are_the_same():
    assert (build("initializer", ["constant", {"value": -2.5}]).draw(None, (2, 3), 1, 1) == -2.5).all()
    table = own_names("initializer")
    assert table["he"] is table["he_normal"] and table["glorot"] is table["glorot_uniform"]
    layer = parse([["FCLayer", {"n_units": 2, "W": 0.5, "b": 1}], ["ClassificationOutputLayer"]])[1]
    assert layer.model_dump()["W"] == ["constant", {"value": 0.5}] and layer.model_dump()["b"][1] == {"value": 1.0}


def test_the_table_has_every_registered_initialiser():
    assert sorted([*CASES, "constant", "orthogonal", "sparse"]) == first_names("initializer")


@pytest.mark.parametrize(
    ("layer", "name", "fans", "initial"),
    [
        (["FCLayer", {"n_units": 5, "activation": "tanh"}], "W", (75, 5), ["glorot_uniform", {"gain": 1.0}]),
        (["FCLayer", {"n_units": 5, "activation": "sigmoid"}], "W", (75, 5), ["glorot_uniform", {"gain": 4.0}]),
        (["FCLayer", {"n_units": 5, "activation": "relu"}], "W", (75, 5), ["he_normal", {"gain": 1.0}]),
        (["FCLayer", {"n_units": 5}], "W", (75, 5), ["he_normal", {"gain": (1 + 0.25**2) ** -0.5}]),
        (["FCMaxoutLayer", {"n_units": 5}], "W", (75, 5), ["he_normal", {"gain": 2**-0.5}]),
        (
            ["ConvLayer", {"n_output_maps": 7, "filter_shape": [2, 4], "activation": "relu"}],
            "W",
            (3 * 2 * 4, 7 * 2 * 4),
            ["he_normal", {"gain": 1.0}],
        ),
        (
            ["MLPConvLayer", {"n_output_maps": 7, "filter_shape": 2, "n_units": [6], "activation": "tanh"}],
            "W1",
            (6, 7),
            ["glorot_uniform", {"gain": 1.0}],
        ),
        (["ClassificationOutputLayer", {"n_classes": 4}], "W", (75, 4), ["constant", {"value": 0.0}]),
    ],
)
def test_weights_suit_their_activation_and_count_their_connections(layer, name, fans, initial):
    layers = [layer] if "Output" in layer[0] else [layer, ["ClassificationOutputLayer", {"n_classes": 2}]]
    param = declare(parse(layers), (3, 5, 5)).placed[1].params[name]
    assert (param.fan_in, param.fan_out) == fans
    assert param.initial == build("initializer", initial)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        # Normal(0, 1) or Uniform(-1, 1) of NumPy, times the deviation or the bound; fan_in 3, fan_out 5.
        (["normal", {}], lambda n, u: 0.01 * n),
        (["normal", {"std": 2.0, "mean": -1.0}], lambda n, u: 2 * n - 1),
        (["uniform", {}], lambda n, u: 0.01 * u),
        (["uniform", {"range": 2.0}], lambda n, u: 2 * u),
        (["he_normal", {}], lambda n, u: (2 / 3) ** 0.5 * n),
        (["he_normal", {"gain": 3.0}], lambda n, u: 6**0.5 * n),
        (["he_uniform", {"gain": 3.0}], lambda n, u: 3 * (6 / 3) ** 0.5 * u),
        (["glorot_normal", {}], lambda n, u: (2 / 8) ** 0.5 * n),
        (["glorot_uniform", {}], lambda n, u: (6 / 8) ** 0.5 * u),
        (["glorot_uniform", {"gain": 4.0}], lambda n, u: 4 * (6 / 8) ** 0.5 * u),
        # The gain of Lasagne, of sqrt(2) for rectifiers, is a word too.
        (["glorot_uniform", {"gain": "relu"}], lambda n, u: 2**0.5 * (6 / 8) ** 0.5 * u),
        (["glorot_normal", {"gain": "relu"}], lambda n, u: 2**0.5 * (2 / 8) ** 0.5 * n),
        (["uniform", {"range": [-0.5, 1.5]}], lambda n, u: 0.5 + u),
        (["constant", {}], lambda n, u: 0 * n),
        (["constant", {"value": 3.5}], lambda n, u: 0 * n + 3.5),
    ],
    ids=lambda value: str(value) if isinstance(value, list) else "",
)
def test_values_are_those_of_numpy_scaled_by_the_fans(spec, expected):
    found = build("initializer", spec).draw(stream(7, "init"), (40, 3), 3, 5)
    normal, uniform = stream(7, "init").standard_normal((40, 3)), stream(7, "init").uniform(-1, 1, (40, 3))
    np.testing.assert_allclose(found, expected(normal, uniform), rtol=1e-12, atol=1e-15)
    assert found.dtype == np.float64


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (["normal", {"std": -0.1}], "std must be a number >= 0"),
        (["uniform", {"range": 0.0}], "range must be a number > 0"),
        (["he", {"gain": 0.0}], "gain must be a number > 0"),
        (["he", {"gain": "relu"}], r"gain must be a number > 0; got 'relu', whose factor sqrt\(2\) is in the formula"),
        (["glorot", {"gain": "tanh"}], "gain must be a number"),
        (["uniform", {"range": [1.0, 1.0]}], r"range must have its lower bound first; got \[1.0, 1.0\]"),
        (["orthogonal", {"gain": 0.0}], "gain must be a number > 0"),
        (["sparse", {"density": 0.0}], "density must be a number > 0"),
        (["sparse", {"density": 1.1}], "density must be a number <= 1"),
        (["sparse", {"std": 0.0}], "std must be a number > 0"),
    ],
)
def test_spreads_out_of_bounds_are_refused(spec, words):
    with pytest.raises(ConfigError, match=words):
        build("initializer", spec)


@pytest.mark.parametrize("shape", [(5, 8), (8, 5), (6, 6), (4, 3, 2, 2), (30, 3, 2, 2), (7, 1)])
@pytest.mark.parametrize(("gain", "factor"), [(1.0, 1.0), (3.0, 3.0), ("relu", 2**0.5)])
def test_orthogonal_rows_or_columns_have_the_length_of_the_gain(shape, gain, factor):
    W = build("initializer", ["orthogonal", {"gain": gain}]).draw(stream(1, "init"), shape, 1, 1)
    assert W.shape == shape and W.dtype == np.float64
    flat = W.reshape(shape[0], -1)
    product = flat @ flat.T if flat.shape[0] <= flat.shape[1] else flat.T @ flat
    np.testing.assert_allclose(product, factor**2 * np.eye(min(flat.shape)), atol=1e-12)


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
