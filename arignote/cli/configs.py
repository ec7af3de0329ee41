"""Commands that read or write a config, and train nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from arignote.cli.commands import command
from arignote.cli.options import Config, Csv, DataDir, Json, Set
from arignote.process import shorten_process

__all__ = ["check", "init", "render", "schedule", "schema", "summary"]


@command
def check(
    config: Config,
    set_: Set = None,
    data: Annotated[bool, typer.Option("--data", help="Open the files too, and try a first batch.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Check a config, and with --data its files; nothing is trained or written.

    Example: arignote check digits_mlp --data
    """
    if not data:
        shorten_process()
    from arignote.fit.preview.check import check_config
    from arignote.report.json_text import json_text
    from arignote.spec.config import read_config

    spec = read_config(config, set_, needs_data=data, data_dir=data_dir)
    n_layers = check_config(spec)
    lines: Iterator[str] = iter(())
    if data:
        from arignote.fit.preview.check_data import check_data

        lines = check_data(spec)
    if as_json:
        print(json_text({"n_layers": n_layers, "n_settings": len(spec.fit), "data": list(lines)}))
        return
    print(f"{config}: {n_layers} layers, {len(spec.fit)} settings of fit, all known and in their bounds")
    # One by one: each line is printed once its source has been opened.
    for line in lines:
        print(line)


@command
def summary(
    config: Config,
    set_: Set = None,
    data_dir: DataDir = None,
    with_time: Annotated[
        bool, typer.Option("--time", help="Train for a second, and estimate the time of an epoch; needs data.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print the table of layers of a config: output shapes, parameters, multiply-adds and memory.

    Multiply-adds are those of one row, forward; memory is that of the outputs of a batch. Nothing is written.

    Example: arignote summary digits_mlp --time
    """
    if not with_time:
        shorten_process()
    from arignote.fit.config_data import architecture_of_config
    from arignote.report.json_text import json_text
    from arignote.report.tables import epoch_line, layer_content, layer_table
    from arignote.spec.config import read_config
    from arignote.spec.settings import checked_settings

    spec = read_config(config, set_, needs_data=with_time, data_dir=data_dir)
    architecture, batch_size = architecture_of_config(spec), checked_settings(spec.fit).batch_size
    if not as_json:
        print(layer_table(architecture, batch_size))
    content = layer_content(architecture, batch_size)
    if with_time:
        # After the table: importing the engine takes a second.
        from arignote.fit.preview.epoch_time import measure_epoch

        epoch = measure_epoch(spec)
        content["epoch"] = vars(epoch)
        if not as_json:
            print(epoch_line(epoch.seconds, epoch.step_seconds, epoch.n_steps, epoch.n_timed))
    if as_json:
        print(json_text(content))


@command
def init(
    data: Annotated[
        str,
        typer.Argument(
            help="A CSV, Parquet, npz, npy or HDF5 file, perhaps with columns, file.csv:a,b; or a folder of images."
        ),
    ],
    labels: Annotated[
        str | None, typer.Option(help="Column or array of the labels, or another file; by default found by its name.")
    ] = None,
    csv: Csv = None,
    out: Annotated[
        str | None, typer.Option(metavar="FILE", help="YAML file to write, - for standard output; default DATA.yaml.")
    ] = None,
) -> None:
    """Write a first config for data, with comments, which trains as it stands; no file is overwritten.

    Example: arignote init patients.csv --labels outcome
    """
    from arignote.fit.starter.write import write_starter
    from arignote.spec.overrides import csv_format

    for line in write_starter(data, labels, out, None if csv is None else csv_format(csv)):
        print(line)


@command
def render(
    config: Config,
    set_: Set = None,
    out: Annotated[str, typer.Option(metavar="FILE", help="YAML file to write; - is standard output.")] = "-",
    data_dir: DataDir = None,
) -> None:
    """Write a config with what it includes, all defaults, the names of all layers and the shapes of their outputs.

    The result has the same settings, and its paths lead to the same files.

    Example: arignote render digits_mlp --out full.yaml
    """
    shorten_process()
    from arignote.fit.preview.render import write_rendered
    from arignote.spec.config import read_config

    write_rendered(read_config(config, set_, data_dir=data_dir), out)


@command
def schedule(
    config: Config,
    set_: Set = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw them too: .png, .svg or .pdf.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Print the values of the rules of a config in each epoch, given that no validation improves on the first.

    A value that changes within an epoch is printed for its first and its last update; only then the data is read.

    Example: arignote schedule digits_mlp --set fit.n_epochs=12
    """
    shorten_process()
    from arignote.fit.preview.planned_rules import planned_rules
    from arignote.report.rule_values import draw_values, value_lines
    from arignote.spec.config import read_config

    updates = list(planned_rules(read_config(config, set_, data_dir=data_dir)))
    print(*value_lines(updates), sep="\n")
    if plot is not None:
        draw_values(updates, plot)
        print(f"drawn into {plot}")


@command
def schema() -> None:
    """Print the JSON Schema of a config, by which editors complete, explain and check it; see docs/how-to/editor.md.

    Example: arignote schema > config.schema.json
    """
    shorten_process()
    from arignote.spec.json_schema import config_schema

    print(json.dumps(config_schema(), indent=1))
