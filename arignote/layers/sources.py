"""The inputs of each layer: outputs of earlier layers, or fields of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from arignote.errors import ConfigError
from arignote.layers.base import ExampleShape, Layer, Shape
from arignote.layers.inputs import InputLayer, NetworkInput
from arignote.layers.merge import MergeLayer
from arignote.layers.output import OutputLayer

__all__ = ["fields_taken", "shape_of_input", "sources_of", "steps_of"]


def steps_of(layers: Sequence[Layer]) -> list[str]:
    """Return the names of the lengths and masks of sequences, each once, in the order of the input layers."""
    names = [layer.steps for layer in layers if isinstance(layer, InputLayer)]
    return list(dict.fromkeys(name for name in names if name is not None))


def fields_taken(
    layer: Layer,
    sources: tuple[int, ...],
    steps: Sequence[int | None],
    steps_of: Sequence[str],
    n_inputs: int,
    position: int,
) -> tuple[tuple[int, ...], int | None]:
    """Return the inputs of the network that a layer takes, and which has the lengths or the mask of its output.

    Parameters
    ----------
    layer : Layer
    sources : tuple of int
        Positions of the layers that it takes its input from.
    steps : sequence of int or None
        The field with the lengths or the mask of the output of each earlier layer.
    steps_of : sequence of str
        Names of the lengths and masks, which are the fields behind the input layers.
    n_inputs, position : int
        Number of input layers, and of those before this one.
    """
    if not sources:
        name = layer.steps if isinstance(layer, InputLayer) else None
        return (position,), None if name is None else n_inputs + steps_of.index(name)
    of_sources = {steps[source] for source in sources}
    # What is merged of sequences of different lengths has no lengths.
    field = of_sources.pop() if len(of_sources) == 1 else None
    return (field,) if layer.takes_steps and field is not None else (), field if layer.keeps_steps else None


def shape_of_input(layer: Layer, n_in: ExampleShape | None) -> Shape:
    """Return the shape of one example of an input layer; ConfigError if neither the layer nor the data defines it."""
    channel = getattr(layer, "channel", None)
    shape = n_in.get(str(channel)) if isinstance(n_in, Mapping) else n_in
    chosen: Shape | None = shape if shape is not None else getattr(layer, "n_in", None)
    if chosen is None:
        of_channel = f" of the channel {channel!r}" if isinstance(n_in, Mapping) else ""
        raise ConfigError(f"the shape of an example{of_channel} is not known: give n_in, or data")
    return tuple(chosen)


def sources_of(layer: Layer, positions: Mapping[str, int], before: Sequence[Layer]) -> tuple[int, ...]:
    """Return the positions of the layers that a layer takes its input from; `before` are all earlier ones.

    Parameters
    ----------
    layer : Layer
    positions : dict of str to int
        Position of each earlier layer, by its name.
    before : sequence of Layer
    """
    if isinstance(layer, MergeLayer):
        return tuple(positions[name] for name in layer.inputs)
    if isinstance(layer, NetworkInput):
        return ()
    if layer.input is not None:
        return (positions[layer.input],)
    # By default the layer before; nothing follows an output layer.
    last = (n for n in reversed(range(len(before))) if not isinstance(before[n], OutputLayer))
    return tuple(islice(last, 1))
