"""Commands that predict with the network of a run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from arignote.cli.commands import command
from arignote.cli.options import FEATURES, Axes, Color, Csv, DataDir, Features, Json, Labels, Run, Set, Trust, Which

__all__ = ["evaluate", "predict"]

OUT = typer.Option(
    help="File to write: .csv or .parquet (row, predicted, p_CLASS of each class), .h5, .hdf5 or .hdf (predicted, "
    "probabilities, classes), .npy (probabilities, or numbers, of one output); - is standard output, as .csv."
)
OfRun = Annotated[Path | None, typer.Option(help="Config of the run, in place of --features and --labels.")]
Part = Annotated[str | None, typer.Option(help="Rows of the run that are scored: train, valid or test.")]
Losses = Annotated[
    list[str] | None,
    typer.Option(
        help="Names, separated by commas: nll, error, rmse, accuracy, top_5, or a scorer of scikit-learn; of an "
        "output that is not the main one NAME=rmse,mae (repeatable)."
    ),
]


@command
def evaluate(
    run: Run,
    features: Annotated[list[str] | None, FEATURES] = None,
    labels: Labels = None,
    config: OfRun = None,
    part: Part = None,
    losses: Losses = None,
    classes: Annotated[
        bool, typer.Option("--by-class", help="Print a table by class, and the confusion matrix.")
    ] = False,
    set_: Set = None,
    data_dir: DataDir = None,
    which: Which = None,
    color: Color = None,
    axes: Axes = None,
    csv: Csv = None,
    trust: Trust = None,
    as_json: Json = False,
) -> None:
    """Score a run on data with labels: the rows that it held out, or other data.

    --part finds the rows of the run in its data, which --config names, or --features and --labels; a path that a
    checkpoint contains is never opened.

    Example: arignote evaluate runs/digits_mlp --config digits_mlp --part test --by-class
    """
    from arignote.fit.commands.data import check_options, data_to_score, losses_by_output

    check_options(features, labels, config, part, color=color, axes=axes, csv=csv)
    # After the options, which may be wrong: importing the engine takes a second.
    from arignote.estimators.predictor import Predictor
    from arignote.estimators.scoring import score
    from arignote.report.json_text import json_text
    from arignote.report.scores import by_class

    predictor = Predictor.load(run, which, trust or ())
    options: dict[str, Any] = {"overrides": set_, "data_dir": data_dir, "color": color, "axes": axes, "csv": csv}
    data = data_to_score(features, labels, config, predictor.targets, predictor.channels, **options)
    scored = score(predictor, data, losses_by_output(losses, predictor.targets.main), subset=part, by_class=classes)
    if as_json:
        tables = {"classes": scored.classes.tolist(), "confusion": scored.confusion.tolist()} if classes else {}
        print(json_text({"scores": scored.values} | tables))
        return
    for name, value in scored.values.items():
        print(f"{name} {value:.6g}")
    if classes:
        print("", *by_class(scored.y, scored.predicted, scored.classes), sep="\n")


@command
def predict(
    run: Run,
    features: Features,
    out: Annotated[Path, OUT],
    which: Which = None,
    color: Color = None,
    axes: Axes = None,
    csv: Csv = None,
    trust: Trust = None,
) -> None:
    """Write the predictions of a run.

    Example: arignote predict runs/digits_mlp --features arignote/sample_data/digits.h5:/images --out preds.csv
    """
    from arignote.replacing import is_stream
    from arignote.report.predictions import check_predictions_file, write_predictions

    # "-" means standard output, which is then written by its path, as any other stream.
    out = Path("/dev/stdout") if str(out) == "-" else out
    check_predictions_file(out)
    # After the file, which may be wrong: importing the engine takes a second.
    from arignote.estimators.predictor import Predictor
    from arignote.fit.commands.data import NamedFile

    predictor = Predictor.load(run, which, trust or ())
    named = NamedFile.of(features, predictor.channels, color=color, axes=axes, csv=csv)
    rows = predictor.rows(named.features(), csv=named.format())
    targets, target_states = predictor.targets, predictor.state.targets
    write_predictions(out, predictor.blocks(rows), targets, target_states, predictor.shown, len(rows))
    # Not among the rows, if these are written to standard output.
    print(f"{len(rows)} rows -> {out}", file=sys.stderr if is_stream(out) else sys.stdout)
