"""Initial values that are drawn one by one: mean, spread and range by their formulas."""

from __future__ import annotations

import numpy as np
import pytest
from own_parts import first_names, own_names

from arignote.errors import ConfigError
from arignote.layers import parse
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
