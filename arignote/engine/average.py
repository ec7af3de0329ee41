"""An average of the weights, as a network of its own."""

from __future__ import annotations

import torch
from torch import Tensor

from arignote.checkpoints.state import AVERAGE
from arignote.engine.network import Network
from arignote.optim.averages import Average

__all__ = ["AveragedNetwork"]


class AveragedNetwork:
    """A network whose tensors are the average of those of the network that is trained, buffers included.

    Parameters
    ----------
    trained : Network
    average : Average

    Attributes
    ----------
    network : Network
        It is for scores and predictions; no gradient reaches it.
    """

    def __init__(self, trained: Network, average: Average):
        self.network = Network(trained.architecture, trained.setup).eval()
        self._share, self._share_of_final = average.share, average.of_final_epochs().share
        # All trained parameters are one vector; fixed ones and buffers are tensors of their own.
        pairs = [(self.network.weights, trained.weights)] + [
            (tensor, trained.named[name])
            for name, tensor in self.network.named.items()
            if name not in self.network.slices
        ]
        self._numbers = [pair for pair in pairs if pair[0].is_floating_point()]
        # The mean of whole numbers, such as counts of batches, need not be one: they are copied.
        self._counts = [pair for pair in pairs if not pair[0].is_floating_point()]

    @property
    def slots(self) -> dict[str, Tensor]:
        """Its tensors by the names of slots."""
        return {f"{AVERAGE}{name}": tensor for name, tensor in self.network.named.items()}

    @torch.no_grad()
    def update(self, n_updates: int, epoch: int, ends_epoch: bool, is_final: bool = False) -> None:
        """Include the present weights, after an update, of the final epochs or before; see `Average.share`.

        Parameters
        ----------
        n_updates : int
            Number of the update, from 1.
        epoch : int
            Number of its epoch, from 1; final epochs are counted on their own.
        ends_epoch : bool
            Whether it is the last one of the epoch.
        is_final : bool, default False
            Whether it is of the final epochs.
        """
        share = (self._share_of_final if is_final else self._share)(n_updates, epoch, ends_epoch)
        if share == 0:
            return
        for tensor, new in self._numbers:
            tensor.lerp_(new, share)
        for tensor, new in self._counts:
            tensor.copy_(new)

    def copy(self) -> None:
        """Begin with the weights as they are."""
        self.update(1, 1, False)
