"""An estimator as HTML: its layers and settings, escaped, and long lists cut."""

from __future__ import annotations

import numpy as np
from shown_html import LAYERS, Shown

from arignote import NNClassifier
from arignote.layers import Layer
from arignote.report import estimator_html


def test_before_fit_layers_have_what_is_declared_and_the_settings_what_differs():
    shown = Shown(NNClassifier(LAYERS, name="digits", n_epochs=3, batch_size=128, valid=np.zeros(3), rng=0))
    assert shown.texts == [
        "NNClassifier digits",
        "not fitted; no checkpoint",
        "Settings that differ from the defaults: 3",
    ]
    assert shown.rows == [
        ["name", "type", "declared"],
        ["input", "InputLayer", ""],
        ["fc1", "FCLayer", 'n_units=3, activation=leaky_relu {"slope": 0.1}'],
        ["output", "ClassificationOutputLayer", ""],
        ["setting", "value"],
        ["n_epochs", "3"],
        ["rng", "0"],
        ["valid", "array([0., 0., 0.])"],
    ]


class Held(Layer):
    """A layer that holds what is no plain data."""

    what: object

    def build(self, shape):
        return lambda params, x, training: x


def test_all_that_comes_from_the_user_is_escaped():
    bad = "<script>alert(1)</script>"
    layers = [["FCLayer", {"name": "<b>", "n_units": 3}], Held(what=type(bad, (), {"__repr__": lambda self: bad})())]
    for given in ([*layers, ["ClassificationOutputLayer"]], [[bad]], bad):
        estimator = NNClassifier(given, name=bad, checkpoint=bad, extra_metadata={bad: bad})
        shown = Shown(estimator)
        assert not shown.tags & {"script", "b"} and shown.texts[0] == f"NNClassifier {bad}"
        assert f"checkpoint {bad}" in shown.texts[1] and bad in str(shown.rows)


def test_a_long_list_is_cut(monkeypatch):
    monkeypatch.setattr(estimator_html, "_MOST_ROWS", 4)
    block = ["Block", {"repeat": 9, "layers": [["FCLayer", {"n_units": 2}]]}]
    rows = Shown(NNClassifier([block, ["ClassificationOutputLayer"]])).rows
    assert [row[0] for row in rows] == ["name", "input", "block1-1-fc1", "block1-2-fc1", "block1-3-fc1", "and 7 more"]
