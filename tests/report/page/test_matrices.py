"""Confusion matrices and mistakes: small ones counted by hand, large ones within their bounds."""

from __future__ import annotations

import json

import numpy as np

from arignote.report.page.matrices import matrix_of
from arignote.report.page.scored import ScoredRows


def scored(y, predicted, certainty, labels, pictures_of=None):
    ids = lambda at: [f"r{n}" for n in at]  # noqa: E731
    return ScoredRows(
        "valid", {}, len(y), ids, pictures_of, np.array(labels), *map(np.array, (y, predicted, certainty))
    )


def test_rows_are_counted_by_class_and_the_most_certain_mistakes_come_first():
    y, predicted = [0, 0, 0, 0, 1, 1, 2], [0, 1, 1, 1, 1, 0, 1]
    certainty = [0.9, 0.5, 0.7, 0.6, 0.8, 0.55, 0.4]
    found = matrix_of(scored(y, predicted, certainty, ["a", "b", "x" * 100]))
    assert found["matrix"] == [[(1, 0.25), (3, 0.75), (0, 0)], [(1, 0.5), (1, 0.5), (0, 0)], [(0, 0), (1, 1.0), (0, 0)]]
    assert found["pairs"] == [("a", "b", "0,1", 3), ("b", "a", "1,0", 1), ("x" * 79 + "…", "b", "2,1", 1)]
    assert found["cells"] == {
        "0,1": [{"id": "r2", "p": 0.7}, {"id": "r3", "p": 0.6}, {"id": "r1", "p": 0.5}],
        "1,0": [{"id": "r5", "p": 0.55}],
        "2,1": [{"id": "r6", "p": 0.4}],
    }
    assert (found["n_wrong"], found["n_listed"]) == (5, 5)
    # Precision 1/2, recall 1/4: F1 1/3. Class 2 is never predicted.
    assert found["by_class"][0] == {"label": "a", "precision": 0.5, "recall": 0.25, "f1": 1 / 3, "support": 4}
    assert [row["precision"] for row in found["by_class"]] == [0.5, 0.2, None]


def test_a_mistake_of_an_image_has_its_picture():
    images = np.arange(4 * 6, dtype=np.uint8).reshape(4, 1, 2, 3)
    asked = []

    def pictures_of(at):
        asked.append(at.tolist())
        return images[at]

    found = matrix_of(scored([0, 1, 1, 0], [0, 1, 0, 1], [0.5] * 4, [3, 5], pictures_of))
    assert asked == [[3], [2]]
    assert found["cells"]["1,0"][0]["picture"].startswith("data:image/png;base64,")


def test_of_1000_classes_the_page_stays_small_and_says_what_is_left_out():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 1000, 50_000)
    y[:3000], predicted = 7, rng.integers(0, 1000, 50_000)
    predicted[:3000] = 8
    found = matrix_of(scored(y, predicted, np.zeros(50_000), np.arange(1000)))
    assert found["matrix"] is None and len(found["by_class"]) == 100 and len(found["pairs"]) == 50
    assert found["pairs"][0][2] == "7,8" and found["pairs"][0][3] >= 3000 and len(found["cells"]["7,8"]) == 40
    assert found["n_listed"] == sum(map(len, found["cells"].values())) < 2000 < found["n_wrong"]
    assert found["by_class"][0]["f1"] <= found["by_class"][99]["f1"] and len(json.dumps(found)) < 40_000
