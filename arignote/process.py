"""The process of a command: its exit codes, Ctrl-C, and pipes whose reader has ended."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import signal
import sys
import warnings
from collections.abc import Callable
from traceback import extract_tb
from typing import Any

from arignote.errors import ArignoteError, CheckpointError, ConfigError, DataError, NotFiniteError, ProcessError
from arignote.launch import is_first_process

__all__ = ["EXIT_CODES", "READER_ENDED", "end_at_once", "run_process", "shorten_process"]

# 1 is an unexpected error, 2 also wrong usage. Above 128 a signal stopped the process.
EXIT_CODES = {ConfigError: 2, DataError: 3, CheckpointError: 4, NotFiniteError: 5}
# As SIGPIPE ends other commands, 128 + 13; Python ignores that signal and raises BrokenPipeError.
READER_ENDED = 141
_CTRL_C = 130
# OpenBLAS, with which NumPy is built, reads it when it is loaded.
_N_THREADS = "OPENBLAS_NUM_THREADS"


def run_process(command: Callable[[], Any]) -> None:
    """Run the command of a process; end the process with an exit code if it fails."""
    warnings.showwarning = _print_note
    # What is imported stays: searching it for garbage takes a twentieth of the time of a short command.
    gc.set_threshold(50_000)
    # A shell starts commands in the background with SIGINT ignored (SIG_IGN): then it stays so.
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        try:
            command()
        finally:
            # From here on Ctrl-C only ends the process: nothing is left to save, and a traceback would not help.
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                signal.signal(signal.SIGINT, signal.SIG_DFL)
            sys.stdout.flush()
    except ArignoteError as error:
        if not error.is_reported:
            print(f"error: {_place_of(error)}{error}", file=sys.stderr)
        sys.exit(next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), 1))
    except BrokenPipeError:
        _drop_output()
        sys.exit(READER_ENDED)
    except KeyboardInterrupt:
        sys.exit(_CTRL_C)
    except Exception as error:
        # What is opened has a name in its error, what is written has none.
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT) and error.filename is None:
            _drop_output()
            print(f"error: standard output, or a temporary file, cannot be written: {error.strerror}", file=sys.stderr)
            sys.exit(1)
        last = extract_tb(error.__traceback__)[-1]
        print(
            f"error: {_place_of(error)}{type(error).__name__}: {error}\n"
            f"in {last.filename}, line {last.lineno}, {last.name}. Arignote does not expect this error; "
            "with --debug the same command prints its traceback",
            file=sys.stderr,
        )
        sys.exit(1)


def _place_of(error: Exception) -> str:
    """Return which of several processes raised an error, unless it was the first one, or the error says so."""
    if is_first_process() or isinstance(error, ProcessError):
        return ""
    return f"process {os.environ['RANK']} of {os.environ['WORLD_SIZE']}: "


def _drop_output() -> None:
    """Write standard output nowhere: else Python writes once more when it ends, and prints that it could not."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def end_at_once(code: int) -> None:
    """End the process: everything is saved, and an orderly exit of the interpreter would take a second."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        sys.exit(code)
    os._exit(code)


def shorten_process() -> None:
    """Take a quarter off the CPU time of a command that computes nothing; call it before the imports of the command.

    NumPy is imported with one thread for linear algebra, as starting one for each core takes as long as the import. At
    the end of the process what was imported is not searched for garbage.
    """
    if "numpy" in sys.modules:
        return
    atexit.register(gc.freeze)
    given = os.environ.get(_N_THREADS)
    os.environ[_N_THREADS] = given or "1"
    try:
        import numpy  # noqa: F401
    finally:
        if given is None:
            del os.environ[_N_THREADS]


def _print_note(message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: Any = None) -> None:
    print(f"note: {message}", file=sys.stderr)
