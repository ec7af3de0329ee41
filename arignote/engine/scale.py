"""The scale of a loss whose gradients are computed in float16, where small numbers are lost and large ones infinite."""

from __future__ import annotations

import torch
from torch import Tensor

from arignote.engine.private import unscale_, update_scale_

__all__ = ["LossScale"]


class LossScale:
    """A scale that is halved where a gradient is not finite, and doubled after 2,000 updates without.

    As `torch.amp.GradScaler` (Micikevicius et al., "Mixed precision training", ICLR 2018), with a state that is kept
    among the slots of the run.

    Parameters
    ----------
    device : torch.device
        Where the gradients are.
    """

    def __init__(self, device: torch.device):
        self.scale = torch.tensor(65536.0, device=device)
        self._n_good = torch.zeros((), dtype=torch.int32, device=device)
        self._found = torch.zeros((), device=device)

    @property
    def slots(self) -> dict[str, Tensor]:
        """What a resumed run needs."""
        return {"scaler/scale": self.scale, "scaler/n_good": self._n_good}

    def unscale(self, gradients: Tensor) -> bool:
        """Divide gradients by the scale, move it, and return whether they were finite: else there is no update."""
        self._found.zero_()
        unscale_(gradients, self._found, self.scale)
        update_scale_(self.scale, self._n_good, self._found, interval=2000)
        return not bool(self._found)
