"""Commands that read what is on disk of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from arignote.cli.commands import command
from arignote.cli.options import Json, Run, Trust, Which
from arignote.process import shorten_process

__all__ = ["compare", "convert", "export", "inspect", "verify"]


@command
def inspect(
    run: Run,
    which: Which = None,
    as_json: Json = False,
) -> None:
    """Print the content of a run and its position: of its last state, unless --which names another.

    Example: arignote inspect runs/digits_mlp --json
    """
    shorten_process()
    from arignote.report.inspection import inspection, inspection_lines
    from arignote.report.json_text import json_text

    content = inspection(run, which)
    print(json_text(content) if as_json else "\n".join(inspection_lines(content)))


@command
def verify(run: Annotated[str, typer.Argument(help="A stem, such as runs/digits_mlp.")], as_json: Json = False) -> None:
    """Read every checkpoint of a run: which are good, and which would be used. Exit code 4 if none is good.

    Example: arignote verify runs/digits_mlp
    """
    shorten_process()
    from arignote.report.inspection import check_usable, verification, verification_lines
    from arignote.report.json_text import json_text

    files, used = verification(run)
    content = {"files": [dict(zip(("file", "good", "text"), one, strict=True)) for one in files], "used": used}
    print(json_text(content) if as_json else "\n".join(verification_lines(files, used)))
    check_usable(run, used)


@command
def convert(
    old: Annotated[Path, typer.Argument(help="A checkpoint of the Arignote of 2015: a .pkl or .pkl.gz.")],
    new: Annotated[str, typer.Argument(help="The stem to write, such as runs/old; no file of it may exist.")],
) -> None:
    """Write a checkpoint of 2015 as one of today; nothing that the old file names is run.

    Example: arignote convert mlp_last.pkl.gz runs/mlp
    """
    from arignote.fit.stored.convert import convert_2015

    state, files = convert_2015(old, new)
    print(f"{old} -> {files.path('last')}: {state.position}")
    print(f"next:  arignote inspect {files.stem}")


@command
def export(
    run: Run,
    to: Annotated[
        Path,
        typer.Option(help="File to write: .onnx, .pt2 (for torch.export.load), or .safetensors (parameters alone)."),
    ],
    which: Which = None,
    trust: Trust = None,
) -> None:
    """Write the network of a finished run for programs without Arignote, with preprocessing and classes.

    Example: arignote export runs/digits_mlp --to digits.onnx
    """
    from arignote.estimators.export import export_run

    export_run(run, to, which, trust or ())
    print(f"{run} -> {to}")


@command
def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Stems, or files of runs.")],
    sort: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Order by a column; valid is the loss that decides.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values, with all digits.")] = False,
    as_json: Json = False,
) -> None:
    """Print a table of runs: status, best epoch, losses, parameters, time, and the settings that differ.

    Example: arignote compare runs/digits_mlp runs/digits_cnn --sort valid
    """
    shorten_process()
    from arignote.report.comparison import comparison, comparison_csv, comparison_lines
    from arignote.report.json_text import json_text

    rows = comparison(runs, sort)
    if as_json:
        print(json_text({"runs": rows}))
    else:
        print(comparison_csv(rows) if as_csv else "\n".join(comparison_lines(rows)), end="" if as_csv else "\n")
