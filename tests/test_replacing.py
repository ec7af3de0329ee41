"""A text file is replaced as a whole, or stays as it was."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from arignote.replacing import replacing


def test_what_is_written_is_there_in_the_end_only_and_the_mode_stays(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(0o640)
    with replacing(path) as file:
        file.write("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new" and path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("fault", [OSError("full"), KeyboardInterrupt()], ids=type)
def test_the_old_one_stays_where_writing_ends_early(tmp_path, fault):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(type(fault)), replacing(path) as file:
        file.write("new")
        raise fault
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "a.txt").symlink_to("real.txt")
    with replacing(tmp_path / "a.txt") as file:
        file.write("new")
    assert (tmp_path / "a.txt").is_symlink() and (tmp_path / "real.txt").read_text() == "new"


def test_a_number_is_the_name_of_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with replacing(Path("1")) as file:
        file.write("new")
    assert (tmp_path / "1").read_text() == "new"


@pytest.mark.slow
@pytest.mark.parametrize("how", ["| cat", "> out; cat out"])
def test_what_stands_for_standard_output_goes_where_that_goes_and_nothing_there_is_lost(tmp_path, how):
    code = "from pathlib import Path; from arignote.replacing import replacing\n"
    code += "with replacing(Path('/dev/stdout')) as file: file.write('new\\n')"
    line = f"(echo before; {shlex.quote(sys.executable)} -c {shlex.quote(code)}; echo after) {how}"
    found = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stdout == "before\nnew\nafter\n" and not found.stderr


def test_what_is_no_file_is_written_to(tmp_path):
    # A pipe of the test's own: a fault here would replace a device of the machine, where tests run as root.
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with replacing(path) as file:
        file.write("new")
    assert os.read(reader, 100) == b"new" and path.is_fifo()
    os.close(reader)
    assert os.listdir(tmp_path) == ["pipe"]


def test_a_file_that_may_not_be_written_to_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("old")
    # Permissions do not hold root back, who may run the tests.
    monkeypatch.setattr(os, "access", lambda asked, mode: (asked, mode) != (path, os.W_OK))
    with pytest.raises(PermissionError, match="Permission denied"), replacing(path):
        raise AssertionError("not reached")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]
    with replacing(tmp_path / "new.txt") as file:
        file.write("new")


@pytest.mark.slow
def test_text_is_written_in_utf_8_whatever_the_locale(tmp_path):
    code = "from pathlib import Path; from arignote.replacing import replacing\n"
    code += "for name in ('a.txt', '/dev/stdout'):\n    with replacing(Path(name)) as file: file.write('\\xfc\\n')"
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, filter(None, sys.path)))
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert (tmp_path / "a.txt").read_bytes() == found.stdout == "\xfc\n".encode()
