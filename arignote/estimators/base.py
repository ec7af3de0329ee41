"""NNEstimator: what a classifier has in common with any other estimator of a network. It holds no algorithm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.exceptions import NotFittedError

from arignote.errors import ConfigError, DataError
from arignote.estimators.calls import checked_call
from arignote.estimators.columns import warn_of_column
from arignote.estimators.documentation import PublicDir, with_settings
from arignote.estimators.history import Records
from arignote.estimators.nested_params import NestedParams
from arignote.estimators.notebook import NotebookView

if TYPE_CHECKING:
    from arignote.checkpoints.state import TrainingState
    from arignote.data.fit_data import FitData
    from arignote.engine.network import Network
    from arignote.estimators.scoring import Predictor
    from arignote.layers.base import Layer
    from arignote.layers.output import OutputLayer
    from arignote.spec.settings import FitSettings

__all__ = ["NNEstimator", "alone"]


def alone(by_output: dict[str, Any]) -> Any:
    """Return the value of the only output; of several the mapping."""
    return next(iter(by_output.values())) if len(by_output) == 1 else by_output


class NNEstimator(NotebookView, NestedParams, metaclass=PublicDir):
    """Base class of estimators: a network, declared as a list of layers, that is trained, stored and loaded.

    A subclass says which targets it fits, and documents the parameters of the constructor, which are the same for all.
    """

    # Names of the targets of its output layers, and an output layer for messages.
    _targets: ClassVar[tuple[str, ...]]
    _output: ClassVar[str]

    def __init__(
        self,
        layers: Any,
        *,
        name: str | None = None,
        rng: Any = None,
        random_state: Any = None,
        n_in: Any = None,
        stored_network: Any = None,
        layer_defaults: dict[str, Any] | None = None,
        warm_start: bool = False,
        valid: Any = None,
        test: Any = None,
        **settings: Any,
    ):
        self.layers = layers
        self.name = name
        self.rng, self.random_state = rng, random_state
        self.n_in, self.stored_network, self.layer_defaults = n_in, stored_network, layer_defaults
        self.warm_start, self.valid, self.test = warm_start, valid, test
        from arignote.estimators.constructor import set_settings

        set_settings(self, settings)

    __init__ = with_settings(checked_call("config", "above", takes_settings=True)(__init__))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self.allow_nonfinite
        return tags

    @checked_call("arguments", "fit", takes_settings=True)
    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        valid: Any = None,
        test: Any = None,
        sample_weight: Any = None,
        groups: Any = None,
        **settings: Any,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array (rows, ...), sparse matrix, DataFrame, Reader, str, dict of these, (X, y), Data or dataset
            Features; a string names a source, such as "file.h5:/images". Of a sparse matrix, the rows of a batch are
            made dense, never all.
        y : array (rows, ...), Reader or str, optional
            Labels of any kind, or numbers, as the output layer fits them.
        valid, test : float, array of int, (X, y) or Data, optional
            Fractions of all rows, or row numbers, held out; or data of their own. `valid` may be a splitter of
            scikit-learn, such as ``StratifiedKFold(5)``, whose first split is used.
        sample_weight : array (rows,) or str, optional
            How much each row counts in the training loss; a string names a source, such as "file.csv:weight". With
            ``windows``, `sample_weight` and `groups` have a value for each step, as `y`; that of the last step counts.
        groups : array (rows,) or str, optional
            Group of each row; rows of a group stay together if fractions are held out.
        **settings : object
            Any setting of the class, such as `n_epochs`: it takes precedence, for this fit.

        Returns
        -------
        Self
            The fitted estimator.

        Raises
        ------
        ConfigError, DataError, CheckpointError
            If the settings, the data or the checkpoint cannot be used; nothing is trained or written.
        NotFiniteError
            If the loss becomes NaN; the last good checkpoint is kept.
        Interrupted
            If SIGTERM, SIGUSR1 or a notice of preemption stops the fit; with a checkpoint, the state is saved.

        Warns
        -----
        ArignoteWarning
            If Ctrl-C stops the fit, if nothing is left to train, or if a setting has another effect than expected.

        Notes
        -----
        At Ctrl-C `fit` saves the state and returns with a warning and `interrupted_` set, as `MLPClassifier` of
        scikit-learn does; fitting again resumes. A loop over fits must check `interrupted_`, or the next fit
        starts. A second Ctrl-C raises KeyboardInterrupt at once, and so does the first inside a search or an
        ensemble of scikit-learn.
        """
        from arignote.data.fit_data import FitData, chooses_rows
        from arignote.estimators.constructor import seed_of, settings_of, shape_of
        from arignote.estimators.endings import report_ending
        from arignote.fit.start import fit_network

        checked, layers = settings_of(self, settings), self._layers()
        warn_of_column(y, self._checked_output(layers))
        valid, test = self.valid if valid is None else valid, self.test if test is None else test
        result = fit_network(
            layers,
            FitData(X, y, valid, test, sample_weight, groups, n_in=shape_of(self.n_in)),
            checked,
            name=self.name,
            seed=seed_of(self.rng if self.random_state is None else self.random_state),
            in_memory=self._state_to_resume(checked),
            stored_network=None if self.stored_network is None else str(self.stored_network),
            is_warm=self.warm_start,
        )
        self._set_fitted(result.state, result.network)
        parts = {"valid": valid, "test": test}
        self._chosen_rows = {name: part for name, part in parts.items() if chooses_rows(part)}
        self.status_, self.checkpoint_ = result.status, result.checkpoint
        report_ending(result, self.warm_start)
        return self

    def _checked_output(self, layers: Sequence[Layer]) -> OutputLayer:
        """Return the output layer that predicts; ConfigError if it fits a target that another estimator is for."""
        from arignote.layers.output import OutputLayer
        from arignote.registry import part_name

        outputs = [layer for layer in layers if isinstance(layer, OutputLayer)]
        output = next((layer for layer in outputs if not layer.auxiliary), outputs[0])
        kind = output.fits
        if kind not in self._targets:
            others = (cls for cls in NNEstimator.__subclasses__() if kind in cls._targets)
            other = "".join(f": use {cls.__name__}" for cls in others)
            raise ConfigError(
                f"{type(self).__name__} needs an output layer such as {self._output}; {part_name(output)} "
                f"{output.name!r} fits {kind}{other}"
            )
        return output

    def _layers(self) -> list[Layer]:
        from arignote.estimators.constructor import built_layers

        return built_layers(self.layers, self.layer_defaults)

    def _state_to_resume(self, settings: FitSettings) -> TrainingState | None:
        """Return the state in memory that `fit` resumes: of an interrupted, loaded, unpickled or warm-started fit."""
        state: TrainingState | None = getattr(self, "state_", None)
        if state is None or settings.resume == "fresh":
            return None
        is_loaded = getattr(self, "loaded_", False)
        return state if self.warm_start or self.interrupted_ or not state.finished or is_loaded else None

    def _set_fitted(self, state: TrainingState, network: Network) -> None:
        """Set the fitted attributes."""
        from arignote.estimators.scoring import Predictor

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
        from arignote.estimators.scoring import Predictor

        name = type(self).__name__
        if not hasattr(self, "network_"):
            raise NotFittedError(f"This {name} is not fitted yet: call fit first, or {name}.load(RUN)")
        kept: Predictor | None = getattr(self, "_kept", None)
        asked = self.state_, self.network_, self.allow_nonfinite
        return kept if kept is not None and kept.is_of(*asked) else Predictor(*asked, name)

    def _data_of(self, X: Any, y: Any, groups: Any) -> FitData:
        """Return data to score, with `valid` and `test` of the constructor or what was given to `fit`."""
        from arignote.data.fit_data import FitData

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
        predictions, memory = predictor.predictions(rows)[targets.main], self.state_.targets[targets.main]
        return score_of_rows(Score(metric=name), targets.of_main, memory, predictions, encoded)

    def _of_main(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
        """Return true and predicted values of the main output, and weights; of windows those of their last steps."""
        from arignote.data.groups_and_weights import weights_of

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
        return self._predictor().score(self._data_of(X, y, groups), losses, part=part).values

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
        from arignote.engine.network import copy_into
        from arignote.fit.load import read_run

        arrays = inp.params if isinstance(inp, NNEstimator) else read_run(str(inp))[0].predicting
        known = {name.split(".")[0] for name in self.network_.named}
        chosen = known if layers is None else set([layers] if isinstance(layers, str) else layers)
        if unknown := sorted(chosen - known):
            raise ConfigError(f"there is no layer with parameters {unknown[0]!r}; known: {sorted(known)}")
        own = {name: tensor for name, tensor in self.network_.named.items() if name.split(".")[0] in chosen}
        copy_into(own, {name: array for name, array in arrays.items() if name.split(".")[0] in chosen}, "inp")

    @classmethod
    @checked_call("arguments", "inference")
    def load(cls, run: str, which: str | None = None, layers: Any = None, trust: Sequence[str] = ()) -> Self:
        """Return the estimator of a run: ready to predict, or to resume training with ``fit(data)``.

        Parameters
        ----------
        run : str
            Stem of the run, or one of its files.
        which : "best", "last" or number of an epoch, optional
            Which checkpoint is loaded; by default the best network, with the last state.
        layers : list, optional
            The layers once more, if the network has functions of your own, which no file can hold.
        trust : sequence of str
            Modules of your own parts that may be imported because the file names them.

        Returns
        -------
        Self
            A fitted estimator.

        Raises
        ------
        CheckpointError
            If there is no such run, or if its file cannot be used.

        Notes
        -----
        No code from the file is run, and only the modules of `trust` are imported.
        """
        from arignote.fit.load import restore

        state, network, settings = restore(run, which, layers, trust)
        own = state.spec["layers"] if layers is None else layers
        estimator = cls(own, name=state.spec["name"], rng=state.rng, **settings)
        estimator._checked_output(network.architecture.layers)
        estimator._set_fitted(state, network)
        estimator.loaded_ = True
        return estimator
