"""Which layer a NaN came from, forward, in the loss, backward or in the update."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from given_layers import Given, X, Y, given, step_of

from arignote.engine.feed import DeviceBatch
from arignote.engine.network import Network
from arignote.engine.not_finite import CheckedStep, NotFiniteFoundError
from arignote.engine.step import TrainingStep
from arignote.layers import declare, parse
from arignote.registry import build


def update(step, parts, **how):
    batches = [DeviceBatch((one[0],), *one[1:3]) for one in parts]
    return step(batches, [one[3] for one in parts], n_rows=[len(one[0]) for one in parts], **how)


def found(step, parts, **more):
    with pytest.raises(NotFiniteFoundError) as caught:
        update(CheckedStep(step), parts, **{"lr": 0.1, "momentum": 0.0, "n": 1} | more)
    return caught.value


def test_a_step_whose_numbers_are_finite_is_that_step():
    ours, theirs = (
        step_of(["FCLayer", {"n_units": 5}], updater="adam"),
        step_of(["FCLayer", {"n_units": 5}], updater="adam"),
    )
    parts = [(X[:2], (Y[0][:2],), None, 1), (X[2:], (Y[0][2:],), None, 2)]
    for n in (1, 2):
        loss = update(CheckedStep(ours), parts, lr=0.1, momentum=0.25, n=n)
        assert torch.equal(loss, update(theirs, parts, lr=0.1, momentum=0.25, n=n))
    assert torch.equal(ours.network.weights, theirs.network.weights)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_examples_that_are_not_finite_are_attributed_to_the_data(bad):
    x = X.clone()
    x[3, 1] = bad
    error = found(step_of(), [(X, Y, None, 1), (x, Y, None, 2)])
    assert error.in_data and str(error) == "examples were not finite when they came to the network"


def test_the_first_layer_in_order_whose_output_is_not_finite_is_named():
    def blow(x, training):
        return torch.where(x.amax() > 1e3, x * torch.inf, x)

    layers = [given(blow, "first"), ["FCLayer", {"name": "fc", "n_units": 5}], given(blow, "second")]
    big = X.clone()
    big[0, 0] = 1e6
    for parts in ([(big, Y, None, 1)], [(X, Y, None, 1), (big, Y, None, 2)]):
        error = found(step_of(*layers), parts)
        assert str(error) == "the output of layer 'first' was the first that was not finite" and not error.in_data
    error = found(step_of(*layers, weights=1e5), [(X, Y, None, 1)])
    assert str(error) == "the output of layer 'second' was the first that was not finite"


def test_outputs_are_computed_in_the_type_of_the_step():
    # 4e5 is a number of float32, and infinite in float16.
    layer = ["FCLayer", {"name": "fc", "n_units": 5, "activation": "linear", "W": 1e5, "use_bias": False}]
    x = torch.ones(6, 4)
    step = step_of(layer, precision="fp16")
    assert bool(step.network.weights.isfinite().all())
    error = found(step, [(x, Y, None, 1)])
    assert str(error) == "the output of layer 'fc' was the first that was not finite"


def test_what_a_layer_draws_is_drawn_again_with_the_seed_of_its_batch():
    def rarely(x, training):
        # With about one seed in ten.
        return x * torch.inf if torch.rand(()) < 0.1 else x

    seeds = [seed for seed in range(200) if float(torch.rand((), generator=torch.Generator().manual_seed(seed))) < 0.1]
    good = next(seed for seed in range(200) if seed not in seeds)
    error = found(step_of(given(rarely)), [(X, Y, None, good), (X, Y, None, seeds[0])])
    assert str(error) == "the output of layer 'own' was the first that was not finite"


def test_a_loss_that_is_not_finite_though_the_logits_are_is_reported():
    weights = torch.full((6,), 3e38)
    error = found(step_of(weights=100.0), [(X, Y, weights, 1)])
    assert str(error) == "the loss itself was not finite, though the output of every layer was"


# Its square is infinite, or the product with the weight of the loss.
@pytest.mark.parametrize(("target", "weight"), [(1e30, 1.0), (1e3, 1e38)])
def test_the_output_whose_loss_is_not_finite_is_named_where_there_are_several(target, weight):
    layers = [
        ["ClassificationOutputLayer", {"name": "kind", "n_classes": 3}],
        ["RegressionOutputLayer", {"name": "size", "n_outputs": 1, "input": "input"}],
    ]
    network = Network(declare(parse(layers), (4,)))
    network.initialise(3)
    losses = [build("loss", "nll"), build("loss", ["squared", {"weight": weight}])]
    step = TrainingStep(network.train(), losses, build("updater", "sgd"))
    huge = torch.full((6, 1), target)
    with pytest.raises(NotFiniteFoundError) as caught:
        CheckedStep(step)([DeviceBatch((X,), (*Y, huge))], [1], lr=0.1, momentum=0.0, n=1, n_rows=[len(X)])
    assert str(caught.value) == "the loss of 'size' was not finite, though the output of every layer was"


class Root(torch.autograd.Function):
    """0 for any number, with the slope of a square root there: infinite."""

    @staticmethod
    def forward(ctx, x):
        return torch.zeros_like(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient / 0


def root(x, training):
    return Root.apply(x)


GRADIENT = "the gradient of layer {!r} was the first that was not finite, though its output was finite"


def test_the_layer_whose_gradient_is_not_finite_is_named_and_not_those_in_front():
    layers = [["FCLayer", {"name": name, "n_units": 4}] for name in ("a", "b", "c")]
    step = step_of(*layers[:2], given(root, "root"), layers[2])
    before = step.network.arrays()
    assert str(found(step, [(X, Y, None, 1)])) == GRADIENT.format("root")
    # What the update made is kept.
    assert np.isnan(step.network.arrays()["a.W"]).any() and not np.isnan(before["a.W"]).any()


def test_a_gradient_that_overflows_in_a_layer_computed_by_hand_is_attributed_to_it():
    # Zeros come to it, so that its outputs are finite; 64 weights of 1e38 for each input are not.
    layers = [
        ["FCLayer", {"name": "a", "n_units": 4, "W": 0.0, "activation": "linear"}],
        ["FCLayer", {"name": "large", "n_units": 64, "W": 1e38, "activation": "linear"}],
    ]
    step = step_of(*layers, weights=1.0)
    assert {"a", "large", "out"} <= set(step.by_hand)
    step.network.named["out.W"].data.fill_(0).data[:, 0] = 100.0
    assert str(found(step, [(X, Y, None, 1)])) == GRADIENT.format("large")


def test_numbers_that_follow_a_rule_are_in_force_where_the_layer_is_searched():
    step = step_of(
        ["FCLayer", {"name": "a", "n_units": 4}],
        ["DropoutLayer", {"name": "drop", "dropout_p": 0.0}],
        given(root, "root"),
    )
    message = str(found(step, [(X, Y, None, 1)], numbers={"drop.dropout_p": 0.5}))
    assert message == GRADIENT.format("root")


def test_gradients_of_several_branches_are_added_up():
    # Each of two branches gives a finite gradient, and their sum is none: it comes to the layer before both.
    def steep(x, training):
        return Steep.apply(x)

    class Steep(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            return torch.full_like(gradient, 2e38)

    layers = [
        ["FCLayer", {"name": "a", "n_units": 4, "activation": "linear"}],
        Given(name="left", function=steep, input="a"),
        Given(name="right", function=steep, input="a"),
        ["SumLayer", {"inputs": ["left", "right"]}],
    ]
    # Of one row of small numbers the gradients of the weights are finite if only one branch counts; those of the data,
    # which are not, are none of training.
    assert str(found(step_of(*layers), [(X[:1] / 10, (Y[0][:1],), None, 1)])) == GRADIENT.format("a")


def test_the_second_batch_of_an_update_is_searched_backwards_too():
    def sometimes(x, training):
        return Root.apply(x) if float(x.detach().amax()) > 100 else x

    step = step_of(["FCLayer", {"name": "a", "n_units": 4}], given(sometimes, "own"))
    assert str(found(step, [(X, Y, None, 1), (X * 1000, Y, None, 2)])) == GRADIENT.format("own")


def test_buffers_are_watched_and_each_search_begins_with_those_of_the_step():
    # The square of 1e20 is infinite in float32, the normalised rows are 0.
    step = step_of(["BatchNormLayer", {"name": "norm"}])
    message = str(found(step, [(X * 1e20, Y, None, 1)]))
    assert "'norm" in message
    step = step_of(["FCLayer", {"name": "a", "n_units": 4}], ["BatchNormLayer", {"name": "norm"}], given(root, "root"))
    expected = step_of(
        ["FCLayer", {"name": "a", "n_units": 4}], ["BatchNormLayer", {"name": "norm"}], given(root, "root")
    )
    found(step, [(X, Y, None, 1)])
    update(expected, [(X, Y, None, 1)], lr=0.1, momentum=0.0, n=1)
    for name in ("norm.mean", "norm.var"):
        assert torch.equal(step.network.named[name], expected.network.named[name])


def test_layers_of_blocks_with_shared_weights_and_several_inputs_have_their_own_names():
    def network(large, *layers):
        network = Network(
            declare(parse([*layers, ["ClassificationOutputLayer", {"name": "out", "n_classes": 3}]]), N_IN)
        )
        network.initialise(3)
        for name, value in large.items():
            network.named[name].data.fill_(value)
        step = TrainingStep(network.train(), [build("loss", "nll")], build("updater", "sgd"))
        with pytest.raises(NotFiniteFoundError) as caught:
            CheckedStep(step)([DeviceBatch((X, X.abs()), Y)], [1], lr=0.1, momentum=0.0, n=1, n_rows=[len(X)])
        return str(caught.value)

    N_IN = {"x": (4,), "z": (4,)}
    inputs = [["InputLayer", {"channel": "x"}], ["InputLayer", {"channel": "z"}]]
    fc = {"n_units": 4, "activation": "linear"}
    of_output = "the output of layer {!r} was the first that was not finite"
    two = [["FCLayer", {"name": "a", "input": "x", **fc}], ["FCLayer", {"name": "b", "input": "z", **fc}]]
    joined = ["ConcatLayer", {"inputs": ["a", "b"]}]
    assert network({"b.W": np.nan}, *inputs, *two, joined) == of_output.format("b")
    # 1e25 twice is more than float32 can hold.
    shared = [two[0], ["FCLayer", {"name": "again", "input": "a", "share": "a", **fc}], two[1]]
    joined = ["ConcatLayer", {"inputs": ["again", "b"]}]
    assert network({"a.W": 1e25}, *inputs, *shared, joined) == of_output.format("again")
    block = ["Block", {"name": "res", "repeat": 3, "input": "both", "layers": [["FCLayer", {**fc, "n_units": 8}]]}]
    joined = ["ConcatLayer", {"name": "both", "inputs": ["a", "b"]}]
    assert network({"res-2-fc1.W": np.nan}, *inputs, *two, joined, block) == of_output.format("res-2-fc1")


def test_a_parameter_that_the_update_made_infinite_is_named_and_kept_so():
    step = step_of(["FCLayer", {"name": "fc", "n_units": 5}])
    heavy = torch.full((6,), 1e5)
    error = found(step, [(X, Y, heavy, 1)], lr=3e38)
    assert str(error) == "the update made parameter 'fc.W' not finite"
    assert not step.network.named["fc.W"].isfinite().all()
    step = step_of(["FCLayer", {"name": "fc", "n_units": 5, "fix_params": True}])
    assert str(found(step, [(X, Y, heavy, 1)], lr=3e38)).startswith("the update made parameter 'out.")
