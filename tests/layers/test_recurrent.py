"""Recurrent layers beside those of torch.nn, and sequences of which not every step counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote import ConfigError
from arignote.engine.network import Network
from arignote.layers import declare, parse
from arignote.layers.recurrent import GRULayer, LSTMLayer, RecurrentLayer
from arignote.registry import build

N, T, F, H = 6, 5, 3, 4
LENGTHS = torch.tensor([5, 1, 3, 4, 2, 5])
MASK = torch.tensor(
    [[1, 1, 1, 1, 1], [0, 0, 1, 0, 0], [1, 0, 1, 0, 1], [1, 1, 0, 1, 1], [0, 1, 0, 1, 0], [1, 1, 1, 1, 1]]
).bool()
OF_TORCH = {
    "LSTMLayer": torch.nn.LSTM,
    "GRULayer": torch.nn.GRU,
    "RecurrentLayer": lambda *sizes, **more: torch.nn.RNN(*sizes, nonlinearity="relu", **more),
}
MORE = {"RecurrentLayer": {"activation": "relu"}}


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def x_of(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


def layer_of(kind, **params):
    return build("layer", [kind, {"n_units": H} | MORE.get(kind, {}) | params])


def params_of(layer, shape):
    generator = torch.Generator().manual_seed(1)
    declared = layer.declare_params(shape)
    return {name: torch.randn(one.shape, generator=generator, requires_grad=True) for name, one in declared.items()}


def torch_of(kind, params, n_in=F, n_layers=1, bidirectional=False):
    """Return the module of torch with the same weights."""
    module = OF_TORCH[kind](n_in, H, num_layers=n_layers, bidirectional=bidirectional, batch_first=True)
    words = {"W_in": "weight_ih", "W_rec": "weight_hh", "b_in": "bias_ih", "b_rec": "bias_hh"}
    with torch.no_grad():
        for name, tensor in params.items():
            word, direction = name.removesuffix("_reverse"), "_reverse" if name.endswith("_reverse") else ""
            kind_of, number = word.rstrip("0123456789"), word[len(word.rstrip("0123456789")) :] or "0"
            getattr(module, f"{words[kind_of]}_l{number}{direction}").copy_(tensor)
    return module


@pytest.mark.parametrize("kind", OF_TORCH)
@pytest.mark.parametrize(
    "more", [{}, {"n_layers": 3}, {"bidirectional": True}, {"bidirectional": True, "n_layers": 2}], ids=str
)
def test_outputs_and_gradients_are_those_of_torch(kind, more):
    layer = layer_of(kind, **more)
    params, x = params_of(layer, (T, F)), x_of(N, T, F)
    module = torch_of(kind, params, **more)
    expected, last = module(x)
    last = last[0] if kind == "LSTMLayer" else last
    found = layer.build((T, F))(params, x, True)
    torch.testing.assert_close(found, expected)
    assert layer.output_shape((T, F)) == found.shape[1:]
    found.square().sum().backward()
    expected.square().sum().backward()
    # In the order of the parameters of torch.
    for own, other in zip(params.values(), module.parameters(), strict=True):
        torch.testing.assert_close(own.grad, other.grad)
    only_last = layer_of(kind, only_last=True, **more)
    n_directions = 2 if more.get("bidirectional") else 1
    of_last = torch.cat(list(last[-n_directions:]), 1)
    torch.testing.assert_close(only_last.build((T, F))(params, x, True), of_last)
    assert only_last.output_shape((T, F)) == (H * n_directions,)


@pytest.mark.parametrize("kind", OF_TORCH)
def test_a_layer_backwards_reads_from_the_last_step_and_keeps_their_order(kind):
    layer = layer_of(kind, backwards=True)
    params, x = params_of(layer, (T, F)), x_of(N, T, F)
    expected, last = torch_of(kind, params)(x.flip(1))
    torch.testing.assert_close(layer.build((T, F))(params, x, True), expected.flip(1))
    last = last[0] if kind == "LSTMLayer" else last
    torch.testing.assert_close(layer_of(kind, backwards=True, only_last=True).build((T, F))(params, x, True), last[-1])


@pytest.mark.parametrize("kind", OF_TORCH)
@pytest.mark.parametrize("more", [{}, {"backwards": True}, {"bidirectional": True, "n_layers": 2}], ids=str)
@pytest.mark.parametrize("steps", [LENGTHS, MASK], ids=["lengths", "mask"])
def test_steps_that_do_not_count_are_skipped(kind, more, steps):
    layer, last_layer = layer_of(kind, **more), layer_of(kind, only_last=True, **more)
    params, x = params_of(layer, (T, F)), x_of(N, T, F)
    found = layer.build((T, F))(params, [x, steps], True)
    last = last_layer.build((T, F))(params, [x, steps], True)
    counts = torch.arange(T) < steps[:, None] if steps.ndim == 1 else steps
    for row in range(N):
        # Each row alone, of the steps that count.
        alone = x[row : row + 1, counts[row]]
        torch.testing.assert_close(found[row, counts[row]], layer.build((T, F))(params, alone, True)[0])
        torch.testing.assert_close(last[row], last_layer.build((T, F))(params, alone, True)[0])
    assert (found[~counts] == 0).all()
    # Whatever stands there.
    other = x.clone()
    other[~counts] = torch.inf
    assert torch.equal(layer.build((T, F))(params, [other, steps], True), found)


def test_outputs_have_all_steps_though_no_sequence_has():
    layer = layer_of("GRULayer")
    params, x = params_of(layer, (T, F)), x_of(2, T, F)
    found = layer.build((T, F))(params, [x, torch.tensor([3, 1])], True)
    assert found.shape == (2, T, H) and not found[:, 3:].any()
    torch.testing.assert_close(found[:1, :3], layer.build((T, F))(params, x[:1, :3], True))


def test_the_gradient_of_a_step_that_does_not_count_is_zero():
    layer = layer_of("LSTMLayer")
    params, x = params_of(layer, (T, F)), x_of(N, T, F).requires_grad_()
    layer.build((T, F))(params, [x, LENGTHS], True).square().sum().backward()
    counts = torch.arange(T) < LENGTHS[:, None]
    assert (x.grad[~counts] == 0).all() and (x.grad[counts].abs().sum(1) > 0).all()


def test_sequences_of_one_number_per_step_and_layers_without_a_bias():
    layer = layer_of("GRULayer", use_bias=False)
    params, x = params_of(layer, (T,)), x_of(N, T)
    assert sorted(params) == ["W_in", "W_rec"] and layer.output_shape((T,)) == (T, H)
    found = layer.build((T,))(params, x, True)
    zeros = {name: torch.zeros(3 * H) for name in ("b_in", "b_rec")}
    expected = layer_of("GRULayer").build((T, 1))(params | zeros, x[:, :, None], True)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (LSTMLayer(n_units=H, n_layers=2), {"W_in": (16, 3), "W_in1": (16, 4), "W_rec1": (16, 4), "b_in": (16,)}),
        (GRULayer(n_units=H, bidirectional=True, n_layers=2), {"W_in_reverse": (12, 3), "W_in1_reverse": (12, 8)}),
        (RecurrentLayer(n_units=H), {"W_in": (4, 3), "W_rec": (4, 4), "b_rec": (4,)}),
    ],
)
def test_parameters_are_those_of_each_layer_and_direction(layer, shapes):
    declared = layer.declare_params((T, F))
    assert {name: declared[name].shape for name in shapes} == shapes
    # Weights have penalties, by the unit, biases do not.
    assert all((one.unit_axis == 0) == name.startswith("W") for name, one in declared.items())


def test_weights_begin_in_one_range_of_glorot_for_all_gates_and_biases_at_zero():
    declared = LSTMLayer(n_units=20, n_layers=2, peepholes=True).declare_params((T, 10))
    rng = np.random.default_rng(0)
    values = {name: one.initial.draw(rng, one.shape, one.fan_in, one.fan_out) for name, one in declared.items()}
    # sqrt(6 / (fan_in + fan_out)), with the fans of one gate (Glorot and Bengio, 2010).
    limits = {"W_in": 30, "W_rec": 40, "W_in1": 40, "W_rec1": 40, "W_cell": 40, "W_cell1": 40}
    assert {name for name in values if name.startswith("W")} == set(limits)
    for name, fans in limits.items():
        limit = (6 / fans) ** 0.5
        assert 0.9 * limit < abs(values[name]).max() <= limit
    assert not any(values[name].any() for name in ("b_in", "b_rec", "b_in1", "b_rec1"))
    # Units of peepholes lie along their second axis, those of other weights along the first.
    assert (declared["W_cell"].unit_axis, declared["W_in1"].unit_axis, declared["b_in"].unit_axis) == (1, 0, None)


def test_initial_values_of_a_user_hold_for_weights_or_biases():
    declared = layer_of("LSTMLayer", W=0.25, b=2.0, peepholes=True).declare_params((T, F))
    for name, one in declared.items():
        values = one.initial.draw(np.random.default_rng(0), one.shape, one.fan_in, one.fan_out)
        assert (values == (0.25 if name.startswith("W") else 2.0)).all()


def test_wrong_layers_are_refused():
    with pytest.raises(ConfigError, match="backwards and bidirectional cannot both be set"):
        parse([["LSTMLayer", {"n_units": 2, "backwards": True, "bidirectional": True}]])
    with pytest.raises(ConfigError, match=r"lstm1: needs sequences \(steps, features\) or \(steps,\); got \(2, 3, 4\)"):
        declare(parse([["LSTMLayer", {"n_units": 2}], ["RegressionOutputLayer", {"n_outputs": 1}]]), (2, 3, 4))


def links(layers, n_in):
    return {place.name: (place.sources, place.fields) for place in declare(parse(layers), n_in).placed}


OUTPUT = ["ClassificationOutputLayer", {"n_classes": 2}]


def test_layers_that_keep_the_steps_pass_their_lengths_on():
    first = ["InputLayer", {"channel": "x", "lengths": "n"}]
    lstm = ["LSTMLayer", {"n_units": 2}]
    last = ["GRULayer", {"n_units": 2, "only_last": True}]
    found = links([first, lstm, ["DropoutLayer", {"dropout_p": 0.5}], last, OUTPUT], (T, F))
    assert found["x" if "x" in found else "input"] == ((), (0,))
    assert (found["lstm1"], found["dropout1"], found["gru1"]) == (((0,), (1,)), ((1,), ()), ((2,), (1,)))
    # A dense layer flattens the sequence.
    found = links([first, ["FCLayer", {"n_units": 6}], OUTPUT], (T, F))
    assert found["fc1"] == ((0,), ())
    without = links([lstm, last, OUTPUT], (T, F))
    assert without["lstm1"] == ((0,), ()) and without["gru1"] == ((1,), ())


def test_sequences_of_two_inputs_have_lengths_of_their_own_or_in_common():
    def layers(a, b):
        return [
            ["InputLayer", {"channel": "a"} | a],
            ["LSTMLayer", {"n_units": 2}],
            ["InputLayer", {"channel": "b"} | b],
            ["LSTMLayer", {"n_units": 2, "input": "b"}],
            ["ConcatLayer", {"inputs": ["lstm1", "lstm2"], "axis": 2}],
            ["LSTMLayer", {"n_units": 3, "only_last": True}],
            OUTPUT,
        ]

    n_in = {"a": (T, F), "b": (T, F)}
    found = links(layers({"lengths": "n"}, {"lengths": "n"}), n_in)
    assert [found[name][1] for name in ("lstm1", "lstm2", "lstm3")] == [(2,), (2,), (2,)]
    found = links(layers({"lengths": "n"}, {"mask": "m"}), n_in)
    assert [found[name][1] for name in ("lstm1", "lstm2", "lstm3")] == [(2,), (3,), ()]
    found = links(layers({}, {"lengths": True}), n_in)
    assert [found[name][1] for name in ("lstm1", "lstm2", "lstm3")] == [(), (2,), ()]


def test_a_network_takes_rows_and_then_lengths():
    layers = [["InputLayer", {"lengths": True}], ["LSTMLayer", {"n_units": H, "only_last": True}], OUTPUT]
    network = Network(declare(parse(layers), (T, F)))
    network.initialise(1)
    with torch.no_grad():
        network.weights.normal_(generator=torch.Generator().manual_seed(5))
    x = x_of(N, T, F)
    (found,) = network(x, LENGTHS)
    (alone,) = network(x[2:3, :3], LENGTHS[2:3])
    torch.testing.assert_close(found[2:3], alone)
    assert not torch.allclose(found, network(x, torch.full((N,), T))[0])


@pytest.mark.parametrize("more", [{}, {"backwards": True}, {"bidirectional": True, "n_layers": 2}], ids=str)
@pytest.mark.parametrize("steps", [None, LENGTHS, MASK], ids=["all", "lengths", "mask"])
def test_step_by_step_an_lstm_is_that_of_the_fused_operation(more, steps):
    # A bound that no gradient reaches.
    fused, by_steps = layer_of("LSTMLayer", **more), layer_of("LSTMLayer", max_gate_gradient=1e9, **more)
    found = []
    for layer in (fused, by_steps):
        for only_last in (False, True):
            layer = layer.model_copy(update={"only_last": only_last})
            params, x = params_of(layer, (T, F)), x_of(N, T, F).requires_grad_()
            outputs = layer.build((T, F))(params, x if steps is None else [x, steps], True)
            outputs.square().sum().backward()
            found.append([outputs.detach(), x.grad, *(tensor.grad for tensor in params.values())])
    for own, other in zip([*found[0], *found[1]], [*found[2], *found[3]], strict=True):
        torch.testing.assert_close(own, other)


# As an exported network computes sequences of different lengths.
@pytest.mark.parametrize("kind", OF_TORCH)
@pytest.mark.parametrize("steps", [None, LENGTHS, MASK], ids=["all", "lengths", "mask"])
def test_a_loop_over_the_steps_is_the_fused_operation(kind, steps):
    of_kind = {"activation": "tanh"} if kind == "RecurrentLayer" else {}
    for more in ({}, {"backwards": True, "use_bias": False}, {"bidirectional": True, "n_layers": 2}, of_kind):
        layer = layer_of(kind, **more)
        params, x = params_of(layer, (T, F)), x_of(N, T, F)
        x = x if steps is None else [x, steps]
        for only_last in (False, True):
            layer = layer.model_copy(update={"only_last": only_last})
            torch.testing.assert_close(layer._by_steps()(params, x, False), layer.build((T, F))(params, x, False))


@pytest.mark.parametrize("peepholes", [False, True])
def test_a_lstm_is_that_of_a_formula_in_numpy(peepholes):
    layer = layer_of("LSTMLayer", peepholes=peepholes)
    params = {name: tensor.detach() for name, tensor in params_of(layer, (T, F)).items()}
    x = x_of(1, T, F)
    found = layer.build((T, F))(params, x, False)[0].numpy()
    p, h, c = {name: tensor.numpy() for name, tensor in params.items()}, np.zeros(H), np.zeros(H)
    w_cell = p.get("W_cell", np.zeros((3, H)))
    assert w_cell.shape == (3, H) and w_cell.any() == peepholes

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    for step, values in enumerate(x[0].numpy()):
        i, f, g, o = np.split(p["W_in"] @ values + p["b_in"] + p["W_rec"] @ h + p["b_rec"], 4)
        new_c = sigmoid(f + w_cell[1] * c) * c + sigmoid(i + w_cell[0] * c) * np.tanh(g)
        h, c = sigmoid(o + w_cell[2] * new_c) * np.tanh(new_c), new_c
        np.testing.assert_allclose(found[step], h, rtol=1e-12)


def test_gradients_of_the_gates_are_clipped_at_each_step():
    # Of one step and one row the gradient of b_in is that of the sums.
    layer = layer_of("LSTMLayer", n_units=6, max_gate_gradient=0.01)
    params, x = params_of(layer, (1, F)), x_of(1, 1, F)
    (100 * layer.build((1, F))(params, x, True)).sum().backward()
    free = params_of(layer, (1, F))
    (100 * layer_of("LSTMLayer", n_units=6).build((1, F))(free, x, True)).sum().backward()
    assert free["b_in"].grad.abs().max() > 0.01
    torch.testing.assert_close(params["b_in"].grad, free["b_in"].grad.clamp(-0.01, 0.01))
    # Outside training nothing is recorded.
    with torch.no_grad():
        layer.build((1, F))(params, x, False)
