"""NNEstimator: what a classifier has in common with any other estimator of a network. It holds no algorithm."""

from __future__ import annotations

import inspect
from abc import ABCMeta
from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from arignote.checkpoints.state import TrainingState
from arignote.data.fit_data import FitData, are_row_numbers
from arignote.engine.network import Network, copy_into
from arignote.errors import ConfigError, DataError, Interrupted, warn
from arignote.estimators.calls import checked_call
from arignote.estimators.scoring import Predictor
from arignote.fit.load import read_run, restore
from arignote.fit.start import FitResult, fit_network
from arignote.layers.architecture import Architecture, declare
from arignote.layers.base import Layer
from arignote.layers.layer_list import parse
from arignote.layers.output import OutputLayer
from arignote.registry import part_name
from arignote.spec.parameter_docs import fit_parameter_names, fit_parameters
from arignote.spec.settings import FitSettings, checked_settings

__all__ = ["NNEstimator", "alone", "document_settings"]

T = TypeVar("T")

# Entries of the docstrings of estimators.
_CONSTRUCTOR = """
    layers : list of [Layer, {params}], or str
        The network, or the path of a YAML or JSON file that holds it.
    name : str, optional
        Name of the run.
    rng, random_state : int, optional
        Seed; if both are None, one is drawn. The value of `random_state` is used if both are given.
    n_in : int or tuple of int, or dict of these, optional
        Shape of an example, of several inputs by channel; by default that of the data.
    stored_network : str, optional
        Checkpoint from which layers with `load_params` take their parameters.
    layer_defaults : dict, optional
        Parameters for every layer that has them and does not set them.
    warm_start : bool, default False
        Whether `fit` resumes the last fit, up to `n_epochs` in all.
    valid, test : float, optional
        Fractions of all rows held out.
    """
_FITTED = """
    history_ : list of dict
        One record per validation.
    network_ : torch.nn.Module
        The best network; the last one with ``restore_best=False``.
    state_ : TrainingState
        The last state.
    status_ : str
        How the last fit started: "starts", or where the run was resumed, or that it had finished.
    n_epochs_ : int
        Number of complete epochs.
    best_ : dict or None
        Keys `value`, `epoch` and `examples_seen` of the best validation.
    n_features_in_ : int
        Number of values in an example.
    feature_names_in_ : array (n_features_in_,) of str
        Names of the columns; defined only if X was a DataFrame.
    checkpoint_ : str or None
        Stem of the files of the run.
    interrupted_ : bool
        Whether the last fit was stopped, for example by Ctrl-C, before its last epoch.
    """


def document_settings(documented: T) -> T:
    """Put entries that estimators share in the place of ``{constructor}``, ``{settings}`` and so on in a docstring."""
    text = inspect.cleandoc(documented.__doc__ or "")
    for key, entries in (
        ("{constructor}", inspect.cleandoc(_CONSTRUCTOR)),
        ("{settings}", fit_parameters()),
        ("{names of settings}", fit_parameter_names()),
        ("{fitted}", inspect.cleandoc(_FITTED)),
    ):
        text = text.replace(key, entries)
    documented.__doc__ = f"{text}\n"
    return documented


def alone(by_output: dict[str, Any]) -> Any:
    """Return the value of the only output; of several the mapping."""
    return next(iter(by_output.values())) if len(by_output) == 1 else by_output


