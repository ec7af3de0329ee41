"""The connection of the processes that torchrun has started, for one fit at a time."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from itertools import count
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from arignote.engine.processes import TIMEOUT, Processes
from arignote.errors import ConfigError, ProcessError
from arignote.launch import FROM_TORCHRUN

__all__ = ["connected", "own_gpu"]

_ATTEMPT = timedelta(seconds=2)
# Numbers the fits of this process: each has a store of its own.
_N_GROUPS = count()


@contextmanager
def connected() -> Iterator[Processes | None]:
    """Yield the connected processes of torchrun; None without torchrun. An existing connection is used, and kept.

    Raises
    ------
    ConfigError
        If the environment names several processes, but not how they find one another.
    ProcessError
        If this process cannot reach the others.
    """
    missing = [name for name in FROM_TORCHRUN if not os.environ.get(name)]
    if not dist.is_available() or (missing and os.environ.get("WORLD_SIZE", "1") in ("", "1")):
        yield None
        return
    if missing:
        raise ConfigError(
            f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, but torchrun sets {', '.join(missing)} too: "
            "start with torchrun --nproc-per-node=2 -m arignote fit CONFIG, or unset WORLD_SIZE"
        )
    if dist.is_initialized():
        yield Processes(dist.get_rank(), dist.get_world_size())
        return
    with own_gpu():
        try:
            # NCCL exchanges tensors of a GPU alone; seeds and states are bytes on the CPU.
            backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
            store, rank, size = _connected(f"arignote/{next(_N_GROUPS)}")
            dist.init_process_group(backend, timeout=TIMEOUT, store=store, rank=rank, world_size=size)
        except (OSError, RuntimeError, ValueError) as error:
            raise ProcessError(
                f"process {os.environ['RANK']} of {os.environ['WORLD_SIZE']} cannot reach the others at "
                f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}: {error}"
            ) from None
        try:
            yield Processes(dist.get_rank(), dist.get_world_size())
        finally:
            dist.destroy_process_group()


@contextmanager
def own_gpu() -> Iterator[None]:
    """Let "cuda" mean a GPU of its own in each process of this machine, as NCCL needs it, until the context ends."""
    if not torch.cuda.is_available():
        yield
        return
    former = torch.cuda.current_device()
    # torchrun numbers the processes of each machine.
    torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    try:
        yield
    finally:
        torch.cuda.set_device(former)


@cache
def _named_store() -> tuple[Any, int, int]:
    """Return the store that the environment names, the number of this process, and their number.

    The store is kept: where torchrun has none, process 0 is its server, and others read it later than that one.
    """
    store, rank, size = next(rendezvous("env://", timeout=TIMEOUT))
    return store, rank, size


def _connected(key: str) -> tuple[Any, int, int]:
    """Return a store of the processes for one fit, once all are there, the number of this process, and their number.

    torchrun keeps its own store while it starts processes again: addresses of an earlier fit, or of processes that were
    killed, would be found there. Process 0 opens a new one, and writes its port there.
    """
    shared, rank, size = _named_store()
    host, until = os.environ["MASTER_ADDR"], time.monotonic() + TIMEOUT.total_seconds()
    store = None
    if rank == 0:
        store = TCPStore(host, 0, size, is_master=True, timeout=TIMEOUT, wait_for_workers=False)
        shared.set(key, str(store.port))
    else:
        _wait_for(shared, [key], until)
    while store is None:
        port = int(shared.get(key))
        try:
            # First without TCPStore, which reports at length what it cannot reach.
            socket.create_connection((host, port), _ATTEMPT.seconds).close()
            store = TCPStore(host, port, size, is_master=False, timeout=_ATTEMPT)
        except (OSError, RuntimeError):
            # The port of a process that was killed; its successor writes another one.
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
    store.set_timeout(TIMEOUT)
    store.set(f"arrived/{rank}", "")
    _wait_for(store, [f"arrived/{other}" for other in range(size)], until)
    return store, rank, size


def _wait_for(store: Any, names: list[str], until: float) -> None:
    """Wait until a store has these keys, in Python: it would wait in C++, where no handler of a signal is called.

    torchrun would kill a process that waits so after 30 s only, if another one ends before it arrives.
    """
    while not store.check(names):
        if time.monotonic() > until:
            missing = ", ".join(name for name in names if not store.check([name]))
            raise RuntimeError(f"no answer within {TIMEOUT.seconds // 60} minutes ({missing})")
        time.sleep(0.02)
