"""Layers that autograd records on their own: gradients beside those worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from arignote.engine.by_hand.segment import Segment

ONE, SEVERAL = SimpleNamespace(takes_list=False), SimpleNamespace(takes_list=True)


def segment(w, gradient, needs):
    """Return ``w * a^2 + b`` of the inputs a and b, in two steps."""
    w.grad = gradient
    steps = [
        (ONE, {"w": w}, lambda params, x, training: params["w"] * x**2, (-1,)),
        (SEVERAL, {}, lambda params, xs, training: xs[0] + xs[1], (0, -2)),
    ]
    made = Segment(steps, [gradient])
    made.needs = needs
    return made


def test_gradients_of_inputs_and_parameters_are_those_of_the_formula():
    w, gradient = torch.tensor([3.0], requires_grad=True), torch.tensor([100.0])
    made = segment(w, gradient, (True, False))
    made.zero()
    a, b, g = torch.tensor([2.0, -1.0]), torch.tensor([5.0, 7.0]), torch.tensor([1.0, 10.0])
    output, saved = made.forward([a, b])
    assert output.tolist() == [17, 10] and not output.requires_grad and made.trains
    of_a, of_b = made.backward(g, saved, 0.0, True)
    # 2 w a g; b needs none; the sum of a^2 g.
    assert of_a.tolist() == [12, -60] and of_b is None and gradient.tolist() == [14]
    assert not a.requires_grad


def test_an_input_on_which_the_output_does_not_depend_has_a_gradient_of_zero():
    steps = [(ONE, {}, lambda params, x, training: x * 2, (-2,))]
    made = Segment(steps, [])
    made.needs = (True, True)
    _, saved = made.forward([torch.ones(2), torch.ones(2)])
    assert [one.tolist() for one in made.backward(torch.ones(2), saved, 0.0, True)] == [[0, 0], [2, 2]]
