"""docs/modules.md: every module with the first line of its docstring, and which packages each package imports.

``python tests/modules_document.py`` writes it.
"""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

__all__ = ["DOCUMENT", "document"]

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "modules.md"
HEAD = """\
# Modules

Each package, from the faces to the ground, with the packages that it imports, and each of its modules. Imports go one
way: down this page. `make docs` writes it from the code; `ARCHITECTURE.md` says what the packages are for, and why.
"""


def rooms() -> list[str]:
    """Return the packages and single modules below `arignote`, in the order of the contract of imports."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    return [room for layer in layers for room in re.findall(r"arignote\.(\w+)", layer)]


def modules_of(room: str) -> list[Path]:
    """Return the modules of a room, those that are empty left out."""
    folder = ROOT / "arignote" / room
    paths = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    return [path for path in paths if path.read_text().strip()]


def imports_of(room: str) -> list[str]:
    """Return the other rooms that a room imports, at any level of its modules."""
    found = set()
    for path in modules_of(room):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("arignote."):
                found.add(node.module.split(".")[1])
    return [other for other in rooms() if other in found - {room}]


def document() -> str:
    """Return the document."""
    lines = [HEAD]
    for room in rooms():
        lines += [f"## {room}", "", f"Imports {', '.join(imports_of(room)) or 'no other package'}.", ""]
        lines += ["| module | |", "|---|---|"]
        for path in modules_of(room):
            summary = " ".join(ast.get_docstring(ast.parse(path.read_text())).partition("\n\n")[0].split())
            lines.append(f"| `{path.relative_to(ROOT / 'arignote')}` | {summary.replace('|', chr(92) + '|')} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    DOCUMENT.write_text(document())
