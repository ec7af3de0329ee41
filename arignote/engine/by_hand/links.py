"""The links of the layers of a network: which function takes which values, and which layers autograd records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from arignote.engine.by_hand.functions import ActivationInPlace, LayerFunction, MaxPool, functions_of, in_place
from arignote.engine.by_hand.segment import Segment
from arignote.engine.network import Network
from arignote.layers.architecture import Placed
from arignote.layers.merge import MergeLayer
from arignote.layers.output import OutputLayer

__all__ = ["Link", "LinkBuilder"]


@dataclass
class Link:
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


class LinkBuilder:
    """Builds the links of the layers of a network.

    Attributes
    ----------
    by_hand : list of str
        Names of the layers that have functions of their own; the others are parts of segments.
    has_segments : bool
    n_inputs : int
        Number of inputs of the network, with lengths and masks.
    """

    def __init__(self, network: Network):
        self.by_hand: list[str] = []
        self.has_segments = False
        self._placed = list(network.placed())
        self.n_inputs = network.architecture.n_fields
        gradients = network.flat_views(network.gradients)
        self._of_layer: list[tuple[dict[str, Tensor], list[LayerFunction] | None]] = []
        for place, (params, _) in self._placed:
            # Numbers that follow a rule are written into the mapping of a layer; those that have functions of their own
            # and such numbers have no parameters.
            own_tensors = {name: one.detach() for name, one in params.items() if isinstance(one, Tensor)}
            tensors = own_tensors or params
            names = {name: f"{place.owner}.{name}" for name in tensors}
            trained = {name: full for name, full in names.items() if full in gradients and params[name].requires_grad}
            own = {name: gradients[full] for name, full in trained.items()}
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

    def links(self) -> tuple[list[Link], list[int]]:
        """Return the links in order, and the places of the values of the output layers."""
        links: list[Link] = []
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
                links.append(Link(functions[0], sources, place.name, (place.owner,), is_merge=True))
                sources = (self._last(links),)
            else:
                sources = self._append(links, functions, sources, place, values)
            values.append(sources[0])
            position += 1
        outputs = [n for n, (place, _) in enumerate(self._placed) if isinstance(place.layer, OutputLayer)]
        return links, [values[n] for n in outputs]

    def _append(
        self,
        links: list[Link],
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
            links.append(Link(function, sources, place.name, (place.owner,), is_merge=False))
            sources = (self._last(links),)
        return sources

    def _last(self, links: Sequence[Link]) -> int:
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

    def _segment(self, begin: int, end: int, values: list[int]) -> Link:
        """Return the link of the layers begin .. end - 1."""
        self.has_segments = True
        sources: list[int] = []
        steps = []
        for place, (params, forward) in self._placed[begin:end]:
            steps.append((place, params, forward, self._inputs(place, begin, values, sources)))
        gradients = [g for own, _ in self._of_layer[begin:end] for g in own.values()]
        owners = tuple(place.owner for place, _ in self._placed[begin:end])
        last = self._placed[end - 1][0].name
        return Link(Segment(steps, gradients), tuple(sources), last, owners, is_merge=True)

    @staticmethod
    def _inputs(place: Placed, begin: int, values: Sequence[int], sources: list[int]) -> tuple[int, ...]:
        """Return the inputs of a step of a segment; places of values that are new to it are appended to `sources`."""
        inner = [source - begin if source >= begin else None for source in place.sources]
        outer = [values[source] if source < begin else 0 for source in place.sources]
        inputs = []
        for number, value in zip([*inner, *(None for _ in place.fields)], [*outer, *place.fields], strict=True):
            if number is not None:
                inputs.append(number)
                continue
            if value not in sources:
                sources.append(value)
            inputs.append(-1 - sources.index(value))
        return tuple(inputs)
