"""Settings of learning: their defaults and bounds, and what cannot be trained with, with the way out."""

from __future__ import annotations

import pytest

from arignote import ConfigError
from arignote.optim.settings import LearningSettings
from arignote.registry import build, dump, part_name
from arignote.spec.settings import checked_settings

DEFAULTS = {
    "n_epochs": 50,
    "final_epochs": 0,
    "average": None,
    "pretrain": None,
    "sgd_type": ["adadelta", {"rho": 0.95, "epsilon": 1e-6}],
    "lr_rule": None,
    "momentum_rule": None,
    "rules": None,
    "stop_rule": None,
    "accumulate": 1,
    "sgd_max_grad_norm": None,
    "sgd_max_grad_value": None,
    "train_loss": None,
    "valid_loss": None,
    "test_loss": None,
    "validation_frequency": None,
    "monitor": [],
    "validate_on_train": False,
    "restore_best": True,
}
# Values that may be, the least of them first, and values that may not.
BOUNDS = {
    "n_epochs": ([0, 7], [-1, 1.5, None, True]),
    "final_epochs": ([0, 1, 49], [-1, 1.5, None, True, 50]),
    "accumulate": ([1, 7], [0, 1.5, None]),
    "validation_frequency": ([1, None], [0, -5, 2.5]),
    "sgd_max_grad_norm": ([1e-9, 1, None], [0.0, -1.0]),
    "sgd_max_grad_value": ([1e-9, 1, None], [0.0, -1.0]),
    "lr_rule": ([0, 0.1, 1e9, None], [-1e-9, float("inf"), float("nan"), True]),
    "monitor": ([(), ("grad_norm", "fc1")], [3, False, [3], {"fc1": 1}, ["fc1", "fc1"]]),
    "validate_on_train": ([True, False], [1, None]),
    "restore_best": ([True, False], [0, None]),
}


def refusal(**settings):
    """Return why settings are refused."""
    with pytest.raises(ConfigError) as refused:
        checked_settings(settings)
    return str(refused.value)


def rule(name="fixed", **params):
    return [name, params]


def test_each_setting_has_its_default():
    assert LearningSettings().model_dump(mode="json") == DEFAULTS


@pytest.mark.parametrize("name", BOUNDS)
def test_a_setting_may_have_the_values_within_its_bounds_alone(name):
    good, wrong = BOUNDS[name]
    for value in good:
        assert checked_settings({name: value}).model_dump()[name] in (value, rule("const", initial_value=value))
    for value in wrong:
        assert refusal(**{name: value}).startswith(f"fit.{name}")


def test_a_number_is_a_rule_that_never_changes():
    settings = checked_settings({"lr_rule": 1, "momentum_rule": 0.75, "sgd_type": "nag"})
    assert dump(settings.lr_rule) == rule("const", initial_value=1.0)
    assert type(settings.lr_rule.initial_value) is float
    assert dump(settings.momentum_rule) == rule("const", initial_value=0.75)


