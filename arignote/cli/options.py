"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "FEATURES",
    "Axes",
    "Color",
    "Config",
    "Csv",
    "DataDir",
    "Features",
    "Json",
    "Labels",
    "Run",
    "Set",
    "Trust",
    "Which",
]

Run = Annotated[str, typer.Argument(help="A stem, such as runs/digits_mlp, or a file of a run.")]
Which = Annotated[str | None, typer.Option(help="best, last, or the number of an epoch.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Write a key of the config.")]
Config = Annotated[Path, typer.Argument(help="A YAML or JSON file.")]
FEATURES = typer.Option(
    help="file.h5:/path, file.npy, file.npz:key, file.csv:columns, file.parquet:columns, folder of images; "
    "of several inputs CHANNEL=SOURCE for each (repeatable)."
)
Features = Annotated[list[str], FEATURES]
Labels = Annotated[
    list[str] | None,
    typer.Option(help="Source of the labels, in the same form; of several outputs NAME=SOURCE for each (repeatable)."),
]
Color = Annotated[str | None, typer.Option(help="Of images of several colours in HDF5: a label, or a position.")]
Axes = Annotated[str | None, typer.Option(help="NCHW, NHWC or NHW, if the axes of images are not those of training.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")]
Trust = Annotated[list[str] | None, typer.Option(help="Module of your own parts that may be imported (repeatable).")]
Csv = Annotated[
    str | None,
    typer.Option(
        metavar="YAML",
        help="Format of a text table, as csv: of a config: '{header: false, delimiter: \";\"}'. By default it is "
        "detected, or is that of the training data if the config gave it.",
    ),
]
DataDir = Annotated[Path | None, typer.Option(help="Folder of relative data paths in the config; default its own.")]
