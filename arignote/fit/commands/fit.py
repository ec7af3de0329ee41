"""A fit as a command: what it prints, and the exit code that it ends with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arignote.checkpoints.progress import OBSERVER
from arignote.errors import Interrupted
from arignote.launch import is_alone, is_first_process
from arignote.spec.config import read_config
from arignote.spec.run_spec import RunSpec

if TYPE_CHECKING:
    from arignote.fit.start import FitResult

__all__ = ["fit_command"]


def fit_command(
    config: Path,
    overrides: list[str] | None = None,
    *,
    data_dir: Path | None = None,
    resume: str | None = None,
    quiet: bool = False,
    profile: bool = False,
    log: Path | None = None,
    n_seeds: int | None = None,
) -> int:
    """Train a config, print the result, and return 0, or 128 + the signal that stopped the fit.

    Parameters
    ----------
    config : Path
        A YAML or JSON file.
    overrides : list of str, optional
        ``key=value`` strings.
    data_dir : Path, optional
        See `read_config`.
    resume : "fresh" or "force", optional
        In place of that of the config.
    quiet : bool
        Whether nothing is printed but errors, whatever the config says.
    profile : bool
        Whether operations are profiled, unless the config has a profile already.
    log : Path, optional
        In place of that of the config.
    n_seeds : int >= 1, optional
        Number of runs, each with a seed and files of its own; by default one run with those of the config.
    """
    quiet = quiet or not is_first_process()
    spec = _spec(config, overrides, data_dir)
    # After the config, which may be wrong: importing the engine takes a second.
    from arignote.report.ending import config_options, ending

    given = _settings(spec, resume, quiet, profile, log)
    if n_seeds is not None:
        return _fit_seeds(spec.model_copy(update={"fit": spec.fit | given}), n_seeds, quiet)
    result, code = _fit(spec, given, quiet)
    if result is not None and not quiet:
        assert spec.data is not None
        options = config_options(config, data_dir, overrides or [])
        for line in ending(result.state, result.status, result.checkpoint, spec.data.train, options):
            print(line)
    return code


def _spec(config: Path, overrides: list[str] | None, data_dir: Path | None) -> RunSpec:
    """Return a config that is read; of several processes the first one reports what is wrong in any."""
    if is_alone():
        return read_config(config, overrides, needs_data=True, data_dir=data_dir)
    from arignote.engine.connection import connected
    from arignote.fit.processes import together

    with connected() as processes, together(processes):
        return read_config(config, overrides, needs_data=True, data_dir=data_dir)


def _fit_seeds(spec: RunSpec, n_seeds: int, quiet: bool) -> int:
    """Train a config with several seeds, print the results, and return 0 or the exit code of the one that stopped."""
    from arignote.fit.commands.seeds import result_of, seed_lines, specs_of_seeds

    results = {}
    for one in specs_of_seeds(spec, n_seeds):
        if not quiet:
            print(f"seed {one.rng}")
        result, code = _fit(one, {}, quiet)
        if result is None or code:
            return code
        # The state itself holds the network.
        results[result.state.rng] = result_of(result.state)
        if not quiet:
            print(result.status if result.status.startswith("finished") else f"done, {result.state.position}")
    if not quiet:
        print("", *seed_lines(results), sep="\n")
    return 0


def _fit(spec: RunSpec, given: dict[str, Any], quiet: bool) -> tuple[FitResult | None, int]:
    """Train a config; return the result, None if a signal stopped it, and the exit code."""
    from arignote.fit.start import fit_config

    try:
        result = fit_config(spec, **given)
        result.raise_if_stopped()
    except Interrupted as interrupted:
        if interrupted.lost:
            print(f"{interrupted}: give fit.checkpoint a path", file=sys.stderr)
        elif not quiet:
            is_fresh = (spec.fit | given).get("resume") == "fresh"
            again = "the same command without --fresh" if is_fresh else "the same command"
            print(f"{interrupted}; {again} resumes from there")
        return None, interrupted.code
    if not result.state.progress.interrupted or result.state.progress.stopped_by == OBSERVER:
        return result, 0
    if result.checkpoint is None:
        # 130 is 128 + SIGINT, as a shell reports it.
        lost = Interrupted("Ctrl-C", 130, result.state.position)
        print(f"{lost}: give fit.checkpoint a path", file=sys.stderr)
    return result, 130


def _settings(spec: RunSpec, resume: str | None, quiet: bool, profile: bool, log: Path | None) -> dict[str, Any]:
    """Return what takes precedence over the settings of a config."""
    profile = spec.fit.get("profile") or profile
    settings = {
        "verbose": not quiet and spec.fit.get("verbose", True),
        # A profile that is written to a file prints nothing.
        "profile": False if quiet and profile is True else profile,
    }
    given = {"resume": resume, "log": log and str(log)}
    return settings | {name: value for name, value in given.items() if value is not None}
