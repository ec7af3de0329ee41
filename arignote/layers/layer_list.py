"""From a list of specs to layers: built, named and linked, with blocks written out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar

from pydantic import Field

from arignote.errors import Complaint, ConfigError, nearest
from arignote.hints.advice import Advice, Replacement
from arignote.layers.base import OF_OWNER, Layer, Name, WeightedLayer
from arignote.layers.merge import MergeLayer
from arignote.layers.output import OutputLayer
from arignote.layers.shape import InputImageLayer, InputLayer
from arignote.registry import Part, build, find, names, part_name, plain, register, split
from arignote.safe.limits import MOST_LAYERS

__all__ = ["Block", "local_names", "parse"]

Path = tuple[str | int, ...]


@register()
class Block(Part):
    """Layers that are declared once and written out several times: ``x = layers(x)``, `repeat` times.

    Within the block "in" is its input. The layers of the block "res" are named res-1-conv1, res-1-conv2, ...,
    res-2-conv1, ...; each has weights of its own. The name of the block is that of its last layer.

    Parameters
    ----------
    layers : list of [Layer, {params}]
        The layers. The first takes the input of the block, unless it names another one.
    name : str, optional
        Name of the block; by default block1, block2 ...
    repeat : int in [1, 1000], default 1
        How often the layers are written out, each time with the output of the last one as input.
    input : str, optional
        Name of the layer whose output is the input of the block; by default the layer before.

    Examples
    --------
    >>> layers = [["FCLayer", {"n_units": 4}], ["SumLayer", {"inputs": ["in", "fc1"]}]]
    >>> block = Block(name="res", repeat=2, layers=layers)
    >>> [layer.name for layer in parse([["FCLayer", {"n_units": 4}], block, ["RegressionOutputLayer"]])]
    ['input', 'fc1', 'res-1-fc1', 'res-1-sum1', 'res-2-fc1', 'res-2-sum1', 'output']
    """

    kind: ClassVar[str] = "block"
    name_prefix: ClassVar[str] = "block"
    layers: list[Any]
    name: Name | None = None
    repeat: Annotated[int, Field(ge=1, le=1000)] = 1
    input: Name | None = None


@dataclass(frozen=True)
class _Entry:
    """A layer or a block of a list, with its place in the list of the user, and the entries of a block."""

    path: Path
    part: Layer | Block
    inner: tuple[_Entry, ...] = ()

    @property
    def n_layers(self) -> int:
        return self.part.repeat * sum(entry.n_layers for entry in self.inner) if isinstance(self.part, Block) else 1


_NO_OUTPUT = (
    'the last layer must be an output layer: ["ClassificationOutputLayer"], or ["RegressionOutputLayer"] for numbers'
)


def _label(spec: Any) -> str:
    """Return the class and name of a layer as messages have them; "" for an invalid spec."""
    try:
        word, params = split("layer", spec)
    except ConfigError:
        return ""
    return f"{word} {params['name']!r}" if params.get("name") else str(word)


def parse(layers: Any, layer_defaults: Mapping[str, Any] | None = None) -> list[Layer]:
    """Build, name and link the layers of a list of specs.

    Parameters
    ----------
    layers : list of [Layer, {params}] or Layer
    layer_defaults : dict, optional
        Parameters for every layer that has them and does not set them.

    Returns
    -------
    list of Layer
        Blocks are written out; an input layer comes first. Each has a name, and `input` only if that is not the layer
        before.

    Raises
    ------
    ConfigError
        With everything that is wrong in the list.
    """
    _check_forms(layers, layer_defaults)
    defaults = plain(dict(layer_defaults or {}))
    builder = _Builder(defaults)
    entries = builder.entries(layers, ("layers",))
    complaints = builder.complaints
    unused = {key: value for key, value in defaults.items() if key not in builder.used}
    complaints += [_of_one_layer(key, value) for key, value in unused.items() if _is_of_one_layer(key, value)]
    if not complaints:
        fields = {name for entry in _all(entries) for name in type(entry.part).model_fields}
        complaints = [_without_layer(key, value, fields) for key, value in unused.items()]
    if complaints:
        raise ConfigError(complaints)
    writer = _Writer()
    writer.write(entries)
    if writer.complaints:
        raise ConfigError(writer.complaints)
    return writer.layers


def _all(entries: Sequence[_Entry]) -> Iterator[_Entry]:
    for entry in entries:
        yield entry
        yield from _all(entry.inner)


def local_names(layers: list[Any]) -> list[str]:
    """Return the names of the entries of a list of specs, as they are within it: given, or implied."""
    builder = _Builder({})
    entries = builder.entries(layers, ("layers",))
    if builder.complaints:
        raise ConfigError(builder.complaints)
    return _names_of(entries)


class _Builder:
    """Builds the parts of a list, collecting complaints and the defaults that were used."""

    def __init__(self, defaults: Mapping[str, Any]):
        self._defaults = defaults
        self.used: set[str] = set()
        self.complaints: list[Complaint] = []

    def entries(self, specs: Sequence[Any], path: Path, depth: int = 0) -> tuple[_Entry, ...]:
        found = []
        for position, spec in enumerate(specs):
            at = (*path, position)
            try:
                part = self._part(spec)
                if isinstance(part, Block):
                    found.append(_Entry(at, part, self._inner(part, at, depth)))
                else:
                    found.append(_Entry(at, part))
            except ConfigError as error:
                label = "" if "unknown layer" in str(error) else _label(spec)
                self.complaints += [replace(c, label=c.label or label) for c in error.under(*at).complaints]
        return tuple(found)

    def _part(self, spec: Any) -> Layer | Block:
        if isinstance(spec, Layer | Block):
            return spec
        word, params = split("layer", spec)
        if isinstance(word, str) and word.lower() == "block":
            block: Block = build("block", ["Block", params])
            return block
        cls = find("layer", word)
        known = cls.model_fields.keys() - (OF_OWNER if params.get("share") is not None else ())
        fitting = {k: v for k, v in self._defaults.items() if k in known}
        self.used |= set(fitting)
        layer: Layer = build("layer", [word, fitting | params])
        return layer

    def _inner(self, block: Block, path: Path, depth: int) -> tuple[_Entry, ...]:
        if not block.layers:
            raise ConfigError(Complaint(("layers",), "layers must be a list of at least one layer"))
        if depth == 20:
            raise ConfigError(Complaint(("layers",), "blocks are nested more than 20 deep"))
        inner = self.entries(block.layers, (*path, "layers"), depth + 1)
        n_layers = block.repeat * sum(entry.n_layers for entry in inner)
        if n_layers > MOST_LAYERS:
            message = f"the block stands for {n_layers:,} layers; at most {MOST_LAYERS:,} are built"
            raise ConfigError(Complaint(("repeat",), message))
        for entry in inner:
            if isinstance(entry.part, InputLayer | InputImageLayer | OutputLayer):
                kind = "an output" if isinstance(entry.part, OutputLayer) else "an input"
                message = f"{kind} layer cannot be within a block"
                self.complaints.append(Complaint(entry.path, message, part_name(entry.part)))
        return inner


@dataclass
class _Scope:
    """The names that the layers of one list may refer to.

    Attributes
    ----------
    prefix : str
        Of the names of its layers.
    own : dict of str to str
        Names within the list -> names of layers.
    later : set of str
        All names of the list.
    outer : _Scope or None
    """

    prefix: str = ""
    own: dict[str, str] = field(default_factory=dict)
    later: set[str] = field(default_factory=set)
    outer: _Scope | None = None

    def find(self, name: str) -> str | None:
        return self.own.get(name) or (self.outer.find(name) if self.outer is not None else None)

    def known(self) -> set[str]:
        return set(self.own) | (self.outer.known() if self.outer is not None else set())

    def has_later(self, name: str) -> bool:
        return name in self.later or (self.outer is not None and self.outer.has_later(name))


class _Writer:
    """Writes layers out in order, each with its name and the names of its inputs."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self.complaints: list[Complaint] = []
        self._paths: dict[str, Path] = {}
        self._used: set[str] = set()
        # The layer before, which is the input by default.
        self._before: str | None = None
        # Names of layers that may be referred to from anywhere behind them.
        self._whole = _Scope()

    def write(self, entries: tuple[_Entry, ...]) -> None:
        """Write out a whole list of a network."""
        if not isinstance(entries[0].part, InputLayer | InputImageLayer):
            entries = (_Entry(("layers", 0), InputLayer()), *entries)
        n_layers = sum(entry.n_layers for entry in entries)
        if n_layers > MOST_LAYERS:
            self._complain(("layers",), f"stand for {n_layers:,} layers; at most {MOST_LAYERS:,} are built")
            return
        self._check_order(entries)
        self._write(entries, self._whole)
        for layer in self.layers:
            if layer.name not in self._used and not isinstance(layer, OutputLayer):
                message = f"nothing uses the output of {layer.name!r}: name it as an input, or leave the layer out"
                self._complain(self._paths[str(layer.name)], message, layer)

    def _check_order(self, entries: Sequence[_Entry]) -> None:
        first = entries[0]
        if first.part.input is not None:
            self._complain((*first.path, "input"), "input: an input layer takes the data: leave it out", first.part)
        outputs = [entry for entry in entries if isinstance(entry.part, OutputLayer)]
        for entry in outputs if len(outputs) > 1 else []:
            if entry.part.name is None:
                self._complain(entry.path, "name must be given, as there are several output layers", entry.part)
        for position, entry in enumerate(entries):
            last = position == len(entries) - 1
            if last and not isinstance(entry.part, OutputLayer):
                self._complain(entry.path, _NO_OUTPUT)
            if position and isinstance(entry.part, InputLayer | InputImageLayer):
                self._complain(entry.path, "an input layer must be the first layer", entry.part)

    def _write(self, entries: Sequence[_Entry], scope: _Scope) -> str:
        """Write out entries; return the name of the last layer."""
        local = _names_of(entries)
        scope.later = set(local)
        source = scope.own.get("in")
        for entry, name in zip(entries, local, strict=True):
            full = scope.prefix + name
            if name in scope.own or full in self._paths:
                taken = name if name in scope.own else full
                self._complain(entry.path, f"the name {taken!r} is taken by another layer")
            if isinstance(entry.part, Block):
                found = self._write_block(entry, entry.part, name, scope, source)
            else:
                found = self._write_layer(entry, entry.part, name, scope, source)
            scope.own[name] = found
            # By default nothing follows an output layer.
            source = source if isinstance(entry.part, OutputLayer) else found
        return str(source)

    def _write_block(self, entry: _Entry, block: Block, name: str, scope: _Scope, source: str | None) -> str:
        if block.input is not None:
            source = self._resolved(block.input, scope, (*entry.path, "input"), block)
        for number in range(1, block.repeat + 1):
            inside = _Scope(f"{scope.prefix}{name}-{number}-", {"in": str(source)}, outer=scope)
            source = self._write(entry.inner, inside)
        return str(source)

    def _write_layer(self, entry: _Entry, layer: Layer, name: str, scope: _Scope, source: str | None) -> str:
        full = scope.prefix + name
        links: dict[str, Any] = {"name": full}
        if isinstance(layer, MergeLayer):
            links["inputs"] = [
                self._resolved(one, scope, (*entry.path, "inputs", number), layer)
                for number, one in enumerate(layer.inputs)
            ]
            self._used.update(links["inputs"])
        elif source is not None:
            own = source if layer.input is None else self._resolved(layer.input, scope, (*entry.path, "input"), layer)
            self._used.add(own)
            links["input"] = None if own == self._before else own
        if isinstance(layer, WeightedLayer) and layer.share is not None:
            links["share"] = self._resolved(layer.share, scope, (*entry.path, "share"), layer)
        self._paths[full] = entry.path
        self._whole.own[full] = full
        self.layers.append(layer.model_copy(update=links))
        self._before = self._before if isinstance(layer, OutputLayer) else full
        return full

    def _resolved(self, name: str, scope: _Scope, path: Path, part: Part) -> str:
        """Return the name of the layer that `name` stands for in a scope; complain if there is none before."""
        found = scope.find(name)
        if found is not None:
            return found
        near = nearest(name, scope.known())
        hint = f"Did you mean {near!r}?" if near else f"Layers before it: {', '.join(sorted(scope.known()))}"
        if scope.has_later(name):
            message = f"{name!r} stands after it, or is the layer itself; a layer takes what stands before it. {hint}"
        else:
            message = f"there is no layer {name!r}. {hint}"
        self._complain(path, f"{path[-1]}: {message}" if isinstance(path[-1], str) else message, part)
        return str(self.layers[-1].name if self.layers else name)

    def _complain(self, path: Path, message: str, part: Part | None = None) -> None:
        own = getattr(part, "name", None)
        label = "" if part is None else part_name(part) + (f" {own!r}" if own else "")
        # A block that is repeated has the same fault in each repetition.
        if all(complaint.path != path for complaint in self.complaints):
            self.complaints.append(Complaint(path, message, label))


