"""Architecture: layers with their shapes and parameters, and which layer takes what from which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import prod
from typing import Any

from arignote.errors import ConfigError, axes_hint
from arignote.layers.base import ExampleShape, Layer, Param, Shape, ShapeError, WeightedLayer
from arignote.layers.merge import MergeLayer
from arignote.layers.output import OutputLayer
from arignote.layers.shape import AnyInput
from arignote.registry import dump, is_custom, part_name

__all__ = ["Architecture", "Placed", "declare"]


@dataclass(frozen=True)
class Placed:
    """A layer of an architecture, with its shapes and parameters.

    Attributes
    ----------
    name : str
    layer : Layer
    sources : tuple of int
        Positions of the layers whose outputs it takes; empty for an input layer.
    fields : tuple of int
        Numbers of the inputs of the network that it takes: of an input layer its own, in the order of the input layers.
    input_shapes : tuple of tuple of int
        Shape of one example of each input.
    output_shape : tuple of int
        Shape of one example of its output.
    params : dict of str to Param
        Its own parameters; empty if it shares those of another layer.
    owner : str
        Name of the layer whose parameters it uses: its own name, or that of another one.
    """

    name: str
    layer: Layer
    sources: tuple[int, ...]
    fields: tuple[int, ...]
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    params: dict[str, Param]
    owner: str

    @property
    def input_shape(self) -> Shape:
        """Shape of one example of its first input."""
        return self.input_shapes[0]

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
    def n_in(self) -> ExampleShape:
        """Shape of one example, of several inputs by channel."""
        inputs = self.inputs
        if len(inputs) == 1:
            return inputs[0].input_shape
        return {str(getattr(place.layer, "channel", None)): place.input_shape for place in inputs}

    @property
    def inputs(self) -> list[Placed]:
        """The input layers, in order."""
        return [place for place in self.placed if place.fields]

    @property
    def outputs(self) -> dict[str, OutputLayer]:
        """The output layers by name, in order."""
        return {place.name: place.layer for place in self.placed if isinstance(place.layer, OutputLayer)}

    @property
    def n_outputs(self) -> dict[str, int]:
        """Number of outputs of each output layer."""
        return {place.name: place.output_shape[0] for place in self.placed if isinstance(place.layer, OutputLayer)}

    @property
    def n_params(self) -> int:
        """Number of values of all trained parameters."""
        return sum(p.n_params for p in self.placed)

    def takes(self, shape: ExampleShape) -> bool:
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
        notes = [f"{p.name}: {note}" for p in self.placed for note in p.layer.notes(*p.input_shapes)]
        first = next((p for p in self.placed if p.params), None)
        shape = self.inputs[0].input_shape
        if first is not None and first.input_shape == shape and len(first.output_shape) == 3:
            notes += [f"{first.name}: {hint}" for hint in _channels_last(shape)]
        return notes

    def spec(self) -> list[list[Any]]:
        """Return the list of specs with all names and defaults."""
        return [dump(p.layer) for p in self.placed]

    def table(self) -> list[tuple[str, str, Shape, int]]:
        """Return (name, type, output shape, number of parameters) of each layer."""
        return [(p.name, part_name(p.layer), p.output_shape, p.n_params) for p in self.placed]


def _channels_last(shape: Shape) -> list[str]:
    """Return a hint if images seem to have their channels last."""
    if len(shape) == 3 and shape[2] <= 4 < min(shape[:2]):
        return [f"input {shape} reads as {shape[0]} channels; if channels are last, write axes: NHWC"]
    if len(shape) == 2:
        return [f"input {shape} has no channels; if these are images, write axes: NHW"]
    return []


def declare(
    layers: Sequence[Layer], n_in: ExampleShape | None, n_outputs: int | Mapping[str, int] | None = None
) -> Architecture:
    """Infer all shapes.

    Parameters
    ----------
    layers : list of Layer
        As `parse` returns them.
    n_in : tuple of int, dict of str to tuple of int, or None
        Shape of one example, of several inputs by channel; by default that of the input layers.
    n_outputs : int or dict of str to int, optional
        Number of outputs that the target needs (by the name of the output layer), for layers that do not set it.

    Raises
    ------
    ConfigError
        If a shape does not fit; the message names the layer.
    """
    placed: list[Placed] = []
    n_inputs = 0
    positions: dict[str, int] = {}
    for position, layer in enumerate(layers):
        if isinstance(layer, OutputLayer) and n_outputs is not None:
            layer = layer.sized(n_outputs if isinstance(n_outputs, int) else n_outputs[str(layer.name)])
        sources = _sources(layer, positions, placed)
        fields = () if sources else (n_inputs,)
        n_inputs += len(fields)
        shapes = tuple(placed[source].output_shape for source in sources) or (_shape_of_input(layer, n_in),)
        try:
            output = layer.output_shape(*shapes)
        except ShapeError as error:
            hints = _channels_last(shapes[0]) if fields or shapes[0] == placed[0].input_shape else []
            by_axes = axes_hint(shapes[0], getattr(layer, "n_in", None) or ()) if fields and not hints else ""
            raise ConfigError(". ".join([f"{layer.name}: {error}", *hints]) + by_axes) from None
        params, owner = layer.declare_params(*shapes), str(layer.name)
        if isinstance(layer, WeightedLayer) and layer.share is not None:
            params, owner = {}, _owner(layer, params, placed[positions[layer.share]])
        placed.append(Placed(str(layer.name), layer, sources, fields, shapes, output, params, owner))
        positions[str(layer.name)] = position
    return Architecture(tuple(placed))


def _shape_of_input(layer: Layer, n_in: ExampleShape | None) -> Shape:
    """Return the shape of one example of an input layer; ConfigError if neither it nor the data tells."""
    channel = getattr(layer, "channel", None)
    shape = n_in.get(str(channel)) if isinstance(n_in, Mapping) else n_in
    found: Shape | None = shape if shape is not None else getattr(layer, "n_in", None)
    if found is None:
        of_channel = f" of the channel {channel!r}" if isinstance(n_in, Mapping) else ""
        raise ConfigError(f"the shape of an example{of_channel} is not known: give n_in, or data")
    return tuple(found)


def _sources(layer: Layer, positions: dict[str, int], placed: Sequence[Placed]) -> tuple[int, ...]:
    """Return the positions of the layers that a layer takes its input from."""
    if isinstance(layer, MergeLayer):
        return tuple(positions[name] for name in layer.inputs)
    if isinstance(layer, AnyInput):
        return ()
    if layer.input is not None:
        return (positions[layer.input],)
    # By default the layer before; nothing follows an output layer.
    before = (n for n in reversed(range(len(placed))) if not isinstance(placed[n].layer, OutputLayer))
    return tuple(islice(before, 1))


def _owner(layer: WeightedLayer, params: dict[str, Param], shared: Placed) -> str:
    """Return the name of the layer whose parameters `layer` uses; ConfigError if they do not have equal shapes."""
    own, other = ({name: param.shape for name, param in one.items()} for one in (params, _declared(shared)))
    if type(layer) is not type(shared.layer) or own != other:
        raise ConfigError(
            f"{layer.name}: share: {part_name(layer)} with parameters of the shapes {own} cannot use those of "
            f"{shared.name!r}, {part_name(shared.layer)} with {other}"
        )
    return shared.owner


def _declared(placed: Placed) -> dict[str, Param]:
    return placed.layer.declare_params(*placed.input_shapes)
