"""Sequences as a layer receives them: rows, and the lengths or the mask of their steps."""

from __future__ import annotations

from typing import Any

__all__ = ["counts_of", "is_exported", "with_steps"]


def with_steps(x: Any) -> tuple[Any, Any]:
    """Return the rows that a layer receives, and their lengths (rows,) or mask (rows, steps); None without them."""
    return tuple(x) if isinstance(x, list) else (x, None)


def counts_of(steps: Any, n_steps: int) -> Any:
    """Return whether each step of each row (rows, n_steps) counts, of lengths (rows,) or a mask (rows, n_steps)."""
    from torch import arange

    return arange(n_steps, device=steps.device) < steps[:, None] if steps.dim() == 1 else steps.bool()


def is_exported() -> bool:
    """Return whether the network is being exported, so that no number of the data may decide what is computed."""
    from torch.compiler import is_exporting

    return is_exporting()
