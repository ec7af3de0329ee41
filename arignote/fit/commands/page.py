"""The page of a run, or of several, as a command writes it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arignote.checkpoints.reader import resolve
from arignote.errors import CheckpointError, ConfigError, DataError, warn
from arignote.replacing import replacing
from arignote.report.page.gather import StoredRun, page_of
from arignote.report.page.html import html_of
from arignote.report.page.overlay import page_of_several
from arignote.spec.config import read_config

if TYPE_CHECKING:
    from arignote.report.page.scored import ScoredRows

__all__ = ["pages", "write_page"]

# Seconds between two looks at a run that trains, and after which its page loads itself again.
_SECONDS = 5
_DEFAULT = Path("report.html")


def write_page(
    runs: Sequence[str],
    *,
    out: Path | None = None,
    config: Path | None = None,
    overrides: list[str] | None = None,
    data_dir: Path | None = None,
    ids: str | None = None,
    trust: Sequence[str] = (),
    reload_after: int | None = None,
) -> tuple[str, bool]:
    """Write the page of a run, or one that compares several.

    Parameters
    ----------
    runs : sequence of str
        Stems, or files of runs.
    out : Path, optional
        File to write; by default that of the run, such as ``runs/digits_report.html``, of several ``report.html``.
    config : Path, optional
        Config of the run, which names its data, for matrices and mistakes.
    overrides, data_dir
        ``key=value`` strings for the config, and the folder of its relative paths of data.
    ids : str, optional
        Source of a name for each row of the data, as of labels.
    trust : sequence of str
        Modules that may be imported because a file names them.
    reload_after : int, optional
        Seconds after which the page of a run that is not finished loads itself again.

    Returns
    -------
    str, bool
        The path, and whether all runs are finished.

    Raises
    ------
    ConfigError, CheckpointError
        If the config is wrong, or a run cannot be read.
    """
    if config is None and (overrides or data_dir is not None or ids is not None):
        raise ConfigError("--set, --data-dir and --ids are for the data of the config: give --config too")
    if len(runs) > 1 and config is not None:
        raise ConfigError("--config is for the page of one run; several are compared by their curves")
    stored_runs = [StoredRun.read(run) for run in runs]
    if len(stored_runs) == 1:
        scored, notes = _scored(stored_runs[0], config, overrides, data_dir, ids, trust)
        if config is not None:
            # The page has them too; who named the data should not have to open it.
            for note in notes:
                warn(note)
        template, page = "run.html", page_of(stored_runs[0], scored, notes, trust)
    else:
        template, page = "runs.html", page_of_several(stored_runs)
    is_finished = all(one.state.finished for one in stored_runs)
    html = html_of(template, page, reload_after=None if is_finished else reload_after)
    return _written(html, runs, out), is_finished


def _written(html: str, runs: Sequence[str], out: Path | None) -> str:
    """Write a page, and return its path."""
    if out is None and len(runs) == 1:
        files, _ = resolve(runs[0])
        files.folder.write(files.report, [html.encode()])
        return files.folder.path_of(files.report)
    path = out or _DEFAULT
    try:
        with replacing(path) as file:
            file.write(html)
    except OSError as error:
        raise ConfigError(f"--out {path}: {error.strerror or error}") from None
    return str(path)


def pages(runs: Sequence[str], **options: Any) -> Iterator[str]:
    """Write the page whenever a run has changed, until all are finished, and yield its path each time.

    Parameters
    ----------
    runs, **options
        See `write_page`.
    """
    seen = None
    while True:
        # Before the files are read: what changes meanwhile is seen the next time.
        now = [(name, files.digest(name)) for files, names in map(resolve, runs) for name in names]
        if now != seen:
            path, is_finished = write_page(runs, reload_after=_SECONDS, **options)
            seen = now
            yield path
            if is_finished:
                return
        time.sleep(_SECONDS)


def _scored(
    stored: StoredRun,
    config: Path | None,
    overrides: list[str] | None,
    data_dir: Path | None,
    ids: str | None,
    trust: Sequence[str],
) -> tuple[list[ScoredRows], list[str]]:
    """Return the subsets of a run, scored, and what is left out."""
    if config is None:
        return [], ["matrices and mistakes need the data of the run: arignote report RUN --config CONFIG"]
    spec = read_config(config, overrides, needs_data=True, data_dir=data_dir)
    # After the config, which may be wrong: importing the engine takes a second.
    from arignote.data.readers.config_sources import open_labels
    from arignote.engine.session import session
    from arignote.fit.config_data import open_config, with_layers
    from arignote.fit.review.page_subsets import subsets_of_run
    from arignote.fit.stored.load import restore
    from arignote.spec.objective import objective_of
    from arignote.spec.settings import checked_settings

    names = None if ids is None else open_labels(ids).read(slice(None)).tolist()
    try:
        state, network, kept = restore(stored.run, trust=trust)
        settings, layers = checked_settings(kept), network.architecture.layers
        _, data, _ = open_config(spec)
        data = with_layers(data, layers, settings, network.architecture.n_in)
    except (CheckpointError, DataError) as error:
        return [], [f"matrices and mistakes are left out: {error}"]
    with session(network.setup):
        return subsets_of_run(state, network, objective_of(layers, settings), data, names)
