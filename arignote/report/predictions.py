"""Predictions as a table, written block by block."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from arignote.data.targets import Memory, Target, Targets
from arignote.errors import DataError
from arignote.replacing import replacing

__all__ = ["write_predictions"]


def write_predictions(
    path: Path,
    blocks: Iterable[Mapping[str, NDArray[Any]]],
    targets: Targets,
    memory: Mapping[str, Memory],
    shown: Sequence[str],
) -> None:
    """Write a CSV file: row, what is predicted, and the probability of each class, if there are classes.

    Parameters
    ----------
    path : Path
        The file; an existing one is replaced once all rows are written.
    blocks : iterable of dict of str to array (n, n_outputs)
        Predictions of each output layer: probabilities, or scaled numbers.
    targets : Targets
    memory : dict of str to dict
        What the targets have learned.
    shown : sequence of str
        The output layers that are written; with several, columns begin with their names.

    Raises
    ------
    DataError
        If it cannot be written; an existing one is kept.
    """
    try:
        with replacing(path) as file:
            writer = csv.writer(file)
            parts = [(name, targets.by_output[name], memory[name]) for name in shown]
            columns = [
                f"{name}_{column}" if len(shown) > 1 else column
                for name, target, of_target in parts
                for column in _columns(target, of_target)
            ]
            writer.writerow(["row", *columns])
            row = 0
            for block in blocks:
                by_output = [_cells(block[name], target, of_target) for name, target, of_target in parts]
                for cells in zip(*by_output, strict=True):
                    writer.writerow([row, *(cell for some in cells for cell in some)])
                    row += 1
    except BrokenPipeError:
        raise
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from None


def _columns(target: Target, memory: Memory) -> list[str]:
    if target.labels_per_row == "none":
        n = target.size(memory)
        return ["predicted"] if n == 1 else [f"predicted_{column}" for column in range(n)]
    probabilities = [f"p_{label}" for label in target.classes(memory)]
    return ["predicted", *probabilities] if target.labels_per_row == "one" else probabilities


def _cells(block: NDArray[Any], target: Target, memory: Memory) -> Iterator[list[Any]]:
    """Yield the cells of each row, numbers with the digits that they have."""
    decoded = target.decode(block, memory)
    if target.labels_per_row == "none":
        for values in decoded.reshape(len(block), -1):
            yield [f"{value:.9g}" for value in values]
        return
    for label, p in zip(decoded, block, strict=True):
        yield [*([label] if target.labels_per_row == "one" else []), *(f"{value:.9g}" for value in p)]
