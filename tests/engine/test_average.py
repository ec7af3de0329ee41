"""The averaged network beside `torch.optim.swa_utils.AveragedModel`."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from arignote.engine.feed import DeviceBatch
from arignote.engine.network import Network
from arignote.engine.step import TrainingStep
from arignote.layers import declare, parse
from arignote.registry import build

LAYERS = [
    ["FCLayer", {"name": "fixed", "n_units": 5, "fix_params": True}],
    ["TorchLayer", {"name": "norm", "module": "torch.nn:BatchNorm1d", "params": {"num_features": 5}}],
    ["ClassificationOutputLayer", {"name": "output"}],
]
N_BATCHES = 3


class Copied(nn.Module):
    """A module with the tensors of a network."""

    def __init__(self, network):
        super().__init__()
        for name, tensor in network.named.items():
            self.register_buffer(name.replace(".", "_"), tensor.detach().clone())


def trained(average, n_epochs):
    """Yield the step after each update, whether it ends an epoch, and the number of the epoch."""
    network = Network(declare(parse(LAYERS), (4,), 3))
    network.initialise(1)
    step = TrainingStep(network.train(), [build("loss", "nll")], build("updater", "sgd"), average=average)
    if average is not None:
        step.average.copy()
    generator = torch.Generator().manual_seed(3)
    for n in range(1, n_epochs * N_BATCHES + 1):
        x, y = torch.randn(8, 4, generator=generator), torch.randint(0, 3, (8,), generator=generator)
        step([DeviceBatch((x,), (y,))], [n], lr=0.5, momentum=0.0, n=n, n_rows=[len(y)])
        epoch, ends = (n - 1) // N_BATCHES + 1, n % N_BATCHES == 0
        if average is not None:
            step.average.update(n, epoch, ends)
        yield step, epoch, ends


def compare(step, reference):
    for name, tensor in step.average.network.named.items():
        expected = getattr(reference.module, name.replace(".", "_"))
        torch.testing.assert_close(tensor.detach(), expected, rtol=1e-6, atol=1e-7, msg=lambda m, n=name: f"{n}: {m}")


def copied_into(module, network):
    for name, tensor in network.named.items():
        getattr(module, name.replace(".", "_")).copy_(tensor.detach())


def test_an_exponential_average_is_that_of_torch_buffers_included():
    reference = module = None
    for step, _, _ in trained(build("average", ["ema", {"decay": 0.8}]), n_epochs=4):
        if reference is None:
            module = Copied(step.network)
            reference = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(0.8), use_buffers=True)
        copied_into(module, step.network)
        reference.update_parameters(module)
        counts = "norm_num_batches_tracked"
        # torch averages counts, which it rounds; here they are those of the network.
        getattr(reference.module, counts).copy_(getattr(module, counts))
        compare(step, reference)
    pairs = {name: (t.detach(), step.network.named[name].detach()) for name, t in step.average.network.named.items()}
    moved = {name: float((one - other).abs().max()) for name, (one, other) in pairs.items()}
    assert moved["fixed.W"] == 0 and min(moved[n] for n in ("output.W", "norm.weight", "norm.running_var")) > 1e-3


def test_an_exponential_average_with_a_warm_up_is_that_of_its_recursion():
    # decay = min(0.4, (1 + n) / (10 + n)), which is 0.4 from n = 5 on (TensorFlow, ExponentialMovingAverage).
    average = None
    for n, (step, _, _) in enumerate(trained(build("average", ["ema", {"decay": 0.4, "warmup": True}]), 4), 1):
        w = step.network.weights.detach().numpy().astype(np.float64)
        decay = {2: 3 / 12, 3: 4 / 13, 4: 5 / 14}.get(n, 0.4)
        average = w if average is None else decay * average + (1 - decay) * w
        np.testing.assert_allclose(step.average.network.weights.detach().numpy(), average, rtol=1e-5, atol=1e-7)


def test_an_average_over_epochs_is_that_of_torch_from_its_first_one_on():
    reference = None
    for step, epoch, ends in trained(build("average", ["swa", {"start": 2}]), n_epochs=5):
        if epoch < 2 or (epoch == 2 and not ends):
            pairs = zip(step.network.named.values(), step.average.network.named.values(), strict=True)
            assert all(torch.equal(one, other) for one, other in pairs)
            continue
        module = Copied(step.network)
        if reference is None:
            reference = AveragedModel(module, use_buffers=True)
        if ends:
            reference.update_parameters(module)
        counts = "norm_num_batches_tracked"
        if ends:
            getattr(reference.module, counts).copy_(getattr(module, counts))
            at_end = step.average.network.weights.clone()
            compare(step, reference)
        assert torch.equal(step.average.network.weights, at_end)


def test_training_is_the_same_with_an_average_beside_it():
    def weights(average):
        *_, (step, _, _) = trained(average, n_epochs=2)
        return step.network.weights

    alone = weights(None)
    assert torch.equal(weights(build("average", "ema")), alone)
    assert torch.equal(weights(build("average", ["swa", {"start": 1}])), alone)
