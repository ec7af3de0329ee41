"""Predictions as a file, written block by block."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from arignote.data.targets import Targets, TargetState
from arignote.errors import ConfigError, DataError
from arignote.replacing import is_stream, replacing, replacing_bytes
from arignote.report.prediction_files import (
    Blocks,
    PredictedOutput,
    write_csv,
    write_hdf5,
    write_npy,
    write_parquet,
)

__all__ = ["check_predictions_file", "write_predictions"]

_WRITERS: dict[str, Callable[[Any, Sequence[PredictedOutput], Blocks, int], None]] = {
    ".csv": write_csv,
    ".parquet": write_parquet,
    ".npy": write_npy,
    ".h5": write_hdf5,
    ".hdf5": write_hdf5,
    ".hdf": write_hdf5,
}


def check_predictions_file(path: Path) -> None:
    """Check that predictions can have the format of a file, before anything is computed.

    Raises
    ------
    ConfigError
        If its ending is unknown.
    DataError
        If a package that the format needs is not installed.
    """
    if _ending(path) == ".parquet":
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError:
            raise DataError(f"{path}: needs pyarrow: pip install 'arignote[tables]'") from None


def write_predictions(
    path: Path,
    blocks: Blocks,
    targets: Targets,
    target_states: Mapping[str, TargetState],
    shown: Sequence[str],
    n_rows: int,
) -> None:
    """Write predictions as the ending of a file says; only one block of rows is in memory at a time.

    =================== ==========================================================================================
    .csv, .parquet      a table: row (from 0), predicted (of several numbers predicted_0 ...), p_CLASS of each class;
                        of values of each step a line for each, with its number in the column step (from 0)
    .h5, .hdf5, .hdf    /predicted (rows,) or (rows, n), /probabilities (rows, n_classes), /classes (n_classes,)
    .npy                probabilities (rows, n_classes), of numbers these (rows,) or (rows, n); of one output only
    =================== ==========================================================================================

    Labels have the type of the labels of the training rows, probabilities are float32, numbers float64 in the units of
    the training rows. If a row has several labels, nothing is predicted but probabilities. Values of each step are
    arrays (rows, steps, ...); steps that do not count are among them. Standard output and other streams are CSV.

    Parameters
    ----------
    path : Path
        The file; an existing one is replaced once all rows are written.
    blocks : iterable of dict of str to array (n, n_outputs)
        Predictions of each output layer: probabilities, or scaled numbers.
    targets : Targets
    target_states : dict of str to dict
        What the targets have learned.
    shown : sequence of str
        The output layers that are written. With several, columns begin with their names, and HDF5 has a group for each.
    n_rows : int
        Number of rows of all blocks.

    Raises
    ------
    ConfigError
        If the ending is unknown, or the format is of one output only.
    DataError
        If it cannot be written; an existing one is kept.
    """
    check_predictions_file(path)
    ending = _ending(path)
    remaining = iter(blocks)
    begin = next(remaining, None)
    outputs = []
    for name in shown:
        target, of_target = targets.by_output[name], target_states[name]
        # The shape and the type of what is predicted, by which files are laid out before any row is written.
        first = np.empty((0, target.size(of_target)), np.float32) if begin is None else begin[name][:1]
        outputs.append(PredictedOutput(name, target, of_target, first))
    _check_outputs(path, ending, outputs)
    blocks = remaining if begin is None else chain([begin], remaining)
    try:
        with replacing(path) if ending == ".csv" else replacing_bytes(path) as file:
            _WRITERS[ending](file, outputs, blocks, n_rows)
    # BrokenPipeError is an OSError, but nothing is wrong with a file: the reader of the pipe has ended.
    except BrokenPipeError:
        raise
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from None


def _check_outputs(path: Path, ending: str, outputs: Sequence[PredictedOutput]) -> None:
    """Raise ConfigError if a format cannot hold the predictions of these outputs."""
    if ending == ".npy" and len(outputs) > 1:
        names = ", ".join(one.name for one in outputs)
        others = _listed([known for known in _WRITERS if known != ".npy"])
        raise ConfigError(f"{path}: .npy holds one array; of several outputs, {names}, write {others}")
    steps = {one.name: one.n_steps for one in outputs}
    if ending in (".csv", ".parquet") and len(set(steps.values())) > 1:
        lines = ", ".join(f"{name} {'one a row' if n is None else f'{n} a row'}" for name, n in steps.items())
        raise ConfigError(f"{path}: a table has the same lines for all outputs; predictions are {lines}: write .h5")


def _ending(path: Path) -> str:
    """Return the ending that says the format of a file; ConfigError if it is unknown."""
    ending = path.suffix.lower()
    if ending in _WRITERS:
        return ending
    if is_stream(path):
        return ".csv"
    got = f"ends in {path.suffix}" if ending else "has no ending"
    raise ConfigError(f"{path}: the ending says how predictions are written: {_listed(list(_WRITERS))}; this {got}")


def _listed(endings: Sequence[str]) -> str:
    return f"{', '.join(endings[:-1])} or {endings[-1]}"
