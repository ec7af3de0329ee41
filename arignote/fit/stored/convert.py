"""A checkpoint of 2015, written as a run of today."""

from __future__ import annotations

from pathlib import Path

from arignote.checkpoints.state import TrainingState
from arignote.checkpoints.writer import RunWriter
from arignote.errors import CheckpointError
from arignote.legacy import read_2015

__all__ = ["convert_2015"]


def convert_2015(old: Path, stem: str) -> tuple[TrainingState, RunWriter]:
    """Write a checkpoint of 2015 as one of today; nothing that the old file names is run.

    Parameters
    ----------
    old : Path
        A .pkl or .pkl.gz.
    stem : str
        Stem of the new files; there must be none yet.

    Returns
    -------
    TrainingState, RunWriter
        The state, and the files that were written.

    Raises
    ------
    CheckpointError
        If files of the stem exist, or if the old file cannot be read.
    """
    files = RunWriter(stem)
    if files.existing():
        raise CheckpointError(f"{files.path('last')}: exists; give another stem")
    # Before the lock is taken: a file that is refused leaves nothing beside the stem.
    state = read_2015(old)
    files.acquire(lambda: None)
    try:
        files.prepare()
        files.save(state)
    finally:
        files.release()
    return state, files
