"""docs/parts.md: every registered part.

``python tests/parts_document.py`` writes it; with ``--print`` it is printed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from own_parts import own_names

from arignote.hints.advice import Advice, Replacement
from arignote.report.parts_text import example_spec

__all__ = ["DOCUMENT", "KINDS", "document", "examples_of"]

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
# The setting of `fit`, or the parameter of a layer, that takes a part of a kind; some take several.
SETTINGS = {
    "updater": "sgd_type",
    "rule": "lr_rule",
    "stop_rule": "stop_rule",
    "average": "average",
    "pretraining": "pretrain",
    "windows": "windows",
}
LISTS = {"loss": "valid_loss", "preprocess": "preprocess", "augmentation": "augmentation", "observer": "observers"}
PARAMETERS = {"activation": "activation", "initializer": "W"}
HEAD = """\
# Parts

Every part that is registered; `make docs` writes this from the registry. The words of other libraries are in
[from-other-libraries.md](from-other-libraries.md), the names of the Arignote of 2015, Lasagne and pydnn in
[predecessors.md](predecessors.md). The parameters of a part:

    arignote parts adam
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


def examples_of(cls):
    """Return a part as Python and as a config have it, each where it stands; of a target the part alone."""
    spec = example_spec(cls)
    alone = spec if len(spec) > 1 else spec[0]
    if cls.kind in PARAMETERS:
        spec = ["FCLayer", {"n_units": 64, PARAMETERS[cls.kind]: alone}]
    if cls.kind in ("layer", "block", *PARAMETERS):
        return f"layers = [{written(spec, 'python')}]", f"layers:\n  - {written(spec, 'yaml')}"
    if cls.kind == "target":
        return written(alone, "python"), written(alone, "yaml")
    name, value = (LISTS[cls.kind], [spec]) if cls.kind in LISTS else (SETTINGS[cls.kind], alone)
    return f"NNClassifier(layers, {name}={written(value, 'python')})", f"fit:\n  {name}: {written(value, 'yaml')}"


def written(value, notation):
    """Return plain data in a notation."""
    return Advice("{}", (Replacement("", value),)).text_in(notation)


if __name__ == "__main__":
    if "--print" in sys.argv:
        sys.stdout.write(document())
    else:
        DOCUMENT.write_text(document())
