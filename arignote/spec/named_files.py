"""Files that a config names: its relative paths start from its folder, those of the command line from the working one.

A setting names a file if its annotation has a `PathForm`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from arignote.checkpoints.storage import is_url
from arignote.data.readers.tables import split_source
from arignote.registry import PathForm, find, several, split
from arignote.spec.locations import At
from arignote.spec.run_spec import RunSpec
from arignote.spec.settings import FitSettings

__all__ = ["from_folder", "to_folder", "with_paths"]

Change = Callable[[str, PathForm, At], str]


def with_paths(values: Mapping[str, Any], change: Change) -> dict[str, Any]:
    """Return the values of a config with another path in place of each one.

    Parameters
    ----------
    values : mapping
        See `RunSpec`.
    change : callable
        Takes a path, its form and its place; returns the new path.
    """
    changed = _changed(values, RunSpec, change, ())
    if isinstance(values.get("fit"), Mapping):
        changed["fit"] = _changed(values["fit"], FitSettings, change, ("fit",))
        if "observers" in changed["fit"]:
            changed["fit"]["observers"] = _of_observers(changed["fit"]["observers"], change)
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


def _of_observers(value: Any, change: Change) -> Any:
    """Return the specs of observers, in which parts have another path; nothing is imported."""
    given = several(value)
    changed: list[Any] = []
    for number, one in enumerate(given):
        word, params = split("observer", one)
        if ":" not in word:
            one = [word, _changed(params, find("observer", word), change, ("fit", "observers", number))]
        changed.append(one)
    return value if changed == list(given) else changed


def _section(annotation: Any) -> type[BaseModel] | None:
    """Return the model of a field that holds a section, which may be one of several types."""
    models = (
        one for one in (annotation, *get_args(annotation)) if isinstance(one, type) and issubclass(one, BaseModel)
    )
    return next(models, None)


def from_folder(folder: Path, path: str, form: PathForm) -> str:
    """Return a path that starts from a folder as one that starts from the working directory; a URL as it is.

    Parameters
    ----------
    folder : Path
    path : str
        A source that starts with an environment variable or ``~`` is returned as it is: `get_reader` fills it in.
    form : PathForm
    """
    return _with_name(path, form, partial(_joined, folder))


def to_folder(folder: Path | None, path: str, form: PathForm) -> str:
    """Return a path that starts from the working directory as one that starts from a folder; a URL as it is.

    Parameters
    ----------
    folder : Path, optional
        By default, and if it has nothing in common with the path but the root, the result is an absolute path.
    path : str
    form : PathForm
    """
    return _with_name(path, form, partial(_relative, folder))


def _with_name(path: str, form: PathForm, change: Callable[[str], str]) -> str:
    """Return a path with a change of the part that names the file."""
    if form is PathForm.NOTICE:
        kind, sign, name = path.partition(":")
        return f"{kind}:{change(name)}" if sign else path
    if form is PathForm.SOURCE:
        name, key = split_source(path)
        # Expanded when the file is opened, perhaps on another machine.
        if name.startswith(("$", "~")):
            return path
        return change(name) + (f":{key}" if key else "")
    if is_url(path):
        return path
    # `normpath` drops the slash, by which a checkpoint is a folder.
    return change(path) + ("/" if path.endswith("/") else "")


def _joined(folder: Path, path: str) -> str:
    joined = os.path.join(folder, path)
    short = os.path.normpath(joined)
    # Without "..", unless a link on the way makes this another file.
    if ".." in Path(joined).parts and "\0" not in joined and os.path.realpath(short) != os.path.realpath(joined):
        return joined
    return short


def _relative(folder: Path | None, path: str) -> str:
    # Through ".." the way may lead over a link.
    absolute = os.path.realpath(path) if ".." in Path(path).parts else os.path.abspath(path)
    # With only the root in common, a relative path would be the longer one.
    if folder is None or os.path.commonpath([absolute, os.path.abspath(folder)]) == os.sep:
        return absolute
    relative = os.path.relpath(absolute, folder)
    return relative if os.path.realpath(folder / relative) == os.path.realpath(absolute) else absolute
