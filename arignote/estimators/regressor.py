"""NNRegressor: predictions and scores of numbers."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin

from arignote.errors import ConfigError, DataError
from arignote.estimators.base import NNEstimator
from arignote.estimators.calls import checked_call
from arignote.estimators.documentation import document_passes

__all__ = ["NNRegressor"]


class NNRegressor(RegressorMixin, NNEstimator):  # type: ignore[misc]
    """A neural network that predicts numbers, declared as a list of layers.

    Parameters
    ----------
    {constructor}
    {settings}

    Attributes
    ----------
    {fitted}

    Notes
    -----
    The network learns ``(y - mean) / scale`` of the training rows unless ``scale_target=False``; predictions, and the
    losses "mae" and "rmse", are in units of `y`. With a ``RegressionOutputLayer`` whose `target` is "same" there is no
    `y`: the network learns to give its input back. Networks of pretraining are loaded as ``NNRegressor`` too.

    Examples
    --------
    >>> import numpy as np
    >>> from arignote import NNRegressor
    >>> X = np.linspace(-1, 1, 128).reshape(-1, 1)
    >>> layers = [["FCLayer", {"n_units": 16, "activation": "tanh"}], ["RegressionOutputLayer"]]
    >>> NNRegressor(layers, rng=42, n_epochs=2).fit(X, X[:, 0] ** 2).predict(X[:2]).shape
    (2,)
    """

    _targets: ClassVar[tuple[str, ...]] = ("numbers", "same", "own_input")
    _output: ClassVar[str] = "RegressionOutputLayer"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    @checked_call("arguments", "fit")
    @document_passes
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train for one pass over X, which may be other data than before.

        Parameters
        ----------
        X : array (rows, ...), DataFrame, Reader, str, dict of these or (X, y)
            Features; all rows are trained on.
        y : array (rows,) or (rows, n_outputs), Reader or str, optional
            Numbers, which are learned in units of the spread in the first pass; not needed if the target is the input.
        sample_weight : array (rows,) or str, optional
            How much each row counts in the training loss of this pass.

        Returns
        -------
        Self
            The fitted estimator, with the network as it is after the pass.

        Raises
        ------
        ConfigError
            If a setting does not suit a pass.
        DataError, CheckpointError, NotFiniteError, Interrupted
            See `fit`.

        Notes
        -----
        {passes}
        """
        from arignote.estimators.partial_fit import fit_one_pass

        fit_one_pass(self, X, y, None, sample_weight)
        return self

    @checked_call("arguments", "inference")
    def predict(self, X: Any) -> Any:
        """Return the numbers of each row.

        Parameters
        ----------
        X : array (rows, ...), sparse matrix, DataFrame, Reader or str
            Features, as they were given to `fit`.

        Returns
        -------
        array (rows,) or (rows, n_outputs) of float64
            In the form and the units of `y`, for several outputs as a dict by their names; if the target is the input,
            (rows, ...) of float32, as preprocessed.
        """
        return self._predict(X)

    @checked_call("arguments", "inference")
    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return R^2 of the predictions, as regressors of scikit-learn do.

        Parameters
        ----------
        X : array (rows, ...), sparse matrix, DataFrame, Reader or str
            Features, as they were given to `fit`.
        y : array (rows,) or (rows, n_outputs), optional
            True values; not needed if the target is the input. With ``missing_targets`` some may be missing.
        sample_weight : array (rows,), optional
            How much each row counts.

        Returns
        -------
        float
            1 is perfect, 0 as good as the mean of `y`; of several columns the mean.

        Raises
        ------
        ConfigError
            If the output layer is an ``AutoEncoderOutputLayer``, such as in a run of pretraining.
        """
        from sklearn.metrics import r2_score

        from arignote.data.targets.own_input import OwnInput

        predictor = self._predictor()
        if predictor.targets.has_steps:
            return self._score_of_steps(X, y, sample_weight, "r2")
        if isinstance(predictor.targets.of_main, OwnInput):
            raise ConfigError(
                "score needs a y; the target of an autoencoder is the input of its own layer: use evaluate(X), which "
                "reports its loss"
            )
        if predictor.targets.from_input:
            rows = predictor.rows(X)
            # The target is the input as the network takes it: preprocessed.
            y, predicted = rows.features(slice(0, len(rows))), predictor.predictions(rows)[predictor.targets.main]
            return float(r2_score(y.reshape(len(y), -1), predicted, sample_weight=sample_weight))
        y, predicted, sample_weight = self._of_main(X, y, sample_weight)
        y = predictor.targets.of_main.check(y, "X")
        if len(y) != len(predicted):
            raise DataError(f"X has {len(predicted)} rows, y {len(y)}; the numbers must be equal")
        if y.size != predicted.size:
            n, n_trained = (one.reshape(len(one), -1).shape[1] for one in (y, predicted))
            raise DataError(f"y of X has {n} columns, that of the training data {n_trained}")
        weights = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight)
        # Missing values differ by column; the mean of the columns is "uniform_average", the default of r2_score.
        columns = zip(y.reshape(len(y), -1).T, predicted.reshape(len(y), -1).T, strict=True)
        present = [(~np.isnan(true), true, own) for true, own in columns]
        return float(np.mean([r2_score(true[at], own[at], sample_weight=weights[at]) for at, true, own in present]))
