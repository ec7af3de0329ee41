"""What is printed during training: a line for each validation, and a bar on a terminal."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from math import inf, nan

import pytest

from arignote import ConfigError, NNClassifier
from arignote.observers.events import Event
from arignote.report import progress
from arignote.report.progress import ProgressLines

ROW = {"epoch": 2, "examples_seen": 1257, "train_nll": 0.123456789, "valid_error": 0.0851, "test_error": nan}


def validation(record=ROW, is_best=False):
    return Event("validation", 2, 3, 4, 4, record, is_best)


def start(epoch=2, batch=0, examples_seen=400):
    return Event("start", epoch, 3, batch, 4, {}, examples_seen=examples_seen)


def batch(number):
    return Event("batch", 2, 3, number, 4, {}, examples_seen=400 + 100 * number)


def printed(*events, file=None):
    file = file or io.StringIO()
    lines = ProgressLines(file)
    for event in events:
        lines(event)
    return file.getvalue()


def test_a_validation_is_a_line_under_its_column_and_the_head_comes_once():
    head, first, second = printed(validation(is_best=True), batch(1), validation()).splitlines()
    assert head.split() == list(ROW)
    assert first == f"{second}  *" and second.split() == ["2", "1257", "0.12346", "8.51", "%"]
    for cell, name in (("1257", "examples_seen"), ("0.12346", "train_nll"), ("8.51 %", "valid_error")):
        assert second.index(cell) + len(cell) == head.index(name) + len(name)


def test_no_bar_is_drawn_without_a_terminal():
    assert printed(batch(1), batch(2)) == ""


@contextlib.contextmanager
def terminal(monkeypatch, term="xterm", encoding="utf-8"):
    """Yield a file on a terminal, and a function that returns what was written to it since the last call."""
    monkeypatch.setenv("TERM", term)
    reading, writing = os.openpty()
    os.set_blocking(reading, False)
    with os.fdopen(reading, "rb", buffering=0) as screen, os.fdopen(writing, "w", encoding=encoding) as file:
        yield file, lambda: (screen.read() or b"").decode().replace("\r\n", "\n")


# rich writes these: hide and show the cursor, go to the start of the line, one line up, erase the line.
HIDE, SHOW, START, UP, ERASE = "\x1b[?25l", "\x1b[?25h", "\r", "\x1b[1A", "\x1b[2K"


def plain(text):
    """Return the last line that a terminal shows after a text, without colours."""
    return re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", text.rpartition(ERASE)[2])


def test_on_a_terminal_a_bar_grows_and_a_row_of_the_history_replaces_it(monkeypatch):
    seconds = iter([100.0, 100.05, 100.2, 100.4])
    with terminal(monkeypatch) as (file, written), ProgressLines(file, clock=lambda: next(seconds)) as lines:
        lines(batch(1))
        first = plain(written())
        assert re.fullmatch(r"epoch 2/3 \u2501{10,}[\u2578\u257a]?\u2501* 1/4 [\d.]+ [MG]B", first)
        # Within a tenth of a second of the first.
        lines(batch(2))
        assert written() == ""
        lines(batch(3))
        assert plain(written()).startswith("epoch 2/3 ")
        lines(validation())
        erased, row = written().split(ERASE)[-2:]
        assert erased.endswith(START + UP) and row == printed(validation())
        lines(batch(4))
        assert " 4/4 " in plain(written())


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, ValueError])
def test_the_bar_is_erased_and_the_cursor_shown_whatever_ends_the_fit(monkeypatch, error):
    with terminal(monkeypatch) as (file, written):
        with contextlib.suppress(KeyboardInterrupt, ValueError), ProgressLines(file) as lines:
            lines(batch(1))
            shown = written()
            # Also before the end, as a process may be killed.
            assert shown.rindex(SHOW) > shown.rindex(HIDE)
            if error is not None:
                raise error
        end = written()
        assert end.endswith(f"{SHOW}{START}{UP}{ERASE}") and HIDE not in end


def test_a_fit_that_fails_leaves_no_bar(monkeypatch, digits):
    def fail(event):
        if event.kind == "batch" and event.batch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(progress, "BAR_SECONDS", 0)
    with terminal(monkeypatch) as (file, written), monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", file)
        with pytest.raises(KeyboardInterrupt):
            NNClassifier([["ClassificationOutputLayer"]], rng=1).fit(*digits, verbose=True, observers=[fail])
        text = written()
    assert HIDE in text and text.endswith(ERASE)


def test_a_terminal_that_cannot_move_its_cursor_has_no_bar(monkeypatch):
    with terminal(monkeypatch, "dumb") as (file, written), ProgressLines(file) as lines:
        for event in (batch(1), validation(), batch(2)):
            lines(event)
        assert written() == printed(validation())


def test_a_terminal_of_another_encoding_shows_a_bar_of_its_characters(monkeypatch):
    with terminal(monkeypatch, encoding="ascii") as (file, written), ProgressLines(file) as lines:
        lines(batch(1))
        shown = plain(written())
        assert shown.startswith("epoch 2/3 ---") and " 1/4 " in shown


def test_without_a_terminal_a_long_epoch_prints_a_line_every_30_s():
    seconds = iter([0.0, 10.0, 29.0, 30.0, 59.0, 61.0, 85.0, 92.0, 99.0])
    lines = ProgressLines(file := io.StringIO(), clock=lambda: next(seconds))
    # After 10, 29, 30 (printed), 59 and 61 s (printed); the line of a validation at 85 s counts too.
    for number in (1, 2, 3, 3, 4):
        lines(batch(number))
    lines(validation())
    lines(batch(1))
    lines(batch(2))
    *printed_lines, _, row = file.getvalue().splitlines()
    assert printed_lines == ["epoch 2/3, batch 3/4", "epoch 2/3, batch 4/4"] and row.split()[0] == "2"


def test_the_rate_and_the_time_left_follow_from_what_this_process_has_done():
    seconds = iter([0.0, 1000.0, 1030.0, 1090.0])
    lines = ProgressLines(file := io.StringIO(), clock=lambda: next(seconds))
    # A run resumed in the second of three epochs of 4 batches: 1 of 8 is done after 30 s, 3 of 8 after 90 s.
    for event in (start(), batch(1), batch(3)):
        lines(event)
    assert file.getvalue().splitlines() == [
        "epoch 2/3, batch 1/4, 3 rows/s, 0:03:30 left",
        "epoch 2/3, batch 3/4, 3 rows/s, 0:02:30 left",
    ]


def test_no_color_leaves_no_colour(monkeypatch):
    for variable, has_colour in ((None, True), ("1", False)):
        with monkeypatch.context() as patched:
            if variable is not None:
                patched.setenv("NO_COLOR", variable)
            with terminal(patched, "xterm-256color") as (file, written), ProgressLines(file) as lines:
                lines(batch(1))
                # 30 to 37, 38;5;N and 90 to 97 are colours of the foreground.
                assert bool(re.search(r"\x1b\[(\d+;)*(3[0-8]|9[0-7])[;m]", written())) == has_colour


def test_a_validation_that_is_not_finite_prints_nan_and_has_no_star():
    _, row = printed(validation({"epoch": 1, "train_nll": nan, "valid_nll": nan, "test_nll": nan}, True)).splitlines()
    assert row.split() == ["1", "nan", "nan"]
    _, row = printed(validation({"epoch": 1, "valid_nll": inf}, True)).splitlines()
    assert row.split() == ["1", "inf"]


def test_a_start_is_printed_only_if_a_run_is_resumed():
    starts = [Event("start", 1, 3, 0, 4, {}, text=text) for text in ("resumes at epoch 2, batch 1 (a)", "begins", "")]
    assert printed(*starts) == "resumes at epoch 2, batch 1 (a)\n"


def test_verbose_prints_the_history_to_standard_output(digits, capsys):
    fitted = NNClassifier([["ClassificationOutputLayer"]], rng=1).fit(*digits, n_epochs=2, valid=0.2, verbose=True)
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == list(fitted.history_[0]) and len(lines) == 2
    for line, row in zip(lines, fitted.history_, strict=True):
        assert line.split()[:2] == [str(row["epoch"]), str(row["examples_seen"])]
    capsys.readouterr()
    # The numbers 1 and 0, as scikit-learn has them.
    NNClassifier([["ClassificationOutputLayer"]], rng=1).fit(*digits, n_epochs=2, valid=0.2, verbose=1)
    assert len(capsys.readouterr().out.splitlines()) == 3
    for silent in ({}, {"verbose": 0}):
        NNClassifier([["ClassificationOutputLayer"]], rng=1).fit(*digits, n_epochs=2, valid=0.2, **silent)
        assert capsys.readouterr().out == ""
    with pytest.raises(ConfigError, match=r"fit\.verbose must be true or false; got 2"):
        NNClassifier([["ClassificationOutputLayer"]], rng=1).fit(*digits, verbose=2)


@pytest.mark.parametrize(("name", "value", "cell"), [("seconds", 0.056, "0.06"), ("train_nll", 1e-7, "1e-07")])
def test_numbers_have_no_superfluous_digits(name, value, cell):
    assert printed(validation({name: value})).split() == [name, cell]
