"""What is told when a fit is over."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from arignote.checkpoints.reader import RunFiles
from arignote.checkpoints.state import TrainingState
from arignote.data.specs import Source

__all__ = ["ending"]


def ending(
    state: TrainingState, story: str, checkpoint: str | None, train: Source, base: Path, config: str
) -> Iterator[str]:
    """Yield the lines that tell a result: where it stands, the test error, the files, and commands to go on with.

    Parameters
    ----------
    state : TrainingState
        The last one.
    story : str
        What was told of the start.
    checkpoint : str or None
        Stem of the files.
    train : Source
        What it was trained on, for the commands.
    base : Path
        Folder of relative paths of data.
    config : str
        Options of a command that name the config.
    """
    verb, remark = "interrupted" if state.progress.interrupted else "done", state.ended_by
    is_old = story.startswith("finished")
    done = f"{verb}, {state.progress.epoch} of {state.n_epochs} epochs{f': {remark}' if remark else ''}"
    yield story if is_old else done
    if state.best is not None:
        row = state.history.record(state.best.n_rows - 1)
        if "test_error" in row:
            yield f"test error {100 * row['test_error']:.2f} % (best validation, epoch {state.best.epoch})"
    if checkpoint is None:
        return
    files = RunFiles(checkpoint)
    yield "files: " + ", ".join(map(files.folder.where, files.there("last", "best")))
    # As `get_reader` understands them, and as a shell gives them on.
    found = base / os.path.expanduser(os.path.expandvars(train.features))
    features = shlex.quote(os.path.normpath(found))
    color = "" if train.color is None else f" --color {shlex.quote(str(train.color))}"
    yield f"next:  arignote inspect {files.stem}"
    # The scores of rows that it was not trained on, where there are any.
    part = next(part for part in ("test", "valid", "train") if part in state.data or part == "train")
    yield f"       arignote evaluate {files.stem} {config} --part {part}"
    yield f"       arignote predict {files.stem} --features {features} --out preds.csv{color}"