def test_the_bounds_of_a_number_are_in_the_schema():
    properties = LearningSettings.model_json_schema()["properties"]
    for name, bounds in (("lr_rule", {"minimum": 0}), ("momentum_rule", {"minimum": 0, "exclusiveMaximum": 1})):
        assert {"type": "number", **bounds} in properties[name]["anyOf"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"lr_rule": -0.5}, "fit.lr_rule must be a finite number >= 0; got -0.5"),
        ({"momentum_rule": 1.0}, "fit.momentum_rule must be a number >= 0 and < 1; got 1.0"),
        ({"momentum_rule": -0.5}, "fit.momentum_rule must be a number >= 0 and < 1; got -0.5"),
        ({"lr_rule": "0.5"}, "fit.lr_rule must be a number, or a rule; got '0.5'. Write 0.5 without quotes"),
        (
            {"lr_rule": rule(initial_value=-1.0, interval=1)},
            "fit.lr_rule.initial_value must be a finite number >= 0; got -1.0",
        ),
        (
            {"lr_rule": rule(initial_value=1.0, final_value=-1.0, decrease_by=0.5, interval=1)},
            "fit.lr_rule.final_value must be a finite number >= 0; got -1.0",
        ),
        (
            {"momentum_rule": rule(initial_value=0.5, final_value=1.0, decrease_by=-0.1, interval=1)},
            "fit.momentum_rule.final_value must be a number >= 0 and < 1; got 1.0",
        ),
        (
            {"momentum_rule": rule("one_cycle", initial_value=0.5, middle_value=1.5, final_value=0.5, n_epochs=9)},
            "fit.momentum_rule.middle_value must be a number >= 0 and < 1; got 1.5",
        ),
        (
            {"lr_rule": rule("absolute", after_epochs=[[1, 0.5], [2, -0.5]])},
            "fit.lr_rule.after_epochs[1][1]: after_epochs must be a finite number >= 0; got -0.5",
        ),
        (
            {"lr_rule": rule("warmup", initial_value=0.1, n_epochs=3, then=-0.5)},
            "fit.lr_rule.then.initial_value must be a finite number >= 0; got -0.5",
        ),
    ],
    ids=str,
)
def test_a_value_beyond_the_bounds_is_refused_as_a_number_and_in_a_rule(settings, words):
    assert refusal(**settings, sgd_type="momentum") == words


def test_all_values_of_a_rule_beyond_the_bounds_are_reported_at_once():
    wrong = rule(initial_value=1.5, final_value=2.0, multiply_by=1.1, interval=1)
    found = refusal(momentum_rule=wrong, sgd_type="nag")
    for name, value in (("initial_value", 1.5), ("final_value", 2.0)):
        assert f"fit.momentum_rule.{name} must be a number >= 0 and < 1; got {value}" in found


def test_a_rule_may_have_the_values_at_its_bounds():
    down = rule(initial_value=0.0, interval=1)
    assert dump(checked_settings({"lr_rule": down}).lr_rule)[1]["initial_value"] == 0.0
    to_zero = rule(initial_value=0.5, final_value=0.0, multiply_by=0.5, interval=1)
    assert checked_settings({"momentum_rule": to_zero, "sgd_type": "nag"}).momentum_rule.final_value == 0.0
    up = rule(initial_value=0.5, final_value=0.999, multiply_by=1.5, interval=1)
    assert checked_settings({"momentum_rule": up, "sgd_type": "nag"}).momentum_rule.final_value == 0.999


@pytest.mark.parametrize("updater", ["sgd", "adam"])
def test_a_rule_of_the_momentum_needs_an_updater_that_has_one(updater):
    assert refusal(momentum_rule=0.5, sgd_type=updater) == (
        "fit.momentum_rule: this updater has no momentum. Leave the rule out, or use sgd_type 'momentum' or 'nag'"
    )


