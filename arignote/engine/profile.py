"""The time of each operation of a few training steps."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.profiler import profile

from arignote.engine.feed import DeviceBatch
from arignote.engine.step import TrainingStep

__all__ = ["OperationTime", "Profile", "ProfiledStep"]

_LOG_LEVEL = "KINETO_LOG_LEVEL"


class OperationTime(NamedTuple):
    """The time of an operation of the engine in one step.

    Attributes
    ----------
    name : str
        Such as "aten::mm".
    n_calls : float
        Mean number of calls in a step.
    cpu_seconds, gpu_seconds : float
        Of a step, without the operations that it calls.
    """

    name: str
    n_calls: float
    cpu_seconds: float
    gpu_seconds: float


@dataclass(frozen=True)
class Profile:
    """Times of operations, measured by a profile.

    Attributes
    ----------
    operations : list of OperationTime
    step_seconds : float
        Of a whole step, while it was measured.
    n_steps, n_warm : int
        Steps that were measured, and those before them.
    """

    operations: list[OperationTime]
    step_seconds: float
    n_steps: int
    n_warm: int


class ProfiledStep:
    """A training step that measures the operations of a few of its calls, after those that warm up.

    Parameters
    ----------
    step : TrainingStep
        The step, which computes what it computes without this.
    n_warm, n_measured : int
        Numbers of calls.
    """

    def __init__(self, step: TrainingStep, n_warm: int = 5, n_measured: int = 20):
        self._step, self._n_warm, self._n_measured = step, n_warm, n_measured
        self._n_calls, self._n_done, self._seconds = 0, 0, 0.0
        # Calls, and microseconds on the CPU and the GPU, by operation.
        self._sums: dict[str, tuple[int, float, float]] = {}

    def __call__(self, batches: Sequence[DeviceBatch], seeds: Iterable[int], **how: Any) -> Tensor:
        """Update the network, as the step does."""
        self._n_calls += 1
        if self._n_calls <= self._n_warm or self._n_done == self._n_measured:
            return self._step(batches, seeds, **how)
        device = self._step.network.device.type
        on_gpu = device != "cpu"
        with _quiet(), profile(use_kineto=on_gpu, use_device=device if on_gpu else None) as measured:
            began = time.perf_counter()
            loss = self._step(batches, seeds, **how)
            if on_gpu:
                # Kernels run on after the call that starts them.
                torch.cuda.synchronize(self._step.network.device)
            self._seconds += time.perf_counter() - began
        self._n_done += 1
        self._add(measured.key_averages())
        return loss

    def _add(self, events: Any) -> None:
        for event in events:
            n_calls, cpu, gpu = self._sums.get(event.key, (0, 0.0, 0.0))
            self._sums[event.key] = (
                n_calls + event.count,
                cpu + event.self_cpu_time_total,
                gpu + event.self_device_time_total,
            )

    def result(self) -> Profile:
        """Return what was measured, of one step."""
        # Before the first measured step there is nothing to divide.
        n = max(self._n_done, 1)
        operations = [
            OperationTime(name, n_calls / n, cpu / n / 1e6, gpu / n / 1e6)
            for name, (n_calls, cpu, gpu) in self._sums.items()
        ]
        return Profile(operations, self._seconds / n, self._n_done, min(self._n_warm, self._n_calls))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the profiler of the engine from writing lines to stderr; it reads the level when it is first used."""
    is_set = _LOG_LEVEL in os.environ
    os.environ.setdefault(_LOG_LEVEL, "99")
    try:
        yield
    finally:
        if not is_set:
            del os.environ[_LOG_LEVEL]