def _names_of(entries: Sequence[_Entry]) -> list[str]:
    """Return the names of the entries of a list: those that are given, or kind and number."""
    taken = {entry.part.name for entry in entries if entry.part.name}
    counts: dict[str, int] = {}
    found = []
    for entry in entries:
        name, prefix = entry.part.name, entry.part.name_prefix
        if name is None:
            counts[prefix] = counts.get(prefix, 0) + 1
            name = prefix if prefix in ("input", "output") else f"{prefix}{counts[prefix]}"
            while name in taken:
                counts[prefix] += 1
                name = f"{prefix}{counts[prefix]}"
        taken.add(name)
        found.append(name)
    return found


def _check_forms(layers: Any, layer_defaults: Any) -> None:
    if not isinstance(layers, Sequence) or isinstance(layers, str) or not layers:
        raise ConfigError(Complaint(("layers",), f"must be a list of [Layer, {{parameters}}]; got {layers!r}"))
    if not isinstance(layer_defaults, Mapping | None):
        raise ConfigError(Complaint(("layer_defaults",), f"must be a mapping; got {layer_defaults!r}"))
    if isinstance(layers[0], str) and len(layers) == 2 and isinstance(layers[1], Mapping):
        whole = Replacement("layers", [[layers[0], plain(layers[1])], ["ClassificationOutputLayer"]], at_top=True)
        message = "must be a list of layers; got a single one"
        raise ConfigError(Complaint(("layers",), message, advice=Advice("Write {}", (whole,))))


def _is_of_one_layer(key: str, value: Any) -> bool:
    """Return whether a default is a mapping of parameters under the name of a layer or of a type of layers."""
    if not isinstance(value, Mapping) or not value:
        return False
    known = names("layer")
    types = {word.lower().removesuffix("layer") for word in known}
    fields = {field for cls in known.values() for field in cls.model_fields}
    return key.lower().removesuffix("layer") in types or value.keys() <= fields


def _of_one_layer(key: str, value: Any) -> Complaint:
    """Return the complaint about parameters that are given for one layer, or for one type."""
    advice = Advice(
        "A default is for every layer that has the parameter: write {}, or set it in the layers themselves",
        (Replacement("layer_defaults", value, at_top=True),),
    )
    return Complaint(("layer_defaults", key), "must be a parameter; got a layer", advice=advice)


def _without_layer(key: str, value: Any, fields: set[str]) -> Complaint:
    """Return the complaint about a default that is no parameter of any layer; `fields` are those of all layers."""
    # The table of synonyms is loaded only when a message is built.
    from arignote.hints.synonyms import advice_on

    advice = advice_on("layer", key, fields)
    message = f"no layer of the list has the parameter {key!r}"
    return Complaint(("layer_defaults", key), message, advice=advice and advice.about(value))
