"""What a fit changes of the engine's global state, and puts back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from arignote.engine.compile import limits
from arignote.engine.setup import Setup, varies_threads
from arignote.errors import warn
from arignote.generators import preserve_global_generators, seed_globals

__all__ = ["preserve_generators", "seed_all", "seed_generators", "session"]

# cuBLAS is deterministic with a workspace of fixed size only (docs.nvidia.com/cuda/cublas, "Results reproducibility").
_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


def seed_generators(seed: int, device: torch.device) -> None:
    """Seed the engine's default generators, from which dropout and a user's own layer draw."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def seed_all(seed: int, device: torch.device) -> None:
    """Seed the generators of the engine, Python and NumPy; the caller holds `GENERATORS`."""
    seed_generators(seed, device)
    seed_globals(seed)


@contextmanager
def preserve_generators(device: str = "cpu") -> Iterator[None]:
    """Put the generators of the engine, Python and NumPy back at the end."""
    with ExitStack() as stack:
        stack.enter_context(preserve_global_generators())
        stack.callback(torch.set_rng_state, torch.get_rng_state())
        if device != "cpu":
            stack.callback(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
        yield


@contextmanager
def session(setup: Setup) -> Iterator[None]:
    """Set threads, precision and deterministic algorithms; put them and the random generators back at the end.

    float32 means float32: no TF32 on a GPU.
    """
    n_threads = setup.n_threads
    with ExitStack() as stack:
        put_back = stack.callback
        stack.enter_context(preserve_generators(setup.device))
        # Also where it is this number already: it keeps MKL from taking fewer threads for small matrices.
        put_back(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(n_threads)
        if n_threads > 1 and varies_threads():
            warn(
                "OMP_DYNAMIC is true: the number of threads follows the load of the machine, and sums are rounded "
                "accordingly, so that a resumed run may not be exact. Unset it, or set n_threads=1"
            )
        put_back(torch.set_deterministic_debug_mode, torch.get_deterministic_debug_mode())
        put_back(setattr, torch.utils.deterministic, "fill_uninitialized_memory", _fills())
        # As use_deterministic_algorithms, which would load the compiler too: seconds at each start.
        torch.set_deterministic_debug_mode("error")
        # Only a help to find reads of uninitialised memory, and a pass over every new tensor.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        on_cpu, on_gpu = ("bf16", "tf32") if setup.precision == "bf16_matmul" else ("ieee", "ieee")
        backends: Any = torch.backends
        for place, precision in (
            # One by one: set_float32_matmul_precision fails where the caller has set one of them.
            (backends.mkldnn.matmul, on_cpu),
            (backends.mkldnn.conv, "ieee"),
            (backends.cuda.matmul, on_gpu),
            (backends.cudnn.conv, "ieee"),
            (backends.cudnn.rnn, "ieee"),
        ):
            put_back(setattr, place, "fp32_precision", place.fp32_precision)
            place.fp32_precision = precision
        if setup.compile:
            # In this process: no others are left behind.
            stack.enter_context(limits())
        if setup.device != "cpu":
            for owner, name, value in (
                (torch.backends.cudnn, "benchmark", False),
                (torch.backends.cudnn, "deterministic", True),
            ):
                put_back(setattr, owner, name, getattr(owner, name))
                setattr(owner, name, value)
            if _WORKSPACE not in os.environ:
                put_back(os.environ.pop, _WORKSPACE, None)
                os.environ[_WORKSPACE] = ":4096:8"
        yield


def _fills() -> bool:
    return bool(torch.utils.deterministic.fill_uninitialized_memory)  # type: ignore[attr-defined]
