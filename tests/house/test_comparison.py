"""docs/comparison.md: its rates are those that docs/benchmarks.md has measured."""

from __future__ import annotations

import re

from documents import ROOT

COMPARISON, BENCHMARKS = ((ROOT / "docs" / f"{name}.md").read_text() for name in ("comparison", "benchmarks"))


def rates(text):
    """Return the first number of each cell of the table of W1, W2 and W3, by library."""
    table = text.partition("| of the plain loop | W1 | W2 | W3 |\n")[2].partition("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[1:]]
    return {name.lower(): [float(re.match(r"[\d.]+", cell)[0]) for cell in cells] for name, *cells in rows}


def test_the_rates_beside_the_plain_loop_are_the_measured_ones():
    measured = rates(BENCHMARKS)
    assert len(rates(COMPARISON)) == 5 and rates(COMPARISON).items() <= measured.items()


def test_every_other_number_of_the_rates_is_measured():
    section = COMPARISON.partition("## Rates\n")[2].partition("\n## ")[0]
    numbers = set(re.findall(r"\d+\.\d+", section))
    assert len(numbers) > 15 and [number for number in numbers if number not in BENCHMARKS] == []


def test_every_library_has_a_column_and_its_merits():
    [head] = [line for line in COMPARISON.splitlines() if line.startswith("| | Arignote |")]
    for name in ("skorch", "Keras", "Lightning", "Ludwig", "MLPClassifier"):
        assert f"| {name} " in head and f"\n**{name}** " in COMPARISON
    for line in COMPARISON.partition(head)[2].partition("\n\n")[0].splitlines()[1:]:
        assert line.count("|") == head.count("|") and "| |" not in line, line
