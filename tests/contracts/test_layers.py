"""What holds for every registered layer: the declared shape, a correct gradient, arrays that can be stored."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from own_parts import first_names, from_example, own_names
from scipy import stats
from torch.utils.flop_counter import FlopCounterMode

from arignote.engine.checked_copy import copy_into
from arignote.engine.feed import DeviceBatch
from arignote.engine.network import Network
from arignote.engine.not_finite import CheckedStep, NotFiniteFoundError
from arignote.engine.step import TrainingStep
from arignote.layers import Layer, declare, parse
from arignote.layers.base import ParametricLayer, WeightedLayer
from arignote.layers.merge import MergeLayer
from arignote.registry import build, dump, part_name
from arignote.spec.objective import objective_of
from arignote.spec.settings import FitSettings

PARAMS = {
    "InputImageLayer": {"n_pixels": 8},
    "FCLayer": {"n_units": 5, "activation": "tanh"},
    "AutoEncoderOutputLayer": {"n_units": 5, "activation": "tanh"},
    "DenoisingAutoEncoderLayer": {"n_units": 5, "activation": "tanh"},
    "FCMaxoutLayer": {"n_units": 5, "maxout_k": 3},
    "ConvLayer": {"n_output_maps": 3, "filter_shape": [3, 2], "stride": 2},
    "ConvMaxoutLayer": {"n_output_maps": 3, "filter_shape": 3, "maxout_k": 2},
    "MLPConvLayer": {"n_output_maps": 3, "filter_shape": 3, "n_units": [4], "activation": "prelu_shelf"},
    "DropoutLayer": {"dropout_p": 0.4},
    "GroupNormLayer": {"n_groups": 1},
    "CropLayer": {"width": [1, [0, 2]]},
    "PadLayer": {"width": [1, [0, 2]], "value": 0.5},
    "PermuteLayer": {"order": [3, 1, 2]},
    "ReshapeLayer": {"shape": [4, -1]},
    "MaxPool2DLayer": {"pool_shape": 2},
    "AveragePool2DLayer": {"pool_shape": [2, 3], "stride": 2},
    "MaxPool3DLayer": {"pool_shape": 2, "stride": [1, 2, 1], "pad": [0, 1, 0]},
    "AveragePool3DLayer": {"pool_shape": [2, 3, 1], "pad": 0},
    "FeaturePoolLayer": {"pool_size": 4, "axis": 2, "pool_function": "mean"},
    "MaxPoolChannelsLayer": {"k": 1},
    "UpscaleLayer": {"scale_factor": [2, 1], "mode": "dilate"},
    "Conv1DLayer": {"n_output_maps": 3, "filter_length": 2, "stride": 2, "pad": "full", "axes": "NLC"},
    "MaxPool1DLayer": {"pool_length": 2},
    "AveragePool1DLayer": {"pool_length": 3, "stride": 1, "axes": "NLC"},
    "Conv3DLayer": {"n_output_maps": 2, "filter_shape": [2, 3, 1], "stride": [1, 2, 1], "pad": 1, "untie_biases": True},
    # Some of their values are biases of 0 alone, where the default activation has no derivative.
    "TransposedConv1DLayer": {"n_output_maps": 3, "activation": "tanh", "filter_length": 3, "stride": 2, "axes": "NLC"},
    "TransposedConv3DLayer": {
        "n_output_maps": 2,
        "activation": "tanh",
        "filter_shape": 2,
        "crop": [0, 1, 0],
        "n_groups": 2,
    },
    "TransposedConvLayer": {
        "n_output_maps": 2,
        "activation": "tanh",
        "filter_shape": [3, 2],
        "stride": 2,
        "output_padding": 1,
    },
    "LocallyConnected1DLayer": {
        "n_output_maps": 3,
        "filter_length": 2,
        "stride": 2,
        "untie_biases": True,
        "axes": "NLC",
    },
    "LocallyConnectedLayer": {"n_output_maps": 2, "filter_shape": [3, 2], "stride": [1, 2], "pad": 1},
    "LCLayer": {"n_units": 3, "n_segments": 5},
    "LCMaxoutLayer": {"n_units": 3, "n_segments": 4, "maxout_k": 2},
    "EmbeddingLayer": {"n_tokens": 9, "n_units": 3},
    "GRULayer": {"n_units": 3, "bidirectional": True},
    "LSTMLayer": {"n_units": 3, "n_layers": 2},
    "RecurrentLayer": {"n_units": 3, "backwards": True},
    "TorchLayer": {"module": "torch.nn:Conv2d", "params": {"in_channels": 1, "out_channels": 3, "kernel_size": 3}},
}
LAYERS = first_names("layer")
MERGES = [name for name in LAYERS if issubclass(own_names("layer")[name], MergeLayer)]
PARAMS |= {name: {"inputs": ["a", "b"]} for name in MERGES}
# Shapes of an example of layers that take no images.
SERIES = (
    *("AveragePool1DLayer", "Conv1DLayer", "GRULayer", "LSTMLayer", "MaxPool1DLayer", "RecurrentLayer"),
    *("LocallyConnected1DLayer", "TransposedConv1DLayer"),
)
VOLUMES = ("AveragePool3DLayer", "Conv3DLayer", "MaxPool3DLayer", "TransposedConv3DLayer")
SHAPES = {"EmbeddingLayer": (7,)} | dict.fromkeys(SERIES, (5, 2)) | dict.fromkeys(VOLUMES, (2, 4, 5, 3))
# The layers that are merged.
BRANCHES = [
    ["ConvLayer", {"name": "a", "n_output_maps": 2, "filter_shape": 3, "activation": "tanh"}],
    ["ConvLayer", {"name": "b", "input": "input", "n_output_maps": 2, "filter_shape": 3, "activation": "prelu"}],
]
FORMULAS = {
    "linear": lambda v: v,
    "tanh": np.tanh,
    "abstanh": lambda v: np.abs(np.tanh(v)),
    "scaled_tanh": lambda v: 1.7159 * np.tanh(2 / 3 * v),
    "sigmoid": lambda v: 1 / (1 + np.exp(-v)),
    "relu": lambda v: np.maximum(v, 0),
    "leaky_relu": lambda v: np.where(v > 0, v, 0.01 * v),
    "elu": lambda v: np.where(v > 0, v, np.exp(v) - 1),
    # Constants of Klambauer et al., 2017.
    "selu": lambda v: 1.0507009873554805 * np.where(v > 0, v, 1.6732632423543772 * (np.exp(v) - 1)),
    "softmax": lambda v: np.exp(v) / np.exp(v).sum(1, keepdims=True),
    "gelu": lambda v: v * stats.norm.cdf(v),
    "silu": lambda v: v / (1 + np.exp(-v)),
    "softplus": lambda v: np.log(1 + np.exp(v)),
    "prelu": lambda v: np.where(v > 0, v, 0.25 * v),
    "prelu_shelf": lambda v: np.maximum(v - 0.05, 0) - 0.25 * np.maximum(-(v + 0.05), 0),
    "maxout": lambda v: v.max(1, keepdims=True),
}


def test_the_tables_name_registered_layers_and_every_activation():
    assert set(PARAMS) <= set(LAYERS) and sorted(FORMULAS) == first_names("activation")


def params_of(name):
    """Return the parameters of a layer: of the table, or, if some have no default, of its example."""
    if name in PARAMS:
        return PARAMS[name]
    cls = own_names("layer")[name]
    if not any(field.is_required() for field in cls.model_fields.values()):
        return {}
    return {key: value for key, value in dump(from_example(cls))[1].items() if key != "name"}


def network_of(name, before=(), behind=(), **more):
    specs = [["InputImageLayer", {"n_pixels": 8}]] if "Input" not in name and name not in SHAPES else []
    specs += BRANCHES if name in MERGES else []
    # It has no weights: what comes in is a value for each class.
    specs += [["FCLayer", {"n_units": 4, "activation": "linear"}]] if name == "SoftmaxOutputLayer" else []
    specs += [*before, [name, params_of(name) | more], *behind]
    if "Output" not in name:
        specs.append(["ClassificationOutputLayer", {"n_classes": 4, "W": "glorot_uniform"}])
    else:
        specs[-1][1] |= {own_names("layer")[name].size_parameter: 4}
    network = Network(declare(parse(specs), SHAPES.get(name, (1, 8, 8))))
    network.initialise(7)
    return network.eval()


def rows(name, n, dtype=torch.float32):
    """Return random rows for a layer: tokens for an embedding, else numbers."""
    generator = torch.Generator().manual_seed(1)
    if name == "EmbeddingLayer":
        return torch.randint(0, 9, (n, 7), generator=generator)
    return torch.randn(n, *SHAPES.get(name, (1, 8, 8)), generator=generator, dtype=dtype)


@pytest.mark.parametrize("name", LAYERS)
def test_the_output_shape_is_the_promised_one(name):
    network = network_of(name)
    outputs = network.outputs((rows(name, 3),))
    for (_, out), place in zip(outputs, network.architecture.placed, strict=True):
        assert tuple(out.shape[1:]) == place.output_shape


@pytest.mark.parametrize("name", LAYERS)
def test_numbers_that_may_follow_a_rule_are_parameters_that_the_layer_or_the_update_reads(name):
    cls = own_names("layer")[name]
    assert set(cls.ruled) <= set(cls.model_fields)
    read_by_layer = set(cls.ruled) - set(WeightedLayer.ruled)
    network, x = network_of(name), rows(name, 8)
    layer = network.architecture.placed[-2].name if "Output" not in name else network.architecture.placed[-1].name
    for number in read_by_layer:
        found = []
        for value in (0.0, 0.5, 0.5):
            network.set_numbers({f"{layer}.{number}": value})
            network.train()
            torch.manual_seed(1)
            found.append(dict(network.outputs((x,)))[layer])
        assert not torch.equal(found[0], found[1]) and torch.equal(found[1], found[2])


@pytest.mark.parametrize("name", LAYERS)
def test_the_gradient_is_that_of_finite_differences(name):
    network = network_of(name)
    x = rows(name, 4, torch.float64)
    y = torch.tensor([0, 1, 2, 3])
    trained = {id(tensor) for key, tensor in network.named.items() if tensor.requires_grad}
    leaves = []
    for params, _ in network._forwards:
        for key, tensor in params.items():
            is_trained = id(tensor) in trained
            params[key] = tensor.detach().double().requires_grad_(is_trained)
            leaves += [params[key]] * is_trained

    def loss():
        return torch.nn.functional.cross_entropy(network(x)[0], y)

    gradients = torch.autograd.grad(loss(), leaves)
    for leaf, gradient in zip(leaves, gradients, strict=True):
        flat = leaf.detach().view(-1)
        at = int(gradient.abs().argmax())
        kept, step = float(flat[at]), 1e-6
        flat[at] = kept + step
        above = float(loss().detach())
        flat[at] = kept - step
        below = float(loss().detach())
        flat[at] = kept
        assert (above - below) / (2 * step) == pytest.approx(float(gradient.reshape(-1)[at]), rel=1e-4, abs=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_the_declared_multiply_adds_are_those_that_torch_counts(name):
    placed = network_of(name).architecture.placed
    # Without memory, as the kernels of recurrent layers on the CPU are not counted.
    with torch.device("meta"):
        for place in placed:
            params = place.layer.declare_params(*place.input_shapes)
            tensors = {key: torch.empty(one.shape, dtype=getattr(torch, one.dtype)) for key, one in params.items()}
            is_tokens = type(place.layer).__name__ == "EmbeddingLayer"
            dtype = torch.int64 if is_tokens else torch.float32
            xs = [torch.empty((1, *shape), dtype=dtype) for shape in place.input_shapes]
            with FlopCounterMode(display=False) as counter:
                place.layer.build(*place.input_shapes)(tensors, xs if place.takes_list else xs[0], False)
            # If this fails for a new layer, write its `n_multiply_adds`: see `Layer`.
            assert place.layer.n_multiply_adds(*place.input_shapes) == counter.get_total_flops() / 2, place.name


def changed_by_a_step(name, is_by_hand, fix_params):
    """Return the parameters of a layer that one step changes, those that it has, and the layer."""
    network = network_of(name, **({"fix_params": fix_params} if fix_params else {})).train()
    step = TrainingStep(network, [build("loss", "nll")], build("updater", "sgd"))
    if not is_by_hand:
        step._gradients = step._by_autograd
    place = next(p for p in network.architecture.placed if type(p.layer).__name__ == name)
    before = network.arrays()
    step([DeviceBatch((rows(name, 8),), (torch.arange(8) % 3,))], [1], lr=0.5, momentum=0.0, n=1, n_rows=[8])
    changed = {key for key, values in network.arrays().items() if not np.array_equal(values, before[key])}
    return {param for param in place.params if f"{place.name}.{param}" in changed}, list(place.params), place.layer


@pytest.mark.parametrize("is_by_hand", [True, False], ids=["by hand", "by autograd"])
@pytest.mark.parametrize("name", [name for name in LAYERS if "Output" not in name or name.startswith("Classification")])
def test_fixed_parameters_stay_and_the_others_are_trained(name, is_by_hand):
    free, params, layer = changed_by_a_step(name, is_by_hand, False)
    assert bool(params) <= isinstance(layer, ParametricLayer)
    if not isinstance(layer, ParametricLayer):
        return
    assert free == set(params)
    # The mean of a batch norm cannot be fixed without the variance.
    for fixed in ([], params[:1], params[-2:]):
        found, _, layer = changed_by_a_step(name, is_by_hand, fixed)
        assert found == {param for param in params if not any(map(param.startswith, fixed))}
    assert changed_by_a_step(name, is_by_hand, True)[0] == set()


@pytest.mark.parametrize("is_by_hand", [True, False], ids=["by hand", "by autograd"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_step_seeds_the_generators_unless_no_layer_draws(name, is_by_hand):
    network = network_of(name).train()
    losses = list(objective_of(network.architecture.layers, FitSettings()).train_loss.values())
    step = TrainingStep(network, losses, build("updater", "sgd"))
    if not is_by_hand:
        step._gradients = step._by_autograd
    torch.manual_seed(3)
    before = torch.get_rng_state()
    x = rows(name, 8)
    y = (
        torch.arange(8) % 3
        if part_name(losses[0]) == "nll"
        else torch.zeros(8, *network.architecture.placed[-1].output_shape)
    )
    step([DeviceBatch((x,), (y,))], [1], lr=0.5, momentum=0.0, n=1, n_rows=[len(x)])
    # A layer that draws without saying so would draw other numbers in a run that is resumed.
    assert torch.equal(before, torch.get_rng_state()) == (not network.architecture.draws)


@pytest.mark.parametrize("name", LAYERS)
def test_arrays_go_out_and_come_back(name):
    network, other = network_of(name), network_of(name)
    with torch.no_grad():
        network.weights.add_(0.1)
    copy_into(other.named, network.arrays(), "test")
    assert all(np.array_equal(a, other.arrays()[key]) for key, a in network.arrays().items())


class Overflowing(torch.autograd.Function):
    """The identity, whose gradient is infinite."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * torch.inf


