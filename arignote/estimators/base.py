"""NNEstimator: what a classifier has in common with any other estimator of a network. It holds no algorithm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from arignote.errors import ConfigError
from arignote.estimators.calls import checked_call
from arignote.estimators.columns import warn_of_column
from arignote.estimators.documentation import PublicDir, with_settings
from arignote.estimators.fitted import FittedNetwork
from arignote.estimators.nested_params import NestedParams

if TYPE_CHECKING:
    from arignote.checkpoints.state import TrainingState
    from arignote.layers.base import Layer
    from arignote.layers.output import OutputLayer
    from arignote.spec.settings import FitSettings

__all__ = ["NNEstimator"]


class NNEstimator(FittedNetwork, NestedParams, metaclass=PublicDir):
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
        # By the tags `check_estimator` of scikit-learn chooses what it tests.
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
        from arignote.data.prepare.fit_data import FitData, chooses_rows
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
        held_out = {"valid": valid, "test": test}
        # No file holds these, and `evaluate(X, y, part="valid")` needs them to find the same rows.
        self._chosen_rows = {name: rows for name, rows in held_out.items() if chooses_rows(rows)}
        self.status_, self.checkpoint_ = result.status, result.checkpoint
        report_ending(result, self.warm_start)
        return self

    def _checked_output(self, layers: Sequence[Layer]) -> OutputLayer:
        """Return the output layer that predicts; ConfigError if it fits a target that another estimator is for."""
        from arignote.layers.output import OutputLayer
        from arignote.registry import part_name

        outputs = [layer for layer in layers if isinstance(layer, OutputLayer)]
        # If all are auxiliary, the fit reports it.
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
        from arignote.fit.stored.load import restore

        state, network, settings = restore(run, which, layers, trust)
        declared = state.spec["layers"] if layers is None else layers
        estimator = cls(declared, name=state.spec["name"], rng=state.rng, **settings)
        estimator._checked_output(network.architecture.layers)
        estimator._set_fitted(state, network)
        estimator.loaded_ = True
        return estimator
