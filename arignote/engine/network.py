"""The network: an architecture with its tensors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import wraps
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from arignote.engine.checked_copy import copy_into
from arignote.engine.setup import Setup, is_of_filters
from arignote.layers.architecture import Architecture, Placed
from arignote.layers.base import ExampleShape, ParametricLayer, WeightedLayer
from arignote.layers.output import OutputLayer
from arignote.layers.torch_layer import TorchLayer
from arignote.registry import is_custom
from arignote.streams import stream

__all__ = ["DEFAULT_SETUP", "Network", "rebuilt"]

DEFAULT_SETUP = Setup()


class Network(nn.Module):
    """A graph of layers, which are in an order in which each takes outputs of earlier ones.

    Trained parameters are views of one flat vector, and their gradients of another, so that the number of operations
    of an update does not depend on the number of layers.

    Parameters
    ----------
    architecture : Architecture
        Layers with their shapes.
    setup : Setup
        Device, memory format and precision.

    Attributes
    ----------
    weights, gradients : Tensor (n_values,)
        All parameters that are trained, now or after `thaw`, and their gradients.
    slices : dict of str to slice
        Where each of them lies in these vectors, by name.
    is_custom : bool
        Whether a layer or an activation is code of the user.
    """

    def __init__(self, architecture: Architecture, setup: Setup = DEFAULT_SETUP):
        super().__init__()
        self.architecture, self.setup = architecture, setup
        self.is_custom = architecture.is_custom
        self.device = torch.device(setup.device)
        self._placed = list(architecture.placed)
        self._forwards: list[tuple[dict[str, Any], Callable[..., Tensor]]] = []
        self._dropped = _no_longer_needed(architecture)
        self.slices = _slices(architecture)
        n_values = max((at.stop for at in self.slices.values()), default=0)
        self.weights = torch.zeros(n_values, device=self.device)
        self.gradients = torch.zeros(n_values, device=self.device)
        self.named: dict[str, Tensor] = {}
        of_layers: dict[str, dict[str, Any]] = {}
        self._params_of: dict[str, dict[str, Any]] = {}
        for place in architecture.placed:
            params = self._params_of[place.name] = of_layers.setdefault(place.owner, {})
            for name, param in place.params.items():
                at = self.slices.get(f"{place.name}.{name}")
                if at is None:
                    values = torch.zeros(param.shape, dtype=getattr(torch, param.dtype), device=self.device)
                else:
                    values = self._shaped(self.weights[at], param.shape)
                tensor = nn.Parameter(values, requires_grad=at is not None)
                if at is not None:
                    # autograd adds to a gradient that exists, in place: it writes into the flat vector.
                    tensor.grad = self._shaped(self.gradients[at], param.shape)
                params[name] = self.named[f"{place.name}.{name}"] = tensor
                # Names of the engine have no dots.
                self.register_parameter(f"{place.name}/{name}".replace(".", "/"), tensor)
            self._forwards.append((params, _forward_of(place)))
        self.thaw(())

    def thaw(self, layers: Collection[str]) -> None:
        """Train all parameters of these layers, and none that any other layer with `thaw_at` fixes."""
        for position, place in enumerate(self.architecture.placed):
            if isinstance(place.layer, ParametricLayer) and place.layer.thaw_at is not None:
                layer = place.layer.thawed if place.name in layers else place.layer
                self._placed[position] = place = replace(place, layer=layer)
                # Whether statistics are fixed is known to the forward function.
                self._forwards[position] = self._forwards[position][0], _forward_of(place)
                for name in place.params:
                    if f"{place.name}.{name}" in self.slices:
                        self.named[f"{place.name}.{name}"].requires_grad_(not layer.is_fixed(name))
        # Nothing is written for parameters that are fixed, whose gradients count in the norm.
        self.gradients.zero_()

    def set_numbers(self, numbers: Mapping[str, float]) -> None:
        """Give layers the current values of numbers that follow a rule, by "layer.parameter", for training passes."""
        for name, value in numbers.items():
            layer, _, param = name.rpartition(".")
            # Those of any layer with weights, and of settings, are read by the update or by the step.
            if layer in self._params_of and param not in WeightedLayer.ruled:
                self._params_of[layer][param] = value

    def _shaped(self, values: Tensor, shape: Sequence[int]) -> Tensor:
        """Return a slice of a flat vector as a view of the shape of a parameter."""
        if self.setup.channels_last and is_of_filters(shape):
            n_out, n_in, *window = shape
            return values.view(n_out, *window, n_in).movedim(-1, 1)
        return values.view(tuple(shape))

    def forward(self, *x: Tensor) -> tuple[Tensor, ...]:
        """Return what each output layer gives (n, n_outputs), float32.

        Parameters
        ----------
        *x : Tensor (n, ...)
            Examples of each input layer, then the lengths (n,) or masks (n, steps) of sequences.
        """
        if self.setup.cast is None:
            # A context manager would take its part of a small step.
            return self._outputs(x)
        with torch.autocast(self.device.type, self.setup.cast):
            return tuple(output.float() for output in self._outputs(x))

    def casting(self) -> AbstractContextManager[Any]:
        """Return a context in which layers compute in the type of the setup."""
        return nullcontext() if self.setup.cast is None else torch.autocast(self.device.type, self.setup.cast)

    def outputs_at(self, positions: Sequence[int], *x: Tensor) -> list[Tensor]:
        """Return the outputs (n, ...) of the layers at these positions, float32 unless they are of whole numbers.

        All earlier layers are computed, those that they do not depend on too, so that what layers draw is as in
        `forward`.
        """
        with self.casting():
            outputs = self._computed(x, max(positions) + 1, positions)
        chosen = [output for output in (outputs[position] for position in positions) if output is not None]
        return [output.float() if output.is_floating_point() else output for output in chosen]

    def _outputs(self, x: Sequence[Tensor]) -> tuple[Tensor, ...]:
        placed = self.architecture.placed
        outputs = self._computed(x, len(placed))
        of_layers = [
            output for place, output in zip(placed, outputs, strict=True) if isinstance(place.layer, OutputLayer)
        ]
        return tuple(output for output in of_layers if output is not None)

    def _computed(self, x: Sequence[Tensor], n_layers: int, kept: Sequence[int] = ()) -> list[Tensor | None]:
        """Return the outputs of the first layers; None for those that no later layer takes, unless they are `kept`."""
        outputs: list[Tensor | None] = []
        for place, (params, forward), dropped in zip(
            self.architecture.placed[:n_layers], self._forwards[:n_layers], self._dropped[:n_layers], strict=True
        ):
            outputs.append(forward(params, self.input_of(place, outputs, x), self.training))
            for position in dropped:
                outputs[position] = outputs[position] if position in kept else None
        return outputs

    @staticmethod
    def input_of(place: Placed, outputs: Sequence[Tensor | None], x: Sequence[Tensor]) -> Any:
        """Return what a layer takes of the outputs of earlier ones, and of the data: a tensor, or a list of them."""
        taken = [*(outputs[source] for source in place.sources), *(x[field] for field in place.fields)]
        return taken if place.takes_list else taken[0]

    def example_shape(self, x: Sequence[Tensor]) -> ExampleShape:
        """Return the shape of one example of the inputs `x`, of several by channel."""
        shapes = [tuple(one.shape[1:]) for one in x]
        n_in = self.architecture.n_in
        # Lengths and masks come last.
        return dict(zip(n_in, shapes, strict=False)) if isinstance(n_in, Mapping) else shapes[0]

    def placed(self) -> Iterable[tuple[Placed, tuple[dict[str, Tensor], Callable[..., Tensor]]]]:
        """Return each layer, as it is trained now, and its shapes, with its parameters and its forward function."""
        return zip(self._placed, self._forwards, strict=True)

    def outputs(self, x: Sequence[Tensor]) -> list[tuple[str, Tensor]]:
        """Return the output of every layer, by name, in order."""
        outputs: list[Tensor] = []
        for place, (params, forward) in self.placed():
            outputs.append(forward(params, self.input_of(place, outputs, x), self.training))
        return list(zip((place.name for place in self.architecture.placed), outputs, strict=True))

    @torch.no_grad()
    def initialise(self, seed: int) -> None:
        """Draw the initial values of all parameters, each from a stream of its own."""
        for place in self.architecture.placed:
            for name, param in place.params.items():
                rng = stream(seed, "init", place.name, name)
                values = param.initial.draw(rng, param.shape, param.fan_in, param.fan_out)
                array = np.asarray(values, dtype=param.dtype)
                self.named[f"{place.name}.{name}"].copy_(torch.from_numpy(array))

    def flat_views(self, flat: Tensor) -> dict[str, Tensor]:
        """Return views of a vector laid out as `weights`, by parameter name."""
        return {name: self._shaped(flat[at], self.named[name].shape) for name, at in self.slices.items()}

    def arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return a copy of every tensor, by name."""
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in self.named.items()}

    def __reduce__(self) -> Any:
        # On the CPU, as the machine that unpickles it may have no GPU.
        return rebuilt, (self.architecture, replace(self.setup, device="cpu"), self.arrays())


