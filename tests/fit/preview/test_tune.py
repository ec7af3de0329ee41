"""Setups are measured in turn, and the fastest is written into the config, of which nothing else changes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from arignote.cli import app
from arignote.errors import ConfigError
from arignote.fit.preview.tune import Measured, chosen, measure
from arignote.spec.config import read_config, write_settings

ROOT = Path(__file__).parents[3]
DIGITS = ROOT / "arignote" / "sample_data" / "digits.h5"
HEAD = f"""# What stays.
name: tuned   # a name
data: {{train: {{features: '{DIGITS}:/images', labels: '{DIGITS}:/labels'}}}}
layers:
  - [InputImageLayer, {{n_pixels: 8}}]
"""
CONVOLUTIONS = HEAD + "  - [ConvLayer, {n_output_maps: 4, filter_shape: 3}]\n  - [ClassificationOutputLayer]\n"
NORMED = HEAD + "  - [BatchNormLayer]\n  - [ClassificationOutputLayer]\n"
FIT = "fit:\n  n_epochs: 2   # few\n  sgd_type: nag\n"


def written(tmp_path, text, name="c.yaml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_every_setup_that_may_suit_is_measured_once_and_one_is_that_of_the_rules(tmp_path):
    measured = measure(read_config(written(tmp_path, CONVOLUTIONS + FIT)), n_rounds=1, round_seconds=0)
    settings = [one.settings for one in measured]
    n_threads = {1, torch.get_num_threads()}
    assert len(settings) == 2 * len(n_threads) and {one["n_threads"] for one in settings} == n_threads
    assert {one["channels_last"] for one in settings} == {True, False} and not any(one["compile"] for one in settings)
    (default,) = (one for one in measured if one.is_default)
    assert default.settings == {"n_threads": 1, "channels_last": True, "compile": False}
    assert all(one.seconds > 0 for one in measured)


def test_a_config_whose_numbers_follow_rules_is_measured_without_compilation(tmp_path):
    text = f"{NORMED}{FIT}  rules: {{output.l2: [linear, {{final_value: 0.1, n_epochs: 2}}]}}\n"
    measured = measure(read_config(written(tmp_path, text)), n_rounds=1, round_seconds=0)
    assert measured and not any(one.settings["compile"] for one in measured)


def test_all_rows_are_measured_though_some_are_held_out_until_final_epochs(tmp_path):
    text = f"{NORMED}{FIT}  final_epochs: 1\n".replace(":/labels'}}", ":/labels'}, valid: 0.2}")
    assert "valid: 0.2" in text
    assert measure(read_config(written(tmp_path, text)), n_rounds=1, round_seconds=0)


def test_another_setup_than_that_of_the_rules_must_be_clearly_faster():
    rule, near, far = Measured({}, 1.0, True), Measured({}, 0.97, False), Measured({}, 0.9, False)
    assert chosen([near, rule]) is rule and chosen([near, rule, far]) is far


@pytest.mark.parametrize(
    "fit", ["", "fit:\n", "fit: {}\n", FIT, "fit: {n_epochs: 2, sgd_type: nag}\n", FIT + "  n_threads: 7\n"]
)
def test_settings_are_written_and_all_else_stays(tmp_path, fit):
    path = written(tmp_path, CONVOLUTIONS + fit)
    before = read_config(path)
    write_settings(path, {"n_threads": 1, "channels_last": False})
    after = read_config(path)
    assert after.fit == before.fit | {"n_threads": 1, "channels_last": False}
    assert after.model_copy(update={"fit": before.fit}) == before
    assert path.read_text().startswith(CONVOLUTIONS)
    assert ("# few" in path.read_text()) == ("# few" in fit)


def test_who_may_read_a_config_stays_so_and_one_that_is_read_only_is_left_alone(tmp_path):
    path = written(tmp_path, CONVOLUTIONS)
    path.chmod(0o640)
    write_settings(path, {"n_threads": 1})
    assert path.stat().st_mode & 0o777 == 0o640
    path.chmod(0o440)
    if os.access(path, os.W_OK):
        pytest.skip("root may write everything")
    with pytest.raises(ConfigError, match=r"c\.yaml: cannot be written: Permission denied"):
        write_settings(path, {"n_threads": 2})


def test_a_config_in_json_stays_json(tmp_path):
    values = {"layers": [["ClassificationOutputLayer", {"name": "out"}]], "fit": {"n_epochs": 2}}
    path = written(tmp_path, json.dumps(values), "c.json")
    write_settings(path, {"compile": True})
    assert json.loads(path.read_text()) == values | {"fit": {"n_epochs": 2, "compile": True}}


def test_a_config_that_cannot_be_written_stays(tmp_path):
    path = written(tmp_path, CONVOLUTIONS)
    folder = tmp_path / f".c.yaml.{os.getpid()}.tmp"
    folder.mkdir()
    with pytest.raises(ConfigError, match=r"c\.yaml: cannot be written: "):
        write_settings(path, {"n_threads": 1})
    assert path.read_text() == CONVOLUTIONS


@pytest.mark.slow
def test_the_command_prints_what_it_measured_and_writes_it_by_default(tmp_path):
    path = written(tmp_path, NORMED.replace("BatchNormLayer", "DropoutLayer, {dropout_p: 0.5}") + FIT)
    found = CliRunner().invoke(app, ["tune", str(path), "--dry-run"], catch_exceptions=False).stdout
    assert "ms a step" in found and "by rule" in found and "chosen" in found and "n_threads" not in path.read_text()
    CliRunner().invoke(app, ["tune", str(path)], catch_exceptions=False)
    settings = read_config(path).fit
    assert settings["n_threads"] >= 1 and settings["compile"] is False
