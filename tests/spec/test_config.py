"""Config is data: one network from a list, JSON and YAML; every fault with its line and column."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from arignote.cli import app
from arignote.errors import ConfigError
from arignote.layers import declare, parse
from arignote.spec.config import read_config, read_layers

YAML = """\
name: small
layer_defaults: {activation: relu}
layers:
  - [FCLayer, {name: fc1, n_units: 64, l2: 1e-3}]
  - [Dropout, {dropout_p: 0.25}]
  - [ClassificationOutputLayer, {n_classes: 10}]
fit: {n_epochs: 3, checkpoint: runs/a}
"""


def test_list_json_and_yaml_give_the_same_network(tmp_path):
    layers = [
        ["FCLayer", {"name": "fc1", "n_units": 64, "l2": 0.001}],
        ["Dropout", {"dropout_p": 0.25}],
        ["ClassificationOutputLayer", {"n_classes": 10}],
    ]
    (tmp_path / "a.yaml").write_text(YAML)
    (tmp_path / "a.json").write_text(json.dumps(layers))
    specs = [
        declare(parse(found), (64,)).spec()
        for found in (layers, read_layers(tmp_path / "a.json"), read_layers(tmp_path / "a.yaml"))
    ]
    assert specs[0] == specs[1] == specs[2]
    assert specs[0][1][1]["l2"] == 0.001


def test_any_key_can_be_set_and_layers_by_name(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(YAML)
    spec = read_config(path, ["fit.n_epochs=7", "layers.fc1.n_units=128", "layers.dropout1.dropout_p=0.5"])
    assert spec.fit["n_epochs"] == 7 and spec.fit["checkpoint"] == str(tmp_path / "runs" / "a")
    assert spec.layers[0][1]["n_units"] == 128 and spec.layers[1][1]["dropout_p"] == 0.5
    assert read_config(path, ["layers.fc1.lr_factor=0.1"]).layers[0][1]["lr_factor"] == 0.1
    with pytest.raises(ConfigError, match="there is no layer 'fc9'; layers: fc1, dropout1, output"):
        read_config(path, ["layers.fc9.n_units=1"])


@pytest.mark.parametrize(("text", "words"), [("a: [1", "is not YAML"), ("3", "must be a mapping"), ("x: 1", "layers")])
def test_a_file_that_is_not_a_config_is_reported(text, words, tmp_path):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_config(tmp_path / "a.yaml")


WRONG = {
    "data: 5": "data must be a mapping (train, valid, test, groups, sample_weight); got 5",
    "data: {train: f.h5}": "train must be a mapping of features and labels; got 'f.h5'. Write train: {features: "
    '"f.h5:/x", labels: "f.h5:/y"}',
    "data: {train: 5}": "train must be a mapping (features, labels, columns, csv, axes, color, size, mode); got 5",
    "data: {train: {features: x}, valid: '0.1'}": ", size, mode) or a number; got '0.1'. Write 0.1 without quotes",
    "data: {train: {features: x}, valid: 2}": "data.valid must be a number < 1.0; got 2",
    "data: {train: {features: x, size: a}}": "size must be a number or a list of two; got 'a'",
    "data: {train: {features: x, size: [1]}}": "size must be a list of 2; got [1]",
    "data: {train: {features: x, size: [1, 2, 3]}}": "size must be a list of 2; got [1, 2, 3]",
    "data: {train: {features: x, color: 1.5}}": "color must be an integer or text; got 1.5",
    "fit: {shuffle: yes}": "shuffle must be true or false or 'full' or 'chunks'; got 'yes'. Write true",
    "fit: {class_weight: 3}": "class_weight must be a mapping or 'balanced'; got 3",
    "fit: {class_weight: {0: a}}": "class_weight must be a number; got 'a'",
    "fit: {augmentation: [Noise, {sigma: .nan}]}": "sigma must be a finite number; got nan",
    "fit: {augmentation: [Shift, {max_shift: a}]}": "max_shift must be a number or a list of two; got 'a'",
    "fit: {augmentation: 5}": "augmentation must be [Name, {parameters}], or a list of them; got 5",
    "fit: {checkpoint: runs/a_last.ckpt}": "fit.checkpoint 'runs/a_last.ckpt' is one file of a run; "
    "did you mean 'runs/a'?",
    "fit: {checkpoint: ..}": "fit.checkpoint must be a path without a suffix, such as runs/digits; got '..'",
    "fit: {checkpoint: ''}": "fit.checkpoint must be a path without a suffix, such as runs/digits; got ''",
    "fit: {lr_rule: -1}": "fit.lr_rule must be a finite number >= 0; got -1",
    "fit: {lr_rule: .nan}": "fit.lr_rule must be a finite number >= 0; got nan",
    "fit: {lr_rule: {rule: const, initial_value: -2}}": "fit.lr_rule.initial_value must be a finite "
    "number >= 0; got -2",
    "fit: {lr_rule: [fixed, {interval: 1, final_value: -1}]}": "fit.lr_rule.final_value must be a finite number >= 0",
    "fit: {sgd_type: nag, momentum_rule: 2}": "fit.momentum_rule must be a number >= 0 and < 1; got 2",
    "fit: {sgd_type: nag, momentum_rule: {rule: fixed, decrease_by: -0.05, interval: 1}}": "fit.momentum_rule: rises "
    "without bound: give a final_value < 1",
    "fit: {sgd_type: nag, momentum_rule: {rule: fixed, multiply_by: 0.5, interval: 1, final_value: 0.95}}": ""
    "momentum_rule: final_value 0.95 can never be reached: from 0.9 the first change goes down",
    "fit: {lr_rule: {rule: fixed, multiply_by: 2, initial_value: 0, interval: 1, final_value: 1}}": "lr_rule: "
    "final_value 1.0 can never be reached: from 0.0 the first change is 0",
    "fit: {sgd_type: nag, momentum_rule: {rule: fixed, multiply_by: 2, schedule: [1]}}": "momentum_rule: rises to 1.8",
    "fit: {sgd_type: nag, momentum_rule: {rule: fixed, interval: 1, final_value: 1}}": "fit.momentum_rule.final_value "
    "must be a number >= 0 and < 1; got 1",
    "fit: {stop_rule: {rule: reached, value: .nan}}": "fit.stop_rule.value must be a finite number; got nan",
    "fit: {sgd_type: null}": "fit.sgd_type: an updater must be written [Name, {parameters}] or "
    "{updater: Name, parameters}; got null",
    "fit: {train_loss: nlll}": "fit.train_loss: unknown loss 'nlll'. Did you mean 'nll'?",
    "fit: {train_loss: error}": "fit.train_loss: 'error' cannot be trained on: it has no gradient",
    "fit: {sgd_type: sgd, momentum_rule: 0.5}": "fit.momentum_rule: this updater has no momentum",
    "fit: {device: gpu}": """fit.device must be one of "auto", "cpu", "cuda", "cuda:1" and so on; got 'gpu'""",
    "fit: {device: 'cuda:'}": "and so on; got 'cuda:'",
    "fit: {sgd_type: 5}": "an updater must be written [Name, {parameters}] or {updater: Name, parameters}; got 5",
    "fit: {valid_loss: 5}": "fit.valid_loss must be [Name, {parameters}], or a list of them; got 5",
    "layer_defaults: 5": "layer_defaults must be a mapping; got 5",
    "layers: 5": "layers must be a list of [Layer, {parameters}], or the path of a file with one; got 5",
    "layers: [[FCLayer, {n_units: 3, name: a.b}]]": "name must be a name without dots, slashes or a leading space; "
    "got 'a.b'",
    "layers: [[ConvLayer, {n_output_maps: 3, filter_shape: [1]}]]": "filter_shape must be a list of 2; got [1]",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_value_is_reported_in_our_words(text, tmp_path):
    (tmp_path / "a.yaml").write_text(text if "layers:" in text else f"{text}\nlayers: [[ClassificationOutputLayer]]")
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path / "a.yaml")
    assert str(caught.value).startswith(f"{tmp_path}/a.yaml:1:") and WRONG[text] in str(caught.value)
    assert len(caught.value.complaints) == 1


@pytest.mark.parametrize("setting", ["lr_rule: 0", "lr_rule: 1e-3", "momentum_rule: 0", "momentum_rule: 0.99"])
def test_a_rule_may_start_at_its_bound(setting, tmp_path):
    (tmp_path / "a.yaml").write_text(f"layers: [[ClassificationOutputLayer]]\nfit: {{sgd_type: nag, {setting}}}\n")
    assert read_config(tmp_path / "a.yaml").fit["sgd_type"] == "nag"


def test_a_tag_that_names_python_runs_nothing(tmp_path):
    (tmp_path / "a.yaml").write_text(f"layers: !!python/object/apply:os.mkdir ['{tmp_path}/made']\n")
    with pytest.raises(ConfigError):
        read_config(tmp_path / "a.yaml")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "text", ["fit: {valid_loss: !!python/tuple [nll, error]}", "fit: !own {n_epochs: 3}", "rng: !!int 5"]
)
def test_a_tag_is_refused_with_its_line(text, tmp_path):
    (tmp_path / "a.yaml").write_text(f"layers: [[ClassificationOutputLayer]]\n{text}\n")
    with pytest.raises(ConfigError, match=r"a\.yaml:2:\d+: a config is plain data: leave the tag '.*' out"):
        read_config(tmp_path / "a.yaml")


def test_a_file_with_bytes_that_yaml_does_not_allow_is_reported(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"name: a\0b\n")
    with pytest.raises(ConfigError, match=r"a\.yaml: is not YAML: .*not allowed"):
        read_config(tmp_path / "a.yaml")


def test_a_key_within_a_list_that_is_not_of_layers_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_text(YAML)
    settings = ["layers.fc1.n_units=3", "fit.valid_loss=[nll, error]", "fit.valid_loss.fc1=nll"]
    with pytest.raises(
        ConfigError,
        match=r"^--set fit\.valid_loss\.fc1=nll: fit\.valid_loss is a list: write it whole, or name a position: 0, 1$",
    ):
        read_config(tmp_path / "a.yaml", settings)


def test_a_string_of_layers_that_is_not_a_path_is_reported():
    with pytest.raises(ConfigError, match=r"layers must be a list of .*, or the path of .*; got 'FCLayer'"):
        read_layers(Path("FCLayer"))
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file"):
        read_layers(Path("none.yaml"))


def test_a_store_of_an_unknown_kind_is_reported_by_check(tmp_path):
    (tmp_path / "c.yaml").write_text("layers: [[ClassificationOutputLayer]]\nfit: {checkpoint: 'nowhere://a/b'}\n")
    with pytest.raises(ConfigError, match=r"checkpoint 'nowhere://a': Protocol not known: nowhere"):
        CliRunner().invoke(app, ["check", str(tmp_path / "c.yaml")], catch_exceptions=False)


def test_layers_in_a_file_of_their_own_are_set_by_name_too(tmp_path):
    (tmp_path / "l.yaml").write_text("- [FCLayer, {n_units: 3}]\n- [ClassificationOutputLayer]\n")
    (tmp_path / "c.yaml").write_text("layers: l.yaml\n")
    assert read_config(tmp_path / "c.yaml", ["layers.fc1.n_units=7"]).layers[0] == ["FCLayer", {"n_units": 7}]
    with pytest.raises(ConfigError, match=r"^--set layers\.fc1\.n_unts=7: layers\[0\]\.n_unts"):
        read_config(tmp_path / "c.yaml", ["layers.fc1.n_unts=7"])
