"""Gradients of a batch that is cut into shards, added in a fixed order whatever process computes which shard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from arignote.engine.feed import DeviceBatch
from arignote.engine.network import Network

if TYPE_CHECKING:
    from arignote.engine.processes import Processes

__all__ = ["ShardedGradients", "TreeSum"]


class TreeSum:
    """Sum of vectors in a fixed tree of pairs, of which any run of neighbours can be added first.

    A node of the tree over n vectors is the sum of two: of the first 2**k, with the largest such number below n, and of
    the rest. The order of additions, and so every bit of the sum, follows from n alone.

    Parameters
    ----------
    n : int >= 1
        Number of vectors.

    Attributes
    ----------
    nodes : list of (int, int, Tensor)
        Sums that wait for their partner: from which vector, up to which, and the sum; at most ``log2(n) + 1`` of a run
        that begins with the first vector.
    """

    def __init__(self, n: int):
        self.nodes: list[tuple[int, int, Tensor]] = []
        # The end of each node's second half, by its beginning and middle.
        self._ends: dict[tuple[int, int], int] = {}
        self._divide(0, n)

    def _divide(self, first: int, end: int) -> None:
        if end - first > 1:
            middle = first + 2 ** ((end - first - 1).bit_length() - 1)
            self._ends[first, middle] = end
            self._divide(first, middle)
            self._divide(middle, end)

    def add(self, first: int, end: int, values: Tensor) -> None:
        """Add a node; nodes are added in their order.

        Parameters
        ----------
        first, end : int
            Numbers of the first vector, and of the one after the last.
        values : Tensor (n_values,)
            Their sum; it is overwritten later.
        """
        self.nodes.append((first, end, values))
        while len(self.nodes) > 1:
            (first, middle, before), (begin, end, after) = self.nodes[-2:]
            if begin != middle or self._ends.get((first, middle)) != end:
                break
            self.nodes[-2:] = [(first, end, before.add_(after))]

    @property
    def total(self) -> Tensor:
        """The sum of all vectors."""
        [(_, _, values)] = self.nodes
        return values


class ShardedGradients:
    """Gradients of batches in shards.

    Each shard begins with the same weights and the same running statistics, and its gradients are computed alone. What
    the shards would have changed in the statistics is added in the same tree, weighted by their rows, and applied once.

    Parameters
    ----------
    network : Network
        The network that is trained.
    n_shards : int >= 1
        Shards of each batch.
    processes : Processes, optional
        The processes that share them.
    """

    def __init__(self, network: Network, n_shards: int, processes: Processes | None = None):
        self._n_shards, self._processes = n_shards, processes
        self._own = range(n_shards) if processes is None else processes.own(n_shards)
        self._network, self._n_values = network, len(network.gradients)
        # Such as the running mean of a batch normalisation; layers that share parameters have the same tensors.
        kept = [
            network.named[f"{place.name}.{name}"]
            for place in network.architecture.placed
            for name, param in place.params.items()
            if not param.trained
        ]
        self._statistics = list({id(tensor): tensor for tensor in kept}.values())
        # Of a process without shards.
        n_report = self._n_values + 1 + sum(tensor.numel() for tensor in self._statistics)
        self._empty_report = network.gradients.new_empty(n_report)

    def __call__(
        self,
        shards: Sequence[DeviceBatch],
        gradients: Callable[[DeviceBatch, float], Tensor],
        n_rows: Sequence[int],
    ) -> Tensor:
        """Write the gradients of the mean loss of an update into the flat vector, and return that loss.

        Parameters
        ----------
        shards : sequence of DeviceBatch
            Those of each batch that this process computes, in order; a shard may have no rows.
        gradients : callable
            Writes the gradients of a factor times the mean loss of a shard, given both, and returns that loss.
        n_rows : sequence of int
            Rows of each batch.
        """
        n_all, n_own, update = sum(n_rows), len(self._own), torch.empty(0)
        for number, n_of_batch in enumerate(n_rows):
            of_batch = shards[number * n_own : (number + 1) * n_own]
            total = self._of_batch(of_batch, gradients, n_of_batch, n_all)
            self._apply(total[self._n_values + 1 :])
            update = total if number == 0 else update.add_(total)
        self._network.gradients.copy_(update[: self._n_values])
        return update[self._n_values].clone()

    def _of_batch(
        self,
        shards: Sequence[DeviceBatch],
        gradients: Callable[[DeviceBatch, float], Tensor],
        n_rows: int,
        n_all: int,
    ) -> Tensor:
        """Return what a batch adds to the update: see `_report`."""
        before = [tensor.clone() for tensor in self._statistics]
        tree = TreeSum(self._n_shards)
        for number, shard in zip(self._own, shards, strict=True):
            loss = gradients(shard, shard.n_rows / n_all)
            tree.add(number, number + 1, self._report(loss, before, shard.n_rows / n_rows))
            for tensor, values in zip(self._statistics, before, strict=True):
                # Each shard begins with the same statistics, which `_apply` changes once for all of them.
                tensor.copy_(values)
        return (
            tree.total if self._processes is None else self._processes.total(tree, self._n_shards, self._empty_report)
        )

    @torch.no_grad()
    def _report(self, loss: Tensor, before: Sequence[Tensor], share: float) -> Tensor:
        """Return what a shard adds: gradients, loss, and its share in the changes of statistics."""
        pairs = zip(self._statistics, before, strict=True)
        changes = [((now - then).float() * share).flatten() for now, then in pairs]
        return torch.cat([self._network.gradients, loss.reshape(1), *changes])

    @torch.no_grad()
    def _apply(self, changes: Tensor) -> None:
        """Change the statistics once, by the mean of what the shards would have changed."""
        begin = 0
        for tensor in self._statistics:
            change = changes[begin : begin + tensor.numel()].view(tensor.shape)
            # Counters, which every shard would have changed alike.
            tensor.add_(change if tensor.is_floating_point() else change.round().to(tensor.dtype))
            begin += tensor.numel()
