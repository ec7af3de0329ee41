"""Shapes that do not fit are reported with the line of the layer, by each command that declares a network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import arignote

from arignote import ConfigError
from arignote.layers import declare, parse
from arignote.spec.config import read_config
from arignote.spec.run_spec import RunSpec

DATA = "data: {train: {features: x.npy, labels: y.npy}, valid: 0.2}\nfit: {n_epochs: 1, batch_size: 4, n_threads: 1}\n"
LAYERS = """\
- [ConvLayer, {n_output_maps: 2, filter_shape: 3, activation: relu}]
- [MaxPool2DLayer, {pool_shape: 2}]
- [ConvLayer, {n_output_maps: 2, filter_shape: 5, activation: relu}]
- [ClassificationOutputLayer]
"""
FAULT = "(ConvLayer 'conv2'): filter_shape [5, 5] is larger than its map [3, 3]"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working directory with twelve images of 8x8 pixels."""
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.zeros((12, 1, 8, 8), dtype=np.float32))
    np.save("y.npy", np.arange(12) % 2)


def config(layers, name="c.yaml"):
    indented = "".join(f"  {line}\n" for line in layers.splitlines())
    Path(name).write_text(f"{DATA}layers:\n{indented}")


@pytest.mark.parametrize("words", [["fit"], ["check", "--data"], ["summary"], ["tune", "--dry-run"]], ids=" ".join)
def test_a_filter_that_does_not_fit_is_reported_with_its_line(words):
    config(LAYERS)
    ended = arignote(words[0], "c.yaml", *words[1:])
    assert ended.code == 2 and ended.err == f"error: c.yaml:6:5: layers[2] {FAULT}\n"


def test_a_layer_within_a_block_has_its_own_line():
    block = """\
- - Block
  - name: res
    repeat: 2
    layers:
      - [ConvLayer, {n_output_maps: 1, filter_shape: 3, activation: relu}]
      - [ConvLayer, {n_output_maps: 1, filter_shape: 3, activation: relu}]
- [ClassificationOutputLayer]
"""
    config(block)
    # 8 - 2 - 2 - 2 = 2 pixels come to the fourth convolution.
    ended = arignote("summary", "c.yaml")
    fault = "(ConvLayer 'res-2-conv2'): filter_shape [3, 3] is larger than its map [2, 2]"
    assert ended.err == f"error: c.yaml:9:11: layers[0].layers[1] {fault}\n"


def test_a_file_of_layers_is_named_and_so_is_json():
    Path("layers.yaml").write_text(LAYERS)
    Path("c.yaml").write_text(f"{DATA}layers: layers.yaml\n")
    assert arignote("summary", "c.yaml").err == f"error: layers.yaml:3:3: layers[2] {FAULT}\n"
    Path("c.json").write_text(
        '{"layers": [\n["InputImageLayer", {"n_pixels": 2}],\n["ConvLayer", {"n_output_maps": 2, "filter_shape": 3}],\n'
        '["ClassificationOutputLayer", {"n_classes": 2}]]}'
    )
    fault = "layers[1] (ConvLayer 'conv1'): filter_shape [3, 3] is larger than its map [2, 2]"
    assert arignote("summary", "c.json").err == f"error: c.json:3:1: {fault}\n"


def test_parameters_that_cannot_be_shared_and_modules_that_cannot_be_built_are_reported_with_their_line():
    config("""\
- [FCLayer, {name: one, n_units: 3}]
- [FCLayer, {n_units: 3, share: one}]
- [ClassificationOutputLayer]
""")
    ended = arignote("summary", "c.yaml")
    assert ended.err.startswith("error: c.yaml:5:28: layers[1] (FCLayer 'fc1'): share: FCLayer with parameters of")
    config("- [TorchLayer, {module: 'torch.nn:Conv2d'}]\n- [ClassificationOutputLayer]\n")
    ended = arignote("summary", "c.yaml")
    assert ended.err.startswith("error: c.yaml:4:5: layers[0] (TorchLayer 'torch1'): Conv2d({}) fails: TypeError")


def test_other_faults_are_reported_beside_it_by_check():
    config(LAYERS)
    np.save("short.npy", np.zeros(3))
    text = Path("c.yaml").read_text().replace("valid: 0.2", "valid: 0.2, groups: short.npy")
    Path("c.yaml").write_text(text)
    ended = arignote("check", "c.yaml", "--data")
    assert "groups (short.npy) must have the shape (12,)" in ended.err and f"c.yaml:6:5: layers[2] {FAULT}" in ended.err


def test_in_python_the_layer_is_named():
    layers = [["ConvLayer", {"n_output_maps": 2, "filter_shape": 5}], ["ClassificationOutputLayer", {"n_classes": 2}]]
    with pytest.raises(ConfigError, match=r"^conv1: filter_shape \[5, 5\] is larger than its map \[3, 3\]$"):
        declare(parse(layers), (1, 3, 3))
    spec = RunSpec(layers=layers)
    with pytest.raises(ConfigError, match=r"^conv1: filter_shape"), spec.naming_lines():
        declare(parse(spec.layers), (1, 3, 3))


def test_errors_about_other_things_stay_as_they_are():
    config(LAYERS)
    error = ConfigError("something else")
    with pytest.raises(ConfigError) as caught, read_config(Path("c.yaml")).naming_lines():
        raise error
    assert caught.value is error
