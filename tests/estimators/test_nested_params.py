"""Parameters by paths: what is read and written there, what is refused, and searches over them."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, RandomizedSearchCV, cross_val_score

from arignote import NNClassifier, NNRegressor
from arignote.errors import ConfigError
from arignote.layers import ClassificationOutputLayer, FCLayer

OUTPUT = ["ClassificationOutputLayer"]
LAYERS = [
    ["FCLayer", {"n_units": 4}],
    ["DropoutLayer", {"dropout_p": 0.2}],
    ["Block", {"name": "res", "layers": [["FCLayer", {"n_units": 4}], ["SumLayer", {"inputs": ["in", "fc1"]}]]}],
    OUTPUT,
]
RES = LAYERS[2][1]["layers"]
# Arguments, a path, a value -> the argument that holds it afterwards.
WRITTEN = [
    ({}, "fc1__n_units", 7, {"layers": [["FCLayer", {"n_units": 7}], *LAYERS[1:]]}),
    ({}, "fc1", ["FCMaxoutLayer", {"n_units": 2}], {"layers": [["FCMaxoutLayer", {"n_units": 2}], *LAYERS[1:]]}),
    ({}, "output__l2", 0.5, {"layers": [*LAYERS[:3], ["ClassificationOutputLayer", {"l2": 0.5}]]}),
    (
        {},
        "res__layers__fc1__n_units",
        3,
        {"layers": [*LAYERS[:2], ["Block", {"name": "res", "layers": [["FCLayer", {"n_units": 3}], RES[1]]}], OUTPUT]},
    ),
    (
        {"layers": [["FCLayer", {"n_units": 4, "activation": "leaky_relu", "W": 0.1}], OUTPUT]},
        "fc1__activation__slope",
        0.5,
        {"layers": [["FCLayer", {"n_units": 4, "activation": ["leaky_relu", {"slope": 0.5}], "W": 0.1}], OUTPUT]},
    ),
    (
        {"layers": [["FCLayer", {"n_units": 4, "W": 0.1}], OUTPUT]},
        "fc1__W__value",
        0.5,
        {"layers": [["FCLayer", {"n_units": 4, "W": ["constant", {"value": 0.5}]}], OUTPUT]},
    ),
    (
        {"layers": [{"layer": "FCLayer", "n_units": 4, "name": "a"}, "ClassificationOutputLayer"]},
        "a__n_units",
        5,
        {"layers": [{"layer": "FCLayer", "n_units": 5, "name": "a"}, "ClassificationOutputLayer"]},
    ),
    (
        {"layers": (FCLayer(n_units=4, l2=0.5), ClassificationOutputLayer())},
        "fc1__n_units",
        5,
        {"layers": [FCLayer(n_units=5, l2=0.5), ClassificationOutputLayer()]},
    ),
    ({"sgd_type": "adam"}, "sgd_type__beta1", 0.8, {"sgd_type": ["adam", {"beta1": 0.8}]}),
    ({}, "sgd_type__rho", 0.8, {"sgd_type": ["adadelta", {"rho": 0.8}]}),
    ({"lr_rule": 0.1}, "lr_rule__initial_value", 0.2, {"lr_rule": ["const", {"initial_value": 0.2}]}),
    (
        {"momentum_rule": {"rule": "linear", "final_value": 0.9, "n_epochs": 3}},
        "momentum_rule__n_epochs",
        4,
        {"momentum_rule": {"rule": "linear", "final_value": 0.9, "n_epochs": 4}},
    ),
    (
        {"lr_rule": ["warmup", {"initial_value": 0.1, "n_epochs": 2, "then": ["step", {"n_epochs": 3}]}]},
        "lr_rule__then__n_epochs",
        4,
        {"lr_rule": ["warmup", {"initial_value": 0.1, "n_epochs": 2, "then": ["step", {"n_epochs": 4}]}]},
    ),
    (
        {"augmentation": ["Shift", {"max_shift": 1}]},
        "augmentation__0__max_shift",
        2,
        {"augmentation": ["Shift", {"max_shift": 2}]},
    ),
    (
        {"augmentation": [max, ["Shift", {"max_shift": 1}]]},
        "augmentation__1__max_shift",
        2,
        {"augmentation": [max, ["Shift", {"max_shift": 2}]]},
    ),
    (
        {"preprocess": {"a": [["Standardise"]], "b": ["MinMax", {"low": 0.5}]}},
        "preprocess__b__0__low",
        0.25,
        {"preprocess": {"a": [["Standardise"]], "b": ["MinMax", {"low": 0.25}]}},
    ),
    ({"average": {"kind": "ema"}}, "average__decay", 0.5, {"average": {"average": "ema", "decay": 0.5}}),
    (
        {"rules": {"fc1.l2": ["linear", {"final_value": 0.0, "n_epochs": 2}]}},
        "rules__fc1.l2__n_epochs",
        3,
        {"rules": {"fc1.l2": ["linear", {"final_value": 0.0, "n_epochs": 3}]}},
    ),
    (
        {"valid_loss": ("nll", "error")},
        "valid_loss__0__label_smoothing",
        0.1,
        {"valid_loss": [["nll", {"label_smoothing": 0.1}], "error"]},
    ),
    ({"layer_defaults": {"l2": 0.1}}, "layer_defaults__l2", 0.2, {"layer_defaults": {"l2": 0.2}}),
]


@pytest.mark.parametrize(("given", "path", "value", "expected"), WRITTEN, ids=[case[1] for case in WRITTEN])
def test_a_value_is_written_at_its_path_into_a_copy_of_what_was_given(given, path, value, expected):
    given = {"layers": LAYERS, **given}
    before = copy.deepcopy(given)
    estimator = NNClassifier(**given)
    assert path in estimator.get_params()
    assert estimator.set_params(**{path: value}) is estimator
    [(name, written)] = expected.items()
    assert getattr(estimator, name) == written and estimator.get_params()[path] == value
    # Neither the argument nor anything in it.
    assert given == before
    assert all(estimator.get_params(deep=False)[key] is given[key] for key in given if key != name)


def test_get_params_has_defaults_and_those_of_layer_defaults_and_print_has_no_paths():
    defaults = {"l2": 0.25, "activation": ["leaky_relu", {"slope": 0.1}]}
    estimator = NNClassifier(LAYERS, layer_defaults=defaults, lr_rule=0.1)
    params = estimator.get_params()
    assert params["fc1"] is LAYERS[0] and params["layers"] is LAYERS
    assert [params[f"fc1__{name}"] for name in ("n_units", "l1", "l2", "name")] == [4, 0.0, 0.25, None]
    assert params["fc1__activation__slope"] == params["res__layers__fc1__activation__slope"] == 0.1
    assert "dropout1__l2" not in params and params["lr_rule__initial_value"] == 0.1
    assert "__" not in "".join(estimator.get_params(deep=False)) and "__" not in repr(estimator)
    # A default that is changed for one layer is written into this layer.
    estimator.set_params(fc1__activation__slope=0.5)
    assert estimator.layers[0] == ["FCLayer", {"n_units": 4, "activation": ["leaky_relu", {"slope": 0.5}]}]
    assert estimator.layer_defaults is defaults


def test_clones_are_equal_and_what_is_set_to_what_it_is_stays_as_it_was_given():
    estimator = NNClassifier(LAYERS, lr_rule=0.1, layer_defaults={"l2": 0.25}, valid_loss=("nll", "error"))
    assert clone(estimator).get_params() == estimator.get_params()
    given = estimator.get_params(deep=False)
    estimator.set_params(**estimator.get_params())
    assert all(estimator.get_params(deep=False)[name] is value for name, value in given.items())
    changed = clone(estimator).set_params(fc1__n_units=7)
    assert clone(changed).layers == changed.layers and estimator.layers is LAYERS


def test_a_whole_list_is_set_before_its_layers_and_these_before_their_parameters():
    estimator = NNClassifier([OUTPUT]).set_params(
        fc1__n_units=9, fc1=["FCLayer", {"n_units": 8, "l2": 0.5}], layers=LAYERS, output__l1=0.25
    )
    assert estimator.layers[0] == ["FCLayer", {"n_units": 9, "l2": 0.5}]
    assert estimator.layers[3] == ["ClassificationOutputLayer", {"l1": 0.25}] and LAYERS[3] == OUTPUT


def test_a_layer_of_another_type_keeps_the_name_by_which_it_is_known():
    layers = [["FCLayer", {"n_units": 4}], ["FCLayer", {"n_units": 5, "input": "fc1"}], OUTPUT]
    estimator = NNClassifier(layers).set_params(fc1="DropoutLayer", fc1__dropout_p=0.5, fc2__n_units=6)
    assert estimator.layers[:2] == [
        ["DropoutLayer", {"name": "fc1", "dropout_p": 0.5}],
        ["FCLayer", {"n_units": 6, "input": "fc1"}],
    ]
    # A name that is given is one.
    assert estimator.set_params(fc1=["FCLayer", {"name": "a", "n_units": 2}]).layers[0][1]["name"] == "a"
    assert estimator.set_params(a__name="b").layers[0] == ["FCLayer", {"name": "b", "n_units": 2}]


def test_layers_of_a_file_are_a_list_when_one_is_changed(tmp_path):
    path = tmp_path / "layers.json"
    path.write_text(json.dumps(LAYERS))
    estimator = NNClassifier(str(path))
    assert estimator.get_params()["fc1__n_units"] == 4
    assert estimator.set_params(dropout1__dropout_p=0.5, n_epochs=3).layers[1] == ["DropoutLayer", {"dropout_p": 0.5}]
    assert json.loads(path.read_text()) == LAYERS
    # A file that is not there is reported by `fit`, and by a path into it.
    missing = NNClassifier(str(tmp_path / "other.json"), lr_rule=0.1)
    assert "fc1" not in missing.get_params() and missing.get_params()["lr_rule__initial_value"] == 0.1
    with pytest.raises(ConfigError, match="No such file"):
        missing.set_params(fc1__n_units=3)


def test_to_list_parameters_imports_no_module(tmp_path, monkeypatch):
    (tmp_path / "foreign_part_of_a_list.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    params = NNClassifier([["foreign_part_of_a_list:Layer", {}], OUTPUT]).get_params()
    assert "output__l2" not in params and "n_epochs" in params


def test_wrong_values_are_reported_by_fit_and_may_be_set_right_before():
    estimator = NNClassifier(LAYERS).set_params(fc1__n_units=-1)
    with pytest.raises(ConfigError, match=r"^layers\[0\] \(FCLayer\): n_units must be an integer >= 1; got -1$"):
        estimator.fit(np.zeros((8, 2)), np.arange(8) % 2)
    assert estimator.set_params(fc1__n_units=3).layers[0] == ["FCLayer", {"n_units": 3}]
    of_objects = NNClassifier([FCLayer(n_units=4), OUTPUT])
    with pytest.raises(ConfigError, match=r"^set_params: fc1__n_units: n_units must be an integer >= 1; got -1$"):
        of_objects.set_params(fc1__n_units=-1)


X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
TINY = {"rng": 1, "n_epochs": 2, "batch_size": 8}


def net(n_units, activation="relu"):
    return [["FCLayer", {"n_units": n_units, "activation": activation}], OUTPUT]


@pytest.mark.slow
def test_a_grid_over_paths_is_one_over_lists_that_are_written_out():
    grid = {"fc1__n_units": [1, 5], "sgd_type__epsilon": [1e-6, 0.1]}
    search = GridSearchCV(NNClassifier(net(3), **TINY), grid, cv=2).fit(X, Y)
    expected = [
        cross_val_score(NNClassifier(net(n), sgd_type=["adadelta", {"epsilon": e}], **TINY), X, Y, cv=2).mean()
        for n, e in ((1, 1e-6), (1, 0.1), (5, 1e-6), (5, 0.1))
    ]
    assert list(search.cv_results_["mean_test_score"]) == expected and len(set(expected)) > 1
    best = np.argmax(expected)
    assert search.best_estimator_.get_layer("fc1").n_units == [1, 1, 5, 5][best]
    assert search.best_estimator_.params["fc1.W"].shape == (3, [1, 1, 5, 5][best])


@pytest.mark.slow
def test_random_and_halving_searches_reach_layers_and_whole_lists():
    lists = [net(1), net(4, "tanh"), net(2)]
    estimator = NNClassifier(net(3), **TINY | {"batch_size": 5})
    found = RandomizedSearchCV(
        estimator, {"layers": lists, "output__l2": [0.0, 0.5]}, n_iter=3, cv=2, random_state=0
    ).fit(X, Y)
    assert found.best_params_["layers"] in lists and lists == [net(1), net(4, "tanh"), net(2)]
    assert found.best_estimator_.layers[1][1] == {"l2": found.best_params_["output__l2"]}
    grid = {"fc1__n_units": [1, 2, 3, 4]}
    halving = HalvingGridSearchCV(estimator, grid, cv=2, factor=2, random_state=0).fit(X, Y)
    assert halving.best_estimator_.get_layer("fc1").n_units == halving.best_params_["fc1__n_units"]
    assert halving.n_iterations_ > 1


def test_a_regressor_has_paths_too():
    layers = [["FCLayer", {"n_units": 2}], ["RegressionOutputLayer"]]
    search = GridSearchCV(NNRegressor(layers, **TINY), {"fc1__activation": ["relu", "tanh"]}, cv=2).fit(X, X[:, 0])
    assert search.best_estimator_.layers[0][1]["activation"] in ("relu", "tanh")
