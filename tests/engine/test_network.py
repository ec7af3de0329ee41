"""The network: parameters as views of one vector, each drawn from the stream of its own name."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from arignote.engine.network import Network
from arignote.engine.setup import Setup
from arignote.layers import declare, parse
from arignote.streams import stream

LAYERS = [
    ["FCLayer", {"name": "a", "n_units": 4, "activation": "prelu", "fix_params": ["b"]}],
    ["BatchNormLayer", {"name": "norm"}],
    ["ClassificationOutputLayer", {"name": "out", "n_classes": 3, "W": "glorot"}],
]
TRAINED = ["a.W", "a.a", "norm.gamma", "norm.beta", "out.W", "out.b"]


def network_of(layers=LAYERS, seed=3):
    network = Network(declare(parse(layers), (6,)))
    network.initialise(seed)
    return network


def test_what_is_trained_lies_in_one_vector_and_nothing_else_does():
    network = network_of()
    assert [name for name, tensor in network.named.items() if tensor.requires_grad] == TRAINED
    assert network.weights.numel() == sum(network.named[name].numel() for name in TRAINED) == 24 + 4 + 8 + 12 + 3
    network.weights.fill_(7)
    for name, tensor in network.named.items():
        assert (tensor == 7).all() == (name in TRAINED), name
    views = network.flat_views(torch.arange(network.weights.numel()))
    assert list(views) == TRAINED and torch.equal(
        torch.cat([view.flatten() for view in views.values()]), torch.arange(51)
    )


def test_gradients_come_in_one_vector_too():
    network = network_of().train()
    (output,) = network(torch.randn(5, 6))
    output.square().sum().backward()
    assert network.gradients.abs().max() > 0
    for name, view in network.flat_views(network.gradients).items():
        assert torch.equal(view, network.named[name].grad)


def test_a_layer_starts_the_same_whatever_stands_around_it():
    more = [["FCLayer", {"name": "first", "n_units": 6}], *LAYERS]
    plain, longer, other = network_of().arrays(), network_of(more).arrays(), network_of(seed=4).arrays()
    for name in ("a.W", "out.W"):
        assert np.array_equal(plain[name], longer[name]) and not np.isclose(plain[name], other[name]).any()


def test_no_two_layers_start_alike():
    square = [["FCLayer", {"name": name, "n_units": 6}] for name in "ab"]
    found = network_of([*square, *LAYERS[2:]]).arrays()
    assert not np.isclose(found["a.W"], found["b.W"]).any()


def test_the_outputs_of_all_layers_end_in_those_of_the_network():
    network, x = network_of().eval(), torch.randn(5, 6)
    found = network.outputs((x,))
    assert [name for name, _ in found] == ["input", "a", "norm", "out"]
    (output,) = network(x)
    assert torch.equal(found[-1][1], output) and found[0][1] is x


def test_outputs_of_some_layers_are_those_among_all_outputs_in_float32():
    for setup in (Setup(), Setup(precision="bf16")):
        network, x = Network(declare(parse(LAYERS), (6,)), setup).eval(), torch.randn(5, 6)
        network.initialise(3)
        with torch.autocast("cpu", torch.bfloat16, enabled=setup.cast is not None):
            expected = network.outputs((x,))
        for positions in ([0], [1], [2], [3], [2, 0, 1]):
            for position, found in zip(positions, network.outputs_at(positions, x), strict=True):
                assert torch.equal(found, expected[position][1].float()) and found.dtype == torch.float32


def test_a_network_comes_back_from_a_pickle_as_it_was():
    network, x = network_of().eval(), torch.randn(5, 6)
    again = pickle.loads(pickle.dumps(network)).eval()
    for ours, theirs in zip(again(x), network(x), strict=True):
        assert torch.equal(ours, theirs)
    again.weights.zero_()
    assert (again.named["a.W"] == 0).all() and (network.named["a.W"] != 0).any()


IMAGES = [
    ["ConvLayer", {"name": "conv", "n_output_maps": 3, "filter_shape": [2, 1], "activation": "linear"}],
    ["ClassificationOutputLayer", {"name": "out", "W": "glorot"}],
]


def test_parameters_lie_one_after_another_in_the_order_of_their_declaration():
    network = network_of()
    network.weights.copy_(torch.arange(51.0))
    starts = {"a.W": 0, "a.a": 24, "norm.gamma": 28, "norm.beta": 32, "out.W": 36, "out.b": 48}
    for name, start in starts.items():
        tensor = network.named[name].detach()
        assert tensor.flatten().tolist() == list(range(start, start + tensor.numel())), name
    assert network.named["a.W"].shape == (6, 4) and network.named["out.W"].shape == (4, 3)
    assert network.weights.dtype == network.gradients.dtype == torch.float32


def test_each_parameter_is_drawn_from_the_stream_of_its_own_name():
    arrays = network_of(seed=11).arrays()
    # prelu: N(0, 2 / fan_in / (1 + 0.25^2)); glorot: uniform within sqrt(6 / (fan_in + fan_out)).
    he = stream(11, "init", "a", "W").standard_normal((6, 4)) * (2 / 6 / (1 + 0.25**2)) ** 0.5
    glorot = stream(11, "init", "out", "W").uniform(-1, 1, (4, 3)) * (6 / (4 + 3)) ** 0.5
    np.testing.assert_allclose(arrays["a.W"], he, rtol=1e-6)
    np.testing.assert_allclose(arrays["out.W"], glorot, rtol=1e-6)
    constants = {"a.b": 0.0, "a.a": 0.25, "norm.gamma": 1.0, "norm.beta": 0.0, "norm.mean": 0.0, "norm.var": 1.0}
    for name, value in constants.items():
        assert (arrays[name] == np.float32(value)).all() and arrays[name].dtype == np.float32


@pytest.mark.parametrize("channels_last", [False, True])
def test_filters_have_the_memory_layout_of_the_setup_and_the_same_numbers(channels_last):
    network = Network(declare(parse(IMAGES), (2, 4, 3), 3), Setup(channels_last=channels_last))
    network.initialise(3)
    expected = stream(3, "init", "conv", "W").uniform(-1, 1, (3, 2, 2, 1)) * (6 / (4 + 6)) ** 0.5
    np.testing.assert_allclose(network.arrays()["conv.W"], expected, rtol=1e-6)
    lies = expected.transpose(0, 2, 3, 1) if channels_last else expected
    np.testing.assert_allclose(network.weights[:12], lies.reshape(-1), rtol=1e-6)
    network.gradients.copy_(torch.arange(float(network.gradients.numel())))
    numbers = np.arange(12.0).reshape(lies.shape)
    numbers = numbers.transpose(0, 3, 1, 2) if channels_last else numbers
    assert np.array_equal(network.named["conv.W"].grad, numbers)
    assert np.array_equal(network.flat_views(network.gradients)["conv.W"], numbers)


def test_a_fixed_parameter_needs_no_gradient_and_its_views_are_left_out():
    network = network_of()
    assert not network.named["a.b"].requires_grad and not network.named["norm.mean"].requires_grad
    assert network.named["a.W"].requires_grad and "a.b" not in network.flat_views(network.weights)


@pytest.mark.parametrize(
    ("precision", "dtype"), [("float32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_layers_compute_in_the_type_of_the_setup_and_logits_are_float32(precision, dtype):
    seen = []

    def record(x):
        seen.append(x.dtype)
        return x

    layers = [["FCLayer", {"name": "a", "n_units": 4, "activation": record}], LAYERS[2]]
    network = Network(declare(parse(layers), (6,)), Setup(precision=precision))
    network.initialise(3)
    x = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    (found,) = network.eval()(x)
    assert found.dtype == torch.float32 and seen == [dtype]
    named = network.named
    expected = (x @ named["a.W"] + named["a.b"]) @ named["out.W"] + named["out.b"]
    torch.testing.assert_close(found, expected, rtol=0.03, atol=0.03)


def test_arrays_are_copies():
    network = network_of()
    arrays = network.arrays()
    before = arrays["a.W"].copy()
    network.weights.add_(1.0)
    assert np.array_equal(arrays["a.W"], before) and list(arrays) == list(network.named)


def test_a_pickled_network_keeps_its_setup_but_for_the_device():
    architecture = declare(parse(IMAGES), (2, 4, 3), 3)
    network = Network(architecture, Setup(device="cpu:0", channels_last=True, precision="bf16", n_threads=3))
    network.initialise(3)
    again = pickle.loads(pickle.dumps(network))
    assert again.setup == Setup("cpu", 3, "setting", True, "bf16", False) and again.architecture == architecture
    assert all(np.array_equal(array, again.arrays()[name]) for name, array in network.arrays().items())


def test_every_tensor_is_on_the_device_of_the_setup():
    network = Network(declare(parse(LAYERS), (6,)), Setup(device="meta"))
    tensors = [*network.named.values(), network.weights, network.gradients, network.named["a.W"].grad]
    assert {tensor.device.type for tensor in tensors} == {network.device.type} == {"meta"}


def test_parameters_are_those_of_a_torch_module():
    network = network_of()
    found = dict(network.named_parameters())
    assert [name.replace("/", ".") for name in found] == list(network.named)
    assert all(tensor is network.named[name.replace("/", ".")] for name, tensor in found.items())
