"""Forward functions of layers against NumPy and torch.nn.functional, and dropout against the bits that it draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from arignote.layers import (
    BatchNormLayer,
    ClassificationOutputLayer,
    DropoutLayer,
    GaussianNoiseLayer,
    MaxPool2DLayer,
    MLPConvLayer,
)
from arignote.layers.activations import PReLUShelf
from arignote.layers.dense import affine
from arignote.layers.noise import dropout_mask
from arignote.optim.losses import NLL

RNG = np.random.default_rng(0)


def tensor(*shape, dtype=torch.float64):
    return torch.from_numpy(RNG.normal(size=shape)).to(dtype)


def test_a_dense_layer_flattens_multiplies_and_adds():
    params = {"W": tensor(12, 5), "b": tensor(5), "a": tensor(5)}
    x = tensor(3, 2, 3, 2)
    sums = x.numpy().reshape(3, 12) @ params["W"].numpy()
    found = affine(lambda s, a: s * a, ("a",))(params, x, True)
    np.testing.assert_allclose(found, (sums + params["b"].numpy()) * params["a"].numpy())
    without = affine(lambda s: s)({"W": params["W"]}, x, False)
    np.testing.assert_allclose(without, sums)


def test_the_stride_is_of_the_first_stage_of_a_convolution_alone():
    x = tensor(2, 3, 9, 8)
    params = {"W": tensor(4, 3, 2, 3), "b": tensor(4), "a": tensor(4), "W1": tensor(6, 4, 1, 1), "a1": tensor(6)}
    layer = MLPConvLayer(n_output_maps=6, filter_shape=(2, 3), stride=(2, 3), n_units=[4], activation="prelu")
    found = layer.build((3, 9, 8))(params, x, True)
    first = functional.prelu(functional.conv2d(x, params["W"], params["b"], (2, 3)), params["a"])
    expected = functional.prelu(functional.conv2d(first, params["W1"]), params["a1"])
    torch.testing.assert_close(found, expected)
    assert found.shape == (2, 6, 4, 2)


def test_pooling_takes_its_window_and_its_stride_by_axis():
    x = torch.arange(24.0).view(1, 1, 4, 6)
    # The largest of a window of 2 rows and 3 columns is its last.
    found = MaxPool2DLayer(pool_shape=(2, 3), stride=(1, 2)).build((1, 4, 6))({}, x, True)
    assert found.tolist() == [[[[8.0, 10.0], [14.0, 16.0], [20.0, 22.0]]]]


# Probability, bits of a value, how many of their values are dropped, and the factor of what is kept.
TABLE = [
    (0.0, 1, 0, 1.0),
    (0.5, 1, 1, 2.0),
    (0.25, 2, 1, 4 / 3),
    (0.75, 2, 3, 4.0),
    (0.0625, 4, 1, 16 / 15),
    (0.8125, 4, 13, 16 / 3),
    (1 / 256, 8, 1, 256 / 255),
    (77 / 256, 8, 77, 256 / 179),
    (255 / 256, 8, 255, 256.0),
    # Otherwise the nearest of 65,536: 0.3 * 65536 = 19660.8, 0.1 * 65536 = 6553.6.
    (0.3, 16, 19661, 65536 / 45875),
    (0.1, 16, 6554, 65536 / 58982),
    (0.9999999, 16, 65536, None),
]


@pytest.mark.parametrize(("p", "n_bits", "n_below", "factor"), TABLE)
@pytest.mark.parametrize("shape", [(64,), (65,), (3, 7, 5), (1000, 3)])
def test_a_value_is_dropped_where_its_bits_are_a_number_below_the_threshold(p, n_bits, n_below, factor, shape):
    n = int(np.prod(shape))
    torch.manual_seed(7)
    words = torch.empty(-(-n * n_bits // 64), dtype=torch.int64).random_(-(2**63), None).numpy()
    after = torch.rand(1)
    # Numbers of n_bits, the lowest bits of the first byte first; of 8 and 16 bits they have a sign.
    bits = np.unpackbits(words.view(np.uint8), bitorder="little").reshape(-1, n_bits).astype(np.int64)
    numbers = bits @ (1 << np.arange(n_bits))
    if n_bits >= 8:
        numbers = (numbers + 2 ** (n_bits - 1)) % 2**n_bits
    kept = (numbers >= n_below)[:n].reshape(shape)
    torch.manual_seed(7)
    found = dropout_mask(p)(torch.zeros(shape))
    # No more bits are drawn than these.
    assert torch.equal(torch.rand(1), after)
    assert found.dtype == torch.float32 and found.shape == shape
    expected = np.where(kept, np.float32(factor or 0), np.float32(0))
    np.testing.assert_allclose(found, expected, rtol=1e-7)
    assert np.array_equal(found != 0, kept) and (n_below < 65536 or not kept.any())


@pytest.mark.parametrize("p", [0.5, 77 / 256, 0.3])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_mask_has_the_type_of_what_it_multiplies(p, dtype):
    assert dropout_mask(p)(torch.zeros(5, dtype=dtype)).dtype == dtype


def test_dropout_multiplies_by_its_mask_while_training_alone():
    forward, x = DropoutLayer(dropout_p=0.5).build((30,)), tensor(20, 30)
    torch.manual_seed(1)
    mask = dropout_mask(0.5)(x)
    torch.manual_seed(1)
    assert torch.equal(forward({}, x, True), x * mask) and forward({}, x, False) is x


def test_noise_is_sigma_times_the_normal_numbers_of_the_default_generator():
    forward, x = GaussianNoiseLayer(sigma=0.25).build((30,)), tensor(20, 30, dtype=torch.float32)
    torch.manual_seed(1)
    expected = x + 0.25 * torch.randn(20, 30)
    torch.manual_seed(1)
    assert torch.equal(forward({}, x, True), expected) and forward({}, x, False) is x


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(2, 3), (1, 3, 2), (1, 3, 1, 2)])
def test_batch_norm_is_that_of_torch_with_its_running_values(shape, training):
    theirs = torch.nn.BatchNorm1d(3, eps=0.01, momentum=0.25) if len(shape) < 4 else torch.nn.BatchNorm2d(3, 0.01, 0.25)
    values = {"gamma": tensor(3), "beta": tensor(3), "mean": tensor(3), "var": tensor(3).square() + 0.5}
    names = {"gamma": "weight", "beta": "bias", "mean": "running_mean", "var": "running_var"}
    theirs.double().load_state_dict({names[key]: value for key, value in values.items()}, strict=False)
    theirs.train(training)
    x = tensor(*shape)
    torch.testing.assert_close(
        BatchNormLayer(alpha=0.25, epsilon=0.01).build(shape[1:])(values, x, training), theirs(x).detach()
    )
    torch.testing.assert_close(values["mean"], theirs.running_mean)
    torch.testing.assert_close(values["var"], theirs.running_var)


def test_one_value_of_each_unit_is_normalised_by_the_running_values_which_stay():
    params = {"gamma": torch.tensor([2.0, 1.0]), "beta": torch.tensor([0.5, 0.0]), "mean": torch.tensor([1.0, 0.0])}
    params["var"] = torch.tensor([3.0, 0.0])
    found = BatchNormLayer(alpha=0.5, epsilon=1.0).build((2,))(params, torch.tensor([[5.0, 2.0]]), True)
    # 2 * (5 - 1) / sqrt(3 + 1) + 0.5 and 2 / sqrt(1)
    assert found.tolist() == [[4.5, 2.0]]
    assert params["mean"].tolist() == [1.0, 0.0] and params["var"].tolist() == [3.0, 0.0]


def test_the_shelf_lies_between_its_edges():
    x = torch.tensor([[-3.0], [-1.0], [-0.5], [0.0], [0.5], [1.0], [3.0]])
    found = PReLUShelf().build()(x, torch.tensor([0.25]), torch.tensor([0.5]))
    assert found.flatten().tolist() == [-0.625, -0.125, 0.0, 0.0, 0.0, 0.5, 2.5]


def test_the_shelf_has_an_edge_and_a_slope_for_each_unit_or_map():
    a, c = torch.tensor([0.5, 2.0]), torch.tensor([1.0, 0.0])
    for size in ((), (3,), (3, 2)):
        x = torch.tensor([-2.0, -2.0]).view(1, 2, *(1 for _ in size)).expand(1, 2, *size)
        expected = torch.tensor([-0.5, -4.0]).view(1, 2, *(1 for _ in size)).expand(1, 2, *size)
        assert torch.equal(PReLUShelf().build()(x, a, c), expected)


def test_two_logits_have_the_sigmoid_as_the_probability_of_the_second_class():
    z = tensor(6, 1)
    forward = ClassificationOutputLayer(n_classes=1).build((1,))
    found = forward({"W": torch.ones(1, 1, dtype=torch.float64)}, z, False)
    assert found[:, 0].tolist() == [0.0] * 6
    np.testing.assert_allclose(found.softmax(1)[:, 1:], 1 / (1 + np.exp(-z.numpy())))


@pytest.mark.parametrize("shares", [False, True])
@pytest.mark.parametrize("weights", [None, [0.0, 0.5, 1.0, 3.0]])
def test_the_cross_entropy_is_the_mean_over_rows_of_weighted_log_probabilities(weights, shares):
    logits, y = RNG.normal(size=(4, 3)), np.array([2, 0, 1, 1])
    target = RNG.dirichlet(np.ones(3), 4) if shares else np.eye(3)[y]
    by_row = -(target * (logits - np.log(np.exp(logits).sum(1, keepdims=True)))).sum(1)
    given = (logits, target if shares else y, *([] if weights is None else [np.array(weights)]))
    found = NLL().mean()(*(torch.from_numpy(one) for one in given))
    assert found.item() == pytest.approx((by_row * (1 if weights is None else np.array(weights))).mean())
