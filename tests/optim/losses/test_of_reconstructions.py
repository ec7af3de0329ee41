"""Losses of reconstructions, against those of torch."""

from __future__ import annotations

import torch
from torch.nn import functional

from arignote.optim.losses import Reconstruction
from arignote.registry import build


def outputs():
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(6, 5, generator=generator, requires_grad=True)
    return z, torch.rand(6, 5, generator=generator)


def test_each_cost_is_the_mean_over_the_values_of_a_row_with_the_gradient_of_torch():
    costs = {
        "squared": lambda z, x: functional.mse_loss(z, x, reduction="none"),
        "cross_entropy": lambda z, x: functional.binary_cross_entropy(z.sigmoid(), x, reduction="none"),
    }
    for cost, expected in costs.items():
        z, x = outputs()
        # Whatever comes with the rows is not used.
        found = Reconstruction(cost=cost).build()(torch.cat([z, x], 1), torch.full((6, 2), torch.nan))
        torch.testing.assert_close(found, expected(z, x).mean(1))
        gradients = [torch.autograd.grad(one.sum(), z)[0] for one in (found, expected(z, x).mean(1))]
        torch.testing.assert_close(*gradients)


def test_a_cross_entropy_of_large_sums_is_finite():
    z, x = torch.tensor([[200.0, -200.0]]), torch.tensor([[0.0, 1.0]])
    assert Reconstruction(cost="cross_entropy").build()(torch.cat([z, x], 1), x).tolist() == [200.0]


def test_it_is_the_loss_of_what_an_autoencoder_fits_alone():
    assert build("loss", "reconstruction").targets == ("own_input",) and Reconstruction.differentiable
