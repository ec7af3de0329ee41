"""YAML, JSON or a mapping -> RunSpec, with file, line and column of every complaint. Config is data: no code is run."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from arignote.checkpoints.storage import is_url
from arignote.data.readers.tables import proposed_source, split_source
from arignote.data.specs import CSVFormat, DataSpec, Source, table_format
from arignote.errors import Complaint, ConfigError, listed
from arignote.hints.advice import Advice, Target
from arignote.layers.architecture import parse
from arignote.layers.base import Layer
from arignote.registry import plain
from arignote.registry.complaints import complaints_of
from arignote.replacing import replacing
from arignote.safe.yaml import load_yaml
from arignote.spec.run_spec import RunSpec
from arignote.spec.settings import FitSettings

__all__ = ["csv_format", "layers_of", "override", "read_config", "read_layers", "write_settings"]

# How a message ends where a value is None.
_NONE = "got None"
# Path of a key -> the ``key=value`` that was written there.
Written = dict[tuple[str | int, ...], str]


def _position(loaded: Any, path: tuple[str | int, ...]) -> tuple[int, int] | None:
    """Return line and column (from 1) of the innermost entry of `path` that the file has."""
    found = None
    for key in path:
        marks = getattr(loaded, "lc", None)
        try:
            if isinstance(loaded, Mapping):
                found = marks.key(key) if marks else found
            elif isinstance(loaded, list):
                found = marks.item(key) if marks else found
                # A layer's parameters are one further down: [Name, {params}].
            else:
                break
            loaded = loaded[key]
        except (KeyError, IndexError, TypeError, AttributeError):
            if isinstance(loaded, list) and len(loaded) == 2 and isinstance(key, str):
                inner = _position(loaded[1], (key,))
                found = (inner[0] - 1, inner[1] - 1) if inner else found
            break
    return (found[0] + 1, found[1] + 1) if found else None


def _located(
    path: Path, loaded: Any, complaints: list[Complaint], written: Written, of_layers: tuple[Path, Any] | None = None
) -> ConfigError:
    """Say where each fault lies: in the order of the file, of the file of layers if there is one, then of --set."""
    found = []
    for complaint in complaints:
        in_layers = of_layers is not None and complaint.path[:1] == ("layers",)
        file, content = of_layers if of_layers is not None and in_layers else (path, loaded)
        # A file of layers is a mapping as a config is, or the list itself.
        line, column = _position(content, complaint.path[isinstance(content, list) :]) or (0, 0)
        order, where = (int(in_layers), line, column), f"{file}:{line}:{column}" if line else f"{file}"
        told = complaint.text("json" if file.suffix.lower() == ".json" else "yaml")
        if _NONE in told:
            told = told.replace(_NONE, _nothing(file, line, column, complaint.path))
        for number, (place, setting) in enumerate(written.items()):
            if complaint.path[: len(place)] == place:
                order, where = (2, number, 0), f"--set {setting}"
                told = complaint.text("set", setting.partition("=")[0].rpartition(".")[0] + ".")
                told = told.replace(_NONE, "got null" if setting.partition("=")[2].strip() else "nothing follows the =")
        found.append((order, f"{where}: {told}", complaint))
    found.sort(key=lambda one: one[0])
    return ConfigError([one for _, _, one in found], [line for _, line, _ in found])


def _nothing(file: Path, line: int, column: int, path: tuple[str | int, ...]) -> str:
    """Return the end of a message on a value that is None: whether the file has a null there, or a key alone."""
    text = "null"
    if line and file.suffix.lower() != ".json":
        with suppress(OSError, UnicodeDecodeError, IndexError):
            text = file.read_text(encoding="utf-8").split("\n")[line - 1][column - 1 :]
    if not re.match(r"([^:#,]*:)?\s*($|[#,}\]])", text):
        return "got null"
    what = "item" if path and isinstance(path[-1], int) else "key"
    # Every setting of fit has a default.
    way = ", or leave the key out for its default" if path[:1] == ("fit",) and len(path) == 2 else ""
    return f"the {what} has no value. Write one{way}"


def _unwrapped(value: Any) -> Any:
    """Return ruamel's containers as dicts and lists, its numbers as numbers."""
    if isinstance(value, Mapping):
        return {str(key): _unwrapped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_unwrapped(item) for item in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return value if isinstance(value, bool) else kind(value)
    return value


def override(values: dict[str, Any], settings: list[str]) -> Written:
    """Write ``key=value`` strings into a config; values are YAML, layers are named: ``layers.fc1.n_units=128``.

    Returns
    -------
    dict of tuple to str
        Which string was written where.
    """
    written: Written = {}
    names: list[str] | None = None
    for setting in settings:
        key, sign, text = setting.partition("=")
        if not sign or not key:
            raise ConfigError(f"--set must be key=value; got {setting!r}")
        value = _yaml_value(text, f"--set {setting}")
        *path, last = key.split(".")
        place: Any = values
        at: tuple[str | int, ...] = ()
        for depth, word in enumerate(path):
            if isinstance(place, list):
                # As the file has them: what was written may be wrong, and is told later.
                names = names or _names(place)
                position, place = _layer_of(place, names, word, setting)
                at = (*at, position)
            elif isinstance(place, dict):
                at = (*at, word)
                if word not in place:
                    place[word] = {}
                    written[at] = setting
                place = place[word]
            if not isinstance(place, dict | list):
                raise ConfigError(f"--set {setting}: {'.'.join(path[: depth + 1])} has no keys")
            if isinstance(place, list) and path[: depth + 1] != ["layers"]:
                raise ConfigError(f"--set {setting}: {'.'.join(path[: depth + 1])} is a list: write it whole")
        if isinstance(place, list):
            raise ConfigError(f"--set {setting}: name a parameter too, as in layers.fc1.n_units=128")
        place[last] = value
        written[*at, last] = setting
    return written


def csv_format(text: str) -> CSVFormat:
    """Return the format of a text table that ``--csv`` gives as YAML, checked as `csv:` of a source of a config."""
    option = f"--csv {text}"
    value = _yaml_value(text, option)
    try:
        return table_format(value)
    except ConfigError as fault:
        raise ConfigError(fault.complaints, [f"{option}: {c.text('yaml')}" for c in fault.complaints]) from None


def _yaml_value(text: str, option: str) -> Any:
    from ruamel.yaml import YAML

    try:
        return YAML(typ="safe").load(text)
    except Exception:
        raise ConfigError(f"{option}: the value is not YAML") from None


def _names(layers: list[Any]) -> list[str]:
    """Return the names of layers, given or implied, that of an implied input among them."""
    return [str(layer.name) for layer in parse(layers)]


def _layer_of(layers: list[Any], names: list[str], name: str, setting: str) -> tuple[int, dict[str, Any]]:
    """Return position and parameters of a layer by its name."""
    for position, known in enumerate(names[len(names) - len(layers) :]):
        if known == name:
            spec = layers[position]
            if not isinstance(spec, list):
                spec = layers[position] = [spec]
            if len(spec) == 1:
                spec.append({})
            params: dict[str, Any] = spec[1]
            return position, params
    raise ConfigError(f"--set {setting}: there is no layer {name!r}; layers: {', '.join(names)}")


def _faults(section: type[BaseModel], values: dict[str, Any], *at: str) -> list[Complaint]:
    try:
        section(**values)
    except ValidationError as fault:
        return [complaint.under(*at) for complaint in complaints_of(fault, section)]
    return []


def _unlike_source(given: Any, base: Path, *at: str) -> Complaint | None:
    """Return the complaint of a source that is written as a path, or as a pair of them; None of anything else."""
    if isinstance(given, str):
        source, columns = proposed_source(given, base)
    elif isinstance(given, list) and len(given) == 2 and all(isinstance(path, str) for path in given):
        source, columns = dict(zip(("features", "labels"), given, strict=True)), []
    else:
        return None
    told = f"must be a mapping of features and labels; got {given!r}"
    told += f", with the columns {listed(columns)}" if columns else ""
    value = source if len(at) > 1 else {"train": source}
    return Complaint(at, f"{at[-1]} {told}", advice=Advice("Write {}", (Target(".".join(at), value),)))


def _of_sections(values: dict[str, Any], base: Path) -> list[Complaint]:
    """Return the faults of the sections of a config, each in the words of its own section."""
    found: list[Complaint] = []
    data = values.get("data")
    if unlike := _unlike_source(data, base, "data"):
        found.append(unlike)
        values = values | {"data": None}
    if isinstance(data, dict):
        for name in ("train", "valid", "test"):
            given = data.get(name)
            is_path = name == "train" or (isinstance(given, str) and Path(split_source(given)[0]).suffix[1:2].isalpha())
            if is_path and (unlike := _unlike_source(given, base, "data", name)):
                found.append(unlike)
                data = data | {name: {"features": "reported"}}
        sources = {name: data[name] for name in DataSpec.model_fields if isinstance(data.get(name), dict)}
        for name, part in sources.items():
            if isinstance(part.get("csv"), dict):
                found += _faults(CSVFormat, part["csv"], "data", name, "csv")
                part = part | {"csv": None}
            found += _faults(Source, part, "data", name)
        found += _faults(DataSpec, data | dict.fromkeys(sources, Source(features="checked")), "data")
        values = values | {"data": None}
    misplaced = [key for key in values if key in FitSettings.model_fields and key not in RunSpec.model_fields]
    found += [Complaint((key,), f"belongs to fit: write fit.{key}") for key in misplaced]
    return found + _faults(RunSpec, {key: value for key, value in values.items() if key not in misplaced})


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
        The path of its checkpoint starts from the folder of the file.

    Raises
    ------
    ConfigError
        With everything that is wrong, each with file, line and column.
    """
    loaded = load_yaml(path)
    values = _unwrapped(loaded)
    if not isinstance(values, dict):
        got = "an empty file" if values is None else repr(values)
        raise ConfigError(f"{path}: must be a mapping with the keys {', '.join(RunSpec.model_fields)}; got {got}")
    # A section whose lines are all left out, or commented out.
    values = {key: value for key, value in values.items() if value is not None or key not in ("fit", "layer_defaults")}
    settings = settings or []
    # Layers are set by name, for which those of the file must be there, and right.
    of_layers = None
    written: Written = {}
    try:
        if any(one.startswith("layers.") for one in settings):
            of_layers = _take_layers(path, values)
        written = override(values, settings)
        of_layers = _take_layers(path, values) or of_layers
    except ConfigError as fault:
        if not fault.complaints[0].path:
            raise
        raise _located(path, loaded, list(fault.complaints), written, of_layers) from None
    complaints = _of_sections(values, path.parent)
    layers = values.get("layers")
    defaults = values.get("layer_defaults", {})
    # What is no list, or no mapping, is told already.
    if isinstance(layers, list) and isinstance(defaults, dict):
        try:
            parse(layers, defaults)
        except ConfigError as fault:
            complaints += fault.complaints
    if isinstance(values.get("fit"), dict):
        try:
            FitSettings(**{k: v for k, v in values["fit"].items() if k not in ("valid", "test")})
        except ValidationError as fault:
            complaints += [c.under("fit") for c in complaints_of(fault, FitSettings)]
    if complaints:
        raise _located(path, loaded, complaints, written, of_layers)
    spec = RunSpec(**values)
    if needs_data and spec.data is None:
        raise ConfigError(f"{path}: data.train must be given: features and labels")
    fit = dict(spec.fit)
    if "checkpoint" not in fit:
        fit["checkpoint"] = f"runs/{spec.name or path.stem}"
    elif fit["checkpoint"] is not None:
        fit["checkpoint"] = _beside(path, fit["checkpoint"])
    return spec.model_copy(update={"layers": plain(layers), "fit": fit})


def write_settings(path: Path, settings: dict[str, Any]) -> None:
    """Write settings of `fit` into a config; comments and order of a YAML file stay.

    Raises
    ------
    ConfigError
        Where the file cannot be written; the old one stays.
    """
    from ruamel.yaml import YAML

    loaded = load_yaml(path)
    section = loaded.setdefault("fit", {})
    section.update(settings)
    text = io.StringIO()
    if path.suffix.lower() == ".json":
        text.write(json.dumps(_unwrapped(loaded), indent=2) + "\n")
    else:
        yaml = YAML(typ="rt")
        yaml.width = 10_000
        yaml.brace_single_entry_mapping_in_flow_sequence = True
        yaml.indent(mapping=2, sequence=4, offset=2)
        yaml.dump(loaded, text)
    try:
        with replacing(path) as file:
            file.write(text.getvalue())
    except OSError as fault:
        raise ConfigError(f"{path}: cannot be written: {fault.strerror}") from None


def _beside(path: Path, relative: str) -> str:
    """Return a path of a config as seen from here; a URL is the same from everywhere."""
    if is_url(relative):
        return relative
    joined = os.path.normpath(path.parent / relative)
    return joined + "/" if relative.endswith("/") else joined


def read_layers(path: Path) -> list[Any]:
    """Return the list of layers of a YAML or JSON file: the file itself, or its key `layers`."""
    return _list_of_layers(path, _load_layers(path))


def layers_of(path: Path, layer_defaults: Mapping[str, Any] | None = None) -> list[Layer]:
    """Return the layers of a YAML or JSON file, built; ConfigError with file, line and column of every fault."""
    loaded = _load_layers(path)
    try:
        return parse(_list_of_layers(path, loaded), layer_defaults)
    except ConfigError as fault:
        if any(complaint.path[:1] != ("layers",) for complaint in fault.complaints):
            raise
        raise _located(path, loaded, list(fault.complaints), {}, (path, loaded)) from None


def _take_layers(config: Path, values: dict[str, Any]) -> tuple[Path, Any] | None:
    """Put layers that lie in a file of their own in the place of its name; return the file, and what is in it."""
    if not isinstance(values.get("layers"), str):
        return None
    path = config.parent / values["layers"]
    loaded = _load_layers(path)
    values["layers"] = _list_of_layers(path, loaded)
    return path, loaded


def _load_layers(path: Path) -> Any:
    if not path.is_file() and path.suffix.lower() not in (".yaml", ".yml", ".json"):
        told = (
            f"layers must be a list of [Layer, {{parameters}}], or the path of a YAML or JSON file; got {path.name!r}"
        )
        raise ConfigError(Complaint(("layers",), told))
    return load_yaml(path)


def _list_of_layers(path: Path, loaded: Any) -> list[Any]:
    values = _unwrapped(loaded)
    layers = values.get("layers") if isinstance(values, dict) else values
    if not isinstance(layers, list):
        raise ConfigError(f"{path}: must hold a list of [Layer, {{parameters}}]")
    return layers
