"""What the page of a run shows, as plain data: numbers, strings, lists and dicts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from arignote.checkpoints.progress import subset_of
from arignote.checkpoints.reader import RunFiles, resolve
from arignote.checkpoints.state import TrainingState
from arignote.checkpoints.tensors import tensors_sha256
from arignote.errors import CheckpointError, ConfigError
from arignote.layers.architecture import Architecture
from arignote.layers.costs import costs_of
from arignote.report.page.curves import batch_size_of, charts_of, marks_of
from arignote.report.page.matrices import matrix_of
from arignote.report.page.pictures import filters_of, png, weights_of_filters
from arignote.report.page.residuals import residuals_of
from arignote.report.page.scored import ScoredRows
from arignote.report.score_text import score_text
from arignote.report.stored_network import architecture_of_run, n_params_of
from arignote.safe.memory import size_text
from arignote.spec.settings import completed_settings

__all__ = ["StoredRun", "facts_of", "page_of", "setting_text"]

# Networks of blocks may have thousands of layers.
_MOST_LAYERS = 200
_MOST_VALIDATIONS = 60
# Passes over new data are processes of their own, and may be thousands.
_MOST_MARKS = 100


@dataclass(frozen=True)
class StoredRun:
    """A run as it was found on disk.

    Attributes
    ----------
    run : str
        Stem or file, as the user named it.
    state : TrainingState
        The newest one that can be read, with its best network.
    files : list of dict
        `name`, `text` (position, or what is wrong) and `digest` of each file that was read.
    notes : list of str
        What is damaged or missing.
    """

    run: str
    state: TrainingState
    files: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, run: str) -> StoredRun:
        """Return the newest state of a run that can be read.

        Raises
        ------
        CheckpointError
            If there is no such run, or no file of it can be read.
        """
        files, names = resolve(run)
        (listed, decoded), notes = _files(files), list[str]()
        if len(names) == 1 and run.endswith(names[0]):
            state, _ = decoded.get(names[0]) or files.read(names[0])
            return cls(run, state, listed, notes)
        # A page shows a run whose best file is damaged as well.
        newest = next(files.states(notes, needs_best=False, decoded=decoded), None)
        if newest is None:
            raise CheckpointError("\n".join(notes) or f"{run}: there is no run of this stem, nor such a file")
        notes += [file["text"] for file in listed if not file["digest"] and file["text"] not in ("", *notes)]
        return cls(run, newest[1], listed, notes)


def _files(files: RunFiles) -> tuple[list[dict[str, str]], dict[str, tuple[TrainingState, str]]]:
    """Return the last and best files of a run with their digests, and what the newest of each contain.

    Those of epochs, which may be many, are listed by name.
    """
    listed, decoded = [], {}
    for name in files.existing("last", "best"):
        try:
            state, digest = files.read(name)
            listed.append({"name": name, "text": state.position, "digest": digest})
            # Of the others the text is enough, so that the page of a large network needs memory for two files.
            if name in (files.name("last"), files.name("best")):
                decoded[name] = state, digest
        except CheckpointError as error:
            listed.append({"name": name, "text": str(error), "digest": ""})
    return listed + [{"name": name, "text": "", "digest": ""} for name in files.existing("epoch")], decoded


def page_of(
    stored: StoredRun,
    scored: Sequence[ScoredRows] = (),
    notes: Iterable[str] = (),
    trust: Sequence[str] = (),
    architecture: Architecture | None = None,
) -> dict[str, Any]:
    """Return what the page of a run shows.

    Parameters
    ----------
    stored : StoredRun
    scored : sequence of ScoredRows
        Rows of subsets that were predicted by the network that is the result.
    notes : iterable of str
        What was left out, and why.
    trust : sequence of str
        Modules that may be imported because the file names them.
    architecture : Architecture, optional
        That of the network; by default it is declared again from the file.
    """
    state, remarks = stored.state, [*stored.notes, *notes]
    if state.ends_with_last and len(scored) > 1:
        remarks.append("the final epochs trained on the rows of validation and test: their scores are not of new data")
    if architecture is None:
        architecture = _architecture_of(stored, trust, remarks)
    changed, defaults = _settings(state)
    subsets, curves = [_subset(one) for one in scored], _curves(state)
    return {
        "facts": facts_of(stored, architecture),
        "notes": remarks,
        "curves": curves,
        "validations": _validations(state),
        "result": "last" if state.ends_with_last or not state.spec["fit"].get("restore_best", True) else "best",
        "subsets": subsets,
        "data": _script_data(curves, subsets),
        "layers": None if architecture is None else _layers(architecture, state),
        "filters": None if architecture is None else _filters(architecture, state),
        "changed": changed,
        "defaults": defaults,
        "environment": [(name, setting_text(value)) for name, value in state.environment.items()],
        "files": stored.files,
        "digests": _digests(state),
    }


def _architecture_of(stored: StoredRun, trust: Sequence[str], remarks: list[str]) -> Architecture | None:
    """Return the architecture of a run; None, with a remark, if it cannot be declared from the file."""
    try:
        return architecture_of_run(stored.state, stored.run, trust)
    except ConfigError as error:
        remarks.append(f"the table of layers is left out: {error}")
        return None


def _curves(state: TrainingState) -> dict[str, Any]:
    """Return the charts of a run with its last interruptions, and the number of the first of these."""
    marks = marks_of(state)
    return charts_of(state) | {"marks": marks[-_MOST_MARKS:], "first_mark": max(len(marks) - _MOST_MARKS, 0) + 1}


def _script_data(curves: dict[str, Any], subsets: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what the script of the page needs."""
    cells = [subset["matrix"] and {key: subset["matrix"][key] for key in ("labels", "cells")} for subset in subsets]
    return {"is_one": True, "curves": curves, "cells": cells}


