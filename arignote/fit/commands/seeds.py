"""Runs of a config with several seeds: each has files of its own, so that it is resumed on its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import PurePath
from statistics import mean, stdev
from typing import Any

from arignote.checkpoints.progress import is_loss
from arignote.checkpoints.state import TrainingState
from arignote.registry import PathForm
from arignote.report.score_text import score_text
from arignote.report.tables import table_lines
from arignote.spec.locations import At
from arignote.spec.named_files import with_paths
from arignote.spec.run_spec import RunSpec

__all__ = ["result_of", "seed_lines", "specs_of_seeds"]


def specs_of_seeds(spec: RunSpec, n_seeds: int) -> Iterator[RunSpec]:
    """Yield a config for each seed, the first one its own, or 0; the names of the files that it writes have the seed.

    Parameters
    ----------
    spec : RunSpec
    n_seeds : int >= 1
    """
    first = spec.rng or 0
    for seed in range(first, first + n_seeds):
        fit = with_paths({"fit": spec.fit}, partial(_of_seed, seed))["fit"]
        yield spec.model_copy(update={"rng": seed, "fit": fit})


def _of_seed(seed: int, path: str, form: PathForm, at: At) -> str:
    """Return the path of a file, a folder or a stem of one seed; in a folder of checkpoints each fit has its own."""
    is_checkpoint = at[-1] == "checkpoint"
    # A notice of preemption is a file of the machine, the same for all seeds.
    if form is PathForm.NOTICE or (is_checkpoint and path.endswith("/")):
        return path
    path = path.rstrip("/")
    # A stem has no suffix: in "runs/digits.v2" the dot is a part of the name.
    suffix = "" if is_checkpoint else PurePath(path).suffix
    return f"{path.removesuffix(suffix)}_seed{seed}{suffix}"


def seed_lines(results: Mapping[int, Mapping[str, Any]]) -> list[str]:
    """Return a table of the results of runs by seed, with mean and standard deviation (divisor n - 1).

    Parameters
    ----------
    results : mapping of int to mapping
        Of each seed what `result_of` returned.
    """
    rows = [*results.values()]
    # A seed that was stopped before its first validation has none.
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not names:
        return ["no seed was validated"]
    body = [
        [str(seed), *(_cell(name, row[name]) if name in row else "-" for name in names)]
        for seed, row in results.items()
    ]
    columns = {name: [row[name] for row in rows if name in row] for name in names}
    body.append(["mean", *(_cell(name, mean(values)) for name, values in columns.items())])
    spread = [_cell(name, stdev(values)) if len(values) > 1 else "-" for name, values in columns.items()]
    return table_lines(["seed", *names], [*body, ["std", *spread]])


def result_of(state: TrainingState) -> dict[str, Any]:
    """Return the epoch and the losses of the best validation, or of the last row if none is best."""
    row = state.best_record or state.history.record(len(state.history) - 1)
    return {name: value for name, value in row.items() if name == "epoch" or is_loss(name)}


def _cell(name: str, value: Any) -> str:
    return f"{value:g}" if name == "epoch" else score_text(name, value)
