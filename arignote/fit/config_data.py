"""The layers, the data and the settings of a config: its sources are opened here, for a fit as for a check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from arignote.data.arrays import Data
from arignote.data.prepare.fit_data import FitData, open_data
from arignote.data.readers.base import Reader, text_columns
from arignote.data.readers.config_sources import open_labels, open_source
from arignote.data.rows.row_preprocessing import fit_preprocessing, pipelines_of, preprocessed
from arignote.data.specs import DataSpec, Source
from arignote.data.values.columns import Mixed
from arignote.data.values.fields import ALONE
from arignote.errors import ConfigError
from arignote.layers.architecture import Architecture, declare
from arignote.layers.base import ExampleShape, Layer
from arignote.layers.layer_list import parse
from arignote.spec.inputs import complaints_of_channels, inputs_of
from arignote.spec.monitored import complaints_of_monitor
from arignote.spec.objective import targets_of
from arignote.spec.run_spec import RunSpec
from arignote.spec.settings import FitSettings, checked_settings

__all__ = ["ConfigSources", "architecture_of_config", "open_config", "with_layers"]


@dataclass(frozen=True)
class ConfigSources:
    """The sources of a config, opened one at a time.

    Attributes
    ----------
    spec : DataSpec
    load : bool
        Whether small files are read into memory.
    has_labels : bool
        Whether labels are read; there are none if the target is the input.
    preprocess : sequence of Preprocess, dict of these by channel, or None
        Preprocessing, which may take columns of text.
    """

    spec: DataSpec
    load: bool = True
    has_labels: bool = True
    preprocess: Any = None

    def train(self) -> tuple[Reader | dict[str, Reader], Reader | dict[str, Reader] | None]:
        """Return the readers of the features and labels of the training rows, as of `open_source`."""
        others, has_labels = self.spec.others(), self.has_labels
        mixed: dict[str, Mixed] = dict.fromkeys(self._of_tables, True)
        return open_source(self.spec.train, load=self.load, others=others, has_labels=has_labels, mixed=mixed)

    def held_out(self, source: Source, train: Reader | Mapping[str, Reader] | None) -> Data:
        """Return the data of a subset that has a source of its own, with the columns of the training rows `train`."""
        of_train = {} if train is None else train if isinstance(train, Mapping) else {ALONE: train}
        columns = {name: reader.columns for name, reader in of_train.items()}
        mixed = {name: text_columns(of_train[name]) if name in of_train else True for name in self._of_tables}
        readers = open_source(
            source,
            self.load,
            like=self.spec.train,
            columns=columns,
            has_labels=self.has_labels,
            mixed=mixed,
        )
        return Data(*readers, axes=source.axes)

    @property
    def _of_tables(self) -> list[str]:
        """Channels whose preprocessing takes columns of text."""
        steps = pipelines_of(self.spec.train.channels, self.preprocess)
        return [name for name, pipeline in steps.items() if pipeline.takes_tables]

    def per_row(self, name: Literal["groups", "sample_weight"]) -> Reader | None:
        """Return the reader of groups or weights, if the config names them."""
        source: str | None = getattr(self.spec, name)
        return None if source is None else open_labels(source, self.spec.train.csv)


def open_config(spec: RunSpec, load: bool = True, **settings: Any) -> tuple[list[Layer], FitData, FitSettings]:
    """Return the layers, the data and the settings of a config.

    Parameters
    ----------
    spec : RunSpec
        With data.
    load : bool
        Whether small files are read into memory.
    **settings
        In place of those of the config.
    """
    assert spec.data is not None
    axes = {} if spec.data.train.axes is None else {"axes": spec.data.train.axes}
    # Later ones win: axes of data.train replace those of fit, and arguments of the caller replace both.
    layers, fit = parse(spec.layers, spec.layer_defaults), checked_settings(spec.fit | axes | settings)
    has_labels = not targets_of(layers, fit).from_input
    sources = ConfigSources(spec.data, load, has_labels, fit.preprocess)
    features, labels = sources.train()
    valid, test = (
        sources.held_out(source, features) if isinstance(source, Source) else source
        for source in (spec.data.valid, spec.data.test)
    )
    data = FitData(
        features, labels, valid, test, groups=sources.per_row("groups"), sample_weight=sources.per_row("sample_weight")
    )
    return layers, data, fit


def with_layers(data: FitData, layers: list[Layer], settings: FitSettings, n_in: ExampleShape | None = None) -> FitData:
    """Return the data with what the layers declare of it; `n_in` of an existing run is as of `inputs_of`.

    Parameters
    ----------
    data : FitData
    layers : list of Layer
    settings : FitSettings
    n_in : tuple of int or dict of str to tuple of int, optional
        Shape of an example of an existing run, by channel.

    Raises
    ------
    ConfigError
        If a setting by channel does not suit the channels of the input layers, or one names a layer that is not there.
    """
    complaints = complaints_of_channels(layers, settings) + complaints_of_monitor(layers, settings)
    if settings.pretrain is not None:
        # Imports the layers that can be pretrained, and those that pretrain them.
        from arignote.spec.pretrained import complaints_of_pretraining

        complaints += complaints_of_pretraining(layers, settings)
    if complaints:
        raise ConfigError(complaints)
    return replace(data, targets=targets_of(layers, settings), inputs=inputs_of(layers, n_in))


def architecture_of_config(spec: RunSpec) -> Architecture:
    """Return the architecture of a config, whose data, if it has any, gives the shapes of an example and of a target.

    Parameters
    ----------
    spec : RunSpec
    """
    if spec.data is None:
        with spec.naming_lines():
            return declare(parse(spec.layers, spec.layer_defaults), None)
    # Shapes do not depend on values, of which some may be missing.
    layers, data, settings = open_config(spec, load=False, allow_nonfinite=True)
    data = with_layers(data, layers, settings)
    rows = open_data(data, settings).rows["train"]
    if any(one.takes_tables for one in pipelines_of(rows.conversions, settings.preprocess).values()):
        # The values of a column make the shape of an example.
        rows = preprocessed(rows, settings.preprocess, fit_preprocessing(rows, settings.preprocess))
    targets = data.targets
    # A target that is the input learns the shape of an example alone, for which one row is enough.
    y = rows.features(slice(0, 1)) if targets.from_input else rows.y
    assert y is not None
    # A stored state, though empty, keeps warnings of a new run away.
    sizes = targets.sizes(targets.learn(y, None, rows.labels_where, {}))
    with spec.naming_lines():
        return declare(layers, rows.n_in, sizes)
