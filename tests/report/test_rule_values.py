"""The values of rules as lines and as a drawing."""

from __future__ import annotations

import sys

import pytest

from arignote.errors import ConfigError
from arignote.optim.rules.plan import PlannedUpdate
from arignote.report.rule_values import draw_values, value_lines

UPDATES = [
    PlannedUpdate(1, 0, 2, {"lr": 0.1, "fc1.l2": 1 / 3}),
    PlannedUpdate(1, 1, 2, {"lr": 0.05, "fc1.l2": 1 / 3}),
    PlannedUpdate(2, 0, 2, {"lr": 0.05, "fc1.l2": 1e-7}),
    PlannedUpdate(2, 1, 2, {"lr": 0.05, "fc1.l2": 1e-7}),
]


def test_an_epoch_is_a_row_and_a_value_that_changes_in_it_has_both_ends():
    assert [line.split() for line in value_lines(UPDATES)] == [
        ["epoch", "learning_rate", "fc1.l2"],
        ["-" * 30],
        ["1", "0.1", "->", "0.05", "0.333333"],
        ["2", "0.05", "1e-07"],
    ]
    assert value_lines([])[0] == "epoch"


def test_a_drawing_without_matplotlib_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r"--plot .*a\.png: needs matplotlib: pip install 'arignote\[plots\]'"):
        draw_values(UPDATES, tmp_path / "a.png")


@pytest.fixture
def figures(monkeypatch):
    """The figures that are drawn, in order; the first import of matplotlib starts a process that lists fonts."""
    figure = pytest.importorskip("matplotlib.figure")
    drawn = []

    class Kept(figure.Figure):
        def __init__(self, *args, **more):
            super().__init__(*args, **more)
            drawn.append(self)

    monkeypatch.setattr(figure, "Figure", Kept)
    return drawn


@pytest.mark.slow
def test_each_rule_is_drawn_in_steps_over_complete_epochs(tmp_path, figures):
    draw_values(UPDATES, tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")
    first, second = figures[0].axes
    assert (first.get_ylabel(), second.get_ylabel()) == ("learning_rate", "fc1.l2")
    (line,) = first.lines
    # Each value from its update on, and the last one up to the end of the last epoch.
    assert line.get_xdata().tolist() == [0.0, 0.5, 1.0, 1.5, 2] and line.get_drawstyle() == "steps-post"
    assert line.get_ydata().tolist() == [0.1, 0.05, 0.05, 0.05, 0.05]


@pytest.mark.slow
def test_of_many_updates_a_hundred_of_an_epoch_are_drawn(tmp_path, figures):
    draw_values((PlannedUpdate(1, n, 1000, {"lr": float(n)}) for n in range(1000)), tmp_path / "a.png")
    (line,) = figures[0].axes[0].lines
    assert 50 < len(line.get_xdata()) <= 101 and line.get_xdata()[1] == line.get_ydata()[1] / 1000


@pytest.mark.slow
def test_a_file_of_another_type_is_refused(tmp_path, figures):
    with pytest.raises(ConfigError, match=r"--plot .*a\.docx: "):
        draw_values(UPDATES, tmp_path / "a.docx")
    with pytest.raises(ConfigError, match=r"--plot .*a\.png: "):
        draw_values(UPDATES, tmp_path / "none" / "a.png")
