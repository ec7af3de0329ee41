"""docs/modules.md: every module with the first line of its docstring, and which packages each package imports.

``python tests/modules_document.py`` writes it, and the picture of the imports in ARCHITECTURE.md.
"""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

__all__ = ["ARCHITECTURE", "DOCUMENT", "document", "with_picture"]

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "modules.md"
ARCHITECTURE = ROOT / "ARCHITECTURE.md"
BEGIN, END = "<!-- imports -->\n", "<!-- end of imports -->\n"
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
            if isinstance(node, ast.Import | ast.ImportFrom):
                module = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
                found |= {
                    word[1] for alias in node.names if (word := f"{module}{alias.name}".split("."))[0] == "arignote"
                }
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


def picture() -> list[str]:
    """Return a line for each room with those below it that it imports, but for those that one of them imports."""
    order = rooms()
    imports = {room: [other for other in imports_of(room) if order.index(other) > order.index(room)] for room in order}
    below: dict[str, set[str]] = {}
    for room in reversed(order):
        below[room] = set(imports[room]).union(*(below[other] for other in imports[room]))
    rows: dict[str, list[str]] = {}
    for room, others in imports.items():
        nearest = [other for other in others if not any(other in below[one] for one in others)]
        rows.setdefault(", ".join(nearest), []).append(room)
    rows.pop("", None)
    width = max(len(", ".join(names)) for names in rows.values())
    downwards = sorted(rows.items(), key=lambda row: order.index(row[1][-1]))
    return [f"    {', '.join(names):<{width}} -> {others}" for others, names in downwards]


def with_picture(text: str) -> str:
    """Return the text of ARCHITECTURE.md with the picture of the imports as they are."""
    lines = "\n".join(["", "<!-- not run: a drawing -->", *picture(), "\n"])
    return re.sub(f"{BEGIN}.*{END}", lambda match: f"{BEGIN}{lines}{END}", text, flags=re.DOTALL)


if __name__ == "__main__":
    DOCUMENT.write_text(document())
    ARCHITECTURE.write_text(with_picture(ARCHITECTURE.read_text()))
