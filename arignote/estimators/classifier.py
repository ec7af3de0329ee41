"""NNClassifier: the scikit-learn face. It wires the parts and holds no algorithm."""

from __future__ import annotations

import inspect
from abc import ABCMeta
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError

from arignote.checkpoints.state import TrainingState
from arignote.data.fit_data import FitData, are_row_numbers
from arignote.engine.network import Network, copy_into
from arignote.errors import ConfigError, Interrupted, warn
from arignote.estimators.calls import checked_call
from arignote.estimators.scoring import Predictor
from arignote.fit.load import read_run, restore
from arignote.fit.start import fit_network
from arignote.layers.architecture import Architecture, declare, parse
from arignote.layers.base import Layer
from arignote.report.scores import Mistake
from arignote.spec.settings import FitSettings, checked_settings, fit_parameters

__all__ = ["NNClassifier"]


def _takes_settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function that ends in ``**settings`` the signature with every setting written out."""
    signature = inspect.signature(function)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    fields = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=field.default)
        for name, field in FitSettings.model_fields.items()
    ]
    function.__signature__ = signature.replace(parameters=[*own, *fields])  # type: ignore[attr-defined]
    function.__doc__ = inspect.cleandoc(function.__doc__ or "").replace("{settings}", fit_parameters(indent=""))
    return function


class _Listed(ABCMeta):
    """Metaclass of estimators that lists, in `dir` and `help`, what a user calls.

    The methods by which scikit-learn routes metadata (`set_fit_request` and so on, 40 arguments each) are there, but
    take two screens of `help`. Derived from ABCMeta, so that an estimator may have an abstract base too.
    """

    def __dir__(cls) -> list[str]:
        return [n for n in super().__dir__() if n == "__init__" or not (n.startswith("__") or n.endswith("_request"))]


class NNClassifier(ClassifierMixin, BaseEstimator, metaclass=_Listed):  # type: ignore[misc]
    """A neural network classifier, declared as a list of layers.

    Parameters
    ----------
    layers : list of [Layer, {params}], or str
        The network, or the path of a YAML or JSON file that holds it.
    name : str, optional
        Name of the run.
    rng, random_state : int, optional
        Seed; None draws one. `random_state` wins.
    n_in : int or tuple of int, optional
        Shape of an example, where the data shall not decide it.
    stored_network : str, optional
        Checkpoint from which layers with `load_params` take their parameters.
    layer_defaults : dict, optional
        Parameters for every layer that has them and does not set them.
    warm_start : bool
        Whether `fit` goes on from the last one, up to `n_epochs` in all.
    valid, test : float, optional
        Fractions of all rows held out.
    **settings
        Every setting of `fit`, see there.

    Attributes
    ----------
    classes_ : array (n_classes,)
    history_ : list of dict
        One record per validation.
    network_ : torch.nn.Module
        The best network.
    state_ : TrainingState
        The last state.
    n_epochs_ : int
        Complete epochs.
    best_ : dict or None
        Value, epoch and examples_seen of the best validation.
    n_features_in_ : int
    feature_names_in_ : array (n_features_in_,) of str
        The names of the columns, where X was a DataFrame.
    checkpoint_ : str or None
        Stem of the files of the run.
    interrupted_ : bool
        Whether the last fit was stopped, by Ctrl-C for one, before its last epoch.

    Examples
    --------
    >>> from arignote.sample_data import digits
    >>> X, y = digits()
    >>> layers = [["FCLayer", {"n_units": 16, "activation": "relu"}], ["ClassificationOutputLayer"]]
    >>> NNClassifier(layers, rng=42, n_epochs=2).fit(X, y).predict(X[:2]).shape
    (2,)
    """

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
        if settings:
            checked_settings(settings)

    __init__ = checked_call("config", "above", name="NNClassifier", settings=FitSettings.model_fields)(
        _takes_settings(__init__)
    )

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
        y : array (rows,), Reader or str, optional
            Labels of any kind.
        valid, test : float, array of int, (X, y) or Data, optional
            Fractions of all rows, or row numbers, held out; or data of their own.
        sample_weight : array (rows,) or str, optional
            How much each row counts in the training loss; a string names a source, such as "file.csv:weight".
        groups : array (rows,) or str, optional
            Rows of a group stay together where fractions are held out.
        {settings}

        Returns
        -------
        NNClassifier
            Itself.

        Raises
        ------
        ConfigError, DataError, CheckpointError
            Before anything is trained or written.
        NotFiniteError
            Where the loss became NaN; the last good checkpoint is kept.
        Interrupted
            Where SIGTERM, SIGUSR1 or a notice of preemption stopped it; with a checkpoint, all is saved.

        Notes
        -----
        At Ctrl-C `fit` saves the state and returns with a warning and `interrupted_` set, as `MLPClassifier` of
        scikit-learn does; fitting again resumes. A loop over fits must check `interrupted_`, or the next fit
        starts. A second Ctrl-C raises KeyboardInterrupt at once, and so does the first inside a search or an
        ensemble of scikit-learn.
        """
        chosen = {key: getattr(self, key) for key in FitSettings.model_fields} | settings
        fields = FitSettings.model_fields
        told = checked_settings(
            {k: v for k, v in chosen.items() if k not in fields or k in settings or v != fields[k].default}
        )
        given = FitData(
            X,
            y,
            self.valid if valid is None else valid,
            self.test if test is None else test,
            sample_weight,
            groups,
            n_in=self._n_in(),
        )
        fitted = fit_network(
            self._parsed(),
            given,
            told,
            name=self.name,
            seed=self._seed(),
            in_memory=self._going_on(told),
            stored_network=None if self.stored_network is None else str(self.stored_network),
        )
        if self.warm_start and fitted.status.startswith("finished"):
            warn(
                f"warm_start: there is nothing left to train, {fitted.state.position}. Raise n_epochs, which counts "
                'all epochs, or start over with resume="fresh"'
            )
        self._adopt(fitted.state, fitted.network)
        parts = {"valid": given.valid, "test": given.test}
        self._row_numbers = {name: part for name, part in parts.items() if are_row_numbers(part)}
        self.status_, self.checkpoint_ = fitted.status, fitted.checkpoint
        try:
            fitted.raise_if_stopped()
        except Interrupted as interrupted:
            # Uncaught, it ends the process without a word.
            if interrupted.lost:
                warn(str(interrupted))
            raise
        if self.interrupted_:
            warn(
                f"Ctrl-C: fit returns with interrupted_ set, {self.state_.position}; fitting again resumes the run. "
                "The script continues: a loop over fits must check interrupted_"
            )
        return self

    fit = checked_call("arguments", "fit", settings=FitSettings.model_fields)(_takes_settings(fit))

    def _parsed(self) -> list[Layer]:
        layers = self.layers
        if isinstance(layers, str | Path):
            from arignote.spec.config import layers_of

            return layers_of(Path(layers), self.layer_defaults)
        return parse(layers, self.layer_defaults)

    def _seed(self) -> int | None:
        given = self.random_state if self.random_state is not None else self.rng
        if given is None or isinstance(given, int | np.integer):
            return None if given is None else int(given)
        if isinstance(given, np.random.RandomState):
            return int(given.randint(2**31))
        if isinstance(given, np.random.Generator):
            return int(given.integers(2**31))
        raise ConfigError(f"rng must be an integer or None; got {given!r}")

    def _going_on(self, settings: FitSettings) -> TrainingState | None:
        """Return the state in memory to go on from: interrupted, loaded, unpickled in mid-training, or warm start."""
        state: TrainingState | None = getattr(self, "state_", None)
        if state is None or settings.resume == "fresh":
            return None
        return state if self.warm_start or self.interrupted_ or not state.finished or self._loaded() else None

    def _loaded(self) -> bool:
        return bool(getattr(self, "loaded_", False))

    def _adopt(self, state: TrainingState, network: Network) -> None:
        self.state_, self.network_ = state, network
        self.classes_ = state.class_labels
        self.history_ = state.history.records()
        self.n_epochs_ = state.progress.epoch
        best = state.best
        self.best_ = (
            None if best is None else {"value": best.value, "epoch": best.epoch, "examples_seen": best.examples_seen}
        )
        self.n_features_in_ = int(np.prod(network.architecture.n_in))
        self.interrupted_ = state.progress.interrupted
        # As scikit-learn has it: there only where the columns had names.
        if "feature_names" in state.data:
            self.feature_names_in_ = np.array(state.data["feature_names"], dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def _check_fitted(self) -> None:
        if not hasattr(self, "network_"):
            raise NotFittedError("This NNClassifier is not fitted yet: call fit first, or NNClassifier.load(RUN)")

    def _predictor(self) -> Predictor:
        self._check_fitted()
        return Predictor(self.state_, self.network_, self.allow_nonfinite, type(self).__name__)

    @checked_call("arguments", "inference")
    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return the probability of each class, float32 (rows, n_classes), columns as `classes_`."""
        predictor = self._predictor()
        return predictor.proba(predictor.rows(X))

    @checked_call("arguments", "inference")
    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each row, (rows,)."""
        probabilities = self.predict_proba(X)
        chosen: NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]
        return chosen

    score = checked_call("arguments", "inference")(ClassifierMixin.score)

    @checked_call("arguments", "inference")
    def evaluate(
        self,
        X: Any,
        y: Any = None,
        losses: str | Sequence[str] = ("nll", "error"),
        *,
        part: str | None = None,
        groups: Any = None,
    ) -> dict[str, float]:
        """Return losses and metrics by name.

        Parameters
        ----------
        X, y : array (rows, ...), array (rows,)
            Data with labels; with `part`, the data that was given to `fit` (X may be a `FitData` too).
        losses : sequence of str
            Losses: "nll", "error". Metrics: "accuracy"; "top_5", how often the true class is among the five most
            probable; scorers of scikit-learn, such as "balanced_accuracy", "f1_macro", "roc_auc_ovr". Metrics are for
            `evaluate` alone: what `valid_loss` names must be smaller where it is better, and 1 - accuracy is "error".
        part : "train", "valid" or "test", optional
            Score only the rows that the run trained on or held out. They are found again by the code of `fit` and
            compared with the fingerprint in the state; other data is refused. Row numbers (``valid=[3, 5]``) are not in
            the files of a run: after `load` give them again, ``set_params(valid=[3, 5])``.
        groups : array (rows,), optional
            As they were given to `fit`, where rows of a group stayed together.

        Warns
        -----
        ArignoteWarning
            Where, without `part`, training rows are among the rows: in a file, or in an array with held-out ones.
        """
        names = [losses] if isinstance(losses, str) else list(losses)
        return self._predictor().score(self._given(X, y, groups), names, part=part).values

    @checked_call("arguments", "inference")
    def confusion(
        self, X: Any, y: Any = None, ids: Any = None, *, part: str | None = None, groups: Any = None
    ) -> tuple[NDArray[np.int64], list[Mistake]]:
        """Return the confusion matrix, and each row that is predicted wrongly.

        Parameters
        ----------
        X, y, part, groups
            As of `evaluate`.
        ids : sequence, optional
            Names of the rows; by default they are numbered from 0.

        Returns
        -------
        array (n_classes, n_classes) of int64, list of Mistake
            Rows of each true class (rows of the matrix) that are predicted to be of each class (columns), in the order
            of `classes_`; and (id, label, predicted) of each mistake, in the order of the rows.
        """
        scored = self._predictor().score(self._given(X, y, groups), part=part, with_proba=True)
        return scored.confusion, scored.mistakes(ids)

    def _given(self, X: Any, y: Any, groups: Any) -> FitData:
        return X if isinstance(X, FitData) else FitData(X, y, **self._held_out(), groups=groups)

    def _held_out(self) -> dict[str, Any]:
        """Return `valid` and `test` of the constructor, or the row numbers given to the last `fit`."""
        return {"valid": self.valid, "test": self.test} | getattr(self, "_row_numbers", {})

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
        return declare(self._parsed(), self._n_in())

    def _n_in(self) -> tuple[int, ...] | None:
        return None if self.n_in is None else tuple(int(n) for n in np.ravel(self.n_in))

    @checked_call("arguments")
    def get_layer(self, name: str) -> Layer:
        """Return the declared layer of a name."""
        for layer in self._parsed():
            if layer.name == name:
                return layer
        raise ConfigError(f"there is no layer {name!r}; layers: {', '.join(str(la.name) for la in self._parsed())}")

    def summary(self) -> str:
        """Return the table of layers: name, type, output shape, parameters, totals."""
        from arignote.report.tables import layer_table

        return layer_table(self._architecture())

    @checked_call("arguments")
    def set_trainable_params(self, inp: Any, layers: Sequence[str] | None = None) -> None:
        """Copy parameters of another fitted classifier, or of a checkpoint, into the fitted network.

        Parameters
        ----------
        inp : NNClassifier, or str
            Where from; a string is a stem or a file.
        layers : sequence of str, optional
            Names of the layers; by default all.
        """
        arrays = inp.params if isinstance(inp, NNClassifier) else read_run(str(inp))[0].network
        known = {name.split(".")[0] for name in self.network_.named}
        wanted = known if layers is None else set([layers] if isinstance(layers, str) else layers)
        if wanted - known:
            raise ConfigError(
                f"there is no layer with parameters {sorted(wanted - known)[0]!r}; known: {sorted(known)}"
            )
        mine = {name: t for name, t in self.network_.named.items() if name.split(".")[0] in wanted}
        copy_into(mine, {name: a for name, a in arrays.items() if name.split(".")[0] in wanted}, "inp")

    @classmethod
    @checked_call("arguments", "inference")
    def load(cls, run: str, which: str | None = None, layers: Any = None, trust: Sequence[str] = ()) -> Self:
        """Return the classifier of a run: ready to predict, or to go on with ``fit(data)``.

        Parameters
        ----------
        run : str
            A stem or a file.
        which : "best", "last" or number of an epoch, optional
            By default the best network, with the last state.
        layers : list, optional
            The layers once more, where the network has functions of your own, which no file can hold.
        trust : sequence of str
            Modules of your own parts that may be imported because the file names them.

        Notes
        -----
        No code from the file is run, and no module imported but those of `trust`.
        """
        state, network, settings = restore(run, which, layers, trust)
        own = state.spec["layers"] if layers is None else layers
        classifier = cls(own, name=state.spec["name"], rng=state.rng, **settings)
        classifier._adopt(state, network)
        classifier.loaded_ = True
        return classifier
