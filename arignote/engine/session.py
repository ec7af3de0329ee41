"""What a fit changes of the engine's global state, and puts back; and what the engine is."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from math import prod
from typing import Any

import numpy as np
import torch

from arignote.errors import ConfigError
from arignote.layers.architecture import Architecture

__all__ = ["environment", "resolve_device", "session", "threads_for"]

# Multiplications of a step.
ONE_THREAD = 10_000_000
# cuBLAS is deterministic with a workspace of fixed size only (docs.nvidia.com/cuda/cublas, "Results reproducibility").
_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


@contextmanager
def session(n_threads: int, device: torch.device) -> Iterator[None]:
    """Set threads and deterministic algorithms; put them and the random generators back at the end.

    float32 means float32: no TF32 on a GPU.
    """
    with ExitStack() as stack:
        put_back = stack.callback
        put_back(torch.set_rng_state, torch.get_rng_state())
        if n_threads != torch.get_num_threads():
            put_back(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(n_threads)
        put_back(torch.set_deterministic_debug_mode, torch.get_deterministic_debug_mode())
        put_back(setattr, torch.utils.deterministic, "fill_uninitialized_memory", _fills())
        # As use_deterministic_algorithms, which would load the compiler too: seconds at each start.
        torch.set_deterministic_debug_mode("error")
        # Only a help to find reads of uninitialised memory, and a pass over every new tensor.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        if device.type == "cuda":
            put_back(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
            for owner, name, value in (
                (torch.backends.cudnn, "benchmark", False),
                (torch.backends.cudnn, "deterministic", True),
                (torch.backends.cudnn, "allow_tf32", False),
                (torch.backends.cuda.matmul, "allow_tf32", False),
            ):
                put_back(setattr, owner, name, getattr(owner, name))
                setattr(owner, name, value)
            if _WORKSPACE not in os.environ:
                put_back(os.environ.pop, _WORKSPACE, None)
                os.environ[_WORKSPACE] = ":4096:8"
        yield


def _fills() -> bool:
    return bool(torch.utils.deterministic.fill_uninitialized_memory)  # type: ignore[attr-defined]


def resolve_device(device: str) -> str:
    """Return the device that a setting names: "auto" is a GPU where there is one."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as fault:
        raise ConfigError(f"device must be one that this machine has; got {device!r}. ({fault})") from None
    return device


def threads_for(architecture: Architecture, batch_size: int) -> int:
    """Return how many threads a step is worth, by its multiplications: a rule of shapes, never of timing."""
    n_multiplications = 0
    for place in architecture.placed:
        n_places = prod(place.output_shape[1:])
        n_multiplications += sum(prod(p.shape) for p in place.params.values() if p.unit_axis is not None) * n_places
    # Forward, and backward to the weights and to the input; below, the threads wait for one another.
    return 1 if 3 * batch_size * n_multiplications < ONE_THREAD else torch.get_num_threads()


def environment(device: str, n_threads: int) -> dict[str, Any]:
    """Return what may change bits: versions, device, threads, CPU capability, flags."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "device": device if device == "cpu" else torch.cuda.get_device_name(device),
        "n_threads": n_threads,
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "deterministic": True,
    }
