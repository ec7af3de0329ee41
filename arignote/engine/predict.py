"""Predictions of a network, and its losses, outside training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from math import prod
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arignote.engine.feed import fields_to_device
from arignote.engine.network import Network
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
    """Return the outputs (rows, ...) of layers for a batch, outside training; all else is as of `outputs_of`."""
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
    if not network.is_custom:
        with TURN:
            return compute(*inputs)
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
    """

    def __init__(self, network: Network, losses: Sequence[ReportedLoss]):
        self.network, self._losses = network, losses
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
        """
        n_rows = np.zeros(len(self.network.architecture.outputs))
        totals: dict[str, Tensor] = {}
        rated: list[tuple[Predictions, NDArray[Any]]] = []
        n_seen = 0
        for number, (x, y) in enumerate(batches):
            check_stop()
            of_rows = None if weights is None else weights[n_seen : n_seen + len(y)]
            n_seen += len(y)
            n_rows += _rows_with_target(y, of_rows)
            outputs = outputs_of(self.network, x, seed, purpose, *position, number)
            targets = dict(zip(outputs, fields_to_device(y, self.network.device), strict=True))
            on_device = None if of_rows is None else torch.from_numpy(of_rows).to(self.network.device)
            with TURN:
                block = self._predictions_of(outputs) if keep is not None or self._scores else {}
                if keep is not None:
                    keep(block)
                if self._scores:
                    rated.append(({one.output: block[one.output] for one in self._scores}, y))
                for one, mean in self._means:
                    losses = mean(outputs[one.output], targets[one.output], on_device)
                    zero = torch.zeros(losses.shape, dtype=torch.float64, device=losses.device)
                    totals.setdefault(one.name, zero).add_(losses, alpha=len(y))
        n_of = dict(zip(self.network.architecture.outputs, n_rows, strict=True))
        # Of an output without any target the losses are NaN.
        with np.errstate(invalid="ignore"):
            means = {one.name: totals[one.name].cpu().numpy() / n_of[one.output] for one, _ in self._means if totals}
        values = {one.name: one.loss.value(means[one.name], one.units) for one, _ in self._means if totals}
        values |= self._scored(rated, weights)
        return {one.name: values[one.name] for one in self._losses if one.name in values}

    def _scored(
        self, rated: Sequence[tuple[Predictions, NDArray[Any]]], weights: NDArray[np.float32] | None
    ) -> dict[str, float]:
        """Return the scores of all rows, from predictions and encoded targets of each batch."""
        if not rated:
            return {}
        y = np.concatenate([encoded for _, encoded in rated])
        scores = {}
        for one in self._scores:
            of_target = y if y.dtype.names is None else y[one.output]
            of_output = np.concatenate([predicted[one.output] for predicted, _ in rated])
            assert one.of_all is not None
            scores[one.name] = one.of_all(of_output, of_target, weights)
        return scores


def _rows_with_target(y: NDArray[Any], weights: NDArray[np.float32] | None) -> list[float]:
    """Return the number of rows that have a value of each output, or their weight; missing encoded values are NaN."""
    of_rows = np.ones(len(y)) if weights is None else weights.astype(np.float64)
    if y.dtype.names is None:
        return [of_rows.sum()]
    fields = [y[name].reshape(len(y), -1) for name in y.dtype.names]
    return [of_rows[(field == field).any(axis=1)].sum() for field in fields]
