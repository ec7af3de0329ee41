"""Runs pytest on a copy of the repository, in a fork of a process that has loaded the libraries but not Arignote.

Loading torch takes seconds; a fork has it at once. The parent never computes with torch, so that no threads of it are
missing in the fork.
"""

from __future__ import annotations

import compileall
import contextlib
import gc
import importlib.util
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import types
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import coverage
import pytest

# What Arignote and its tests load, however late: it is loaded once.
LIBRARIES = (
    *(
        "torch",
        "torch._dynamo",
        "torch.optim",
        "torch.nn.utils.parametrize",
        "numpy",
        "scipy.stats",
        "sklearn.datasets",
    ),
    *(
        "pydantic",
        "typer.testing",
        "ruamel.yaml",
        "safetensors.numpy",
        "h5py",
        "pooch",
        "pandas",
        "pyarrow",
        "PIL.Image",
    ),
    *("fsspec", "fsspec.implementations.memory", "concurrent.futures.thread", "multiprocessing", "sqlite3"),
)
_NOT_COPIED = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__")
# A mutant may allocate without end; torch itself maps several GB.
_MEMORY = 16 << 30
_OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "--tb=no", "--no-header", "--assert=plain")


@dataclass
class Outcome:
    """What pytest found: the first test that failed, what each takes, and the tests that execute each line.

    `cpu` are seconds of the processor, which hardly depend on what else the machine does.
    """

    ended: bool = False
    passed: bool = False
    failed: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)
    # Executed while modules were imported or fixtures made: any test may depend on these lines.
    shared: list[int] = field(default_factory=list)


class _Plugin:
    """Records into an outcome; where a file is given, the lines of it that each test executes too."""

    def __init__(self, outcome: Outcome, traced: Path | None):
        self._outcome, self._traced = outcome, str(traced)
        self._coverage = None
        if traced is not None:
            self._coverage = coverage.Coverage(data_file=None, include=[self._traced], messages=False)
            self._coverage.start()

    def _switch(self, context: str) -> None:
        if self._coverage is not None:
            self._coverage.switch_context(context)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._test = nodeid

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self) -> None:
        self._switch(self._test)
        self._began = time.process_time()

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self._outcome.failed = self._outcome.failed or report.nodeid
        if report.when == "call":
            # What is executed from here to the next call, fixtures and imports, any test may depend on.
            self._switch("")
            self._outcome.seconds[report.nodeid] = report.duration
            self._outcome.cpu[report.nodeid] = time.process_time() - self._began

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self._outcome.failed = self._outcome.failed or f"{report.nodeid} (while it was collected)"

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        if self._coverage is not None:
            self._coverage.stop()
            found = self._coverage.get_data().contexts_by_lineno(self._traced)
            self._outcome.lines = {str(line): tests for line, tests in found.items() if "" not in tests}
            self._outcome.shared = [line for line, tests in found.items() if "" in tests]


class Sandbox:
    """A copy of the repository in a temporary folder, and the means to run pytest in it.

    Parameters
    ----------
    root : Path
        The repository; nothing is written into it.
    libraries : iterable of str
        Modules that are loaded once, before the forks.
    """

    def __init__(self, root: Path, libraries: Iterable[str] = LIBRARIES):
        self._folder = tempfile.TemporaryDirectory(prefix="mutants-")
        self.root = Path(self._folder.name).resolve() / root.name
        shutil.copytree(root, self.root, ignore=_NOT_COPIED)
        compileall.compile_dir(self.root, quiet=2)
        with warnings.catch_warnings(action="ignore"):
            for name in libraries:
                __import__(name)
        # Nothing of it is garbage: a collection in the fork need not look at it, nor copy its pages.
        gc.freeze()

    def close(self) -> None:
        """Remove the copy."""
        self._folder.cleanup()

    @contextlib.contextmanager
    def changed(self, module: str, text: str) -> Iterator[None]:
        """Replace the text of a module while the context lasts."""
        path = self.root / module
        before = path.read_text()
        # It may have the size of the text, and the second: it would be taken in place of it.
        Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)
        path.write_text(text)
        try:
            yield
        finally:
            path.write_text(before)

    def run(self, tests: list[str], timeout: float, traced: str | None = None) -> Outcome:
        """Run tests, stop at the first failure; `ended` is False after `timeout` seconds."""
        message = self.root.parent / "outcome.json"
        message.unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            # Nothing of the parent may run in the child, whatever happens.
            with contextlib.suppress(BaseException):
                self._in_child(tests, message, traced)
            os._exit(0)
        handle = os.pidfd_open(child)
        ended = bool(select.select([handle], [], [], timeout)[0])
        os.close(handle)
        # What a test left running is of the same group.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        outcome = Outcome(**json.loads(message.read_text())) if message.exists() else Outcome()
        outcome.ended = ended
        return outcome

    def _in_child(self, tests: list[str], message: Path, traced: str | None) -> None:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.chdir(self.root)
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        output = os.open(self.root.parent / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(output, stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.dont_write_bytecode = True
        os.environ |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        os.environ["PYTHONPATH"] = str(self.root)
        sys.path[:] = [str(self.root), *(place for place in sys.path if place != str(Path(__file__).parent))]
        # A process that a test starts by multiprocessing would import the tool as its main module.
        sys.modules["__main__"] = types.ModuleType("__main__")
        outcome = Outcome()
        plugin = _Plugin(outcome, self.root / traced if traced else None)
        scratch = self.root.parent / "tests"
        status = pytest.main([*_OPTIONS, f"--basetemp={scratch}", *tests], plugins=[plugin])
        outcome.passed = status == pytest.ExitCode.OK
        message.write_text(json.dumps(vars(outcome)))
