"""`arignote render`: a config with all defaults, names and shapes, which is the same config when it is read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import arignote

from arignote.fit.preview.render import render
from arignote.layers.layer_list import parse
from arignote.registry import dump
from arignote.spec.config import read_config
from arignote.spec.run_spec import RunSpec
from arignote.spec.settings import FitSettings

ROOT = Path(__file__).parents[3]
CONFIG = """\
include: common/base.yaml
data: {train: {features: x.npz:x, labels: x.npz:y}, valid: 0.25}
layers:
  - [Block, {name: low, repeat: 2, layers: [[FCLayer, &fc {n_units: 5}]]}]
  - [DropoutLayer, {dropout_p: 0.5}]
  - [FCLayer, {<<: *fc, name: last, load_params: null}]
  - [ClassificationOutputLayer]
fit: {batch_size: 8, lr_rule: 0.1}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with a config in `mine`, which includes one in `mine/common`."""
    (tmp_path / "mine" / "common").mkdir(parents=True)
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "mine" / "x.npz", x=rng.normal(size=(40, 3)).astype(np.float32), y=np.arange(40) % 2)
    (tmp_path / "mine" / "common" / "base.yaml").write_text(
        "rng: 5\nlayer_defaults: {activation: tanh}\nfit: {n_epochs: 2, checkpoint: ../runs/a, profile: p.txt}\n"
    )
    (tmp_path / "mine" / "a.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def content(spec):
    layers = [dump(layer) for layer in parse(spec.layers, spec.layer_defaults)]
    return spec.name, spec.rng, spec.data, spec.stored_network, layers, FitSettings(**spec.fit), "verbose" in spec.fit


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((ROOT / "arignote" / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_what_is_rendered_has_the_same_content_and_is_rendered_as_the_same_text(path, tmp_path, monkeypatch):
    # Without the files of MNIST, the shapes of these networks are not known.
    monkeypatch.setenv("ARIGNOTE_DATA", str(tmp_path))
    # That of the default is in the working directory, not in the folder of the file.
    spec = read_config(path, [f"fit.checkpoint={tmp_path}/run"])
    (tmp_path / "full.yaml").write_text(render(spec, tmp_path))
    again = read_config(tmp_path / "full.yaml")
    assert content(again) == content(spec)
    assert render(again, tmp_path) == (tmp_path / "full.yaml").read_text()
    assert ("# Shapes are not known" in render(spec)) == path.stem.startswith("mnist")


def test_defaults_names_and_shapes_are_written_and_paths_lead_to_the_same_files(folder):
    (folder / "out").mkdir()
    ended = arignote("render", "mine/a.yaml", "--set", "fit.n_epochs=3", "--out", "out/full.yaml")
    assert ended.code == 0 and ended.out == "written into out/full.yaml\n"
    text = (folder / "out" / "full.yaml").read_text()
    # Two of 5 units on 3 and on 5 numbers, one more, and 2 classes: 3 * 5 + 5, 5 * 5 + 5, 5 * 2 + 2 parameters.
    shapes = [line.strip() for line in text.splitlines() if line.startswith("  # ")]
    assert shapes == [
        "# 3 -> 3, 0 parameters",
        "# 3 -> 5, 20 parameters",
        "# 5 -> 5, 30 parameters",
        "# 5 -> 5, 0 parameters",
        "# 5 -> 5, 30 parameters",
        "# 5 -> 2, 12 parameters",
    ]
    for line in (
        "rng: 5",
        "    features: ../mine/x.npz:x",
        "  valid: 0.25",
        "  n_epochs: 3",
        "  lr_rule: [const, {initial_value: 0.1}]",
        "  checkpoint: ../mine/runs/a",
        "  profile: ../mine/common/p.txt",
        "  train_loss: null  # nll",
        "  valid_loss: null  # [nll, error]",
        "  shuffle: true",
    ):
        assert line in text.splitlines(), line
    assert "[FCLayer, {name: low-2-fc1, input: null, " in text and "activation: [tanh, {}]}]" in text
    keys = [line.partition(":")[0] for line in text.splitlines()]
    assert "  verbose" not in keys
    # Those of a config, in their order, without those that are filled in.
    own = [key for key in RunSpec.model_fields if key not in ("include", "layer_defaults")]
    assert [key for key in keys if key[0] not in " #"] == own


def test_the_fit_of_what_is_rendered_has_the_same_weights(folder):
    arignote("render", "mine/a.yaml", "--out", "full.yaml")
    found = []
    for config, stem in (("mine/a.yaml", "one"), ("full.yaml", "two")):
        quick = ["--set", f"fit.checkpoint={stem}", "--set", "fit.profile=false"]
        assert arignote("fit", config, *quick).code == 0
        found.append(json.loads(arignote("inspect", stem, "--json").out)["weights_sha256"])
    assert found[0] == found[1]


def test_standard_output_has_absolute_paths(folder):
    text = arignote("render", "mine/a.yaml").out
    assert f"features: {folder}/mine/x.npz:x\n" in text and f"checkpoint: {folder}/mine/runs/a\n" in text
    assert arignote("render", "mine/a.yaml", "--out", "-").out == text


def test_what_names_no_local_file_and_what_has_parameters_stays_as_it_is(folder, monkeypatch):
    monkeypatch.setenv("HERE", str(folder / "mine"))
    (folder / "seen.py").write_text("class Seen:\n    def __init__(self, n):\n        pass\n")
    monkeypatch.syspath_prepend(folder)
    settings = [
        "data.train={features: '$HERE/x.npz:x', labels: '${HERE}/x.npz:y'}",
        "fit.checkpoint=s3://bucket/run",
        'fit.observers=["seen:Seen", {n: 1}]',
        "fit.preemption=file:/etc/stop",
        "fit.verbose=true",
        "fit.extra_metadata={'1e3': 'no', a: [null, 1.5e-7, '']}",
    ]
    (folder / "full.yaml").write_text(render(read_config(Path("mine/a.yaml"), settings), folder))
    spec = read_config(Path("full.yaml"))
    assert spec.data.train.features == "$HERE/x.npz:x" and spec.fit["checkpoint"] == "s3://bucket/run"
    assert spec.fit["observers"] == ["seen:Seen", {"n": 1}] and spec.fit["preemption"] == "file:/etc/stop"
    assert spec.fit["verbose"] is True and spec.fit["extra_metadata"] == {"1e3": "no", "a": [None, 1.5e-7, ""]}


def test_shapes_without_data_follow_from_the_input_layer_or_are_not_known(folder):
    others = "[FCLayer, {n_units: 3, activation: relu}], [ClassificationOutputLayer, {n_classes: 2}]"
    layers = f"layers: [[InputLayer, {{n_in: 4}}], {others}]"
    (folder / "b.yaml").write_text(layers)
    assert "# 4 -> 3, 15 parameters" in arignote("render", "b.yaml").out
    (folder / "b.yaml").write_text(layers.replace("{n_in: 4}", "{}"))
    assert "# Shapes are not known without data: " in arignote("render", "b.yaml").out
    (folder / "x.npz").write_bytes(b"")
    ended = arignote("render", "mine/a.yaml", "--set", "data.train.features=x.npz:x")
    assert ended.code == 0 and "# Shapes are not known: x.npz" in ended.out


def test_losses_of_many_outputs_are_one_comment(folder):
    outputs = ", ".join(f"[ClassificationOutputLayer, {{name: output_number_{k}, n_classes: 2}}]" for k in range(9))
    (folder / "b.yaml").write_text(f"layers: [[InputLayer, {{n_in: 4}}], {outputs}]")
    assert arignote("render", "b.yaml", "--out", "full.yaml").code == 0
    assert "output_number_8: nll}\n" in (folder / "full.yaml").read_text()
    assert read_config(Path("full.yaml")).fit["train_loss"] is None


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("mine/../mine/a.yaml", "must be another file than the config"),
        ("mine/common/base.yaml", "must be another file than the config"),
        ("a.json", "must end in .yaml or .yml; got 'a.json'"),
        ("nowhere/a.yaml", "cannot be written: No such file"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused(out, message, folder):
    ended = arignote("render", "mine/a.yaml", "--out", out)
    assert ended.code == 2 and message in ended.err
    assert (folder / "mine" / "a.yaml").read_text() == CONFIG


def test_a_file_is_kept_though_others_replace_all_of_its_values(folder):
    for name, more in (("base", ""), ("layers", ""), ("main", "include: base.yaml\n")):
        (folder / f"{name}.yaml").write_text(
            f"{more}rng: 1\nlayers: [[InputLayer, {{n_in: 2}}], [RegressionOutputLayer]]\n"
        )
    named = "include: main.yaml\nlayers: layers.yaml\n"
    (folder / "named.yaml").write_text(named)
    for out in ("base", "main", "layers", "named"):
        ended = arignote("render", "named.yaml", "--set", "rng=2", "--out", f"{out}.yaml")
        assert ended.code == 2 and "must be another file than the config" in ended.err, out


def test_a_config_that_ships_is_rendered_by_its_name_over_what_was_rendered_before(folder):
    for _ in range(2):
        assert arignote("render", "digits_mlp", "--out", "full.yaml").code == 0
    assert read_config(Path("full.yaml")).name == "digits_mlp"
