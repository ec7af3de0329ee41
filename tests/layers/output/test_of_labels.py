"""Output layers of classes: their sums, their softmax, and what they take of the data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import expit, log_expit, softmax

from arignote import ConfigError, NNClassifier
from arignote.layers import declare, parse
from arignote.layers.output import OutputLayer
from arignote.registry import build

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 2, 3))
RANKS_RNG = np.random.default_rng(5)
RANKED = RANKS_RNG.normal(size=(6, 2, 3))


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


def layer(name, **params):
    return build("layer", [name, params])


def given(declared, dtype=np.float64):
    """Return random parameters of a layer, as arrays and as tensors."""
    arrays = {name: RANKS_RNG.normal(size=p.shape).astype(dtype) for name, p in declared.declare_params((2, 3)).items()}
    return arrays, {name: torch.from_numpy(array) for name, array in arrays.items()}


def probabilities(score, threshold, gaps):
    """Return probabilities between ``P(y <= k) = expit(threshold_k - score)`` (McCullagh, 1980), and thresholds."""
    thresholds = threshold + np.concatenate([[0.0], np.cumsum(np.log1p(np.exp(gaps)))])
    below = expit(thresholds - score[:, None])
    n_rows = len(score)
    return np.diff(np.hstack([np.zeros((n_rows, 1)), below, np.ones((n_rows, 1))]), axis=1), thresholds


@pytest.mark.parametrize("n_classes", [2, 3, 4, 9])
def test_ranks_have_the_probabilities_of_the_cumulative_link_model(n_classes):
    declared = layer("OrdinalOutputLayer", n_classes=n_classes)
    arrays, tensors = given(declared)
    found = declared.build((2, 3))(tensors, torch.from_numpy(RANKED), True)
    score = RANKED.reshape(6, 6) @ arrays["W"][:, 0]
    expected, thresholds = probabilities(score, arrays["threshold"][0], arrays.get("gaps", np.empty(0)))
    assert (np.diff(thresholds) > 0).all() and found.shape == (6, n_classes)
    np.testing.assert_allclose(found.exp(), expected, rtol=1e-9, atol=1e-15)
    p = declared.to_predictions()(found).numpy()
    np.testing.assert_allclose(p, expected, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    y = torch.arange(6) % n_classes
    nll = build("loss", "nll").build()(found, y)
    np.testing.assert_allclose(nll, -np.log(expected[np.arange(6), y]), rtol=1e-8)


def test_a_higher_score_makes_higher_ranks_more_probable():
    declared = layer("OrdinalOutputLayer", n_classes=4)
    tensors = {"W": torch.ones(1, 1), "threshold": torch.tensor([-4.0]), "gaps": torch.tensor([4.0, 4.0])}
    scores = torch.tensor([[-9.0], [-2.0], [2.0], [9.0]])
    log_p = declared.build((1,))(tensors, scores, True)
    assert log_p.argmax(1).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("size", [1e2, 1e4, 1e30])
def test_extreme_scores_are_finite_in_float32(n_classes, size):
    declared = layer("OrdinalOutputLayer", n_classes=n_classes)
    gaps = np.array([0.3, -40.0, 60.0][: n_classes - 2], dtype=np.float32)
    tensors = {name: torch.tensor(value, requires_grad=True) for name, value in given(declared, np.float32)[0].items()}
    tensors["W"] = torch.ones(1, 1, requires_grad=True)
    if len(gaps):
        tensors["gaps"] = torch.from_numpy(gaps).requires_grad_()
    log_p = declared.build((1,))(tensors, torch.tensor([[size], [-size], [0.0]]), True)
    assert log_p.dtype == torch.float32 and log_p.isfinite().all()
    p = declared.to_predictions()(log_p)
    assert p.sum(1).tolist() == pytest.approx([1.0] * 3, abs=1e-6)
    assert p[0, -1] == 1 and p[1, 0] == 1
    log_p.sum().backward()
    assert all(tensor.grad.isfinite().all() for tensor in tensors.values())


def test_far_from_all_thresholds_small_probabilities_keep_their_digits():
    declared = layer("OrdinalOutputLayer", n_classes=3)
    tensors = {"W": torch.ones(1, 1), "threshold": torch.tensor([-1.0]), "gaps": torch.tensor([0.5])}
    found = declared.build((1,))(tensors, torch.tensor([[60.0], [-60.0]]), True).numpy()
    upper = -1.0 + np.log1p(np.exp(0.5))
    # Where exp(-score) is small, expit(t - score) = exp(t - score).
    middle = np.log(np.exp(upper) - np.exp(-1.0)) - 60, np.log(np.exp(1.0) - np.exp(-upper)) - 60
    np.testing.assert_allclose(found[:, 1], middle, rtol=1e-6)
    np.testing.assert_allclose(found[0, 0], log_expit(-61.0), rtol=1e-6)
    np.testing.assert_allclose(found[1, 2], log_expit(-60.0 - upper), rtol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3, 4, 7])
def test_thresholds_start_one_apart_around_zero(n_classes):
    declared = layer("OrdinalOutputLayer", n_classes=n_classes)
    params = declared.declare_params((2, 3))
    assert {name: p.shape for name, p in params.items()} == {
        "W": (6, 1),
        "threshold": (1,),
        **({"gaps": (n_classes - 2,)} if n_classes > 2 else {}),
    }
    assert (params["W"].fan_in, params["W"].fan_out, params["W"].unit_axis) == (6, 1, 1)
    start = {name: p.initial.value for name, p in params.items()}
    assert start["W"] == 0.0
    _, thresholds = probabilities(np.zeros(1), start["threshold"], np.full(n_classes - 2, start.get("gaps", 0.0)))
    np.testing.assert_allclose(thresholds, np.arange(n_classes - 1) - (n_classes - 2) / 2, atol=1e-12)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"ranks": ["low"]}, r"ranks must be two or more different labels; got \['low'\]"),
        ({"ranks": ["low", "high", "low"]}, "ranks must be two or more different labels"),
        ({"ranks": ["low", "high"], "n_classes": 3}, "n_classes must be the number of ranks, 2; got 3"),
        ({"n_classes": 1}, "n_classes must be an integer >= 2; got 1"),
        ({"b": 0.5}, "thresholds are in the place of a bias"),
        ({"use_bias": False}, "thresholds are in the place of a bias"),
    ],
)
def test_ranks_that_cannot_be_are_refused(params, words):
    with pytest.raises(ConfigError, match=words):
        layer("OrdinalOutputLayer", **params)


def test_listed_ranks_are_the_outputs():
    architecture = declare(parse([["OrdinalOutputLayer", {"ranks": ["a", "b", "c"]}]]), (4,), 3)
    assert architecture.n_outputs == {"output": 3} and architecture.n_params == 4 + 1 + 1


def test_a_score_of_ranks_beyond_its_bounds_is_that_of_the_bound():
    declared = layer("OrdinalOutputLayer", n_classes=3, clip=[-1.0, 0.5])
    scores = np.array([-3.0, -1.0, -0.2, 0.4, 0.5, 8.0])
    params = {"W": torch.ones(1, 1).double(), "threshold": torch.tensor([-0.5]).double()}
    params["gaps"] = torch.tensor([np.log(np.e - 1)])
    leaf = torch.from_numpy(scores[:, None]).requires_grad_()
    found = declared.build((1,))(params, leaf, True)
    # softplus(log(e - 1)) = 1: thresholds -0.5 and 0.5.
    below = expit(np.array([-0.5, 0.5]) - np.clip(scores, -1.0, 0.5)[:, None])
    expected = np.diff(np.column_stack([np.zeros(6), below, np.ones(6)]))
    np.testing.assert_allclose(found.detach().exp(), expected, rtol=1e-6)
    found[:, 0].sum().backward()
    assert (leaf.grad[[0, 5]] == 0).all() and (leaf.grad[[2, 3]] != 0).all()
    assert declared.model_copy(update={"clip": None}) == layer("OrdinalOutputLayer", n_classes=3)
