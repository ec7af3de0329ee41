"""What each layer of an architecture costs: parameters, multiply-adds, memory of its outputs."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from arignote.layers.architecture import Architecture
from arignote.layers.base import Shape
from arignote.registry import part_name

__all__ = ["LayerCosts", "costs_of"]

_FLOAT32_BYTES = 4


class LayerCosts(NamedTuple):
    """Cost of a layer.

    Attributes
    ----------
    name, type : str
        Of the layer.
    output_shape : tuple of int
        Of one example.
    n_params : int
        Values of its own parameters, fixed ones included, without buffers; 0 if it shares those of another layer.
    n_multiply_adds : int
        Of one example, forward, in products of matrices and in convolutions; operations on single values, such as
        biases, activations, normalisation and pooling, do not count. Training takes about three times as many: one for
        the outputs, one for the gradients of the weights, one for those of the inputs.
    n_bytes : int
        Of its output for one example, as float32: what training keeps of it until its gradient is computed.
    """

    name: str
    type: str
    output_shape: Shape
    n_params: int
    n_multiply_adds: int
    n_bytes: int


def costs_of(architecture: Architecture) -> list[LayerCosts]:
    """Return what each layer costs, in order."""
    return [
        LayerCosts(
            place.name,
            part_name(place.layer),
            place.output_shape,
            place.n_params,
            place.layer.n_multiply_adds(*place.input_shapes),
            _FLOAT32_BYTES * prod(place.output_shape),
        )
        for place in architecture.placed
    ]
