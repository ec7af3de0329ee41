"""Tests rely on a fork to run a command as an interpreter does."""

from __future__ import annotations

import subprocess
import sys

import forked
import pytest

pytestmark = pytest.mark.slow

CODE = """
import os, signal, sys, threading
from beside import NAME

print(__name__, vars(sys.modules["__main__"]) is globals(), sys.argv, NAME, os.getcwd(), dict(os.environ))
print([signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)], len(threading.enumerate()))
print(sys.stdout.line_buffering, sys.stdout.isatty(), sys.stderr.line_buffering, os.getsid(0) == os.getpid())
print("an error, \\udcff", file=sys.stderr)
"""
ENDS = {
    "by itself": "",
    "code": "sys.exit(75)",
    "message": "sys.exit('in words')",
    "at once": "sys.stdout.flush(); os._exit(3)",
    "SIGTERM": "sys.stdout.flush(); os.kill(os.getpid(), signal.SIGTERM)",
    "SIGKILL": "sys.stdout.flush(); os.kill(os.getpid(), signal.SIGKILL)",
    "a thread that is waited for": "threading.Timer(0.1, print, ['late']).start()",
}


@pytest.mark.parametrize("form", ["-c", "-m", "script"])
@pytest.mark.parametrize("end", ENDS)
def test_a_fork_does_what_an_interpreter_does(form, end, tmp_path):
    code, script = CODE + ENDS[end], tmp_path / "code_of_a_test.py"
    script.write_text(code)
    (tmp_path / "beside.py").write_text("NAME = 'beside'")
    words = {"-c": ["-c", code], "-m": ["-m", script.stem], "script": [str(script)]}[form] + ["word", "-m"]
    more = {"env": {"PYTHONPATH": str(tmp_path), "LANG": "C.UTF-8"}, "cwd": tmp_path, "start_new_session": True}
    real = subprocess.run([sys.executable, *words], capture_output=True, text=True, **more)
    fork = forked.run(words, **more)
    assert (fork.returncode, fork.stdout, fork.stderr) == (real.returncode, real.stdout, real.stderr)