class Breaking(Layer):
    """A layer with this gradient."""

    def build(self, shape):
        return lambda params, x, training: Overflowing.apply(x)


def found_in(network, way, x):
    """Return the message on the first value that is not finite in a step of a network."""
    (loss,) = objective_of(network.architecture.layers, FitSettings()).train_loss.values()
    y = torch.arange(len(x)) % 4
    # Numbers and flags: one column for each output.
    y = y if part_name(loss) == "nll" else torch.eye(4)[y]
    step = TrainingStep(network.train(), [loss], build("updater", "sgd"))
    if way == "by autograd":
        step._gradients = step._by_autograd
    with pytest.raises(NotFiniteFoundError) as found:
        CheckedStep(step)([DeviceBatch((x,), (y,))], [1], lr=0.1, momentum=0.0, n=1, n_rows=[len(x)])
    return str(found.value)


@pytest.mark.parametrize("way", ["by hand", "by autograd"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_nan_in_a_parameter_or_a_buffer_is_attributed_to_its_layer(name, way):
    place = next(one for one in network_of(name).architecture.placed if part_name(one.layer) == name)
    for param, declared in place.params.items():
        if declared.dtype == "float32":
            network = network_of(name)
            with torch.no_grad():
                network.named[f"{place.name}.{param}"].fill_(torch.nan)
            message = found_in(network, way, rows(name, 5))
            assert message.startswith((f"the output of layer {place.name!r}", f"buffer '{place.name}.{param}'"))


@pytest.mark.parametrize("way", ["by hand", "by autograd"])
@pytest.mark.parametrize("name", [name for name in LAYERS if not name.startswith(("Input", "Embedding"))])
def test_a_nan_that_comes_to_a_layer_is_attributed_to_the_layer_that_made_it(name, way):
    # The parameters of one of the branches, or the slopes of a layer in front.
    source = "b" if name in MERGES else "before"
    before = [] if name in MERGES else [["ActivationLayer", {"name": source, "activation": "prelu"}]]
    network = network_of(name, before)
    with torch.no_grad():
        for key, tensor in network.named.items():
            if key.startswith(f"{source}."):
                tensor.fill_(torch.nan)
    assert found_in(network, way, rows(name, 5)) == f"the output of layer {source!r} was the first that was not finite"


@pytest.mark.parametrize("name", [name for name in LAYERS if "Output" not in name and not name.startswith("Input")])
def test_a_gradient_that_is_not_finite_when_it_comes_to_a_layer_is_attributed_to_the_one_that_made_it(name):
    # A trained layer in front, unless the branches are, so that the gradient goes through the layer.
    before = [["ActivationLayer", {"activation": "prelu"}]]
    network = network_of(
        name, [] if name in MERGES or name == "EmbeddingLayer" else before, [Breaking(name="breaking")]
    )
    expected = "the gradient of layer 'breaking' was the first that was not finite, though its output was finite"
    assert found_in(network, "by hand", rows(name, 5)) == expected


@pytest.mark.parametrize("activation", sorted(own_names("activation")))
def test_every_activation_has_its_formula(activation):
    x = np.linspace(-2, 2, 15).reshape(3, 5).astype(np.float32)
    part = build("activation", activation)
    n_units = 5 // part.pieces
    slopes = [torch.full((n_units,), start) for start in part.slopes.values()]
    got = part.build()(torch.from_numpy(x), *slopes).numpy()
    np.testing.assert_allclose(got, FORMULAS[part_name(part)](x), rtol=1e-6, atol=1e-7)
