"""Which numbers of layers and settings may follow a rule, and the value that each has."""

from __future__ import annotations

from math import isnan

import pytest

from arignote import ConfigError
from arignote.layers import parse
from arignote.spec.ruled_numbers import ruled_numbers
from arignote.spec.settings import checked_settings

LAYERS = [
    ["FCLayer", {"name": "fc1", "n_units": 4, "l2": 0.25, "activation": "relu"}],
    ["FCLayer", {"name": "fc2", "n_units": 4, "maxnorm": 2.0, "activation": "relu"}],
    ["FCLayer", {"name": "same", "n_units": 4, "share": "fc2", "activation": "relu"}],
    ["DropoutLayer", {"dropout_p": 0.5}],
    ["GaussianNoiseLayer"],
    ["BatchNormLayer"],
    ["FCLayer", {"name": "fixed", "n_units": 4, "activation": "relu", "fix_params": True}],
    ["ClassificationOutputLayer", {"name": "out"}],
]
HALVED = ["step", {"multiply_by": 0.5, "n_epochs": 2}]


def found(rules, **settings):
    return ruled_numbers(parse(LAYERS), checked_settings({"rules": rules} | settings))


def refusal(rules, **settings):
    with pytest.raises(ConfigError) as refused:
        found(rules, **settings)
    return [str(one) for one in refused.value.complaints]


def test_each_number_comes_with_the_value_of_its_layer():
    first = ["const", {"initial_value": 0.5}]
    names = ["fc1.l2", "fc2.maxnorm", "dropout1.dropout_p", "noise1.sigma"]
    assert found(dict.fromkeys(names, HALVED)) == dict(zip(names, [0.25, 2.0, 0.5, 0.1], strict=True))
    others = found({"fc1.l1": first, "fc1.maxnorm": first})
    assert others["fc1.l1"] == 0.0 and isnan(others["fc1.maxnorm"])
    assert found(None) == found({}) == {}


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (
            {"fc3.l2": HALVED},
            "fit.rules.fc3.l2: there is no layer 'fc3'. Did you mean 'fc2'? Numbers that may follow a rule: fc1.l1, "
            "fc1.l2, fc1.maxnorm, fc1.lr_factor, fc2.l1, fc2.l2, fc2.maxnorm, fc2.lr_factor, dropout1.dropout_p, "
            "noise1.sigma, norm1.lr_factor, fixed.l1, fixed.l2, fixed.maxnorm, fixed.lr_factor, out.l1, out.l2, "
            "out.maxnorm, out.lr_factor, sgd_max_grad_norm, sgd_max_grad_value",
        ),
        (
            {"fc1.n_units": HALVED},
            "fit.rules.fc1.n_units: n_units of FCLayer cannot follow a rule; those that may are l1, l2, maxnorm, "
            "lr_factor",
        ),
        (
            {"norm1.alpha": HALVED},
            "fit.rules.norm1.alpha: alpha of BatchNormLayer cannot follow a rule; those that may are lr_factor",
        ),
        (
            {"same.l2": HALVED},
            "fit.rules.same.l2: l2 is that of the layer 'fc2', whose parameters are shared: write fc2.l2",
        ),
        ({"lr": 0.5}, "fit.rules.lr: 'lr' has a rule of its own: write lr_rule"),
        (
            {"fc1.n_units": 8},
            "fit.rules.fc1.n_units: n_units of FCLayer cannot follow a rule; those that may are l1, l2, "
            "maxnorm, lr_factor",
        ),
        (
            {"fc1.lr_factor": ["linear", {"final_value": 0.0, "n_epochs": 2}]},
            "fit.rules.fc1.lr_factor.final_value: lr_factor must be a number > 0.0; got 0.0",
        ),
        (
            {"sgd_max_grad_norm": HALVED},
            "fit.rules.sgd_max_grad_norm: initial_value must be given, as there is no sgd_max_grad_norm",
        ),
        (
            {"sgd_max_grad_value": ["cosine", {"initial_value": 1.0, "n_epochs": 2}]},
            "fit.rules.sgd_max_grad_value.final_value: sgd_max_grad_value must be a number > 0.0; got 0.0",
        ),
        (
            {"sgd_type.weight_decay": HALVED},
            "fit.rules.sgd_type.weight_decay: weight_decay of adadelta cannot follow a rule; nor may another one of it",
        ),
        ({"lr": HALVED}, "fit.rules.lr: 'lr' has a rule of its own: write lr_rule"),
        ({"momentum": HALVED}, "fit.rules.momentum: 'momentum' has a rule of its own: write momentum_rule"),
        ({"fc1.maxnorm": HALVED}, "fit.rules.fc1.maxnorm: initial_value must be given, as the layer has no maxnorm"),
        (
            {"fc1.maxnorm": ["absolute", {"after_epochs": [[3, 1.0]]}]},
            "fit.rules.fc1.maxnorm: initial_value must be given, as the layer has no maxnorm",
        ),
        ({"fc1.l1": HALVED}, "fit.rules.fc1.l1: the value never changes: it begins at 0"),
        (
            {"fc1.l2": ["linear", {"final_value": -1.0, "n_epochs": 2}]},
            "fit.rules.fc1.l2.final_value: l2 must be a number >= 0.0; got -1.0",
        ),
        (
            {"fc2.maxnorm": ["cosine", {"n_epochs": 2}]},
            "fit.rules.fc2.maxnorm.final_value: maxnorm must be a number > 0.0; got 0.0",
        ),
        (
            {"dropout1.dropout_p": ["exponential", {"multiply_by": 1.1, "n_epochs": 2}]},
            "fit.rules.dropout1.dropout_p: rises without bound: dropout_p must be a number < 1.0; got inf",
        ),
        (
            {"dropout1.dropout_p": {"rule": "fixed", "decrease_by": -0.3, "schedule": [1, 2]}},
            "fit.rules.dropout1.dropout_p: rises to 1.1: dropout_p must be a number < 1.0; got 1.1",
        ),
        (
            {"fc2.maxnorm": {"rule": "fixed", "decrease_by": 0.5, "interval": 1}},
            "fit.rules.fc2.maxnorm: falls to 0: maxnorm must be a number > 0.0; got 0.0. Give it a final_value",
        ),
        (
            {
                "fc2.maxnorm": [
                    "warmup",
                    {"initial_value": 0.5, "n_epochs": 2, "then": ["stalled", {"multiply_by": 0.0, "interval": 9}]},
                ]
            },
            "fit.rules.fc2.maxnorm: falls to 0: maxnorm must be a number > 0.0; got 0.0. Give it a final_value",
        ),
    ],
    ids=str,
)
def test_a_rule_that_cannot_be_followed_is_refused(rules, message):
    assert refusal(rules) == [message]