def _with_settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function that ends in ``**settings`` the signature with every setting written out."""
    signature = inspect.signature(function)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    fields = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=field.default)
        for name, field in FitSettings.model_fields.items()
    ]
    function.__signature__ = signature.replace(parameters=[*own, *fields])  # type: ignore[attr-defined]
    return function


class _PublicDir(ABCMeta):
    """Metaclass of estimators that lists public names only in `dir` and `help`.

    The methods by which scikit-learn routes metadata (`set_fit_request` and so on, 40 arguments each) exist, but would
    take two screens of `help`. Derived from ABCMeta, so that an estimator may have an abstract base too.
    """

    def __dir__(cls) -> list[str]:
        return [n for n in super().__dir__() if n == "__init__" or not (n.startswith("__") or n.endswith("_request"))]


class NNEstimator(BaseEstimator, metaclass=_PublicDir):  # type: ignore[misc]
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
        for key, field in FitSettings.model_fields.items():
            setattr(self, key, settings.pop(key, field.default))
        # What is left has unknown names, which are reported.
        if settings:
            checked_settings(settings)

    __init__ = checked_call("config", "above", settings=FitSettings.model_fields)(_with_settings(__init__))

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
        X : array (rows, ...), DataFrame, Reader, str, dict of these, (X, y), Data or dataset
            Features; a string names a source, such as "file.h5:/images".
        y : array (rows, ...), Reader or str, optional
            Labels of any kind, or numbers, as the output layer fits them.
        valid, test : float, array of int, (X, y) or Data, optional
            Fractions of all rows, or row numbers, held out; or data of their own.
        sample_weight : array (rows,) or str, optional
            How much each row counts in the training loss; a string names a source, such as "file.csv:weight".
        groups : array (rows,) or str, optional
            Group of each row; rows of a group stay together if fractions are held out.
        {names of settings}

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
        Settings are documented at the class. One that is given to `fit` takes precedence, for this fit.

        At Ctrl-C `fit` saves the state and returns with a warning and `interrupted_` set, as `MLPClassifier` of
        scikit-learn does; fitting again resumes. A loop over fits must check `interrupted_`, or the next fit
        starts. A second Ctrl-C raises KeyboardInterrupt at once, and so does the first inside a search or an
        ensemble of scikit-learn.
        """
        checked, layers = self._fit_settings(settings), self._layers()
        self._check_target(layers)
        valid, test = self.valid if valid is None else valid, self.test if test is None else test
        result = fit_network(
            layers,
            FitData(X, y, valid, test, sample_weight, groups, n_in=self._n_in()),
            checked,
            name=self.name,
            seed=self._seed(),
            in_memory=self._state_to_resume(checked),
            stored_network=None if self.stored_network is None else str(self.stored_network),
        )
        self._set_fitted(result.state, result.network)
        parts = {"valid": valid, "test": test}
        self._row_numbers = {name: part for name, part in parts.items() if are_row_numbers(part)}
        self.status_, self.checkpoint_ = result.status, result.checkpoint
        self._warn_of_the_end(result)
        return self

    fit = checked_call("arguments", "fit", settings=FitSettings.model_fields)(document_settings(_with_settings(fit)))

    def _fit_settings(self, given: Mapping[str, Any]) -> FitSettings:
        """Return the settings of a fit: as it is given them, else as the constructor was, else their defaults."""
        fields = FitSettings.model_fields
        own = {key: getattr(self, key) for key in fields}
        return checked_settings({k: v for k, v in own.items() if v != fields[k].default} | dict(given))

    def _check_target(self, layers: Sequence[Layer]) -> None:
        """Raise ConfigError if the output layer fits a target that another estimator is for."""
        outputs = [layer for layer in layers if isinstance(layer, OutputLayer)]
        output = next((layer for layer in outputs if not layer.auxiliary), outputs[0])
        kind = output.target_spec[0]
        if kind not in self._targets:
            others = (cls for cls in NNEstimator.__subclasses__() if kind in cls._targets)
            other = "".join(f": use {cls.__name__}" for cls in others)
            raise ConfigError(
                f"{type(self).__name__} needs an output layer such as {self._output}; {part_name(output)} "
                f"{output.name!r} fits {kind}{other}"
            )

    def _warn_of_the_end(self, result: FitResult) -> None:
        """Warn if the fit did nothing, or was stopped; raise Interrupted if a signal or a notice stopped it."""
        if self.warm_start and result.status.startswith("finished"):
            warn(
                f"warm_start: there is nothing left to train, {result.state.position}. Raise n_epochs, which counts "
                'all epochs, or start over with resume="fresh"'
            )
        try:
            result.raise_if_stopped()
        except Interrupted as interrupted:
            # An uncaught SystemExit ends the process without a message.
            if interrupted.lost:
                warn(str(interrupted))
            raise
        if self.interrupted_:
            warn(
                f"Ctrl-C: fit returns with interrupted_ set, {self.state_.position}; fitting again resumes the run. "
                "The script continues: a loop over fits must check interrupted_"
            )

    def _layers(self) -> list[Layer]:
        """Return the declared layers, built."""
        if isinstance(self.layers, str | Path):
            # A list of layers needs no reader of YAML.
            from arignote.spec.config import layers_of

            return layers_of(Path(self.layers), self.layer_defaults)
        return parse(self.layers, self.layer_defaults)

    def _n_in(self) -> Any:
        """Return the shape of an example, of several inputs by channel; None if it is that of the data."""
        if isinstance(self.n_in, Mapping):
            return {channel: tuple(int(n) for n in np.ravel(shape)) for channel, shape in self.n_in.items()}
        return None if self.n_in is None else tuple(int(n) for n in np.ravel(self.n_in))

    def _seed(self) -> int | None:
        """Return the seed of the run; None if one is to be drawn. From a generator, its next number."""
        seed = self.random_state if self.random_state is not None else self.rng
        if seed is None or isinstance(seed, int | np.integer):
            return None if seed is None else int(seed)
        if isinstance(seed, np.random.RandomState):
            return int(seed.randint(2**31))
        if isinstance(seed, np.random.Generator):
            return int(seed.integers(2**31))
        raise ConfigError(f"rng must be an integer or None; got {seed!r}")

    def _state_to_resume(self, settings: FitSettings) -> TrainingState | None:
        """Return the state in memory that `fit` resumes: of an interrupted, loaded, unpickled or warm-started fit."""
        state: TrainingState | None = getattr(self, "state_", None)
        if state is None or settings.resume == "fresh":
            return None
        is_loaded = getattr(self, "loaded_", False)
        return state if self.warm_start or self.interrupted_ or not state.finished or is_loaded else None

    def _set_fitted(self, state: TrainingState, network: Network) -> None:
        """Set the fitted attributes."""
        self.state_, self.network_ = state, network
        self.history_ = state.history.records()
        self.n_epochs_ = state.progress.epoch
        best = state.best
        self.best_ = (
            None if best is None else {"value": best.value, "epoch": best.epoch, "examples_seen": best.examples_seen}
        )
        self.n_features_in_ = sum(prod(place.input_shape) for place in network.architecture.inputs)
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
        return Predictor(self.state_, self.network_, self.allow_nonfinite, name)

    def _data_of(self, X: Any, y: Any, groups: Any) -> FitData:
        """Return data to score, with `valid` and `test` of the constructor or the row numbers given to `fit`."""
        held_out = {"valid": self.valid, "test": self.test} | getattr(self, "_row_numbers", {})
        return X if isinstance(X, FitData) else FitData(X, y, **held_out, groups=groups)

    def _predict(self, X: Any) -> Any:
        """Return predictions in the form of the `y` that was given to `fit`."""
        predictor = self._predictor()
        return alone(predictor.decoded(predictor.predictions(predictor.rows(X))))

    def _of_main(self, y: Any, predicted: Any) -> tuple[Any, Any]:
        """Return true and predicted values of the main output."""
        main = self._predictor().targets.main
        if isinstance(y, Mapping) and main not in y:
            raise DataError(f"y must have the values of {main!r}, the main output; got {', '.join(map(repr, y))}")
        return tuple(one[main] if isinstance(one, Mapping) else one for one in (y, predicted))

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
        losses : str, [Name, {params}] or list of these, optional
            Losses, such as "nll" and "error" of classes, "rmse" and "r2" of numbers; by default those of a validation.
            Metrics, which are for `evaluate` alone: "accuracy"; "top_5", how often the true class is among the five
            most probable; scorers of scikit-learn, such as "balanced_accuracy", "neg_median_absolute_error".
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

    @property
    def n_params(self) -> int:
        """Number of values in all parameters."""
        return self._architecture().n_params

    @property
    def params(self) -> dict[str, NDArray[Any]]:
        """A copy of every parameter of the fitted network, by name."""
        return dict(self.network_.arrays())

    def _architecture(self) -> Architecture:
        if hasattr(self, "network_"):
            architecture: Architecture = self.network_.architecture
            return architecture
        return declare(self._layers(), self._n_in())

    @checked_call("arguments")
    def get_layer(self, name: str) -> Layer:
        """Return the declared layer of a name.

        Parameters
        ----------
        name : str
            Name of the layer, as it was given or as `summary` shows it.

        Returns
        -------
        Layer
            The layer.

        Raises
        ------
        ConfigError
            If there is no such layer.
        """
        layers = self._layers()
        for layer in layers:
            if layer.name == name:
                return layer
        raise ConfigError(f"there is no layer {name!r}; layers: {', '.join(str(layer.name) for layer in layers)}")

    def summary(self) -> str:
        """Return the table of layers: name, type, output shape, parameters, totals.

        Returns
        -------
        str
            The table, in lines of plain text.
        """
        from arignote.report.tables import layer_table

        return layer_table(self._architecture())

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
        arrays = inp.params if isinstance(inp, NNEstimator) else read_run(str(inp))[0].network
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
        state, network, settings = restore(run, which, layers, trust)
        own = state.spec["layers"] if layers is None else layers
        estimator = cls(own, name=state.spec["name"], rng=state.rng, **settings)
        estimator._check_target(network.architecture.layers)
        estimator._set_fitted(state, network)
        estimator.loaded_ = True
        return estimator
