"""The output layer: logits of its classes, and of two classes from one sum."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote.layers import declare, parse
from arignote.layers.output import OutputLayer
from arignote.registry import build

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 2, 3))


@pytest.mark.parametrize(
    ("n_classes", "output", "n_sums"), [(None, (2,), 2), (1, (2,), 1), (2, (2,), 2), (3, (3,), 3), (10, (10,), 10)]
)
def test_a_class_has_a_sum_of_its_own_but_two_may_share_one(n_classes, output, n_sums):
    layer = build("layer", ["ClassificationOutputLayer", {} if n_classes is None else {"n_classes": n_classes}])
    assert layer.output_shape((2, 3)) == output
    params = layer.declare_params((2, 3))
    assert {name: param.shape for name, param in params.items()} == {"W": (6, n_sums), "b": (n_sums,)}
    assert (params["W"].fan_in, params["W"].fan_out, params["W"].unit_axis) == (6, n_sums, 1)
    assert params["b"].unit_axis is None
    zero = build("initializer", ["constant", {"value": 0.0}])
    assert params["W"].initial == params["b"].initial == zero


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("n_classes", [1, 2, 3])
def test_logits_are_the_sums_or_zero_and_the_sum(n_classes, use_bias):
    layer = build("layer", ["ClassificationOutputLayer", {"n_classes": n_classes, "use_bias": use_bias}])
    arrays = {name: RNG.normal(size=p.shape) for name, p in layer.declare_params((2, 3)).items()}
    assert ("b" in arrays) == use_bias
    sums = X.reshape(4, 6) @ arrays["W"] + arrays.get("b", 0.0)
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    found = layer.build((2, 3))(tensors, torch.from_numpy(X), True)
    expected = sums if n_classes > 1 else np.concatenate([np.zeros((4, 1)), sums], 1)
    np.testing.assert_allclose(found, expected)
    p = layer.to_predictions()(found)
    np.testing.assert_allclose(p, np.exp(expected) / np.exp(expected).sum(axis=1, keepdims=True))
    if n_classes == 1:
        # The probability of the second class is the sigmoid.
        np.testing.assert_allclose(p[:, 1:], 1 / (1 + np.exp(-sums)))


class PairOutputLayer(OutputLayer):
    """An output layer of a user, which has two outputs and no parameter for their number."""

    @property
    def target_spec(self):
        return ["numbers", {"n_outputs": 2}]

    def to_predictions(self):
        return lambda outputs: outputs

    def output_shape(self, shape):
        return (2,)

    def build(self, shape):
        return lambda params, x, training: x[:, :2]


def test_a_layer_without_a_parameter_for_the_number_of_outputs_stays_as_it_is():
    layer = PairOutputLayer()
    assert layer.sized(2) is layer


def test_initial_weights_and_biases_may_be_given():
    params = build("layer", ["ClassificationOutputLayer", {"W": "he", "b": -1.5}]).declare_params((3,))
    assert params["W"].initial == build("initializer", "he_normal")
    assert params["b"].initial == build("initializer", ["constant", {"value": -1.5}])


def test_the_classes_of_the_data_are_taken_where_the_layer_leaves_them_out():
    assert declare(parse([["ClassificationOutputLayer"]]), (4,), 7).n_outputs == {"output": 7}
    assert declare(parse([["ClassificationOutputLayer", {"n_classes": 3}]]), (4,), 7).n_outputs == {"output": 3}
    assert declare(parse([["ClassificationOutputLayer"]]), (4,)).n_outputs == {"output": 2}
    assert declare(parse([["ClassificationOutputLayer"]]), (4,), 7).spec()[-1][1]["n_classes"] == 7
