"""Which layer it was: where a NaN was born, what has no deterministic form, what breaks its declaration."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote.engine.diagnose import CheckedStep, NotFiniteFoundError, find_misdeclared, nondeterministic_layer
from arignote.engine.feed import DeviceBatch
from arignote.engine.network import Network
from arignote.engine.setup import Setup
from arignote.engine.step import TrainingStep
from arignote.layers import Layer, declare, parse
from arignote.registry import build

OUTPUT = ["ClassificationOutputLayer", {"name": "out", "W": "glorot_uniform"}]
RNG = np.random.default_rng(0)
X, Y = torch.from_numpy(RNG.normal(size=(6, 4)).astype(np.float32)), (torch.arange(6) % 3,)


class Given(Layer):
    """A function of (x, training), and the shape that it declares."""

    function: object
    declared: list[int] | None = None

    def output_shape(self, shape):
        return shape if self.declared is None else tuple(self.declared)

    def build(self, shape):
        return lambda params, x, training: self.function(x, training)


def given(function, name="own", declared=None):
    return Given(name=name, function=function, declared=declared)


def step_of(*layers, updater="sgd", loss="nll", weights=1.0, **more):
    network = Network(declare(parse([*layers, OUTPUT]), (4,), 3), Setup(**more))
    network.initialise(3)
    network.weights.mul_(weights)
    return TrainingStep(network.train(), [build("loss", loss)], build("updater", updater))


def update(step, parts, **how):
    return step([DeviceBatch((one[0],), *one[1:3]) for one in parts], [one[3] for one in parts], **how)


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


def test_a_parameter_that_the_update_made_infinite_is_named_and_kept_so():
    step = step_of(["FCLayer", {"name": "fc", "n_units": 5}])
    heavy = torch.full((6,), 1e5)
    error = found(step, [(X, Y, heavy, 1)], lr=3e38)
    assert str(error) == "the update made parameter 'fc.W' not finite"
    assert not step.network.named["fc.W"].isfinite().all()
    step = step_of(["FCLayer", {"name": "fc", "n_units": 5, "fix_params": True}])
    assert str(found(step, [(X, Y, heavy, 1)], lr=3e38)).startswith("the update made parameter 'out.")


def test_a_layer_without_a_deterministic_form_is_named():
    def scatter(x, training):
        torch.use_deterministic_algorithms(True)
        # torch.Tensor.put_ without accumulate has none.
        return x + torch.zeros(3).put_(torch.zeros(3, dtype=torch.int64), torch.ones(3)).sum()

    torch.set_deterministic_debug_mode("error")
    try:
        layers = [["FCLayer", {"n_units": 5}], given(scatter, "scatter"), given(scatter, "again")]
        assert nondeterministic_layer(step_of(*layers).network) == "scatter"
        assert nondeterministic_layer(step_of(["FCLayer", {"n_units": 5}]).network) is None

        def fails(x, training):
            raise RuntimeError("of another kind")

        assert nondeterministic_layer(step_of(given(fails)).network) is None
    finally:
        torch.set_deterministic_debug_mode("default")


def test_a_layer_is_tried_while_training_forward_and_backward_with_two_rows():
    seen = []

    def record(x, training):
        seen.append((tuple(x.shape), training, x.requires_grad))
        return x

    assert nondeterministic_layer(step_of(given(record)).network) is None
    assert seen == [((2, 4), True, True)]


@pytest.mark.parametrize(
    ("function", "declared", "words"),
    [
        (lambda x, training: x, None, None),
        (lambda x, training: x[:, :2], [2], None),
        (lambda x, training: x[:, :2], None, r"layer 'own' returns shape (6, 2) where it declares (6, 4)"),
        (lambda x, training: x[:5], None, r"layer 'own' returns shape (5, 4) where it declares (6, 4)"),
        (lambda x, training: x.double(), None, "layer 'own' returns torch.float64 where torch.float32 came to it"),
        (lambda x, training: x.numpy(), None, "layer 'own' returns ndarray, not a tensor of shape (6, 4)"),
        (lambda x, training: x[:, 9], None, "layer 'own' fails: IndexError: index 9 is out of bounds"),
        (
            lambda x, training: x if training else x[:1],
            None,
            "layer 'own' returns shape (1, 4) where it declares (6, 4)",
        ),
        (
            lambda x, training: x[:1] if training else x,
            None,
            "layer 'own' returns shape (1, 4) where it declares (6, 4)",
        ),
    ],
)
def test_a_layer_that_does_not_do_as_it_declares_is_reported(function, declared, words):
    step = step_of(given(function, declared=declared))
    assert find_misdeclared(step) is None
    step.last_batches = [DeviceBatch((X,), Y)]
    message = find_misdeclared(step)
    assert message is None if words is None else message.startswith(words)


def test_the_type_is_free_where_layers_compute_in_another():
    seen = []
    own = given(lambda x, training: seen.append(x.dtype) or x.float())
    step = step_of(["FCLayer", {"n_units": 4}], own, precision="bf16")
    step.last_batches = [DeviceBatch((X,), Y)]
    assert find_misdeclared(step) is None and seen == [torch.bfloat16] * 2


def test_every_batch_of_an_update_is_checked():
    step = step_of(given(lambda x, training: x[:3]))
    step.last_batches = [DeviceBatch((X[:2],), (Y[0][:2],)), DeviceBatch((X[:5],), (Y[0][:5],))]
    assert find_misdeclared(step) == "layer 'own' returns shape (3, 4) where it declares (5, 4)"
