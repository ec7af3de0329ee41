"""The page of a run at the end of its fit, when its data is at hand."""

from __future__ import annotations

from arignote.checkpoints.reader import RunFiles
from arignote.checkpoints.state import TrainingState
from arignote.engine.network import Network
from arignote.errors import ConfigError, warn
from arignote.fit.assemble import Assembly
from arignote.fit.review.page_subsets import scored_rows
from arignote.preemption.signals import StopRequest, StopRequested
from arignote.report.page.gather import StoredRun, page_of
from arignote.report.page.html import html_of
from arignote.spec.settings import FitSettings

__all__ = ["check_report", "report_fit"]


def check_report(settings: FitSettings) -> None:
    """Raise ConfigError if a report is asked for that has no place."""
    if settings.report and settings.checkpoint is None:
        raise ConfigError(
            "fit.report: is written beside the files of the run: set checkpoint to a path too, such as runs/digits"
        )


def report_fit(fit: Assembly, state: TrainingState, network: Network, files: RunFiles, stop: StopRequest) -> None:
    """Write the page of a run beside its files; a run that was trained does not fail because its page cannot be.

    Parameters
    ----------
    fit : Assembly
    state : TrainingState
        The last one, as arrays.
    network : Network
        The one that predicts.
    files : RunFiles
        Of the run.
    stop : StopRequest
        Ends the work after a batch; then there is no page.

    Warns
    -----
    ArignoteWarning
        If the page, or a part of it, cannot be made.
    """
    scored, notes = [], []
    for subset, (rows, y) in fit.plan.prepared.subsets.items():
        try:
            scored.append(scored_rows(subset, rows, y, state, network, fit.plan.objective, None, stop.check))
        # Whoever stops the process waits for it: no page is written.
        except StopRequested:
            return
        except Exception as error:
            notes.append(f"the {subset} rows are left out: {type(error).__name__}: {error}")
    try:
        page = page_of(StoredRun.read(files.stem), scored, notes, architecture=network.architecture)
        files.folder.write(files.report, [html_of("run.html", page).encode()])
    except Exception as error:
        notes.append(f"the page of the run is not written: {type(error).__name__}: {error}")
    if notes:
        warn("report: " + "; ".join(notes))
