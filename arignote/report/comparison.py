"""Several runs beside each other: how far they are, how good, and which settings differ."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from arignote.checkpoints.progress import is_loss
from arignote.checkpoints.storage import NotThereError
from arignote.errors import CheckpointError, ConfigError, did_you_mean, warn
from arignote.registry import only_trusting
from arignote.report.inspection import best_record, inspection
from arignote.report.score_text import score_text
from arignote.report.tables import table_lines
from arignote.spec.settings import FitSettings, completed_settings, is_of_the_machine

__all__ = ["comparison", "comparison_csv", "comparison_lines", "differing"]

Row = dict[str, Any]

# More settings that differ, such as those of other layers, make a table that is wider than any terminal.
_MOST_COLUMNS_OF_SETTINGS = 6


def comparison(runs: Sequence[str], sort: str | None = None) -> list[Row]:
    """Return a row for each run: its status, its losses at the best epoch, its size, its time, settings that differ.

    Parameters
    ----------
    runs : sequence of str
        Stems, or files of runs.
    sort : str, optional
        A column; "valid" is the loss that decides which is best. Runs without a value come last.

    Raises
    ------
    CheckpointError
        If there is no such run, or if none can be read.
    ConfigError
        If there is no such column.

    Warns
    -----
    ArignoteWarning
        If a run is damaged: the status in its row, which has no other values.
    """
    readable = _readable(runs)
    contents = list(readable.values())
    differ = differing([content["spec"] | {"rng": content["rng"]} for content in contents])
    rows = {number: _row(runs[number], content) for number, content in readable.items()}
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    settings = {number: {name: of[at] for name, of in differ.items()} for at, number in enumerate(rows)}
    compared = [
        {name: rows.get(number, {"run": run, "status": "damaged"}).get(name) for name in columns}
        | settings.get(number, dict.fromkeys(differ))
        for number, run in enumerate(runs)
    ]
    return compared if sort is None else _sorted(compared, contents, sort)


def _readable(runs: Sequence[str]) -> dict[int, dict[str, Any]]:
    """Return the content of each run that is not damaged, by its position; CheckpointError if there is none."""
    contents: dict[int, dict[str, Any]] = {}
    errors: list[CheckpointError] = []
    for number, run in enumerate(runs):
        try:
            contents[number] = inspection(run)
        # A stem that does not exist is a mistake in the call; damage is listed.
        except NotThereError:
            raise
        except CheckpointError as error:
            errors.append(error)
    if not contents:
        raise errors[0]
    for damage in errors:
        warn(f"{damage}. Its run is listed as damaged")
    return contents


def differing(specs: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return the settings, and parameters of layers, that are not the same in all runs, with the value of each run.

    Parameters
    ----------
    specs : sequence of dict
        That of each run, with its "rng".
    """
    flat = [_flat(spec) for spec in specs]
    values = {name: [one.get(name) for one in flat] for name in dict.fromkeys(name for one in flat for name in one)}
    return {name: of_runs for name, of_runs in values.items() if any(value != of_runs[0] for value in of_runs)}


def _row(run: str, content: dict[str, Any]) -> Row:
    history, best = content["history"], content["best"]
    at_best = best_record(content) or (history[-1] if history else {})
    losses = {name: value for name, value in at_best.items() if is_loss(name)}
    return {
        "run": run,
        "status": "finished" if content["finished"] else content["stopped_by"] or "unfinished",
        "epochs": content["epoch"],
        "best_epoch": None if best is None else best["epoch"],
        **losses,
        "n_params": content["n_params"],
        "seconds": sum(row.get("seconds") or 0.0 for row in history),
    }


def _flat(spec: dict[str, Any]) -> Row:
    """Return the settings of a run and the parameters of its layers by their paths, as ``--set`` names them."""
    flat: Row = {}
    # Settings of a later version, which `completed_settings` leaves out, are compared as they are.
    for name, value in (spec["fit"] | completed_settings(spec["fit"])).items():
        if name not in FitSettings.model_fields or not is_of_the_machine(name):
            flat |= _by_path(f"fit.{name}", value)
    for position, layer in enumerate(spec["layers"]):
        flat |= _by_path(f"layers.{layer[1].get('name') or position}", layer)
    return flat | {name: spec[name] for name in ("rng", "n_in")}


def _by_path(path: str, value: Any) -> Row:
    """Return a value by its path; of a part its name and, by paths of their own, its parameters."""
    if _is_part(value):
        kind, params = value
        return {path: kind} | _by_path(path, params)
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list) and all(map(_is_part, value)):
        items = list(enumerate(value))
    else:
        return {path: value}
    return {within: one for key, item in items for within, one in _by_path(f"{path}.{key}", item).items()}


def _is_part(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict)


def _sorted(rows: list[Row], contents: list[dict[str, Any]], sort: str) -> list[Row]:
    names = [name for name in rows[0] if not _is_setting(name)]
    name = next((name for name in names if name.startswith("valid_")), "") if sort == "valid" else sort
    if name not in rows[0]:
        raise ConfigError(f"--sort {sort}: there is no such column. {did_you_mean(sort, ['valid', *rows[0]], names)}")
    there = [row for row in rows if row[name] is not None]
    # Settings may be of several types.
    there.sort(key=lambda row: (0, row[name]) if isinstance(row[name], int | float) else (1, str(row[name])))
    if sort == "valid" and _greater_is_better(contents[0]):
        there.reverse()
    # Last in either order, without a value to compare.
    return [*there, *(row for row in rows if row[name] is None)]


def _greater_is_better(content: dict[str, Any]) -> bool:
    """Return whether the best validation of a run is the one with the largest value, such as r2."""
    from arignote.layers.layer_list import parse
    from arignote.spec.objective import objective_of
    from arignote.spec.settings import checked_settings

    with only_trusting(content["file"], ()):
        losses = ("train_loss", "valid_loss", "test_loss")
        # Only these: others may need what this machine lacks.
        settings = checked_settings({name: content["spec"]["fit"][name] for name in losses})
        objective = objective_of(parse(content["spec"]["layers"]), settings)
    return objective.valid_loss[objective.main][0].greater_is_better


def comparison_lines(rows: Sequence[Row]) -> list[str]:
    """Return the rows of `comparison` as a table; of many settings that differ as two, with a line for each of them."""
    columns, settings = list(rows[0]), [name for name in rows[0] if _is_setting(name)]
    if len(settings) <= _MOST_COLUMNS_OF_SETTINGS:
        settings = []
    columns = [name for name in columns if name not in settings]
    lines = table_lines(columns, [[_cell(name, row[name]) for name in columns] for row in rows], n_left=2)
    if settings:
        body = [[name, *(_cell(name, row[name]) for row in rows)] for name in settings]
        lines += ["", *table_lines(["setting", *(row["run"] for row in rows)], body, n_left=len(rows) + 1)]
    return lines


def _is_setting(column: str) -> bool:
    return column.startswith(("fit.", "layers.")) or column in ("rng", "n_in")


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if is_loss(name):
        return score_text(name, value)
    if name == "seconds":
        return f"{value:.1f}"
    return f"{value:,}" if name == "n_params" else str(value)


def comparison_csv(rows: Sequence[Row]) -> str:
    """Return the rows of `comparison` as comma-separated values, with all digits; what is missing is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
