"""From a list of specs to layers and blocks, built, each with its place in the list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from arignote.errors import Complaint, ConfigError
from arignote.layers.base import OF_OWNER, Layer
from arignote.layers.block import Block
from arignote.layers.inputs import NetworkInput
from arignote.layers.output import OutputLayer
from arignote.registry import build, find, part_name, split
from arignote.safe.limits import MOST_LAYERS

__all__ = ["Builder", "Entry", "Path", "all_entries", "is_block", "local_names", "names_of"]

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Entry:
    """A layer or a block of a list, with its place in the list of the user, and the entries of a block."""

    path: Path
    part: Layer | Block
    inner: tuple[Entry, ...] = ()

    @property
    def n_layers(self) -> int:
        return self.part.repeat * sum(entry.n_layers for entry in self.inner) if isinstance(self.part, Block) else 1


def all_entries(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Yield entries, and after each block those that are inside it."""
    for entry in entries:
        yield entry
        yield from all_entries(entry.inner)


def _label(spec: Any) -> str:
    """Return the class and name of a layer as messages have them; "" for an invalid spec or an unknown layer."""
    try:
        word, params = split("layer", spec)
        if not is_block(word):
            find("layer", word)
    except ConfigError:
        return ""
    return f"{word} {params['name']!r}" if params.get("name") else str(word)


def is_block(word: Any) -> bool:
    """Return whether the name of a part is that of a block."""
    return isinstance(word, str) and word.lower() == "block"


def _complaint_of(key: str, spec: Any) -> Complaint | None:
    """Return what is wrong with a parameter of a layer, as a default."""
    try:
        build("layer", spec)
    except ConfigError as error:
        complaints = (complaint for complaint in error.complaints if complaint.path[:1] == (key,))
        return next((replace(complaint, path=("layer_defaults", *complaint.path)) for complaint in complaints), None)
    return None


class Builder:
    """Builds the parts of a list, collecting complaints and the defaults that were used."""

    def __init__(self, defaults: Mapping[str, Any]):
        self._defaults = defaults
        self.used: set[str] = set()
        # Defaults that a layer sets itself, with the specs of such layers as they would be otherwise.
        self._set: dict[str, list[Any]] = {}
        self._taken: set[str] = set()
        self.complaints: list[Complaint] = []

    def entries(self, specs: Sequence[Any], path: Path, depth: int = 0) -> tuple[Entry, ...]:
        """Return the entries of a list at a path; those that cannot be built are left out, with complaints."""
        built = []
        for position, spec in enumerate(specs):
            at = (*path, position)
            try:
                part = self._part(spec)
                if isinstance(part, Block):
                    built.append(Entry(at, part, self._inner(part, at, depth)))
                else:
                    built.append(Entry(at, part))
            except ConfigError as error:
                label = _label(spec)
                self.complaints += [replace(c, label=c.label or label) for c in error.under(*at).complaints]
        return tuple(built)

    def _part(self, spec: Any) -> Layer | Block:
        if isinstance(spec, Layer | Block):
            return spec
        word, params = split("layer", spec)
        if is_block(word):
            block: Block = build("block", ["Block", params])
            return block
        cls = find("layer", word)
        # A layer that shares parameters has these settings from their owner, and takes no default of them.
        known = cls.model_fields.keys() - (OF_OWNER if params.get("share") is not None else ())
        fitting = {k: v for k, v in self._defaults.items() if k in known}
        self.used |= set(fitting)
        self._taken |= fitting.keys() - params.keys()
        for key in fitting.keys() & params.keys():
            self._set.setdefault(key, []).append([word, params | {key: fitting[key]}])
        layer: Layer = build("layer", [word, fitting | params])
        return layer

    def complaints_of_defaults(self) -> list[Complaint]:
        """Return complaints about defaults that each layer sets itself, and that none of them could take."""
        of_defaults = []
        for key in self._set.keys() - self._taken:
            complaints = [_complaint_of(key, spec) for spec in self._set[key]]
            if complaints[0] is not None and None not in complaints:
                of_defaults.append(complaints[0])
        return of_defaults

    def _inner(self, block: Block, path: Path, depth: int) -> tuple[Entry, ...]:
        if not block.layers:
            raise ConfigError(Complaint(("layers",), "layers must be a list of at least one layer"))
        if depth == 20:
            raise ConfigError(Complaint(("layers",), "blocks are nested more than 20 deep"))
        inner = self.entries(block.layers, (*path, "layers"), depth + 1)
        n_layers = block.repeat * sum(entry.n_layers for entry in inner)
        # Before anything is expanded, as blocks within blocks multiply.
        if n_layers > MOST_LAYERS:
            message = f"the block expands to {n_layers:,} layers; the limit is {MOST_LAYERS:,}"
            raise ConfigError(Complaint(("repeat",), message))
        for entry in inner:
            if isinstance(entry.part, NetworkInput | OutputLayer):
                kind = "an output" if isinstance(entry.part, OutputLayer) else "an input"
                message = f"{kind} layer cannot be within a block"
                self.complaints.append(Complaint(entry.path, message, part_name(entry.part)))
        return inner


def names_of(entries: Sequence[Entry]) -> list[str]:
    """Return the names of the entries of a list: those that are given, else kind and number.

    Where there are several input layers, they are named after their channels.
    """
    return _named([(type(entry.part), entry.part.name, getattr(entry.part, "channel", None)) for entry in entries])


def local_names(specs: Sequence[Any]) -> list[str]:
    """Return the names of the entries of a list of specs, as they are within it; their parameters may be wrong."""
    declared: list[tuple[type[Layer | Block], str | None, str | None]] = []
    complaints: list[Complaint] = []
    for position, spec in enumerate(specs):
        try:
            declared.append(_declared(spec))
        except ConfigError as error:
            complaints += error.under("layers", position).complaints
    if complaints:
        raise ConfigError(complaints)
    return _named(declared)


def _declared(spec: Any) -> tuple[type[Layer | Block], str | None, str | None]:
    """Return the class of a layer or block, and the name and the channel that it is given."""
    if isinstance(spec, Layer | Block):
        return type(spec), spec.name, getattr(spec, "channel", None)
    word, params = split("layer", spec)
    cls: Any = find("block" if is_block(word) else "layer", word)
    name, channel = (value if isinstance(value := params.get(key), str) else None for key in ("name", "channel"))
    return cls, name, channel


def _named(declared: Sequence[tuple[type[Layer | Block], str | None, str | None]]) -> list[str]:
    taken = {name for _, name, _ in declared if name}
    has_channels = sum(issubclass(cls, NetworkInput) for cls, _, _ in declared) > 1
    counts: dict[str, int] = {}
    names = []
    for cls, name, channel in declared:
        prefix = cls.name_prefix
        if has_channels and issubclass(cls, NetworkInput):
            name = name or channel
        if name is None:
            counts[prefix] = counts.get(prefix, 0) + 1
            # Most networks have one of each, which needs no number.
            name = prefix if prefix in ("input", "output") else f"{prefix}{counts[prefix]}"
            # The user may have given this name to another layer.
            while name in taken:
                counts[prefix] += 1
                name = f"{prefix}{counts[prefix]}"
        taken.add(name)
        names.append(name)
    return names
