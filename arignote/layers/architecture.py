"""From a list of layer specs to an architecture: layers are named, shapes inferred and everything validated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from arignote.errors import Complaint, ConfigError, axes_hint
from arignote.hints.advice import Advice, Target
from arignote.layers.base import Layer, Param, Shape, ShapeError
from arignote.layers.output import OutputLayer
from arignote.layers.shape import InputImageLayer, InputLayer
from arignote.registry import build, dump, find, is_custom, names, part_name, plain, split

__all__ = ["Architecture", "Placed", "declare", "parse"]


@dataclass(frozen=True)
class Placed:
    """A layer of an architecture, with its shapes and parameters."""

    name: str
    layer: Layer
    input_shape: Shape
    output_shape: Shape
    params: dict[str, Param]

    @property
    def n_params(self) -> int:
        """Number of values of its trained parameters."""
        return sum(prod(param.shape) for param in self.params.values() if param.trained)


@dataclass(frozen=True)
class Architecture:
    """Layers in order, each with its shapes."""

    placed: tuple[Placed, ...]

    @property
    def layers(self) -> list[Layer]:
        """The declared layers."""
        return [p.layer for p in self.placed]

    @property
    def n_in(self) -> Shape:
        """Shape of one example."""
        return self.placed[0].input_shape

    @property
    def output(self) -> OutputLayer:
        """The output layer."""
        output = self.placed[-1].layer
        assert isinstance(output, OutputLayer)
        return output

    @property
    def n_outputs(self) -> int:
        """Number of outputs."""
        return self.placed[-1].output_shape[0]

    @property
    def n_params(self) -> int:
        """Number of values of all trained parameters."""
        return sum(p.n_params for p in self.placed)

    def takes(self, shape: Shape) -> bool:
        """Return whether examples of another shape fit the same parameters."""
        try:
            other = declare(self.layers, shape)
        except ConfigError:
            return False
        return [p.params for p in other.placed] == [p.params for p in self.placed]

    @property
    def is_custom(self) -> bool:
        """Whether a layer or an activation is code of the user."""
        return any(map(is_custom, self.layers))

    @property
    def notes(self) -> list[str]:
        """Remarks about the layers, each with the name of its layer."""
        notes = [f"{p.name}: {note}" for p in self.placed for note in p.layer.notes(p.input_shape)]
        first = next((p for p in self.placed if p.params), None)
        if first is not None and first.input_shape == self.n_in and len(first.output_shape) == 3:
            notes += [f"{first.name}: {hint}" for hint in _channels_last(self.n_in)]
        return notes

    def spec(self) -> list[list[Any]]:
        """Return the list of specs with all names and defaults."""
        return [dump(p.layer) for p in self.placed]

    def table(self) -> list[tuple[str, str, Shape, int]]:
        """Return (name, type, output shape, number of parameters) of each layer."""
        return [(p.name, part_name(p.layer), p.output_shape, p.n_params) for p in self.placed]


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
    """Build and name the layers of a list of specs; raise one ConfigError with all errors in the list."""
    _check_forms(layers, layer_defaults)
    complaints: list[Complaint] = []
    built: list[Layer] = []
    defaults = plain(dict(layer_defaults or {}))
    used: set[str] = set()
    for position, spec in enumerate(layers):
        try:
            if isinstance(spec, Layer):
                built.append(spec)
                continue
            word, params = split("layer", spec)
            cls = find("layer", word)
            fitting = {k: v for k, v in defaults.items() if k in cls.model_fields}
            used |= set(fitting)
            built.append(build("layer", [word, fitting | params]))
        except ConfigError as error:
            label = "" if "unknown layer" in str(error) else _label(spec)
            complaints += [replace(c, label=label) for c in error.under("layers", position).complaints]
    unused = {key: value for key, value in defaults.items() if key not in used}
    complaints += [_of_one_layer(key, value) for key, value in unused.items() if _is_of_one_layer(key, value)]
    if not complaints:
        fields = {name for layer in built for name in type(layer).model_fields}
        complaints = [_without_layer(key, value, fields) for key, value in unused.items()]
    if not complaints:
        built, complaints = _ordered(built)
    if complaints:
        raise ConfigError(complaints)
    return built


def _check_forms(layers: Any, layer_defaults: Any) -> None:
    if not isinstance(layers, Sequence) or isinstance(layers, str) or not layers:
        raise ConfigError(Complaint(("layers",), f"must be a list of [Layer, {{parameters}}]; got {layers!r}"))
    if not isinstance(layer_defaults, Mapping | None):
        raise ConfigError(Complaint(("layer_defaults",), f"must be a mapping; got {layer_defaults!r}"))
    if isinstance(layers[0], str) and len(layers) == 2 and isinstance(layers[1], Mapping):
        whole = Target("layers", [[layers[0], plain(layers[1])], ["ClassificationOutputLayer"]], at_top=True)
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
        (Target("layer_defaults", value, at_top=True),),
    )
    return Complaint(("layer_defaults", key), "must be a parameter; got a layer", advice=advice)


def _without_layer(key: str, value: Any, fields: set[str]) -> Complaint:
    """Return the complaint about a default that is no parameter of any layer; `fields` are those of all layers."""
    # The table of synonyms is loaded only when a message is built.
    from arignote.hints.synonyms import advice_on

    advice = advice_on("layer", key, fields)
    message = f"no layer of the list has the parameter {key!r}"
    return Complaint(("layer_defaults", key), message, advice=advice and advice.about(value))


def _ordered(layers: list[Layer]) -> tuple[list[Layer], list[Complaint]]:
    """Return the layers, with an input layer first and all names, and complaints about their order and names."""
    complaints, offset = [], 0
    if not isinstance(layers[0], InputLayer | InputImageLayer):
        layers, offset = [InputLayer(), *layers], 1
    for position, layer in enumerate(layers):
        last = position == len(layers) - 1
        place = ("layers", max(position - offset, 0))
        if isinstance(layer, OutputLayer) and not last:
            complaints.append(Complaint(place, "an output layer must be the last layer", part_name(layer)))
        if last and not isinstance(layer, OutputLayer):
            complaints.append(Complaint(place, _NO_OUTPUT))
        if position and isinstance(layer, InputLayer | InputImageLayer):
            complaints.append(Complaint(place, "an input layer must be the first layer", part_name(layer)))
    named, counts = list[Layer](), dict[str, int]()
    taken = {layer.name for layer in layers if layer.name}
    seen: set[str] = set()
    for position, layer in enumerate(layers):
        name = layer.name
        if name is None:
            counts[layer.name_prefix] = counts.get(layer.name_prefix, 0) + 1
            single = layer.name_prefix in ("input", "output")
            name = layer.name_prefix if single else f"{layer.name_prefix}{counts[layer.name_prefix]}"
            while name in taken:
                counts[layer.name_prefix] += 1
                name = f"{layer.name_prefix}{counts[layer.name_prefix]}"
        elif name in seen:
            complaints.append(Complaint(("layers", position - offset), f"the name {name!r} is taken by another layer"))
        taken.add(name)
        seen.add(name)
        named.append(layer.model_copy(update={"name": name}))
    return named, complaints


def _channels_last(shape: Shape) -> list[str]:
    """Return a hint if images seem to have their channels last."""
    if len(shape) == 3 and shape[2] <= 4 < min(shape[:2]):
        return [f"input {shape} reads as {shape[0]} channels; if channels are last, write axes: NHWC"]
    if len(shape) == 2:
        return [f"input {shape} has no channels; if these are images, write axes: NHW"]
    return []


def declare(layers: Sequence[Layer], n_in: Shape | None, n_outputs: int | None = None) -> Architecture:
    """Infer all shapes.

    Parameters
    ----------
    layers : list of Layer
        As `parse` returns them.
    n_in : tuple of int or None
        Shape of one example; by default that of the input layer.
    n_outputs : int, optional
        Number of outputs that the target needs, for an output layer that does not set it.

    Raises
    ------
    ConfigError
        If a shape does not fit; the message names the layer.
    """
    shape = n_in if n_in is not None else getattr(layers[0], "n_in", None)
    if shape is None:
        raise ConfigError("the shape of an example is not known: give n_in, or data")
    placed: list[Placed] = []
    for layer in layers:
        if isinstance(layer, OutputLayer) and n_outputs is not None:
            layer = layer.sized(n_outputs)
        try:
            output = layer.output_shape(shape)
        except ShapeError as error:
            hints = _channels_last(shape) if not placed or shape == placed[0].input_shape else []
            by_axes = axes_hint(shape, getattr(layer, "n_in", None) or ()) if not placed and not hints else ""
            raise ConfigError(". ".join([f"{layer.name}: {error}", *hints]) + by_axes) from None
        placed.append(Placed(str(layer.name), layer, shape, output, layer.params(shape)))
        shape = output
    return Architecture(tuple(placed))
