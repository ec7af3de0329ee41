"""Gradients of shards are those of the batch, added in a tree that is worked out by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from arignote.engine.feed import DeviceBatch
from arignote.engine.network import Network
from arignote.engine.shards import TreeSum
from arignote.engine.step import TrainingStep
from arignote.layers import declare, parse
from arignote.registry import build

# Sums of 32-bit numbers of such different sizes depend on their order.
VALUES = np.random.default_rng(0).normal(size=(9, 50)).astype(np.float32) * 10.0 ** np.arange(9)[:, None]
VALUES = VALUES.astype(np.float32)


def pairs(*numbers):
    """Return the sum of nested pairs of the values of these numbers."""
    return VALUES[numbers[0]] if len(numbers) == 1 else sum_of(numbers[0]) + sum_of(numbers[1])


def sum_of(one):
    return pairs(*one) if isinstance(one, tuple) else VALUES[one]


TREES = {
    1: 0,
    2: (0, 1),
    3: ((0, 1), 2),
    4: ((0, 1), (2, 3)),
    5: (((0, 1), (2, 3)), 4),
    6: (((0, 1), (2, 3)), (4, 5)),
    7: (((0, 1), (2, 3)), ((4, 5), 6)),
    8: (((0, 1), (2, 3)), ((4, 5), (6, 7))),
    9: ((((0, 1), (2, 3)), ((4, 5), (6, 7))), 8),
}


def summed(n, first, end):
    tree, most = TreeSum(n), 0
    for number in range(first, end):
        tree.add(number, number + 1, torch.from_numpy(VALUES[number].copy()))
        most = max(most, len(tree.nodes))
    return tree, most


@pytest.mark.parametrize("n", TREES)
def test_vectors_are_added_in_the_tree_of_their_number(n):
    tree, most = summed(n, 0, n)
    assert np.array_equal(tree.total.numpy(), sum_of(TREES[n]))
    assert most <= np.log2(n) + 1


@pytest.mark.parametrize("n", TREES)
def test_runs_that_are_added_first_change_no_bit_of_the_sum(n):
    for cuts in ([0, n], [0, 1, n], [0, n // 2, n], [0, n // 3, n - 1, n], list(range(n + 1))):
        whole = TreeSum(n)
        for first, end in pairwise(cuts):
            for node in summed(n, first, end)[0].nodes:
                whole.add(*node)
        assert np.array_equal(whole.total.numpy(), sum_of(TREES[n])), cuts


def step_of(layers, n_shards=1):
    network = Network(declare(parse(layers), (6,)))
    network.initialise(3)
    return TrainingStep(network.train(), [build("loss", "nll")], build("updater", "sgd"), n_shards=n_shards)


def data(n, weighted=False):
    rng = torch.Generator().manual_seed(4)
    x, y = torch.randn(n, 6, generator=rng), torch.arange(n) % 3
    return x, y, torch.rand(n, generator=rng) if weighted else None


def cut(x, y, weights, *sizes):
    """Return shards of these sizes; one of no rows has no features."""
    pieces = zip(x.split(sizes), y.split(sizes), sizes if weights is None else weights.split(sizes), strict=True)
    return [
        DeviceBatch((of_x.clone(),), (of_y,), None if weights is None else of_w) if len(of_x) else DeviceBatch((), ())
        for of_x, of_y, of_w in pieces
    ]


DENSE = [["FCLayer", {"n_units": 5, "activation": "tanh"}], ["ClassificationOutputLayer", {"n_classes": 3}]]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("sizes", [(4, 4, 4), (3, 4, 5), (1, 0, 11)], ids=str)
def test_gradients_and_loss_are_those_of_the_whole_batch(sizes, weighted):
    x, y, weights = data(12, weighted)
    step = step_of(DENSE, 3)
    of_shards = step(cut(x, y, weights, *sizes), [1, 2, 3], lr=0.0, momentum=0.0, n=1, n_rows=[12])
    leaves = [p.detach().clone().requires_grad_() for p in step.network.named.values()]
    w1, b1, w2, b2 = leaves
    logits = torch.tanh(x @ w1 + b1) @ w2 + b2
    each = torch.nn.functional.cross_entropy(logits, y, reduction="none")
    loss = (each if weights is None else each * weights).mean()
    wanted = torch.cat([g.flatten() for g in torch.autograd.grad(loss, leaves)])
    torch.testing.assert_close(step.network.gradients, wanted, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(of_shards, loss.detach(), rtol=1e-6, atol=0)


def test_several_batches_in_shards_are_one_update():
    x, y, _ = data(20)
    step = step_of(DENSE, 2)
    step(cut(x, y, None, 6, 6, 4, 4), [1, 2, 3, 4], lr=0.0, momentum=0.0, n=1, n_rows=[12, 8])
    whole = step_of(DENSE)
    whole([DeviceBatch((x,), (y,))], [1], lr=0.0, momentum=0.0, n=1, n_rows=[20])
    torch.testing.assert_close(step.network.gradients, whole.network.gradients, rtol=1e-5, atol=1e-7)


NORM = [["BatchNormLayer", {"alpha": 0.25}], *DENSE]


@pytest.mark.parametrize("n_batches", [1, 2])
def test_running_statistics_move_once_a_batch_by_the_mean_of_the_shards(n_batches):
    x, y, _ = data(12 * n_batches)
    step = step_of(NORM, 3)
    mean, var = np.zeros(6), np.ones(6)
    sizes = (2, 4, 6) * n_batches
    step(cut(x, y, None, *sizes), range(9), lr=0.0, momentum=0.0, n=1, n_rows=[12] * n_batches)
    for batch in np.split(x.double().numpy(), n_batches):
        shards = np.split(batch, [2, 6])
        # Ioffe & Szegedy, 2015: the running variance is of the unbiased ones.
        mean = 0.75 * mean + 0.25 * sum(len(s) / 12 * s.mean(0) for s in shards)
        var = 0.75 * var + 0.25 * sum(len(s) / 12 * s.var(0, ddof=1) for s in shards)
    np.testing.assert_allclose(step.network.named["norm1.mean"].detach().numpy(), mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(step.network.named["norm1.var"].detach().numpy(), var, rtol=1e-5)


def test_a_shard_is_normalised_by_its_own_statistics():
    x, y, _ = data(12)
    step = step_of(NORM, 2)
    step(cut(x, y, None, 8, 4), [1, 2], lr=0.0, momentum=0.0, n=1, n_rows=[12])
    total = 0
    for part_x, part_y in ((x[:8], y[:8]), (x[8:], y[8:])):
        alone = step_of(NORM)
        alone([DeviceBatch((part_x.clone(),), (part_y,))], [1], lr=0.0, momentum=0.0, n=1, n_rows=[len(part_x)])
        total = total + alone.network.gradients * (len(part_x) / 12)
    torch.testing.assert_close(step.network.gradients, total, rtol=1e-5, atol=1e-7)


def test_counters_of_a_module_count_batches_not_shards():
    x, y, _ = data(12)
    step = step_of([["TorchLayer", {"module": "torch.nn:BatchNorm1d", "params": {"num_features": 6}}], *DENSE], 3)
    step(cut(x, y, None, 4, 4, 4), [1, 2, 3], lr=0.0, momentum=0.0, n=1, n_rows=[12])
    [counter] = [t for name, t in step.network.named.items() if name.endswith("num_batches_tracked")]
    assert counter.item() == 1 and counter.dtype == torch.int64


def test_each_shard_draws_from_its_own_seed_also_after_one_without_rows():
    layers = [["DropoutLayer", {"dropout_p": 0.5}], *DENSE]
    x, y, _ = data(8)
    found = []
    for seeds, sizes in (((1, 2, 3), (4, 0, 4)), ((1, 7, 3), (4, 0, 4)), ((1, 2, 4), (4, 0, 4))):
        step = step_of(layers, 3)
        step(cut(x, y, None, *sizes), seeds, lr=0.0, momentum=0.0, n=1, n_rows=[8])
        found.append(step.network.gradients.clone())
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])
