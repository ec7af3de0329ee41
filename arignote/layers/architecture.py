"""Architecture: layers with their shapes and parameters, and which layer takes what from which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from arignote.errors import Complaint, ConfigError, axes_hint
from arignote.layers.base import ExampleShape, Layer, Param, ParametricLayer, Shape, ShapeError, WeightedLayer
from arignote.layers.embedding import EmbeddingLayer, tokens_of
from arignote.layers.inputs import InputLayer, NetworkInput
from arignote.layers.merge import MergeLayer
from arignote.layers.output import OutputLayer
from arignote.layers.sources import fields_taken, shape_of_input, sources_of, steps_of
from arignote.layers.windows import SeriesError
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
        Numbers of the inputs of the network that it takes. First come the rows of each input layer, then lengths and
        masks of sequences: an input layer takes its own rows, and some layers the lengths of what comes to them.
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
    def takes_list(self) -> bool:
        """Whether its forward function takes a list of inputs."""
        return isinstance(self.layer, MergeLayer) or len(self.sources) + len(self.fields) > 1

    @property
    def input_shape(self) -> Shape:
        """Shape of one example of its first input."""
        return self.input_shapes[0]

    @property
    def n_params(self) -> int:
        """Number of values of its parameters, fixed ones included, without buffers such as running means."""
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
        return [place for place in self.placed if not place.sources]

    @property
    def n_fields(self) -> int:
        """Number of inputs of the network, with lengths and masks of sequences."""
        return len(self.inputs) + len(steps_of(self.layers))

    @property
    def outputs(self) -> dict[str, OutputLayer]:
        """The output layers by name, in order."""
        return {place.name: place.layer for place in self.placed if isinstance(place.layer, OutputLayer)}

    @property
    def n_outputs(self) -> dict[str, int]:
        """Number of outputs of each output layer."""
        return {place.name: place.output_shape[-1] for place in self.placed if isinstance(place.layer, OutputLayer)}

    @property
    def n_params(self) -> int:
        """Number of values of all parameters, fixed ones included, without buffers such as running means."""
        return sum(p.n_params for p in self.placed)

    def takes(self, shape: ExampleShape) -> bool:
        """Return whether examples of another shape fit the same parameters."""
        try:
            other = declare(self.layers, shape)
        except ConfigError:
            return False
        # As of convolutions without a dense layer, whose parameters do not depend on the size of an image.
        return [p.params for p in other.placed] == [p.params for p in self.placed]

    @property
    def is_custom(self) -> bool:
        """Whether a layer or an activation is code of the user."""
        return any(map(is_custom, self.layers))

    @property
    def draws(self) -> bool:
        """Whether a layer draws random numbers while training, or may, as code of the user."""
        return self.is_custom or any(layer.draws for layer in self.layers)

    @property
    def notes(self) -> list[str]:
        """Remarks about the layers, each with the name of its layer."""
        notes = [f"{p.name}: {note}" for p in self.placed for note in p.layer.notes(*p.input_shapes)]
        for place in self.placed:
            if isinstance(place.layer, ParametricLayer) and place.params:
                notes += [f"{place.name}: {note}" for note in place.layer.notes_on_fixed(place.params)]
        first = next((p for p in self.placed if p.params), None)
        shape = self.inputs[0].input_shape
        if first is not None and first.input_shape == shape and len(first.output_shape) == 3:
            notes += [f"{first.name}: {hint}" for hint in _channels_last(shape)]
        return notes

    def spec(self) -> list[list[Any]]:
        """Return the list of specs with all names and defaults."""
        return [dump(p.layer) for p in self.placed]


def _channels_last(shape: Shape) -> list[str]:
    """Return a hint if images seem to have their channels last."""
    # At most 4 channels, as of RGBA, and more rows and columns than that.
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
    names_of_steps, n_inputs = steps_of(layers), sum(isinstance(layer, NetworkInput) for layer in layers)
    n_before = 0
    # The field with the lengths or the mask of the output of each layer.
    steps: list[int | None] = []
    positions: dict[str, int] = {}
    for position, layer in enumerate(layers):
        if isinstance(layer, OutputLayer) and n_outputs is not None:
            layer = layer.sized(n_outputs if isinstance(n_outputs, int) else n_outputs[str(layer.name)])
        sources = sources_of(layer, positions, layers[:position])
        fields, of_output = fields_taken(layer, sources, steps, names_of_steps, n_inputs, n_before)
        # An input layer has no sources.
        n_before += not sources
        steps.append(of_output)
        shapes = tuple(placed[source].output_shape for source in sources) or (shape_of_input(layer, n_in),)
        try:
            output = layer.output_shape(*shapes)
        except ShapeError as error:
            # A hint on the axes of the data helps only where the shape is still that of the data.
            is_of_data = not sources or shapes[0] == placed[0].input_shape
            raise _misfit(layer, shapes[0], error, is_input=not sources, is_of_data=is_of_data) from None
        params, owner = layer.declare_params(*shapes), str(layer.name)
        if isinstance(layer, WeightedLayer) and layer.share is not None:
            # None of its own: shared parameters are updated, penalised and stored once, by their owner.
            params, owner = {}, _owner(layer, params, placed[positions[layer.share]])
        placed.append(Placed(str(layer.name), layer, sources, fields, shapes, output, params, owner))
        positions[str(layer.name)] = position
    _check_tokens(placed)
    _check_lr_factors(placed)
    return Architecture(tuple(placed))


def _misfit(layer: Layer, shape: Shape, error: ShapeError, *, is_input: bool, is_of_data: bool) -> ConfigError:
    """Return the error of a layer that does not take a shape, with hints about axes if it is that of the data."""
    hints = _channels_last(shape) if is_of_data and not isinstance(error, SeriesError) else []
    by_axes = axes_hint(shape, getattr(layer, "n_in", None) or ()) if is_input and not hints else ""
    return ConfigError(Complaint((), ". ".join([str(error), *hints]) + by_axes, layer=str(layer.name)))


def _check_tokens(placed: Sequence[Placed]) -> None:
    """Raise ConfigError unless embeddings follow input layers, which nothing else follows."""
    tokens = tokens_of([place.layer for place in placed])
    for place in placed:
        sources = [placed[source] for source in place.sources]
        if isinstance(place.layer, EmbeddingLayer) and not isinstance(sources[0].layer, InputLayer):
            message = (
                "an EmbeddingLayer must follow an InputLayer, whose rows are whole numbers; it follows "
                f"{sources[0].name!r} ({part_name(sources[0].layer)})"
            )
            raise ConfigError(Complaint((), message, layer=place.name))
        for source in sources:
            if source.name in tokens and not isinstance(place.layer, EmbeddingLayer):
                message = f"the rows of {source.name!r} are tokens of an EmbeddingLayer: take its output"
                raise ConfigError(Complaint((), message, layer=place.name))


def _check_lr_factors(placed: Sequence[Placed]) -> None:
    """Raise ConfigError if a layer without parameters has a factor of the learning rate."""
    for place in placed:
        if isinstance(place.layer, ParametricLayer) and place.layer.lr_factor != 1 and not place.n_params:
            message = f"lr_factor must be left out, as the layer has no parameters; got {place.layer.lr_factor:g}"
            raise ConfigError(Complaint(("lr_factor",), message, layer=place.name))


def _owner(layer: WeightedLayer, params: dict[str, Param], shared: Placed) -> str:
    """Return the name of the layer whose parameters `layer` uses; ConfigError if they do not have equal shapes."""
    own, other = ({name: param.shape for name, param in one.items()} for one in (params, _declared(shared)))
    if type(layer) is not type(shared.layer) or own != other:
        message = (
            f"share: {part_name(layer)} with parameters of the shapes {own} cannot use those of {shared.name!r}, "
            f"{part_name(shared.layer)} with {other}"
        )
        raise ConfigError(Complaint(("share",), message, layer=str(layer.name)))
    return shared.owner


def _declared(placed: Placed) -> dict[str, Param]:
    return placed.layer.declare_params(*placed.input_shapes)
