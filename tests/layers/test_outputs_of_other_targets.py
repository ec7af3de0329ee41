"""Output layers of ranks, of several labels and of numbers, held by formulas in NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import expit, log_expit

from arignote import ConfigError
from arignote.layers import declare, parse
from arignote.registry import build

RNG = np.random.default_rng(5)
X = RNG.normal(size=(6, 2, 3))


def layer(name, **params):
    return build("layer", [name, params])


def given(declared, dtype=np.float64):
    """Return random parameters of a layer, as arrays and as tensors."""
    arrays = {name: RNG.normal(size=p.shape).astype(dtype) for name, p in declared.declare_params((2, 3)).items()}
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
    found = declared.build((2, 3))(tensors, torch.from_numpy(X), True)
    score = X.reshape(6, 6) @ arrays["W"][:, 0]
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


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize(
    ("name", "size"), [("MultilabelOutputLayer", "n_classes"), ("RegressionOutputLayer", "n_outputs")]
)
@pytest.mark.parametrize("n", [1, 3])
def test_outputs_are_the_sums_and_labels_have_their_sigmoid(name, size, n, use_bias):
    declared = layer(name, **{size: n, "use_bias": use_bias})
    params = declared.declare_params((2, 3))
    assert {key: p.shape for key, p in params.items()} == {"W": (6, n)} | ({"b": (n,)} if use_bias else {})
    assert (params["W"].fan_in, params["W"].fan_out, params["W"].unit_axis) == (6, n, 1)
    assert all(p.initial == build("initializer", ["constant", {"value": 0.0}]) for p in params.values())
    arrays, tensors = given(declared)
    sums = X.reshape(6, 6) @ arrays["W"] + arrays.get("b", 0.0)
    found = declared.build((2, 3))(tensors, torch.from_numpy(X), True)
    np.testing.assert_allclose(found, sums)
    predictions = declared.to_predictions()(found)
    np.testing.assert_allclose(predictions, expit(sums) if name.startswith("Multi") else sums)


@pytest.mark.parametrize(
    ("name", "params", "loss"),
    [
        ("OrdinalOutputLayer", {"n_classes": 2}, "nll"),
        ("OrdinalOutputLayer", {"n_classes": 5}, "nll"),
        ("OrdinalOutputLayer", {"n_classes": 5}, "brier"),
        ("MultilabelOutputLayer", {"n_classes": 3}, "bce"),
        ("RegressionOutputLayer", {"n_outputs": 3}, "squared"),
    ],
)
def test_gradients_are_those_of_differences(name, params, loss):
    declared = layer(name, **params)
    _, tensors = given(declared)
    keys, function, of_rows = list(tensors), declared.build((2, 3)), build("loss", loss).mean()
    y = torch.arange(6) % 2 if name.startswith("Ordinal") else torch.rand(6, 3, dtype=torch.float64)

    def mean(x, *values):
        return of_rows(function(dict(zip(keys, values, strict=True)), x, True), y)

    leaves = [torch.from_numpy(X), *tensors.values()]
    assert torch.autograd.gradcheck(mean, [leaf.clone().requires_grad_() for leaf in leaves])


@pytest.mark.parametrize(
    ("name", "size", "smallest"),
    [
        ("OrdinalOutputLayer", "n_classes", 2),
        ("MultilabelOutputLayer", "n_classes", 1),
        ("RegressionOutputLayer", "n_outputs", 1),
    ],
)
def test_the_number_of_outputs_is_that_of_the_target_unless_the_layer_sets_it(name, size, smallest):
    assert declare(parse([[name]]), (4,), 7).n_outputs == {"output": 7}
    assert declare(parse([[name]]), (4,), 7).spec()[-1][1][size] == 7
    assert declare(parse([[name, {size: 3}]]), (4,), 7).n_outputs == {"output": 3}
    alone = declare(parse([[name]]), (4,))
    assert alone.n_outputs == {"output": smallest} and alone.n_params == 5


def test_listed_ranks_are_the_outputs():
    architecture = declare(parse([["OrdinalOutputLayer", {"ranks": ["a", "b", "c"]}]]), (4,), 3)
    assert architecture.n_outputs == {"output": 3} and architecture.n_params == 4 + 1 + 1


@pytest.mark.parametrize(
    ("name", "params", "target"),
    [
        ("ClassificationOutputLayer", {}, ["classes", {"n_classes": None}]),
        ("ClassificationOutputLayer", {"n_classes": 1}, ["classes", {"n_classes": 1}]),
        ("MultilabelOutputLayer", {"n_classes": 4}, ["flags", {"n_classes": 4}]),
        ("OrdinalOutputLayer", {"n_classes": 4}, ["ranks", {"ranks": None, "n_classes": 4}]),
        ("OrdinalOutputLayer", {"ranks": [3, 1]}, ["ranks", {"ranks": [3, 1], "n_classes": None}]),
        ("RegressionOutputLayer", {"n_outputs": 2}, ["numbers", {"n_outputs": 2}]),
        ("RegressionOutputLayer", {"target": "same", "n_outputs": 2}, ["same", {"n_outputs": 2}]),
    ],
)
def test_each_output_layer_names_its_target(name, params, target):
    assert layer(name, **params).target_spec == target
    build("target", target)


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
