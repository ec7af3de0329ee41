"""The place of everything that is wrong in a config: file, line and column, or the ``--set`` that wrote it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arignote.errors import Complaint, ConfigError

__all__ = ["Origin", "Written", "located"]

# Path of a key -> the ``key=value`` that was written there.
Written = dict[tuple[str | int, ...], str]
# How a message on a value that is None ends; what a person wrote there is looked up in the file.
_NONE = "got None"


@dataclass(frozen=True)
class Origin:
    """The file that a config was read from; configs of different files may be equal.

    Attributes
    ----------
    path, loaded, written, of_layers
        As of `located`.
    """

    path: Path = field(compare=False)
    loaded: Any = field(compare=False)
    written: Written = field(compare=False)
    of_layers: tuple[Path, Any] | None = field(compare=False)

    def located(self, complaints: list[Complaint]) -> ConfigError:
        """Return an error with the place of each complaint."""
        return located(self.path, self.loaded, complaints, self.written, self.of_layers)


def located(
    path: Path, loaded: Any, complaints: list[Complaint], written: Written, of_layers: tuple[Path, Any] | None = None
) -> ConfigError:
    """Return an error with the place of each complaint.

    Parameters
    ----------
    path : Path
        The file of the config.
    loaded : object
        Its content, as `load_yaml` returns it.
    complaints : list of Complaint
        What is wrong.
    written : dict of tuple to str
        Values that ``--set`` wrote, as `override` returns them.
    of_layers : tuple of (Path, object), optional
        The file that holds the layers, and its content.

    Returns
    -------
    ConfigError
        Complaints in the order of the file, then of the file of layers, then of ``--set``.
    """
    entries = []
    for complaint in complaints:
        in_layers = of_layers is not None and complaint.path[:1] == ("layers",)
        file, content = of_layers if of_layers is not None and in_layers else (path, loaded)
        # A file of layers is a mapping as a config is, or the list itself.
        line, column = _position(content, complaint.path[isinstance(content, list) :]) or (0, 0)
        order, where = (int(in_layers), line, column), f"{file}:{line}:{column}" if line else f"{file}"
        text = complaint.text("json" if file.suffix.lower() == ".json" else "yaml")
        if _NONE in text:
            text = text.replace(_NONE, _text_of_none(file, line, column, complaint.path))
        for number, (place, setting) in enumerate(written.items()):
            if complaint.path[: len(place)] == place:
                order, where = (2, number, 0), f"--set {setting}"
                text = complaint.text("set", setting.partition("=")[0].rpartition(".")[0] + ".")
                text = text.replace(_NONE, "got null" if setting.partition("=")[2].strip() else "nothing follows the =")
        entries.append((order, f"{where}: {text}", complaint))
    entries.sort(key=lambda entry: entry[0])
    return ConfigError([complaint for _, _, complaint in entries], [line for _, line, _ in entries])


def _position(loaded: Any, path: tuple[str | int, ...]) -> tuple[int, int] | None:
    """Return line and column (from 1) of the innermost entry of `path` that the file has; None if it has none."""
    found = None
    for key in path:
        if isinstance(loaded, list) and len(loaded) == 2 and isinstance(key, str):
            # The parameters of a layer are one level deeper: [Name, {params}].
            loaded = loaded[1]
        marks = getattr(loaded, "lc", None)
        try:
            if isinstance(loaded, Mapping):
                found = marks.key(key) if marks else found
            elif isinstance(loaded, list):
                found = marks.item(key) if marks else found
            else:
                break
            loaded = loaded[key]
        except (KeyError, IndexError, TypeError, AttributeError):
            break
    return (found[0] + 1, found[1] + 1) if found else None


def _text_of_none(file: Path, line: int, column: int, path: tuple[str | int, ...]) -> str:
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
