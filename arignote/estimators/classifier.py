"""NNClassifier: predictions and scores of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin

from arignote.estimators.base import NNEstimator
from arignote.estimators.calls import checked_call
from arignote.estimators.documentation import document_passes
from arignote.estimators.fitted import alone

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from arignote.checkpoints.state import TrainingState
    from arignote.engine.network import Network
    from arignote.estimators.predictor import Predictor
    from arignote.report.scores import Mistake

__all__ = ["NNClassifier"]


class NNClassifier(ClassifierMixin, NNEstimator):  # type: ignore[misc]
    """A neural network classifier, declared as a list of layers.

    Parameters
    ----------
    {constructor}
    {settings}

    Attributes
    ----------
    classes_ : array (n_classes,)
        Labels, in the order of the network's outputs.
    {fitted}

    Examples
    --------
    >>> from arignote import NNClassifier
    >>> from arignote.sample_data import digits
    >>> X, y = digits()
    >>> layers = [["FCLayer", {"n_units": 16, "activation": "relu"}], ["ClassificationOutputLayer"]]
    >>> NNClassifier(layers, rng=42, n_epochs=2).fit(X, y).predict(X[:2]).shape
    (2,)
    """

    _targets: ClassVar[tuple[str, ...]] = ("classes", "flags", "ranks")
    _output: ClassVar[str] = "ClassificationOutputLayer"

    def _set_fitted(self, state: TrainingState, network: Network) -> None:
        super()._set_fitted(state, network)
        predictor = self._predictor()
        by_output = {
            name: predictor.targets.by_output[name].classes(state.targets[name])
            for name in self._outputs_of_classes(predictor)
        }
        self.classes_ = alone(by_output)

    def _outputs_of_classes(self, predictor: Predictor) -> list[str]:
        targets = predictor.targets.by_output
        return [name for name in predictor.shown if targets[name].of_step.named() in self._targets]

    @checked_call("arguments", "fit")
    @document_passes
    def partial_fit(self, X: Any, y: Any = None, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train for one pass over X, which may be other data than before.

        Parameters
        ----------
        X : array (rows, ...), DataFrame, Reader, str, dict of these or (X, y)
            Features; all rows are trained on.
        y : array (rows, ...), Reader or str, optional
            Labels, all of which are among `classes`.
        classes : array (n_classes,), or dict of str to these, optional
            All labels, for several outputs by their names; needed in the first pass unless the output layer declares
            ``n_classes`` or ``ranks``.
        sample_weight : array (rows,) or str, optional
            How much each row counts in the training loss of this pass.

        Returns
        -------
        Self
            The fitted estimator, with the network as it is after the pass.

        Raises
        ------
        ConfigError
            If `classes` are missing in the first pass, or other ones than there, or a setting does not suit a pass.
        DataError, CheckpointError, NotFiniteError, Interrupted
            See `fit`.

        Notes
        -----
        {passes}
        """
        from arignote.estimators.partial_fit import fit_one_pass

        fit_one_pass(self, X, y, classes, sample_weight)
        return self

    @checked_call("arguments", "inference")
    def predict_proba(self, X: Any) -> Any:
        """Return the probability of each class.

        Parameters
        ----------
        X : array (rows, ...), sparse matrix, DataFrame, Reader or str
            Features, as they were given to `fit`.

        Returns
        -------
        array (rows, n_classes) of float32
            Probabilities, with columns in the order of `classes_`: they add up to 1, or are each of one label
            (`MultilabelOutputLayer`). For several outputs a dict by their names, without those of numbers.
        """
        predictor = self._predictor()
        rows = predictor.rows(X)
        by_output = predictor.predictions(rows)
        return alone(predictor.by_row(rows, {name: by_output[name] for name in self._outputs_of_classes(predictor)}))

    @checked_call("arguments", "inference")
    def predict_log_proba(self, X: Any) -> Any:
        """Return the natural logarithm of the probability of each class.

        Parameters
        ----------
        X : array (rows, ...), DataFrame, Reader or str
            Features, as they were given to `fit`.

        Returns
        -------
        array (rows, n_classes) of float32
            In the form of `predict_proba`; -inf where a probability is 0 in float32.
        """
        return _log(self.predict_proba(X))

    @checked_call("arguments", "inference")
    def predict(self, X: Any) -> Any:
        """Return the most probable class of each row, or the labels that apply to it.

        Parameters
        ----------
        X : array (rows, ...), sparse matrix, DataFrame, Reader or str
            Features, as they were given to `fit`.

        Returns
        -------
        array (rows,), or (rows, n_classes) of int64
            Labels; of equally probable ones the first in `classes_`. With a `MultilabelOutputLayer` indicators of those
            above 1/2, or tuples of them if `y` was lists. For several outputs a dict by their names.
        """
        return self._predict(X)

    @checked_call("arguments", "inference")
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy of the predictions, as classifiers of scikit-learn do: all labels of a row must be right.

        Parameters
        ----------
        X : array (rows, ...), sparse matrix, DataFrame, Reader or str
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
        from sklearn.metrics import accuracy_score

        targets = self._predictor().targets
        if targets.has_steps:
            return self._score_of_steps(X, y, sample_weight, "accuracy")
        y, predicted, sample_weight = self._of_main(X, y, sample_weight)
        target, target_state = targets.of_main, self.state_.targets[targets.main]
        if target.labels_per_row == "several":
            # Lists of labels are compared as indicators.
            y, predicted = (
                target.encode(target.check(y, "y"), target_state, "y"),
                target.encode(predicted, target_state, "X"),
            )
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))

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
        from arignote.estimators.scoring import score

        scored = score(self._predictor(), self._data_of(X, y, groups), (), subset=part, by_class=True)
        return scored.confusion, scored.mistakes(ids)


def _log(p: Any) -> Any:
    """Return the logarithm of probabilities: of several outputs by their names, of sequences row by row."""
    if isinstance(p, dict):
        return {name: _log(one) for name, one in p.items()}
    if isinstance(p, list):
        return [_log(row) for row in p]
    # A probability may be 0, with the logarithm -inf.
    with np.errstate(divide="ignore"):
        return np.log(p)
