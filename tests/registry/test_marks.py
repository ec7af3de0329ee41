"""Marks of settings: what may change when a run is resumed, and what is of the machine."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel

from arignote.registry import PathForm
from arignote.registry.marks import Mark, decides_numbers, is_of_machine


class Settings(BaseModel):
    rate: float = 0.1
    verbose: Annotated[bool, Mark.FREE] = True
    device: Annotated[str, Mark.MACHINE] = "auto"
    source: Annotated[str, PathForm.SOURCE] = ""


def test_a_setting_without_a_mark_decides_numbers_and_the_form_of_a_path_is_none():
    fields = Settings.model_fields
    assert [name for name, field in fields.items() if decides_numbers(field)] == ["rate", "source"]
    assert [name for name, field in fields.items() if is_of_machine(field)] == ["device"]
