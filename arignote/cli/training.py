"""Commands that train."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from arignote.cli.commands import command
from arignote.cli.options import Config, DataDir, Set
from arignote.errors import ConfigError
from arignote.process import end_at_once

__all__ = ["fit", "tune"]


Fresh = Annotated[bool, typer.Option("--fresh", help="Start over; old files are replaced.")]
Force = Annotated[bool, typer.Option("--force", help="Resume in spite of changes.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors, whatever the config says.")]
Profile = Annotated[bool, typer.Option("--profile", help="Print the time of each operation of a few steps at the end.")]
Log = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write a JSON object in a line for each validation: fit.log.")
]
Seeds = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Train N runs, with seeds from rng on; print mean and spread.")
]
ExitCode = Annotated[
    int | None,
    typer.Option(min=0, max=255, help="Exit code when a signal or a notice stopped it; default 128 + signal."),
]


@command
def fit(
    config: Config,
    set_: Set = None,
    fresh: Fresh = False,
    force: Force = False,
    quiet: Quiet = False,
    profile: Profile = False,
    log: Log = None,
    seeds: Seeds = None,
    exit_code: ExitCode = None,
    data_dir: DataDir = None,
) -> None:
    """Train a config, or resume its run.

    Example: arignote fit digits_mlp --set fit.n_epochs=3
    """
    from arignote.preemption.signals import exit_at_signal

    _exclude(fresh and force, "--fresh and --force", "--fresh starts over, --force resumes in spite of what changed")
    _exclude(quiet and profile, "--quiet and --profile", "a profile is printed")
    resume = "fresh" if fresh else "force" if force else None
    try:
        with exit_at_signal(exit_code):
            # Within, as a signal may arrive during the import too.
            from arignote.fit.commands.fit import fit_command

            with warnings.catch_warnings():
                if quiet:
                    warnings.simplefilter("ignore")
                stopped = fit_command(
                    config, set_, data_dir=data_dir, resume=resume, quiet=quiet, profile=profile, log=log, n_seeds=seeds
                )
            sys.stdout.flush()
    except KeyboardInterrupt:
        print("stopped at once; the last checkpoint is kept", file=sys.stderr)
        # 128 + SIGINT, as of a command that a shell interrupts.
        raise typer.Exit(130) from None
    if stopped:
        end_at_once(stopped if exit_code is None else exit_code)


def _exclude(are_given: bool, options: str, reason: str) -> None:
    if are_given:
        raise ConfigError(f"{options} exclude each other: {reason}")


@command
def tune(
    config: Config,
    set_: Set = None,
    data_dir: DataDir = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure only; the config stays as it is.")] = False,
) -> None:
    """Measure how fast a step is with each setup of the engine, and write the fastest into the config.

    The config needs data, and no other process should be busy. Threads are tried, channels_last if there are
    convolutions, and compile if autograd computes layers; these change rounding only, and no setting that
    decides the numbers.

    Example: arignote tune digits_mlp --dry-run
    """
    from arignote.spec.config import read_config, write_settings
    from arignote.spec.shipped import shipped_or

    # It is a file of the installed package.
    if not dry_run and shipped_or(config) != config:
        raise ConfigError(
            f"{config}: a config that ships is not changed; give --dry-run, or a copy of {shipped_or(config)}"
        )
    spec = read_config(config, set_, needs_data=True, data_dir=data_dir)
    # After the config, which may be wrong: importing the engine takes a second.
    from arignote.fit.preview.tune import chosen, measure
    from arignote.report.tables import setup_line

    measured = measure(spec)
    best = chosen(measured)
    for one in sorted(measured, key=lambda one: one.seconds):
        print(setup_line(one.settings, one.seconds, is_default=one.is_default, is_chosen=one is best))
    if not dry_run:
        write_settings(config, best.settings)
        print(f"written into {config}, section fit")
