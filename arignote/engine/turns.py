"""Threads and precision of the engine: a process has them once, so that threads which compute take turns."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from arignote.engine.setup import Setup

__all__ = ["TURN", "Shared", "computing_in", "set_attribute"]


class Shared:
    """A change of the process that is made by the first context, and undone at the end of the last one.

    Parameters
    ----------
    make : callable
        Makes the change, and pushes onto the stack that it is given what undoes it.
    """

    def __init__(self, make: Callable[[ExitStack], None]):
        self._make, self._lock, self._n, self._stack = make, threading.Lock(), 0, ExitStack()

    def begin(self) -> None:
        """Make the change, unless another context has made it."""
        with self._lock:
            if self._n == 0:
                self._make(self._stack)
            self._n += 1

    def end(self) -> None:
        """Undo the change at the end of the last context."""
        with self._lock:
            self._n -= 1
            if self._n == 0:
                self._stack.close()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        self.begin()
        try:
            yield
        finally:
            self.end()


class _Turn:
    """A context of one computation, which waits for those of other threads.

    In `computing_in`, threads and precision are those of its setup; they are set only if another thread changed them.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._of_thread = threading.local()
        # What was set last, and by which thread: the engine keeps the number of threads for each, its library of
        # matrices once for the process.
        self._last: tuple[int, Setup | None] = (0, None)

    def __enter__(self) -> None:
        self._lock.acquire()
        setup = self.setup
        if setup is not None and self._last != (threading.get_ident(), setup):
            try:
                self.set(setup)
            except BaseException:
                self._lock.release()
                raise

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    @property
    def setup(self) -> Setup | None:
        """Setup of the innermost `computing_in` of this thread."""
        return getattr(self._of_thread, "setup", None)

    def set(self, setup: Setup | None) -> None:
        """Set threads and precision for this thread; None: outside of `computing_in`."""
        self._of_thread.setup = setup
        self._last = threading.get_ident(), setup
        if setup is not None:
            # Even if it is the current number: the call keeps MKL from using fewer threads for small matrices.
            torch.set_num_threads(setup.n_threads)
            on_cpu, on_gpu = ("bf16", "tf32") if setup.precision == "bf16_matmul" else ("ieee", "ieee")
            on_mkldnn, _, on_cuda, *_ = _BACKENDS
            on_mkldnn.fp32_precision, on_cuda.fp32_precision = on_cpu, on_gpu


TURN = _Turn()


def set_attribute(stack: ExitStack, owner: Any, name: str, value: Any) -> None:
    """Set an attribute, which is restored when the stack is closed."""
    stack.callback(setattr, owner, name, getattr(owner, name))
    setattr(owner, name, value)


_of: Any = torch.backends
# One by one: set_float32_matmul_precision fails if the caller has set one of them.
_BACKENDS = _of.mkldnn.matmul, _of.mkldnn.conv, _of.cuda.matmul, _of.cudnn.conv, _of.cudnn.rnn


def _set_precision(stack: ExitStack) -> None:
    """Compute exactly, until a turn sets another precision; restore that of the process at the end."""
    stack.callback(_restore, torch.get_num_threads(), [backend.fp32_precision for backend in _BACKENDS])
    for backend in _BACKENDS:
        backend.fp32_precision = "ieee"


def _restore(n_threads: int, precisions: Sequence[str]) -> None:
    for backend, precision in zip(_BACKENDS, precisions, strict=True):
        backend.fp32_precision = precision
    torch.set_num_threads(n_threads)


_precision = Shared(_set_precision)


@contextmanager
def computing_in(setup: Setup) -> Iterator[None]:
    """Compute in the threads and the precision of a setup; restore those of the process at the end.

    What is computed in a `TURN` has them though other threads may compute in another setup meanwhile.
    """
    # Without an ExitStack, which takes a tenth of the time of a prediction of one row.
    with TURN:
        former, n_threads = TURN.setup, torch.get_num_threads()
        _precision.begin()
    try:
        with TURN:
            TURN.set(setup)
        yield
    finally:
        with TURN:
            TURN.set(former)
            # Restores the process, if no other thread computes; before another thread has its turn.
            _precision.end()
            # Last, as the number of this thread may be another one than that of the first one that computed.
            torch.set_num_threads(n_threads)
