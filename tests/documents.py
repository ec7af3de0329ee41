"""The blocks of code of the documents."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["DOCUMENTS", "LAYERS", "ROOT", "SHIPPED", "blocks", "configs"]

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = sorted(ROOT.glob("arignote/configs/*.yaml"))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
# A fenced block with its language, or an indented one; what stands on the line before it.
BLOCK = re.compile(r"^(?:(<!-- not run: .+ -->)\n)?(?:```(\w*)\n([\s\S]*?)^```$|((?: {4}.*\n|\n(?= {4}))+))", re.M)
# What a config that shows something else lacks.
LAYERS = "\nlayers: [[FCLayer, {n_units: 3}], [ClassificationOutputLayer]]\n"


def blocks(path):
    """Give kind and text of each block of a document that is to be run."""
    kinds = {">>>": "doctest", "$ arignote": "command", "arignote": "command", "#!": "shell", "until": "shell"}
    kinds |= dict.fromkeys(("data:", "fit:", "layers:", "name:"), "config") | {"apiVersion:": "yaml"}
    for left_out, language, fenced, indented in BLOCK.findall(path.read_text()):
        text = fenced or re.sub("^ {4}", "", indented, flags=re.M)
        if not left_out:
            yield language or next((kinds[word] for word in kinds if text.lstrip().startswith(word)), ""), text


def configs(path):
    """Give the text of each config of a document, with layers."""
    for kind, text in blocks(path):
        if kind == "config":
            yield text if "layers:" in text else text + LAYERS