@pytest.mark.parametrize("updater", ["momentum", "nag", "rmsprop", "adadelta"])
def test_a_rule_drives_the_momentum_or_the_share_that_an_updater_keeps(updater):
    assert checked_settings({"momentum_rule": 0.5, "sgd_type": updater}).momentum_rule.initial_value == 0.5


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        # From the default rate of nag, 0.01, halves never reach 2; from its momentum, 0.9, they never reach 0.95.
        (
            {"lr_rule": rule(multiply_by=0.5, final_value=2.0, interval=1)},
            "fit.lr_rule: final_value 2.0 can never be reached: from 0.01 the first change goes down",
        ),
        (
            {"momentum_rule": rule(multiply_by=0.5, final_value=0.95, interval=1)},
            "fit.momentum_rule: final_value 0.95 can never be reached: from 0.9 the first change goes down",
        ),
        # 0.9 * 2^n
        (
            {"momentum_rule": rule(multiply_by=2.0, interval=1)},
            "fit.momentum_rule: rises without bound: give a final_value < 1",
        ),
        # Twice 0.05 more than 0.9; and x = 0.5 * (x + 1) has the solution 1.
        (
            {"momentum_rule": rule(decrease_by=-0.05, schedule=[1, 2])},
            "fit.momentum_rule: rises to 1: give a final_value < 1",
        ),
        (
            {"momentum_rule": rule(multiply_by=0.5, decrease_by=-1.0, interval=1)},
            "fit.momentum_rule: rises to 1: give a final_value < 1",
        ),
        (
            {"momentum_rule": rule(decrease_by=-0.75, initial_value=0.5, schedule=[3])},
            "fit.momentum_rule: rises to 1.25: give a final_value < 1",
        ),
        (
            {"momentum_rule": rule("exponential", multiply_by=1.01, n_epochs=1)},
            "fit.momentum_rule: rises without bound: give a final_value < 1",
        ),
        (
            {"lr_rule": rule("warmup", initial_value=0.01, n_epochs=3, then="const")},
            "fit.lr_rule: the warm-up begins at 0.01, and must rise; the rule that follows begins at 0.01",
        ),
        (
            {"momentum_rule": rule("linear", final_value=0.9, n_epochs=3)},
            "fit.momentum_rule: the value never changes: it begins at final_value 0.9",
        ),
    ],
    ids=str,
)
def test_a_rule_that_can_have_no_effect_or_makes_the_momentum_one_is_refused(settings, words):
    assert refusal(**settings, sgd_type="nag") == words


@pytest.mark.parametrize(
    "params",
    [
        # x = 0.5 * (x + 0.9) has the solution 0.9; once 0.05 more than 0.9; 0.95 is the bound.
        {"multiply_by": 0.5, "decrease_by": -0.9, "interval": 1},
        {"decrease_by": -0.05, "schedule": [1]},
        {"multiply_by": 1.5, "final_value": 0.95, "interval": 1},
        {"multiply_by": 0.5, "interval": 1},
    ],
    ids=str,
)
def test_a_rule_that_keeps_the_momentum_below_one_is_accepted(params):
    settings = checked_settings({"momentum_rule": rule(**params), "lr_rule": rule(**params), "sgd_type": "nag"})
    assert settings.momentum_rule == settings.lr_rule == build("rule", rule(**params))


@pytest.mark.parametrize(
    ("loss", "others"),
    [
        # Those of the same target that have a gradient.
        ("error", "'brier' or 'hinge' or 'nll'"),
        ("rank_error", "'brier' or 'nll'"),
        ("flag_error", "'binary_cross_entropy'"),
        ("mae", "'absolute' or 'huber' or 'squared'"),
    ],
)
def test_a_loss_without_a_gradient_cannot_be_minimised_and_others_are_named(loss, others):
    for given in (loss, {"out": loss}, {"loss": loss}):
        found = refusal(train_loss=given)
        assert found == f"fit.train_loss: '{loss}' cannot be trained on: it has no gradient. Use {others}"
    assert part_name(checked_settings({"valid_loss": loss}).valid_loss[0]) == loss


@pytest.mark.parametrize("name", ["valid_loss", "test_loss"])
def test_a_metric_may_be_reported_and_is_written_by_its_name(name):
    for given in ("f1_macro", ["f1_macro"], {"out": "f1_macro"}, ["score", {"metric": "f1_macro"}]):
        found = getattr(checked_settings({name: given}), name)
        [loss] = found["out"] if isinstance(found, dict) else found
        assert loss.column == "f1_macro" and loss.greater_is_better
    dumped = checked_settings({name: ["nll", "top_3"]}).model_dump(mode="json")[name]
    assert dumped == ["nll", ["score", {"metric": "top_3"}]]
    assert refusal(**{name: "f1_marco"}) == f"fit.{name}: unknown loss or metric 'f1_marco'. Did you mean 'f1_macro'?"
    assert refusal(**{name: ["score", {"metric": "f2"}]}).startswith(f"fit.{name}.metric must be the name of a metric")


def test_a_metric_cannot_be_trained_on():
    found = refusal(train_loss="accuracy")
    assert (
        found.startswith("fit.train_loss: 'accuracy' cannot be trained on: it has no gradient. Use ") and "nll" in found
    )


