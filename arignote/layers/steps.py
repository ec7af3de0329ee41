"""Sequences as a layer receives them: rows, and the lengths or the mask of their steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["counts_of", "is_exported", "with_steps"]


def with_steps(x: Tensor | list[Tensor]) -> tuple[Tensor, Tensor | None]:
    """Return the rows that a layer receives, and their lengths (rows,) or mask (rows, steps); None without them."""
    return (x[0], x[1]) if isinstance(x, list) else (x, None)


def counts_of(steps: Tensor, n_steps: int) -> Tensor:
    """Return whether each step of each row (rows, n_steps) counts, of lengths (rows,) or a mask (rows, n_steps)."""
    from torch import arange

    return arange(n_steps, device=steps.device) < steps[:, None] if steps.dim() == 1 else steps.bool()


def is_exported() -> bool:
    """Return whether the network is being exported, so that no number of the data may decide what is computed."""
    from torch.compiler import is_exporting

    return is_exporting()
