"""What is printed while a run goes on: a line for each validation, and a bar where there is a terminal."""

from __future__ import annotations

import io
from math import inf, nan
from types import SimpleNamespace

import pytest

from arignote import NNClassifier
from arignote.report import progress
from arignote.report.events import Event
from arignote.report.progress import ProgressLines

ROW = {"epoch": 2, "examples_seen": 1257, "train_nll": 0.123456789, "valid_error": 0.0851, "test_error": nan}


class Terminal(io.StringIO):
    def isatty(self):
        return True


def validation(record=ROW, is_best=False):
    return Event("validation", 2, 3, 4, 4, record, is_best)


def batch(number):
    return Event("batch", 2, 3, number, 4, {})


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


def test_where_nobody_looks_no_bar_is_drawn():
    assert printed(batch(1), batch(2)) == ""


def test_on_a_terminal_a_bar_grows_and_is_wiped_by_the_line(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock.now))
    lines = ProgressLines(file := Terminal())
    for number, seconds in ((1, 0.0), (2, 0.05), (3, 0.2)):
        clock.now = 100.0 + seconds
        lines(batch(number))
    lines(validation())
    drawn = file.getvalue()
    # The second batch came within a tenth of a second of the first.
    assert drawn.count("\repoch") == 2 and drawn.startswith(
        "\repoch 2/3 [=======" + " " * 23 + "] 1/4\repoch 2/3 [===="
    )
    # The head of the table and its first line take the place of the bar.
    *_, lines = drawn.split("\r\033[K")
    assert lines == printed(validation())


def test_without_a_terminal_a_long_epoch_prints_a_line_every_30_s():
    seconds = iter([0.0, 10.0, 29.0, 30.0, 30.0, 59.0, 61.0, 61.0, 85.0, 92.0, 99.0])
    lines = ProgressLines(file := io.StringIO(), clock=lambda: next(seconds))
    # After 10, 29, 30 (printed), 59 and 61 s (printed); the line of a validation at 85 s counts too.
    for number in (1, 2, 3, 3, 4):
        lines(batch(number))
    lines(validation())
    lines(batch(1))
    lines(batch(2))
    *printed_lines, _, row = file.getvalue().splitlines()
    assert printed_lines == ["epoch 2/3, batch 3/4", "epoch 2/3, batch 4/4"] and row.split()[0] == "2"


def test_a_validation_that_is_not_finite_prints_nan_and_has_no_star():
    _, row = printed(validation({"epoch": 1, "train_nll": nan, "valid_nll": nan, "test_nll": nan}, True)).splitlines()
    assert row.split() == ["1", "nan", "nan"]
    _, row = printed(validation({"epoch": 1, "valid_nll": inf}, True)).splitlines()
    assert row.split() == ["1", "inf"]


def test_a_start_is_told_only_where_a_run_goes_on():
    told = [Event("start", 1, 3, 0, 4, {}, text=text) for text in ("resumes at epoch 2, batch 1 (a)", "begins", "")]
    assert printed(*told) == "resumes at epoch 2, batch 1 (a)\n"


def test_verbose_prints_the_history_to_standard_output(digits, capsys):
    fitted = NNClassifier([["ClassificationOutputLayer"]], rng=1).fit(*digits, n_epochs=2, valid=0.2, verbose=True)
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == list(fitted.history_[0]) and len(lines) == 2
    for line, row in zip(lines, fitted.history_, strict=True):
        assert line.split()[:2] == [str(row["epoch"]), str(row["examples_seen"])]
    capsys.readouterr()
    NNClassifier([["ClassificationOutputLayer"]], rng=1).fit(*digits, n_epochs=2, valid=0.2)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("name", "value", "cell"), [("seconds", 0.056, "0.06"), ("train_nll", 1e-7, "1e-07")])
def test_numbers_are_as_short_as_they_may_be(name, value, cell):
    assert printed(validation({name: value})).split() == [name, cell]