@pytest.mark.parametrize("name", ["valid_loss", "test_loss"])
def test_losses_that_are_reported_are_one_at_least_and_each_is_named_once(name):
    for given in ([], {"out": []}, {"a": ["nll"], "out": []}):
        assert refusal(**{name: given}) == f"fit.{name}: at least one loss must be named"
    for given in (["nll", "mae", "nll"], ["nll", "cross_entropy"], {"a": ["mae"], "out": ["nll", "nll"]}):
        assert refusal(**{name: given}) == f"fit.{name} names 'nll' twice"
    several = ["nll", "error", ["top_k_error", {"k": 2}], ["top_k_error", {"k": 3}]]
    found = getattr(checked_settings({name: several}), name)
    assert [loss.column for loss in found] == ["nll", "error", "top_k_error(k=2)", "top_k_error(k=3)"]
    # Of two outputs each may have it.
    by_output = getattr(checked_settings({name: {"a": ["nll"], "b": "nll"}}), name)
    assert {output: [part_name(loss) for loss in losses] for output, losses in by_output.items()} == {
        "a": ["nll"],
        "b": ["nll"],
    }


def test_losses_are_written_by_their_names_alone_where_all_parameters_are_the_defaults():
    settings = checked_settings(
        {"train_loss": ["huber", {"delta": 1.0}], "valid_loss": ["mae", ["huber", {"delta": 2.0}]]}
    )
    found = settings.model_dump(mode="json")
    assert (found["train_loss"], found["valid_loss"]) == ("huber", ["mae", ["huber", {"delta": 2.0}]])


@pytest.mark.parametrize("name", ["n_epochs", "accumulate"])
def test_settings_do_not_change_and_unknown_ones_are_refused(name):
    with pytest.raises(ValueError, match="frozen"):
        setattr(LearningSettings(), name, 3)
    with pytest.raises(ValueError, match="not permitted"):
        LearningSettings(**{f"{name}s": 3})


HALVED = rule("step", multiply_by=0.5, n_epochs=2)


def test_rules_of_numbers_are_named_by_layer_and_parameter_together_or_one_after_the_other():
    expected = checked_settings({"rules": {"fc1.l2": HALVED, "fc1.l1": HALVED, "out.l2": HALVED}}).rules
    nested = {"fc1": {"l2": HALVED, "l1": {"rule": "step", "multiply_by": 0.5, "n_epochs": 2}}, "out.l2": HALVED}
    assert checked_settings({"rules": nested}).rules == expected
    assert list(expected) == ["fc1.l2", "fc1.l1", "out.l2"] and expected["out.l2"] == build("rule", HALVED)


def test_rules_of_numbers_are_written_out_whole():
    found = checked_settings({"rules": {"fc1.l2": HALVED}}).model_dump(mode="json")["rules"]
    params = {"initial_value": None, "n_epochs": 2, "n_updates": None, "final_value": None, "multiply_by": 0.5}
    weight = {"train_loss": {"out2": {"weight": HALVED}}}
    assert list(checked_settings({"rules": weight}).rules) == ["train_loss.out2.weight"]
    assert found == {"fc1.l2": ["step", params]} and checked_settings({"rules": found}).rules == {
        "fc1.l2": build("rule", HALVED)
    }


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ("step", "fit.rules must be a mapping from names to a rule each; got 'step'"),
        ({"fc1.l2": ["stepp"]}, "fit.rules.fc1.l2: unknown rule 'stepp'. Did you mean 'step'?"),
        ({"a.l2": rule("step", n_epochs=2), "b.l2": rule("step")}, "fit.rules.a.l2: multiply_by must be given"),
    ],
    ids=str,
)
def test_rules_of_numbers_that_are_none_are_refused_by_name(rules, words):
    assert refusal(rules=rules).startswith(words)
    assert len(refusal(rules=rules).splitlines()) == len(rules) or rules == "step"
