"""Norms within one example against torch.nn, and local response normalisation against the formula of its paper."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote import ConfigError, NNClassifier
from arignote.layers import declare, parse
from arignote.registry import build

RNG = np.random.default_rng(3)
OUTPUT = ["ClassificationOutputLayer", {"n_classes": 2}]


def tensor(*shape):
    return torch.from_numpy(RNG.normal(size=shape))


# The layer, the shape of an example, that of its gamma and beta, and the module of torch.
AGAINST_TORCH = [
    (["LayerNorm", {}], (6,), (6,), torch.nn.LayerNorm(6)),
    (["LayerNorm", {"epsilon": 0.25}], (3, 4, 5), (3, 4, 5), torch.nn.LayerNorm((3, 4, 5), eps=0.25)),
    (["LayerNorm", {"n_axes": 1}], (7, 5), (5,), torch.nn.LayerNorm(5)),
    (["LayerNorm", {"n_axes": 2}], (3, 4, 5), (4, 5), torch.nn.LayerNorm((4, 5))),
    (["InstanceNorm", {}], (3, 4, 5), (3,), torch.nn.InstanceNorm2d(3, affine=True)),
    (["InstanceNorm", {"epsilon": 0.25}], (3, 8), (3,), torch.nn.InstanceNorm1d(3, 0.25, affine=True)),
    (["InstanceNorm", {}], (3, 2, 4, 5), (3,), torch.nn.InstanceNorm3d(3, affine=True)),
    (["GroupNorm", {"n_groups": 3}], (6, 4, 5), (6,), torch.nn.GroupNorm(3, 6)),
    (["GroupNorm", {"n_groups": 2, "epsilon": 0.25}], (6,), (6,), torch.nn.GroupNorm(2, 6, eps=0.25)),
    (["GroupNorm", {"n_groups": 1}], (6, 5), (6,), torch.nn.GroupNorm(1, 6)),
]


@pytest.mark.parametrize(("spec", "shape", "own", "theirs"), AGAINST_TORCH, ids=str)
def test_outputs_and_gradients_are_those_of_torch(spec, shape, own, theirs):
    layer, theirs = build("layer", spec), theirs.double()
    starts = {name: (param.shape, param.initial.value) for name, param in layer.declare_params(shape).items()}
    assert starts == {"gamma": (own, 1.0), "beta": (own, 0.0)} and layer.output_shape(shape) == shape
    params = {"gamma": tensor(*own).requires_grad_(), "beta": tensor(*own).requires_grad_()}
    theirs.load_state_dict({"weight": params["gamma"].detach(), "bias": params["beta"].detach()})
    x, g = (3 * tensor(4, *shape) + 1).requires_grad_(), tensor(4, *shape)
    for training in (True, False):
        found = layer.build(shape)(params, x, training)
        torch.testing.assert_close(found, theirs(x))
    gradients = torch.autograd.grad(found, [x, params["gamma"], params["beta"]], g)
    expected = torch.autograd.grad(theirs(x), [x, theirs.weight, theirs.bias], g)
    torch.testing.assert_close(gradients, expected)


def test_the_mean_and_variance_are_those_of_the_example():
    x = np.array([[1.0, 2.0, 6.0], [0.0, 0.0, 3.0]])
    params = {"gamma": torch.tensor([1.0, 2.0, 1.0]).double(), "beta": torch.tensor([0.0, 0.0, 5.0]).double()}
    found = build("layer", ["LayerNorm", {"epsilon": 1.0}]).build((3,))(params, torch.from_numpy(x), True)
    # Means 3 and 1; variances (4 + 1 + 9) / 3 and (1 + 1 + 4) / 3.
    a, b = (14 / 3 + 1) ** 0.5, (2 + 1) ** 0.5
    np.testing.assert_allclose(found, [[-2 / a, -2 / a, 3 / a + 5], [-1 / b, -2 / b, 2 / b + 5]])


def response_norm(x, alpha, k, beta, n):
    """Return the formula of Krizhevsky et al., 2012, section 3.3: j from max(0, i - n/2) to min(N - 1, i + n/2)."""
    found = np.empty_like(x)
    n_maps = x.shape[1]
    for i in range(n_maps):
        total = sum(x[:, j] ** 2 for j in range(max(0, i - n // 2), min(n_maps - 1, i + n // 2) + 1))
        found[:, i] = x[:, i] / (k + alpha * total) ** beta
    return found


@pytest.mark.parametrize("shape", [(7,), (7, 3), (7, 3, 2), (2, 3, 4)])
@pytest.mark.parametrize(
    "params",
    [{}, {"alpha": 0.5, "k": 1.0, "beta": 0.5, "n": 3}, {"alpha": 2.0, "k": 0.5, "beta": 1.5, "n": 1}, {"n": 9}],
    ids=str,
)
def test_the_response_of_neighbouring_maps_is_the_formula_of_the_paper(params, shape):
    x = 3 * RNG.normal(size=(4, *shape))
    layer = build("layer", ["LocalResponseNorm", params])
    found = layer.build(shape)({}, torch.from_numpy(x), True)
    # k = 2, n = 5, alpha = 1e-4 and beta = 0.75 are the constants of the paper.
    expected = response_norm(x, **{"alpha": 1e-4, "k": 2.0, "beta": 0.75, "n": 5} | params)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert layer.output_shape(shape) == shape and layer.declare_params(shape) == {}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_squares_of_lower_precision_do_not_overflow(dtype):
    x = np.array([[10.0, -300.0, 10.0, 20.0]])
    found = build("layer", "LocalResponseNorm").build((4,))({}, torch.from_numpy(x).to(dtype), True)
    # 300^2 is more than fp16 holds.
    expected = response_norm(x, 1e-4, 2.0, 0.75, 5)
    assert found.dtype == dtype
    np.testing.assert_allclose(found.double(), expected, rtol=5e-3)


def test_the_alpha_of_torch_is_divided_by_the_number_of_maps():
    theirs = torch.nn.LocalResponseNorm(5, alpha=0.3, beta=0.75, k=1.0)
    layer = build("layer", ["LocalResponseNorm", {"alpha": 0.3 / 5, "k": 1.0}])
    x = tensor(2, 6, 3, 4).requires_grad_()
    found, expected = layer.build((6, 3, 4))({}, x, True), theirs(x)
    torch.testing.assert_close(found, expected)
    g = tensor(*found.shape)
    torch.testing.assert_close(torch.autograd.grad(found, x, g), torch.autograd.grad(expected, x, g))


@pytest.mark.parametrize(
    ("spec", "shape", "words"),
    [
        (
            ["LayerNormLayer", {"n_axes": 3}],
            (4, 5),
            r"n_axes must be at most the number of axes of an example, 2; got 3",
        ),
        (["LayerNormLayer", {"n_axes": 1}], (4, 1), r"needs two or more values to normalise; got \(1,\) of \(4, 1\)"),
        (["LayerNormLayer"], (1,), r"needs two or more values to normalise; got \(1,\) of \(1,\)"),
        (["InstanceNormLayer"], (8,), r"needs maps of two or more values, .*; got \(8,\)"),
        (["InstanceNormLayer"], (8, 1, 1), r"needs maps of two or more values, .*; got \(8, 1, 1\)"),
        (["GroupNormLayer", {"n_groups": 3}], (8, 2, 2), r"n_groups must divide the number of maps, 8; got 3"),
        (["GroupNormLayer", {"n_groups": 8}], (8,), r"each group needs two or more values; got 8 groups of \(8,\)"),
    ],
)
def test_a_shape_that_cannot_be_normalised_is_refused_by_the_name_of_the_layer(spec, shape, words):
    with pytest.raises(ConfigError, match=f"norm1.*: {words}"):
        declare(parse([spec, OUTPUT]), shape)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (["LayerNorm", {"n_axes": 0}], "n_axes must be an integer >= 1; got 0"),
        (["LayerNorm", {"epsilon": 0.0}], "epsilon must be a number > 0"),
        (["GroupNorm"], "n_groups must be given"),
        (["LocalResponseNorm", {"n": 4}], "n must be an odd number; got 4. 5 has as many neighbours on each side"),
        (["LocalResponseNorm", {"k": 0.0}], "k must be a number > 0"),
        (["LocalResponseNorm", {"alpha": 0.0}], "alpha must be a number > 0"),
    ],
)
def test_parameters_out_of_bounds_are_refused(spec, words):
    with pytest.raises(ConfigError, match=words):
        build("layer", spec)


def test_fixed_norms_keep_a_gamma_of_1_and_a_beta_of_0_and_others_are_trained(digits):
    layers = [
        ["InputImageLayer", {"n_pixels": 8}],
        ["ConvLayer", {"n_output_maps": 4, "filter_shape": 3, "activation": "relu"}],
        ["GroupNormLayer", {"name": "group", "n_groups": 2}],
        ["InstanceNormLayer", {"name": "fixed", "fix_params": True}],
        ["LocalResponseNormLayer"],
        ["LayerNormLayer", {"name": "layer", "fix_params": ["g"]}],
        ["ClassificationOutputLayer"],
    ]
    params = NNClassifier(layers, rng=1, n_epochs=2).fit(*digits).params
    assert (params["fixed.gamma"] == 1).all() and (params["fixed.beta"] == 0).all()
    assert (params["layer.gamma"] == 1).all() and (params["layer.beta"] != 0).any()
    assert (params["group.gamma"] != 1).all() and (params["group.beta"] != 0).all()


def test_a_norm_of_each_step_leaves_the_padding_of_sequences_without_effect():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n, 3)).astype(np.float32) for n in rng.integers(2, 6, 40)]
    y = [int(x[:, 0].sum() > 0) for x in X]
    layers = [
        ["InputLayer", {"lengths": True}],
        ["LayerNormLayer", {"n_axes": 1}],
        ["GRULayer", {"n_units": 4, "only_last": True}],
        ["ClassificationOutputLayer"],
    ]
    fitted = NNClassifier(layers, rng=1, n_epochs=2, batch_size=8).fit(X, y)
    alone = [fitted.predict_proba([x])[0] for x in X[:5]]
    np.testing.assert_allclose(alone, fitted.predict_proba(X)[:5], rtol=1e-5)


@pytest.mark.parametrize("precision", ["bf16", "bf16_matmul"])
def test_they_train_in_lower_precision(precision, digits):
    layers = [
        ["InputImageLayer", {"n_pixels": 8}],
        ["ConvLayer", {"n_output_maps": 4, "filter_shape": 3, "activation": "relu"}],
        ["GroupNormLayer", {"n_groups": 2}],
        ["InstanceNormLayer"],
        ["LocalResponseNormLayer"],
        ["LayerNormLayer"],
        ["ClassificationOutputLayer"],
    ]
    fitted = NNClassifier(layers, rng=1, n_epochs=3, sgd_type="adam", precision=precision).fit(*digits)
    assert fitted.score(*digits) > 0.5
