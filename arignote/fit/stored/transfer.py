"""Transfer: parameters of another network, with which layers that have `load_params` begin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from arignote.checkpoints.tensors import tensors_sha256
from arignote.errors import CheckpointError, Complaint, ConfigError, available_names, did_you_mean
from arignote.fit.stored.load import read_run
from arignote.layers.architecture import Architecture, Placed
from arignote.layers.base import Layer, Param, Shape
from arignote.layers.loading import StoredTensor
from arignote.legacy import is_2015, parameters_2015
from arignote.safe.file_kinds import kind_of_file
from arignote.safe.safetensors import TensorFile

__all__ = ["StoredNetwork", "digests_of", "parameters_of"]


@dataclass(frozen=True)
class _Tensors:
    """Tensors by name, each read when it is asked for.

    Attributes
    ----------
    shapes : dict of str to tuple of int
    read : callable
        From a name to the array.
    is_ours : bool
        Whether they are the parameters of a network of this package, "fc1.W".
    """

    shapes: Mapping[str, Shape]
    read: Callable[[str], NDArray[Any]]
    is_ours: bool


class StoredNetwork:
    """The network from which parameters are loaded; it is opened when something of it is asked for.

    Parameters
    ----------
    path : str
        A run, as of `read_run`, or a safetensors file of any library.
    """

    def __init__(self, path: str):
        self.path = path

    @classmethod
    def at(cls, path: str | None) -> Self | None:
        """Return the network at a path; None if there is no path."""
        return None if path is None else cls(path)

    @cached_property
    def tensors(self) -> _Tensors:
        """The tensors of the network; CheckpointError if they cannot be read."""
        path = Path(self.path)
        if not path.is_file() or path.suffix == ".ckpt" or is_2015(path):
            return self._of_run()
        if kind_of_file(path) == "a zip or npz archive":
            raise CheckpointError(
                f"{path}: is a zip archive, as those of torch.save, which are pickles: write a safetensors file with "
                "safetensors.torch.save_file(module.state_dict(), path)"
            )
        try:
            file = TensorFile(path)
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{path}: is neither a checkpoint nor a safetensors file: {error}") from None
        # A checkpoint is a safetensors file too, which this entry of its metadata tells apart, whatever its name is.
        return self._of_run() if "arignote" in file.metadata else _Tensors(file.shapes, file.read, is_ours=False)

    def _of_run(self) -> _Tensors:
        is_old = Path(self.path).is_file() and is_2015(self.path)
        network = parameters_2015(self.path) if is_old else read_run(self.path)[0].predicting
        return _Tensors({name: array.shape for name, array in network.items()}, network.__getitem__, is_ours=True)

    @property
    def layers(self) -> dict[str, list[str]]:
        """Names of the parameters of each of its layers, or of what comes before a last dot in a foreign file."""
        names: dict[str, list[str]] = {}
        for name in sorted(self.tensors.shapes):
            # Names of layers have no dots, those of parameters may: those of a TorchLayer.
            layer, _, param = name.partition(".") if self.tensors.is_ours else name.rpartition(".")
            names.setdefault(layer, []).append(param)
        return names

    def read(self, name: str) -> NDArray[Any]:
        """Return one tensor; CheckpointError if it cannot be read."""
        try:
            return self.tensors.read(name)
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{self.path}: {error}") from None


def digests_of(layers: Sequence[Layer], stored: StoredNetwork | None) -> dict[str, str]:
    """Return the SHA-256 of what each layer loads, by its name; ConfigError if something is not there.

    Parameters
    ----------
    layers : sequence of Layer
    stored : StoredNetwork or None
        It must be given if a layer has `load_params`.
    """
    digests, complaints = {}, []
    for layer in layers:
        try:
            entries = _entries(layer, stored)
        except ConfigError as error:
            complaints += [Complaint(("load_params",), c.message, layer=str(layer.name)) for c in error.complaints]
            continue
        if entries and stored is not None:
            arrays = {param: stored.read(entry.name) for param, entry in entries.items()}
            digests[str(layer.name)] = tensors_sha256(arrays)
    if complaints:
        raise ConfigError(complaints)
    return digests


def parameters_of(architecture: Architecture, stored: StoredNetwork | None) -> dict[str, NDArray[Any]]:
    """Return the parameters that are loaded, "fc1.W", as the network needs them.

    Raises
    ------
    ConfigError
        With everything that is not there, or has another shape, by layer.
    CheckpointError
        If the file cannot be read, or a value is not finite.
    """
    arrays, complaints = dict[str, NDArray[Any]](), []
    for place in architecture.placed:
        try:
            entries = _entries(place.layer, stored)
            if stored is not None and entries:
                _check(place, entries, stored)
                for name, declared in place.params.items():
                    if name in entries:
                        arrays[f"{place.name}.{name}"] = _read(declared, entries[name], stored)
        except ConfigError as error:
            complaints += [Complaint(("load_params",), c.message, layer=place.name) for c in error.complaints]
    if complaints:
        raise ConfigError(complaints)
    return arrays


def _entries(layer: Layer, stored: StoredNetwork | None) -> dict[str, StoredTensor]:
    """Return the entry of each parameter that a layer loads; ConfigError if one is not in the file."""
    load: bool | str | dict[str, StoredTensor] | None = getattr(layer, "load_params", None)
    if load is None:
        return {}
    if stored is None:
        raise ConfigError(
            "load_params needs stored_network, the path of a run or of a safetensors file: "
            'NNClassifier(..., stored_network="runs/NAME"), or stored_network: runs/NAME at the top of a config'
        )
    if isinstance(load, dict):
        shapes = stored.tensors.shapes
        missing = next((entry.name for entry in load.values() if entry.name not in shapes), None)
        if missing is not None:
            raise ConfigError(
                f"load_params: {stored.path} has no {missing!r}. {available_names(missing, sorted(shapes))}"
            )
        return load
    source, layers = str(layer.name) if load is True else str(load), stored.layers
    if source not in layers:
        named = available_names(source, list(layers))
        raise ConfigError(f"load_params: {stored.path} has no layer {source!r} with parameters. {named}")
    return {param: StoredTensor(f"{source}.{param}") for param in layers[source]}


def _check(place: Placed, entries: Mapping[str, StoredTensor], stored: StoredNetwork) -> None:
    """Raise ConfigError unless a layer has the parameters that are loaded, in the same shapes."""
    if not place.params:
        raise ConfigError("load_params: the layer has no parameters")
    is_map = isinstance(getattr(place.layer, "load_params", None), dict)
    unknown = [name for name in entries if name not in place.params]
    missing = [] if is_map else [name for name in place.params if name not in entries]
    if unknown and is_map:
        raise ConfigError(
            f"load_params: the layer has no parameter {unknown[0]!r}. {did_you_mean(unknown[0], place.params)}"
        )
    if unknown or missing:
        source = next(iter(entries.values())).name.removesuffix(f".{next(iter(entries))}")
        raise ConfigError(
            f"load_params: the layer has the parameters {', '.join(place.params)}, {source!r} of {stored.path} "
            f"has {', '.join(entries)}: name those that are loaded, {_example(place, source, entries, stored)}"
        )
    complaints = [
        Complaint((), f"load_params: {message}")
        for param, entry in entries.items()
        if (message := _misfit(param, place.params[param], entry, stored))
    ]
    if complaints:
        raise ConfigError(complaints)


def _example(place: Placed, source: str, entries: Mapping[str, StoredTensor], stored: StoredNetwork) -> str:
    """Return a mapping, as YAML, of parameters to entries of equal sizes."""
    words, left = [], dict.fromkeys(entries)
    for param, declared in place.params.items():
        # Sorted, as weights of another library may have their axes in another order.
        fitting = [name for name in left if sorted(_shape(stored, f"{source}.{name}")) == sorted(declared.shape)]
        if fitting:
            name = param if param in fitting else fitting[0]
            entry, _ = f"{source}.{name}", left.pop(name)
            turned = _shape(stored, entry) != declared.shape or _is_square(declared)
            words.append(f"{param}: {f'{{name: {entry}, transpose: true}}' if turned else entry}")
    return f"load_params: {{{', '.join(words) or 'W: ..., b: ...'}}}"


def _shape(stored: StoredNetwork, name: str) -> Shape:
    return tuple(stored.tensors.shapes[name])


def _misfit(param: str, declared: Param, entry: StoredTensor, stored: StoredNetwork) -> str | None:
    """Return why an entry is not the parameter that the layer needs; None if it is."""
    shape = stored_shape = _shape(stored, entry.name)
    where = f"{entry.name!r} of {stored.path}"
    if isinstance(entry.transpose, tuple) and len(entry.transpose) != len(shape):
        return f"{where} has shape {shape}; transpose, {list(entry.transpose)}, must be an order of its axes"
    if entry.transpose:
        stored_shape = tuple(shape[axis] for axis in _axes(entry, len(shape)))
    turned = f"{{name: {entry.name}, transpose: true}}"
    if stored_shape != declared.shape:
        hint = f". Write {param}: {turned}" if not entry.transpose and shape[::-1] == declared.shape else ""
        how = f", transposed {stored_shape}" if entry.transpose else ""
        return f"{where} has shape {shape}{how}; {param} needs {declared.shape}{hint}"
    # One of the same name, "fc1.W", is stored as here, whichever program wrote the file.
    is_ours = stored.tensors.is_ours or entry.name.rpartition(".")[2] == param
    if _is_square(declared) and entry.transpose is None and not is_ours:
        return (
            f"{where} is square, so that its shape does not tell whether it is (inputs, units), as {param} here, or "
            f"(units, inputs), as a weight of torch.nn.Linear. Write {param}: {turned}, or transpose: false"
        )
    return None


def _is_square(declared: Param) -> bool:
    """Return whether the weights (inputs, units) of a dense layer have the same shape if they are transposed."""
    return declared.unit_axis == 1 and len(declared.shape) == 2 and declared.shape[0] == declared.shape[1]


def _axes(entry: StoredTensor, n_axes: int) -> Sequence[int]:
    return entry.transpose if isinstance(entry.transpose, tuple) else range(n_axes)[::-1]


def _read(declared: Param, entry: StoredTensor, stored: StoredNetwork) -> NDArray[Any]:
    """Return an entry as the parameter that is declared."""
    array = stored.read(entry.name)
    if not np.can_cast(array.dtype, declared.dtype, "same_kind"):
        raise CheckpointError(f"{stored.path}: {entry.name!r} is {array.dtype}; {declared.dtype} is needed")
    values = np.transpose(array, _axes(entry, array.ndim)) if entry.transpose else array
    # A float64 beyond the range of float32 becomes infinite, which is an error below.
    with np.errstate(over="ignore"):
        values_read: NDArray[Any] = np.array(values, dtype=declared.dtype, order="C")
    if not np.isfinite(values_read).all():
        raise CheckpointError(f"{stored.path}: {entry.name!r} has values that are not finite in {declared.dtype}")
    return values_read
