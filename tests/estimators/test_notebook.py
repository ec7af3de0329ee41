"""What notebooks show of an estimator: where it stands, its layers, its settings; all of it escaped."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
from sklearn import config_context

from arignote import NNClassifier
from arignote.layers import Layer
from arignote.report import estimator_html

LAYERS = [["FCLayer", {"n_units": 3, "activation": ["leaky_relu", {"slope": 0.1}]}], ["ClassificationOutputLayer"]]


class Shown(HTMLParser):
    """Texts, in order, and the rows of tables."""

    def __init__(self, estimator):
        super().__init__()
        self.texts, self.rows, self.tags = [], [], set()
        html = estimator._repr_html_()
        assert html == estimator._repr_mimebundle_()["text/html"]
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.tag = tag
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        self.tag = ""

    def handle_data(self, data):
        if self.tag in ("td", "th"):
            self.rows[-1][-1] += data
        elif data.strip() and self.tag != "style":
            self.texts.append(data)


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


def test_after_fit_there_are_shapes_and_where_the_run_is(tmp_path, digits):
    stem = str(tmp_path / "run")
    fitted = NNClassifier(LAYERS, rng=1, valid=0.2, checkpoint=stem)
    fitted.fit(*digits, n_epochs=2, stop_rule={"rule": "stalled", "interval": 9})
    shown, best = Shown(fitted), fitted.best_
    value = f"{best['value']:.5g}"
    position = f"2 of 2 epochs complete; best valid_nll {value} in epoch {best['epoch']}; checkpoint {stem}"
    assert shown.texts[:2] == ["NNClassifier", position]
    n_classes = len(fitted.classes_)
    assert shown.rows[1:4] == [
        ["input", "InputLayer", "", "64", "0"],
        ["fc1", "FCLayer", 'n_units=3, activation=leaky_relu {"slope": 0.1}', "3", str(64 * 3 + 3)],
        [
            "output",
            "ClassificationOutputLayer",
            f"n_classes={n_classes}",
            f"{n_classes}",
            f"{3 * n_classes + n_classes}",
        ],
    ]
    # Those of the constructor and those of `fit`, each once.
    settings = dict(shown.rows[5:])
    assert settings.keys() == {"rng", "valid", "checkpoint", "n_epochs", "stop_rule"} and len(shown.rows) == 10
    assert (settings["n_epochs"], settings["valid"]) == ("2", "0.2") and "stalled" in settings["stop_rule"]
    loaded = Shown(NNClassifier.load(stem))
    assert loaded.texts[1] == position and loaded.rows[:4] == shown.rows[:4]


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


def test_layers_that_are_wrong_are_shown_with_what_is_wrong():
    shown = Shown(NNClassifier([["FCLayr", {}]]))
    assert shown.texts[2].startswith("layers[0]: unknown layer 'FCLayr'. Did you mean 'FCLayer'?")
    # A shape that does not fit leaves the layers.
    assert [
        row[0]
        for row in Shown(NNClassifier([["ConvLayer", {"n_output_maps": 1, "filter_shape": 3}], *LAYERS], n_in=5)).rows
    ][:4] == ["name", "input", "conv1", "fc1"]


def test_a_long_list_is_cut(monkeypatch):
    monkeypatch.setattr(estimator_html, "_MOST_ROWS", 4)
    block = ["Block", {"repeat": 9, "layers": [["FCLayer", {"n_units": 2}]]}]
    rows = Shown(NNClassifier([block, ["ClassificationOutputLayer"]])).rows
    assert [row[0] for row in rows] == ["name", "input", "block1-1-fc1", "block1-2-fc1", "block1-3-fc1", "and 7 more"]


def test_scikit_learn_can_be_told_to_show_text():
    with config_context(display="text"):
        estimator = NNClassifier(LAYERS)
        assert estimator._repr_mimebundle_() == {"text/plain": repr(estimator)} and not hasattr(
            estimator, "_repr_html_"
        )
