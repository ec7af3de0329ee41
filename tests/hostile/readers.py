"""Every reader of foreign bytes, called on one file and used as a caller would use it.

Imported by `driver.py` and `fuzz.py` in processes of their own. Only the readers of `WITH_TORCH` need torch.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

WITH_TORCH = ("load", "fit", "tensors")


def used(value: Any, depth: int = 0) -> None:
    """Touch what a reader returned: an array that holds invalid pointers crashes here, not in a later test."""
    if isinstance(value, np.ndarray):
        repr(value.reshape(-1)[:100].tolist())
        repr(value)
    elif isinstance(value, list | tuple | dict) and depth < 20:
        items = [*value.keys(), *value.values()] if isinstance(value, dict) else value
        for item in items[:50]:
            used(item, depth + 1)
    else:
        repr(value)


def read_pickle(path: Path) -> None:
    from arignote.data.readers.pickles import read_pickle

    used(read_pickle(path))


def read_tables(path: Path) -> None:
    from arignote.data.readers.hdf5 import HDFReader, tables_in
    from arignote.errors import ArignoteError

    errors: list[ArignoteError] = []
    for name in tables_in(path):
        try:
            with HDFReader(path, name) as reader:
                used(reader.read(slice(0, len(reader))))
                used(reader.read(np.arange(min(len(reader), 3), dtype=np.int64)))
        except ArignoteError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def read_source(path: Path) -> None:
    from arignote.data.readers.sources import read_source

    used(read_source(path))
    used(read_source(path, labels=True))


def read_table(path: Path) -> None:
    """Read the table /x of an HDF5 file, named by the caller."""
    from arignote.data.readers.sources import read_source

    used(read_source(f"{path}:/x"))


def read_arrays(path: Path) -> None:
    """Read each array of a .npz by its key."""
    from arignote.data.readers.sources import read_source
    from arignote.errors import ArignoteError

    errors: list[ArignoteError] = []
    for key in ("x", "label"):
        try:
            used(read_source(f"{path}:{key}"))
        except ArignoteError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def read_checkpoint(path: Path) -> None:
    from arignote.checkpoints.reader import RunFiles

    state, _ = RunFiles(str(path).removesuffix("_last.ckpt")).read(path.name)
    repr([[memory["target"] for memory in state.targets.values()], state.n_outputs])
    repr(state.history.records()[-1:])


def read_tensors(path: Path) -> None:
    """Read each tensor of a safetensors file, as of another library."""
    from arignote.errors import CheckpointError
    from arignote.fit.stored.transfer import StoredNetwork

    stored = StoredNetwork(str(path))
    errors: list[CheckpointError] = []
    for name in stored.tensors.shapes:
        try:
            used(stored.read(name))
        except CheckpointError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def read_2015(path: Path) -> None:
    from arignote.legacy import read_2015

    state = read_2015(path)
    repr(state.history.records()[-1:])
    used(state.network)


def read_config(path: Path) -> None:
    from arignote.spec.config import read_config

    read_config(path)


def load(path: Path) -> None:
    """Load a run, and predict with it."""
    from arignote import NNClassifier

    loaded = NNClassifier.load(str(path))
    loaded.predict(np.zeros((2, *loaded.network_.architecture.n_in), np.float32))


def fit(path: Path) -> None:
    """Load a run from a file and train it, as `load(run).fit(X, y)`."""
    import warnings

    from arignote import NNClassifier

    warnings.simplefilter("ignore")
    loaded = NNClassifier.load(str(path).removesuffix("_last.ckpt"))
    n_in = loaded.network_.architecture.n_in
    x = np.random.default_rng(0).normal(size=(40, *n_in)).astype(np.float32)
    loaded.fit(x, x[:, 0] > 0, n_epochs=3, batch_size=8, valid=0.2, resume="force")


READERS: dict[str, Callable[[Path], None]] = {
    "pickle": read_pickle,
    "hdf5": read_tables,
    "source": read_source,
    "table": read_table,
    "npz": read_arrays,
    "idx": read_pickle,
    "checkpoint": read_checkpoint,
    "2015": read_2015,
    "tensors": read_tensors,
    "yaml": read_config,
    "load": load,
    "fit": fit,
}
