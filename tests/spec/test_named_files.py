"""Where relative paths start: in a config from its folder, on the command line from the working directory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import arignote

from arignote.registry import PathForm
from arignote.spec.config import read_config
from arignote.spec.named_files import from_folder

LAYERS = "layers: [[ClassificationOutputLayer, {name: output}]]"
PATHS = """\
data:
  train: {features: {a: ../x.h5:/a, b: "/d/x.h5:/b"}, labels: "$HERE/y.csv:y"}
  valid: {features: {a: v.npy, b: "~/v.h5:/table:0:3"}, labels: {output: y.csv}}
  groups: ./g.csv
  sample_weight: w.csv:w
stored_network: runs/old
layers:
  - [InputLayer, {channel: a}]
  - [InputLayer, {channel: b}]
  - [ConcatLayer, {inputs: [a, b]}]
  - [ClassificationOutputLayer, {name: output}]
fit:
  checkpoint: ../runs/
  profile: times.txt
  preemption: "file:stop"
  log: run.jsonl
  observers: [[CSVLog, {path: run.csv}], {observer: tensorboardlog, path: /d/board}]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with a folder `configs` beside it and one of the same name within."""
    (tmp_path / "work" / "configs").mkdir(parents=True)
    (tmp_path / "configs").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HERE", "/here")
    monkeypatch.setenv("HOME", "/home/me")
    return tmp_path


def test_every_path_in_a_file_starts_from_its_folder(folder):
    (folder / "configs" / "a.yaml").write_text(PATHS)
    spec = read_config(Path("../configs/a.yaml"))
    assert spec.data.train.features == {"a": "../x.h5:/a", "b": "/d/x.h5:/b"}
    assert spec.data.train.labels == "$HERE/y.csv:y"
    assert spec.data.valid.features == {"a": "../configs/v.npy", "b": "~/v.h5:/table:0:3"}
    assert spec.data.valid.labels == {"output": "../configs/y.csv"}
    assert (spec.data.groups, spec.data.sample_weight) == ("../configs/g.csv", "../configs/w.csv:w")
    assert spec.stored_network == "../configs/runs/old"
    assert spec.fit == {
        "checkpoint": "../runs/",
        "profile": "../configs/times.txt",
        "preemption": "file:../configs/stop",
        "log": "../configs/run.jsonl",
        "observers": [["CSVLog", {"path": "../configs/run.csv"}], ["tensorboardlog", {"path": "/d/board"}]],
    }


SET = {
    "data.train={features: {a: x.h5:/a, b: ../b.npy}, labels: y.csv:y}": ("data", "train", "features", "a", "x.h5:/a"),
    "data.valid.labels.output=y.csv": ("data", "valid", "labels", "output", "y.csv"),
    "data.groups=sub/g.csv": ("data", "groups", "sub/g.csv"),
    "data={train: {features: {a: u.npy, b: u.npy}}}": ("data", "train", "features", "b", "u.npy"),
    "stored_network=old": ("stored_network", "old"),
    "fit.checkpoint=runs/": ("fit", "checkpoint", "runs/"),
    "fit.profile=p.txt": ("fit", "profile", "p.txt"),
    "fit.preemption=file:stop": ("fit", "preemption", "file:stop"),
    "fit={checkpoint: here}": ("fit", "checkpoint", "here"),
}


@pytest.mark.parametrize(("setting", "found"), SET.items(), ids=SET)
def test_every_path_of_set_starts_from_the_working_directory_and_others_from_the_folder(setting, found, folder):
    (folder / "configs" / "a.yaml").write_text(PATHS)
    spec = read_config(Path("../configs/a.yaml"), [setting], data_dir=Path("/data"))
    *keys, expected = found
    value = spec.model_dump()
    for key in keys:
        value = value[key]
    assert value == expected
    if "data=" not in setting:
        assert spec.data.sample_weight == "/data/w.csv:w"
    if keys[0] != "stored_network":
        assert spec.stored_network == "../configs/runs/old"


def test_layers_and_data_of_set_are_found_from_the_working_directory(folder):
    (folder / "configs" / "a.yaml").write_text("layers: net.yaml\n")
    (folder / "configs" / "net.yaml").write_text(LAYERS.replace("output}", "beside}"))
    (folder / "work" / "net.yaml").write_text(LAYERS.replace("output}", "here}"))
    np.savez(folder / "work" / "x.npz", x=np.eye(4), y=np.arange(4) % 2)
    config = Path("../configs/a.yaml")
    assert read_config(config).layers[0][1]["name"] == "beside"
    assert read_config(config, ["layers=net.yaml"]).layers[0][1]["name"] == "here"
    ended = arignote("check", config, "--data", "--set", "data.train={features: x.npz:x, labels: x.npz:y}")
    assert ended.code == 0 and "train: x.npz:x (4, 4) float64, labels x.npz:y" in ended.out


def test_a_folder_may_have_a_colon_in_its_name(folder):
    config = folder / "configs" / "at 12:30" / "a.yaml"
    config.parent.mkdir()
    (config.parent / "x.csv").write_text("a,b,y\n1,2,0\n3,4,1\n")
    config.write_text(f"{LAYERS}\ndata: {{train: {{features: 'x.csv:a,b', labels: 'x.csv:y'}}}}\n")
    assert "(2, 2)" in arignote("check", config, "--data").out


def test_the_folder_above_a_link_is_that_of_the_folder_to_which_it_leads(folder):
    (folder / "far" / "configs").mkdir(parents=True)
    (folder / "work" / "link").symlink_to(folder / "far" / "configs")
    assert from_folder(Path("link"), "../x.npy", PathForm.SOURCE) == "link/../x.npy"
    assert from_folder(Path("configs"), "../x.npy", PathForm.SOURCE) == "x.npy"
    assert from_folder(Path("link"), "s3://bucket/../run", PathForm.PATH) == "s3://bucket/../run"
