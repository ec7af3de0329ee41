"""The memory that this process can still allocate, checked before allocating a size that a file declares."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

__all__ = ["available_bytes", "peak_bytes", "size_text"]


def available_bytes() -> int:
    """Return the bytes that can be allocated: free memory of the machine, within the limits of container and process.

    If the system does not report free memory, as outside Linux: the memory of the machine, or else 2**40.
    """
    return max(0, min(_of_the_machine(), _of_the_container(), _of_the_process()))


def peak_bytes() -> int:
    """Return the most memory that this process has used at once; 0 where it is not known."""
    try:
        import resource
    except ImportError:
        return 0
    # Of macOS it is in bytes, of others in KiB.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def size_text(n_bytes: int) -> str:
    """Return a number of bytes for a message, such as "1.5 GB"."""
    size = float(min(n_bytes, 10**30))
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB"):
        if size < 1000 or unit == "PB":
            break
        size /= 1000
    return f"{size:.3g} {unit}"


def _of_the_machine() -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                # Its unit, kB, is 1024 bytes (proc_meminfo(5)).
                return int(line.split()[1]) * 1024
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return 1 << 40


def _of_the_container() -> int:
    """Return what the memory limit of the control group (version 2) leaves."""
    with contextlib.suppress(OSError, ValueError):
        most = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        if most != "max":
            return int(most) - int(Path("/sys/fs/cgroup/memory.current").read_text())
    return 1 << 60


def _of_the_process() -> int:
    """Return what the limit of the address space (``ulimit -v``) leaves."""
    with contextlib.suppress(OSError, ValueError, ImportError, AttributeError):
        import resource

        most = resource.getrlimit(resource.RLIMIT_AS)[0]
        if most != resource.RLIM_INFINITY:
            # The first number of statm is the size of the address space, in pages (proc_pid_statm(5)).
            return most - int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    return 1 << 60
