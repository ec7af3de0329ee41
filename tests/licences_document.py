"""docs/licences.md: the packages that Arignote uses, with the licences that they declare.

``python tests/licences_document.py`` writes it from the packages that are installed.
"""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import metadata
from pathlib import Path

__all__ = ["DOCUMENT", "packages"]

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "licences.md"
# Extras for work on Arignote itself, and those that are not installed for its tests.
WORK = {"dev", "docs", "mutants", "release"}
NOT_INSTALLED = {"gcsfs": "BSD-3-Clause", "adlfs": "BSD-3-Clause"}
HEAD = """\
# Licences

Arignote has the licence MIT (`LICENSE`). The page of a run contains [uPlot](https://github.com/leeoniya/uPlot), MIT,
whose licence lies beside it. The packages below are installed by pip, not distributed with Arignote; each has the
licence that it declares itself. `make docs` writes this document.

| package | needed for | licence |
|---|---|---|
"""


def packages() -> dict[str, str]:
    """Return the packages that users install, with the extra that needs each; "" if all do."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = {"": project["dependencies"]} | project["optional-dependencies"]
    found: dict[str, str] = {}
    for extra, requirements in groups.items():
        for requirement in requirements:
            name = re.match(r"[\w.-]+", requirement)[0]
            if extra not in WORK and name != "arignote":
                found.setdefault(name, extra)
    return found


def licence(name: str) -> str:
    """Return the licence that a package declares."""
    if name in NOT_INSTALLED:
        return NOT_INSTALLED[name]
    declared = metadata(name)
    classifiers = [one.rpartition(" :: ")[2] for one in declared.get_all("Classifier") or () if "License ::" in one]
    if declared["License-Expression"]:
        return declared["License-Expression"]
    text = (declared["License"] or "").strip()
    # Some packages put the whole text there.
    return text if text and "\n" not in text and len(text) < 60 else ", ".join(classifiers) or "see the package"


if __name__ == "__main__":
    rows = [
        f"| {name} | {f'`[{extra}]`' if extra else 'all'} | {licence(name)} |\n" for name, extra in packages().items()
    ]
    DOCUMENT.write_text(HEAD + "".join(rows))
