"""Report the end of a fit to its caller: by a warning, or by Interrupted."""

from __future__ import annotations

from arignote.checkpoints.progress import OBSERVER
from arignote.errors import Interrupted, warn
from arignote.fit.start import FitResult

__all__ = ["report_ending"]


def report_ending(result: FitResult, is_warm_start: bool) -> None:
    """Warn if a fit did nothing, or was stopped; raise Interrupted if a signal or a notice stopped it."""
    position = result.state.position
    if is_warm_start and result.status.startswith("finished"):
        warn(
            f"warm_start: there is nothing left to train, {position}. Raise n_epochs, which counts "
            'all epochs, or start over with resume="fresh"'
        )
    try:
        result.raise_if_stopped()
    except Interrupted as interrupted:
        # An uncaught SystemExit ends the process without a message.
        if interrupted.lost:
            warn(str(interrupted))
        raise
    progress = result.state.progress
    if progress.interrupted and progress.stopped_by != OBSERVER:
        warn(
            f"Ctrl-C: fit returns with interrupted_ set, {position}; fitting again resumes the run. "
            "The script continues: a loop over fits must check interrupted_"
        )
