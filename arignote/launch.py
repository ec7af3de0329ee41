"""The environment that torchrun gives to the processes of one command."""

from __future__ import annotations

import os

__all__ = ["FROM_TORCHRUN", "is_alone", "is_first_process", "torchrun_of"]

# docs.pytorch.org, "torchrun (Elastic Launch)", environment variables.
FROM_TORCHRUN = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def is_alone() -> bool:
    """Return whether no other process trains with this one."""
    return not all(os.environ.get(name) for name in FROM_TORCHRUN) or os.environ["WORLD_SIZE"] == "1"


def is_first_process() -> bool:
    """Return whether this process prints and writes files: it is alone, or the first one of those of torchrun."""
    return is_alone() or os.environ["RANK"] == "0"


def torchrun_of() -> int | None:
    """Return the process id of the torchrun that started this process; None without torchrun."""
    return os.getppid() if os.environ.get("TORCHELASTIC_RUN_ID") else None
