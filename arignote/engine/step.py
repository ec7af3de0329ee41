"""Training steps: forward, backward, update."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Protocol

import torch
from torch import Tensor

from arignote.engine.average import AveragedNetwork
from arignote.engine.by_hand.tape import tape_of
from arignote.engine.compile import compiled
from arignote.engine.feed import DeviceBatch
from arignote.engine.monitor import GradientNorm
from arignote.engine.network import Network
from arignote.engine.processes import Processes
from arignote.engine.scale import LossScale
from arignote.engine.session import seed_all, seed_generators
from arignote.engine.shards import ShardedGradients
from arignote.engine.turns import TURN
from arignote.engine.update import NO_NUMBERS, Update
from arignote.generators import GENERATORS
from arignote.optim.averages import Average
from arignote.optim.losses import Loss
from arignote.optim.updaters import Updater
from arignote.registry import is_custom

__all__ = ["TrainingStep", "UpdateFunction"]


class UpdateFunction(Protocol):
    """One update from one batch, or from several that count as one; returns the mean loss, on the device."""

    def __call__(
        self,
        batches: Sequence[DeviceBatch],
        seeds: Iterable[int],
        *,
        lr: float,
        momentum: float,
        n: int,
        numbers: Mapping[str, float],
        thawed: Mapping[str, int],
        n_rows: Sequence[int],
    ) -> Tensor: ...


class TrainingStep:
    """One update from one batch.

    Parameters
    ----------
    network : Network
        The network to train.
    losses : sequence of Loss
        The loss of each output, in the order of the output layers; the sum of each times its weight is minimised.
    updater, max_grad_norm, max_grad_value
        See `Update`.
    exclusive : bool
        Whether other threads run code of the user that may draw from the global generators. A step that contains
        such code is exclusive in any case.
    monitor_gradient : bool
        Whether the norms of gradients, without penalties and before they are clipped, are added up.
    ruled : collection of str
        Numbers of layers and settings that follow a rule, as "fc1.l2"; each call is given their current values.
    average : Average, optional
        Average of the weights that is kept beside them.
    n_shards : int
        Shards of each batch; see `ShardedGradients`.
    processes : Processes, optional
        The processes that share them.

    Attributes
    ----------
    average : AveragedNetwork or None
    exclusive : bool
        Whether a step seeds all global generators and locks them until it is done.
    setup : Setup
        Setup of the network; `compile` is False if no autograd is needed.
    by_hand : list of str
        Names of the layers that are computed without autograd.
    last_batches : sequence of DeviceBatch
        Batches of the last update, for diagnosis.
    losses : list of callable
        The mean loss of each output.
    loss_weights : list of float
        The weight of each.
    """

    def __init__(
        self,
        network: Network,
        losses: Sequence[Loss],
        updater: Updater,
        max_grad_norm: float | None = None,
        exclusive: bool = False,
        monitor_gradient: bool = False,
        max_grad_value: float | None = None,
        ruled: Collection[str] = (),
        average: Average | None = None,
        n_shards: int = 1,
        processes: Processes | None = None,
    ):
        self.network = network
        self.average = None if average is None else AveragedNetwork(network, average)
        self.exclusive = exclusive or network.is_custom or any(map(is_custom, (*losses, updater)))
        self._lock = GENERATORS if self.exclusive else nullcontext()
        self._seed = seed_all if self.exclusive else seed_generators
        self._draws = self.exclusive or network.architecture.draws
        self.losses, self.loss_weights = [loss.mean() for loss in losses], [loss.weight for loss in losses]
        weights = [f"train_loss.{name}.weight" for name in network.architecture.outputs]
        self._ruled_weights = {at: name for at, name in enumerate(weights) if name in ruled}
        self._scale = LossScale(network.device) if network.setup.precision == "fp16" else None
        self._gradient_norm = GradientNorm(network.device) if monitor_gradient else None
        self.last_batches: Sequence[DeviceBatch] = ()
        self._tape_of, self._slots = partial(tape_of, network, losses, self.loss_weights), dict[str, Tensor]()
        self._update_of = partial(Update, network, updater, max_grad_norm, max_grad_value, ruled)
        self._sharded = ShardedGradients(network, n_shards, processes) if n_shards > 1 or processes else None
        self._thaw({})

    def _thaw(self, thawed: Mapping[str, int]) -> None:
        """Compute and use the gradients of the parameters that are trained while these layers are thawed."""
        self._thawed = dict(thawed)
        self.network.thaw(thawed)
        tape = self._tape_of()
        self.setup = self.network.setup if tape is None else replace(self.network.setup, compile=False)
        self.by_hand = [] if tape is None else tape.by_hand
        self._loss_of = compiled(self._forward) if self.setup.compile else self._forward
        self._gradients = tape or self._by_autograd
        self._update = self._update_of(self._slots, thawed)
        self._slots = self._update.slots

    @property
    def slots(self) -> dict[str, Tensor]:
        """Slots of the updater by "slot/parameter", of the loss scale, of what is monitored and of the average."""
        of_updater = {
            f"{slot}/{name}": view
            for slot, flat in self._update.slots.items()
            for name, view in self.network.flat_views(flat).items()
        }
        others = [one.slots for one in (self._scale, self._gradient_norm, self.average) if one is not None]
        return of_updater | {name: tensor for slots in others for name, tensor in slots.items()}

    def zero(self) -> Tensor:
        """Return a sum of losses, 0, on the device of the network."""
        return torch.zeros((), dtype=torch.float64, device=self.network.device)

    def __call__(
        self,
        batches: Sequence[DeviceBatch],
        seeds: Iterable[int],
        *,
        lr: float,
        momentum: float,
        n: int,
        numbers: Mapping[str, float] = NO_NUMBERS,
        thawed: Mapping[str, int] = MappingProxyType({}),
        n_rows: Sequence[int],
    ) -> Tensor:
        """Update the network.

        Parameters
        ----------
        batches : sequence of DeviceBatch
            Several batches are one update; of batches in shards, those of each batch, in order.
        seeds : iterable of int
            Seed of the default generators for each batch; they are computed only if something draws.
        lr, momentum : float
            Current values.
        n : int
            Number of this update, from 1.
        numbers : dict of str to float
            Current values of `ruled`.
        thawed : dict of str to int
            Layers with `thaw_at` that are trained by now, with the number of updates before.
        n_rows : sequence of int
            Rows of each batch, of all its shards.

        Returns
        -------
        Tensor, a scalar
            The mean loss before the update, without penalties; it stays on the device.
        """
        if thawed != self._thawed:
            self._thaw(thawed)
        if numbers:
            self.network.set_numbers(numbers)
            self._weigh_losses(numbers)
        # Threads that run code of the user wait for the generators before they compute: always in this order.
        with self._lock, TURN:
            # For `cause_of`, should the step fail.
            self.last_batches = batches
            loss = self._write_gradients(batches, iter(seeds), n_rows)
            # Gradients that overflowed are not used; the scale is halved for the next update.
            if self._scale is None or self._scale.unscale(self.network.gradients):
                if self._gradient_norm is not None:
                    self._gradient_norm.add(self.network.gradients)
                self._update(lr, momentum, n, numbers)
            return loss

    def _weigh_losses(self, numbers: Mapping[str, float]) -> None:
        """Give losses whose weight follows a rule their current one."""
        for at, name in self._ruled_weights.items():
            self.loss_weights[at] = numbers[name]

    def _write_gradients(self, batches: Sequence[DeviceBatch], seeds: Iterator[int], n_rows: Sequence[int]) -> Tensor:
        """Write the gradients of the mean loss over all rows of an update into the flat vector; return that loss."""
        if self._sharded is not None:
            return self._sharded(batches, partial(self._of_batch, seeds), n_rows)
        n_all = sum(n_rows)
        # The first batch overwrites the gradients, others add theirs.
        losses = [
            self._of_batch(seeds, batch, batch.n_rows / n_all, float(number > 0))
            for number, batch in enumerate(batches)
        ]
        return losses[0] if len(losses) == 1 else torch.stack(losses).sum()

    def _of_batch(self, seeds: Iterator[int], batch: DeviceBatch, share: float, beta: float = 0.0) -> Tensor:
        """Write the gradients of ``share * loss`` of a batch, or of a shard, and return that loss."""
        if self._draws:
            # For each batch, by its position: a run that is resumed here draws the same numbers.
            self._seed(next(seeds), self.network.device)
        # The last batch of an epoch may have fewer rows than shards.
        if not batch.n_rows:
            return self.network.gradients.zero_().new_zeros(())
        return self._gradients(*batch, share, beta)

    def _by_autograd(
        self, x: tuple[Tensor, ...], y: tuple[Tensor, ...], weights: Tensor | None, share: float, beta: float
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

    def _forward(self, x: tuple[Tensor, ...], y: tuple[Tensor, ...], weights: Tensor | None) -> Tensor:
        total: Tensor | None = None
        each = zip(self.network(*x), y, self.losses, self.loss_weights, strict=True)
        for output, target, mean, factor in each:
            loss = mean(output, target) if weights is None else mean(output, target, weights)
            loss = loss if factor == 1 else loss * factor
            total = loss if total is None else total + loss
        assert total is not None
        return total
