"""What a fit changes of the engine's global state, and puts back; and what the engine is."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from arignote.errors import ConfigError

__all__ = ["environment", "resolve_device", "session"]


@contextmanager
def session(n_threads: int | None) -> Iterator[None]:
    """Set the number of threads; put it and the random generators back at the end."""
    threads, generator = torch.get_num_threads(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    if n_threads is not None:
        torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        if n_threads is not None:
            torch.set_num_threads(threads)
        torch.set_rng_state(generator)
        if cuda:
            torch.cuda.set_rng_state_all(cuda)


def resolve_device(device: str) -> str:
    """Return the device that a setting names: "auto" is a GPU where there is one."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as fault:
        raise ConfigError(f"device must be one that this machine has; got {device!r}. ({fault})") from None
    return device


def environment(device: str) -> dict[str, Any]:
    """Return what may change bits: versions, device, threads, CPU capability."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "device": device if device == "cpu" else torch.cuda.get_device_name(device),
        "n_threads": torch.get_num_threads(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
    }
