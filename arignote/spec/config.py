"""YAML or JSON files as `RunSpec`, with file, line and column of every complaint. A config is data: no code is run."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from arignote.checkpoints.storage import is_url
from arignote.data.inputs import channels_of
from arignote.data.readers.tables import proposed_source, split_source
from arignote.data.specs import CSVFormat, DataSpec, Source
from arignote.data.targets import misnamed
from arignote.errors import Complaint, ConfigError, listed
from arignote.hints.advice import Advice, Replacement
from arignote.layers.base import Layer
from arignote.layers.layer_list import parse
from arignote.layers.output import OutputLayer
from arignote.registry import plain
from arignote.registry.complaints import complaints_of
from arignote.replacing import replacing
from arignote.safe.yaml import load_yaml
from arignote.spec.inputs import complaints_of_channels, inputs_of
from arignote.spec.locations import Origin, Written, located
from arignote.spec.monitored import complaints_of_monitor
from arignote.spec.objective import objective_of, targets_of
from arignote.spec.overrides import override
from arignote.spec.ruled_numbers import ruled_numbers
from arignote.spec.run_spec import RunSpec
from arignote.spec.settings import FitSettings

__all__ = ["layers_of", "read_config", "read_layers", "write_settings"]


def read_config(path: Path, settings: list[str] | None = None, *, needs_data: bool = False) -> RunSpec:
    """Read a config and check all of it.

    Parameters
    ----------
    path : Path
        A YAML or JSON file.
    settings : list of str, optional
        ``key=value`` overrides.
    needs_data : bool
        Whether a config without data is refused.

    Returns
    -------
    RunSpec
        The paths of its checkpoint and its stored network start from the folder of the file.

    Raises
    ------
    ConfigError
        With everything that is wrong, each with file, line and column.
    """
    loaded = load_yaml(path)
    values = _plain_values(loaded)
    if not isinstance(values, dict):
        got = "an empty file" if values is None else repr(values)
        raise ConfigError(f"{path}: must be a mapping with the keys {', '.join(RunSpec.model_fields)}; got {got}")
    # A section whose lines are all commented out is empty.
    values = {key: value for key, value in values.items() if value is not None or key not in ("fit", "layer_defaults")}
    written, of_layers = _override(path, loaded, values, settings or [])
    complaints = _complaints(values, path.parent)
    if complaints:
        raise located(path, loaded, complaints, written, of_layers)
    spec = RunSpec(**values)
    if needs_data and spec.data is None:
        raise ConfigError(f"{path}: data.train must be given: features and labels")
    fit = dict(spec.fit)
    if "checkpoint" not in fit:
        fit["checkpoint"] = f"runs/{spec.name or path.stem}"
    elif fit["checkpoint"] is not None:
        fit["checkpoint"] = _from_folder_of(path, fit["checkpoint"])
    if isinstance(fit.get("profile"), str):
        fit["profile"] = _from_folder_of(path, fit["profile"])
    stored = spec.stored_network and _from_folder_of(path, spec.stored_network)
    spec = spec.model_copy(update={"layers": plain(values["layers"]), "fit": fit, "stored_network": stored})
    spec._origin = Origin(path, loaded, written, of_layers)
    return spec


def _override(
    path: Path, loaded: Any, values: dict[str, Any], settings: list[str]
) -> tuple[Written, tuple[Path, Any] | None]:
    """Write overrides into the values of a config; return them, and the file of layers with its content."""
    of_layers = None
    written: Written = {}
    try:
        # Layers are named in overrides, so that those of the file must be read first.
        if any(one.startswith("layers.") for one in settings):
            of_layers = _insert_layers(path, values)
        written = override(values, settings)
        return written, _insert_layers(path, values) or of_layers
    except ConfigError as error:
        if not error.complaints[0].path:
            raise
        raise located(path, loaded, list(error.complaints), written, of_layers) from None


def _complaints(values: dict[str, Any], base: Path) -> list[Complaint]:
    """Return everything that is wrong in a config: in its sections, its layers and its settings."""
    complaints = _complaints_of_sections(values, base)
    layers, defaults = values.get("layers"), values.get("layer_defaults", {})
    parsed: list[Layer] = []
    # Layers that are no list, or defaults that are no mapping, are reported already.
    if isinstance(layers, list) and isinstance(defaults, dict):
        try:
            parsed = parse(layers, defaults)
            complaints += _complaints_of_features(parsed, values.get("data"))
            complaints += _complaints_of_labels(parsed, values.get("data"))
        except ConfigError as error:
            complaints += error.complaints
    fit, wrong = values.get("fit", {}), list[Complaint]()
    if isinstance(fit, dict):
        fit = {key: value for key, value in fit.items() if key not in ("valid", "test")}
        wrong = _complaints_of_section(FitSettings, fit, "fit")
    if parsed and isinstance(fit, dict) and not wrong:
        wrong = _complaints_of_objective(parsed, FitSettings(**fit), values.get("data"))
    return complaints + wrong


def _complaints_of_objective(layers: list[Layer], settings: FitSettings, data: Any) -> list[Complaint]:
    """Return which losses, settings and labels do not fit the layers of inputs and outputs."""
    complaints = complaints_of_channels(layers, settings) + complaints_of_monitor(layers, settings)
    try:
        objective_of(layers, settings)
        ruled_numbers(layers, settings)
        from_input = targets_of(layers, settings).from_input
    except ConfigError as error:
        return complaints + list(error.complaints)
    if from_input and isinstance(data, dict):
        named = [name for name in ("train", "valid", "test") if "labels" in _mapping(data.get(name))]
        message = "the target of the network is its input: leave labels out"
        complaints += [Complaint(("data", name, "labels"), message) for name in named]
    return complaints


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _complaints_of_features(layers: list[Layer], data: Any) -> list[Complaint]:
    """Return in which parts of the data the features are not those of the input layers."""
    channels = channels_of(inputs_of(layers))
    wanted = ", ".join(f"{channel}: ..." for channel in channels)
    complaints: list[Complaint] = []
    for name in ("train", "valid", "test"):
        features = _mapping(_mapping(data).get(name)).get("features")
        if features is None or (len(channels) == 1 and not isinstance(features, dict)):
            continue
        wrong = misnamed(features, [str(channel) for channel in channels], "input layer of the channel")
        if wrong and len(channels) == 1:
            message = f"features must be one source, as there is one input; got {', '.join(features)}"
            complaints.append(Complaint(("data", name, "features"), message))
        elif wrong:
            message = f"features must have a source for each channel, {{{wanted}}}; {wrong}"
            complaints.append(Complaint(("data", name, "features"), message))
    return complaints


def _complaints_of_labels(layers: list[Layer], data: Any) -> list[Complaint]:
    """Return in which parts of the data the labels are not those of the output layers."""
    outputs = [str(layer.name) for layer in layers if isinstance(layer, OutputLayer)]
    wanted = ", ".join(f"{output}: ..." for output in outputs)
    complaints: list[Complaint] = []
    for name in ("train", "valid", "test"):
        part = data.get(name) if isinstance(data, dict) else None
        labels, wrong = part.get("labels") if isinstance(part, dict) else "", ""
        if isinstance(labels, dict):
            wrong = misnamed(labels, outputs)
        elif len(outputs) > 1 and isinstance(part, dict) and (labels is None or isinstance(labels, str)):
            wrong = f"got {labels!r}" if "labels" in part else "none is named"
        if wrong:
            message = f"labels must have a source for each output, {{{wanted}}}; {wrong}"
            complaints.append(Complaint(("data", name, "labels"), message))
    return complaints


def _complaints_of_sections(values: dict[str, Any], base: Path) -> list[Complaint]:
    """Return what is wrong in the sections of a config, each checked by its own model."""
    complaints: list[Complaint] = []
    data = values.get("data")
    if complaint := _complaint_of_path(data, base, "data"):
        complaints.append(complaint)
        values = values | {"data": None}
    if isinstance(data, dict):
        for name in ("train", "valid", "test"):
            given = data.get(name)
            is_path = name == "train" or (isinstance(given, str) and Path(split_source(given)[0]).suffix[1:2].isalpha())
            if is_path and (complaint := _complaint_of_path(given, base, "data", name)):
                complaints.append(complaint)
                data = data | {name: {"features": "reported"}}
        sources = {name: data[name] for name in DataSpec.model_fields if isinstance(data.get(name), dict)}
        for name, part in sources.items():
            if isinstance(part.get("csv"), dict):
                complaints += _complaints_of_section(CSVFormat, part["csv"], "data", name, "csv")
                part = part | {"csv": None}
            complaints += _complaints_of_section(Source, part, "data", name)
        complaints += _complaints_of_section(
            DataSpec, data | dict.fromkeys(sources, Source(features="checked")), "data"
        )
        values = values | {"data": None}
    misplaced = [key for key in values if key in FitSettings.model_fields and key not in RunSpec.model_fields]
    complaints += [Complaint((key,), f"belongs to fit: write fit.{key}") for key in misplaced]
    return complaints + _complaints_of_section(
        RunSpec, {key: value for key, value in values.items() if key not in misplaced}
    )


def _complaints_of_section(section: type[BaseModel], values: dict[str, Any], *at: str) -> list[Complaint]:
    """Return what is wrong in a section, with paths that begin with `at`."""
    try:
        section(**values)
    except ValidationError as error:
        return [complaint.under(*at) for complaint in complaints_of(error, section)]
    return []


def _complaint_of_path(given: Any, base: Path, *at: str) -> Complaint | None:
    """Return the complaint on a source that is written as a path, or as a pair of paths; None for anything else."""
    if isinstance(given, str):
        source, columns = proposed_source(given, base)
    elif isinstance(given, list) and len(given) == 2 and all(isinstance(path, str) for path in given):
        source, columns = dict(zip(("features", "labels"), given, strict=True)), []
    else:
        return None
    message = f"must be a mapping of features and labels; got {given!r}"
    message += f", with the columns {listed(columns)}" if columns else ""
    value = source if len(at) > 1 else {"train": source}
    return Complaint(at, f"{at[-1]} {message}", advice=Advice("Write {}", (Replacement(".".join(at), value),)))


def _plain_values(value: Any) -> Any:
    """Return containers of ruamel as dicts and lists, and its numbers and texts as those of Python."""
    if isinstance(value, Mapping):
        return {str(key): _plain_values(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain_values(item) for item in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return value if isinstance(value, bool) else kind(value)
    return value


def write_settings(path: Path, settings: dict[str, Any]) -> None:
    """Write settings of `fit` into a config; comments and order of a YAML file are kept.

    Raises
    ------
    ConfigError
        If the file cannot be written; the old one is kept.
    """
    from ruamel.yaml import YAML

    loaded = load_yaml(path)
    section = loaded.setdefault("fit", {})
    section.update(settings)
    text = io.StringIO()
    if path.suffix.lower() == ".json":
        text.write(json.dumps(_plain_values(loaded), indent=2) + "\n")
    else:
        yaml = YAML(typ="rt")
        yaml.width = 10_000
        yaml.brace_single_entry_mapping_in_flow_sequence = True
        yaml.indent(mapping=2, sequence=4, offset=2)
        yaml.dump(loaded, text)
    try:
        with replacing(path) as file:
            file.write(text.getvalue())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None


def _from_folder_of(path: Path, relative: str) -> str:
    """Return a path that is relative to the folder of a config, relative to the working directory; a URL as it is."""
    if is_url(relative):
        return relative
    joined = os.path.normpath(path.parent / relative)
    return joined + "/" if relative.endswith("/") else joined


def read_layers(path: Path) -> list[Any]:
    """Return the list of layers of a YAML or JSON file: the file itself, or its key `layers`."""
    return _list_of_layers(path, _load_layers(path))


def layers_of(path: Path, layer_defaults: Mapping[str, Any] | None = None) -> list[Layer]:
    """Return the layers of a YAML or JSON file, built; ConfigErrors name file, line and column."""
    loaded = _load_layers(path)
    try:
        return parse(_list_of_layers(path, loaded), layer_defaults)
    except ConfigError as error:
        if any(complaint.path[:1] != ("layers",) for complaint in error.complaints):
            raise
        raise located(path, loaded, list(error.complaints), {}, (path, loaded)) from None


def _insert_layers(config: Path, values: dict[str, Any]) -> tuple[Path, Any] | None:
    """Replace the name of a file of layers by its list; return the file and its content, None if there is no name."""
    if not isinstance(values.get("layers"), str):
        return None
    path = config.parent / values["layers"]
    loaded = _load_layers(path)
    values["layers"] = _list_of_layers(path, loaded)
    return path, loaded


def _load_layers(path: Path) -> Any:
    """Return the content of a file of layers; ConfigError if the string is neither a file nor named like one."""
    if not path.is_file() and path.suffix.lower() not in (".yaml", ".yml", ".json"):
        message = (
            f"layers must be a list of [Layer, {{parameters}}], or the path of a YAML or JSON file; got {path.name!r}"
        )
        raise ConfigError(Complaint(("layers",), message))
    return load_yaml(path)


def _list_of_layers(path: Path, loaded: Any) -> list[Any]:
    values = _plain_values(loaded)
    layers = values.get("layers") if isinstance(values, dict) else values
    if not isinstance(layers, list):
        raise ConfigError(f"{path}: must hold a list of [Layer, {{parameters}}]")
    return layers