def test_numbers_of_settings_have_their_names_there():
    names = {"sgd_max_grad_norm": 3.0, "sgd_type.weight_decay": 0.01}
    settings = {"sgd_type": "adamw", "sgd_max_grad_norm": 3.0}
    assert found(dict.fromkeys(names, HALVED), **settings) == names
    assert found({"sgd_type.weight_decay": HALVED}, sgd_type=["lion", {"weight_decay": 0.25}], compile=True) == {
        "sgd_type.weight_decay": 0.25
    }
    # The output that a loss is of stands between; a network of one output has no weights of losses.
    two = [*LAYERS, ["ClassificationOutputLayer", {"name": "out2", "input": "fc1"}]]
    settings = {"train_loss": {"out2": ["nll", {"weight": 0.5}]}}
    rules = {"train_loss.out.weight": HALVED, "train_loss.out2.weight": HALVED}
    first = ruled_numbers(parse(two), checked_settings({"rules": rules} | settings))
    assert first == {"train_loss.out.weight": 1.0, "train_loss.out2.weight": 0.5}
    message = "fit.rules.{0}: the setting {0} cannot follow a rule. Numbers that may follow a rule: fc1.l1, "
    for name in ("train_loss.out.weight", "average.decay", "batch_size"):
        assert refusal({name: HALVED})[0].startswith(message.format(name))


def test_a_norm_may_fall_as_long_as_it_does_not_become_0():
    for rule in (
        {"rule": "fixed", "decrease_by": 0.5, "interval": 1, "final_value": 0.25},
        {"rule": "fixed", "multiply_by": 0.5, "interval": 1},
        {"rule": "fixed", "decrease_by": 0.5, "schedule": [1, 2, 3]},
    ):
        assert found({"fc2.maxnorm": rule}) == {"fc2.maxnorm": 2.0}
    # An l2 of 0 is one.
    assert found({"fc1.l2": {"rule": "fixed", "decrease_by": 0.5, "interval": 1}}) == {"fc1.l2": 0.25}


def test_what_is_compiled_cannot_follow_a_rule_but_penalties_are_not():
    assert refusal({"fc1.l2": HALVED, "noise1.sigma": HALVED}, compile=True) == [
        "fit.compile: a compiled network cannot follow the rule of 'noise1.sigma': leave compile or the rule out"
    ]
    assert found({"fc1.l2": HALVED}, compile=True) == {"fc1.l2": 0.25}
