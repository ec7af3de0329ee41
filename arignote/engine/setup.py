"""Device, threads, memory format and precision of a run: they follow from settings, shapes and cores, never timing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch

from arignote.errors import ConfigError
from arignote.layers.architecture import Architecture
from arignote.spec.settings import FitSettings

__all__ = [
    "Setup",
    "available_threads",
    "check_device",
    "has_convolutions",
    "is_of_filters",
    "setup_for",
    "setup_of_file",
    "varies_threads",
]

# Number of multiplications of a step; below it, several threads are slower than one.
ONE_THREAD = 10_000_000


@dataclass(frozen=True)
class Setup:
    """Device, threads, memory format and precision of the engine.

    Attributes
    ----------
    device : str
        Device of the tensors.
    n_threads : int
        Number of threads of the engine on the CPU.
    n_threads_from : str
        What the number follows from: "setting", "shapes" (a small step uses one), "cores" (of the machine on which
        the run began), or the environment variable that limits it.
    channels_last : bool
        Whether filters, and images and series after them, have their channels last in memory. Shapes are the same.
    precision : str
        "float32", "bf16_matmul", "bf16" or "fp16".
    compile : bool
        Whether steps with autograd are compiled.
    """

    device: str = "cpu"
    n_threads: int = 1
    n_threads_from: str = "setting"
    channels_last: bool = False
    precision: str = "float32"
    compile: bool = False

    @property
    def cast(self) -> torch.dtype | None:
        """Type that layers compute in; None if it is that of the parameters."""
        return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.precision)


def setup_for(
    architecture: Architecture, settings: FitSettings, batch_size: int, before: Mapping[str, Any] | None = None
) -> Setup:
    """Return the setup of a fit.

    Parameters
    ----------
    architecture : Architecture
        The network.
    settings : FitSettings
        Settings that are None or "auto" are as in the checkpoint, if there is one; else they follow from shapes and
        cores.
    batch_size : int
        Number of rows of a batch.
    before : dict, optional
        The environment of the checkpoint.
    """
    before = before or {}
    device = _resolved(settings.device)
    channels_last = settings.channels_last
    # Kernels of another memory format round otherwise: a resumed run keeps that in which it began.
    if channels_last == "auto":
        channels_last = before.get("channels_last", _suits_channels_last(architecture, device, settings.precision))
    n_threads, origin = _threads(architecture, settings.n_threads, batch_size, before)
    limit, variable = _thread_limit()
    if limit is not None and limit < n_threads:
        n_threads, origin = limit, variable
    return Setup(device, n_threads, origin, bool(channels_last), settings.precision, settings.compile)


def setup_of_file(environment: Mapping[str, Any], precision: str) -> Setup:
    """Return the setup in which a loaded network predicts: as it was trained, on this machine's CPU.

    Parameters
    ----------
    environment : dict
        That of the checkpoint. A machine with fewer cores uses no more threads than these.
    precision : str
        See `Setup`.
    """
    most = max(available_threads(), os.cpu_count() or 1)
    n_threads = min(environment.get("n_threads", available_threads()), most)
    return Setup(n_threads=n_threads, channels_last=bool(environment.get("channels_last")), precision=precision)


def _resolved(device: str) -> str:
    """Return the device that a setting names: "auto" is a GPU if there is one."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    check_device(device)
    return device


def check_device(device: str) -> None:
    """Raise ConfigError if this machine lacks a device."""
    try:
        torch.empty(0, device=device)
    # An AssertionError if torch was built without CUDA.
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device must be one that this machine has; got {device!r}. ({error})") from None


def _threads(
    architecture: Architecture, n_threads: int | None, batch_size: int, before: Mapping[str, Any]
) -> tuple[int, str]:
    """Return the number of threads of a step, and what it follows from."""
    if n_threads is not None:
        return n_threads, "setting"
    # Sums are split among threads, so that their number decides bits.
    if "n_threads" in before:
        return before["n_threads"], before.get("n_threads_from", "checkpoint")
    n_multiplications = 0
    for place in architecture.placed:
        n_pixels = prod(place.output_shape[1:])
        n_multiplications += sum(prod(p.shape) for p in place.params.values() if p.unit_axis is not None) * n_pixels
    # Three products: forward, and backward to the weights and to the input.
    if 3 * batch_size * n_multiplications < ONE_THREAD:
        return 1, "shapes"
    return available_threads(), "cores"


def _thread_limit() -> tuple[int | None, str]:
    """Return the limit of threads of OpenMP and the environment variable that sets it; None without a limit."""
    # With no active level all regions run on one thread (OpenMP specification, OMP_MAX_ACTIVE_LEVELS).
    if os.environ.get("OMP_MAX_ACTIVE_LEVELS", "").strip() == "0":
        return 1, "OMP_MAX_ACTIVE_LEVELS"
    limit = os.environ.get("OMP_THREAD_LIMIT", "").strip()
    return (int(limit), "OMP_THREAD_LIMIT") if limit.isdecimal() and int(limit) > 0 else (None, "")


def varies_threads() -> bool:
    """Return whether OpenMP uses fewer threads while the machine is busy."""
    return os.environ.get("OMP_DYNAMIC", "").strip().lower() == "true"


def available_threads() -> int:
    """Return the default number of threads of the engine."""
    return torch.get_num_threads()


def has_convolutions(architecture: Architecture) -> bool:
    """Return whether a network has convolutions."""
    return any(is_of_filters(param.shape) for place in architecture.placed for param in place.params.values())


def is_of_filters(shape: Sequence[int]) -> bool:
    """Return whether a shape is that of filters: (maps, channels, steps) or (maps, channels, rows, columns)."""
    return len(shape) in (3, 4)


def _suits_channels_last(architecture: Architecture, device: str, precision: str) -> bool:
    """Return whether a network has convolutions on a CPU, or on the tensor cores of a GPU."""
    return has_convolutions(architecture) and (device == "cpu" or precision in ("bf16", "fp16"))
