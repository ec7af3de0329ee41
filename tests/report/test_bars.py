"""The bar of an epoch: where there is one, and that of a notebook."""

from __future__ import annotations

import builtins
import io
import re
import sys
from types import ModuleType

import pytest

from arignote import NNClassifier
from arignote.report import progress
from arignote.report.bars import NotebookBar, TerminalBar, bar_on


class Screen(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def outputs(monkeypatch):
    """Stand in for IPython in a notebook: the texts that an output had, one after the other, for each output."""
    found: list[list[str]] = []

    class Handle:
        def __init__(self, texts):
            self.texts = texts

        def update(self, shown, raw=False):
            data = shown if raw else shown._repr_mimebundle_(include=None, exclude=None)
            html = data.get("text/html", data["text/plain"])
            self.texts.append(re.sub(r"<[^>]+>", "", html).strip())

    def display(shown, display_id):
        assert display_id is True
        found.append([])
        Handle(found[-1]).update(shown)
        return Handle(found[-1])

    class ZMQInteractiveShell:
        pass

    module = ModuleType("IPython.display")
    module.display = display
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr(builtins, "get_ipython", ZMQInteractiveShell, raising=False)
    return found


@pytest.mark.parametrize("term", ["dumb", "DUMB", "unknown"])
def test_a_terminal_that_cannot_move_its_cursor_has_no_bar(term, monkeypatch):
    monkeypatch.setenv("TERM", term)
    assert bar_on(Screen()) is None


def test_a_terminal_and_a_notebook_have_bars_and_a_file_has_none(monkeypatch, outputs):
    monkeypatch.setenv("TERM", "xterm")
    assert type(bar_on(Screen())) is TerminalBar and bar_on(io.StringIO()) is None
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert type(bar_on(sys.stdout)) is NotebookBar
    # IPython on a terminal whose output goes elsewhere, and Python without IPython.
    monkeypatch.setattr(builtins, "get_ipython", type("TerminalInteractiveShell", (), {}))
    assert bar_on(sys.stdout) is None
    monkeypatch.delattr(builtins, "get_ipython")
    assert bar_on(sys.stdout) is None


def test_the_bar_of_a_notebook_is_one_output_that_is_empty_at_the_end(outputs):
    bar = NotebookBar()
    bar.erase()
    assert outputs == []
    for text, n_done in (("epoch 1/2", 2), ("epoch 1/2", 4), ("epoch 2/2", 1)):
        bar.draw(text, n_done, 4, f"{n_done} rows/s")
    bar.erase()
    bar.erase()
    [texts] = outputs
    assert [re.sub(r" *[━╸╺]+ *", " ", text) for text in texts] == [
        "epoch 1/2 2/4 2 rows/s",
        "epoch 1/2 4/4 4 rows/s",
        "epoch 2/2 1/4 1 rows/s",
        "",
    ]


def test_a_fit_in_a_notebook_has_its_bar_above_the_lines_and_an_error_leaves_none(outputs, monkeypatch, capsys, digits):
    monkeypatch.setattr(progress, "BAR_SECONDS", 0)
    # capsys has put a file in the place of standard output, as a notebook does.
    network = NNClassifier([["ClassificationOutputLayer"]], rng=1, valid=0.2, verbose=True, batch_size=64)
    network.fit(*digits, n_epochs=2)
    n_batches = -(-network.state_.progress.examples_seen // 2 // 64)
    [texts] = outputs
    assert len(texts) == 2 * n_batches + 1 and texts[-1] == ""
    assert texts[0].startswith("epoch 1/2") and f" {n_batches}/{n_batches} " in texts[-2]
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["epoch", "1", "2"]
    with pytest.raises(KeyboardInterrupt), progress.ProgressLines() as lines:
        lines(progress.Event("batch", 1, 2, 1, 4, {}))
        raise KeyboardInterrupt
    assert len(outputs) == 2 and outputs[1][0].startswith("epoch 1/2") and outputs[1][-1] == ""
