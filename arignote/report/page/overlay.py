"""What a page that compares runs shows, as plain data: their curves on common axes, and what differs in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arignote.report.comparison import differing
from arignote.report.page.curves import charts_of
from arignote.report.page.gather import StoredRun, facts_of, setting_text

__all__ = ["page_of_several"]


def page_of_several(runs: Sequence[StoredRun]) -> dict[str, Any]:
    """Return what the page of several runs shows.

    Returns
    -------
    dict
        "names" and "facts" of each run; "curves" as of `charts_of`, with a chart for each column and a series for each
        run; "settings": name and the value of each run, as text, of what `differing` returns; "notes".
    """
    stems = [run.run for run in runs]
    short = [Path(stem).name for stem in stems]
    # In several folders, runs may have the same name.
    names = short if len(set(short)) == len(short) else stems
    # Each series has a place for every validation of every run.
    of_each = [charts_of(run.state, share=len(runs) ** 2) for run in runs]
    x = sorted({value for curves in of_each for value in curves["x"]})
    place = {value: at for at, value in enumerate(x)}
    columns = dict.fromkeys(
        (chart["kind"], series["name"])
        for curves in of_each
        for chart in curves["charts"]
        if chart["kind"] != "monitor"
        for series in chart["series"]
    )
    charts = [_chart(kind, column, names, of_each, place) for kind, column in columns]
    n_validations, n_drawn = (sum(curves[key] for curves in of_each) for key in ("n_validations", "n_drawn"))
    curves = {"x": x, "best": None, "charts": charts, "n_validations": n_validations, "n_drawn": n_drawn}
    curves |= {"marks": [], "first_mark": 1}
    differ = differing([run.state.spec | {"rng": run.state.rng} for run in runs])
    return {
        "names": names,
        "facts": [facts_of(run) for run in runs],
        "curves": curves,
        "settings": [(name, list(map(_text, values))) for name, values in differ.items()],
        "notes": [note for run in runs for note in run.notes],
        "data": {"is_one": False, "curves": curves, "cells": []},
    }


def _chart(
    kind: str, column: str, names: Sequence[str], of_each: Sequence[dict[str, Any]], place: dict[float, int]
) -> dict[str, Any]:
    """Return the chart of a column, with a series for each run that has it."""
    series = []
    for role, (name, curves) in enumerate(zip(names, of_each, strict=True)):
        own = next((one for chart in curves["charts"] for one in chart["series"] if one["name"] == column), None)
        if own is None:
            continue
        values: list[float | None] = [None] * len(place)
        for at, value in zip(curves["x"], own["values"], strict=True):
            values[place[at]] = value
        best = None if curves["best"] is None or own["role"] != "valid" else place[curves["x"][curves["best"]]]
        series.append(
            {"name": name, "role": role, "values": values, "best": best, "summary": f"{name}: {own['summary']}"}
        )
    return {"title": column, "kind": kind, "series": series}


def _text(value: Any) -> str:
    return "-" if value is None else setting_text(value)
