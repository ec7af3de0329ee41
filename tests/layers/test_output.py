"""Output layers of classes: logits from weights, of two classes from one sum, and from what comes in."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import softmax

from arignote import ConfigError, NNClassifier
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


@pytest.mark.parametrize(("clip", "shape"), [(None, (3,)), ([-0.5, 1.0], (3,)), ([-0.5, 1.0], (3, 1, 1))])
def test_a_softmax_output_has_the_probabilities_of_what_comes_in_within_its_bounds(clip, shape):
    x = 2 * RNG.normal(size=(5, *shape))
    layer = build("layer", ["SoftmaxOutputLayer", {} if clip is None else {"clip": clip}])
    assert layer.output_shape(shape) == (3,) and layer.declare_params(shape) == {}
    leaf = torch.from_numpy(x).requires_grad_()
    logits = layer.build(shape)({}, leaf, True)
    within = x.reshape(5, 3) if clip is None else np.clip(x.reshape(5, 3), *clip)
    p = layer.to_predictions()(logits)
    np.testing.assert_allclose(p.detach(), softmax(within, axis=1), rtol=1e-12)
    y = torch.tensor([0, 1, 2, 1, 0])
    build("loss", "nll").mean()(logits, y).backward()
    # (p - 1[y]) / n, and nothing beyond the bounds.
    expected = (softmax(within, axis=1) - np.eye(3)[y]) / 5 * (within == x.reshape(5, 3))
    np.testing.assert_allclose(leaf.grad.reshape(5, 3), expected, rtol=1e-10, atol=1e-14)


def test_a_softmax_output_needs_a_value_for_each_class():
    dense = ["FCLayer", {"n_units": 4, "activation": "linear"}]
    words = r"output: needs a value for each of 3 classes; got \(4,\)\. Put \[\"FCLayer\", \{\"n_units\": 3"
    for output, n_outputs in ((["SoftmaxOutputLayer"], 3), (["SoftmaxOutputLayer", {"n_classes": 3}], None)):
        with pytest.raises(ConfigError, match=words):
            declare(parse([dense, output]), (6,), n_outputs)
    architecture = declare(parse([dense, ["SoftmaxOutputLayer"]]), (6,), 4)
    assert architecture.n_outputs == {"output": 4} and architecture.n_params == 6 * 4 + 4
    assert architecture.outputs["output"].target_spec == ["classes", {"n_classes": 4}]
    with pytest.raises(ConfigError, match="needs a value for each of 2 classes"):
        declare(parse([["SoftmaxOutputLayer"]]), (1,))


def test_a_softmax_output_learns_what_a_classification_output_does(digits):
    hidden = ["FCLayer", {"n_units": 16, "activation": "relu"}]
    start = {"activation": "linear", "W": 0.0, "name": "output"}
    first = [hidden, ["FCLayer", {"n_units": 10} | start], ["SoftmaxOutputLayer", {"name": "softmax"}]]
    second = [hidden, ["ClassificationOutputLayer", {"name": "output"}]]
    fitted = [NNClassifier(layers, rng=1, n_epochs=2).fit(*digits) for layers in (first, second)]
    for name, values in fitted[1].params.items():
        np.testing.assert_allclose(fitted[0].params[name], values, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(*(one.predict_proba(digits[0]) for one in fitted), atol=1e-4)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"clip": [1.0, 1.0]}, r"clip must have its lower bound first; got \[1.0, 1.0\]"),
        ({"clip": [2.0, -2.0]}, "clip must have its lower bound first"),
        ({"clip": 3.0}, "clip must be a list; got 3.0"),
        ({"n_classes": 1}, "n_classes must be an integer >= 2"),
        ({"W": 0.0}, "unknown parameter 'W'"),
    ],
)
def test_bounds_that_are_none_and_weights_are_refused(params, words):
    with pytest.raises(ConfigError, match=words):
        build("layer", ["SoftmaxOutputLayer", params])
