"""An activation as a layer of its own, held by its formula in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote import ConfigError
from arignote.layers.alone import ActivationLayer

RNG = np.random.default_rng(6)
A, C = np.array([0.25, 0.5, 2.0]), np.array([0.5, 0.0, 0.25])
FORMULAS = {
    "relu": lambda x, a, c: np.maximum(x, 0),
    "tanh": lambda x, a, c: np.tanh(x),
    # He et al., ICCV 2015.
    "prelu": lambda x, a, c: np.where(x > 0, x, a * x),
    "prelu_shelf": lambda x, a, c: np.where(x > c, x - c, np.where(x < -c, a * (x + c), 0.0)),
}
SLOPES = {"relu": "", "tanh": "", "prelu": "a", "prelu_shelf": "ac"}


@pytest.mark.parametrize("shape", [(3,), (3, 2, 4)], ids=["units", "maps"])
@pytest.mark.parametrize("name", FORMULAS)
def test_the_activation_is_its_formula_with_a_slope_for_each_unit_or_map(name, shape):
    layer = ActivationLayer(activation=name)
    assert layer.output_shape(shape) == shape
    params = layer.declare_params(shape)
    assert {key: param.shape for key, param in params.items()} == dict.fromkeys(SLOPES[name], (3,))
    x = RNG.normal(size=(5, *shape))
    a, c = (slope.reshape(3, *[1] * (len(shape) - 1)) for slope in (A, C))
    values = {"a": torch.from_numpy(A), "c": torch.from_numpy(C)}
    found = layer.build(shape)({key: values[key] for key in params}, torch.from_numpy(x), True)
    np.testing.assert_allclose(found, FORMULAS[name](x, a, c), rtol=1e-14)


def test_a_rectifier_with_a_slope_of_its_own_is_the_default():
    assert list(ActivationLayer().declare_params((4,))) == ["a"]


def test_an_activation_that_takes_several_sums_for_a_unit_cannot_stand_alone():
    with pytest.raises(ConfigError, match=r"activation must keep the number of units; for maxout use FCMaxoutLayer"):
        ActivationLayer(activation=["maxout", {"maxout_k": 2}])
    # One sum for each unit keeps their number.
    alone = ActivationLayer(activation=["maxout", {"maxout_k": 1}])
    x = torch.from_numpy(RNG.normal(size=(5, 3)))
    assert torch.equal(alone.build((3,))({}, x, True), x)
