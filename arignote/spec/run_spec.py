"""A config as plain data: its sections, each with its own type."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, model_validator

from arignote.data.specs import DataSpec, Section
from arignote.errors import Complaint, ConfigError

__all__ = ["RunSpec"]


def _layers(value: Any) -> Any:
    if isinstance(value, list | str):
        return value
    hint = ""
    if isinstance(value, dict):
        glued = any(str(key).startswith("-") for key in value)
        hint = ". Put a blank after each dash" if glued else ". Write each layer as a line - [Layer, {parameters}]"
    raise ValueError(f"must be a list of [Layer, {{parameters}}], or the path of a file with one; got {value!r}{hint}")


class RunSpec(Section):
    """A config.

    Attributes
    ----------
    name : str, optional
        Name of the run.
    rng : int, optional
        Seed; by default one is drawn.
    data : DataSpec, optional
        The data; needed to train.
    layer_defaults : dict
        Parameters for every layer that has them and does not set them.
    layers : list or str
        The network, or the path of a file that holds it.
    fit : dict
        Settings of `fit`.
    """

    kind: ClassVar[str] = "config"
    name: str | None = None
    rng: int | None = None
    data: DataSpec | None = None
    layer_defaults: dict[str, Any] = {}
    layers: Annotated[list[Any] | str, BeforeValidator(_layers)]
    fit: dict[str, Any] = {}

    @model_validator(mode="after")
    def _settings(self) -> Any:
        misplaced = [name for name in ("valid", "test") if name in self.fit]
        if misplaced:
            raise ConfigError(Complaint(("fit", name), f"belongs to data: write data.{name}") for name in misplaced)
        return self
