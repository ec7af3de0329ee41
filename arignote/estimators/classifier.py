"""NNClassifier: predictions and scores of classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score

from arignote.checkpoints.state import TrainingState
from arignote.engine.network import Network
from arignote.estimators.base import NNEstimator, document_settings
from arignote.estimators.calls import checked_call
from arignote.report.scores import Mistake

__all__ = ["NNClassifier"]


@document_settings
class NNClassifier(ClassifierMixin, NNEstimator):  # type: ignore[misc]
    """A neural network classifier, declared as a list of layers.

    Parameters
    ----------
    layers : list of [Layer, {params}], or str
        The network, or the path of a YAML or JSON file that holds it.
    name : str, optional
        Name of the run.
    rng, random_state : int, optional
        Seed; if both are None, one is drawn. The value of `random_state` is used if both are given.
    n_in : int or tuple of int, optional
        Shape of an example; by default that of the data.
    stored_network : str, optional
        Checkpoint from which layers with `load_params` take their parameters.
    layer_defaults : dict, optional
        Parameters for every layer that has them and does not set them.
    warm_start : bool, default False
        Whether `fit` resumes the last fit, up to `n_epochs` in all.
    valid, test : float, optional
        Fractions of all rows held out.
    {settings}

    Attributes
    ----------
    classes_ : array (n_classes,)
        Labels, in the order of the network's outputs.
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

    Examples
    --------
    >>> from arignote import NNClassifier
    >>> from arignote.sample_data import digits
    >>> X, y = digits()
    >>> layers = [["FCLayer", {"n_units": 16, "activation": "relu"}], ["ClassificationOutputLayer"]]
    >>> NNClassifier(layers, rng=42, n_epochs=2).fit(X, y).predict(X[:2]).shape
    (2,)
    """

    def _set_fitted(self, state: TrainingState, network: Network) -> None:
        super()._set_fitted(state, network)
        self.classes_ = state.class_labels

    @checked_call("arguments", "inference")
    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return the probability of each class.

        Parameters
        ----------
        X : array (rows, ...), DataFrame, Reader or str
            Features, as they were given to `fit`.

        Returns
        -------
        array (rows, n_classes) of float32
            Probabilities; the columns are in the order of `classes_`.
        """
        predictor = self._predictor()
        return predictor.proba(predictor.rows(X))

    @checked_call("arguments", "inference")
    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each row.

        Parameters
        ----------
        X : array (rows, ...), DataFrame, Reader or str
            Features, as they were given to `fit`.

        Returns
        -------
        array (rows,)
            Labels; the first one in `classes_` if several are equally probable.
        """
        probabilities = self.predict_proba(X)
        predicted: NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]
        return predicted

    @checked_call("arguments", "inference")
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy of the predictions, as classifiers of scikit-learn do.

        Parameters
        ----------
        X : array (rows, ...), DataFrame, Reader or str
            Features, as they were given to `fit`.
        y : array (rows,)
            True labels.
        sample_weight : array (rows,), optional
            How much each row counts.

        Returns
        -------
        float
            Fraction of the rows that are predicted correctly, in [0, 1].
        """
        return float(accuracy_score(y, self.predict(X), sample_weight=sample_weight))

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
        losses : str or sequence of str
            Losses: "nll", "error". Metrics: "accuracy"; "top_5", how often the true class is among the five most
            probable; scorers of scikit-learn, such as "balanced_accuracy", "f1_macro", "roc_auc_ovr". Metrics are for
            `evaluate` alone: what `valid_loss` names must be smaller if it is better, and 1 - accuracy is "error".
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
        names = [losses] if isinstance(losses, str) else list(losses)
        return self._predictor().score(self._data_of(X, y, groups), names, part=part).values

    @checked_call("arguments", "inference")
    def confusion(
        self, X: Any, y: Any = None, ids: Any = None, *, part: str | None = None, groups: Any = None
    ) -> tuple[NDArray[np.int64], list[Mistake]]:
        """Return the confusion matrix, and each row that is predicted wrongly.

        Parameters
        ----------
        X, y : array (rows, ...), array (rows,)
            Data with labels, as in `evaluate`.
        ids : sequence, optional
            Names of the rows; by default they are numbered from 0.
        part, groups : object, optional
            As in `evaluate`.

        Returns
        -------
        matrix : array (n_classes, n_classes) of int64
            Number of rows of each true class (rows of the matrix) that are predicted to be of each class (columns), in
            the order of `classes_`.
        mistakes : list of Mistake
            The id, label and predicted label of each mistake, in the order of the rows.
        """
        scored = self._predictor().score(self._data_of(X, y, groups), part=part, with_proba=True)
        return scored.confusion, scored.mistakes(ids)