def _slices(architecture: Architecture) -> dict[str, slice]:
    """Return where each parameter that is ever trained lies in the flat vector, by name."""
    slices, begin = {}, 0
    for place in architecture.placed:
        layer = place.layer
        for name, param in place.params.items():
            is_fixed = isinstance(layer, ParametricLayer) and layer.is_fixed(name) and layer.thaw_at is None
            if param.trained and not is_fixed:
                slices[f"{place.name}.{name}"] = slice(begin, begin + int(np.prod(param.shape)))
                begin = slices[f"{place.name}.{name}"].stop
    return slices


def _forward_of(place: Placed) -> Callable[..., Tensor]:
    """Return the forward function of a layer."""
    forward = place.layer.build(*place.input_shapes)
    return _on_copy(forward) if is_custom(place.layer) or isinstance(place.layer, TorchLayer) else forward


def _on_copy(forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return a forward function of others, which may overwrite what it is given, as one that leaves it as it is."""

    @wraps(forward)
    def on_copy(params: Mapping[str, Tensor], x: Any, training: bool) -> Tensor:
        return forward(params, [one.clone() for one in x] if isinstance(x, list) else x.clone(), training)

    return on_copy


def _no_longer_needed(architecture: Architecture) -> list[list[int]]:
    """Return for each layer the positions of the outputs that no later layer takes, whose memory is released."""
    placed = architecture.placed
    # Later positions overwrite earlier ones.
    last_use = {source: position for position, place in enumerate(placed) for source in place.sources}
    released: list[list[int]] = [[] for _ in placed]
    for source, position in last_use.items():
        if not isinstance(placed[source].layer, OutputLayer):
            released[position].append(source)
    return released


def rebuilt(architecture: Architecture, setup: Setup, arrays: Mapping[str, Any]) -> Network:
    """Return a network with these tensors.

    Parameters
    ----------
    architecture : Architecture
    setup : Setup
    arrays : mapping of str to array
        All tensors, see `Network.arrays`.
    """
    network = Network(architecture, setup)
    copy_into(network.named, arrays, "pickled network")
    return network
