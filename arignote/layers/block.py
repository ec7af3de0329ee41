"""Block: layers that are declared once and repeated."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field, WithJsonSchema

from arignote.layers.base import Name
from arignote.registry import Part, register, spec_schema

__all__ = ["LAYERS_SCHEMA", "Block"]

LAYERS_SCHEMA = WithJsonSchema({"type": "array", "items": spec_schema("layer"), "minItems": 1})


@register()
class Block(Part):
    """Layers that are declared once and repeated: ``x = layers(x)``, `repeat` times.

    Within the block "in" is its input. The layers of the block "res" are named res-1-conv1, res-1-conv2, ...,
    res-2-conv1, ...; each has weights of its own. The name of the block is that of its last layer. In `load_params`
    "{n}" is the number of the repetition, from 1, and "{n-1}" from 0.

    Parameters
    ----------
    layers : list of [Layer, {params}]
        The layers. The first takes the input of the block, unless it names another one.
    name : str, optional
        Name of the block; by default block1, block2 ...
    repeat : int in [1, 1000], default 1
        How often the layers are repeated, each time with the output of the last one as input.
    input : str, optional
        Name of the layer whose output is the input of the block; by default the layer before.

    Examples
    --------
    >>> from arignote.layers.layer_list import parse
    >>> block = Block(
    ...     name="res", repeat=2, layers=[["FCLayer", {"n_units": 4}], ["SumLayer", {"inputs": ["in", "fc1"]}]]
    ... )
    >>> [layer.name for layer in parse([["FCLayer", {"n_units": 4}], block, ["RegressionOutputLayer"]])]
    ['input', 'fc1', 'res-1-fc1', 'res-1-sum1', 'res-2-fc1', 'res-2-sum1', 'output']
    """

    kind: ClassVar[str] = "block"
    name_prefix: ClassVar[str] = "block"
    layers: Annotated[list[Any], LAYERS_SCHEMA]
    name: Name | None = None
    repeat: Annotated[int, Field(ge=1, le=1000)] = 1
    input: Name | None = None
