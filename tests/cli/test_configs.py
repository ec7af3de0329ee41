"""Commands that read a config: one object of JSON on standard output, and errors on the other."""

from __future__ import annotations

import json

import pytest
from command_line import arignote

from arignote.spec.json_schema import config_schema


def test_the_schema_is_that_of_the_package():
    assert json.loads(arignote("schema").out) == json.loads(json.dumps(config_schema()))


def test_a_config_that_ships_is_checked_by_its_name_with_what_is_set():
    plain = json.loads(arignote("check", "digits_mlp", "--json").out)
    one_more = json.loads(arignote("check", "digits_mlp", "--json", "--set", "fit.drop_last=true").out)
    assert one_more["n_settings"] == plain["n_settings"] + 1 and one_more["n_layers"] == plain["n_layers"]


@pytest.mark.parametrize("command", ["check", "render", "summary"])
def test_a_setting_that_is_none_is_refused_with_the_nearest_one(command):
    ended = arignote(command, "digits_mlp", "--set", "fit.n_epoch=3")
    assert ended.code == 2 and "n_epochs" in ended.err and ended.out == ""
