"""Observers as a user gives them: classes with parameters, and what is no observer."""

from __future__ import annotations

import numpy as np
import pytest

from arignote import STOP, ConfigError, NNClassifier

LAYERS = [
    ["FCLayer", {"n_units": 5}],
    ["DropoutLayer", {"dropout_p": 0.3}],
    ["ClassificationOutputLayer"],
]
X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)
# Three batches of 48 rows.
SETTINGS = {"n_epochs": 3, "batch_size": 20, "valid": 0.2, "n_threads": 1, "sgd_type": "nag"}


def fit(**settings):
    return NNClassifier(LAYERS, rng=3).fit(X, Y, **SETTINGS | settings)


class Limit:
    """Stops after so many batches."""

    def __init__(self, n=4):
        self.n, self.seen = n, 0

    def __call__(self, event):
        self.seen += event.kind == "batch"
        return STOP if self.seen == self.n else None


@pytest.mark.parametrize(
    ("observers", "n_updates"),
    [
        (Limit, 4),
        (Limit(2), 2),
        (f"{__name__}:Limit", 4),
        ([f"{__name__}:Limit", {"n": 5}], 5),
        ([[f"{__name__}:Limit", {"n": 5}], f"{__name__}:Limit"], 4),
    ],
)
def test_a_class_is_built_for_each_fit_with_its_parameters(observers, n_updates):
    classifier = NNClassifier(LAYERS, rng=3, n_epochs=3, batch_size=20, observers=observers)
    assert classifier.fit(X, Y).state_.progress.n_updates == n_updates


@pytest.mark.parametrize(
    ("observers", "message"),
    [
        ([f"{__name__}:Limit", {"m": 5}], r"^fit\.observers: .*:Limit\(m=5\) fails: TypeError: .*'m'"),
        ([None], r'observers must be a function of an Event, an object with on_event, or "module:Name", .*; got None'),
        ("print", r"unknown observer 'print'.* your own is written \"module:Name\", as in \"my_observers:Report\""),
        (["CSVLog", {"pth": "x"}], r"unknown parameter 'pth'. Did you mean 'path'\?"),
        (f"{__name__}:X", r"observers must be a function of an Event"),
        (f"{__name__}:limit", r"has no 'limit'. Did you mean 'Limit'\?"),
        ("no_such_module:f", r"'no_such_module:f': No module named .* Is the folder of the module on PYTHONPATH\?"),
    ],
)
def test_what_is_no_observer_is_refused_before_training(observers, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        fit(observers=observers, checkpoint=str(tmp_path / "run"))
    assert not list(tmp_path.glob("*.ckpt"))
