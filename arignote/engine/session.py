"""Global state of the engine that a fit changes and restores."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

from arignote.engine.compile import limits
from arignote.engine.setup import Setup, varies_threads
from arignote.engine.turns import Shared, computing_in, set_attribute
from arignote.errors import warn
from arignote.generators import preserve_global_generators, seed_globals

__all__ = ["preserve_generators", "seed_all", "seed_generators", "session"]

# cuBLAS is deterministic only with a workspace of fixed size (docs.nvidia.com/cuda/cublas, "Results reproducibility").
_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
# Bytes: just under the largest block to which glibc adapts (mallopt(3), M_MMAP_THRESHOLD).
_LARGE_BLOCK = 2**25 - 2**13


def seed_generators(seed: int, device: torch.device) -> None:
    """Seed the default generators of the engine, from which dropout and layers of a user draw."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def seed_all(seed: int, device: torch.device) -> None:
    """Seed the generators of the engine, Python and NumPy; the caller holds `GENERATORS`."""
    seed_generators(seed, device)
    seed_globals(seed)


def _preserve(stack: ExitStack) -> None:
    stack.enter_context(preserve_global_generators())
    stack.callback(torch.set_rng_state, torch.get_rng_state())


def _preserve_cuda(stack: ExitStack) -> None:
    stack.callback(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())


_preserved = Shared(_preserve)
_preserved_cuda = Shared(_preserve_cuda)


@contextmanager
def preserve_generators(device: str = "cpu") -> Iterator[None]:
    """Restore the generators of the engine, Python and NumPy at the end; of threads, at the end of the last one."""
    with ExitStack() as stack:
        stack.enter_context(_preserved())
        if device != "cpu":
            stack.enter_context(_preserved_cuda())
        yield


@contextmanager
def session(setup: Setup) -> Iterator[None]:
    """Set threads, precision and deterministic algorithms; restore them and the random generators at the end.

    float32 means float32: no TF32 on a GPU.
    """
    _warn_of_threads(setup.n_threads)
    with ExitStack() as stack:
        stack.enter_context(preserve_generators(setup.device))
        stack.enter_context(computing_in(setup))
        _keep_freed_memory()
        stack.enter_context(_deterministic())
        if setup.compile:
            stack.enter_context(limits())
        if setup.device != "cpu":
            stack.enter_context(_cuda())
        yield


def _warn_of_threads(n_threads: int) -> None:
    if n_threads > 1 and varies_threads():
        warn(
            "OMP_DYNAMIC is true: the number of threads follows the load of the machine, and sums are rounded "
            "accordingly, so that a resumed run may not be exact. Unset it, or set n_threads=1"
        )


def _keep_freed_memory() -> None:
    """Free a large block, after which glibc keeps up to 64 MiB that are freed, and need not ask for them again.

    Otherwise it returns the activations to the system after each step, and a step of a network of convolutions
    spends a fifth of its time in page faults.
    """
    torch.empty(_LARGE_BLOCK, dtype=torch.uint8)


def _set_determinism(stack: ExitStack) -> None:
    stack.callback(torch.set_deterministic_debug_mode, torch.get_deterministic_debug_mode())
    # The effect of use_deterministic_algorithms, which would also import the compiler: seconds at each start.
    torch.set_deterministic_debug_mode("error")
    # It only helps to find reads of uninitialised memory, for a pass over every new tensor.
    set_attribute(stack, torch.utils.deterministic, "fill_uninitialized_memory", False)


_deterministic = Shared(_set_determinism)


def _set_cuda(stack: ExitStack) -> None:
    # Benchmarks would choose kernels by timing.
    set_attribute(stack, torch.backends.cudnn, "benchmark", False)
    set_attribute(stack, torch.backends.cudnn, "deterministic", True)
    if _WORKSPACE not in os.environ:
        stack.callback(os.environ.pop, _WORKSPACE, None)
        # Eight buffers of 4,096 KiB.
        os.environ[_WORKSPACE] = ":4096:8"


_cuda = Shared(_set_cuda)
