"""Plain data as YAML: what is written is read as the same values, in lines of about a hundred characters."""

from __future__ import annotations

import pytest
from ruamel.yaml import YAML

from arignote.spec.yaml_text import block_lines, flow_text

VALUES = {
    "numbers": [0, -3, 10**30, 1e-05, 1e22, 0.1, -0.0, float("inf"), float("-inf")],
    "words": ["nag", "a b", "", " x ", "a: b", "#a", "a #b", "a,b", "[x]", "{x}", "*a", "&a", "!a", "-", "'\"", "\\"],
    "words that look like something else": [
        "null",
        "~",
        "true",
        "no",
        "on",
        "1",
        "1e3",
        "0o14",
        ".5",
        "2001-01-01",
        "<<",
    ],
    "lines": ["a\nb", "\n\na\n", "tab\t", "é", "\u2028", "a b " * 60],
    "containers": [[], {}, [[]], {"a": {}}, [{"a": 1}], {"1": [None, True]}, {"a b": {"c:": "d"}}],
    "long": [["FCLayer", {f"parameter_{k}": k for k in range(40)}]] * 2,
}


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_values_are_read_as_they_were_written(values):
    for value in [*values, values]:
        text = "\n".join(block_lines({"one": value, "two": {"deeper": value}}, levels=2))
        read = YAML(typ="safe", pure=True).load(text)
        assert read == {"one": value, "two": {"deeper": value}}, text
        assert type(read["one"]) is type(value)


def test_long_values_are_continued_behind_blanks_and_keys_within_have_lines_up_to_a_level():
    first, *more = flow_text(VALUES["long"][0], 6).split("\n")
    assert len(more) > 3 and all(line.startswith("      p") for line in more)
    assert max(map(len, (first, *more))) <= 120
    nested = {"a": {"b": {"c": {"d": 1}}, "e": {}}}
    assert list(block_lines(nested, indent=2, levels=2)) == ["  a:", "    b: {c: {d: 1}}", "    e: {}"]
    assert list(block_lines(nested, levels=3)) == ["a:", "  b:", "    c: {d: 1}", "  e: {}"]
