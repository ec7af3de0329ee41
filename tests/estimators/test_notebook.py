"""What notebooks show of an estimator: where it stands, its layers, its settings; all of it escaped."""

from __future__ import annotations

from shown_html import LAYERS, Shown
from sklearn import config_context

from arignote import NNClassifier


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


def test_layers_that_are_wrong_are_shown_with_what_is_wrong():
    shown = Shown(NNClassifier([["FCLayr", {}]]))
    assert shown.texts[2].startswith("layers[0]: unknown layer 'FCLayr'. Did you mean 'FCLayer'?")
    # A shape that does not fit leaves the layers.
    assert [
        row[0]
        for row in Shown(NNClassifier([["ConvLayer", {"n_output_maps": 1, "filter_shape": 3}], *LAYERS], n_in=5)).rows
    ][:4] == ["name", "input", "conv1", "fc1"]


def test_scikit_learn_can_be_told_to_show_text():
    with config_context(display="text"):
        estimator = NNClassifier(LAYERS)
        assert estimator._repr_mimebundle_() == {"text/plain": repr(estimator)} and not hasattr(
            estimator, "_repr_html_"
        )
