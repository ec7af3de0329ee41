"""Marks of settings: what may change when a run is resumed, and what is of the machine."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import BaseModel

from arignote.registry import PathForm
from arignote.registry.marks import ADDED, Added, Mark, decides_numbers, is_of_machine, leaves_stems


class Settings(BaseModel):
    rate: float = 0.1
    verbose: Annotated[bool, Mark.FREE] = True
    device: Annotated[str, Mark.MACHINE] = "auto"
    source: Annotated[str, PathForm.SOURCE] = ""


def test_a_setting_without_a_mark_decides_numbers_and_the_form_of_a_path_is_none():
    fields = Settings.model_fields
    assert [name for name, field in fields.items() if decides_numbers(field)] == ["rate", "source"]
    assert [name for name, field in fields.items() if is_of_machine(field)] == ["device"]


class Layer(BaseModel):
    pad: Annotated[tuple[int, int], ADDED] = (0, 0)
    n_groups: Annotated[int, Added(1)]
    stride: int = 1


@pytest.mark.parametrize(
    ("name", "value", "is_left_out"),
    [
        ("pad", [0, 0], True),
        ("pad", [0, 1], False),
        ("n_groups", 1, True),
        ("n_groups", 2, False),
        ("stride", 1, False),
    ],
)
def test_what_was_added_leaves_stems_with_its_default_or_the_value_of_its_mark_alone(name, value, is_left_out):
    assert leaves_stems(Layer.model_fields[name], value) == is_left_out
