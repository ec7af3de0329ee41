"""YAML or JSON files as `RunSpec`, with file, line and column of every complaint. A config is data: no code is run."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from arignote.errors import Complaint, ConfigError
from arignote.layers.base import Layer
from arignote.layers.layer_list import parse
from arignote.registry import PathForm, plain
from arignote.safe.yaml import load_yaml, plain_values
from arignote.spec.config_check import complaints_of_config
from arignote.spec.include import read_merged
from arignote.spec.locations import At, Document, Origin
from arignote.spec.named_files import from_folder, with_paths
from arignote.spec.run_spec import RunSpec
from arignote.spec.shipped import shipped_or
from arignote.spec.yaml_text import write_text

__all__ = ["layers_of", "read_config", "read_layers", "write_settings"]

_LAYERS: At = ("layers",)


def read_config(
    path: Path, settings: list[str] | None = None, *, needs_data: bool = False, data_dir: Path | None = None
) -> RunSpec:
    """Read a config and check all of it.

    Parameters
    ----------
    path : Path
        A YAML or JSON file; what it includes is merged. The name of a config that ships, such as digits_mlp, is enough.
    settings : list of str, optional
        ``key=value`` overrides.
    needs_data : bool
        Whether a config without data is refused.
    data_dir : Path, optional
        Folder of relative paths of data in the file; by default its own.

    Returns
    -------
    RunSpec
        Its relative paths start from the working directory: those of the file started from its folder.

    Raises
    ------
    ConfigError
        With everything that is wrong, each with file, line and column.
    """
    values, origin = read_merged(shipped_or(path))
    origin = _override(origin, values, settings or [])
    if complaints := complaints_of_config(values, origin.folder_of):
        raise origin.located(complaints)
    if needs_data and values.get("data") is None:
        raise ConfigError(f"{path}: data.train must be given: features and labels")
    # Only now: messages have the paths as they are written.
    values = with_paths(values, partial(_from_working_directory, origin, data_dir))
    # Behind the paths of the file: the default starts from the working directory.
    fit = {"checkpoint": f"runs/{values.get('name') or path.stem}"} | values.get("fit", {})
    spec = RunSpec(**values | {"layers": plain(values["layers"]), "fit": fit})
    spec._origin = origin
    return spec


def _from_working_directory(origin: Origin, data_dir: Path | None, path: str, form: PathForm, at: At) -> str:
    """Return a path of a config as one that starts from the working directory."""
    folder = origin.folder_of(at)
    # What --set writes starts from the working directory, as any path of the command line.
    if form is PathForm.SOURCE and data_dir is not None and not origin.is_written(at):
        folder = data_dir
    return from_folder(folder, path, form)


def _override(origin: Origin, values: dict[str, Any], settings: list[str]) -> Origin:
    """Write overrides, and layers of a file of their own, into the values of a config; return where all is from."""
    try:
        # Layers are named in overrides, so that those of the file must be read first.
        if any(one.startswith("layers.") for one in settings):
            origin = _insert_layers(origin, values)
        if settings:
            # What they need is imported only for them.
            from arignote.spec.overrides import override

            origin = replace(origin, written=override(values, settings))
        return _insert_layers(origin, values)
    except ConfigError as error:
        if not error.complaints[0].path:
            raise
        raise origin.located(list(error.complaints)) from None


def write_settings(path: Path, settings: dict[str, Any]) -> None:
    """Write settings of `fit` into a config; comments and order of a YAML file are kept.

    Raises
    ------
    ConfigError
        If the file cannot be written; the old one is kept.
    """
    from ruamel.yaml import YAML

    loaded = load_yaml(path)
    if loaded.get("fit") is None:
        loaded["fit"] = {}
    loaded["fit"].update(settings)
    text = io.StringIO()
    if path.suffix.lower() == ".json":
        text.write(json.dumps(plain_values(loaded), indent=2) + "\n")
    else:
        yaml = YAML(typ="rt")
        # Lines stay as they were written: ruamel.yaml would break those of more than 80 characters.
        yaml.width = 10_000
        # [Name, {key: value}]: of a mapping with one key in a list, ruamel.yaml leaves the braces out otherwise.
        yaml.brace_single_entry_mapping_in_flow_sequence = True
        yaml.indent(mapping=2, sequence=4, offset=2)
        yaml.dump(loaded, text)
    write_text(path, text.getvalue())


def read_layers(path: Path) -> list[Any]:
    """Return the list of layers of a YAML or JSON file: the file itself, or its key `layers`."""
    return _list_of_layers(path, _load_layers(path))


def layers_of(path: Path, layer_defaults: Mapping[str, Any] | None = None) -> list[Layer]:
    """Return the layers of a YAML or JSON file, built; ConfigErrors name file, line and column."""
    loaded = _load_layers(path)
    try:
        return parse(_list_of_layers(path, loaded), layer_defaults)
    except ConfigError as error:
        # Those about `layer_defaults` are of the caller, not of this file.
        if any(complaint.path[:1] != ("layers",) for complaint in error.complaints):
            raise
        raise Origin({_LAYERS: Document(path, loaded)}).located(list(error.complaints)) from None


def _insert_layers(origin: Origin, values: dict[str, Any]) -> Origin:
    """Replace the name of a file of layers by its list; return where all is from then."""
    if not isinstance(values.get("layers"), str):
        return origin
    path = origin.folder_of(_LAYERS) / values["layers"]
    loaded = _load_layers(path)
    values["layers"] = _list_of_layers(path, loaded)
    # Also of `--set layers=FILE`: what is wrong with a layer stands in that file.
    written = {at: setting for at, setting in origin.written.items() if at != _LAYERS}
    return Origin({**origin.documents, _LAYERS: Document(path, loaded)}, written, (*origin.files, path))


def _load_layers(path: Path) -> Any:
    """Return the content of a file of layers; ConfigError if the string is neither a file nor named like one."""
    if not path.is_file() and path.suffix.lower() not in (".yaml", ".yml", ".json"):
        message = (
            f"layers must be a list of [Layer, {{parameters}}], or the path of a YAML or JSON file; got {path.name!r}"
        )
        raise ConfigError(Complaint(("layers",), message))
    return load_yaml(path)


def _list_of_layers(path: Path, loaded: Any) -> list[Any]:
    values = plain_values(loaded)
    layers = values.get("layers") if isinstance(values, dict) else values
    if not isinstance(layers, list):
        raise ConfigError(f"{path}: must hold a list of [Layer, {{parameters}}]")
    return layers
