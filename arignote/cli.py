"""The command line: argument parsing only."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from arignote.errors import ConfigError, nearest
from arignote.process import READER_ENDED, end_at_once, run_process

__all__ = [
    "app",
    "check",
    "convert",
    "evaluate",
    "fit",
    "inspect",
    "main",
    "predict",
    "schedule",
    "summary",
    "tune",
    "verify",
]


class _Commands(TyperGroup):
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command of a name; if there is none, fail with the names of all."""
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            near = nearest(args[0], known)
            hint = f" Did you mean {near!r}?" if near else ""
            ctx.fail(f"there is no command {args[0]!r}.{hint} Commands: {', '.join(sorted(known))}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; if the reader of a pipe has ended, as in "| head -1", end as SIGPIPE ends other commands."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise typer.Exit(READER_ENDED) from None


app = typer.Typer(
    cls=_Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)

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
Trust = Annotated[list[str] | None, typer.Option(help="Module of your own parts that may be imported (repeatable).")]
Csv = Annotated[
    str | None,
    typer.Option(
        metavar="YAML",
        help="Format of a text table, as csv: of a config: '{header: false, delimiter: \";\"}'. By default it is "
        "detected, or is that of the training data if the config gave it.",
    ),
]


@app.callback()
def _app() -> None:
    """Train networks that are declared as data; a run that is killed resumes exactly."""


OUT = typer.Option(
    help="File to write: .csv or .parquet (row, predicted, p_CLASS of each class), .h5, .hdf5 or .hdf (predicted, "
    "probabilities, classes), .npy (probabilities, or numbers, of one output)."
)
DataDir = Annotated[Path | None, typer.Option(help="Folder of relative data paths; default that of the config.")]


@app.command()
def fit(
    config: Config,
    set_: Set = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over; old files are replaced.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Resume in spite of changes.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Print the time of each operation of a few steps at the end.")
    ] = False,
    exit_code: Annotated[
        int | None,
        typer.Option(min=0, max=255, help="Exit code when a signal or a notice stopped it; default 128 + signal."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Train a config, or resume its run.

    Example: arignote fit configs/digits_mlp.yaml --set fit.n_epochs=3
    """
    from arignote.preemption.signals import exit_at_signal

    if fresh and force:
        raise ConfigError(
            "--fresh and --force exclude each other: --fresh starts over, --force resumes in spite of what changed"
        )
    try:
        with exit_at_signal(exit_code):
            # Within, as a signal may arrive during the import too.
            from arignote.fit.command import fit_command

            resume = "fresh" if fresh else "force" if force else None
            with warnings.catch_warnings():
                if quiet:
                    warnings.simplefilter("ignore")
                stopped = fit_command(
                    config, data_dir or config.parent, set_, resume=resume, quiet=quiet, profile=profile
                )
            sys.stdout.flush()
    except KeyboardInterrupt:
        print("stopped at once; the last checkpoint is kept", file=sys.stderr)
        raise typer.Exit(130) from None
    if stopped:
        end_at_once(stopped if exit_code is None else exit_code)


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
    from arignote.fit.check import check_config, check_data
    from arignote.spec.config import read_config

    spec = read_config(config, set_, needs_data=data)
    n_layers = check_config(spec)
    print(f"{config}: {n_layers} layers, {len(spec.fit)} settings of fit, all known and in their bounds")
    if data:
        for line in check_data(spec, data_dir or config.parent):
            print(line)


@app.command()
def tune(
    config: Config,
    set_: Set = None,
    data_dir: DataDir = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure only; the config stays as it is.")] = False,
) -> None:
    """Measure how fast a step is with each setup of the engine, and write the fastest into the config.

    The config needs data, and no other process should be busy. Threads are tried, channels_last if there are
    convolutions, and compile if layers are not written out by hand; these change rounding only, and no setting that
    decides the numbers.

    Example: arignote tune configs/digits_mlp.yaml --dry-run
    """
    from arignote.spec.config import read_config, write_settings

    spec = read_config(config, set_, needs_data=True)
    # After the config, which may be wrong: importing the engine takes a second.
    from arignote.fit.tune import chosen, measure
    from arignote.report.tables import setup_line

    measured = measure(spec, data_dir or config.parent)
    best = chosen(measured)
    for one in sorted(measured, key=lambda one: one.seconds):
        print(setup_line(one.settings, one.seconds, is_default=one.is_default, is_chosen=one is best))
    if not dry_run:
        write_settings(config, best.settings)
        print(f"written into {config}, section fit")


@app.command()
def summary(
    config: Config,
    set_: Set = None,
    data_dir: DataDir = None,
    with_time: Annotated[
        bool, typer.Option("--time", help="Train for a second, and estimate the time of an epoch; needs data.")
    ] = False,
) -> None:
    """Print the table of layers of a config: output shapes, parameters, multiply-adds and memory.

    Multiply-adds are those of one row, forward; memory is that of the outputs of a batch. Nothing is written.

    Example: arignote summary configs/digits_mlp.yaml --time
    """
    from arignote.fit.config_data import architecture_of
    from arignote.report.tables import epoch_line, layer_table
    from arignote.spec.config import read_config
    from arignote.spec.settings import checked_settings

    spec, base = read_config(config, set_, needs_data=with_time), data_dir or config.parent
    print(layer_table(architecture_of(spec, base), checked_settings(spec.fit).batch_size))
    if with_time:
        # After the table: importing the engine takes a second.
        from arignote.fit.epoch_time import measure_epoch

        epoch = measure_epoch(spec, base)
        print(epoch_line(epoch.seconds, epoch.step_seconds, epoch.n_steps, epoch.n_timed))


@app.command()
def schedule(
    config: Config,
    set_: Set = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw them too: .png, .svg or .pdf.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Print the values of the rules of a config in each epoch, given that no validation improves on the first.

    A value that changes within an epoch is printed for its first and its last update; only then the data is read.

    Example: arignote schedule configs/digits_mlp.yaml --set fit.n_epochs=12
    """
    from arignote.fit.planned_rules import planned_rules
    from arignote.report.rule_values import draw_values, value_lines
    from arignote.spec.config import read_config

    updates = list(planned_rules(read_config(config, set_), data_dir or config.parent))
    print(*value_lines(updates), sep="\n")
    if plot is not None:
        draw_values(updates, plot)
        print(f"drawn into {plot}")


@app.command()
def inspect(
    run: Run,
    which: Which = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print the content of a run and its position: of its last state, unless --which names another.

    Example: arignote inspect runs/digits_mlp --json
    """
    from arignote.report.inspection import inspection, inspection_lines

    content = inspection(run, which)
    if as_json:
        print(json.dumps(content, indent=2, sort_keys=True))
        return
    for line in inspection_lines(content):
        print(line)


@app.command()
def verify(run: Annotated[str, typer.Argument(help="A stem, such as runs/digits_mlp.")]) -> None:
    """Read every checkpoint of a run: which are good, and which would be used. Exit code 4 if none is good.

    Example: arignote verify runs/digits_mlp
    """
    from arignote.report.inspection import verification_lines

    for line in verification_lines(run):
        print(line)


@app.command()
def convert(
    old: Annotated[Path, typer.Argument(help="A checkpoint of the Arignote of 2015: a .pkl or .pkl.gz.")],
    new: Annotated[str, typer.Argument(help="The stem to write, such as runs/old; no file of it may exist.")],
) -> None:
    """Write a checkpoint of 2015 as one of today; nothing that the old file names is run.

    Example: arignote convert mlp_last.pkl.gz runs/mlp
    """
    from arignote.fit.convert import convert_2015

    state, files = convert_2015(old, new)
    print(f"{old} -> {files.path('last')}: {state.position}")
    print(f"next:  arignote inspect {files.stem}")


@app.command()
def evaluate(
    run: Run,
    features: Annotated[list[str] | None, FEATURES] = None,
    labels: Labels = None,
    config: Annotated[Path | None, typer.Option(help="Config of the run, in place of --features and --labels.")] = None,
    part: Annotated[str | None, typer.Option(help="Rows of the run that are scored: train, valid or test.")] = None,
    losses: Annotated[
        list[str] | None,
        typer.Option(
            help="Names, separated by commas: nll, error, rmse, accuracy, top_5, or a scorer of scikit-learn; of an "
            "output that is not the main one NAME=rmse,mae (repeatable)."
        ),
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
    from arignote.fit.command_data import check_options, data_to_score, losses_by_output

    check_options(features, labels, config, part, color=color, axes=axes, csv=csv)
    # After the options, which may be wrong: importing the engine takes a second.
    from arignote.estimators.scoring import Predictor
    from arignote.report.scores import by_class

    predictor = Predictor.load(run, which, trust or ())
    options: dict[str, Any] = {"overrides": set_, "base": data_dir, "color": color, "axes": axes, "csv": csv}
    data = data_to_score(features, labels, config, predictor.targets, predictor.channels, **options)
    scored = predictor.score(data, losses_by_output(losses, predictor.targets.main), part=part, by_class=classes)
    for name, value in scored.values.items():
        print(f"{name} {value:.6g}")
    if classes:
        print("", *by_class(scored.y, scored.predicted, scored.classes), sep="\n")


@app.command()
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

    Example: arignote predict runs/digits_mlp --features sample_data/digits.h5:/images --out preds.csv
    """
    from arignote.report.predictions import check_predictions_file, write_predictions

    check_predictions_file(out)
    # After the file, which may be wrong: importing the engine takes a second.
    from arignote.estimators.scoring import Predictor
    from arignote.fit.command_data import NamedFile

    predictor = Predictor.load(run, which, trust or ())
    named = NamedFile.of(features, predictor.channels, color=color, axes=axes, csv=csv)
    rows = predictor.rows(named.features(), csv=named.format())
    targets, memory = predictor.targets, predictor.state.targets
    write_predictions(out, predictor.blocks(rows), targets, memory, predictor.shown, len(rows))
    print(f"{len(rows)} rows -> {out}")


def main() -> None:
    """Run the command line.

    Exit codes: 0 done, 1 unexpected error, 2 usage or config, 3 data, 4 checkpoint, 5 training diverged, 128 + signal
    stopped and saved (141: the reader of a pipe has ended). Only 128 + signal is worth a retry; see
    docs/preemptible.md.
    """
    run_process(app)
