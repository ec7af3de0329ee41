"""Monitored quantities: the norm of the gradient, and statistics of the outputs of layers."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from arignote.engine.network import Network
from arignote.engine.predict import outputs_of_layers
from arignote.spec.monitored import STATISTICS

__all__ = ["GRAD_NORM_SLOT", "GradientNorm", "layer_statistics"]

GRAD_NORM_SLOT = "monitor/grad_norm"


class GradientNorm:
    """Mean of the norm of the gradient over the updates since the last validation.

    Parameters
    ----------
    device : torch.device
        Device of the gradients.
    """

    def __init__(self, device: torch.device):
        # Sum of the norms, and their number. They stay on the device, as reading one waits for it.
        self._sums = torch.zeros(2, dtype=torch.float64, device=device)

    @property
    def slots(self) -> dict[str, Tensor]:
        """Tensors that a resumed run needs, by name."""
        return {GRAD_NORM_SLOT: self._sums}

    def add(self, gradients: Tensor) -> None:
        """Add the Euclidean norm of the gradients (n_values,) of an update."""
        self._sums[0] += torch.linalg.vector_norm(gradients)
        self._sums[1] += 1

    @staticmethod
    def mean(sums: Tensor) -> float:
        """Return the mean norm of the stored sums; NaN if there was no update."""
        total, n_updates = sums.tolist()
        return total / n_updates if n_updates else nan


def layer_statistics(
    network: Network, names: Sequence[str], x: NDArray[Any], seed: int, *position: int | str
) -> dict[str, float]:
    """Return statistics of the outputs of layers for a batch, outside training, by ``layer.statistic``.

    Parameters
    ----------
    network : Network
    names : sequence of str
        Names of layers.
    x : array (rows, ...)
    seed, *position
        Of the generators, as of `outputs_of`.

    Returns
    -------
    dict of str to float
        "norm": mean over rows of the Euclidean norm of the output of a row; "mean" of all values; "zeros": the share of
        values that are 0.
    """
    statistics: dict[str, float] = {}
    for name, output in outputs_of_layers(network, names, x, seed, "monitor", *position).items():
        values = output.flatten(1).double()
        of_layer = (torch.linalg.vector_norm(values, dim=1).mean(), values.mean(), (values == 0).double().mean())
        statistics |= {f"{name}.{key}": float(value) for key, value in zip(STATISTICS, of_layer, strict=True)}
    return statistics
