"""Files that a config names: its relative paths start from its folder, those of the command line from the working one.

A setting names a file if its annotation has a `PathForm`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from arignote.checkpoints.storage import is_url
from arignote.data.readers.tables import split_source
from arignote.registry import PathForm
from arignote.spec.locations import At
from arignote.spec.run_spec import RunSpec
from arignote.spec.settings import FitSettings

__all__ = ["from_folder", "with_paths"]

Change = Callable[[str, PathForm, At], str]


def with_paths(values: Mapping[str, Any], change: Change) -> dict[str, Any]:
    """Return the values of a config with another path in place of each one.

    Parameters
    ----------
    values : mapping
        As of `RunSpec`.
    change : callable
        Takes a path, its form and its place; returns the new path.
    """
    changed = _changed(values, RunSpec, change, ())
    if isinstance(values.get("fit"), Mapping):
        changed["fit"] = _changed(values["fit"], FitSettings, change, ("fit",))
    return changed


def _changed(values: Mapping[str, Any], model: type[BaseModel], change: Change, at: At) -> dict[str, Any]:
    changed = dict(values)
    for name in model.model_fields.keys() & values.keys():
        info, value, place = model.model_fields[name], values[name], (*at, name)
        form = next((one for one in info.metadata if isinstance(one, PathForm)), None)
        if form is not None and isinstance(value, str):
            changed[name] = change(value, form, place)
        elif form is not None and isinstance(value, Mapping):
            # By channel, or by output.
            changed[name] = {key: change(one, form, (*place, key)) for key, one in value.items()}
        elif isinstance(value, Mapping) and (section := _section(info.annotation)):
            changed[name] = _changed(value, section, change, place)
    return changed


def _section(annotation: Any) -> type[BaseModel] | None:
    """Return the model of a field that holds a section, which may be one of several types."""
    found = (one for one in (annotation, *get_args(annotation)) if isinstance(one, type) and issubclass(one, BaseModel))
    return next(found, None)


def from_folder(folder: Path, path: str, form: PathForm) -> str:
    """Return a path that starts from a folder as one that starts from the working directory; a URL as it is.

    Parameters
    ----------
    folder : Path
    path : str
        Of a source, environment variables and ``~`` are filled in.
    form : PathForm
    """
    if form is PathForm.NOTICE:
        kind, sign, name = path.partition(":")
        return f"{kind}:{_joined(folder, name)}" if sign else path
    if form is PathForm.SOURCE:
        name, key = split_source(os.path.expanduser(os.path.expandvars(path)))
        return _joined(folder, name) + (f":{key}" if key else "")
    if is_url(path):
        return path
    return _joined(folder, path) + ("/" if path.endswith("/") else "")


def _joined(folder: Path, path: str) -> str:
    joined = os.path.join(folder, path)
    short = os.path.normpath(joined)
    # Without "..", unless a link on the way makes this another file.
    if ".." in Path(joined).parts and "\0" not in joined and os.path.realpath(short) != os.path.realpath(joined):
        return joined
    return short
