"""Reads hostile files, each in a forked process under a limit of memory and time, and prints how each read ended.

``python driver.py MEGABYTES [torch]``; a line of the input is [reader, path] as JSON. It is answered with a line
{"ended": ..., "message": ...}, where `ended` is "result", the name of an exception, "signal N" or "hang". Readers that
need torch are for a driver that has loaded it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import json
import os
import resource
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from hostile.readers import READERS

from arignote.errors import ArignoteError

# Of the processor: other work on the machine must not matter. And of the clock, for what waits.
SECONDS, LONGEST_WAIT = 20, 300


def address_space() -> int:
    """Return the bytes of address space that this process uses."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def limit(n_bytes: int) -> None:
    """Limit what this process may allocate from now on, and its time."""
    with contextlib.suppress(OSError):
        resource.setrlimit(resource.RLIMIT_AS, (address_space() + n_bytes, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 5))
    faulthandler.dump_traceback_later(LONGEST_WAIT, exit=True)


def outcome(reader: str, path: Path) -> dict[str, Any]:
    """Return how reading a file ends; every exception is caught and named."""
    try:
        READERS[reader](path)
    except ArignoteError as error:
        return {"ended": type(error).__name__, "message": str(error)[:2000]}
    except BaseException as error:
        return {"ended": f"{type(error).__name__} (not an ArignoteError)", "message": str(error)[:2000]}
    return {"ended": "result", "message": ""}


def apart(reader: str, path: Path, n_bytes: int) -> dict[str, Any]:
    """Return how reading a file ends in a process of its own."""
    with tempfile.TemporaryFile("w+") as told, tempfile.TemporaryFile("w+") as errors:
        child = os.fork()
        if child == 0:
            os.dup2(errors.fileno(), 2)
            faulthandler.enable(errors)
            limit(n_bytes)
            json.dump(outcome(reader, path), told)
            told.flush()
            os._exit(0)
        _, status, usage = os.wait4(child, 0)
        told.seek(0)
        errors.seek(0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
            found = {"ended": "hang", "message": ""}
        elif os.WIFSIGNALED(status):
            found = {"ended": f"signal {signal.Signals(os.WTERMSIG(status)).name}", "message": errors.read()[-2000:]}
        elif os.WEXITSTATUS(status):
            found = {"ended": "hang", "message": errors.read()[-3000:]}
        else:
            found = json.load(told)
    return found | {"megabytes": usage.ru_maxrss // 1024, "seconds": round(usage.ru_utime + usage.ru_stime, 2)}


def main() -> None:
    """Answer each line of the input."""
    n_bytes, needs_torch = int(sys.argv[1]) * 1_000_000, "torch" in sys.argv[2:]
    # Loaded once, before the forks.
    modules = ("h5py", "ruamel.yaml", "safetensors.numpy", "arignote.spec.config", "arignote.legacy")
    for module in modules:
        importlib.import_module(module)
    for module in (
        "arignote.data.readers.hdf5",
        "arignote.data.readers.pickles",
        "arignote.data.readers.npy",
        "arignote.checkpoints.reader",
    ):
        importlib.import_module(module)
    if needs_torch:
        importlib.import_module("arignote.estimators")
    for line in sys.stdin:
        reader, path = json.loads(line)
        print(json.dumps(apart(reader, Path(path), n_bytes)), flush=True)


if __name__ == "__main__":
    main()
