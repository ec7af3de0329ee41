"""The lists of docs/coming_from.md: how many behaviours they have, how many without an answer, and names that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from arignote import NNClassifier
from arignote.spec.settings import FitSettings

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "coming_from.md").read_text()


@pytest.mark.parametrize(("number", "n_rows", "most"), [(0, 73, 4), (1, 25, 4)])
def test_few_behaviours_have_no_answer(number, n_rows, most):
    lists = [part for part in re.split(r"^## ", TEXT, flags=re.M) if re.search(r"^\| 1 \|", part, re.M)]
    rows = re.findall(r"^\| (\d+) \| .+? \| (.+) \|$", lists[number], re.M)
    assert [int(row) for row, _ in rows] == list(range(1, n_rows + 1))
    assert sum(answer.startswith("no answer") for _, answer in rows) <= most


def test_the_arguments_and_methods_that_are_named_exist():
    answers = " ".join(re.findall(r"\| ([^|]+) \|$", TEXT, re.M))
    arguments = set(re.findall(r"`(\w+)=", answers))
    own = {"valid", "warm_start"}
    assert arguments <= FitSettings.model_fields.keys() | own and len(arguments) > 12
    methods = set(re.findall(r"`(\w+)\(", answers))
    assert all(hasattr(NNClassifier, name) or name == "fit" for name in methods - {"FixedThresholdClassifier"})
