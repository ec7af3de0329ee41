"""Values that ``--set key=value`` writes into a config, and other options that are YAML."""

from __future__ import annotations

from typing import Any

from arignote.data.specs import CSVFormat, table_format
from arignote.errors import ConfigError
from arignote.layers.layer_list import local_names
from arignote.spec.locations import Written

__all__ = ["csv_format", "override"]


def override(values: dict[str, Any], settings: list[str]) -> Written:
    """Write ``key=value`` strings into a config; values are YAML, layers are named: ``layers.fc1.n_units=128``.

    Layers of a block are named within it, ``layers.res.layers.conv1.stride=2``, for all its repetitions.

    Returns
    -------
    dict of tuple to str
        The string that wrote the value of each path.
    """
    written: Written = {}
    # Names are those of the file: values that are written may be wrong, which is reported later.
    names: dict[tuple[str | int, ...], list[str]] = {}
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
                if at not in names:
                    names[at] = local_names(place)
                position, place = _layer_of(place, names[at], word, setting)
                at = (*at, position)
            elif isinstance(place, dict):
                at = (*at, word)
                if word not in place:
                    place[word] = {}
                    written[at] = setting
                place = place[word]
            if not isinstance(place, dict | list):
                raise ConfigError(f"--set {setting}: {'.'.join(path[: depth + 1])} has no keys")
            if isinstance(place, list) and not (word == "layers" and path[0] == "layers"):
                raise ConfigError(f"--set {setting}: {'.'.join(path[: depth + 1])} is a list: write it whole")
        if isinstance(place, list):
            raise ConfigError(f"--set {setting}: name a parameter too, as in layers.fc1.n_units=128")
        place[last] = value
        written[*at, last] = setting
    return written


def csv_format(text: str) -> CSVFormat:
    """Return the format of a text table that ``--csv`` gives as YAML, checked as `csv:` of a source is."""
    option = f"--csv {text}"
    value = _yaml_value(text, option)
    try:
        return table_format(value)
    except ConfigError as error:
        raise ConfigError(error.complaints, [f"{option}: {c.text('yaml')}" for c in error.complaints]) from None


def _yaml_value(text: str, option: str) -> Any:
    """Return the value of an option; ConfigError if it is not YAML."""
    from ruamel.yaml import YAML

    try:
        return YAML(typ="safe").load(text)
    except Exception:
        raise ConfigError(f"{option}: the value is not YAML") from None


def _layer_of(layers: list[Any], names: list[str], name: str, setting: str) -> tuple[int, dict[str, Any]]:
    """Return position and parameters of a layer by its name."""
    for position, known in enumerate(names):
        if known == name:
            spec = layers[position]
            if isinstance(spec, dict):
                return position, spec
            if not isinstance(spec, list):
                spec = layers[position] = [spec]
            if len(spec) == 1:
                spec.append({})
            params: dict[str, Any] = spec[1]
            return position, params
    raise ConfigError(f"--set {setting}: there is no layer {name!r}; layers: {', '.join(names)}")
