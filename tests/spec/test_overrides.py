"""``--set key=value``: which key of a config it writes, and in which form."""

from __future__ import annotations

import copy

import pytest

from arignote.errors import ConfigError
from arignote.spec.config import read_config
from arignote.spec.overrides import override
from arignote.spec.settings import checked_settings

# A section fit, a setting, and the section afterwards.
WRITTEN = [
    ({}, "fit.n_epochs=3", {"n_epochs": 3}),
    ({"sgd_type": "adam"}, "fit.sgd_type.beta1=0.8", {"sgd_type": ["adam", {"beta1": 0.8}]}),
    (
        {"lr_rule": ["linear", {"final_value": 0, "n_epochs": 9}]},
        "fit.lr_rule.n_epochs=5",
        {"lr_rule": ["linear", {"final_value": 0, "n_epochs": 5}]},
    ),
    ({"lr_rule": 0.1}, "fit.lr_rule.initial_value=0.2", {"lr_rule": ["const", {"initial_value": 0.2}]}),
    ({"lr_rule": None}, "fit.lr_rule.rule=stalled", {"lr_rule": {"rule": "stalled"}}),
    (
        {"stop_rule": {"rule": "stalled", "interval": 3}},
        "fit.stop_rule.interval=4",
        {"stop_rule": {"rule": "stalled", "interval": 4}},
    ),
    (
        {"augmentation": [["Shift", {"max_shift": 1}], ["Noise", {"sigma": 1.0}]]},
        "fit.augmentation.1.sigma=2.0",
        {"augmentation": [["Shift", {"max_shift": 1}], ["Noise", {"sigma": 2.0}]]},
    ),
    (
        {"augmentation": {"augmentation": "Shift", "max_shift": 1}},
        "fit.augmentation.max_shift=2",
        {"augmentation": {"augmentation": "Shift", "max_shift": 2}},
    ),
    (
        {"rules": {"fc1.l2": ["linear", {"final_value": 0, "n_epochs": 9}]}},
        "fit.rules.fc1.l2.n_epochs=3",
        {"rules": {"fc1.l2": ["linear", {"final_value": 0, "n_epochs": 3}]}},
    ),
    ({"windows": {"length": 3}}, "fit.windows.step=2", {"windows": ["windows", {"length": 3, "step": 2}]}),
    ({"extra_metadata": {"a": {"b": 1}}}, "fit.extra_metadata.a.c=2", {"extra_metadata": {"a": {"b": 1, "c": 2}}}),
]


@pytest.mark.parametrize(("fit", "setting", "expected"), WRITTEN, ids=[case[1] for case in WRITTEN])
def test_a_setting_is_written_into_a_part_of_any_form(fit, setting, expected):
    values, before = {"fit": fit}, copy.deepcopy(fit)
    assert list(override(values, [setting]).values()) == [setting]
    assert values == {"fit": expected} and fit == before


def test_several_settings_write_into_the_same_part():
    values = {}
    written = override(
        values, ["fit.lr_rule.rule=exponential", "fit.lr_rule.multiply_by=0.5", "fit.lr_rule.n_epochs=2"]
    )
    assert checked_settings(values["fit"]).lr_rule.multiply_by == 0.5
    assert written == {
        ("fit",): "fit.lr_rule.rule=exponential",
        ("fit", "lr_rule"): "fit.lr_rule.rule=exponential",
        ("fit", "lr_rule", "rule"): "fit.lr_rule.rule=exponential",
        ("fit", "lr_rule", "multiply_by"): "fit.lr_rule.multiply_by=0.5",
        ("fit", "lr_rule", "n_epochs"): "fit.lr_rule.n_epochs=2",
    }


REFUSED = {
    "fit.augmentation.2.sigma=1": "fit.augmentation is a list: write it whole, or name a position: 0, 1",
    "fit.augmentation.sigma=1": "fit.augmentation is a list: write it whole, or name a position: 0, 1",
    "fit.monitor.0=fc1": "fit.monitor is a list: write it whole",
    "fit.n_epochs.x=1": "fit.n_epochs has no keys",
    "fit.preprocess.0.x=1": "fit.preprocess has no keys",
    "layers.output=1": "name a parameter too, as in layers.fc1.n_units=128",
    "layers.fc1.n_units=1": "there is no layer 'fc1'; layers: output",
}


@pytest.mark.parametrize("setting", REFUSED)
def test_a_key_that_is_not_there_is_refused(setting):
    fit = {"augmentation": [["Shift", {"max_shift": 1}], ["Noise", {"sigma": 1.0}]], "monitor": ["fc1"], "n_epochs": 3}
    fit["preprocess"] = 5
    with pytest.raises(ConfigError) as caught:
        override({"layers": [["ClassificationOutputLayer"]], "fit": fit}, [setting])
    assert str(caught.value) == f"--set {setting}: {REFUSED[setting]}"


def test_a_wrong_value_within_a_part_is_reported_as_that_of_set(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("layers: [[ClassificationOutputLayer]]\nfit:\n  lr_rule: [step, {multiply_by: 0.5, n_epochs: 2}]\n")
    with pytest.raises(ConfigError) as caught:
        read_config(path, ["fit.lr_rule.n_epochs=0"])
    assert str(caught.value) == ("--set fit.lr_rule.n_epochs=0: fit.lr_rule.n_epochs must be an integer >= 1; got 0")
