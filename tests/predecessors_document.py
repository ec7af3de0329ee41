"""docs/predecessors.md: a table of names for each of the systems that Arignote succeeds.

``python tests/predecessors_document.py`` writes the tables from `PREDECESSORS`.
"""

from __future__ import annotations

import re
from pathlib import Path

from parts_document import written
from predecessors import PREDECESSORS

__all__ = ["DOCUMENT", "with_names"]

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "predecessors.md"
OF_SECTION = {"": "Python", "fit": "setting of fit", "initializer": "initialiser", "preprocess": "preprocessing"}


def with_names(text: str) -> str:
    """Return the text of the document with the table of each system as it is in `PREDECESSORS`."""
    for system, sections in PREDECESSORS.items():
        begin, end = f"<!-- names of {system} -->\n", f"<!-- end of names of {system} -->\n"
        table = [begin, "| there | here | |\n", "|---|---|---|\n"]
        for section, names in sections.items():
            kind = OF_SECTION.get(section, section)
            table += [f"| {name} | {shown(here)} | {kind} |\n" for name, here in names.items()]
        text, n_tables = re.subn(f"{begin}.*{end}", lambda _: "".join([*table, end]), text, flags=re.DOTALL)  # noqa: B023
        assert n_tables == 1, system
    return text


def shown(here: object) -> str:
    """Return a name here as text of a table."""
    if isinstance(here, list):
        return f"`{written(here, 'yaml')}`"
    assert isinstance(here, str)
    if here.startswith("none: "):
        return here.replace("none:", "nothing:")
    return f"`{here.replace(':', '.')}`"


if __name__ == "__main__":
    DOCUMENT.write_text(with_names(DOCUMENT.read_text()))
