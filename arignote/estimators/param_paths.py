"""Paths of the parameters of an estimator: ``fc1__n_units``, ``lr_rule__interval``, ``augmentation__0__max_shift``."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from arignote.errors import Complaint, ConfigError, listed, nearest
from arignote.registry import only_trusting
from arignote.spec.forms import Form, LayersForm, form_of
from arignote.spec.paths import Keys, Place, Spec, place_of, walk
from arignote.spec.settings import FitSettings

__all__ = ["params_of_parts", "places_of_path"]

_FORMS: Mapping[str, Form] = {name: form_of(info) for name, info in FitSettings.model_fields.items()}


class _Arguments(Keys):
    """The arguments of a constructor, of which a derived class may lack some; layers may be in a file."""

    def words(self) -> list[str]:
        return list(dict.fromkeys((*self.value, "layers")))

    def child(self, word: str) -> Place:
        value = self.value.get(word)
        if word != "layers" or not isinstance(value, str | Path):
            return super().child(word)
        # A list of layers needs no reader of YAML.
        from arignote.spec.config import read_layers

        assert isinstance(self.forms, Mapping)
        return place_of(read_layers(Path(value)), self.forms[word])


def _root(values: Mapping[str, Any]) -> _Arguments:
    """Return the place of the arguments of a constructor."""
    defaults = values.get("layer_defaults")
    return _Arguments(values, {**_FORMS, "layers": LayersForm(defaults if isinstance(defaults, Mapping) else {})})


def params_of_parts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of all parts that the arguments of a constructor declare, by paths."""
    params: dict[str, Any] = {}
    root = _root(values)
    # To list parameters imports nothing, whatever a list or its file names.
    with only_trusting("", ()):
        for name in values:
            # Layers or settings that are wrong are reported by `fit`.
            with suppress(ValueError):
                params.update(_paths_behind(root.child(name), "" if name == "layers" else f"{name}__", values))
    return params


def _paths_behind(place: Place, before: str, own: Container[str]) -> Iterator[tuple[str, Any]]:
    """Yield the paths behind a place, with their values."""
    for word in place.words():
        # A path cannot tell these apart.
        if "__" in word or (not before and word in own):
            continue
        child = place.child(word)
        yield f"{before}{word}", child.value
        yield from _paths_behind(child, f"{before}{word}__", own)


def places_of_path(key: str, value: Any, values: Mapping[str, Any]) -> list[tuple[Place, str]]:
    """Return the places of a path, each with the word that follows it; ConfigError if a place lacks its word."""
    root, words = _root(values), key.split("__")
    if words[0] not in values:
        words = ["layers", *words]
    elif words[0] in _names_of_layers(root):
        raise ConfigError(
            f"set_params: {key}: {words[0]!r} is a layer and an argument of the constructor too: give the layer "
            "another name, or set the whole list, layers=[...]"
        )
    steps: list[tuple[Place, str]] = []
    for place, word in walk(root, words):
        steps.append((place, word))
        if word not in place.words():
            raise _unknown(key, value, steps, values)
    return steps


def _names_of_layers(root: Place) -> list[str]:
    # A list that is wrong is reported by `fit`.
    with suppress(ConfigError):
        return root.child("layers").words()
    return []


def _unknown(key: str, value: Any, steps: Sequence[tuple[Place, str]], values: Mapping[str, Any]) -> ConfigError:
    """Return the error of a path whose last place lacks its word."""
    # The table of synonyms is loaded only when a message is built.
    from arignote.hints.synonyms import advice_on

    place, word = steps[-1]
    before = "".join(f"{word}__" for _, word in steps[:-1]).removeprefix("layers__")
    names = place.words() if before else [*place.words(), *values]
    if not names:
        of = before.removesuffix("__")
        return ConfigError(f"set_params: {key}: {of} is {place.value!r}, which has no parameters: set it whole")
    # A parameter of a layer without the name of the layer.
    meant = [] if before else [path for path, _ in _paths_behind(place, "", values) if path.endswith(f"__{word}")]
    advice = advice_on(place.kind if isinstance(place, Spec) else "config", word, names)
    if advice is not None and not before and not meant:
        return ConfigError(Complaint((), f"set_params: unknown parameter {key!r}", advice=advice.about(value)))
    if advice is not None and before:
        meant = [target.key for target in advice.replacements if target.key in names]
    near = next(iter(meant), None) or nearest(word, names)
    hint = f"Did you mean {before + near!r}?" if near else f"There are: {listed([before + name for name in names])}"
    return ConfigError(f"set_params: unknown parameter {key!r}. {hint}")
