"""A network that was trained, as an estimator has it: its attributes, predictions, scores and parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.exceptions import NotFittedError

from arignote.errors import ConfigError, DataError
from arignote.estimators.calls import checked_call
from arignote.estimators.history import Records
from arignote.estimators.notebook import NotebookView

if TYPE_CHECKING:
    from arignote.checkpoints.state import TrainingState
    from arignote.data.prepare.fit_data import FitData
    from arignote.engine.network import Network
    from arignote.estimators.predictor import Predictor

__all__ = ["FittedNetwork", "alone"]


def alone(by_output: dict[str, Any]) -> Any:
    """Return the value of the only output; of several the mapping."""
    return next(iter(by_output.values())) if len(by_output) == 1 else by_output


class FittedNetwork(NotebookView):
    """Base class of estimators: what they do with a network that `fit` or `load` has given them."""

    valid: Any
    test: Any
    allow_nonfinite: bool

    def _set_fitted(self, state: TrainingState, network: Network) -> None:
        """Set the fitted attributes."""
        from arignote.estimators.predictor import Predictor

        self.state_, self.network_ = state, network
        # Kept, as looking up the settings and targets of the run takes longer than predicting one row.
        self._kept = Predictor(state, network, self.allow_nonfinite, type(self).__name__)
        self.history_ = Records(state.history.records())
        self.n_epochs_ = state.progress.epoch
        best = state.best
        self.best_ = (
            None if best is None else {"value": best.value, "epoch": best.epoch, "examples_seen": best.examples_seen}
        )
        # Of a table that is encoded, its own columns.
        table, n_inputs = state.preprocess.get("text"), sum(prod(p.input_shape) for p in network.architecture.inputs)
        self.n_features_in_ = n_inputs if table is None else len(table)
        self.interrupted_ = state.progress.interrupted
        # As in scikit-learn: defined only if the columns had names.
        names = state.data.get("feature_names")
        if isinstance(names, list):
            self.feature_names_in_ = np.array(names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def _predictor(self) -> Predictor:
        name = type(self).__name__
        if not hasattr(self, "network_"):
            raise NotFittedError(f"This {name} is not fitted yet: call fit first, or {name}.load(RUN)")
        kept: Predictor | None = getattr(self, "_kept", None)
        asked = self.state_, self.network_, self.allow_nonfinite
        if kept is None or not kept.is_of(*asked):
            from arignote.estimators.predictor import Predictor

            kept = self._kept = Predictor(*asked, name)
        return kept

    def _data_of(self, X: Any, y: Any, groups: Any) -> FitData:
        """Return data to score, with `valid` and `test` of the constructor or what was given to `fit`."""
        from arignote.data.prepare.fit_data import FitData

        held_out = {"valid": self.valid, "test": self.test} | getattr(self, "_chosen_rows", {})
        return X if isinstance(X, FitData) else FitData(X, y, **held_out, groups=groups)

    def _predict(self, X: Any) -> Any:
        """Return predictions in the form of the `y` that was given to `fit`."""
        predictor = self._predictor()
        rows = predictor.rows(X)
        return alone(predictor.by_row(rows, predictor.decoded(rows)))

    def _score_of_steps(self, X: Any, y: Any, sample_weight: Any, name: str) -> float:
        """Return a metric over the steps of sequences, which have no weights."""
        from arignote.optim.losses import Score
        from arignote.spec.metrics import score_of_rows

        if sample_weight is not None:
            raise DataError("sample_weight is for one value per row; this network has one for each step")
        predictor = self._predictor()
        rows, targets = predictor.rows(X, y), predictor.targets
        if rows.y is None:
            raise DataError("labels are needed: give X and y")
        encoded = targets.values(targets.encode(rows.y, self.state_.targets, "X"), targets.main)
        predictions, target_state = predictor.predictions(rows)[targets.main], self.state_.targets[targets.main]
        return score_of_rows(Score(metric=name), targets.of_main, target_state, predictions, encoded)

    def _of_main(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
        """Return true and predicted values of the main output, and weights; of windows those of their last steps."""
        from arignote.data.prepare.groups_and_weights import weights_of

        predictor = self._predictor()
        main, windows = predictor.targets.main, predictor.settings.windows
        if isinstance(y, Mapping) and main not in y:
            raise DataError(f"y must have the values of {main!r}, the main output; got {', '.join(map(repr, y))}")
        rows = predictor.rows(X) if windows is None else predictor.rows(X, y)
        predicted = predictor.decoded(rows)[main]
        if windows is None:
            return y[main] if isinstance(y, Mapping) else y, predicted, sample_weight
        weights = None if sample_weight is None else weights_of(sample_weight, len(rows), windows)
        return predictor.targets.values(rows.y, main), predicted, weights

    @checked_call("arguments", "inference")
    def evaluate(
        self,
        X: Any,
        y: Any = None,
        losses: Any = None,
        *,
        part: str | None = None,
        groups: Any = None,
    ) -> dict[str, float]:
        """Return losses and metrics by name.

        Parameters
        ----------
        X, y : array (rows, ...), array (rows, ...)
            Data with targets; with `part`, the data that was given to `fit` (X may be a `FitData` too).
        losses : str, [Name, {params}], list of these, or dict of str to these, optional
            Losses, such as "nll" and "error" of classes, "rmse" and "r2" of numbers; by default those of a validation.
            Metrics, as in `valid_loss`: "accuracy"; "top_5", how often the true class is among five; scorers of
            scikit-learn, such as "f1_macro". They are of the main output, ``{"ink": ["mae"]}`` of another.
        part : "train", "valid" or "test", optional
            Score only the rows that the run trained on or held out. They are found again by the code of `fit` and
            compared with the fingerprint in the state; other data is refused. Row numbers (``valid=[3, 5]``) are not in
            the files of a run: after `load` give them again, ``set_params(valid=[3, 5])``.
        groups : array (rows,) or str, optional
            Groups as they were given to `fit`; needed if rows of a group stayed together.

        Returns
        -------
        dict of str to float
            Value of each loss and metric.

        Warns
        -----
        ArignoteWarning
            If, without `part`, training rows are among the rows: in a file, or in an array with held-out ones.
        """
        from arignote.estimators.scoring import score

        return score(self._predictor(), self._data_of(X, y, groups), losses, subset=part).values

    @checked_call("arguments")
    def export(self, path: Any) -> None:
        """Write the network as a file for programs without Arignote; see docs/export.md.

        Parameters
        ----------
        path : str or Path
            Its ending says the format. ".onnx" and ".pt2" (which `torch.export.load` reads) hold preprocessing, network
            and predictions, for any number of rows; ".safetensors" parameters by name, such as "fc1.W".

        Raises
        ------
        ConfigError
            If the file cannot be written, or a layer or a step of preprocessing cannot be exported; the message names
            them, and nothing is written.
        """
        from arignote.estimators.export import export_predictor

        export_predictor(self._predictor(), Path(path))

    def to_torch(self) -> Any:
        """Return the network as a `torch.nn.Sequential` of modules of torch.nn, in evaluation mode.

        Returns
        -------
        torch.nn.Sequential
            Modules by the names of the layers, with a copy of the parameters; a process without Arignote loads what
            `torch.save` writes of it. It takes preprocessed rows, float32 (rows, ...), and returns what the output
            layer does: logits (rows, n_classes) of classes and labels, numbers in units of their spread.

        Raises
        ------
        ConfigError
            If the network is no chain, or if torch.nn has no module for a layer; the message names all of these.
        """
        from arignote.engine.standard_modules import standard_modules

        return standard_modules(self._predictor().network)

    @checked_call("arguments")
    def set_trainable_params(self, inp: Any, layers: Sequence[str] | None = None) -> None:
        """Copy parameters of another fitted estimator, or of a checkpoint, into the fitted network.

        Parameters
        ----------
        inp : NNEstimator or str
            The other estimator; a string is the stem or a file of a run.
        layers : sequence of str, optional
            Names of the layers; by default all.

        Raises
        ------
        ConfigError
            If the network has no layer of such a name with parameters.
        CheckpointError
            If the parameters do not fit the network, or the run cannot be read.
        """
        from arignote.engine.checked_copy import copy_into
        from arignote.fit.stored.load import read_run

        arrays = inp.params if isinstance(inp, FittedNetwork) else read_run(str(inp))[0].predicting
        known = {name.split(".")[0] for name in self.network_.named}
        chosen = known if layers is None else set([layers] if isinstance(layers, str) else layers)
        if unknown := sorted(chosen - known):
            raise ConfigError(f"there is no layer with parameters {unknown[0]!r}; known: {sorted(known)}")
        chosen_params = {name: tensor for name, tensor in self.network_.named.items() if name.split(".")[0] in chosen}
        copy_into(chosen_params, {name: array for name, array in arrays.items() if name.split(".")[0] in chosen}, "inp")
