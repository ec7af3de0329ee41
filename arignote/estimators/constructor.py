"""What the parameters of an estimator's constructor mean to a fit: layers, a shape, a seed, settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from arignote.errors import ConfigError
from arignote.layers.base import Layer
from arignote.layers.layer_list import parse
from arignote.spec.settings import FitSettings, checked_settings

__all__ = ["built_layers", "seed_of", "set_settings", "settings_of", "shape_of"]


def built_layers(layers: Any, defaults: Mapping[str, Any] | None) -> list[Layer]:
    """Return the layers of a list, or of the file whose path is given."""
    if isinstance(layers, str | Path):
        # A list of layers needs no reader of YAML.
        from arignote.spec.config import layers_of

        return layers_of(Path(layers), defaults)
    return parse(layers, defaults)


def shape_of(n_in: Any) -> Any:
    """Return the shape of an example, of several inputs by channel; None if it is that of the data."""
    if isinstance(n_in, Mapping):
        return {channel: shape_of(shape) for channel, shape in n_in.items()}
    return None if n_in is None else tuple(int(n) for n in np.ravel(n_in))


def seed_of(seed: Any) -> int | None:
    """Return the seed of a run; None if one is to be drawn. From a generator, its next number."""
    if seed is None or isinstance(seed, int | np.integer):
        return None if seed is None else int(seed)
    if isinstance(seed, np.random.RandomState):
        # Within [0, 2**31), as a seed that is drawn (`streams.draw_seed`).
        return int(seed.randint(2**31))
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(2**31))
    raise ConfigError(f"rng must be an integer or None; got {seed!r}")


def set_settings(estimator: Any, given: Mapping[str, Any]) -> None:
    """Set every setting as an attribute: as given, else to its default; ConfigError if one is unknown."""
    fields = FitSettings.model_fields
    for key, field in fields.items():
        setattr(estimator, key, given.get(key, field.default))
    if unknown := {key: value for key, value in given.items() if key not in fields}:
        # It raises ConfigError, with the names that are near.
        checked_settings(unknown)


def settings_of(estimator: Any, given: Mapping[str, Any]) -> FitSettings:
    """Return the settings of a fit: those that are given to it, else those of the constructor, else their defaults."""
    fields = FitSettings.model_fields
    own = {key: getattr(estimator, key) for key in fields}
    # Without defaults, as `model_fields_set` decides whether a batch_size of `Data` is used.
    return checked_settings({k: v for k, v in own.items() if v != fields[k].default} | dict(given))
