"""docs/export.md: the layers that are exported, and those that are modules of torch.nn.

``python tests/export_document.py`` writes the table from the tables of the code.
"""

from __future__ import annotations

import re
from pathlib import Path

from own_parts import first_names

from arignote.engine.standard_modules import _CONVERSIONS

__all__ = ["DOCUMENT", "with_layers"]

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "export.md"
BEGIN, END = "<!-- layers -->\n", "<!-- end of layers -->\n"


def with_layers(text: str) -> str:
    """Return the text of the document with the table of the layers as they are registered."""
    rows = [f"| `{name}` | yes | {'yes' if name in _CONVERSIONS else 'no'} |\n" for name in first_names("layer")]
    table = "".join([BEGIN, "| layer | `.onnx`, `.pt2` | `to_torch` |\n|---|---|---|\n", *rows, END])
    return re.sub(f"{BEGIN}.*{END}", lambda match: table, text, flags=re.DOTALL)


if __name__ == "__main__":
    DOCUMENT.write_text(with_layers(DOCUMENT.read_text()))
