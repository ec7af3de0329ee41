"""Losses of a fit suit its output layer: those of the target by default, others with the line that names them."""

from __future__ import annotations

import json
import re

import pytest
from command_line import arignote

from arignote import ConfigError
from arignote.layers import parse
from arignote.registry import part_name
from arignote.spec.config import read_config
from arignote.spec.objective import losses_that_fit, objective_of, targets_of
from arignote.spec.settings import checked_settings

OUTPUTS = {
    "classes": "ClassificationOutputLayer",
    "flags": "MultilabelOutputLayer",
    "ranks": "OrdinalOutputLayer",
    "numbers": "RegressionOutputLayer",
    "same": ["RegressionOutputLayer", {"target": "same"}],
}
DEFAULTS = {
    "classes": ("nll", ["nll", "error"], ["error", "nll"]),
    "flags": ("binary_cross_entropy", ["binary_cross_entropy", "flag_error"], ["flag_error", "binary_cross_entropy"]),
    "ranks": ("nll", ["nll", "error", "rank_error"], ["error", "rank_error", "nll"]),
    "numbers": ("squared", ["squared", "mae", "r2"], ["rmse", "mae", "r2"]),
    "same": ("squared", ["squared", "mae", "r2"], ["rmse", "mae", "r2"]),
}


def objective(kind, **settings):
    output = OUTPUTS[kind] if isinstance(OUTPUTS[kind], list) else [OUTPUTS[kind]]
    return objective_of(parse([["FCLayer", {"n_units": 2}], output]), checked_settings(settings))


@pytest.mark.parametrize("kind", OUTPUTS)
def test_a_target_brings_its_losses(kind):
    found = objective(kind)
    train, valid, test = DEFAULTS[kind]
    assert found.targets.by_output.keys() == {"output"} and found.targets.of_main.named() == kind
    assert found.spec() == {"train_loss": train, "valid_loss": valid, "test_loss": test}
    assert part_name(found.train_loss["output"]) == train and found.column == found.train_loss["output"].column
    assert [part_name(loss) for loss in found.valid_loss["output"]] == valid
    assert [part_name(loss) for loss in found.test_loss["output"]] == test
    assert set([train, *valid, *test]) <= set(losses_that_fit(found.targets.of_main))


def test_losses_of_the_settings_take_the_place_of_those_of_the_target():
    found = objective("numbers", train_loss=["huber", {"delta": 2.0}], valid_loss="r2")
    assert found.spec() == {
        "train_loss": ["huber", {"delta": 2.0}],
        "valid_loss": ["r2"],
        "test_loss": ["rmse", "mae", "r2"],
    }
    assert found.train_loss["output"].delta == 2.0
    assert [loss.column for loss in found.valid_loss["output"]] == ["r2"]


@pytest.mark.parametrize(
    ("kind", "trainable", "others"),
    [
        ("classes", "brier hinge nll", "error top_k_error"),
        ("ranks", "brier nll", "error rank_error top_k_error"),
        ("flags", "binary_cross_entropy", "flag_error"),
        ("numbers", "absolute huber squared", "mae r2 rmse"),
        ("same", "absolute huber squared", "mae r2 rmse"),
    ],
)
def test_the_losses_that_fit_a_target(kind, trainable, others):
    target = objective(kind).targets.of_main
    own = {name for name in losses_that_fit(target, trainable=True) if ":" not in name}
    assert set(trainable.split()) <= own and not set(others.split()) & own
    assert set(f"{trainable} {others}".split()) <= set(losses_that_fit(target))


def test_settings_of_numbers_are_those_of_the_target():
    settings = checked_settings({"scale_target": False, "missing_targets": True})
    numbers = targets_of(parse([["RegressionOutputLayer", {"n_outputs": 3}]]), settings).of_main
    assert (numbers.n_outputs, numbers.scale_target, numbers.missing_targets) == (3, False, True)
    assert targets_of(parse([["ClassificationOutputLayer"]]), settings).of_main.named() == "classes"


def test_a_loss_is_checked_against_the_number_of_outputs():
    found = objective("classes", valid_loss=["nll", ["top_k_error", {"k": 3}]])
    found.check({"output": 4})
    with pytest.raises(ConfigError, match=r"^fit\.valid_loss\.k must be below the number of classes, 3; got 3$"):
        found.check({"output": 3})


