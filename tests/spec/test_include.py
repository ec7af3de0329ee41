"""``include: base.yaml``: what is merged, where its paths start, and which file a message names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import arignote

from arignote.errors import ConfigError
from arignote.spec.config import read_config

BASE = """\
name: base
data:
  train: {features: x.npz:x, labels: x.npz:y}
  valid: 0.5
layer_defaults: {activation: relu, l2: 0.1}
layers:
  - [FCLayer, {n_units: 3}]
  - [ClassificationOutputLayer]
fit: {n_epochs: 2, lr_rule: {rule: linear, final_value: 0, n_epochs: 4}, augmentation: [Noise, {sigma: 1.0}]}
"""
MAIN = """\
include: ../shared/base.yaml
rng: 3
data: {valid: null, test: {features: t.npz:x}}
layer_defaults: {l2: 0.0}
fit: {batch_size: 4, lr_rule: {n_epochs: 9}, augmentation: [Shift, {max_shift: 1}]}
"""
# MAIN and BASE as one file in the folder of MAIN, merged by hand.
WHOLE = """\
name: base
rng: 3
data: {train: {features: ../shared/x.npz:x, labels: ../shared/x.npz:y}, valid: null, test: {features: t.npz:x}}
layer_defaults: {activation: relu, l2: 0.0}
layers: [[FCLayer, {n_units: 3}], [ClassificationOutputLayer]]
fit:
  n_epochs: 2
  batch_size: 4
  lr_rule: {rule: linear, final_value: 0, n_epochs: 9}
  augmentation: [Shift, {max_shift: 1}]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with the folders `shared`, which has BASE, and `mine`."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "shared" / "base.yaml").write_text(BASE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(text, name="mine/a.yaml"):
    Path(name).write_text(text)
    return Path(name)


def test_mappings_are_merged_at_any_depth_and_all_else_is_replaced(folder):
    assert read_config(written(MAIN)) == read_config(written(WHOLE, "mine/whole.yaml"))


def test_of_a_list_the_later_file_wins_and_files_of_files_come_before_them(folder):
    (folder / "shared" / "net.json").write_text(
        '{"rng": 1, "layers": [["FCLayer", {"n_units": 7}], ["ClassificationOutputLayer"]]}'
    )
    (folder / "shared" / "both.yaml").write_text("include: [base.yaml, net.json]\nfit: {n_epochs: 5}\n")
    spec = read_config(written("include: [../shared/both.yaml, ../shared/net.json]\nname: mine\nfit:\n"))
    assert (spec.name, spec.rng, spec.fit["n_epochs"]) == ("mine", 1, 5)
    assert spec.layers == [["FCLayer", {"n_units": 7}], ["ClassificationOutputLayer"]] and spec.data.valid == 0.5
    assert read_config(written("include: []\n" + WHOLE)) == read_config(written(WHOLE, "mine/whole.yaml"))


def test_a_file_of_layers_is_beside_the_file_that_names_it_and_set_writes_into_its_layers(folder):
    (folder / "shared" / "net.yaml").write_text("layers: net_of_base.yaml")
    (folder / "shared" / "net_of_base.yaml").write_text(
        "[[FCLayer, {name: a, n_units: 0}], [ClassificationOutputLayer]]"
    )
    path = written("include: ../shared/net.yaml")
    assert read_config(path, ["layers.a.n_units=5"]).layers[0][1]["n_units"] == 5
    with pytest.raises(ConfigError, match=r"^shared/net_of_base.yaml:1:22: layers.*n_units must be"):
        read_config(path)


def test_each_message_names_the_file_and_the_line_of_its_value(folder):
    (folder / "shared" / "base.yaml").write_text(BASE.replace("n_epochs: 2", "n_epochs: -2").replace("3}", "0}"))
    text = MAIN.replace("n_epochs: 9}", "n_epochs: 9, rate: 1}") + "nmae: x\n"
    with pytest.raises(ConfigError) as raised:
        read_config(written(text), ["fit.batch_size=0"])
    starts = [line.partition(": ")[0] for line in str(raised.value).splitlines()]
    assert starts == [
        "mine/a.yaml:5:45",
        "mine/a.yaml:6:1",
        "shared/base.yaml:7:16",
        "shared/base.yaml:9:7",
        "--set fit.batch_size=0",
    ]


