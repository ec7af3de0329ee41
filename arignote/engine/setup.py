"""How the engine works for one network: rules of shapes and settings, never of timing, so that two runs agree."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

import numpy as np
import torch

from arignote.errors import ConfigError
from arignote.layers.architecture import Architecture
from arignote.spec import FitSettings

__all__ = ["Setup", "available_threads", "environment", "has_filters", "setup_for"]

# Multiplications of a step; below, threads wait for one another.
ONE_THREAD = 10_000_000


@dataclass(frozen=True)
class Setup:
    """What the engine is told.

    Attributes
    ----------
    device : str
        Where the tensors live.
    n_threads : int
        Of the engine, on the CPU.
    channels_last : bool
        Whether filters, and images after them, lie in memory with their channels last. Shapes are the same.
    precision : str
        "float32", "bf16_matmul", "bf16" or "fp16".
    compile : bool
        Whether steps by autograd are compiled.
    """

    device: str = "cpu"
    n_threads: int = 1
    channels_last: bool = False
    precision: str = "float32"
    compile: bool = False

    @property
    def cast(self) -> torch.dtype | None:
        """Type that layers compute in, where it is not that of the parameters."""
        return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.precision)


def setup_for(architecture: Architecture, settings: FitSettings, before: Mapping[str, Any] | None = None) -> Setup:
    """Return the setup of a fit.

    Parameters
    ----------
    architecture : Architecture
        The network.
    settings : FitSettings
        What they leave open is as in the checkpoint, else a matter of shapes.
    before : dict, optional
        The environment of the checkpoint.
    """
    before = before or {}
    device = _resolved(settings.device)
    channels_last = settings.channels_last
    if channels_last == "auto":
        channels_last = before.get("channels_last", _suits_channels_last(architecture, device, settings.precision))
    n_threads = settings.n_threads or before.get("n_threads") or _threads(architecture, settings.batch_size)
    return Setup(device, n_threads, bool(channels_last), settings.precision, settings.compile)


def _resolved(device: str) -> str:
    """Return the device that a setting names: "auto" is a GPU where there is one."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as fault:
        raise ConfigError(f"device must be one that this machine has; got {device!r}. ({fault})") from None
    return device


def _threads(architecture: Architecture, batch_size: int) -> int:
    """Return how many threads a step is worth, by its multiplications."""
    n_multiplications = 0
    for place in architecture.placed:
        n_places = prod(place.output_shape[1:])
        n_multiplications += sum(prod(p.shape) for p in place.params.values() if p.unit_axis is not None) * n_places
    # Forward, and backward to the weights and to the input.
    return 1 if 3 * batch_size * n_multiplications < ONE_THREAD else available_threads()


def available_threads() -> int:
    """Return how many threads the engine has of its own accord."""
    return torch.get_num_threads()


def has_filters(architecture: Architecture) -> bool:
    """Whether there are convolutions."""
    return any(len(param.shape) == 4 for place in architecture.placed for param in place.params.values())


def _suits_channels_last(architecture: Architecture, device: str, precision: str) -> bool:
    """Whether there are convolutions on a CPU, or on the tensor cores of a GPU."""
    return has_filters(architecture) and (device == "cpu" or precision in ("bf16", "fp16"))


def environment(setup: Setup) -> dict[str, Any]:
    """Return what may change bits, but for the settings that decide: versions, device, threads, CPU capability."""
    device = setup.device if setup.device == "cpu" else torch.cuda.get_device_name(setup.device)
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "deterministic": True,
        **{key: value for key, value in asdict(setup).items() if key != "precision"},
        "device": device,
    }
