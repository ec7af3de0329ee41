"""The command line: argument parsing only."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from arignote.errors import ArignoteError, CheckpointError, ConfigError, DataError, Interrupted, NotFiniteError, nearest

__all__ = ["app", "main"]


class _Commands(TyperGroup):
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is meant; where there is none, list those there are."""
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            near = nearest(args[0], known)
            hint = f" Did you mean {near!r}?" if near else ""
            ctx.fail(f"there is no command {args[0]!r}.{hint} Commands: {', '.join(sorted(known))}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; where whoever reads has gone, as in "| head -1", end as SIGPIPE ends other commands."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise typer.Exit(141) from None


app = typer.Typer(
    cls=_Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)

Run = Annotated[str, typer.Argument(help="A stem, such as runs/digits_mlp, or a file of a run.")]
Which = Annotated[str | None, typer.Option(help="best, last, or the number of an epoch.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Write a key of the config.")]
Config = Annotated[Path, typer.Argument(help="A YAML or JSON file.")]
FEATURES = typer.Option(
    help="file.h5:/path, file.npy, file.npz:key, file.csv:columns, file.parquet:columns, folder of images."
)
Features = Annotated[str, FEATURES]
Color = Annotated[str | None, typer.Option(help="Of images of several colours in HDF5: a label, or a position.")]
Axes = Annotated[str | None, typer.Option(help="NCHW, NHWC or NHW, where images lie otherwise than in training.")]
Trust = Annotated[
    list[str] | None, typer.Option(help="Module of your own parts that may be imported for them (repeatable).")
]
Csv = Annotated[
    str | None,
    typer.Option(
        metavar="YAML",
        help="How a text table is written, as csv: of a config: '{header: false, delimiter: \";\"}'. By default it is "
        "found by looking, or is that of the training data if the config gave it.",
    ),
]
EXIT_CODES = {ConfigError: 2, DataError: 3, CheckpointError: 4, NotFiniteError: 5}


@app.callback()
def _face() -> None:
    """Train networks that are written down as data; runs that are killed go on exactly."""


DataDir = Annotated[Path | None, typer.Option(help="Folder of relative data paths; default that of the config.")]


@app.command()
def fit(
    config: Config,
    set_: Set = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over; old files give way.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Go on in spite of what changed.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    exit_code: Annotated[
        int | None,
        typer.Option(min=0, max=255, help="Exit code when a signal or a notice stopped it; default 128 + signal."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Train a config, or go on with it.

    Example: arignote fit configs/digits_mlp.yaml --set fit.n_epochs=3
    """
    from arignote.preemption.signals import leaving_at_once

    if fresh and force:
        raise ConfigError(
            "--fresh and --force exclude each other: --fresh starts over, --force resumes in spite of what changed"
        )
    try:
        with leaving_at_once(exit_code):
            with warnings.catch_warnings():
                if quiet:
                    warnings.simplefilter("ignore")
                stopped = _fit(config, data_dir or config.parent, set_, fresh, force, quiet)
            sys.stdout.flush()
    except KeyboardInterrupt:
        print("stopped at once; the last checkpoint stays", file=sys.stderr)
        raise typer.Exit(130) from None
    if stopped:
        _end_at_once(stopped if exit_code is None else exit_code)


def _end_at_once(code: int) -> None:
    """End the process: everything is saved, and the interpreter would take a second to take itself apart."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        raise typer.Exit(code) from None
    os._exit(code)


def _fit(config: Path, base: Path, set_: list[str] | None, fresh: bool, force: bool, quiet: bool) -> int:
    """Train, tell the result, and return 0, or 128 + the signal that stopped it."""
    from arignote.spec.config import read_config

    spec = read_config(config, set_)
    if spec.data is None:
        raise ConfigError(f"{config}: data.train must be given: features and labels")
    from arignote.fit.start import fit_config
    from arignote.report.ending import ending

    settings: dict[str, Any] = {"verbose": not quiet and spec.fit.get("verbose", True)}
    if fresh or force:
        settings["resume"] = "fresh" if fresh else "force"
    try:
        fitted = fit_config(spec, base, **settings)
        fitted.raise_if_stopped()
    except Interrupted as interrupted:
        if interrupted.lost:
            print(f"{interrupted}: give fit.checkpoint a path", file=sys.stderr)
        elif not quiet:
            print(f"{interrupted}; the same command{' without --fresh' if fresh else ''} goes on from there")
        return interrupted.code
    if not quiet:
        options = ["--config", str(config), *(["--data-dir", str(base)] if base != config.parent else [])]
        options += [word for one in set_ or [] if one.startswith("data.") for word in ("--set", one)]
        named = " ".join(map(shlex.quote, options))
        for line in ending(fitted.state, fitted.status, fitted.checkpoint, spec.data.train, base, named):
            print(line)
    if not fitted.state.progress.interrupted:
        return 0
    if fitted.checkpoint is None:
        print(
            Interrupted("Ctrl-C", 130, fitted.state.position), "give fit.checkpoint a path", sep=": ", file=sys.stderr
        )
    return 130


@app.command()
def check(
    config: Config,
    set_: Set = None,
    data: Annotated[bool, typer.Option("--data", help="Open the files too, and try a first batch.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Check a config, and with --data its files; nothing is trained or written.

    Example: arignote check configs/digits_mlp.yaml --data
    """
    from arignote.checkpoints.storage import check_stem
    from arignote.layers.architecture import parse
    from arignote.spec.config import read_config

    spec = read_config(config, set_)
    layers = parse(spec.layers, spec.layer_defaults)
    if spec.fit["checkpoint"] is not None:
        check_stem(spec.fit["checkpoint"])
    device = spec.fit.get("device", "auto")
    if device not in ("auto", "cpu"):
        from arignote.engine.setup import check_device

        check_device(device)
    print(f"{config}: {len(layers)} layers, {len(spec.fit)} settings of fit, all known and in their bounds")
    if not data:
        return
    if spec.data is None:
        raise ConfigError(f"{config}: data.train must be given: features and labels")
    from arignote.fit.check import check_data
    from arignote.spec.settings import FitSettings

    for told in check_data(spec.data, layers, FitSettings(**spec.fit), data_dir or config.parent):
        print(told)


@app.command()
def tune(
    config: Config,
    set_: Set = None,
    data_dir: DataDir = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure only; the config stays as it is.")] = False,
) -> None:
    """Measure how fast a step is with each setup of the engine, and write the fastest into the config.

    The config needs data, and the machine rest. Threads are tried, channels_last where there are convolutions, and
    compile where layers are not written out by hand; these change rounding only: what decides the numbers stays.

    Example: arignote tune configs/digits_mlp.yaml --dry-run
    """
    from arignote.spec.config import read_config, write_settings

    spec = read_config(config, set_)
    if spec.data is None:
        raise ConfigError(f"{config}: data.train must be given: features and labels")
    from arignote.fit.tune import chosen, measure

    measured = measure(spec, data_dir or config.parent)
    best = chosen(measured)
    for one in sorted(measured, key=lambda one: one.seconds):
        told = ", ".join(f"{name}: {json.dumps(value)}" for name, value in one.settings.items())
        notes = [note for note, is_so in (("by rule", one.is_default), ("chosen", one is best)) if is_so]
        print(f"{1000 * one.seconds:9.3f} ms a step  {told}{'  <- ' + ', '.join(notes) if notes else ''}")
    if not dry_run:
        write_settings(config, best.settings)
        print(f"written into {config}, section fit")


@app.command()
def summary(config: Config, set_: Set = None, data_dir: DataDir = None) -> None:
    """Print the table of layers of a config, without training.

    Example: arignote summary configs/digits_mlp.yaml
    """
    from arignote.layers.architecture import declare, parse
    from arignote.report.tables import layer_table
    from arignote.spec.config import read_config

    spec = read_config(config, set_)
    n_in = n_classes = None
    if spec.data is not None:
        import numpy as np

        from arignote.data.readers.sources import open_source
        from arignote.data.rows import rows_of

        features, labels = open_source(
            spec.data.train, data_dir or config.parent, load=False, others=spec.data.others()
        )
        axes = spec.data.train.axes or spec.fit.get("axes")
        rows = rows_of(features, labels, what=features.where, allow_nonfinite=True, axes=axes)
        n_in, n_classes = rows.n_in, len(np.unique(np.asarray(rows.y)))
    print(layer_table(declare(parse(spec.layers, spec.layer_defaults), n_in, n_classes)))


@app.command()
def inspect(
    run: Run,
    which: Which = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Tell what a run is and where it stands (its last state, unless --which says another).

    Example: arignote inspect runs/digits_mlp --json
    """
    from arignote.report.inspection import inspection

    found = inspection(run, which)
    if as_json:
        print(json.dumps(found, indent=2, sort_keys=True))
        return
    # For people, who count epochs from 1, the position stands for the complete epochs and batches of the file.
    found["starts"] = "; ".join(f"epoch {epoch + 1}, batch {batch}" for epoch, batch in found["starts"])
    for key, value in found.items():
        if key not in ("history", "spec", "epoch", "batch"):
            print(f"{key:>16}: {value}")
    print(f"{'history':>16}: {len(found['history'])} rows (--json shows them, and the spec)")


@app.command()
def verify(run: Annotated[str, typer.Argument(help="A stem, such as runs/digits_mlp.")]) -> None:
    """Read every checkpoint of a run: which are good, and which would be used. Exit code 4 where none is.

    Example: arignote verify runs/digits_mlp
    """
    from arignote.report.inspection import verification

    found, used = verification(run)
    for where, good, told in found:
        print(f"{'good' if good else 'BAD ':<4}  {where}: {told}")
    if used is None:
        raise CheckpointError(f"{run}: no checkpoint to go on from is good")
    print(f"a fit goes on from {used}")


@app.command()
def convert(
    old: Annotated[Path, typer.Argument(help="A checkpoint of the Arignote of 2015: a .pkl or .pkl.gz.")],
    new: Annotated[str, typer.Argument(help="The stem to write, such as runs/old; it must not be there.")],
) -> None:
    """Write a checkpoint of 2015 as one of today; nothing that the old file names is run.

    Example: arignote convert mlp_last.pkl.gz runs/mlp
    """
    from arignote.checkpoints.writer import RunWriter
    from arignote.legacy import read_2015

    files = RunWriter(new)
    if files.there():
        raise CheckpointError(f"{files.path('last')}: exists; give another stem")
    state = read_2015(old)
    files.begin(lambda: None)
    try:
        files.prepare()
        files.save(state)
    finally:
        files.end()
    print(f"{old} -> {files.path('last')}: {state.position}")
    print(f"next:  arignote inspect {files.stem}")


def _images(features: Any, color: str | None, axes: str | None) -> Any:
    """Return features with what is said of their images."""
    from arignote.data.arrays import Data
    from arignote.data.readers.sources import get_reader

    if axes not in (None, "NCHW", "NHWC", "NHW"):
        raise ConfigError(f"--axes must be NCHW, NHWC or NHW; got {axes!r}")
    if color is None and axes is None:
        return features
    found = features if color is None else get_reader(features, color=int(color) if color.isdigit() else color)
    return Data(found, axes=axes)


def _format(csv: str | None, features: str) -> Any:
    """Return the format of a text table that is given as YAML."""
    if csv is None:
        return None
    from arignote.data.readers.tables import TEXT, split_source
    from arignote.spec.config import csv_format

    found = csv_format(csv)
    if Path(split_source(features)[0]).suffix.lower() not in TEXT:
        raise DataError(f"{features}: 'csv' does not go with this kind of source")
    return found


@app.command()
def evaluate(
    run: Run,
    features: Annotated[str | None, FEATURES] = None,
    labels: Annotated[str | None, typer.Option(help="Source of the labels, named likewise.")] = None,
    config: Annotated[Path | None, typer.Option(help="Config of the run, in place of --features and --labels.")] = None,
    part: Annotated[str | None, typer.Option(help="Rows of the run that are scored: train, valid or test.")] = None,
    losses: Annotated[
        list[str] | None,
        typer.Option(help="Names, separated by commas: nll, error, accuracy, top_5, or a scorer of scikit-learn."),
    ] = None,
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
) -> None:
    """Score a run on data with labels: the rows that it held out, or other data.

    --part finds the rows of the run in its data, which --config names, or --features and --labels; a path that a
    checkpoint contains is never opened.

    Example: arignote evaluate runs/digits_mlp --config configs/digits_mlp.yaml --part test --by-class
    """
    from arignote.data.fit_data import FitData
    from arignote.estimators.scoring import Predictor
    from arignote.report.scores import by_class

    if (config is None) == (features is None):
        raise ConfigError("evaluate needs data: either --config CONFIG --part PART, or --features FILE --labels FILE")
    if config is not None and part is None:
        raise ConfigError("--config needs --part train, valid or test")
    if (labels is not None) != (features is not None):
        raise ConfigError("--features and --labels must be given together")
    if config is not None and csv is not None:
        raise ConfigError("--csv is for --features; with --config write --set data.train.csv=...")
    predictor = Predictor.load(run, which, trust or ())
    if features is not None:
        given = FitData(_images(features, color, axes), labels, csv=_format(csv, features))
    else:
        assert config is not None
        given = _of_config(config, set_, data_dir)
    names = [name for one in losses or ["nll,error"] for name in one.split(",")]
    scored = predictor.score(given, names, part=part, with_proba=classes)
    for name, value in scored.values.items():
        print(f"{name} {value:.6g}")
    if classes:
        print("", *by_class(scored.y, scored.predicted, scored.classes), sep="\n")


def _of_config(config: Path, set_: list[str] | None, data_dir: Path | None) -> Any:
    """Return the data of a config."""
    from arignote.fit.start import open_config
    from arignote.spec.config import read_config

    spec = read_config(config, set_)
    if spec.data is None:
        raise ConfigError(f"{config}: data.train must be given: features and labels")
    return open_config(spec, data_dir or config.parent)[1]


@app.command()
def predict(
    run: Run,
    features: Features,
    out: Annotated[Path, typer.Option(help="CSV file: row, predicted, p_CLASS ...")],
    which: Which = None,
    color: Color = None,
    axes: Axes = None,
    csv: Csv = None,
    trust: Trust = None,
) -> None:
    """Write the predictions of a run.

    Example: arignote predict runs/digits_mlp --features sample_data/digits.h5:/images --out preds.csv
    """
    from arignote.estimators.scoring import Predictor
    from arignote.report.predictions import write_predictions

    predictor = Predictor.load(run, which, trust or ())
    proba = predictor.proba(predictor.rows(_images(features, color, axes), csv=_format(csv, features)))
    write_predictions(out, predictor.state.class_labels, proba)
    print(f"{len(proba)} rows -> {out}")


def _warn(message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: Any = None) -> None:
    print(f"note: {message}", file=sys.stderr)


def main() -> None:
    """Run the command line.

    Exit codes: 0 done, 1 unexpected error, 2 usage or config, 3 data, 4 checkpoint, 5 training diverged, 128 + signal
    stopped and saved (141: nobody reads). Only 128 + signal is worth a retry; see docs/preemptible.md.
    """
    warnings.showwarning = _warn
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        try:
            app()
        finally:
            # From here on Ctrl-C only ends the process: nothing is left to save, and a traceback tells nothing.
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                signal.signal(signal.SIGINT, signal.SIG_DFL)
            sys.stdout.flush()
    except ArignoteError as fault:
        print(f"error: {fault}", file=sys.stderr)
        sys.exit(next((code for kind, code in EXIT_CODES.items() if isinstance(fault, kind)), 1))
    except BrokenPipeError:
        # Else Python tries to write once more when it ends, and tells that it could not.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except KeyboardInterrupt:
        sys.exit(130)
