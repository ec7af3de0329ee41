"""Loss and gradients of a network on a tape: each layer forward, then each backward, mostly without autograd.

Gradients are written into the flat vector. Neighbouring layers that have no function here are one segment, which
autograd records on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from arignote.engine.by_hand.functions import ActivationInPlace, LayerFunction, MaxPool, functions_of, in_place
from arignote.engine.by_hand.losses import loss_and_gradient
from arignote.engine.network import Network
from arignote.layers.architecture import Placed
from arignote.layers.merge import MergeLayer
from arignote.layers.output import OutputLayer
from arignote.optim.losses import Loss

__all__ = ["Tape", "tape_of"]


@dataclass
class _Link:
    """A function on the tape.

    Attributes
    ----------
    function : LayerFunction
    sources : tuple of int
        Places of its inputs among the values: first the inputs of the network, then the outputs of the links.
    layer : str
        Name of its layer; of a segment that of the last one.
    owners : tuple of str
        Names of the layers whose parameters it uses.
    is_merge : bool
        Whether it takes a list of inputs.
    adds : bool
        Whether its gradients are added to those of a later link, which uses the same parameters.
    needs : tuple of bool
        Whether the gradient of each input is needed.
    needs_input : bool
        Whether that of any input is needed.
    dropped : list of int
        Places of the values that no later link takes.
    """

    function: LayerFunction
    sources: tuple[int, ...]
    layer: str
    owners: tuple[str, ...]
    is_merge: bool
    adds: bool = False
    needs: tuple[bool, ...] = ()
    needs_input: bool = False
    dropped: list[int] = field(default_factory=list)


class Tape:
    """Loss and gradients of a network.

    Parameters
    ----------
    links : sequence of _Link
        In an order in which each takes outputs of earlier ones.
    n_inputs : int
        Number of inputs of the network.
    outputs : sequence of int
        Places of the values of the output layers.
    by_hand : list of str
        Names of the layers that are computed without autograd.
    losses : sequence of Loss
        Of each output; the sum of each times its weight is minimised.
    device : torch.device
        Device of the network.
    """

    def __init__(
        self,
        links: Sequence[_Link],
        n_inputs: int,
        outputs: Sequence[int],
        by_hand: list[str],
        losses: Sequence[Loss],
        device: torch.device,
    ):
        self.by_hand = by_hand
        self._links, self._n_inputs, self._outputs = links, n_inputs, outputs
        self._losses = [(loss_and_gradient(loss, device), loss.weight) for loss in losses]
        self._segments = [link.function for link in links if isinstance(link.function, _Segment)]
        needed = [False] * n_inputs
        for link in links:
            link.needs = tuple(needed[source] for source in link.sources)
            link.needs_input = any(link.needs)
            needed.append(link.function.trains or link.needs_input)
            if isinstance(link.function, _Segment):
                link.function.needs = link.needs
        # Links before the first one with parameters are not walked through.
        self._backward = [n for n in reversed(range(len(links))) if needed[n_inputs + n]]
        later: dict[str, str] = {}
        last_use: dict[int, int] = {}
        for number in reversed(range(len(links))):
            link = links[number]
            # Backward, the last layer that uses some parameters comes first: it overwrites their gradients, and earlier
            # layers that share them add theirs. A layer of several links, such as MLPConvLayer, has parameters of its
            # own for each, so that its links overwrite.
            link.adds = link.layer not in [later.setdefault(owner, link.layer) for owner in link.owners]
            for source in link.sources:
                is_last = last_use.setdefault(source, number) == number
                if is_last and source not in link.dropped and source not in outputs:
                    link.dropped.append(source)
        # Of a small network this loop is a tenth of a step: what it needs of each link lies ready.
        self._forward = [(one.function.forward, one.sources, one.is_merge, one.dropped) for one in links]

    def __call__(
        self, x: tuple[Tensor, ...], y: tuple[Tensor, ...], weights: Tensor | None, share: float, beta: float
    ) -> Tensor:
        """Write the gradients of ``share * loss`` into the flat vector (beta 1: add them), and return that loss."""
        # No tensor here requires a gradient, so that autograd records segments and losses only.
        if not beta:
            for segment in self._segments:
                segment.zero()
        values: list[Tensor | None] = [*x]
        saved: list[Any] = []
        for forward, sources, is_merge, dropped in self._forward:
            inputs: Any = [values[source] for source in sources] if is_merge else values[sources[0]]
            found, kept = forward(inputs)
            values.append(found)
            saved.append(kept)
            for source in dropped:
                values[source] = None
        gradients: list[Tensor | None] = [None] * len(values)
        total: Tensor | None = None
        for place, target, (loss_and_g, factor) in zip(self._outputs, y, self._losses, strict=True):
            outputs = values[place]
            assert outputs is not None
            loss, g = loss_and_g(outputs, target, weights, share * factor)
            gradients[place] = g
            total = loss if total is None else total + loss
        assert total is not None
        for number in self._backward:
            self._step_back(number, saved[number], gradients, beta)
        return total

    def _step_back(self, number: int, saved: Any, gradients: list[Tensor | None], beta: float) -> None:
        """Go from the gradient of the output of a link to those of its inputs."""
        link, place = self._links[number], self._n_inputs + number
        g = gradients[place]
        assert g is not None
        gradients[place] = None
        found = link.function.backward(g, saved, 1.0 if link.adds else beta, link.needs_input)
        if not link.needs_input:
            return
        if not link.is_merge:
            found = (found,)
        for source, needed, one in zip(link.sources, link.needs, found, strict=True):
            if needed:
                before = gradients[source]
                # Later links come first, so that the order of a sum is fixed.
                gradients[source] = one if before is None else before + one


class _Segment:
    """Neighbouring layers that autograd records.

    Parameters
    ----------
    steps : list of (Placed, params, forward, inputs)
        Each layer; its inputs are numbers of earlier steps, or ``-1 - n`` for the n-th input of the segment.
    gradients : list of Tensor
        Those of its parameters in the flat vector.

    Attributes
    ----------
    needs : tuple of bool
        Whether the gradient of each input is needed.
    """

    def __init__(
        self,
        steps: list[tuple[Placed, dict[str, Tensor], Callable[..., Tensor], tuple[int, ...]]],
        gradients: list[Tensor],
    ):
        self._steps, self._gradients = steps, gradients
        self.trains = bool(gradients)
        self.needs: tuple[bool, ...] = ()

    def zero(self) -> None:
        """Set the gradients of its parameters, to which autograd adds, to zero."""
        for gradient in self._gradients:
            gradient.zero_()

    @torch.enable_grad()
    def forward(self, x: list[Tensor]) -> tuple[Tensor, Any]:
        leaves = [one.detach().requires_grad_(needed) for one, needed in zip(x, self.needs, strict=True)]
        found: list[Tensor] = []
        for place, params, forward, inputs in self._steps:
            taken = [found[n] if n >= 0 else leaves[-1 - n] for n in inputs]
            found.append(forward(params, taken if place.takes_list else taken[0], True))
        return found[-1].detach(), (leaves, found[-1])

    def backward(self, g: Tensor, saved: Any, beta: float, needs_input: bool) -> list[Tensor | None]:
        leaves, output = saved
        if output.requires_grad:
            torch.autograd.backward([output], [g])
        # The output need not depend on an input.
        return [torch.zeros_like(leaf) if leaf.requires_grad and leaf.grad is None else leaf.grad for leaf in leaves]


def tape_of(network: Network, losses: Sequence[Loss]) -> Tape | None:
    """Return the tape of a network; None if autograd is needed for all of it, because of its layers or of its setup."""
    setup = network.setup
    if setup.cast is not None or (setup.compile and network.device.type != "cpu"):
        # On a GPU one compiled kernel is faster than many small ones; on a CPU it is slower than a tape.
        return None
    builder = _Builder(network)
    links, outputs = builder.links()
    if setup.compile and builder.has_segments:
        return None
    return Tape(links, builder.n_inputs, outputs, builder.by_hand, losses, network.device)


class _Builder:
    """Builds the links of the layers of a network."""

    def __init__(self, network: Network):
        self.by_hand: list[str] = []
        self.has_segments = False
        self._placed = list(network.placed())
        self.n_inputs = network.architecture.n_fields
        gradients = network.flat_views(network.gradients)
        self._of_layer: list[tuple[dict[str, Tensor], list[LayerFunction] | None]] = []
        for place, (params, _) in self._placed:
            # Numbers that follow a rule are written into the mapping of a layer, which has no parameters then.
            has_tensors = any(isinstance(one, Tensor) for one in params.values())
            tensors = {name: tensor.detach() for name, tensor in params.items()} if has_tensors else params
            names = {name: f"{place.owner}.{name}" for name in tensors}
            own = {name: gradients[full] for name, full in names.items() if full in gradients}
            self._of_layer.append((own, functions_of(place, tensors, own)))
        self._n_uses = [0] * len(self._placed)
        # Position of the last layer that takes the output of each; the loss takes those of output layers after all.
        self._last_use = [0] * len(self._placed)
        for number, (place, _) in enumerate(self._placed):
            for source in place.sources:
                self._n_uses[source] += 1
                self._last_use[source] = max(number, self._last_use[source])
            if isinstance(place.layer, OutputLayer):
                self._n_uses[number] += 1
                self._last_use[number] = len(self._placed)

    def links(self) -> tuple[list[_Link], list[int]]:
        """Return the links in order, and the places of the values of the output layers."""
        links: list[_Link] = []
        # Place of the output of each layer among the values.
        values: list[int] = []
        position = 0
        while position < len(self._placed):
            place, _ = self._placed[position]
            functions = self._of_layer[position][1]
            if functions is None:
                end = self._end_of_segment(position)
                links.append(self._segment(position, end, values))
                values += [self._last(links)] * (end - position)
                position = end
                continue
            self.by_hand.append(place.name)
            sources = (*(values[source] for source in place.sources), *place.fields)
            if isinstance(place.layer, MergeLayer):
                links.append(_Link(functions[0], sources, place.name, (place.owner,), is_merge=True))
                sources = (self._last(links),)
            else:
                sources = self._append(links, functions, sources, place, values)
            values.append(sources[0])
            position += 1
        outputs = [n for n, (place, _) in enumerate(self._placed) if isinstance(place.layer, OutputLayer)]
        return links, [values[n] for n in outputs]

    def _append(
        self,
        links: list[_Link],
        functions: list[LayerFunction],
        sources: tuple[int, ...],
        place: Placed,
        values: Sequence[int],
    ) -> tuple[int, ...]:
        """Append the functions of a layer, one after the other; return the place of the last output."""
        is_only_use = (
            bool(links and functions)
            and sources == (self._last(links),)
            # A layer that does nothing has the place of the one before.
            and all(self._n_uses[n] == 1 for n, value in enumerate(values) if value == self._last(links))
        )
        if is_only_use:
            functions = [in_place(functions[0], links[-1].function), *functions[1:]]
        if is_only_use and isinstance(functions[0], MaxPool) and isinstance(links[-1].function, ActivationInPlace):
            # Pooling before the activation gives the same bits from fewer values, as a rectifier keeps their order;
            # other activations are no links of their own behind a convolution.
            activation = links.pop()
            sources, functions = activation.sources, [*functions, activation.function]
        for function in functions:
            links.append(_Link(function, sources, place.name, (place.owner,), is_merge=False))
            sources = (self._last(links),)
        return sources

    def _last(self, links: Sequence[_Link]) -> int:
        """Return the place of the output of the last link."""
        return self.n_inputs + len(links) - 1

    def _end_of_segment(self, begin: int) -> int:
        """Return the end of the longest segment of unknown layers of which only the last has uses outside."""
        end = best = begin + 1
        last_use = 0
        while end < len(self._placed) and self._of_layer[end][1] is None:
            last_use = max(last_use, self._last_use[end - 1])
            end += 1
            if last_use < end:
                best = end
        return best

    def _segment(self, begin: int, end: int, values: list[int]) -> _Link:
        """Return the link of the layers begin .. end - 1."""
        self.has_segments = True
        sources: list[int] = []
        steps = []
        for place, (params, forward) in self._placed[begin:end]:
            steps.append((place, params, forward, self._inputs(place, begin, values, sources)))
        gradients = [g for own, _ in self._of_layer[begin:end] for g in own.values()]
        owners = tuple(place.owner for place, _ in self._placed[begin:end])
        last = self._placed[end - 1][0].name
        return _Link(_Segment(steps, gradients), tuple(sources), last, owners, is_merge=True)

    @staticmethod
    def _inputs(place: Placed, begin: int, values: Sequence[int], sources: list[int]) -> tuple[int, ...]:
        """Return the inputs of a step of a segment; places of values that are new to it are appended to `sources`."""
        inner = [source - begin if source >= begin else None for source in place.sources]
        outer = [values[source] if source < begin else 0 for source in place.sources]
        found = []
        for number, value in zip([*inner, *(None for _ in place.fields)], [*outer, *place.fields], strict=True):
            if number is not None:
                found.append(number)
                continue
            if value not in sources:
                sources.append(value)
            found.append(-1 - sources.index(value))
        return tuple(found)