def _digests(state: TrainingState) -> list[tuple[str, str]]:
    """Return what identifies a run and its result."""
    weights, history = tensors_sha256(state.network), state.history.sha256()
    return [("run", state.run_id), ("weights (SHA-256)", weights), ("history (SHA-256)", history)]


def facts_of(stored: StoredRun, architecture: Architecture | None = None) -> dict[str, Any]:
    """Return what a run is and its position, as text."""
    state = stored.state
    n_params = n_params_of(state, stored.run) if architecture is None else architecture.n_params
    seconds = state.history.arrays().get("seconds")
    return {
        "run": Path(stored.run).name,
        "name": state.spec["name"] or Path(stored.run).name,
        "position": state.position + (", interrupted" if state.progress.interrupted else ""),
        "finished": state.finished,
        "best": _best(state),
        "epochs": f"{state.progress.epoch:,} of {state.n_epochs:,}",
        "examples": f"{state.progress.examples_seen:,}",
        "n_params": f"{n_params:,}",
        "seconds": "" if seconds is None else _duration(float(seconds[np.isfinite(seconds)].sum())),
        "rng": str(state.rng),
    }


def _best(state: TrainingState) -> tuple[str, str] | None:
    """Return the value of the best validation, and which it is."""
    record = state.best_record
    name = next((name for name in record if subset_of(name) == "valid"), None)
    return None if name is None else (score_text(name, record[name]), f"{name} in epoch {record.get('epoch')}")


def _duration(seconds: float) -> str:
    """Return a time as text, such as "2 h 05 min"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _validations(state: TrainingState) -> dict[str, Any]:
    """Return the last validations as a table, which a screen reader can read."""
    first = max(len(state.history) - _MOST_VALIDATIONS, 0)
    records, names = [state.history.record(at) for at in range(first, len(state.history))], state.history.names
    best = state.best_row
    return {
        "names": names,
        "rows": [["" if row[name] != row[name] else f"{row[name]:.6g}" for name in names] for row in records],
        "best": None if best is None else best - first,
        "n": len(state.history),
    }


def _subset(scored: ScoredRows) -> dict[str, Any]:
    """Return losses of a subset, and a matrix or plots of residuals if its target has them."""
    is_of_classes = scored.labels is not None and len(scored.y) > 0
    return {
        "name": scored.name,
        "n_rows": scored.n_rows,
        "losses": [(name, score_text(name, value)) for name, value in scored.losses.items()],
        "matrix": matrix_of(scored) if is_of_classes else None,
        "residuals": residuals_of(scored) if not is_of_classes and scored.y.ndim == 2 else [],
    }


def _layers(architecture: Architecture, state: TrainingState) -> dict[str, Any]:
    """Return the table of layers."""
    n_rows = batch_size_of(state) or 1
    costs = costs_of(architecture)

    def numbers(n_params: int, n_multiply_adds: int, n_bytes: int) -> list[str]:
        return [f"{n_params:,}", f"{n_multiply_adds:,}", size_text(n_rows * n_bytes)]

    return {
        "rows": [
            [one.name, one.type, " x ".join(map(str, one.output_shape)), *numbers(*one[3:])]
            for one in costs[:_MOST_LAYERS]
        ],
        "total": numbers(*(sum(column) for column in zip(*(one[3:] for one in costs), strict=True))),
        "n": len(costs),
        "batch": n_rows,
        "notes": list(architecture.notes),
    }


def _filters(architecture: Architecture, state: TrainingState) -> dict[str, Any] | None:
    """Return the filters of the first convolution of images; None if there is none."""
    best = state.best is not None and not state.ends_with_last and state.best.network
    filters = weights_of_filters(architecture, best or state.predicting)
    if filters is None:
        return None
    name, W = filters
    pictures, n = filters_of(W)
    return {"layer": name, "pictures": [png(one) for one in pictures], "n": n, "shape": " x ".join(map(str, W.shape))}


def _settings(state: TrainingState) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the settings of a run that differ from the defaults, and all others, as text."""
    defaults, own = completed_settings({}), completed_settings(state.spec["fit"])
    both = [(name, setting_text(own[name]), own[name] != default) for name, default in defaults.items() if name in own]
    changed = [(name, text) for name, text, differs in both if differs]
    return changed, [(name, text) for name, text, differs in both if not differs]


def setting_text(value: Any) -> str:
    """Return a setting as it is written in a config."""
    return value if isinstance(value, str) else json.dumps(value, default=repr, ensure_ascii=False)
