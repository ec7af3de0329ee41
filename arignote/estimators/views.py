"""Views of the network of an estimator: layers, parameters, and outputs of layers."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from sklearn.exceptions import NotFittedError

from arignote.errors import ConfigError, available_names
from arignote.estimators.calls import checked_call

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame

    from arignote.engine.network import Network
    from arignote.estimators.predictor import Predictor
    from arignote.layers.architecture import Architecture
    from arignote.layers.base import Layer
    from arignote.optim.losses import Loss

__all__ = ["NetworkViews"]


class NetworkViews:
    """Base class of estimators: what they show of their network."""

    network_: Network
    history_: list[dict[str, Any]]
    n_in: Any
    batch_size: int
    state_: Any

    @abstractmethod
    def _layers(self) -> list[Layer]:
        """Return the layers as they are declared."""

    @abstractmethod
    def _predictor(self) -> Predictor:
        """Return the predictor; raise NotFittedError before `fit`."""

    @property
    def n_params(self) -> int:
        """Number of values of all parameters, fixed ones included, without buffers such as running means.

        Before `fit` it is known if `n_in` is; otherwise NotFittedError is raised.
        """
        try:
            return self._architecture().n_params
        except ConfigError as error:
            if hasattr(self, "network_"):
                raise
            # As for any attribute that `fit` sets: code that inspects estimators expects it.
            raise NotFittedError(f"This {type(self).__name__} is not fitted yet, and {error}") from None

    @property
    def params(self) -> dict[str, NDArray[Any]]:
        """A copy of every parameter and buffer of the fitted network, by name; NotFittedError before `fit`."""
        return dict(self._predictor().network.arrays())

    def history_frame(self) -> DataFrame:
        """Return `history_` as a table of pandas.

        Returns
        -------
        pandas.DataFrame
            A row for each validation, in order; what was not measured is NaN.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ImportError
            If pandas is not installed: ``pip install 'arignote[tables]'``.
        """
        self._predictor()
        import pandas

        return pandas.DataFrame.from_records(self.history_)

    def _architecture(self) -> Architecture:
        from arignote.estimators.constructor import shape_of
        from arignote.layers.architecture import declare

        if hasattr(self, "network_"):
            architecture: Architecture = self.network_.architecture
            return architecture
        return declare(self._layers(), shape_of(self.n_in))

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
        names = [str(layer.name) for layer in layers]
        raise ConfigError(f"there is no layer {name!r}. {available_names(str(name), names)}")

    @checked_call("arguments")
    def get_loss(self, name: Any) -> Loss:
        """Return the loss of a name.

        Parameters
        ----------
        name : str or [Name, {params}]
            A loss or a metric, as `train_loss` and `valid_loss` take it.

        Returns
        -------
        Loss
            Its `build` returns the function of engine tensors: outputs and encoded targets to a value for each row.
            A metric is of all rows at once, and raises ConfigError there.

        Raises
        ------
        ConfigError
            If there is no such loss.
        """
        from arignote.optim.losses import to_score
        from arignote.registry import build

        loss: Loss = build("loss", to_score(name))
        return loss

    def summary(self) -> str:
        """Return the table of layers: name, type, output shape, parameters, multiply-adds, memory, totals.

        Returns
        -------
        str
            The table, in lines of plain text. Multiply-adds are those of one row, forward, in products of matrices and
            convolutions; training takes about three times as many. Memory is that of the outputs of a batch.
        """
        from arignote.report.tables import layer_table

        n_rows = (
            # Of the run, whose batches may be smaller than the setting (-1, or more than the rows).
            self.state_.spec["fit"].get("batch_size", self.batch_size) if hasattr(self, "state_") else self.batch_size
        )
        return layer_table(self._architecture(), n_rows)

    @checked_call("arguments", "inference")
    def layer_output(self, X: Any, layer: str) -> NDArray[Any]:
        """Return the output of a layer, as the network computes it to predict.

        Parameters
        ----------
        X : array (rows, ...), DataFrame, Reader, str or dict of these
            Features, in any form that `predict` takes.
        layer : str
            Name of the layer, as `summary` shows it. That of an input layer gives the preprocessed rows, that of an
            output layer what its loss is computed from: `predict_proba` applies a softmax or sigmoid to it.

        Returns
        -------
        array (rows, ...)
            Values in float32, tokens as whole numbers; a row has the shape that `summary` shows. Steps that pad a
            sequence are included.

        Raises
        ------
        ConfigError
            If there is no such layer.
        """
        predictor = self._predictor()
        names = [place.name for place in predictor.network.architecture.placed]
        if layer not in names:
            raise ConfigError(f"there is no layer {layer!r}. {available_names(str(layer), names)}")
        return predictor.layer_output(predictor.rows(X), layer)
