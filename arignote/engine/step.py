"""Training steps (forward, backward, update), predictions and losses of a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arignote.engine.by_hand.tape import tape_of
from arignote.engine.compile import compiled
from arignote.engine.feed import DeviceBatch, targets_to_device, to_device
from arignote.engine.network import Network
from arignote.engine.scale import LossScale
from arignote.engine.session import seed_all, seed_generators
from arignote.engine.update import Update
from arignote.generators import GENERATORS
from arignote.optim.losses import Loss
from arignote.optim.updaters import Updater
from arignote.registry import is_custom
from arignote.spec.objective import ReportedLoss
from arignote.streams import stream_seed

__all__ = ["Predictions", "Scorer", "TrainingStep", "outputs_of", "predict", "validation_rows"]


class TrainingStep:
    """One update from one batch.

    Parameters
    ----------
    network : Network
        The network to train.
    losses : sequence of Loss
        The loss of each output, in the order of the output layers; the sum of each times its weight is minimised.
    updater, max_grad_norm
        As of `Update`.
    exclusive : bool
        Whether other threads run code of the user that may draw from the global generators. A step that contains
        such code is exclusive in any case.

    Attributes
    ----------
    exclusive : bool
        Whether a step seeds all global generators and locks them until it is done.
    setup : Setup
        Setup of the network; `compile` is False if no autograd is needed.
    by_hand : list of str
        Names of the layers that are computed without autograd.
    last_batches : sequence of DeviceBatch
        Batches of the last update, for diagnosis.
    """

    def __init__(
        self,
        network: Network,
        losses: Sequence[Loss],
        updater: Updater,
        max_grad_norm: float | None = None,
        exclusive: bool = False,
    ):
        self.network = network
        self.exclusive = exclusive or network.is_custom or any(map(is_custom, (*losses, updater)))
        self._lock = GENERATORS if self.exclusive else nullcontext()
        self._seed = seed_all if self.exclusive else seed_generators
        self._losses = [(loss.mean(), loss.weight) for loss in losses]
        self._scale = LossScale(network.device) if network.setup.precision == "fp16" else None
        tape = tape_of(network, losses)
        self.setup = network.setup if tape is None else replace(network.setup, compile=False)
        self.by_hand = [] if tape is None else tape.by_hand
        self._loss_of = compiled(self._forward) if self.setup.compile else self._forward
        self._gradients = tape or self._by_autograd
        self.last_batches: Sequence[DeviceBatch] = ()
        self._update = Update(network, updater, max_grad_norm)

    @property
    def slots(self) -> dict[str, Tensor]:
        """Memory of the updater by "slot/parameter", and that of the loss scale."""
        of_updater = {
            f"{slot}/{name}": view
            for slot, flat in self._update.slots.items()
            for name, view in self.network.flat_views(flat).items()
        }
        return of_updater | (self._scale.slots if self._scale is not None else {})

    def zero(self) -> Tensor:
        """Return a sum of losses, 0, on the device of the network."""
        return torch.zeros((), dtype=torch.float64, device=self.network.device)

    def __call__(
        self, batches: Sequence[DeviceBatch], seeds: Sequence[int], *, lr: float, momentum: float, n: int
    ) -> Tensor:
        """Update the network.

        Parameters
        ----------
        batches : sequence of DeviceBatch
            Several batches are one update.
        seeds : sequence of int
            Seed of the default generators for each batch.
        lr, momentum : float
            Current values.
        n : int
            Number of this update, from 1.

        Returns
        -------
        Tensor, a scalar
            The mean loss before the update, without penalties; it stays on the device.
        """
        with self._lock:
            return self._update_by(batches, seeds, lr, momentum, n)

    def _update_by(
        self, batches: Sequence[DeviceBatch], seeds: Sequence[int], lr: float, momentum: float, n: int
    ) -> Tensor:
        self.last_batches = batches
        n_rows = sum(batch.n_rows for batch in batches)
        losses = []
        for number, (batch, seed) in enumerate(zip(batches, seeds, strict=True)):
            self._seed(seed, self.network.device)
            losses.append(self._gradients(*batch, batch.n_rows / n_rows, float(number > 0)))
        loss = losses[0] if len(losses) == 1 else torch.stack(losses).sum()
        if self._scale is not None and not self._scale.unscale(self.network.gradients):
            return loss
        self._update(lr, momentum, n)
        return loss

    def _by_autograd(
        self, x: Tensor, y: tuple[Tensor, ...], weights: Tensor | None, share: float, beta: float
    ) -> Tensor:
        """Write the gradients of ``share * loss`` into the flat vector (beta 1: add them), and return that loss."""
        if not beta:
            self.network.gradients.zero_()
        loss = self._loss_of(x, y, weights)
        loss = loss if share == 1 else loss * share
        if loss.requires_grad:
            # It does not if all parameters are fixed.
            (loss if self._scale is None else loss * self._scale.scale).backward()
        return loss.detach()

    def _forward(self, x: Tensor, y: tuple[Tensor, ...], weights: Tensor | None) -> Tensor:
        total: Tensor | None = None
        for output, target, (mean, factor) in zip(self.network(x), y, self._losses, strict=True):
            loss = mean(output, target) if weights is None else mean(output, target, weights)
            loss = loss if factor == 1 else loss * factor
            total = loss if total is None else total + loss
        assert total is not None
        return total


def validation_rows(network: Network) -> int:
    """Return the number of rows of a batch outside training, which follows from shapes, never from timing.

    Outputs of all layers have at most 32 MB: 2,048 rows for networks of some hundred units, 256 small images.
    """
    placed = network.architecture.placed
    n_values = prod(placed[0].input_shape) + sum(prod(place.output_shape) for place in placed if place.params)
    return 1 << min(max(8_000_000 // n_values, 16), 2048).bit_length() - 1


@torch.no_grad()
def outputs_of(network: Network, x: NDArray[Any], seed: int, purpose: str, *position: int | str) -> dict[str, Tensor]:
    """Return what each output layer gives (rows, n_outputs) for a batch, outside training.

    Parameters
    ----------
    network : Network
    x : array (rows, ...)
    seed, purpose, *position
        As of `stream_seed`, for the global generators: code of the user may draw from them outside training too.
        Without such code nothing is seeded.
    """
    network.eval()
    inputs = to_device(np.ascontiguousarray(x, dtype=np.float32), network.device)
    if network.is_custom:
        with GENERATORS:
            seed_all(stream_seed(seed, purpose, *position), network.device)
            outputs = network(inputs)
    else:
        outputs = network(inputs)
    return dict(zip(network.architecture.outputs, outputs, strict=True))


Predictions = dict[str, NDArray[Any]]


def predict(network: Network, batches: Iterable[NDArray[Any]], seed: int = 0) -> Iterator[Predictions]:
    """Yield the predictions of each output layer (rows, n_outputs), float32, for each batch: probabilities, or numbers.

    Code of the user draws from generators that are seeded from (seed, "predict", batch).
    """
    for number, x in enumerate(batches):
        yield _predictions(network, outputs_of(network, x, seed, "predict", number))


def _predictions(network: Network, outputs: Mapping[str, Tensor]) -> Predictions:
    layers = network.architecture.outputs
    return {name: layers[name].to_predictions()(output).cpu().numpy() for name, output in outputs.items()}


class Scorer:
    """Losses of a network over rows, outside training: means over rows, added in float64 in order.

    Rows that lack the target of an output, as they may if there are several, do not count for its losses.

    Parameters
    ----------
    network : Network
    losses : sequence of ReportedLoss
    """

    def __init__(self, network: Network, losses: Sequence[ReportedLoss]):
        self.network, self._losses = network, losses
        self._means = [one.loss.mean() for one in losses]

    @torch.no_grad()
    def __call__(
        self,
        batches: Iterable[tuple[NDArray[Any], NDArray[Any]]],
        check_stop: Callable[[], None] = lambda: None,
        seed: int = 0,
        purpose: str = "validate",
        position: tuple[int | str, ...] = (),
        keep: list[Predictions] | None = None,
    ) -> dict[str, float]:
        """Return each loss by name.

        Parameters
        ----------
        batches : iterable of (array (rows, ...), array (rows, ...))
            Features and encoded targets.
        check_stop : callable
            Called before each batch; it may raise, to stop.
        seed, purpose, position
            Code of the user draws from generators that are seeded from (seed, purpose, *position, batch).
        keep : list, optional
            Predictions of each batch, as `predict` yields them, are appended to it.
        """
        n_rows = np.zeros(len(self.network.architecture.outputs), dtype=np.int64)
        totals: dict[str, Tensor] = {}
        for number, (x, y) in enumerate(batches):
            check_stop()
            n_rows += _rows_with_target(y)
            outputs = outputs_of(self.network, x, seed, purpose, *position, number)
            if keep is not None:
                keep.append(_predictions(self.network, outputs))
            targets = dict(zip(outputs, targets_to_device(y, self.network.device), strict=True))
            for one, mean in zip(self._losses, self._means, strict=True):
                found = mean(outputs[one.output], targets[one.output])
                zero = torch.zeros(found.shape, dtype=torch.float64, device=found.device)
                totals.setdefault(one.name, zero).add_(found, alpha=len(y))
        n_of = dict(zip(self.network.architecture.outputs, n_rows, strict=True))
        # Of an output without any target the losses are NaN.
        with np.errstate(invalid="ignore"):
            means = {one.name: totals[one.name].cpu().numpy() / n_of[one.output] for one in self._losses if totals}
        return {one.name: one.loss.value(means[one.name], one.units) for one in self._losses if totals}


def _rows_with_target(y: NDArray[Any]) -> list[int]:
    """Return the number of rows that have a value of each output; encoded values that are missing are NaN."""
    if y.dtype.names is None:
        return [len(y)]
    fields = [y[name].reshape(len(y), -1) for name in y.dtype.names]
    return [int((field == field).any(axis=1).sum()) for field in fields]
