"""docs/parts.md: every registered part.

``python tests/parts_document.py`` writes it; with ``--print`` it is printed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from own_parts import own_names

__all__ = ["DOCUMENT", "KINDS", "document"]

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "parts.md"
KINDS = {
    "layer": "Layers",
    "block": "Blocks of layers",
    "activation": "Activations",
    "initializer": "Initialisers",
    "updater": "Updaters",
    "rule": "Rules of the learning rate and the momentum",
    "stop_rule": "Stop rules",
    "average": "Averages of the weights",
    "observer": "Observers",
    "pretraining": "Pretraining",
    "loss": "Losses",
    "target": "Targets",
    "preprocess": "Preprocessing",
    "augmentation": "Augmentations",
    "windows": "Windows",
}
HEAD = """\
# Parts

Every part that is registered; `make docs` writes this from the registry. The words of other libraries are in
[from-other-libraries.md](from-other-libraries.md), the names of the Arignote of 2015, Lasagne and pydnn in
[predecessors.md](predecessors.md). The parameters of a part:

    python -c "from arignote.registry import find; help(find('updater', 'adam'))"
"""


def document():
    """Return the document: for each kind a table of its parts."""
    lines = [HEAD]
    for kind, title in KINDS.items():
        lines += [f"## {title}", "", "| part | also | |", "|---|---|---|", *rows_of(kind), ""]
    return "\n".join(lines)


def rows_of(kind):
    """Return a row for each part of a kind: its name, its other names, the first line of its docstring."""
    by_class = {}
    for name, cls in own_names(kind).items():
        by_class.setdefault(cls, []).append(name)
    rows = []
    for cls, (first, *others) in sorted(by_class.items(), key=lambda item: item[1][0].lower()):
        summary = cls.__doc__.split("\n\n")[0].replace("\n    ", " ").replace("|", "\\|")
        rows.append(f"| `{first}` | {', '.join(f'`{name}`' for name in others)} | {summary} |")
    return rows


if __name__ == "__main__":
    if "--print" in sys.argv:
        sys.stdout.write(document())
    else:
        DOCUMENT.write_text(document())
