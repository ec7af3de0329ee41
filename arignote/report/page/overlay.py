"""What a page that compares runs shows, as plain data: their curves on common axes, and what differs in them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from arignote.report.page.curves import charts_of
from arignote.report.page.gather import StoredRun, facts_of, settings_of

__all__ = ["page_of_several"]


def page_of_several(runs: Sequence[StoredRun]) -> dict[str, Any]:
    """Return what the page of several runs shows.

    Returns
    -------
    dict
        "names" and "facts" of each run; "curves" as of `charts_of`, with a chart for each column and a series for each
        run; "settings": name and the value of each run, of settings that are not the same in all; "notes".
    """
    stems = [run.run for run in runs]
    short = [Path(stem).name for stem in stems]
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
    return {
        "names": names,
        "facts": [facts_of(run) for run in runs],
        "curves": curves,
        "settings": _differing([dict(chain(*settings_of(run.state))) for run in runs]),
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


def _differing(settings: Sequence[dict[str, str]]) -> list[tuple[str, list[str]]]:
    """Return the settings that are not the same in all runs, with the value of each."""
    found = [(name, [one.get(name, "") for one in settings]) for name in settings[0]]
    return [(name, values) for name, values in found if len(set(values)) > 1]
