"""Update of the weights from gradients: penalties, clipping, the updater, constraints."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor

from arignote.engine.network import Network
from arignote.layers.base import ParametricLayer, WeightedLayer
from arignote.optim.updaters import DecoupledUpdater, FusedUpdater, SlicedUpdater, Updater

__all__ = ["NO_NUMBERS", "Update"]

# Current values of numbers that follow a rule, if none does.
NO_NUMBERS: Mapping[str, float] = MappingProxyType({})


class _Number(NamedTuple):
    """A number of a layer, and the name of its rule if it follows one."""

    value: float
    rule: str = ""

    def current(self, numbers: Mapping[str, float]) -> float:
        """Return its value; `numbers` are those that follow a rule."""
        return numbers[self.rule] if self.rule else self.value


class _Rates(NamedTuple):
    """Arguments of a step beside learning rate and momentum; `n_before` updates came before its first one."""

    decay: _Number
    lr_factor: _Number
    n_before: int


class Update:
    """Update the weights of a network from its gradients.

    Parameters
    ----------
    network : Network
        The network to train.
    updater : Updater
        Rule of the update.
    max_grad_norm : float or None
        Largest Euclidean norm of all gradients (penalties included) together.
    max_grad_value : float or None
        Largest absolute value of a gradient (penalties included), before its share of the norm.
    ruled : collection of str
        Numbers of the update that follow a rule, as "fc1.l2"; each call is given their current values.
    slots : dict of str to Tensor, optional
        Slots of the updater; by default zeros.
    thawed : dict of str to int, optional
        Number of the update after which a layer with `thaw_at` was thawed: the updater counts its updates from there.

    Attributes
    ----------
    slots : dict of str to Tensor (n_values,)
        Slots of the updater by name.
    """

    def __init__(
        self,
        network: Network,
        updater: Updater,
        max_grad_norm: float | None,
        max_grad_value: float | None = None,
        ruled: Collection[str] = (),
        slots: dict[str, Tensor] | None = None,
        thawed: Mapping[str, int] | None = None,
    ):
        self._network, self._ruled, self._thawed = network, ruled, thawed or {}
        self._max_grad_norm = self._number_of("sgd_max_grad_norm", max_grad_norm)
        self._max_grad_value = self._number_of("sgd_max_grad_value", max_grad_value)
        self.slots = slots or {name: torch.zeros_like(network.weights) for name in updater.slots}
        # An overridden `step` takes no decay; gradients are clipped with their penalties, which must be added before.
        sliced = updater if isinstance(updater, SlicedUpdater) and type(updater).step is SlicedUpdater.step else None
        adds_l2 = isinstance(sliced, FusedUpdater) and not any((*self._max_grad_norm, *self._max_grad_value))
        self._steps = self._steps_of(updater, sliced, adds_l2)
        self._penalties: list[tuple[Tensor, Tensor, _Number, _Number]] = []
        self._nonnegative: list[Tensor] = []
        self._norms: list[tuple[Tensor, tuple[int, ...], _Number]] = []
        gradients = network.flat_views(network.gradients)
        for name, tensor, layer, unit_axis in self._penalised():
            l1, l2, maxnorm = (self._number(layer, param) for param in ("l1", "l2", "maxnorm"))
            # The kernel adds the gradient of an l2 that is the same in all updates.
            in_kernel = adds_l2 and not l2.rule
            if any(l1) or (any(l2) and not in_kernel):
                self._penalties.append((tensor, gradients[name], l1, _Number(0.0) if in_kernel else l2))
            if layer.nonnegative:
                self._nonnegative.append(tensor)
            if any(maxnorm):
                axes = tuple(axis for axis in range(tensor.ndim) if axis != unit_axis)
                self._norms.append((tensor, axes, maxnorm))

    def _number(self, layer: ParametricLayer, param: str) -> _Number:
        """Return l1, l2, maxnorm or lr_factor of a layer; 0 is that of a layer without one."""
        return self._number_of(f"{layer.name}.{param}", getattr(layer, param))

    def _number_of(self, name: str, value: float | None) -> _Number:
        """Return the number of this name; 0 stands for none."""
        return _Number(value or 0.0, name if name in self._ruled else "")

    def _penalised(self) -> Iterator[tuple[str, Tensor, WeightedLayer, int]]:
        """Yield name, tensor, layer and axis of units of all trained weights, to which penalties and norms apply."""
        for place in self._network.architecture.placed:
            if isinstance(place.layer, WeightedLayer):
                for param, declared in place.params.items():
                    tensor = self._network.named[f"{place.name}.{param}"]
                    if declared.unit_axis is not None and tensor.requires_grad:
                        yield f"{place.name}.{param}", tensor.detach(), place.layer, declared.unit_axis

    def _steps_of(
        self, updater: Updater, sliced: SlicedUpdater | None, adds_l2: bool
    ) -> list[tuple[Callable[..., None], _Rates]]:
        """Return the steps of an update, functions of the learning rate, the momentum, n and the decay."""
        steps: list[tuple[Callable[..., None], _Rates]] = []
        for rates, slices in self._slices_by_rates(sliced, adds_l2).items():
            w, g, slots = self._views(slices)
            if sliced is not None:
                steps.append((partial(sliced.step_slices, w, g, slots), rates))
                continue
            for number in range(len(slices)):
                # Read-only: slots are changed in place, as a tensor that replaces one would not be in the state.
                of_slice = MappingProxyType({name: views[number] for name, views in slots.items()})
                steps.append((_without_decay(partial(updater.step, w[number], g[number], of_slice)), rates))
        return steps

    def _slices_by_rates(self, updater: SlicedUpdater | None, adds_l2: bool) -> dict[_Rates, list[slice]]:
        """Return slices of the flat vectors by their rates.

        Adjacent parameters of equal rates are one slice; those that are not trained before a thaw are left out.
        """
        decay_of: dict[str, _Number] = {}
        for name, _, layer, _ in self._penalised():
            if isinstance(updater, DecoupledUpdater):
                decay_of[name] = self._number_of("sgd_type.weight_decay", updater.weight_decay)
            elif adds_l2 and not (l2 := self._number(layer, "l2")).rule:
                # The slope of l2 * w^2 is 2 * l2 * w, which torch's weight decay adds as decay * w.
                decay_of[name] = _Number(2 * l2.value)
        factor_of = {
            f"{place.name}.{param}": self._number(place.layer, "lr_factor")
            for place in self._network.architecture.placed
            if isinstance(place.layer, ParametricLayer)
            for param in place.params
        }
        n_before = _updates_before(self._network, self._thawed)
        slices_of: dict[_Rates, list[slice]] = {}
        for name, at in self._network.slices.items():
            if self._network.named[name].requires_grad:
                rates = _Rates(decay_of.get(name, _Number(0.0)), factor_of.get(name, _Number(1.0)), n_before[name])
                slices = slices_of.setdefault(rates, [])
                begin = slices.pop().start if slices and slices[-1].stop == at.start else at.start
                slices.append(slice(begin, at.stop))
        return slices_of

    def _views(self, slices: list[slice]) -> tuple[list[Tensor], list[Tensor], dict[str, list[Tensor]]]:
        """Return slices of weights, gradients and slots."""
        w, g, *slots = (
            [flat[at] for at in slices]
            for flat in (self._network.weights, self._network.gradients, *self.slots.values())
        )
        return w, g, dict(zip(self.slots, slots, strict=True))

    def __call__(self, lr: float, momentum: float, n: int, numbers: Mapping[str, float] = NO_NUMBERS) -> None:
        """Update the weights with current values of learning rate, momentum and `ruled`, in update `n` (from 1)."""
        for tensor, gradient, number_l1, number_l2 in self._penalties:
            l1, l2 = number_l1.current(numbers), number_l2.current(numbers)
            # The gradient of autograd, without its additional passes over the weights.
            if l2:
                gradient.add_(tensor, alpha=2 * l2)
            if l1:
                gradient.add_(tensor.sign(), alpha=l1)
        self._clip(self._max_grad_value.current(numbers), self._max_grad_norm.current(numbers))
        for step, (decay, lr_factor, n_before) in self._steps:
            step(lr * lr_factor.current(numbers), momentum, n - n_before, decay=decay.current(numbers))
        # Before the norms, so that these are of the weights that are left.
        for tensor in self._nonnegative:
            tensor.clamp_(min=0)
        # A unit whose weights are all 0 stays as it is, without a division by 0.
        for tensor, axes, number in self._norms:
            maxnorm = number.current(numbers)
            norms = torch.linalg.vector_norm(tensor, dim=axes, keepdim=True)
            tensor.mul_((maxnorm / norms.clamp_(min=1e-12)).clamp_(max=1.0))

    def _clip(self, max_value: float, max_norm: float) -> None:
        """Clip gradients by their values, then by their norm; 0: not."""
        if max_value:
            self._network.gradients.clamp_(-max_value, max_value)
        if max_norm:
            norm = self._network.gradients.norm()
            # As clip_grad_norm_ of torch, which adds 1e-6 too.
            self._network.gradients.mul_((max_norm / (norm + 1e-6)).clamp_(max=1.0))


def _without_decay(step: Callable[[float, float, int], None]) -> Callable[..., None]:
    """Return a step that is given a decay, 0, as others are."""
    return lambda lr, momentum, n, decay: step(lr, momentum, n)


def _updates_before(network: Network, thawed: Mapping[str, int]) -> dict[str, int]:
    """Return the number of updates before the first one of each parameter, by name."""
    counts = dict.fromkeys(network.slices, 0)
    for place in network.architecture.placed:
        if isinstance(place.layer, ParametricLayer) and place.name in thawed:
            names = [f"{place.name}.{param}" for param in place.params if place.layer.is_fixed(param)]
            counts |= {name: thawed[place.name] for name in names if name in counts}
    return counts
