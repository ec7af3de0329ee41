"""Plain data as YAML, in the form in which configs are written by hand."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from arignote.errors import ConfigError
from arignote.registry import plain
from arignote.replacing import replacing

__all__ = ["block_lines", "flow_text", "write_text", "yaml_path"]

# A line may be longer by the item at its end.
_WIDTH = 100


def yaml_path(out: str) -> Path:
    """Return the path of a config to write; ConfigError if it is not named as YAML."""
    path = Path(out)
    if path.suffix.lower() not in (".yaml", ".yml"):
        raise ConfigError(f"--out must end in .yaml or .yml; got {out!r}")
    return path


def write_text(path: Path, text: str) -> None:
    """Write a config whole, or not at all; ConfigError if it cannot be written."""
    try:
        with replacing(path) as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from None


def flow_text(value: Any, indent: int = 0) -> str:
    """Return a value as YAML in brackets; further lines of a long one begin with `indent` blanks.

    Examples
    --------
    >>> flow_text(["FCLayer", {"n_units": 64, "b": None, "activation": "no"}])
    '[FCLayer, {n_units: 64, b: null, activation: no}]'
    """
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = True
    # ruamel.yaml would sort the keys, which are in the order of their declaration.
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    yaml.width = max(_WIDTH - indent, 40)
    text = io.StringIO()
    # Within a list a single value is not followed by the end of a document; a copy has no aliases.
    yaml.dump([plain(value)], text)
    first, *more = text.getvalue().strip()[1:-1].split("\n")
    return "\n".join([first, *(" " * indent + line.strip() for line in more)])


def block_lines(values: Mapping[str, Any], indent: int = 0, levels: int = 1) -> Iterator[str]:
    """Yield the lines of a mapping, with a key in each; mappings within at `levels` - 1 levels are written so too."""
    for key, value in values.items():
        name = flow_text(key)
        if levels > 1 and isinstance(value, Mapping) and value:
            yield f"{' ' * indent}{name}:"
            yield from block_lines(value, indent + 2, levels - 1)
        else:
            yield textwrap.indent(f"{name}: {flow_text(value, indent + 4)}", " " * indent, lambda line: line[0] != " ")
