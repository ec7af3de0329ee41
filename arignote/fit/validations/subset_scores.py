"""Losses and scores of a network on a subset of the data, in batches that are read ahead."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any

from arignote.data.epoch.batches import Batches
from arignote.data.rows.selection import Rows
from arignote.engine.network import Network
from arignote.engine.predict import Scorer, validation_rows
from arignote.fit.assemble import Assembly
from arignote.fit.validations.scores import tried_scores
from arignote.fit.validations.validation import ScoreFunction
from arignote.spec.objective import ReportedLoss

__all__ = ["in_order", "reported_losses", "scorer"]


def reported_losses(fit: Assembly) -> dict[str, list[ReportedLoss]]:
    """Return the losses of each subset that is scored; ConfigError if a score cannot be computed for its targets."""
    data, objective = fit.plan.prepared, fit.plan.objective
    chosen = {"valid": ("valid_loss", objective.valid_loss), "test": ("test_loss", objective.test_loss)}
    if fit.settings.validate_on_train:
        chosen["train"] = ("valid_loss", objective.valid_loss)
    # "train_nll" is the mean over the batches of the epoch; that of the same rows in a validation is another column.
    prefix, sizes = {"train": "scored_train"}, data.targets.sizes(data.target_states)
    return {
        subset: tried_scores(
            objective.reported(losses, data.target_states, prefix.get(subset, subset)),
            y=data.subsets[subset][1],
            weights=data.scored_weights.get(subset),
            n_outputs=sizes,
            setting=setting,
        )
        for subset, (setting, losses) in chosen.items()
        if subset in data.subsets
    }


def in_order(
    network: Network,
    rows: Rows,
    y: Any = None,
    *,
    y_from_x: bool = False,
    n_workers: int = 1,
    prefetch: int = 4,
    own: Callable[[int], range] = range,
) -> Generator[tuple[Any, Any], None, None]:
    """Yield features and encoded targets of all rows in their order, read ahead, in batches that suit the network.

    Parameters
    ----------
    network : Network
        Decides the size of the batches.
    rows : Rows
    y : array (rows, ...), optional
        Encoded targets.
    y_from_x : bool, default False
        Whether the targets are the features.
    n_workers, prefetch : int
        Threads that read, and batches that are read ahead.
    own : callable
        Returns which of a number of batches are yielded.
    """
    size = validation_rows(network)
    # The default order is that of the rows, in which no seed is used.
    batches = Batches(rows, y, seed=0, batch_size=size, n_workers=n_workers, prefetch=prefetch, y_from_x=y_from_x)
    chosen = own(batches.n_batches)
    with contextlib.closing(batches.epoch(0, chosen.start, chosen.stop)) as of_epoch:
        for batch in of_epoch:
            yield batch.x, batch.y


def scorer(fit: Assembly, subset: str, losses: Sequence[ReportedLoss], check_stop: Callable[[], None]) -> ScoreFunction:
    """Return a function that scores the network on a subset of the data, and can be stopped in the middle.

    Parameters
    ----------
    fit : Assembly
    subset : "train", "valid" or "test"
    losses : sequence of ReportedLoss
        What is computed, with the names that it has in the history.
    check_stop : callable
        Raises StopRequested where something asks to stop; called after each batch.

    Returns
    -------
    callable
        From the number of validations before to the value of each loss, by name.
    """
    network, data, settings = fit.predicting, fit.plan.prepared, fit.settings
    rows, y = data.subsets[subset]
    processes, weights = fit.plan.request.processes, data.scored_weights.get(subset)
    score, own = Scorer(network, losses, processes), range if processes is None else processes.own
    # The number of the first batch of this process, from which its seeds and its weights follow.
    first = own(-(-len(rows) // validation_rows(network))).start
    # Processes stop after the same batch of training: in a validation some have no batch.
    check_stop = check_stop if processes is None else lambda: None
    in_batches = partial(
        in_order,
        network,
        rows,
        y,
        y_from_x=data.targets.from_input,
        n_workers=settings.n_workers,
        prefetch=settings.prefetch,
        own=own,
    )

    def run(n_validations: int) -> dict[str, float]:
        try:
            with contextlib.closing(in_batches()) as batches:
                position = (subset, n_validations)
                return score(batches, check_stop, fit.state.rng, position=position, weights=weights, first=first)
        finally:
            fit.network.train()

    return run
