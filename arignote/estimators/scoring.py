"""Predictions and scores of a fitted network, from rows that are prepared as its training rows were."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from arignote.checkpoints.state import TrainingState
from arignote.data.arrays import Data, columns_in_order
from arignote.data.inputs import Input, channels_of
from arignote.data.prepare.fit_data import FitData
from arignote.data.prepare.prepared import columns_of, text_of
from arignote.data.prepare.split import present_rows
from arignote.data.readers.images import ImageFolderReader
from arignote.data.readers.sources import get_reader, is_text_source
from arignote.data.readers.tables import expanded
from arignote.data.rows.open_rows import rows_of
from arignote.data.rows.row_preprocessing import preprocessed
from arignote.data.rows.selection import Rows
from arignote.data.specs import CSVFormat
from arignote.data.targets import Targets, counted
from arignote.data.values.fields import ALONE
from arignote.engine.network import Network
from arignote.engine.predict import Predictions, Scorer, outputs_of_layers, predict, validation_rows
from arignote.engine.session import preserve_generators
from arignote.engine.setup import Setup
from arignote.engine.turns import computing_in
from arignote.errors import ConfigError, DataError, axes_hint, warn
from arignote.estimators.named_losses import NamedLosses
from arignote.estimators.scored import Scored
from arignote.fit.config_data import with_layers
from arignote.fit.review.held_out import rows_of_subset, settings_of_rows, warn_of_training_rows
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
        architecture, known = self.network.architecture, columns_of(self.state.data)
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
            csv=self._format(csv),
            targets=self.targets,
            windows=self.settings.windows,
            preprocess=self.state.spec["fit"].get("preprocess"),
            text=text_of(self.state.data),
        )
        by_channel = known if isinstance(known, Mapping) else {ALONE: known}
        for channel, reader in rows.readers.items():
            if not reader.columns and any(isinstance(name, str) for name in by_channel.get(channel, ())):
                where = reader.where or ("X" if channel == ALONE else f"X[{channel!r}]")
                # The text of scikit-learn, which filters of warnings match.
                warn(f"{where} does not have valid feature names, but {self.name} was fitted with feature names")
        return self._as_trained(rows)

    def blocks(self, rows: Rows) -> Generator[Predictions, None, None]:
        """Yield the predictions of each output layer, float32 (n, n_outputs), of blocks of rows in their order."""
        with self._as_validated():
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
        with self._as_validated(), closing(in_order(network, rows)) as batches:
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

    def score(
        self,
        data: FitData,
        losses: Any = None,
        *,
        subset: str | None = None,
        by_class: bool = False,
    ) -> Scored:
        """Compute losses and metrics in one pass over the rows.

        Parameters
        ----------
        data : FitData
            Data with targets; with `subset`, as it was given to `fit`.
        losses : str, [Name, {params}], list of these or dict of str to these, optional
            Losses and metrics of the main output, or by the names of output layers; by default the losses of a
            validation that suit the targets.
        subset : "train", "valid" or "test", optional
            Score only these rows of the run.
        by_class : bool
            Whether the predictions of classes are kept, for a confusion matrix.

        Warns
        -----
        ArignoteWarning
            As in `NNClassifier.evaluate`.
        """
        targets, main = self.targets, self.targets.main
        # Steps of sequences are scored as rows.
        target, target_state = targets.of_main.of_step, targets.of_main.state_of_step(self.state.targets[main])
        has_classes = target.labels_per_row == "one"
        if by_class and not has_classes:
            raise ConfigError(f"a table by class needs one class per row; this network fits {target.named()}")
        architecture = self.network.architecture
        named = NamedLosses(targets, self.state.targets, architecture.n_outputs)
        named.add(losses)
        rows, y = self._with_targets(data, subset)
        kept: list[NDArray[np.int64]] = []
        scorer = Scorer(self.network, named.losses)
        # The same random streams as in `blocks`, for layers of a user that draw: scores are those of the predictions.
        with self._as_validated(), closing(in_order(self.network, rows, y, y_from_x=targets.from_input)) as batches:
            # Classes take less memory than their probabilities.
            keep = (lambda block: kept.append(block[main].argmax(axis=-1))) if by_class else None
            values = scorer(batches, seed=self.state.rng, purpose="predict", keep=keep)
        predicted = np.concatenate(kept) if kept else np.empty(0, np.int64)
        y = None if y is None else targets.values(y, main)
        if y is not None and targets.of_main is not target:
            counts = counted(y)
            y, predicted = y[counts], predicted[counts] if by_class else predicted
        classes = target.classes(target_state) if has_classes else np.empty(0)
        values = {name: values[name] for name in named.names}
        return Scored(values, classes, y if y is not None else np.empty(0), predicted)

    def _with_targets(self, data: FitData, subset: str | None) -> tuple[Rows, NDArray[Any] | None]:
        """Return the rows to score, prepared as the training rows were, and their encoded targets."""
        layers, n_in = self.network.architecture.layers, self.network.architecture.n_in
        if subset is None:
            whole = self.rows(data.x, data.y, data.csv)
            rows = present_rows(whole, self.targets)
            if whole.y is not None and whole.index is None:
                # The axes are those of the settings, or of the `Data`.
                axes = data.x.axes if isinstance(data.x, Data) else None
                same = replace(data, x=Data(whole.reader, whole.y, axes=axes), y=None)
                # An array of training rows alone is scored on purpose; a file may hold them by mistake.
                warn_if_all = isinstance(data.x, str | Path | Data)
                same = with_layers(same, layers, self.settings, n_in)
                warn_of_training_rows(self.state, rows, same, warn_if_all=warn_if_all)
        else:
            known = columns_of(self.state.data)
            x = columns_in_order(data.x, known, "X") if isinstance(known, tuple) else data.x
            csv = self._format(data.csv)
            data = with_layers(data, layers, self.settings, n_in)
            data = replace(data, x=x, csv=csv, groups=_opened(data.groups, csv))
            rows = self._as_trained(rows_of_subset(self.state, data, subset))
        if self.targets.from_input:
            return rows, None
        if rows.y is None:
            raise DataError("labels are needed: give X and y")
        return rows, self.targets.encode(rows.y, self.state.targets, subset or rows.labels_where)

    def _format(self, csv: Mapping[str, Any] | CSVFormat | None) -> Any:
        """Return the format of text tables: as given, or that which was given for the training data."""
        return self.state.data.get("csv") if csv is None else csv

    def _as_trained(self, rows: Rows) -> Rows:
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

    def _as_validated(self) -> AbstractContextManager[None]:
        """Compute in the setup of the run; restore the generators, if a layer of the user may draw from them."""
        setup = self.network.setup
        return _keeping_generators(setup) if self.network.is_custom else computing_in(setup)


@contextmanager
def _keeping_generators(setup: Setup) -> Iterator[None]:
    with computing_in(setup), preserve_generators(setup.device):
        yield


def _whole(blocks: Sequence[Predictions], names: Sequence[str]) -> Predictions:
    return {name: np.concatenate([block[name] for block in blocks]) for name in names}


def _opened(groups: Any, csv: Any) -> Any:
    """Return groups; if they are named as a column of a text table, its reader, which has the format of the run."""
    if isinstance(groups, str | os.PathLike) and csv and is_text_source(os.fspath(groups)):
        return get_reader(groups, labels=True, csv=csv)
    return groups
