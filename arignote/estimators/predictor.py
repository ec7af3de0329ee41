"""Predictions of a fitted network, from rows that are prepared as its training rows were."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from arignote.checkpoints.state import TrainingState
from arignote.data.inputs import Input, channels_of
from arignote.data.prepare.prepared import recorded_columns, recorded_text
from arignote.data.readers.images import ImageFolderReader
from arignote.data.readers.tables import expanded
from arignote.data.rows.open_rows import rows_of
from arignote.data.rows.row_preprocessing import preprocessed
from arignote.data.rows.selection import Rows
from arignote.data.specs import CSVFormat
from arignote.data.targets import Targets
from arignote.data.values.fields import ALONE
from arignote.engine.network import Network
from arignote.engine.predict import Predictions, outputs_of_layers, predict, validation_rows
from arignote.engine.session import preserve_generators
from arignote.engine.setup import Setup
from arignote.engine.turns import computing_in
from arignote.errors import DataError, axes_hint, warn
from arignote.fit.review.held_out import settings_of_rows
from arignote.fit.stored.load import restore
from arignote.fit.validations.subset_scores import in_order
from arignote.spec.inputs import inputs_of
from arignote.spec.objective import targets_of
from arignote.spec.settings import FitSettings

__all__ = ["Predictor"]


@dataclass(frozen=True)
class Predictor:
    """A fitted network, with what its run stores about the data.

    Attributes
    ----------
    state : TrainingState
        State of the run.
    network : Network
        The network that predicts: the best, or the last.
    allow_nonfinite : bool
        Whether NaN and infinity are allowed in the features.
    name : str
        Name of the estimator, for messages.
    """

    state: TrainingState
    network: Network
    allow_nonfinite: bool = False
    name: str = "NNClassifier"

    @classmethod
    def load(cls, run: str, which: str | None = None, trust: Sequence[str] = ()) -> Self:
        """Return the predictor of a run; the parameters are those of `restore`."""
        state, network, settings = restore(run, which, trust=trust)
        return cls(state, network, settings.get("allow_nonfinite", False), "the network")

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields alone: settings, targets and inputs are looked up again after unpickling."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def is_of(self, state: TrainingState, network: Network, allow_nonfinite: bool) -> bool:
        """Return whether it is the predictor of these very objects."""
        return self.state is state and self.network is network and self.allow_nonfinite == allow_nonfinite

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """Channels of the data that the network takes."""
        return inputs_of(self.network.architecture.layers, self.network.architecture.n_in)

    @cached_property
    def settings(self) -> FitSettings:
        """Settings of the run on which rows and targets depend."""
        return settings_of_rows(self.state)

    @cached_property
    def targets(self) -> Targets:
        """Targets that the network was trained to predict."""
        return targets_of(self.network.architecture.layers, self.settings)

    @property
    def channels(self) -> list[str | None]:
        """Names of the channels that the network takes."""
        return channels_of(self.inputs)

    @property
    def shown(self) -> list[str]:
        """Names of the output layers that are not auxiliary."""
        return [name for name, layer in self.network.architecture.outputs.items() if not layer.auxiliary]

    def rows(self, x: Any, y: Any = None, csv: Mapping[str, Any] | CSVFormat | None = None) -> Rows:
        """Return rows with the columns, axes, images and preprocessing of the training rows.

        Parameters
        ----------
        x, y : object
            Features and labels, as of `rows_of`.
        csv : dict or CSVFormat, optional
            Format of text tables that are named as strings; by default that of the training data.

        Raises
        ------
        DataError
            If their columns or shape are not those of the training rows.
        """
        architecture, known = self.network.architecture, recorded_columns(self.state.data)
        if isinstance(x, str | Path) and os.path.isdir(expanded(x)):
            n_in = architecture.inputs[0].output_shape
            x = ImageFolderReader(x, n_in[1:], {1: "L", 3: "RGB"}.get(n_in[0])) if len(n_in) == 3 else x
        rows = rows_of(
            x,
            y,
            allow_nonfinite=self.allow_nonfinite,
            axes=self.state.spec["fit"].get("axes"),
            inputs=self.inputs,
            columns=known,
            csv=self.text_format(csv),
            targets=self.targets,
            windows=self.settings.windows,
            preprocess=self.state.spec["fit"].get("preprocess"),
            text=recorded_text(self.state.data),
        )
        by_channel = known if isinstance(known, Mapping) else {ALONE: known}
        for channel, reader in rows.readers.items():
            if not reader.columns and any(isinstance(name, str) for name in by_channel.get(channel, ())):
                where = reader.where or ("X" if channel == ALONE else f"X[{channel!r}]")
                # The text of scikit-learn, which filters of warnings match.
                warn(f"{where} does not have valid feature names, but {self.name} was fitted with feature names")
        return self.as_trained(rows)

    def blocks(self, rows: Rows) -> Generator[Predictions, None, None]:
        """Yield the predictions of each output layer, float32 (n, n_outputs), of blocks of rows in their order."""
        with self.as_validated():
            if rows.reader.in_memory and len(rows) <= validation_rows(self.network):
                # One batch, of perhaps one row, which needs no reading ahead.
                yield from predict(self.network, [rows.features(slice(0, len(rows)))], self.state.rng)
                return
            with closing(in_order(self.network, rows)) as batches:
                yield from predict(self.network, (x for x, _ in batches), self.state.rng)

    def predictions(self, rows: Rows) -> Predictions:
        """Return the predictions of the outputs that are not auxiliary, float32 (rows, n_outputs)."""
        with closing(self.blocks(rows)) as blocks:
            return _whole(list(blocks), self.shown)

    def layer_output(self, rows: Rows, name: str) -> NDArray[Any]:
        """Return the output (rows, ...) of a layer, outside training."""
        network, seed = self.network, self.state.rng
        with self.as_validated(), closing(in_order(network, rows)) as batches:
            blocks = [
                outputs_of_layers(network, [name], x, seed, "predict", number)[name].cpu().numpy()
                for number, (x, _) in enumerate(batches)
            ]
        return np.concatenate(blocks)

    def decoded(self, rows: Rows) -> Predictions:
        """Return predictions in the form and the units of the `y` that was given to `fit`, decoded block by block."""
        # Closed at once, whatever ends it: meanwhile the process computes in the setup of the run.
        with closing(self.blocks(rows)) as blocks:
            shown = ({name: block[name] for name in self.shown} for block in blocks)
            return _whole([self.targets.decode(block, self.state.targets) for block in shown], self.shown)

    def by_row(self, rows: Rows, values: Predictions) -> dict[str, Any]:
        """Return values of each step as a list of arrays, if the sequences were given as such; others as they are."""
        if not self.targets.has_steps:
            return dict(values)
        is_list = [one for one in self.inputs if one.lengths is True]
        if not len(self.inputs) == len(is_list) == 1:
            return dict(values)
        lengths = rows.readers[str(is_list[0].steps)].read(slice(0, len(rows)))
        return {
            name: [row[:n] for row, n in zip(values_of, lengths, strict=True)]
            if self.targets.by_output[name].of_step is not self.targets.by_output[name]
            else values_of
            for name, values_of in values.items()
        }

    def text_format(self, csv: Mapping[str, Any] | CSVFormat | None) -> Any:
        """Return the format of text tables: as given, or that which was given for the training data."""
        return self.state.data.get("csv") if csv is None else csv

    def as_trained(self, rows: Rows) -> Rows:
        """Return rows with the preprocessing of the run; DataError if their shape is not that of the network."""
        rows = preprocessed(rows, self.state.spec["fit"].get("preprocess"), self.state.preprocess)
        shape, expected = rows.n_in, self.network.architecture.n_in
        if shape != expected:
            where = rows.reader.where or "X"
            message = f"an example of {where} must have shape {expected}; got {shape}"
            if isinstance(shape, tuple) and isinstance(expected, tuple) and len(shape) == len(expected) == 1:
                # The text of scikit-learn, which its checks look for.
                message = (
                    f"{where} has {shape[0]} features, but {self.name} is expecting {expected[0]} features as input"
                )
                message += ": give the columns of the training data, in their order"
            raise DataError(message + axes_hint(shape, expected))
        return rows

    def as_validated(self) -> AbstractContextManager[None]:
        """Compute in the setup of the run; restore the generators, if a layer of the user may draw from them."""
        setup = self.network.setup
        return _keeping_generators(setup) if self.network.is_custom else computing_in(setup)


@contextmanager
def _keeping_generators(setup: Setup) -> Iterator[None]:
    with computing_in(setup), preserve_generators(setup.device):
        yield


def _whole(blocks: Sequence[Predictions], names: Sequence[str]) -> Predictions:
    return {name: np.concatenate([block[name] for block in blocks]) for name in names}
