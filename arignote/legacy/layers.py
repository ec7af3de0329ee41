"""The layers of a network of 2015, and their parameters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.errors import CheckpointError, ConfigError
from arignote.layers.architecture import Architecture, Placed, declare
from arignote.layers.base import Shape
from arignote.layers.layer_list import parse
from arignote.legacy.pickles import kind_of
from arignote.registry import find
from arignote.safe.limits import MOST_LAYERS

__all__ = ["architecture_of", "arrays_of", "current_names", "tensors_of"]

# Items of a parameter of a layer, such as a schedule or a shape.
_MOST_ITEMS = 1_000
# Settings that these layers accepted and ignored.
_IGNORED = {"ConvLayer": {"maxnorm"}, "ConvMaxoutLayer": {"maxnorm"}, "MLPConvLayer": {"maxnorm", "l1", "l2"}}


def architecture_of(net: Any, n_bytes: int) -> tuple[list[Any], Architecture]:
    """Return the layers of 2015 with parameters of a current one each, and the current architecture of these.

    The parameters are those of `state_of`. The linear layer in front of a MultilabelOutputLayer, which had no weights,
    is that layer itself.
    """
    layers = net["layers_train"]
    if not isinstance(layers, list) or len(layers) > MOST_LAYERS:
        raise CheckpointError(f"its layers must be a list of at most {MOST_LAYERS}")
    # An input layer of the user followed the one that was always inserted.
    while len(layers) > 1 and kind_of(layers[1]) in ("InputLayer", "InputImageLayer"):
        layers = layers[1:]
    specs, kinds = [], [kind_of(layer) for layer in layers]
    if kinds[-1] == "MultilabelOutputLayer" and not layers[-1]["trainable_params"]:
        if kinds[-2:-1] != ["FCLayer"] or layers[-2]["activation"] != "linear":
            raise CheckpointError("its MultilabelOutputLayer must come after an FCLayer with activation 'linear'")
        name, layers, kinds = layers[-1]["name"], layers[:-1], [*kinds[:-2], "MultilabelOutputLayer"]
        layers[-1].state |= {"name": name, "n_classes": layers[-1]["n_units"]}
    for layer, kind in zip(layers, kinds, strict=True):
        fields = set(find("layer", kind).model_fields) & set(layer.state) - _IGNORED.get(kind, {"n_in"})
        params = {field: _bounded(layer[field], kind, field) for field in fields}
        params["name"] = re.sub(r"[./\\]|^\s", "_", str(layer["name"]))
        if isinstance(params.get("fix_params"), list | tuple):
            params["fix_params"] = [prefix.split("_")[0] for prefix in params["fix_params"]]
        specs.append([kind, params])
    architecture = _declared(layers, specs, tuple(int(n) for n in np.ravel(net["n_in"])))
    # Layers may share an array in the file but get one each here, so that a small file could fill the memory.
    if 2 * architecture.n_params > n_bytes:
        raise CheckpointError(
            f"its layers have {architecture.n_params} parameters, which are not in its {n_bytes} bytes"
        )
    return layers, architecture


def _declared(layers: Sequence[Any], specs: list[list[Any]], n_in: Shape) -> Architecture:
    """Return the architecture of the shapes of 2015, in which pooling had windows that overlap the edge."""
    pools = [params for kind, params in specs if kind == "MaxPool2DLayer"]
    reason: ConfigError | None = None
    for ignore_border in (True, False) if pools else (True,):
        for params in pools:
            params["ignore_border"] = ignore_border
        try:
            architecture = declare(parse(specs), n_in)
        except ConfigError as error:
            # A filter may be larger than its map without the windows at the edge.
            reason = error
            continue
        pairs = [(place, np.ravel(old["n_in"])) for place, old in zip(architecture.placed, layers, strict=True)]
        wrong = [(place, shape) for place, shape in pairs if np.prod(shape) != np.prod(place.input_shape)]
        if not wrong:
            return architecture
        place, shape = wrong[0]
        reason = ConfigError(
            f"its layer {place.name!r} has an input of {shape.tolist()}; the current layers before it output "
            f"{list(place.input_shape)}"
        )
    raise CheckpointError(str(reason))


def _bounded(value: Any, kind: str, name: str) -> Any:
    """Return a parameter of a layer; raise CheckpointError if it has more items than any layer needs."""
    left, waiting = _MOST_ITEMS, [value]
    while waiting and left >= 0:
        item = waiting.pop()
        left -= item.size if isinstance(item, np.ndarray) else 1
        if isinstance(item, list | tuple):
            waiting += item[: left + 1]
        elif isinstance(item, dict):
            waiting += [*item.values()][: left + 1]
    if left < 0:
        raise CheckpointError(f"its {kind} has a parameter {name!r} of more than {_MOST_ITEMS} items")
    return value


def arrays_of(layers: Sequence[Any], architecture: Architecture) -> dict[str, NDArray[Any]]:
    """Return the parameters of the layers that `architecture_of` returns; an OrdinalOutputLayer has none."""
    weights: dict[str, NDArray[Any]] = {}
    for place, layer in zip(architecture.placed, layers, strict=True):
        if kind_of(layer) != "OrdinalOutputLayer":
            weights |= tensors_of(place, _values(layer))
    return weights


def _values(layer: Any) -> list[Any]:
    """Return the arrays of a layer in the order in which 2015 trained them."""
    params = layer["trainable_params"]
    weights, biases, slopes = params.get("W"), params.get("b"), params.get("act_func_args") or []
    if weights is None:
        return []
    if kind_of(layer) == "MLPConvLayer":
        return [a for w, b, more in zip(weights, biases, slopes, strict=True) for a in (w, b, *more)]
    if kind_of(layer) in ("LCLayer", "LCMaxoutLayer", "SegmentedLayer"):
        # Of each segment one array, or the pieces of maxout.
        of_segments = [*weights, *biases, *slopes]
        return [a for one in of_segments for a in (one if isinstance(one, list | tuple) else [one])]
    return [*weights, *biases] if isinstance(weights, list | tuple) else [weights, biases, *slopes]


def current_names(place: Placed) -> list[str]:
    """Return for each array of 2015 the current parameter it belongs to; maxout stored its pieces as single arrays."""
    return [name for name in place.params for _ in range(getattr(place.layer, "maxout_k", 1))]


def tensors_of(place: Placed, arrays: Sequence[Any]) -> dict[str, NDArray[Any]]:
    """Return current tensors from the arrays of a layer of 2015, without parameters whose arrays are None."""
    tensors = dict[str, NDArray[Any]]()
    # Compared before the names are listed, as the file determines maxout_k and thus the length of the list.
    n_names = len(place.params) * getattr(place.layer, "maxout_k", 1)
    names = current_names(place) if n_names == len(arrays) else []
    if len(arrays) != n_names:
        raise CheckpointError(f"its layer {place.name!r} has {len(arrays)} arrays; {n_names} are needed")
    for name, param in place.params.items():
        pieces = [a for of, a in zip(names, arrays, strict=True) if of == name]
        if pieces[0] is None:
            continue
        axis, shape = param.unit_axis or 0, list(param.shape)
        shape[axis] //= len(pieces)
        pieces = [_reordered(_checked_numbers(piece), shape) for piece in pieces]
        for piece in pieces:
            if list(piece.shape) != shape:
                raise CheckpointError(
                    f"its {place.name}.{name} has the shape {list(piece.shape)}; the layer needs {shape}"
                )
        stacked = np.stack(pieces, axis + 1).reshape(param.shape)
        tensors[name] = np.ascontiguousarray(stacked, dtype=np.float32)
    return {f"{place.name}.{name}": tensor for name, tensor in tensors.items()}


def _checked_numbers(array: Any) -> NDArray[Any]:
    """Return an array; raise CheckpointError if its values are not numbers."""
    if not isinstance(array, np.ndarray | np.generic | float | int) or np.asarray(array).dtype.kind not in "biuf":
        kind = array.dtype if isinstance(array, np.ndarray | np.generic) else type(array).__name__
        raise CheckpointError(f"it holds an array of {kind}; arrays of a checkpoint are numbers")
    return np.asarray(array)


def _reordered(array: NDArray[Any], shape: list[int]) -> NDArray[Any]:
    """Return filters for cross-correlation: flipped if they are of Theano, transposed if of cuda-convnet."""
    if array.ndim != 4:
        return array
    if list(array.shape) == [*shape[1:], shape[0]] != shape:
        return array.transpose(3, 0, 1, 2)
    return array[:, :, ::-1, ::-1]
