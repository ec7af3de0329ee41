"""A fit that several processes share: the first one chooses what is resumed, and the others follow."""

from __future__ import annotations

import json
import signal
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from warnings import catch_warnings, simplefilter

from safetensors.numpy import load, save

from arignote.checkpoints.format import decode, encode
from arignote.checkpoints.state import TrainingState
from arignote.checkpoints.tensors import tensors_sha256
from arignote.engine.processes import Processes
from arignote.errors import ArignoteWarning, ProcessError, warn
from arignote.fit.changes import decisive_settings, differences
from arignote.fit.plan import FitRequest, Plan
from arignote.fit.resume import IN_MEMORY, choose
from arignote.launch import torchrun_of
from arignote.preemption.signals import StopRequest

if TYPE_CHECKING:
    from arignote.fit.assemble import Assembly

__all__ = [
    "check_processes",
    "check_stop_of",
    "end_together",
    "follow",
    "is_first",
    "quiet",
    "together",
    "whole_choice",
]


def is_first(processes: Processes | None) -> bool:
    """Return whether this process writes files and prints."""
    return processes is None or processes.rank == 0


@contextmanager
def quiet(processes: Processes | None) -> Iterator[None]:
    """Return a context without warnings of Arignote, unless this is the first process."""
    with nullcontext() if is_first(processes) else catch_warnings():
        if not is_first(processes):
            simplefilter("ignore", ArignoteWarning)
        yield


@contextmanager
def together(processes: Processes | None) -> Iterator[None]:
    """Return a context after which all processes continue, or all raise."""
    with nullcontext() if processes is None else processes.together():
        yield


def whole_choice(plan: Plan, stored: TrainingState | None, where: str) -> bytes:
    """Return what others need to follow: seed, stem, and the state that is resumed, unless each has it in memory.

    Parameters
    ----------
    plan : Plan
    stored : TrainingState or None
        The state that is resumed.
    where : str
        Its path, or `IN_MEMORY`.
    """
    is_sent = stored is not None and where != IN_MEMORY
    head = {"rng": plan.rng, "checkpoint": plan.request.checkpoint, "where": where if is_sent else ""}
    blobs = [json.dumps(head).encode()]
    if is_sent:
        assert stored is not None
        # The file format holds the digest of the best network, not its tensors: these follow as a blob of their own.
        blobs.append(b"".join(encode(stored)[0]))
        blobs += [] if stored.best is None else [save(stored.best.network)]
    # Each blob follows its length: 8 bytes, little-endian.
    return b"".join(struct.pack("<Q", len(blob)) + blob for blob in blobs)


def follow(request: FitRequest, text: bytes) -> tuple[Plan, TrainingState | None, str]:
    """Return the plan of a process, the state that it resumes, and its path, as the first process has chosen."""
    blobs = []
    while text:
        (length,) = struct.unpack_from("<Q", text)
        blobs.append(text[8 : 8 + length])
        text = text[8 + length :]
    head = json.loads(blobs[0])
    # Only the first process has drawn the seed, and chosen the stem while it held the lock.
    request = replace(request, seed=head["rng"], checkpoint=head["checkpoint"])
    states = []
    if where := head["where"]:
        state, _ = decode(blobs[1], where)
        if state.best is not None:
            state.best.network = load(blobs[2])
        states.append((where, state))
    plan, stored, where, _ = choose(request, iter(states))
    return plan, stored, where


def check_processes(fit: Assembly) -> None:
    """Raise ConfigError if other processes have other settings, data, versions or threads; warn of those that idle."""
    processes = fit.plan.request.processes
    if processes is None:
        return
    state, n_shards = fit.state, fit.plan.n_shards
    values = decisive_settings(state.spec) | {
        "n_in": state.spec["n_in"],
        "rng": state.rng,
        "targets": state.targets,
        "data": state.data,
        "environment": state.environment,
    }
    processes.check_equal(values, differences)
    if processes.size > n_shards:
        n_idle = processes.size - n_shards
        warn(
            f"{processes.size} processes share {n_shards} shards of a batch, so that {n_idle} of them only wait. "
            "Raise shards, or start fewer processes"
        )


def check_stop_of(fit: Assembly, stop: StopRequest) -> Callable[[], None]:
    """Return a function that raises StopRequested: in several processes, when all know of it."""
    processes = fit.plan.request.processes
    if processes is None:
        return stop.check
    parent = torchrun_of()
    # A torchrun that is killed leaves its processes behind: they would train on, and keep the run locked.
    processes.asked = lambda: stop.asked or (None if torchrun_of() == parent else (signal.SIGTERM, "torchrun ended"))
    return partial(_check_agreed, processes, fit.state, stop)


def _check_agreed(processes: Processes, state: TrainingState, stop: StopRequest) -> None:
    # For the message of the next exchange, should it fail.
    processes.position = state.position
    if processes.stop is not None:
        stop.adopt(*processes.stop)
        stop.check()


def end_together(processes: Processes | None, result: TrainingState) -> None:
    """Return when all processes have ended their fit, and what the first one writes is saved.

    Raises
    ------
    ProcessError
        If they did not end with the same bits.
    """
    if processes is None:
        return
    end = f"{result.position} {tensors_sha256(result.network)}"
    # Every process compares all of them, so that either none or each of them raises.
    if len(set(processes.gather(end.encode()))) > 1:
        raise ProcessError(
            f"the processes ended with different weights ({result.position}): the machines, or their libraries, "
            "compute differently. Start them on machines of one kind"
        )
