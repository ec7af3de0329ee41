"""Data that a command line names: files with options, or the config of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arignote.data.arrays import Data
from arignote.data.prepare.fit_data import FitData
from arignote.data.readers.sources import get_reader
from arignote.data.readers.tables import TEXT, split_source
from arignote.data.specs import CSVFormat
from arignote.data.targets import Targets, misnamed
from arignote.errors import ConfigError, DataError
from arignote.fit.config_data import open_config
from arignote.spec.config import read_config
from arignote.spec.overrides import csv_format

__all__ = ["NamedFile", "check_options", "data_to_score", "losses_by_output"]


@dataclass(frozen=True)
class NamedFile:
    """Features that are named on the command line, with its options.

    Attributes
    ----------
    source : str, or dict of str to str
        As of `get_reader`; of several inputs by channel.
    color : str, optional
        Label or position of a colour of images in HDF5.
    axes : str, optional
        "NCHW", "NHWC" or "NHW".
    csv : str, optional
        Format of a text table, as YAML.
    """

    source: str | dict[str, str]
    color: str | None = None
    axes: str | None = None
    csv: str | None = None

    @classmethod
    def of(cls, sources: Sequence[str], channels: Sequence[str | None], **options: Any) -> NamedFile:
        """Return the features of a network that takes these channels, of several ``channel=SOURCE`` for each.

        Raises
        ------
        ConfigError
            If a channel has no source, or an option is for one source only.
        """
        source = _by_name("features", sources, [str(channel) for channel in channels], "channel")
        if isinstance(source, dict):
            for name, value in options.items():
                # One format of text tables may hold for several sources; other options describe one array.
                if value is not None and name != "csv":
                    raise ConfigError(f"--{name} is for one source of features, and the network takes several")
        return cls(source, **options)

    def features(self) -> Any:
        """Return the source, or `Data` that reads it with these options.

        Raises
        ------
        ConfigError
            If the axes are none of the three.
        """
        if self.axes not in (None, "NCHW", "NHWC", "NHW"):
            raise ConfigError(f"--axes must be NCHW, NHWC or NHW; got {self.axes!r}")
        if isinstance(self.source, dict) or (self.color is None and self.axes is None):
            return self.source
        color = int(self.color) if self.color is not None and self.color.isdigit() else self.color
        return Data(self.source if color is None else get_reader(self.source, color=color), axes=self.axes)

    def format(self) -> CSVFormat | None:
        """Return the format of a text table, if it is given.

        Raises
        ------
        ConfigError, DataError
            If it is not a format, or if the source is no text table.
        """
        if self.csv is None:
            return None
        checked = csv_format(self.csv)
        sources = self.source.values() if isinstance(self.source, dict) else [self.source]
        if all(Path(split_source(source)[0]).suffix.lower() not in TEXT for source in sources):
            raise DataError(f"{', '.join(sources)}: 'csv' does not apply to this kind of source")
        return checked


def check_options(
    features: Sequence[str] | None,
    labels: Sequence[str] | None,
    config: Path | None,
    subset: str | None,
    **of_features: str | None,
) -> None:
    """Raise ConfigError if options of ``arignote evaluate`` exclude each other, or if one is missing.

    Parameters
    ----------
    features, labels, config, subset
        Options of the command.
    **of_features : str, optional
        Options that are for `features` only, such as `csv`.
    """
    if (config is None) == (not features):
        raise ConfigError("evaluate needs data: either --config CONFIG --part PART, or --features FILE --labels FILE")
    if config is not None and subset is None:
        raise ConfigError("--config needs --part train, valid or test")
    if labels and not features:
        raise ConfigError("--features and --labels must be given together")
    for option, value in of_features.items():
        if config is not None and value is not None:
            raise ConfigError(f"--{option} is for --features; with --config write --set data.train.{option}=...")


def data_to_score(
    features: Sequence[str] | None,
    labels: Sequence[str] | None,
    config: Path | None,
    targets: Targets,
    channels: Sequence[str | None],
    *,
    overrides: list[str] | None = None,
    data_dir: Path | None = None,
    color: str | None = None,
    axes: str | None = None,
    csv: str | None = None,
) -> FitData:
    """Return the data that ``arignote evaluate`` scores, from options that `check_options` accepts.

    Parameters
    ----------
    features : sequence of str, optional
        Source of the features; of several inputs ``channel=SOURCE`` for each.
    labels : sequence of str, optional
        Source of the labels; of several outputs ``name=SOURCE`` for each.
    config : Path, optional
        A YAML or JSON file, in place of them.
    targets : Targets
        What the network was trained to predict.
    channels : sequence of str or None
        Names of the channels that the network takes.
    overrides : list of str, optional
        ``key=value`` strings for the config.
    data_dir : Path, optional
        See `read_config`.
    color, axes, csv : str, optional
        See `NamedFile`.
    """
    if not targets.from_input and features and not labels:
        raise ConfigError("--features and --labels must be given together")
    if features:
        named = NamedFile.of(features, channels, color=color, axes=axes, csv=csv)
        return FitData(
            named.features(),
            None if targets.from_input else _by_name("labels", labels or (), list(targets.by_output), "output"),
            csv=named.format(),
        )
    assert config is not None
    return open_config(read_config(config, overrides, needs_data=True, data_dir=data_dir))[1]


def losses_by_output(given: Sequence[str] | None, main: str) -> dict[str, list[str]] | None:
    """Return the names of losses and metrics by output; None if none is given.

    Parameters
    ----------
    given : sequence of str, optional
        Names of the main output, separated by commas, or ``NAME=`` and those of another output.
    main : str
        Name of the main output.

    Examples
    --------
    >>> losses_by_output(["nll,error", "ink=rmse,mae"], "digit")
    {'digit': ['nll', 'error'], 'ink': ['rmse', 'mae']}
    """
    if given is None:
        return None
    by_output: dict[str, list[str]] = {}
    for one in given:
        before, sign, after = one.partition("=")
        # Without a sign it is a list of the main output.
        by_output.setdefault(before if sign else main, []).extend((after if sign else one).split(","))
    return by_output


def _by_name(option: str, given: Sequence[str], names: Sequence[str], kind: str) -> str | dict[str, str]:
    """Return the source of an option, of several outputs or channels by name; ConfigError unless each has one."""
    if len(names) == len(given) == 1:
        return given[0]
    named = dict(one.partition("=")[::2] for one in given)
    if len(names) == 1:
        raise ConfigError(f"--{option} must be given once: the run has one {kind}; got {', '.join(given)}")
    if wrong := misnamed(named, names, kind):
        wanted = " ".join(f"--{option} {name}=SOURCE" for name in names)
        raise ConfigError(f"--{option} must be given for each {kind}, {wanted}; {wrong}")
    return named
