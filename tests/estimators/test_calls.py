"""Wrong calls of the estimator: the message names the argument that was meant, and the error is a TypeError too."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from arignote import ArignoteWarning, CallError, ConfigError, NNClassifier
from arignote.estimators.calls import checked_call

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(40, 3)).astype(np.float32), np.arange(40) % 2
OUTPUT = ["ClassificationOutputLayer"]
LAYERS = [["FCLayer", {"n_units": 3}], OUTPUT]
A_NETWORK = 'A network is a list of layers: NNClassifier(..., layers=[["FCLayer", {"n_units": 64}], [...'.removesuffix(
    "[..."
)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    stem = tmp_path_factory.mktemp("runs") / "run"
    return NNClassifier(LAYERS, rng=1).fit(X, Y, n_epochs=1, batch_size=30, valid=0.25, checkpoint=str(stem))


def shown(call):
    with pytest.raises(TypeError) as caught:
        call()
    assert type(caught.value) is CallError and isinstance(caught.value, ConfigError)
    return str(caught.value)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, f"NNClassifier: layers must be given. {A_NETWORK}"),
        ({"units": 64}, f"NNClassifier: unknown argument 'units'. {A_NETWORK}"),
        ({"hidden_layer_sizes": (64,)}, f"NNClassifier: unknown argument 'hidden_layer_sizes'. {A_NETWORK}"),
        ({"model": LAYERS}, "NNClassifier: unknown argument 'model'. Write NNClassifier(..., layers="),
        ({"layer": LAYERS}, "NNClassifier: unknown argument 'layer'. Did you mean 'layers'? Known: layers, name, rng,"),
        (
            {"layers": LAYERS, "ranom_state": 1},
            "NNClassifier: unknown argument 'ranom_state'. Did you mean 'random_state'?",
        ),
    ],
)
def test_a_wrong_call_of_the_constructor_is_an_error_with_what_to_write(settings, expected):
    found = shown(lambda: NNClassifier(**settings))
    assert found.startswith(expected) and len(found.splitlines()) == 1


def test_all_errors_of_a_call_come_in_one_report():
    assert [line.partition(". ")[0] for line in shown(lambda: NNClassifier(lr=0.1, bogus=2)).splitlines()] == [
        "NNClassifier: layers must be given",
        "NNClassifier: unknown argument 'lr'",
        "NNClassifier: unknown argument 'bogus'",
    ]


def test_where_only_settings_are_wrong_the_report_is_that_of_the_settings():
    """Unknown settings and wrong values come in one report, with the words of a config."""
    for call in (
        lambda: NNClassifier(LAYERS, epochs=3, seed=1),
        lambda: NNClassifier(LAYERS).fit(X, Y, epochs=3, seed=1),
    ):
        with pytest.raises(ConfigError) as caught:
            call()
        assert type(caught.value) is ConfigError
        assert str(caught.value).splitlines() == [
            "fit.epochs: unknown parameter 'epochs'. Write n_epochs=3",
            "fit.seed: unknown parameter 'seed'. Write NNClassifier(..., rng=42)",
        ]


WRONG = [
    ("fit", (), {}, "fit: X must be given"),
    ("fit", (), {"x": X, "labels": Y}, "fit: unknown argument 'x'. Write X\nfit: unknown argument 'labels'. Write y"),
    ("fit", (X,), {"target": Y}, "fit: unknown argument 'target'. Write y"),
    ("fit", (X, Y), {"weights": Y}, "fit: unknown argument 'weights'. Write sample_weight"),
    (
        "fit",
        (X, Y, (X, Y)),
        {},
        "fit: takes X, y by position; got 3 values. Give by name: valid, test, sample_weight, groups",
    ),
    ("fit", (X,), {"X": X}, "fit: X is given twice"),
    (
        "evaluate",
        (X, Y),
        {"metrics": ["accuracy"]},
        "evaluate: unknown argument 'metrics'. Write losses=[\"accuracy\"]",
    ),
    ("evaluate", (X, Y), {"subset": 1}, "evaluate: unknown argument 'subset'. Write part=\"test\""),
    ("evaluate", (X, Y), {"batch_size": 64}, "evaluate: unknown argument 'batch_size'. Leave it out: it is decided by"),
    (
        "evaluate",
        (X, Y, "nll", "test"),
        {},
        "evaluate: takes X, y, losses by position; got 4 values. Give by name: part, groups",
    ),
    ("predict", (), {}, "predict: X must be given"),
    ("predict", (X, Y), {}, "predict: takes X by position; got 2 values"),
    # It takes no labels, so that the word for them is no advice here.
    ("predict", (X,), {"labels": Y}, "predict: unknown argument 'labels'. Known: X."),
    ("predict_proba", (X,), {"verbose": 0}, "predict_proba: unknown argument 'verbose'. Leave it out"),
    (
        "confusion",
        (X, Y),
        {"normalize": True},
        "confusion: unknown argument 'normalize'. Known: X, y, ids, part, groups.",
    ),
    ("score", (X, Y), {"weight": Y}, "score: unknown argument 'weight'. Write sample_weight"),
    ("load", (), {}, "load: run must be given"),
    ("load", (), {"path": 5}, "load: unknown argument 'path'. Write run=\"runs/NAME\""),
    ("load", ("run",), {"epoch": 3}, "load: unknown argument 'epoch'. Write which=\"last\""),
    ("load", ("run",), {"weights_only": True}, "load: unknown argument 'weights_only'. Leave it out: no code"),
    ("load", ("run",), {"device": "cuda"}, "load: unknown argument 'device'. The network is loaded onto the CPU"),
    ("get_layer", (), {}, "get_layer: name must be given"),
    ("set_trainable_params", ("run",), {"layer": "a"}, "set_trainable_params: unknown argument 'layer'. Did you mean"),
]


@pytest.mark.parametrize(("method", "args", "kwargs", "expected"), WRONG, ids=[f"{w[0]} {[*w[2]]}" for w in WRONG])
def test_a_wrong_call_of_a_method_is_an_error_with_what_to_write(method, args, kwargs, expected, fitted):
    assert shown(lambda: getattr(fitted, method)(*args, **kwargs)).startswith(expected)


def test_a_type_error_within_a_call_stays_as_it_is():
    @checked_call("arguments")
    def method(self, X):
        raise TypeError(X)

    with pytest.raises(TypeError, match=r"^mine$"):
        method(None, "mine")


def test_signatures_are_those_of_the_methods(fitted):
    assert str(inspect.signature(fitted.predict)).startswith("(X")
    assert list(inspect.signature(fitted.evaluate).parameters) == ["X", "y", "losses", "part", "groups"]
    assert {"layers", "n_epochs"} <= inspect.signature(NNClassifier).parameters.keys()
    again = clone(NNClassifier(LAYERS, rng=1, n_epochs=2, batch_size=20))
    assert again.get_params()["n_epochs"] == 2 and len(cross_val_score(again, X, Y, cv=2)) == 2


def test_warnings_name_the_line_of_the_user(fitted):
    """A wrapped method has one frame more between the warning and the caller."""
    with pytest.warns(ArignoteWarning, match="trained on 30 of these 40 rows") as caught:
        fitted.evaluate(X, Y)
    assert caught[0].filename == __file__
    with pytest.warns(ArignoteWarning, match="nothing left to train") as caught:
        NNClassifier(LAYERS, rng=1, warm_start=True, n_epochs=1, batch_size=40).fit(X, Y).fit(X, Y)
    assert caught[0].filename == __file__
