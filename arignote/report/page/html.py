"""The page of runs as one HTML file: its template, style and script are in the package, and nothing is loaded."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from arignote.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["html_of"]


@cache
def _environment() -> Environment:
    # Importing Jinja2 takes longer than all else that most commands need.
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("arignote.report.page", "assets"),
        autoescape=True,
        # A misspelt name in a template raises, where Jinja2 would write nothing by default.
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    assets = files("arignote.report.page") / "assets"
    # Files of this package, which hold no text of a user.
    environment.globals["asset"] = lambda name: Markup((assets / name).read_text(encoding="utf-8"))
    return environment


def html_of(template: str, page: dict[str, Any], *, reload_after: int | None = None) -> str:
    """Return a page as HTML; all that comes from a run is escaped.

    Parameters
    ----------
    template : "run.html" or "runs.html"
    page : dict
        What it shows.
    reload_after : int, optional
        Seconds after which the page loads itself again.
    """
    return _environment().get_template(template).render(page=page, reload_after=reload_after, version=__version__)