CONFIG = """\
data: {{train: {{features: t.csv, labels: "t.csv:y"}}}}
layers:
  - [{output}]
fit:
  n_epochs: 1
  {setting}
"""
UNFIT = {
    ("RegressionOutputLayer", "train_loss: nll"): (
        "fit.train_loss 'nll' does not fit RegressionOutputLayer 'output', which fits numbers; losses that do: abs"
    ),
    ("RegressionOutputLayer", "valid_loss: [mae, error]"): "fit.valid_loss 'error' does not fit RegressionOutputLayer",
    ("RegressionOutputLayer", "test_loss: top_k_error"): "fit.test_loss 'top_k_error' does not fit",
    ("RegressionOutputLayer", "class_weight: balanced"): (
        "fit.class_weight is for one output of classes, but RegressionOutputLayer fits numbers"
    ),
    ("MultilabelOutputLayer", "balance_classes: true"): (
        "fit.balance_classes is for one output of classes, but MultilabelOutputLayer fits flags"
    ),
    ("MultilabelOutputLayer", "train_loss: squared"): "which fits flags; losses that do: binary_cross_entropy",
    ("OrdinalOutputLayer", "train_loss: hinge"): "'hinge' does not fit OrdinalOutputLayer 'output', which fits ranks",
    ("ClassificationOutputLayer", "valid_loss: rank_error"): "'rank_error' does not fit ClassificationOutputLayer",
    ("ClassificationOutputLayer", "train_loss: [huber, {delta: 2}]"): "losses that do: brier, hinge, nll",
}


@pytest.mark.parametrize(("output", "setting"), UNFIT, ids=" ".join)
def test_a_setting_that_does_not_fit_is_reported_with_its_line(output, setting, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(CONFIG.format(output=output, setting=setting))
    with pytest.raises(ConfigError) as refused:
        read_config(path)
    assert str(refused.value).startswith(f"{path}:6:3: fit.") and UNFIT[output, setting] in str(refused.value)
    assert len(refused.value.complaints) == 1


@pytest.mark.parametrize("command", ["check", "fit"])
def test_both_commands_report_it_with_its_line(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(CONFIG.format(output="RegressionOutputLayer", setting="train_loss: nll"))
    ended = arignote(command, "a.yaml")
    assert ended.code == 2 and ended.out == ""
    assert ended.err.startswith("error: a.yaml:6:3: fit.train_loss 'nll' does not fit RegressionOutputLayer 'output'")
    ended = arignote(command, "a.yaml", "--set", "fit.train_loss=squared", "--set", "fit.valid_loss=error")
    assert ended.code == 2 and ended.err.startswith(
        "error: --set fit.valid_loss=error: fit.valid_loss 'error' does not"
    )


def test_it_is_reported_beside_what_else_is_wrong_and_with_layers_of_a_file(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("nme: a\nlayers: layers.json\nfit:\n  train_loss: nll\n")
    (tmp_path / "layers.json").write_text(json.dumps([["RegressionOutputLayer"]]))
    with pytest.raises(ConfigError) as refused:
        read_config(path)
    assert re.findall(r"a\.yaml:(\d+:\d+)", str(refused.value)) == ["1:1", "4:3"]


def test_settings_or_layers_that_are_wrong_themselves_are_reported_alone(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(CONFIG.format(output="RegressionOutputLayer", setting="train_loss: nlll"))
    with pytest.raises(ConfigError, match=r"a\.yaml:6:3: fit\.train_loss: unknown loss 'nlll'") as refused:
        read_config(path)
    path.write_text(CONFIG.format(output="RegressionOutputLayr", setting="train_loss: nll"))
    with pytest.raises(ConfigError, match="unknown layer 'RegressionOutputLayr'") as refused:
        read_config(path)
    assert len(refused.value.complaints) == 1


@pytest.mark.parametrize("part", ["train", "valid", "test"])
def test_labels_of_a_network_whose_target_is_its_input_are_reported_with_their_line(part, tmp_path):
    path = tmp_path / "a.yaml"
    sources = {name: "{features: t.csv}" for name in ("train", "valid", "test")}
    sources[part] = '{features: t.csv, labels: "t.csv:y"}'
    lines = "".join(f"  {name}: {source}\n" for name, source in sources.items())
    path.write_text(f"data:\n{lines}layers:\n  - [RegressionOutputLayer, {{target: same}}]\n")
    with pytest.raises(ConfigError) as refused:
        read_config(path)
    line = 2 + list(sources).index(part)
    place = f"{path}:{line}:{len(part) + 23}"
    assert (
        str(refused.value) == f"{place}: data.{part}.labels: the target of the network is its input: leave labels out"
    )
    path.write_text("data: {train: {features: t.csv}}\nlayers:\n  - [RegressionOutputLayer, {target: same}]\n")
    assert read_config(path).data.train.labels is None
