"""The lines that are printed when a fit is over."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from arignote.checkpoints.progress import OBSERVER, subset_of
from arignote.checkpoints.reader import RunFiles
from arignote.checkpoints.state import TrainingState
from arignote.data.specs import Source
from arignote.data.values.fields import ALONE
from arignote.report.score_text import score_text

__all__ = ["config_options", "ending"]


def config_options(config: Path, data_dir: Path | None, overrides: Sequence[str]) -> str:
    """Return the options with which ``arignote evaluate`` finds the data of a fit again, quoted for a shell.

    Parameters
    ----------
    config : Path
        A YAML or JSON file.
    data_dir : Path, optional
        See `read_config`.
    overrides : sequence of str
        ``key=value`` strings; only those of data matter.
    """
    words = ["--config", str(config), *([] if data_dir is None else ["--data-dir", str(data_dir)])]
    # `evaluate` reads nothing but the data of the config.
    words += [word for one in overrides if one.startswith("data.") for word in ("--set", one)]
    return shlex.join(words)


def ending(state: TrainingState, status: str, checkpoint: str | None, train: Source, options: str) -> Iterator[str]:
    """Yield the lines of a result: its position, the test error, the files, and commands to continue with.

    Parameters
    ----------
    state : TrainingState
        The last one.
    status : str
        How the fit started.
    checkpoint : str or None
        Stem of the files.
    train : Source
        The training data, for the commands.
    options : str
        As `config_options` returns them.
    """
    stopped = "stopped by an observer" if state.progress.stopped_by == OBSERVER else "interrupted"
    verb, remark = stopped if state.progress.interrupted else "done", state.ended_by
    position = f"{verb}, {state.progress.epoch} of {state.n_epochs} epochs{f': {remark}' if remark else ''}"
    # A run that had finished was not trained.
    yield status if status.startswith("finished") else position
    if state.ends_with_last:
        yield f"result: the last network, trained on all rows after epoch {state.progress.final_since}"
    if state.best is not None:
        row = state.best_record
        tested = next((name for name in row if subset_of(name) == "test"), None)
        if tested is not None:
            value = score_text(tested, row[tested])
            yield f"test {tested.removeprefix('test_')} {value} (best validation, epoch {state.best.epoch})"
    if checkpoint is None:
        return
    files = RunFiles(checkpoint)
    # A page that could not be written was reported by a warning.
    page = [files.report] if state.spec["fit"].get("report") and files.report in files.folder.names() else []
    yield "files: " + ", ".join(map(files.folder.path_of, [*files.existing("last", "best"), *page]))
    named = [
        "--features " + shlex.quote(f"{channel}={source}" if channel != ALONE else source)
        for channel, source in train.channels.items()
    ]
    color = "" if train.color is None else f" --color {shlex.quote(str(train.color))}"
    yield f"next:  arignote inspect {files.stem}"
    # Scores of rows that the run was not trained on, if there are any.
    subset = next(one for one in ("test", "valid", "train") if one in state.data or one == "train")
    # After final epochs only the best network was not trained on them.
    which = " --which best" if state.ends_with_last else ""
    yield f"       arignote evaluate {files.stem} {options} --part {subset}{which}"
    yield f"       arignote predict {files.stem} {' '.join(named)} --out preds.csv{color}"
