"""Faults that pydantic finds, in the words of a config; what is needed to say them is loaded where they are said."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated, Literal

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from arignote.errors import Complaint, ConfigError
from arignote.registry.complaints import complaints_of
from arignote.registry.plain_values import plain


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    header: bool = True


class Settings(BaseModel):
    """A model with a field of each kind that settings have."""

    model_config = ConfigDict(extra="forbid", strict=True)
    n_units: int = Field(ge=1)
    rate: Annotated[float, Field(gt=0, lt=1)] = 0.5
    mode: Literal["full", "chunks"] | bool = True
    size: tuple[int, int] = (1, 1)
    names: Annotated[list[str], Field(min_length=1)] = ["a"]
    inner: Inner | None = None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, ["n_units must be given"]),
        ({"n_units": 0}, ["n_units must be an integer >= 1; got 0"]),
        ({"n_units": 2.0}, ["n_units must be an integer; got 2.0. Write 2"]),
        ({"n_units": "3"}, ["n_units must be an integer; got '3'. Write 3 without quotes"]),
        ({"n_units": np.float64(2.5)}, ["n_units must be an integer; got 2.5"]),
        ({"n_units": 1, "rate": 1}, ["rate must be a number < 1.0; got 1"]),
        ({"n_units": 1, "rate": "10%"}, ["rate must be a number; got '10%'. Write 0.1"]),
        ({"n_units": 1, "mode": "some"}, ["mode must be 'full' or 'chunks' or true or false; got 'some'"]),
        ({"n_units": 1, "size": (1, 2, 3)}, ["size must be a list of 2; got [1, 2, 3]"]),
        ({"n_units": 1, "names": []}, ["names must be a list of at least 1; got []"]),
        ({"n_units": 1, "inner": 3}, ["inner must be a mapping (header); got 3"]),
        # What is misspelt is not missing too.
        ({"n_unit": 3}, ["unknown parameter 'n_unit'. Did you mean 'n_units'?"]),
        (
            {"n_units": -1, "rate": 0, "zzz": 1},
            [
                "n_units must be an integer >= 1; got -1",
                "rate must be a number > 0.0; got 0",
                "zzz: unknown parameter 'zzz'. Known: inner, mode, n_units, names, rate, size.",
            ],
        ),
    ],
)
def test_every_error_names_what_was_expected_what_was_got_and_what_to_write(values, expected):
    with pytest.raises(ValidationError) as caught:
        Settings(**values)
    found = complaints_of(caught.value, Settings)
    assert all(isinstance(complaint, Complaint) for complaint in found)
    assert [line.removeprefix("n_unit: ") for line in str(ConfigError(found)).splitlines()] == expected


@pytest.mark.slow
def test_the_table_of_synonyms_is_loaded_for_a_message_alone():
    code = (
        "import sys\n"
        "import arignote.spec.config\n"
        "from arignote.layers import parse\n"
        "from arignote.errors import ConfigError\n"
        "from arignote.spec.settings import checked_settings\n"
        "good = [['FCLayer', {'n_units': 3}], ['ClassificationOutputLayer']]\n"
        "parse(good), checked_settings({'n_epochs': 3, 'sgd_type': 'nag'})\n"
        "print('arignote.hints.synonyms' in sys.modules)\n"
        "try:\n"
        "    parse([['Dense', {'units': 3}], *good])\n"
        "except ConfigError as error:\n"
        "    print('arignote.hints.synonyms' in sys.modules, 'FCLayer' in str(error))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["False", "True", "True"]


def test_what_numpy_made_is_plain_and_a_copy():
    given = {"a": [1]}
    found = plain(given)
    found["a"].append(2)
    assert given == {"a": [1]} and plain((np.int64(3), np.array([0.5]))) == [3, [0.5]]
    assert type(plain(np.float32(0.5))) is float
