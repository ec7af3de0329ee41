"""Settings of the site: ``make docs`` builds it into build/docs, and a warning is an error."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from parts_document import KINDS, examples_of  # noqa: E402

from arignote import __version__  # noqa: E402
from arignote.registry import names, part_name  # noqa: E402

project, author, release = "Arignote", "The Arignote developers", __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc"]
exclude_patterns = ["conf.py"]
html_theme, html_title, html_copy_source, html_show_sourcelink = "furo", f"Arignote {__version__}", False, False
html_static_path, html_css_files = ["static"], ["wide.css"]
myst_heading_anchors = 3
add_module_names = False
autodoc_typehints, autodoc_member_order = "none", "bysource"
# The parameters of a part are its attributes, which are described once.
numpydoc_show_class_members = False

REFERENCE = ROOT / "docs" / "reference"
FACE = {"arignote": "Estimators and data", "arignote.data": "Readers", "arignote.plots": "Figures"}
ESTIMATORS = {"arignote.NNClassifier", "arignote.NNRegressor"}
HIDDEN = {"__version__", "STOP", "DataWithHoldoutParitions", "DataWithHoldoutPartitions", "Data"}


def write_reference(app: Sphinx) -> None:
    """Write a page for each kind of part, and for each module of the public face."""
    REFERENCE.mkdir(exist_ok=True)
    pages = {kind.replace("_", "-"): part_page(kind, title) for kind, title in KINDS.items()}
    pages |= {module.replace(".", "-"): module_page(module, title) for module, title in FACE.items()}
    for name, text in pages.items():
        path = REFERENCE / f"{name}.md"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def part_page(kind: str, title: str) -> str:
    """Return the page of the parts of a kind, each with its docstring and how a config has it."""
    lines = [f"# {title}", ""]
    for cls in sorted(set(names(kind).values()), key=lambda cls: part_name(cls).lower()):
        if cls.__module__.startswith("arignote"):
            python, yaml = examples_of(cls)
            lines += [f"## {part_name(cls)}", "", *autodoc("class", cls), "In Python, and in a config:", ""]
            lines += ["```python", python, "```", "", "```yaml", yaml, "```", ""]
    return "\n".join(lines)


def module_page(module: str, title: str) -> str:
    """Return the page of the public names of a module."""
    lines = [f"# {title}", ""]
    for name in import_module(module).__all__:
        if name not in HIDDEN:
            thing = getattr(import_module(module), name)
            lines += [f"## {name}", "", *autodoc("class" if isinstance(thing, type) else "function", thing, module)]
    return "\n".join(lines)


def autodoc(kind: str, thing: type, module: str = "") -> list[str]:
    """Return the directive that writes out a docstring; of an estimator those of its methods too."""
    members = ["   :members:", "   :inherited-members: BaseEstimator", "   :exclude-members: get_metadata_routing"]
    path = f"{module or thing.__module__}.{thing.__name__}"
    return ["```{eval-rst}", f".. auto{kind}:: {path}", *(members if path in ESTIMATORS else []), "```", ""]


def setup(app: Sphinx) -> None:
    """Write the reference before the build reads its sources."""
    app.connect("builder-inited", write_reference)
