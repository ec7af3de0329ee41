"""Outputs that are numbers: affine in what comes in, for a row or for each of its steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote.errors import ConfigError
from arignote.registry import build

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("per_step", "n_in", "shape"), [(False, 6, (4,)), (True, 3, (2, 4))])
def test_numbers_are_affine_in_a_row_or_in_each_step(per_step, n_in, shape):
    layer = build("layer", ["RegressionOutputLayer", {"n_outputs": 4, "per_step": per_step}])
    params = layer.declare_params((2, 3))
    assert {name: param.shape for name, param in params.items()} == {"W": (n_in, 4), "b": (4,)}
    assert layer.output_shape((2, 3)) == shape
    W, b, x = RNG.normal(size=(n_in, 4)), RNG.normal(size=4), RNG.normal(size=(5, 2, 3))
    found = layer.build((2, 3))({"W": torch.tensor(W), "b": torch.tensor(b)}, torch.tensor(x), True)
    np.testing.assert_allclose(found, (x if per_step else x.reshape(5, 6)) @ W + b, rtol=1e-12)
    assert layer.to_predictions()(found) is found


def test_weights_begin_at_the_mean_of_a_scaled_target():
    params = build("layer", "RegressionOutputLayer").declare_params((3,))
    zero = build("initializer", ["constant", {"value": 0.0}])
    assert params["W"].initial == params["b"].initial == zero and params["W"].shape == (3, 1)


def test_steps_need_targets_of_their_own():
    with pytest.raises(ConfigError, match="per_step is for targets of y; the target is the input"):
        build("layer", ["RegressionOutputLayer", {"per_step": True, "target": "same"}])
