"""Paths of parameters: those of derived classes, and unknown ones."""

from __future__ import annotations

import pytest
from sklearn.experimental import enable_halving_search_cv  # noqa: F401

from arignote import NNClassifier
from arignote.errors import ConfigError

OUTPUT = ["ClassificationOutputLayer"]
LAYERS = [
    ["FCLayer", {"n_units": 4}],
    ["DropoutLayer", {"dropout_p": 0.2}],
    ["Block", {"name": "res", "layers": [["FCLayer", {"n_units": 4}], ["SumLayer", {"inputs": ["in", "fc1"]}]]}],
    OUTPUT,
]


class OfOneSize(NNClassifier):
    """A class of a user with a constructor of its own."""

    def __init__(self, n_units=3, lr_rule=0.1):
        super().__init__([["FCLayer", {"n_units": n_units}], OUTPUT], lr_rule=lr_rule)
        self.n_units = n_units


def test_a_derived_class_has_the_paths_of_its_own_arguments():
    estimator = OfOneSize()
    assert estimator.get_params().keys() == {"n_units", "lr_rule", "lr_rule__initial_value"}
    assert estimator.set_params(n_units=4, lr_rule__initial_value=0.2).lr_rule == ["const", {"initial_value": 0.2}]
    with pytest.raises(ConfigError, match=r"unknown parameter 'n_unit'\. Did you mean 'n_units'\?"):
        estimator.set_params(n_unit=5)


UNKNOWN = {
    "fc1__n_unit": "unknown parameter 'fc1__n_unit'. Did you mean 'fc1__n_units'?",
    "dropout1__rate": "unknown parameter 'dropout1__rate'. Did you mean 'dropout1__dropout_p'?",
    "fc2__n_units": "unknown parameter 'fc2__n_units'. Did you mean 'fc1'?",
    "res__layers__fc2__l2": "unknown parameter 'res__layers__fc2__l2'. Did you mean 'res__layers__fc1'?",
    "n_units": "unknown parameter 'n_units'. Did you mean 'fc1__n_units'?",
    "n_epoch": "unknown parameter 'n_epoch'. Did you mean 'n_epochs'?",
    "lr": "unknown parameter 'lr'. Write lr_rule=3",
    "sgd_type__beta1": "unknown parameter 'sgd_type__beta1'. There are: sgd_type__rho, sgd_type__epsilon",
    "augmentation__1__sigma": "unknown parameter 'augmentation__1__sigma'. There are: augmentation__0",
    "momentum_rule__interval": "momentum_rule__interval: momentum_rule is None, which has no parameters: set it whole",
    "fc1__n_units__x": "fc1__n_units__x: fc1__n_units is 9, which has no parameters: set it whole",
}


@pytest.mark.parametrize("path", UNKNOWN)
def test_an_unknown_path_is_reported_with_the_nearest_and_nothing_is_set(path):
    estimator = NNClassifier(LAYERS, augmentation=[["Noise", {"sigma": 1.0}]])
    with pytest.raises(ConfigError) as caught:
        estimator.set_params(**{"n_epochs": 3, "fc1__n_units": 9, path: 3})
    assert str(caught.value) == f"set_params: {UNKNOWN[path]}"
    assert estimator.n_epochs == 50 and estimator.layers is LAYERS


def test_a_layer_that_is_named_as_an_argument_is_refused():
    estimator = NNClassifier([["FCLayer", {"name": "average", "n_units": 4}], OUTPUT], average={"kind": "ema"})
    assert estimator.get_params()["average"] == {"kind": "ema"}
    with pytest.raises(ConfigError) as caught:
        estimator.set_params(average__n_units=3)
    assert str(caught.value) == (
        "set_params: average__n_units: 'average' is a layer and an argument of the constructor too: give the layer "
        "another name, or set the whole list, layers=[...]"
    )
    assert "average__n_units" not in estimator.get_params()
