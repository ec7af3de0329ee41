"""The registered parts as text: every part can be found, and what is unknown has the nearest name."""

from __future__ import annotations

import pytest
from command_line import arignote

from arignote.registry import kinds, names, part_name
from arignote.report.parts_text import parts_lines


def test_every_part_is_listed_in_its_kind_and_shown_with_its_parameters():
    listed = dict(line.split(": ") for line in parts_lines())
    assert list(listed) == kinds()
    for kind in ("updater", "rule", "observer"):
        assert {line.split()[0] for line in parts_lines(kind)} == set(listed[kind].split(", "))
        for cls in names(kind).values():
            text = "\n".join(parts_lines(kind, part_name(cls)))
            assert all(
                f"\n{name} : " in text or f"\n{name}, " in text or f", {name} : " in text for name in cls.model_fields
            )


def test_a_part_has_types_defaults_and_an_example():
    lines = arignote("parts", "adam").out.splitlines()
    assert lines[0] == "adam: updater" and "beta2 : float in [0, 1), default 0.999" in lines and "Examples" in lines
    assert arignote("parts", "layer", "fc").out.startswith(
        "FCLayer: layer\nin a config: [FCLayer, {n_units: 400, activation: relu}]\n\nFully connected layer."
    )
    # A name of several kinds.
    assert [line for line in arignote("parts", "stalled").out.splitlines() if line.startswith("stalled: ")] == [
        "stalled: rule",
        "stalled: stop_rule",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["adm"], "unknown kind or part 'adm'. Did you mean 'adam'?"),
        (["updatr", "adam"], "unknown kind 'updatr'. Did you mean 'updater'?"),
        (["updater", "adm"], "unknown updater 'adm'. Did you mean 'adam'?"),
    ],
)
def test_what_is_unknown_has_the_nearest_name(words, message):
    ended = arignote("parts", *words)
    assert ended.code == 2 and ended.out == "" and message in ended.err
