"""The table of a profile: operations with their time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from arignote.engine.profile import OperationTime, Profile
from arignote.errors import Complaint, ConfigError, warn
from arignote.replacing import replacing
from arignote.report.tables import table_lines

__all__ = ["check_profile_file", "profile_lines", "show_profile"]

_MOST_ROWS = 25


def profile_lines(profile: Profile) -> list[str]:
    """Return the table of the operations that take the longest, on the GPU if there is one."""
    if not profile.n_steps:
        return [f"no step was profiled: {profile.n_warm} steps, all of which warm up. Train for more"]
    on_gpu = any(one.gpu_seconds for one in profile.operations)
    ordered = sorted(profile.operations, key=lambda one: one.gpu_seconds if on_gpu else one.cpu_seconds, reverse=True)
    rows, others = ordered[:_MOST_ROWS], ordered[_MOST_ROWS:]
    body = [(one.name, *_cells([one], ordered, on_gpu)) for one in rows]
    if others:
        body.append((f"{len(others)} others", *_cells(others, ordered, on_gpu)))
    head = ("operation", "calls a step", "ms a step", *(["ms on the gpu"] if on_gpu else []), "share")
    totals = ("total", *_cells(ordered, ordered, on_gpu))
    return [
        *table_lines(head, body, totals, n_left=1),
        f"time of each operation without those that it calls: mean of {profile.n_steps} steps after {profile.n_warm}; "
        f"a step took {1000 * profile.step_seconds:.3g} ms while it was measured",
    ]


def _cells(operations: Sequence[OperationTime], every: Sequence[OperationTime], on_gpu: bool) -> tuple[str, ...]:
    """Return the sums of operations, and their share of all, as cells."""

    def total(of: Sequence[OperationTime], name: str) -> float:
        return float(sum(getattr(one, name) for one in of))

    decisive = "gpu_seconds" if on_gpu else "cpu_seconds"
    # Each operation counts without those that it calls, so that shares add up to 100 %.
    share = total(operations, decisive) / (total(every, decisive) or 1)
    times = [total(operations, name) for name in ("cpu_seconds", *(["gpu_seconds"] if on_gpu else []))]
    calls = total(operations, "n_calls")
    return f"{calls:.4g}", *(f"{1000 * seconds:.3f}" for seconds in times), f"{100 * share:.1f} %"


def check_profile_file(path: bool | str) -> None:
    """Raise ConfigError if a profile cannot be written to a path, before anything is trained."""
    if isinstance(path, bool):
        return
    if not Path(path).parent.is_dir() or Path(path).is_dir():
        message = f"profile must be a bool, or a file in a folder that exists; got {path!r}"
        raise ConfigError(Complaint(("fit", "profile"), message))


def show_profile(profile: Profile | None, where: bool | str) -> None:
    """Print a profile, or write it to a file; a file that cannot be written is a warning, as the run is complete.

    Parameters
    ----------
    profile : Profile or None
        None if nothing was left to train.
    where : True or str
        True, or the path of a file.
    """
    lines = ["nothing was profiled, as nothing was left to train"] if profile is None else profile_lines(profile)
    text = "\n".join(lines) + "\n"
    if isinstance(where, str):
        try:
            with replacing(Path(where)) as file:
                file.write(text)
            return
        except OSError as error:
            warn(f"{where}: the profile cannot be written: {error.strerror}")
    print(text, end="", flush=True)
