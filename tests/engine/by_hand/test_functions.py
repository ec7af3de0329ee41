"""Gradients of layers by hand against their slow twin, autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from beside_autograd import compare, rows, step_of
from own_parts import first_names

from arignote import NNClassifier
from arignote.checkpoints.tensors import tensors_sha256
from arignote.engine.by_hand.functions import functions_of
from arignote.engine.by_hand.tape import Tape, tape_of
from arignote.engine.network import Network
from arignote.engine.setup import Setup
from arignote.engine.step import TrainingStep
from arignote.layers import declare, parse
from arignote.layers.architecture import Placed
from arignote.layers.dense import FCLayer
from arignote.layers.global_pool import GlobalAveragePoolLayer
from arignote.layers.merge import AverageLayer
from arignote.layers.noise import DropoutLayer, GaussianNoiseLayer
from arignote.optim.losses import NLL, Loss
from arignote.registry import build

# Maxout is left to autograd.
KNOWN = [name for name in first_names("activation") if name != "maxout"]


@pytest.mark.parametrize("activation", KNOWN)
@pytest.mark.parametrize("more", [{}, {"use_bias": False}, {"fix_params": ["W"]}, {"fix_params": True}], ids=str)
def test_each_activation_gives_the_gradients_of_autograd(activation, more):
    layers = [
        ["FCLayer", {"n_units": 30, "activation": activation}],
        ["DropoutLayer", {"dropout_p": 0.3}],
        ["FCLayer", {"n_units": 20, "activation": activation, **more}],
        ["GaussianNoiseLayer"],
        ["ClassificationOutputLayer", {"W": "glorot_uniform"}],
    ]
    compare(step_of(layers), [rows(17)])
    compare(step_of(layers), [rows(17), rows(4)])


def function_alone(layer, *shapes):
    """Return the function of a layer without parameters."""
    place = Placed("alone", layer, tuple(range(len(shapes))), (), shapes, layer.output_shape(*shapes), {}, "alone")
    (function,) = functions_of(place, {}, {})
    return function


def test_numbers_that_follow_a_rule_are_read_at_each_pass():
    x, numbers = torch.ones(200, 300), {}
    for layer, name in [(DropoutLayer(dropout_p=0.0), "dropout_p"), (GaussianNoiseLayer(sigma=0.0), "sigma")]:
        place = Placed("alone", layer, (0,), (), ((300,),), (300,), {}, "alone")
        (function,) = functions_of(place, numbers, {})
        assert torch.equal(function.forward(x)[0], x)
        for value in (0.5, 0.75, 0.25):
            numbers[name] = value
            y, saved = function.forward(x)
            if name == "sigma":
                assert float((y - x).std()) == pytest.approx(value, rel=5 / (2 * x.numel()) ** 0.5)
                continue
            assert float((y == 0).float().mean()) == pytest.approx(value, abs=5 * (0.25 / x.numel()) ** 0.5)
            # What is kept, and its gradient, are divided by the share that is kept.
            assert sorted(set(y.unique().tolist())) == pytest.approx([0.0, 1 / (1 - value)], rel=1e-6)
            assert torch.equal(function.backward(torch.full_like(x, 3.0), saved, 0.0, True), 3 * y)


@pytest.mark.parametrize("n_inputs", [2, 3])
def test_the_average_of_inputs_and_its_gradients_are_those_worked_out_in_numpy(n_inputs):
    rng = np.random.default_rng(n_inputs)
    xs, g = rng.normal(size=(n_inputs, 4, 5)), rng.normal(size=(4, 5))
    function = function_alone(AverageLayer(inputs=[f"x{n}" for n in range(n_inputs)]), *[(5,)] * n_inputs)
    y, saved = function.forward([torch.from_numpy(x.copy()) for x in xs])
    np.testing.assert_allclose(y, xs.mean(axis=0))
    found = function.backward(torch.from_numpy(g.copy()), saved, 0.0, True)
    assert len(found) == n_inputs
    for one in found:
        np.testing.assert_allclose(one, g / n_inputs)


def test_the_average_of_pixels_and_its_gradient_are_those_worked_out_in_numpy():
    rng = np.random.default_rng(4)
    x, g = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(2, 3))
    function = function_alone(GlobalAveragePoolLayer(), (3, 4, 5))
    y, saved = function.forward(torch.from_numpy(x))
    np.testing.assert_allclose(y, x.reshape(2, 3, 20).mean(axis=2))
    found = function.backward(torch.from_numpy(g), saved, 0.0, True)
    np.testing.assert_allclose(found, np.broadcast_to(g[:, :, None, None] / 20, x.shape))


def test_only_functions_with_parameters_that_are_not_fixed_train():
    layers = [
        ["InputImageLayer", {"n_pixels": [4, 4]}],
        ["ConvLayer", {"name": "conv", "n_output_maps": 2, "filter_shape": 1, "activation": "relu"}],
        ["BatchNormLayer"],
        ["DropoutLayer", {"dropout_p": 0.2}],
        ["GaussianNoiseLayer"],
        ["ActivationLayer", {"activation": "tanh"}],
        ["ActivationLayer", {"activation": "prelu"}],
        ["SumLayer", {"inputs": ["conv", "activation2"]}],
        ["ConcatLayer", {"inputs": ["conv", "sum1"]}],
        ["MaxPool2DLayer", {"pool_shape": 2}],
        ["GlobalAveragePoolLayer"],
        ["FCLayer", {"n_units": 3, "fix_params": True}],
        ["ClassificationOutputLayer"],
    ]
    network = step_of(layers, (16,)).network
    gradients = network.flat_views(network.gradients)
    found = {}
    for place, (params, _) in network.placed():
        own = {name: gradients[f"{place.name}.{name}"] for name in params if f"{place.name}.{name}" in gradients}
        functions = functions_of(place, {name: tensor.detach() for name, tensor in params.items()}, own)
        found[place.name] = [function.trains for function in functions]
    assert found == {
        "input": [False],
        # A convolution, and its rectifier.
        "conv": [True, False],
        "norm1": [True],
        "dropout1": [False],
        "noise1": [False],
        "activation1": [False],
        "activation2": [True],
        "sum1": [False],
        "concat1": [False],
        "pool1": [False],
        "pool2": [False],
        "fc1": [False],
        "output": [True],
    }


def test_images_dropout_first_weights_and_shares_of_classes_give_the_gradients_of_autograd():
    layers = [
        ["InputImageLayer", {"n_pixels": [3, 4]}],
        ["DropoutLayer", {"dropout_p": 0.2}],
        ["FCLayer", {"n_units": 8}],
        ["ClassificationOutputLayer", {"W": "glorot_uniform"}],
    ]
    x, y, _ = rows(9)
    shares = torch.nn.functional.one_hot(y, 5).float() * 0.8 + 0.04
    for labels in (y, shares):
        for weights in (None, torch.linspace(0, 2, 9)):
            compare(step_of(layers), [(x, labels, weights)])


@pytest.mark.slow
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("activation", KNOWN)
@pytest.mark.parametrize("more", [{}, {"use_bias": False, "stride": [2, 1]}, {"fix_params": ["W"]}], ids=str)
def test_convolutions_and_pooling_give_the_gradients_of_autograd(activation, more, channels_last):
    layers = [
        ["ConvLayer", {"n_output_maps": 6, "filter_shape": 3, "activation": activation}],
        ["MaxPool2DLayer", {"pool_shape": 2}],
        ["DropoutLayer", {"dropout_p": 0.2}],
        ["MLPConvLayer", {"n_output_maps": 5, "n_units": [4], "filter_shape": 2, "activation": activation, **more}],
        ["MaxPool2DLayer", {"pool_shape": [2, 1], "stride": 1}],
        ["FCLayer", {"n_units": 8, "activation": "tanh"}],
        ["ClassificationOutputLayer", {"W": "glorot_uniform"}],
    ]

    def images(n):
        x, y, weights = rows(n, 2 * 12 * 11)
        return x.view(n, 2, 12, 11), y, weights

    step = step_of(layers, (2, 12, 11), channels_last=channels_last)
    compare(step, [images(9)])
    compare(step, [images(9), images(3)])


@pytest.mark.parametrize(
    "layer",
    [
        ["FCMaxoutLayer", {"n_units": 3}],
        ["FCLayer", {"n_units": 3, "activation": torch.relu}],
        ["FCLayer", {"n_units": 3, "activation": "maxout"}],
    ],
    ids=["FCMaxoutLayer", "a function", "maxout"],
)
def test_what_is_not_known_is_left_to_autograd(layer):
    step = step_of([layer, ["ClassificationOutputLayer", {"W": "glorot_uniform"}]])
    assert step.by_hand == ["input", "output"]
    compare(step, [rows(17), rows(4)])


def test_a_layer_derived_from_one_that_is_known_runs_its_own_forward_pass():
    class Doubled(FCLayer):
        """Twice the output of a dense layer."""

        def build(self, shape):
            forward = super().build(shape)
            return lambda params, x, training: 2 * forward(params, x, training)

    step = step_of([Doubled(n_units=3, name="fc"), ["ClassificationOutputLayer", {"W": "glorot_uniform"}]])
    assert step.by_hand == ["input", "output"]
    compare(step, [rows(17)])


def test_fit_by_hand_is_fit_by_autograd(digits, layers, monkeypatch):
    from arignote.engine import step

    by_hand = NNClassifier(layers, rng=3, n_epochs=2, batch_size=64).fit(*digits)
    monkeypatch.setattr(step, "tape_of", lambda network, losses, loss_weights: None)
    by_autograd = NNClassifier(layers, rng=3, n_epochs=2, batch_size=64).fit(*digits)
    assert tensors_sha256(by_hand.params) != tensors_sha256(NNClassifier(layers, rng=3, n_epochs=0).fit(*digits).params)
    for name, array in by_hand.params.items():
        np.testing.assert_allclose(array, by_autograd.params[name], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("share", [1.0, 0.25])
def test_loss_and_gradients_of_an_output_layer_are_those_worked_out_in_numpy(share, weighted):
    step = step_of([["ClassificationOutputLayer", {"W": "glorot_uniform"}]])
    x, y, _ = rows(8)
    weights = np.linspace(0, 2, 8) if weighted else np.ones(8)
    W = step.network.arrays()["output.W"].astype(np.float64)
    logits = x.numpy() @ W
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    nll = -np.log(p[np.arange(8), y])
    to_logits = share * weights[:, None] * (p - np.eye(5)[y]) / 8
    given = torch.from_numpy(weights.astype(np.float32)) if weighted else None
    for n_times in (1, 2):
        found = step._gradients((x,), (y,), given, share, float(n_times > 1))
        assert float(found) == pytest.approx(share * (weights * nll).mean(), rel=1e-5) and not found.requires_grad
        views = step.network.flat_views(step.network.gradients)
        np.testing.assert_allclose(views["output.W"], n_times * x.numpy().T @ to_logits, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(views["output.b"], n_times * to_logits.sum(0), rtol=1e-4, atol=1e-6)


def test_one_sigmoid_output_is_left_to_autograd():
    for n_classes, by_hand in ((1, ["input"]), (2, ["input", "output"])):
        step = step_of([["ClassificationOutputLayer", {"n_classes": n_classes, "W": "glorot_uniform"}]], n_classes=2)
        assert step.by_hand == by_hand
        compare(step, [rows(17, n_classes=2), rows(4, n_classes=2)])


@pytest.mark.parametrize(
    ("more", "by_hand"),
    [
        ({}, True),
        ({"precision": "bf16_matmul"}, True),
        ({"compile": True}, True),
        ({"precision": "bf16"}, False),
        ({"precision": "fp16"}, False),
    ],
)
def test_layers_that_compute_in_another_type_are_left_to_autograd(more, by_hand):
    network = Network(
        declare(parse([["FCLayer", {"n_units": 3}], ["ClassificationOutputLayer"]]), (4,), 2), Setup(**more)
    )
    assert (tape_of(network, [NLL()], [1.0]) is not None) == by_hand


def test_the_gradient_of_a_loss_of_ones_own_is_its_own():
    class Squares(Loss):
        """The mean square distance of the logits from the class number."""

        differentiable = True

        def build(self):
            return lambda logits, y: (logits - y[:, None]).square().mean(1)

    layers = [["ClassificationOutputLayer", {"name": "out", "W": "glorot_uniform"}]]
    network = step_of(layers).network
    step = TrainingStep(network, [Squares()], build("updater", "sgd"))
    assert isinstance(step._gradients, Tape)
    x, y, _ = rows(8)
    for share in (1.0, 0.5):
        logits = x.numpy() @ network.arrays()["out.W"]
        distance = logits - y.numpy()[:, None]
        found = step._gradients((x,), (y,), None, share, 0.0)
        assert float(found) == pytest.approx(share * (distance**2).mean(), rel=1e-5)
        expected = share * x.numpy().T @ distance * 2 / distance.size
        np.testing.assert_allclose(network.flat_views(network.gradients)["out.W"], expected, rtol=1e-4, atol=1e-6)


def test_every_class_number_counts():
    # torch leaves out a class of the number that its losses ignore, by default -100.
    step = step_of([["ClassificationOutputLayer", {"W": "glorot_uniform"}]], n_classes=103)
    x, y = rows(103)[0], torch.arange(103)
    compare(step, [(x, y, None)])
    W = step.network.arrays()["output.W"]
    p = torch.from_numpy(x.numpy() @ W).softmax(1).numpy()
    assert float(step._gradients((x,), (y,), None, 1.0, 0.0)) == pytest.approx(
        -np.log(p[range(103), range(103)]).mean(), rel=1e-5
    )
    views = step.network.flat_views(step.network.gradients)
    np.testing.assert_allclose(views["output.b"], (p - np.eye(103)).sum(0) / 103, rtol=1e-3, atol=1e-6)
