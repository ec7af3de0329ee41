"""The process of a command: the exit code of each error, what it prints, and who handles Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys
import warnings

import pytest

from arignote.errors import (
    ArignoteError,
    ArignoteWarning,
    CheckpointError,
    ConfigError,
    DataError,
    Interrupted,
    NotFiniteError,
    ProcessError,
)
from arignote.launch import FROM_TORCHRUN
from arignote.process import run_process


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)


def raiser(error):
    def command():
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("no"), 2),
        (DataError("no"), 3),
        (CheckpointError("no"), 4),
        (NotFiniteError("no"), 5),
        (ArignoteError("no"), 1),
        (KeyboardInterrupt(), 130),
        (Interrupted("SIGTERM", 143, "in epoch 1"), 143),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_each_error_has_its_exit_code_and_prints_one_line(error, code, capsys):
    with pytest.raises(SystemExit) as ended:
        run_process(raiser(error))
    assert ended.value.code == code
    assert capsys.readouterr().err == ("error: no\n" if isinstance(error, ArignoteError) else "")


@pytest.mark.parametrize(
    ("rank", "error", "printed"),
    [
        ("1", DataError("no"), "error: process 1 of 3: no\n"),
        ("1", ProcessError("process 1 of 3: another process ended"), "error: process 1 of 3: another process ended\n"),
        ("1", OSError("no"), "error: process 1 of 3: OSError: no\n"),
        ("0", DataError("no"), "error: no\n"),
    ],
)
def test_of_several_processes_all_but_the_first_one_name_themselves(rank, error, printed, monkeypatch, capsys):
    for name, value in zip(FROM_TORCHRUN, (rank, "3", "localhost", "1"), strict=True):
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        run_process(raiser(error))
    assert capsys.readouterr().err.startswith(printed)


def test_an_unexpected_error_is_one_block_with_its_place_and_exit_code_1(capsys):
    with pytest.raises(SystemExit) as ended:
        run_process(lambda: 1 / 0)
    assert ended.value.code == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first == "error: ZeroDivisionError: division by zero"
    assert second.startswith(f"in {__file__}, line ") and "--debug" in second


def test_a_warning_is_a_note_without_a_line_of_code(capsys):
    def command():
        warnings.simplefilter("always")
        warnings.warn("the last one is used", ArignoteWarning, stacklevel=1)

    with warnings.catch_warnings():
        run_process(command)
    assert capsys.readouterr().err == "note: the last one is used\n"


@pytest.mark.parametrize(
    ("before", "within", "after"),
    [
        (signal.SIG_DFL, signal.default_int_handler, signal.SIG_DFL),
        (signal.SIG_IGN, signal.SIG_IGN, signal.SIG_IGN),
        (signal.default_int_handler, signal.default_int_handler, signal.SIG_DFL),
    ],
    ids=["default", "ignored in the background", "of Python"],
)
def test_ctrl_c_raises_while_a_command_runs_and_only_ends_the_process_afterwards(before, within, after):
    signal.signal(signal.SIGINT, before)
    seen = []
    run_process(lambda: seen.append(signal.getsignal(signal.SIGINT)))
    assert [*seen, signal.getsignal(signal.SIGINT)] == [within, after]


@pytest.mark.slow
def test_a_full_disk_below_standard_output_is_one_sentence():
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "arignote", "parts"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert ended.returncode == 1
    assert ended.stderr == "error: standard output, or a temporary file, cannot be written: No space left on device\n"
