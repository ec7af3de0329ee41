"""Configs that ship are read by their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from arignote import ConfigError
from arignote.spec.config import read_config
from arignote.spec.shipped import FOLDER, shipped_or


def test_a_config_that_ships_is_read_by_its_name_and_keeps_its_run_in_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spec = read_config(Path("digits_mlp"), needs_data=True)
    assert spec.fit["checkpoint"] == "runs/digits_mlp"
    assert Path(spec.data.train.features.partition(":")[0]).resolve().exists()


def test_a_file_of_that_name_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits_mlp").write_text("layers: [[ClassificationOutputLayer]]")
    assert len(read_config(Path("digits_mlp")).layers) == 1


def test_a_folder_of_that_name_does_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("digits_mlp", "mine"):
        (tmp_path / name).mkdir()
    assert read_config(Path("digits_mlp")).name == "digits_mlp"
    with pytest.raises(ConfigError, match=r"^mine: is a folder"):
        read_config(Path("mine"))


@pytest.mark.parametrize("path", ["digits_mlp.yaml", "configs/digits_mlp", "./nothing.json"])
def test_a_path_with_a_folder_or_a_suffix_is_that_of_a_file(path):
    assert shipped_or(Path(path)) == Path(path)


def test_the_nearest_name_is_offered():
    with pytest.raises(ConfigError) as caught:
        read_config(Path("digit_mlp"))
    assert str(caught.value).startswith(
        "digit_mlp: no such file, and no config that ships has this name. Did you mean 'digits_mlp'?"
    )


def test_the_runs_of_none_of_them_lie_beside_it():
    for path in FOLDER.glob("*.yaml"):
        spec = read_config(path)
        assert spec.name == path.stem and spec.fit["checkpoint"] == f"runs/{path.stem}"