def test_a_mapping_that_a_list_replaces_is_no_longer_of_its_files(folder):
    (folder / "shared" / "more.yaml").write_text("include: base.yaml\nfit: {lr_rule: {n_epochs: 3}}\n")
    path = written("include: ../shared/more.yaml\nfit: {lr_rule: [linear, {final_value: 0, n_epochs: 0}]}\n")
    with pytest.raises(ConfigError, match=r"^mine/a\.yaml:2:42: fit\.lr_rule"):
        read_config(path)


WRONG = {
    "include: no.yaml": "mine/a.yaml:1:1: include: mine/no.yaml: there is no such file",
    "include: ../shared/": "mine/a.yaml:1:1: include: shared: is a folder, not a config",
    "include: [../shared/base.yaml, 3]": "mine/a.yaml:1:32: include[1]: must be the path of a config, or a list of "
    "paths; got 3",
    "include: {a: b}": "mine/a.yaml:1:1: include: must be the path of a config, or a list of paths; got {'a': 'b'}",
    "include: ''": "mine/a.yaml:1:1: include: must be the path of a config, or a list of paths; got ''",
    "include: ../mine/../mine/a.yaml": "mine/a.yaml:1:1: include: mine/a.yaml includes mine/a.yaml. Leave one of "
    "them out",
    "include: ../shared/back.yaml": "shared/back.yaml:2:1: include: mine/a.yaml includes shared/back.yaml includes "
    "mine/a.yaml. Leave one of them out",
    "include: ../shared/list.yaml": "shared/list.yaml: must be a mapping with the keys include, name, rng, data, ",
    "include: ../shared/broken.yaml": "shared/broken.yaml:1:9: is not YAML",
    "include: ../shared/64.yaml": "shared/15.yaml:1:11: include[0]: must be at most 50 files, with those that they ",
    "include: ../shared/8.yaml": "shared/1.yaml:1:19: include[1]: must be at most 50 files, with those that they ",
}


@pytest.mark.parametrize(("text", "message"), WRONG.items(), ids=WRONG)
def test_what_cannot_be_included_is_refused_with_its_place(text, message, folder):
    (folder / "shared" / "back.yaml").write_text("rng: 1\ninclude: ../mine/a.yaml\n")
    (folder / "shared" / "list.yaml").write_text("[1]")
    (folder / "shared" / "broken.yaml").write_text("name: [1")
    # Each file twice the one before: 2**64 files, in 64 levels.
    (folder / "shared" / "0.yaml").write_text("rng: 1")
    for number in range(1, 65):
        (folder / "shared" / f"{number}.yaml").write_text(f"include: [{number - 1}.yaml, {number - 1}.yaml]")
    with pytest.raises(ConfigError) as raised:
        read_config(written(text))
    assert str(raised.value).startswith(message)


def test_include_is_not_for_set(folder):
    with pytest.raises(ConfigError, match=r"^--set include=b\.yaml: include is read from files only"):
        read_config(written(WHOLE), ["include=b.yaml"])


def test_a_run_of_a_config_that_includes_is_resumed_by_the_same_config_written_out(folder):
    x = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    for name in ("shared/x.npz", "mine/t.npz"):
        np.savez(name, x=x, y=np.arange(8) % 2)
    main = MAIN.replace("t.npz:x}", "t.npz:x, labels: t.npz:y}").replace("augmentation: [Shift, {max_shift: 1}]", "")
    whole = WHOLE.replace("t.npz:x}", "t.npz:x, labels: t.npz:y}").replace(
        "  augmentation: [Shift, {max_shift: 1}]", ""
    )
    main = main.replace("lr_rule: {n_epochs: 9}", "augmentation: null, lr_rule: {n_epochs: 9}")
    run = ["--set", "fit.checkpoint=runs/one"]
    assert arignote("fit", written(main), *run, "--set", "fit.n_epochs=1").code == 0
    ended = arignote("fit", written(whole, "mine/whole.yaml"), *run)
    assert ended.code == 0 and "resumes at epoch 2" in ended.out, ended
