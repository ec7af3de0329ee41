"""The place of everything that is wrong in a config: file, line and column, or the ``--set`` that wrote it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from arignote.errors import Complaint, ConfigError

__all__ = ["At", "Document", "Origin", "Written"]

# Keys and positions from the root of a config.
At = tuple[str | int, ...]
# Path of a key -> the ``key=value`` that was written there.
Written = dict[At, str]
# How a message on a value that is None ends; what a person wrote there is looked up in the file.
_NONE = "got None"


class Document(NamedTuple):
    """A file, and its content as `load_yaml` returns it."""

    path: Path
    content: Any


@dataclass(frozen=True)
class Origin:
    """Where the values of a config were written; configs of different files may be equal.

    Attributes
    ----------
    documents : dict of tuple to Document
        The file that has the value at a place and, unless another one is at a longer place, all that is within.
    written : dict of tuple to str
        Values that ``--set`` wrote, as `override` returns them.
    files : tuple of Path
        All files that were read, those whose values others replace too.
    """

    documents: Mapping[At, Document] = field(compare=False)
    written: Written = field(compare=False, default_factory=dict)
    files: tuple[Path, ...] = field(compare=False, default=())

    def document_of(self, place: At) -> Document | None:
        """Return the file that has the value at a place; None if no file is known."""
        return next(
            (self.documents[at] for n in range(len(place), -1, -1) if (at := place[:n]) in self.documents), None
        )

    def is_written(self, place: At) -> bool:
        """Return whether ``--set`` wrote the value at a place, or one that it is part of."""
        return any(place[: len(at)] == at for at in self.written)

    def folder_of(self, place: At) -> Path:
        """Return the folder of relative paths at a place: of its file, or the working directory of ``--set``."""
        document = None if self.is_written(place) else self.document_of(place)
        return Path() if document is None else document.path.parent

    def located(self, complaints: list[Complaint]) -> ConfigError:
        """Return an error with the place of each complaint, in the order of the files, then of ``--set``."""
        files = [document.path for document in self.documents.values()]
        entries = []
        for complaint in complaints:
            file, content = self.document_of(complaint.path) or next(iter(self.documents.values()))
            # A file of layers is a mapping as a config is, or the list itself.
            line, column = _position(content, complaint.path[isinstance(content, list) :]) or (0, 0)
            order, where = (files.index(file), line, column), f"{file}:{line}:{column}" if line else f"{file}"
            text = complaint.text("json" if file.suffix.lower() == ".json" else "yaml")
            if _NONE in text:
                text = text.replace(_NONE, _text_of_none(file, line, column, complaint.path))
            # The last one that wrote there wins, as in the config.
            for number, (place, setting) in enumerate(self.written.items()):
                if complaint.path[: len(place)] == place:
                    order, where = (len(files), number, 0), f"--set {setting}"
                    text = complaint.text("set", setting.partition("=")[0].rpartition(".")[0] + ".")
                    is_null = setting.partition("=")[2].strip()
                    text = text.replace(_NONE, "got null" if is_null else "nothing follows the =")
            entries.append((order, f"{where}: {text}", complaint))
        entries.sort(key=lambda entry: entry[0])
        return ConfigError([complaint for _, _, complaint in entries], [line for _, line, _ in entries])


def _position(loaded: Any, path: At) -> tuple[int, int] | None:
    """Return line and column (from 1) of the innermost entry of `path` that the file has; None if it has none."""
    position = None
    for key in path:
        if isinstance(loaded, list) and len(loaded) == 2 and isinstance(key, str):
            # The parameters of a layer are one level deeper: [Name, {params}].
            loaded = loaded[1]
        marks = getattr(loaded, "lc", None)
        try:
            if isinstance(loaded, Mapping):
                position = marks.key(key) if marks else position
            elif isinstance(loaded, list):
                position = marks.item(key) if marks else position
            else:
                break
            loaded = loaded[key]
        except (KeyError, IndexError, TypeError, AttributeError):
            break
    # ruamel.yaml counts from 0.
    return (position[0] + 1, position[1] + 1) if position else None


def _text_of_none(file: Path, line: int, column: int, path: At) -> str:
    """Return the end of a message on a value that is None: the file has a null there, or a key without a value."""
    text = "null"
    if line and file.suffix.lower() != ".json":
        with suppress(OSError, UnicodeDecodeError, IndexError):
            text = file.read_text(encoding="utf-8").split("\n")[line - 1][column - 1 :]
    if not re.match(r"([^:#,]*:)?\s*($|[#,}\]])", text):
        return "got null"
    kind = "item" if path and isinstance(path[-1], int) else "key"
    # Every setting of fit has a default.
    alternative = ", or leave the key out for its default" if path[:1] == ("fit",) and len(path) == 2 else ""
    return f"the {kind} has no value. Write one{alternative}"
