"""Which layer it was: what has no deterministic form, what breaks its declaration."""

from __future__ import annotations

import pytest
import torch
from given_layers import X, Y, given, step_of

from arignote.engine.diagnose import find_misdeclared, nondeterministic_layer
from arignote.engine.feed import DeviceBatch


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
