"""Commands that write pages to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from arignote.cli.commands import command
from arignote.cli.options import DataDir, Set, Trust

__all__ = ["report"]


@command
def report(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Stems, or files of runs; several are compared.")],
    config: Annotated[
        Path | None, typer.Option(help="Config of the run, whose data is scored: for matrices, mistakes, residuals.")
    ] = None,
    set_: Set = None,
    data_dir: DataDir = None,
    ids: Annotated[str | None, typer.Option(help="Source of a name for each row of the data, as --labels.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write; default RUN_report.html, of several runs report.html."),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Write the page again while the run trains; it loads itself again.")
    ] = False,
    trust: Trust = None,
) -> None:
    """Write the page of a run, or one that compares several: a single HTML file, which loads nothing else.

    Example: arignote report runs/digits_mlp --config digits_mlp --open
    """
    from arignote.fit.commands.page import pages, write_page

    options: dict[str, Any] = {"config": config, "overrides": set_, "data_dir": data_dir, "ids": ids, "out": out}
    options["trust"] = trust or ()
    for number, path in enumerate(pages(runs, **options) if watch else [write_page(runs, **options)[0]]):
        # With --watch the same file is written again and again.
        if number == 0:
            print(path, flush=True)
            if open_:
                import webbrowser

                webbrowser.open(Path(path).absolute().as_uri())
