"""From the entries of a list to layers in order, each with its name and the names of its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from arignote.errors import Complaint, nearest
from arignote.layers.base import Layer, WeightedLayer
from arignote.layers.block import Block
from arignote.layers.entries import Entry, Path, names_of
from arignote.layers.inputs import InputLayer, NetworkInput
from arignote.layers.loading import of_repetition
from arignote.layers.merge import MergeLayer
from arignote.layers.output import OutputLayer
from arignote.registry import Part, part_name
from arignote.safe.limits import MOST_LAYERS

__all__ = ["LayerExpander", "Scope"]

_NO_OUTPUT = (
    'the last layer must be an output layer: ["ClassificationOutputLayer"], or ["RegressionOutputLayer"] for numbers'
)
_LOADS_THE_SAME = (
    "load_params must name other parameters in each repetition of the block, by {{n}}, its number from 1, or {{n-1}}, "
    "from 0: 'layer1.{{n-1}}.conv1'. true loads those of the same name, {0!r}"
)


@dataclass
class Scope:
    """The names that the layers of one list may refer to.

    Attributes
    ----------
    prefix : str
        Of the names of its layers.
    own : dict of str to str
        Names within the list -> names of layers.
    declared : set of str
        All names of the list.
    outer : Scope or None
    repetition : int or None
        Number, from 1, of the repetition of the innermost block that is repeated.
    """

    prefix: str = ""
    own: dict[str, str] = field(default_factory=dict)
    declared: set[str] = field(default_factory=set)
    outer: Scope | None = None
    repetition: int | None = None

    def find(self, name: str) -> str | None:
        return self.own.get(name) or (self.outer.find(name) if self.outer is not None else None)

    def known(self) -> set[str]:
        return set(self.own) | (self.outer.known() if self.outer is not None else set())

    def declares(self, name: str) -> bool:
        return name in self.declared or (self.outer is not None and self.outer.declares(name))


class LayerExpander:
    """Expands blocks to layers, in order, each with its name and the names of its inputs.

    Attributes
    ----------
    layers : list of Layer
    complaints : list of Complaint
    paths : dict of str to tuple
        The place of each layer in the list of the user, by its name.
    """

    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self.complaints: list[Complaint] = []
        self._reported: set[Path] = set()
        self.paths: dict[str, Path] = {}
        self._used: set[str] = set()
        # The layer before, which is the input by default.
        self._before: str | None = None
        # Names of layers that may be referred to from anywhere behind them.
        self._whole = Scope()

    def expand(self, entries: tuple[Entry, ...]) -> None:
        """Expand the whole list of a network."""
        if not isinstance(entries[0].part, NetworkInput):
            entries = (Entry(("layers", 0), InputLayer()), *entries)
        # The bound is on the whole list; that of each block alone is checked where it is built.
        n_layers = sum(entry.n_layers for entry in entries)
        if n_layers > MOST_LAYERS:
            self._complain(("layers",), f"expand to {n_layers:,} layers; the limit is {MOST_LAYERS:,}")
            return
        self._check_order(entries)
        self._expand(entries, self._whole)
        # After a complaint the layer that would use the output may be missing.
        for layer in [] if self.complaints else self.layers:
            if layer.name not in self._used and not isinstance(layer, OutputLayer):
                message = f"nothing uses the output of {layer.name!r}: name it as an input, or leave the layer out"
                self._complain(self.paths[str(layer.name)], message, layer)

    def _check_order(self, entries: Sequence[Entry]) -> None:
        self._check_inputs([entry for entry in entries if isinstance(entry.part, NetworkInput)])
        outputs = [entry for entry in entries if isinstance(entry.part, OutputLayer)]
        for entry in outputs if len(outputs) > 1 else []:
            if entry.part.name is None:
                self._complain(entry.path, "name must be given, as there are several output layers", entry.part)
        for position, entry in enumerate(entries):
            last = position == len(entries) - 1
            if last and not isinstance(entry.part, OutputLayer):
                self._complain(entry.path, _NO_OUTPUT)

    def _check_inputs(self, entries: Sequence[Entry]) -> None:
        """Complain unless each of several input layers takes a channel of its own."""
        channels: set[str] = set()
        for entry in entries:
            part = entry.part
            assert isinstance(part, NetworkInput)
            if part.input is not None:
                self._complain((*entry.path, "input"), "input: an input layer takes the data: leave it out", part)
            if len(entries) == 1:
                continue
            if part.channel is None and entry is entries[0]:
                if any(other.part.channel for other in entries):  # type: ignore[union-attr]
                    message = "the first layer must be an input layer with a channel, as there are several input layers"
                    self._complain(entry.path, message)
            elif part.channel is None:
                message = "an input layer must be the first layer; where there are several, each names its channel"
                self._complain(entry.path, message, part)
            elif part.channel in channels:
                message = f"the channel {part.channel!r} has an input layer already: name that as an input"
                self._complain((*entry.path, "channel"), message, part)
            else:
                channels.add(part.channel)

    def _expand(self, entries: Sequence[Entry], scope: Scope) -> str:
        """Expand entries, and return the name of the last layer."""
        local = names_of(entries)
        scope.declared = set(local)
        source = scope.own.get("in")
        for entry, name in zip(entries, local, strict=True):
            full = scope.prefix + name
            if name in scope.own or full in self.paths:
                taken = name if name in scope.own else full
                self._complain(entry.path, f"the name {taken!r} is taken by another layer")
            if isinstance(entry.part, Block):
                last = self._expand_block(entry, entry.part, name, scope, source)
            else:
                last = self._expand_layer(entry, entry.part, name, scope, source)
            scope.own[name] = last
            # By default nothing follows an output layer.
            source = source if isinstance(entry.part, OutputLayer) else last
        return str(source)

    def _expand_block(self, entry: Entry, block: Block, name: str, scope: Scope, source: str | None) -> str:
        if block.input is not None:
            source = self._resolved(block.input, scope, (*entry.path, "input"), block)
        for number in range(1, block.repeat + 1):
            # A block that is not repeated has the number of the one around it.
            repetition = number if block.repeat > 1 else scope.repetition
            prefix = f"{scope.prefix}{name}-{number}-"
            inside = Scope(prefix, {"in": str(source)}, outer=scope, repetition=repetition)
            source = self._expand(entry.inner, inside)
        return str(source)

    def _expand_layer(self, entry: Entry, layer: Layer, name: str, scope: Scope, source: str | None) -> str:
        full = scope.prefix + name
        links: dict[str, Any] = {"name": full}
        if isinstance(layer, MergeLayer):
            links["inputs"] = [
                self._resolved(one, scope, (*entry.path, "inputs", number), layer)
                for number, one in enumerate(layer.inputs)
            ]
            self._used.update(links["inputs"])
        elif source is not None and not isinstance(layer, NetworkInput):
            own = source if layer.input is None else self._resolved(layer.input, scope, (*entry.path, "input"), layer)
            self._used.add(own)
            # Left out where it is the default: the spec is then the same, whether the user has named it or not.
            links["input"] = None if own == self._before else own
        if isinstance(layer, WeightedLayer) and layer.share is not None:
            links["share"] = self._resolved(layer.share, scope, (*entry.path, "share"), layer)
        load = getattr(layer, "load_params", None)
        if scope.repetition is not None and isinstance(load, str | Mapping):
            links["load_params"] = of_repetition(load, scope.repetition)
            if links["load_params"] is None:
                self._complain((*entry.path, "load_params"), _LOADS_THE_SAME.format(full), layer)
        self.paths[full] = entry.path
        self._whole.own[full] = full
        self.layers.append(layer.model_copy(update=links))
        self._before = self._before if isinstance(layer, OutputLayer) else full
        return full

    def _resolved(self, name: str, scope: Scope, path: Path, part: Part) -> str:
        """Return the name of the layer that `name` stands for in a scope; complain if there is none before."""
        layer = scope.find(name)
        if layer is not None:
            return layer
        near = nearest(name, scope.known())
        hint = f"Did you mean {near!r}?" if near else f"Layers before it: {', '.join(sorted(scope.known()))}"
        if scope.declares(name):
            message = f"{name!r} is this layer or a later one; it must be an earlier layer. {hint}"
        else:
            message = f"there is no layer {name!r}. {hint}"
        self._complain(path, f"{path[-1]}: {message}" if isinstance(path[-1], str) else message, part)
        # Any layer will do to check what follows, as the network is refused in any case.
        return str(self.layers[-1].name if self.layers else name)

    def _complain(self, path: Path, message: str, part: Part | None = None) -> None:
        own = getattr(part, "name", None)
        label = "" if part is None else part_name(part) + (f" {own!r}" if own else "")
        # A block that is repeated has the same error in each repetition.
        if path not in self._reported:
            self._reported.add(path)
            self.complaints.append(Complaint(path, message, label))
