"""``include: base.yaml``: a config that completes others, whose values it takes where it has none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from arignote.errors import Complaint, ConfigError
from arignote.registry import PathForm
from arignote.safe.yaml import load_yaml, plain_values
from arignote.spec.locations import At, Document, Origin
from arignote.spec.named_files import from_folder
from arignote.spec.run_spec import RunSpec

__all__ = ["read_merged"]

# Files that a config includes, those of included files too, each as often as it is named.
_MOST_FILES = 50
# Of a key: its file, unless it is that of the keys around it, and the origins of the keys within.
_Origins = dict[str, tuple[Document | None, "_Origins"]]


def read_merged(path: Path) -> tuple[dict[str, Any], Origin]:
    """Read a config and the files that it includes.

    Later files win: those of a list in its order, then the file that includes them. Mappings are merged, at any depth;
    anything else replaces what was there.

    Parameters
    ----------
    path : Path
        A YAML or JSON file.

    Returns
    -------
    values : dict
        Plain data without `include`.
    origin : Origin
        The file of each value, and all files that were read.

    Raises
    ------
    ConfigError
        If a file cannot be read, is no mapping, includes itself, or more than 50 files are included.
    """
    values: dict[str, Any] = {}
    origins: _Origins = {}
    files: list[tuple[Document, dict[str, Any]]] = []
    _read(path, (), files)
    for document, of_file in files:
        _merge(values, origins, of_file, document)
    # The file that was asked for comes first in a report.
    documents = {(): files[-1][0]} | dict(_places(origins))
    return values, Origin(documents, files=tuple(document.path for document, _ in files))


def _read(path: Path, within: tuple[Path, ...], files: list[tuple[Document, dict[str, Any]]]) -> None:
    """Append a file and its values to `files`, after those that it includes; `within` are the files around it."""
    document = Document(path, load_yaml(path))
    values = plain_values(document.content)
    if not isinstance(values, dict):
        got = "an empty file" if values is None else repr(values)
        raise ConfigError(f"{path}: must be a mapping with the keys {', '.join(RunSpec.model_fields)}; got {got}")
    # By which editors find the schema of a JSON file.
    values.pop("$schema", None)
    included, around = values.pop("include", []), (*within, path)
    for number, name in enumerate(included if isinstance(included, list) else [included]):
        try:
            one = _included(name, around)
            if len(files) + len(around) > _MOST_FILES:
                raise ConfigError(f"must be at most {_MOST_FILES} files, with those that they include")
        except ConfigError as error:
            where: At = ("include", number) if isinstance(included, list) else ("include",)
            raise Origin({(): document}).located([Complaint(where, str(error))]) from None
        _read(one, around, files)
    # A section whose lines are all commented out is empty.
    values = {key: value for key, value in values.items() if value is not None or key not in ("fit", "layer_defaults")}
    files.append((document, values))


def _included(name: Any, around: tuple[Path, ...]) -> Path:
    """Return the path of an included file; ConfigError if it is none, or one of those around it."""
    if not isinstance(name, str) or not name:
        raise ConfigError(f"must be the path of a config, or a list of paths; got {name!r}")
    path = Path(from_folder(around[-1].parent, name, PathForm.PATH))
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder, not a config")
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file")
    # By inode: under the name of a link, a file could include itself unnoticed.
    if any(os.path.samefile(path, other) for other in around):
        raise ConfigError(f"{' includes '.join(map(str, (*around, path)))}. Leave one of them out")
    return path


def _merge(values: dict[str, Any], origins: _Origins, later: dict[str, Any], document: Document) -> None:
    """Merge the values of a later file into those of the ones before, and note where each is from."""
    for key, value in later.items():
        if isinstance(value, dict) and isinstance(values.get(key), dict):
            _merge(values[key], origins.setdefault(key, (None, {}))[1], value, document)
        else:
            values[key], origins[key] = value, (document, {})


def _places(origins: _Origins, at: At = ()) -> Iterator[tuple[At, Document]]:
    for key, (document, within) in origins.items():
        if document is not None:
            yield (*at, key), document
        yield from _places(within, (*at, key))
