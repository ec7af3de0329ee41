"""Paths into what is declared: keys, layers by their names, parameters of parts, parts of a list by their positions.

``--set fit.lr_rule.initial_value=0.1`` and ``set_params(fc1__n_units=64)`` write at such paths. Each place returns a
copy of what it holds, with one value replaced: what was given is never changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from arignote.errors import ConfigError
from arignote.layers.block import Block
from arignote.layers.entries import is_block, local_names
from arignote.registry import ByNameField, Part, PartField, PartsField, find, several, split
from arignote.spec.forms import Form, LayersForm, default_of, form_of

__all__ = [
    "Items",
    "Keys",
    "Layers",
    "Place",
    "Spec",
    "place_of",
    "replaced_at",
    "walk",
]


@dataclass(frozen=True)
class Place:
    """A value at a path. Of this class it is a value that no path enters.

    Attributes
    ----------
    value : object
        As it is declared, or the default.
    """

    value: Any

    def words(self) -> list[str]:
        """Return the words that may follow; raise ConfigError if the value is so wrong that they are not known."""
        return []

    def has(self, word: str) -> bool:
        """Return whether a key exists; a missing one is created when the path continues."""
        return True

    def first(self, words: Sequence[str]) -> tuple[str, Sequence[str]]:
        """Return the word of a path that is meant here, and the rest of the path."""
        return words[0], words[1:]

    def key(self, word: str) -> tuple[str | int, ...]:
        """Return what a word adds to the path of a complaint."""
        return (word,)

    def child(self, word: str) -> Place:
        """Return the place behind a word."""
        raise NotImplementedError

    def replaced(self, word: str, value: Any) -> Any:
        """Return a copy of the value in which the one behind a word is another one."""
        raise NotImplementedError


@dataclass(frozen=True)
class Keys(Place):
    """A mapping; a key that contains dots may be written as several words."""

    forms: Mapping[str, Form] | PartField | None = None

    @property
    def mapping(self) -> Mapping[Any, Any]:
        return {} if self.value is None else self.value

    def words(self) -> list[str]:
        return [key for key in self.mapping if isinstance(key, str)]

    def has(self, word: str) -> bool:
        return word in self.mapping

    def first(self, words: Sequence[str]) -> tuple[str, Sequence[str]]:
        # The longest first, as a key of `rules` has dots itself: "fc1.l2".
        n = next((n for n in range(len(words), 0, -1) if ".".join(words[:n]) in self.mapping), 1)
        return ".".join(words[:n]), words[n:]

    def child(self, word: str) -> Place:
        form = self.forms.get(word) if isinstance(self.forms, Mapping) else self.forms
        return place_of(self.mapping.get(word), form)

    def replaced(self, word: str, value: Any) -> Any:
        return {**self.mapping, word: value}


@dataclass(frozen=True)
class Items(Place):
    """A list of parts, by position; a single one is at 0."""

    form: PartField

    @cached_property
    def _items(self) -> tuple[Any, ...]:
        return several(self.value)

    @property
    def _is_single(self) -> bool:
        # `several` puts a single part, as it was given, into a tuple.
        return len(self._items) == 1 and self._items[0] is self.value

    def words(self) -> list[str]:
        return [str(position) for position in range(len(self._items))]

    def first(self, words: Sequence[str]) -> tuple[str, Sequence[str]]:
        return ("0", words) if self._is_single and not words[0].isdecimal() else super().first(words)

    def key(self, word: str) -> tuple[str | int, ...]:
        # Complaints about parts of a list lack the position.
        return ()

    def child(self, word: str) -> Place:
        return _place_of_part(self._items[int(word)], self.form)

    def replaced(self, word: str, value: Any) -> Any:
        return value if self._is_single else [*self._items[: int(word)], value, *self._items[int(word) + 1 :]]


@dataclass(frozen=True)
class Layers(Place):
    """A list of layers, by their names: those that are given, else kind and number."""

    defaults: Mapping[str, Any]

    @cached_property
    def _names(self) -> list[str]:
        return local_names(self.value)

    def words(self) -> list[str]:
        return self._names

    def key(self, word: str) -> tuple[str | int, ...]:
        return (self._position(word),)

    def child(self, word: str) -> Place:
        return self._layer(self.value[self._position(word)])

    def replaced(self, word: str, value: Any) -> Any:
        position = self._position(word)
        changed = [*self.value[:position], value, *self.value[position + 1 :]]
        # A layer that is wrong is reported when it is built.
        with suppress(ConfigError):
            # Without a name, another type of layer would be called after its kind, and the layers behind it too.
            if local_names(changed)[position] != word and not (layer := self._layer(value)).given.get("name"):
                changed[position] = layer.replaced("name", word)
        return changed

    def _layer(self, spec: Any) -> Spec:
        if isinstance(spec, Part):
            return Spec(spec, spec, spec.kind, self.defaults)
        word, params = split("layer", spec)
        if is_block(word):
            # Whose key in a mapping is that of layers.
            return Spec(spec, [word, params], "block", self.defaults)
        return Spec(spec, spec, "layer", self.defaults)

    def _position(self, name: str) -> int:
        if name not in self._names:
            raise ConfigError(f"there is no layer {name!r}; layers: {', '.join(self._names)}")
        return self._names.index(name)


@dataclass(frozen=True)
class Spec(Place):
    """A part, by its parameters.

    Attributes
    ----------
    spec : object
        What the value stands for: a spec in any form, or a part that is built.
    kind : str
    defaults : mapping
        Of parameters that are not given.
    """

    spec: Any
    kind: str
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def cls(self) -> type[Part]:
        """Class of the part; raises ConfigError if there is none of the name."""
        return type(self.spec) if isinstance(self.spec, Part) else find(self.kind, split(self.kind, self.spec)[0])

    @cached_property
    def given(self) -> dict[str, Any]:
        """The parameters that are given."""
        if isinstance(self.spec, Part):
            # Not the defaults of the part, which would hide those of `layer_defaults`.
            return {name: getattr(self.spec, name) for name in self.spec.model_fields_set}
        return split(self.kind, self.spec)[1]

    def words(self) -> list[str]:
        return list(self.cls.model_fields)

    def has(self, word: str) -> bool:
        return word in self.given

    def child(self, word: str) -> Place:
        given = {**self.defaults, **self.given}
        info = None
        # An unknown part, or parameter, is reported when it is built.
        with suppress(ConfigError):
            info = self.cls.model_fields.get(word)
        if info is None:
            return place_of(given.get(word))
        form = LayersForm(self.defaults) if self.cls is Block and word == "layers" else form_of(info)
        return place_of(given.get(word, default_of(info)), form)

    def replaced(self, word: str, value: Any) -> Any:
        if isinstance(self.spec, Part):
            return type(self.spec)(**self.given | {word: value})
        if isinstance(self.spec, Mapping):
            return {**self.spec, word: value}
        name, params = split(self.kind, self.spec)
        return [name, params | {word: value}]


def place_of(value: Any, form: Form = None) -> Place:
    """Return the place of a value that is declared in a form."""
    if isinstance(form, LayersForm):
        return Layers(value, form.defaults) if isinstance(value, list | tuple) else Place(value)
    if value is None:
        # A mapping that is not there yet: a path that continues creates it.
        return Keys(None, form if isinstance(form, Mapping) else None)
    if isinstance(form, ByNameField):
        # {"loss": "nll"} is a part; any other mapping has one for each name.
        if isinstance(value, Mapping) and form.kind not in value:
            return Keys(value, form.one)
        form = form.one
    if isinstance(form, PartsField) and (isinstance(value, str | Mapping | list | tuple) or callable(value)):
        return Items(value, form)
    if isinstance(form, PartField):
        return _place_of_part(value, form)
    return Keys(value, form) if isinstance(value, Mapping) else Place(value)


def _place_of_part(value: Any, form: PartField) -> Place:
    try:
        spec = value if isinstance(value, Part) else form.spec_of(value)
        if not isinstance(spec, Part):
            split(form.kind, spec)
    except ValueError:
        # No part, or one that is not complete yet.
        return Keys(value) if isinstance(value, Mapping) else Place(value)
    return Spec(value, spec, form.kind)


def walk(place: Place, words: Sequence[str]) -> Iterator[tuple[Place, str]]:
    """Yield each place of a path, and the word that follows it, before it is taken."""
    while words:
        word, words = place.first(words)
        yield place, word
        place = place.child(word)


def replaced_at(steps: Sequence[tuple[Place, str]], value: Any) -> Any:
    """Return a copy of what is at the first of these places, with another value at the end of the path."""
    for place, word in reversed(steps):
        value = place.replaced(word, value)
    return value
