"""A config as plain data: its sections, each with its own type."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, PrivateAttr, model_validator

from arignote.data.specs import DataSpec, Section
from arignote.errors import Complaint, ConfigError
from arignote.layers.block import LAYERS_SCHEMA
from arignote.layers.layer_list import locate_layers
from arignote.registry import PathForm
from arignote.spec.locations import Origin

__all__ = ["RunSpec"]


def _layers(value: Any) -> Any:
    if isinstance(value, list | str):
        return value
    hint = ""
    if isinstance(value, dict):
        # Without the blank YAML reads "-FCLayer: {...}" as a mapping with the key "-FCLayer".
        glued = any(str(key).startswith("-") for key in value)
        hint = ". Put a blank after each dash" if glued else ". Write each layer as a line - [Layer, {parameters}]"
    raise ValueError(f"must be a list of [Layer, {{parameters}}], or the path of a file with one; got {value!r}{hint}")


class RunSpec(Section):
    """A config.

    Attributes
    ----------
    include : str or list of str, optional
        Configs that this one completes; see `arignote.spec.include`. None once they are read.
    name : str, optional
        Name of the run.
    rng : int, optional
        Seed; by default one is drawn.
    data : DataSpec, optional
        The data; needed to train.
    stored_network : str, optional
        Run, or safetensors file, from which layers with `load_params` take their parameters.
    layer_defaults : dict
        Parameters for every layer that has them and does not set them.
    layers : list or str
        The network, or the path of a file that holds it.
    fit : dict
        Settings of `fit`.
    """

    kind: ClassVar[str] = "config"
    # None unless it is read from a file.
    _origin: Origin | None = PrivateAttr(None)
    include: Annotated[str | list[str] | None, PathForm.PATH] = None
    name: str | None = None
    rng: int | None = None
    data: DataSpec | None = None
    stored_network: Annotated[str | None, PathForm.PATH] = None
    layer_defaults: dict[str, Any] = {}
    layers: Annotated[Annotated[list[Any], LAYERS_SCHEMA] | str, BeforeValidator(_layers), PathForm.PATH]
    fit: dict[str, Any] = {}

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it was read from."""
        return () if self._origin is None else self._origin.files

    @contextmanager
    def naming_lines(self) -> Iterator[None]:
        """Return a context in which errors about a layer or a setting name its file, line and column."""
        try:
            yield
        except ConfigError as error:
            if self._origin is None or not any(one.layer or one.path for one in error.complaints):
                raise
            assert isinstance(self.layers, list)
            complaints = locate_layers(error.complaints, self.layers, self.layer_defaults)
            raise self._origin.located(complaints) from None

    @model_validator(mode="after")
    def _settings(self) -> Self:
        misplaced = [name for name in ("valid", "test") if name in self.fit]
        if misplaced:
            raise ConfigError(Complaint(("fit", name), f"belongs to data: write data.{name}") for name in misplaced)
        return self
