"""Loss scaling: gradients in float16 would otherwise underflow to 0 or overflow to infinity."""

from __future__ import annotations

import torch
from torch import Tensor

from arignote.engine.private import unscale_, update_scale_

__all__ = ["LossScale"]


class LossScale:
    """A scale that is halved if a gradient is not finite, and doubled after 2,000 updates in a row that were.

    As `torch.amp.GradScaler` (Micikevicius et al., "Mixed precision training", ICLR 2018), with a state that is
    stored among the slots of the run.

    Parameters
    ----------
    device : torch.device
        Device of the gradients.
    """

    def __init__(self, device: torch.device):
        # 2^16, the first scale of torch.amp.GradScaler too.
        self.scale = torch.tensor(65536.0, device=device)
        self._n_good = torch.zeros((), dtype=torch.int32, device=device)
        self._found_inf = torch.zeros((), device=device)

    @property
    def slots(self) -> dict[str, Tensor]:
        """Tensors that a resumed run needs, by name."""
        return {"scaler/scale": self.scale, "scaler/n_good": self._n_good}

    def unscale(self, gradients: Tensor) -> bool:
        """Divide gradients by the scale, update it, and return whether they were finite; otherwise skip the update."""
        self._found_inf.zero_()
        unscale_(gradients, self._found_inf, self.scale)
        update_scale_(self.scale, self._n_good, self._found_inf, interval=2000)
        return not bool(self._found_inf)
