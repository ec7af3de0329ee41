"""Config is data: one network from a list, JSON and YAML; every fault with its line and column."""

from __future__ import annotations

import json

import pytest

from arignote.config import read_config, read_layers
from arignote.errors import ConfigError
from arignote.layers import declare, parse

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


def test_all_faults_come_in_one_report_with_file_line_and_column(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(
        YAML.replace("n_units: 64", "n_units: -5").replace("Dropout", "Dropot").replace("n_epochs: 3", "n_epoch: 3")
    )
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    text = str(caught.value)
    assert f"{path}:4:27: layers[0].n_units (FCLayer 'fc1'): n_units must be an integer >= 1; got -5" in text
    assert f"{path}:5:5: layers[1]: unknown layer 'Dropot'. Did you mean 'Dropout" in text
    assert f"{path}:7:7: fit.n_epoch: unknown parameter 'n_epoch'. Did you mean 'n_epochs'?" in text


def test_any_key_can_be_set_and_layers_by_name(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(YAML)
    spec = read_config(path, ["fit.n_epochs=7", "layers.fc1.n_units=128", "layers.dropout1.dropout_p=0.5"])
    assert spec.fit["n_epochs"] == 7 and spec.fit["checkpoint"] == str(tmp_path / "runs" / "a")
    assert spec.layers[0][1]["n_units"] == 128 and spec.layers[1][1]["dropout_p"] == 0.5
    with pytest.raises(ConfigError, match="there is no layer 'fc9'; layers: input, fc1, dropout1, output"):
        read_config(path, ["layers.fc9.n_units=1"])


@pytest.mark.parametrize(("text", "words"), [("a: [1", "is not YAML"), ("3", "must be a mapping"), ("x: 1", "layers")])
def test_a_file_that_is_no_config_is_told(text, words, tmp_path):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_config(tmp_path / "a.yaml")


def test_a_tag_that_names_python_runs_nothing(tmp_path):
    (tmp_path / "a.yaml").write_text(f"layers: !!python/object/apply:os.mkdir ['{tmp_path}/made']\n")
    with pytest.raises(ConfigError):
        read_config(tmp_path / "a.yaml")
    assert not (tmp_path / "made").exists()
