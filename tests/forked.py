"""Python commands in forks of a process that has loaded the libraries, which takes seconds.

What a fork trains, saves and prints, and how a signal ends it, is as in a process that is started anew. What the
interpreter does before and after a command is not: tests of that start an interpreter.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import threading
import types
from multiprocessing import forkserver
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FORKS = multiprocessing.get_context("forkserver")
# Nothing is computed in the process that is forked, so that it has no thread.
FORKS.set_forkserver_preload(["arignote.cli", "arignote.estimators", "arignote.fit.start", "arignote.report.ending"])
PATIENT = 300  # seconds until a process counts as hanging; none needs them where all is well


def _run(words, output, errors, environment, folder, in_new_session):
    """Do in this process what ``python WORDS`` does, where the first word is -m, -c or a script."""
    if in_new_session:
        os.setsid()
    os.dup2(output.fileno(), 1)
    output.close()
    os.dup2(os.open(errors, os.O_WRONLY), 2)
    # As the interpreter opens them where they are no terminal.
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    given = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    first, *more = words
    sys.path[:0] = ["" if first in ("-m", "-c") else str(Path(first).parent), *given]
    if first == "-m":
        sys.argv = more
        runpy.run_module(more[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.argv = ["-c", *more[1:]]
        sys.modules["__main__"] = types.ModuleType("__main__")
        exec(more[0], vars(sys.modules["__main__"]))
    else:
        sys.argv = words
        runpy.run_path(first, run_name="__main__")


class Forked:
    """A fork that runs ``python WORDS``, with what tests use of `subprocess.Popen`."""

    def __init__(self, words, env=None, cwd=".", start_new_session=False):
        reading, writing = FORKS.Pipe(duplex=False)
        self.stdout = os.fdopen(os.dup(reading.fileno()))
        reading.close()
        handle, self._errors = tempfile.mkstemp()
        os.close(handle)
        environment, folder = dict(os.environ if env is None else env), os.path.abspath(cwd)
        words = [str(word) for word in words]
        given = (words, writing, self._errors, environment, folder, start_new_session)
        # It imports from its working directory first, and that of a test may have a folder named arignote.
        with contextlib.chdir(ROOT):
            forkserver.ensure_running()
        # Of a test that fails, no process is waited for.
        self._process = FORKS.Process(target=_run, args=given, daemon=True)
        self._process.start()
        writing.close()
        self.pid = self._process.pid

    @property
    def returncode(self):
        return self._process.exitcode

    def poll(self):
        return self.returncode

    def kill(self):
        self._process.kill()

    def send_signal(self, number):
        os.kill(self.pid, number)

    def communicate(self, timeout=PATIENT):
        """Return what is still printed, and all errors; a process that takes longer is killed."""
        timer = threading.Timer(timeout, self.kill)
        timer.start()
        output = self.stdout and self.stdout.read()
        self._process.join()
        timer.cancel()
        if self.stdout:
            self.stdout.close()
        errors = Path(self._errors).read_text()
        os.remove(self._errors)
        return output, errors


def run(words, check=False, **more):
    """Run ``python WORDS`` in a fork to its end, as `subprocess.run` does."""
    process = Forked(words, **more)
    output, errors = process.communicate()
    ended = subprocess.CompletedProcess(words, process.returncode, output, errors)
    if check:
        assert ended.returncode == 0, errors
    return ended
