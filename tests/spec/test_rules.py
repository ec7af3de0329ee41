"""Which numbers of layers may follow a rule, from which value, and what is refused with the way out."""

from __future__ import annotations

import pytest

from arignote import ConfigError, NNClassifier
from arignote.layers import parse
from arignote.spec.config import read_config
from arignote.spec.ruled_numbers import ruled_numbers
from arignote.spec.rules import check_new_rules, first_values, idle_settings
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


def test_a_number_is_a_rule_that_is_constant():
    settings = checked_settings({"rules": {"fc1.l2": 0.5, "dropout1.dropout_p": 0}})
    assert (
        settings.rules
        == checked_settings(
            {
                "rules": {
                    "fc1.l2": ["const", {"initial_value": 0.5}],
                    "dropout1.dropout_p": ["const", {"initial_value": 0.0}],
                }
            }
        ).rules
    )
    assert refusal({"fc1.l2": -1.0}) == ["fit.rules.fc1.l2.initial_value: l2 must be a number >= 0.0; got -1.0"]


@pytest.mark.parametrize(
    ("rule", "first", "unit"),
    [
        (["absolute", {"after_epochs": [[0, 0.5], [2, 0.5], [3, 0.25]]}], 3, "epochs"),
        (["absolute", {"after_updates": [[6, 0.25]]}], 6, "updates"),
        (["step", {"multiply_by": 0.5, "n_epochs": 4}], 4, "epochs"),
        (["step", {"multiply_by": 0.5, "n_updates": 5}], 5, "updates"),
        ({"rule": "fixed", "schedule": [2, 9], "multiply_by": 0.5, "interval": 1}, 2, "epochs"),
        ({"rule": "stalled", "schedule": [3], "multiply_by": 0.5}, 3, "epochs"),
    ],
    ids=str,
)
def test_a_rule_that_would_first_act_when_training_is_over_is_reported(rule, first, unit):
    def messages(n_epochs, n_batches=None, **more):
        settings = checked_settings({"lr_rule": rule, "n_epochs": n_epochs} | more)
        return idle_settings({"lr": 0.5, "momentum": 0.0}, settings, n_batches)

    message = f"lr_rule never acts: its first change is after {first} {unit}, of {first}. "
    if unit == "epochs":
        assert messages(first)[0].startswith(message) and not messages(first + 1)
        # Final epochs follow no rule.
        assert messages(first + 2, final_epochs=2)[0].startswith(message) and not messages(first + 2, final_epochs=1)
    else:
        # In 3 epochs of 2 updates, or of 1.
        assert bool(messages(3, 2)) == (first == 6) and len(messages(3, 2, accumulate=2)) == 1
        assert messages(3) == []
    # Calls of partial_fit are of one epoch each.
    assert messages(1, 1) == []


def test_rules_that_follow_validations_or_change_at_once_are_not_reported():
    for rule in (0.5, ["cosine", {"n_epochs": 9}], {"rule": "fixed", "multiply_by": 0.5, "interval": 9}):
        settings = checked_settings({"rules": {"fc1.l2": rule}, "n_epochs": 2})
        values = {"lr": 1.0, "momentum": 0.0, "fc1.l2": 0.25}
        assert idle_settings(values, settings, 1) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"rules": {"fixed.l2": HALVED}},
            "fit.rules.fixed.l2: the rule never has an effect, as fix_params fixes all parameters of 'fixed': leave "
            "one of them out",
        ),
        (
            {"lr_rule": {"rule": "stalled", "interval": 2}},
            "fit.lr_rule: the value never changes: multiply_by is 1 and decrease_by 0. Give one of the two",
        ),
        (
            {"momentum_rule": {"rule": "fixed", "multiply_by": 0.5, "schedule": [5, 2]}, "sgd_type": "nag"},
            "fit.momentum_rule: schedule must be in ascending order, each epoch once; 2 follows 5",
        ),
        (
            {
                "lr_rule": [
                    "warmup",
                    {"initial_value": 0.01, "n_epochs": 2, "then": ["fixed", {"multiply_by": 0.5, "schedule": [2, 2]}]},
                ]
            },
            "fit.lr_rule: schedule must be in ascending order, each epoch once; 2 follows 2",
        ),
    ],
    ids=str,
)
def test_no_run_begins_with_a_rule_that_contradicts_itself_or_has_no_effect(settings, message):
    with pytest.raises(ConfigError) as refused:
        check_new_rules(parse(LAYERS), checked_settings(settings))
    assert [str(one) for one in refused.value.complaints] == [message]
    thawed = [
        ["FCLayer", params | {"thaw_at": 2}] if params.get("name") == "fixed" else [name, params]
        for name, params in ((one[0], one[1] if len(one) > 1 else {}) for one in LAYERS)
    ]
    check_new_rules(parse(thawed), checked_settings({"rules": {"fixed.l2": HALVED}}))


def test_all_that_is_wrong_is_reported_at_once():
    assert len(refusal({"fc1.n_units": HALVED, "fc9.l2": HALVED, "fc1.l1": HALVED, "fc1.l2": HALVED})) == 3


def test_rates_and_momentum_begin_at_those_of_the_updater_and_numbers_at_those_of_their_layers():
    settings = checked_settings({"sgd_type": ["nag", {"momentum": 0.75}], "rules": {"fc1.l2": HALVED}})
    # The default rate of nag is 0.01.
    assert first_values(parse(LAYERS), settings) == {"lr": 0.01, "momentum": 0.75, "fc1.l2": 0.25}


def test_the_line_of_a_config_is_named(tmp_path):
    path = tmp_path / "c.yaml"
    text = "layers: [[ClassificationOutputLayer, {name: out, l2: 0.1}]]\nfit:\n  rules:\n"
    path.write_text(f"{text}    out.n_units: [step, {{multiply_by: 0.5, n_epochs: 2}}]\n")
    with pytest.raises(ConfigError, match=r"c\.yaml:4:5: fit\.rules\.out\.n_units: n_units of Classification"):
        read_config(path)
    path.write_text(f"{text}    out.l2: [step, {{multiply_by: 0.5, n_epochs: 2}}]\n")
    assert list(read_config(path).fit["rules"]) == ["out.l2"]
    # A dot of --set ends a word; the rules of the other numbers stay.
    written = read_config(path, ["fit.rules.out.l1=[const, {initial_value: 0.5}]"]).fit["rules"]
    assert list(checked_settings({"rules": written}).rules) == ["out.l2", "out.l1"]


def test_a_rule_that_needs_validations_is_named_if_there_are_none(digits):
    rules = {"out.l2": {"rule": "stalled", "initial_value": 0.5, "multiply_by": 0.5, "interval": 1}}
    with pytest.raises(ConfigError, match=r"^fit\.rules: out\.l2: 'stalled' needs validation data"):
        NNClassifier([["ClassificationOutputLayer", {"name": "out"}]], rules=rules, n_epochs=1).fit(*digits)
