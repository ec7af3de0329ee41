"""The autoencoder of a layer, against its formula in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote import ConfigError
from arignote.layers import AutoEncoderOutputLayer, DenoisingAutoEncoderLayer, FCLayer, LCLayer, declare, parse

RNG = np.random.default_rng(0)


def params_of(layer, shape, scale=1.0):
    """Return random parameters of a layer, as tensors."""
    declared = layer.declare_params(shape)
    return {
        name: torch.tensor(scale * RNG.normal(size=one.shape), dtype=torch.float32) for name, one in declared.items()
    }


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def test_the_weights_of_the_code_reconstruct_it_transposed():
    layer = AutoEncoderOutputLayer(n_units=3, activation="sigmoid", corruption_level=0.9)
    params = params_of(layer, (2, 4))
    W, b, c = (params[name].numpy() for name in ("W", "b", "b_prime"))
    assert (W.shape, b.shape, c.shape) == ((8, 3), (3,), (8,))
    x = RNG.normal(size=(5, 2, 4)).astype(np.float32)
    found = layer.build((2, 4))(params, torch.from_numpy(x), False).numpy()
    flat = x.reshape(5, 8)
    np.testing.assert_allclose(found[:, :8], sigmoid(flat @ W + b) @ W.T + c, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found[:, 8:], flat)
    np.testing.assert_array_equal(layer.to_predictions()(found), found[:, :8])
    assert layer.output_shape((2, 4)) == (16,)


def test_segments_have_codes_and_reconstructions_of_their_own():
    # Of 8 values in 3 segments the last has what is left over.
    layer = AutoEncoderOutputLayer(n_units=2, n_segments=3, activation="sigmoid")
    params = params_of(layer, (8,))
    x = RNG.normal(size=(5, 8)).astype(np.float32)
    found = layer.build((8,))(params, torch.from_numpy(x), False).numpy()[:, :8]
    z = []
    for suffix, part in zip(("", "1", "2"), np.split(x, [2, 4], axis=1), strict=True):
        W, b = params[f"W{suffix}"].numpy(), params[f"b{suffix}"].numpy()
        z.append(sigmoid(part @ W + b) @ W.T)
    np.testing.assert_allclose(found, np.concatenate(z, 1) + params["b_prime"].numpy(), rtol=1e-4, atol=1e-5)
    assert layer.notes((8,)) == ["the last segment has 4 inputs, the others have 2"]


@pytest.mark.parametrize(("level", "share"), [(0.0, 0.0), (0.3, 0.3), (0.75, 0.75)])
def test_while_training_a_share_of_the_values_is_zero_and_the_others_are_as_they_are(level, share):
    # With the identity as weights the reconstruction is the corrupted input.
    layer = AutoEncoderOutputLayer(n_units=100, activation="linear", corruption_level=level)
    params = {"W": torch.eye(100), "b": torch.zeros(100), "b_prime": torch.zeros(100)}
    torch.manual_seed(1)
    x = torch.rand(500, 100) + 1
    z, given = layer.build((100,))(params, x, True).tensor_split(2, 1)
    assert torch.equal(given, x) and torch.equal(z[z != 0], x[z != 0])
    # 50,000 values: a standard deviation of 0.0022 at most.
    assert float((z == 0).float().mean()) == pytest.approx(share, abs=0.01)
    # A rule writes its value beside the parameters.
    z, _ = layer.build((100,))(params | {"corruption_level": 0.5}, x, True).tensor_split(2, 1)
    assert float((z == 0).float().mean()) == pytest.approx(0.5, abs=0.01)


def test_a_layer_without_biases_has_none_in_its_reconstruction():
    layer = AutoEncoderOutputLayer(n_units=3, activation="linear", use_bias=False)
    assert list(layer.declare_params((4,))) == ["W"]
    params = params_of(layer, (4,))
    x = torch.ones(2, 4)
    W = params["W"].numpy()
    found = layer.build((4,))(params, x, False).numpy()
    np.testing.assert_allclose(found[:, :4], x.numpy() @ W @ W.T, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("activation", ["prelu", "prelu_shelf", "tanh"])
def test_its_parameters_but_one_are_those_of_the_layer_that_loads_them(activation):
    for layer, more in ((FCLayer, {}), (LCLayer, {"n_segments": 2}), (DenoisingAutoEncoderLayer, {})):
        own = layer(n_units=3, activation=activation, **more).declare_params((6,))
        found = AutoEncoderOutputLayer(n_units=3, activation=activation, **more).declare_params((6,))
        assert found.pop("b_prime").shape == (6,) and found == own


def test_a_denoising_layer_is_a_dense_one_in_and_outside_of_training():
    layer = DenoisingAutoEncoderLayer(n_units=3, activation="tanh", corruption_level=0.9)
    params = params_of(layer, (4,))
    x = RNG.normal(size=(5, 4)).astype(np.float32)
    for training in (True, False):
        found = layer.build((4,))(params, torch.from_numpy(x), training).numpy()
        np.testing.assert_allclose(found, np.tanh(x @ params["W"].numpy() + params["b"].numpy()), rtol=1e-5, atol=1e-6)


def test_more_segments_than_inputs_are_refused_by_the_name_of_the_layer():
    with pytest.raises(ConfigError, match="code: n_segments must be at most 4, the number of inputs; got 5"):
        declare(parse([["AutoEncoderOutputLayer", {"name": "code", "n_units": 2, "n_segments": 5}]]), (4,))
