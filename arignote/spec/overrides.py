"""Values that ``--set key=value`` writes into a config, and other options that are YAML."""

from __future__ import annotations

from typing import Any

from arignote.data.specs import CSVFormat, table_format
from arignote.errors import ConfigError
from arignote.safe.yaml import plain_yaml
from arignote.spec.forms import LayersForm, form_of
from arignote.spec.locations import Written
from arignote.spec.paths import Items, Layers, Place, place_of, replaced_at, walk
from arignote.spec.settings import FitSettings

__all__ = ["csv_format", "override"]

# Of the sections of a config those that hold parts.
_FORMS = {"layers": LayersForm(), "fit": {name: form_of(info) for name, info in FitSettings.model_fields.items()}}


def override(values: dict[str, Any], settings: list[str]) -> Written:
    """Write ``key=value`` strings into a config; values are YAML, layers are named: ``layers.fc1.n_units=128``.

    Layers of a block are named within it, ``layers.res.layers.conv1.stride=2``, for all its repetitions. Parameters
    of a part follow its key, ``fit.lr_rule.initial_value=0.1``, and in a list of parts its position,
    ``fit.augmentation.0.sigma=1``.

    Returns
    -------
    dict of tuple to str
        The string that wrote the value of each path.
    """
    written: Written = {}
    for setting in settings:
        key, sign, text = setting.partition("=")
        if not sign or not key:
            raise ConfigError(f"--set must be key=value; got {setting!r}")
        option = f"--set {_shortened(setting)}"
        value = plain_yaml(text, option)
        try:
            values |= _written(values, key.split("."), value, setting, written)
        except ConfigError as error:
            if error.complaints[0].path:
                raise
            raise ConfigError(f"{option}: {error}") from None
    return written


def _written(values: dict[str, Any], words: list[str], value: Any, setting: str, written: Written) -> dict[str, Any]:
    """Return a config with a value at a path, which is noted in `written`."""
    steps: list[tuple[Place, str]] = []
    at: tuple[str | int, ...] = ()
    for place, word in walk(place_of(values, _FORMS), words):
        before = ".".join(word for _, word in steps)
        if isinstance(place, Items) and word not in place.words():
            raise ConfigError(f"{before} is a list: write it whole, or name a position: {', '.join(place.words())}")
        if type(place) is Place:
            raise ConfigError(
                f"{before} {'is a list: write it whole' if isinstance(place.value, list) else 'has no keys'}"
            )
        at = (*at, *place.key(word))
        steps.append((place, word))
        # A key that --set creates has no line in the file: complaints about it name the option.
        if not place.has(word):
            written[at] = setting
    if isinstance(steps[-1][0], Layers):
        raise ConfigError("name a parameter too, as in layers.fc1.n_units=128")
    written[at] = setting
    changed: dict[str, Any] = replaced_at(steps, value)
    return changed


def csv_format(text: str) -> CSVFormat:
    """Return the format of a text table that ``--csv`` gives as YAML, checked as `csv:` of a source is."""
    option = f"--csv {_shortened(text)}"
    value = plain_yaml(text, option)
    try:
        return table_format(value)
    except ConfigError as error:
        raise ConfigError(error.complaints, [f"{option}: {c.text('yaml')}" for c in error.complaints]) from None


def _shortened(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:97]}..."
