"""Several runs on one page: which of their settings differ."""

from __future__ import annotations

from dataclasses import replace

from made_up import state
from promise import LAYERS

from arignote import NNClassifier
from arignote.report.page.gather import StoredRun
from arignote.report.page.overlay import page_of_several

SETTINGS = {"n_epochs": 3, "batch_size": 64, "valid": 0.2, "test": 0.1, "monitor": ["fc1"]}


def fit(stem, digits, *observers, **settings):
    classifier = NNClassifier(LAYERS, name="<i>mine</i>", rng=3, observers=list(observers))
    return classifier.fit(*digits, **SETTINGS | settings, checkpoint=str(stem))


def test_what_differs_in_runs_is_their_layers_and_seed_too_and_no_path():
    fits = [{"n_epochs": 9, "checkpoint": name} for name in ("a", "b")]
    layers = [[["FCLayer", {"name": "fc1", "n_units": n}], *more] for n, more in ((3, []), (4, [["DropoutLayer", {}]]))]
    specs = [state(2).spec | {"fit": fit, "layers": one} for fit, one in zip(fits, layers, strict=True)]
    runs = [StoredRun("run", replace(state(2), spec=spec, rng=rng)) for rng, spec in enumerate(specs, 3)]
    assert page_of_several(runs)["settings"] == [
        ("layers.fc1.n_units", ["3", "4"]),
        ("rng", ["3", "4"]),
        ("layers.1", ["-", "DropoutLayer"]),
    ]
