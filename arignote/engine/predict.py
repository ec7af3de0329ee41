"""Predictions of a network, and its losses, outside training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from io import BytesIO
from math import prod
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arignote.engine.feed import fields_to_device
from arignote.engine.network import Network
from arignote.engine.processes import Processes
from arignote.engine.session import seed_all
from arignote.engine.turns import TURN
from arignote.generators import GENERATORS
from arignote.spec.objective import ReportedLoss
from arignote.streams import stream_seed

__all__ = ["Predictions", "Scorer", "outputs_of", "outputs_of_layers", "predict", "validation_rows"]

T = TypeVar("T")


def validation_rows(network: Network) -> int:
    """Return the number of rows of a batch outside training, which follows from shapes, never from timing.

    Outputs of all layers have at most 32 MB: 2,048 rows for networks of some hundred units, 256 small images. It is a
    power of two, so that a small change of a network seldom changes it, and with it the rounding of sums.
    """
    placed = network.architecture.placed
    # 8,000,000 numbers of float32 are 32 MB.
    n_values = sum(prod(place.input_shape) for place in network.architecture.inputs)
    n_values += sum(prod(place.output_shape) for place in placed if place.params)
    # The power of two below, between 16 and 2,048.
    return 1 << min(max(8_000_000 // n_values, 16), 2048).bit_length() - 1


@torch.no_grad()
def outputs_of(network: Network, x: NDArray[Any], seed: int, purpose: str, *position: int | str) -> dict[str, Tensor]:
    """Return what each output layer gives (rows, n_outputs) for a batch, outside training.

    Parameters
    ----------
    network : Network
    x : array (rows, ...)
    seed, purpose, *position
        As of `stream_seed`, for the global generators: code of the user may draw from them outside training too.
        Without such code nothing is seeded.
    """
    outputs = _evaluated(network, network, x, seed, purpose, *position)
    return dict(zip(network.architecture.outputs, outputs, strict=True))


@torch.no_grad()
def outputs_of_layers(
    network: Network, names: Sequence[str], x: NDArray[Any], seed: int, purpose: str, *position: int | str
) -> dict[str, Tensor]:
    """Return the outputs (rows, ...) of layers for a batch, outside training.

    Parameters
    ----------
    network : Network
    names : sequence of str
        Names of layers.
    x, seed, purpose, *position
        See `outputs_of`.
    """
    known = [place.name for place in network.architecture.placed]
    compute = partial(network.outputs_at, [known.index(name) for name in names])
    return dict(zip(names, _evaluated(network, compute, x, seed, purpose, *position), strict=True))


def _evaluated(
    network: Network, compute: Callable[..., T], x: NDArray[Any], seed: int, purpose: str, *position: int | str
) -> T:
    """Return what a function of the inputs gives for a batch, outside training."""
    if network.training:
        network.eval()
    inputs = fields_to_device(x, network.device)
    # Layers of this package draw nothing outside of training.
    if not network.is_custom:
        with TURN:
            return compute(*inputs)
    # In this order, as in `TrainingStep`: two threads with opposite orders would wait for each other.
    with GENERATORS, TURN:
        seed_all(stream_seed(seed, purpose, *position), network.device)
        return compute(*inputs)


Predictions = dict[str, NDArray[Any]]


def predict(network: Network, batches: Iterable[NDArray[Any]], seed: int = 0) -> Iterator[Predictions]:
    """Yield the predictions of each output layer (rows, n_outputs), float32, for each batch: probabilities, or numbers.

    Code of the user draws from generators that are seeded from (seed, "predict", batch).

    Parameters
    ----------
    network : Network
    batches : iterable of array (n, ...)
        Preprocessed features.
    seed : int, default 0
        Seed of the run.
    """
    predictions_of = _predictions_of(network)
    for number, x in enumerate(batches):
        outputs = outputs_of(network, x, seed, "predict", number)
        with TURN:
            predictions = predictions_of(outputs)
        yield predictions


def _predictions_of(network: Network) -> Callable[[Mapping[str, Tensor]], Predictions]:
    """Return a function that turns what each output layer gives into its predictions."""
    of_layer = {name: layer.to_predictions() for name, layer in network.architecture.outputs.items()}
    return lambda outputs: {name: of_layer[name](output).cpu().numpy() for name, output in outputs.items()}


class Scorer:
    """Losses of a network over rows, outside training: means over rows, added in float64 in order.

    Rows that lack the target of an output, as they may if there are several, do not count for its losses. For scores,
    predictions and targets of all rows are kept, in float32.

    Parameters
    ----------
    network : Network
    losses : sequence of ReportedLoss
    processes : Processes, optional
        The processes that share the batches; all return the same losses.
    """

    def __init__(self, network: Network, losses: Sequence[ReportedLoss], processes: Processes | None = None):
        self.network, self._losses, self._processes = network, losses, processes
        self._means = [(one, one.loss.mean()) for one in losses if one.of_all is None]
        self._scores = [one for one in losses if one.of_all is not None]
        self._predictions_of = _predictions_of(network)

    @torch.no_grad()
    def __call__(
        self,
        batches: Iterable[tuple[NDArray[Any], NDArray[Any]]],
        check_stop: Callable[[], None] = lambda: None,
        seed: int = 0,
        purpose: str = "validate",
        position: tuple[int | str, ...] = (),
        keep: Callable[[Predictions], None] | None = None,
        weights: NDArray[np.float32] | None = None,
        first: int = 0,
    ) -> dict[str, float]:
        """Return each loss by name.

        Parameters
        ----------
        batches : iterable of (array (rows, ...), array (rows, ...))
            Features and encoded targets.
        check_stop : callable
            Called before each batch; it may raise, to stop.
        seed, purpose, position
            Code of the user draws from generators that are seeded from (seed, purpose, *position, batch).
        keep : callable, optional
            Called with the predictions of each batch, as `predict` yields them.
        weights : array (rows,) of float32, optional
            How much each row counts.
        first : int
            Number of the first batch, if processes share them.
        """
        terms: dict[str, list[Any]] = {}
        n_seen = first * validation_rows(self.network)
        for number, (x, y) in enumerate(batches, first):
            check_stop()
            of_rows = None if weights is None else weights[n_seen : n_seen + len(y)]
            n_seen += len(y)
            outputs = outputs_of(self.network, x, seed, purpose, *position, number)
            terms.setdefault("n_rows", []).append(_rows_with_target(y, of_rows))
            with TURN:
                for name, term in self._terms(outputs, y, of_rows, keep).items():
                    terms.setdefault(name, []).append(term)
        return self._values(self._joined(terms), weights)

    def _terms(
        self,
        outputs: dict[str, Tensor],
        y: NDArray[Any],
        weights: NDArray[np.float32] | None,
        keep: Callable[[Predictions], None] | None,
    ) -> dict[str, Any]:
        """Return what a batch adds: sums of losses by name, and what scores need."""
        targets = dict(zip(outputs, fields_to_device(y, self.network.device), strict=True))
        on_device = None if weights is None else torch.from_numpy(weights).to(self.network.device)
        block = self._predictions_of(outputs) if keep is not None or self._scores else {}
        if keep is not None:
            keep(block)
        terms: dict[str, Any] = {"y": y} if self._scores else {}
        terms |= {f"predicted/{one.output}": block[one.output] for one in self._scores}
        for one, mean in self._means:
            # From a mean to a sum, in float64, in which batches are added without loss of digits.
            terms[f"sum/{one.name}"] = mean(outputs[one.output], targets[one.output], on_device).double() * len(y)
        return terms

    def _joined(self, terms: Mapping[str, list[Any]]) -> dict[str, NDArray[Any]]:
        """Return the terms of all batches, one after the other: of sums a row for each batch, else for each row."""
        joined = {}
        for name, of_batches in terms.items():
            if name.startswith("sum/"):
                # Read once at the end: reading a value waits for a GPU.
                joined[name] = torch.stack(of_batches).cpu().numpy()
            else:
                joined[name] = np.array(of_batches) if name == "n_rows" else np.concatenate(of_batches)
        return joined if self._processes is None else _gathered(self._processes, joined)

    def _values(self, terms: Mapping[str, NDArray[Any]], weights: NDArray[np.float32] | None) -> dict[str, float]:
        """Return each loss by name, from the terms of all batches; sums of rows are added in their order."""
        if not terms:
            return {}
        n_of = dict(zip(self.network.architecture.outputs, sum(terms["n_rows"]), strict=True))
        values = {}
        for one, _ in self._means:
            # Of an output without any target the losses are NaN.
            with np.errstate(invalid="ignore"):
                values[one.name] = one.loss.value(sum(terms[f"sum/{one.name}"]) / n_of[one.output], one.units)
        for one in self._scores:
            y = terms["y"] if terms["y"].dtype.names is None else terms["y"][one.output]
            assert one.of_all is not None
            values[one.name] = one.of_all(terms[f"predicted/{one.output}"], y, weights)
        return {one.name: values[one.name] for one in self._losses}


def _gathered(processes: Processes, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the arrays of all processes, one after the other."""
    file = BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    of_processes = [np.load(BytesIO(text), allow_pickle=False) for text in processes.gather(file.getvalue())]
    # A process without a batch has no arrays.
    names = dict.fromkeys(name for loaded in of_processes for name in loaded.files)
    return {name: np.concatenate([loaded[name] for loaded in of_processes if name in loaded.files]) for name in names}


def _rows_with_target(y: NDArray[Any], weights: NDArray[np.float32] | None) -> list[float]:
    """Return the number of rows that have a value of each output, or their weight; missing encoded values are NaN."""
    of_rows = np.ones(len(y)) if weights is None else weights.astype(np.float64)
    if y.dtype.names is None:
        return [of_rows.sum()]
    fields = [y[name].reshape(len(y), -1) for name in y.dtype.names]
    return [of_rows[(field == field).any(axis=1)].sum() for field in fields]
