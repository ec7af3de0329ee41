"""Dense layers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from math import prod
from typing import TYPE_CHECKING, ClassVar

from arignote.layers.activations import Activation, ActivationSpec, Maxout
from arignote.layers.base import Forward, Param, Shape, WeightedLayer
from arignote.layers.initializers import Constant, GlorotUniform, HeNormal, Initializer
from arignote.registry import Count, Probability, build, register

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["DenoisingAutoEncoderLayer", "FCLayer", "FCMaxoutLayer", "affine", "slopes", "weights"]


def weights(activation: Activation, own: Initializer | None) -> Initializer:
    """Return the initialiser of the weights: `own`, that of the layer, or one that suits the activation."""
    if own is not None:
        return own
    return (HeNormal if activation.initial == "he" else GlorotUniform)(gain=activation.gain)


def slopes(activation: Activation, n_units: int) -> dict[str, Param]:
    """Return the parameters of the activation, which has one of each per unit."""
    return {name: Param((n_units,), Constant(value=start)) for name, start in activation.slopes.items()}


def affine(activation: Callable[..., Tensor], slopes: tuple[str, ...] = ()) -> Forward:
    """Return the forward function ``f(x @ W + b)`` over flattened examples.

    Parameters
    ----------
    activation : callable
        ``f(sums, *slopes)`` on engine tensors.
    slopes : tuple of str
        Names of the parameters of the activation.
    """

    def forward(params: Mapping[str, Tensor], x: Tensor, training: bool) -> Tensor:
        sums = x.flatten(1).mm(params["W"])
        if "b" in params:
            # In place: the gradient of a product needs its factors, and not the sums.
            sums = sums.add_(params["b"])
        return activation(sums, *(params[name] for name in slopes))

    return forward


class _Dense(WeightedLayer):
    """Base class of dense layers: ``f(x @ W + b)``, with inputs flattened."""

    name_prefix: ClassVar[str] = "fc"
    n_units: Count

    @abstractmethod
    def _activation(self) -> Activation:
        """Return the activation of the sums."""

    def output_shape(self, shape: Shape) -> Shape:
        return (self.n_units,)

    def declare_params(self, shape: Shape) -> dict[str, Param]:
        activation = self._activation()
        n_in, n_sums = prod(shape), self.n_units * activation.pieces
        # The fan out counts units, of which each may have several sums.
        params = {"W": Param((n_in, n_sums), weights(activation, self.W), n_in, self.n_units, unit_axis=1)}
        if self.use_bias:
            params["b"] = Param((n_sums,), self.b or Constant())
        return params | slopes(activation, self.n_units)

    def build(self, shape: Shape) -> Forward:
        activation = self._activation()
        return affine(activation.build(), tuple(activation.slopes))


@register()
class FCLayer(_Dense):
    """Fully connected layer.

    ``y = f(x @ W + b)``

    Parameters
    ----------
    n_units : int >= 1
        Number of units.
    activation : str, [Name, {params}] or callable, default "prelu"
        Applied to the sums.

    Examples
    --------
    >>> FCLayer(n_units=400, activation="relu").output_shape((1, 28, 28))
    (400,)
    """

    activation: ActivationSpec = build("activation", "prelu")

    def _activation(self) -> Activation:
        activation: Activation = self.activation
        return activation


@register()
class FCMaxoutLayer(_Dense):
    """Fully connected layer whose units return the largest of `maxout_k` sums.

    ``y_i = max_j (x @ W + b)_ij`` (Goodfellow et al., ICML 2013)

    Parameters
    ----------
    n_units : int >= 1
        Number of units.
    maxout_k : int >= 1, default 5
        Number of sums per unit.

    Examples
    --------
    >>> FCMaxoutLayer(n_units=10, maxout_k=3).declare_params((64,))["W"].shape
    (64, 30)
    """

    maxout_k: Count = 5

    def _activation(self) -> Activation:
        return Maxout(maxout_k=self.maxout_k)


@register()
class DenoisingAutoEncoderLayer(_Dense):
    """Fully connected layer that `pretrain` trains to reconstruct its input: ``y = f(x @ W + b)``.

    Parameters
    ----------
    n_units : int >= 1
        Number of units.
    activation : str, [Name, {params}] or callable, default "prelu"
        Applied to the sums.
    corruption_level : float in [0, 1), default 0.2
        Probability that a value of the input is set to 0, in pretraining alone.

    Notes
    -----
    Vincent et al., "Extracting and composing robust features with denoising autoencoders", ICML 2008. In `fit` it is an
    `FCLayer`; without the setting `pretrain` its weights are drawn as those of one.

    Examples
    --------
    >>> DenoisingAutoEncoderLayer(n_units=400, corruption_level=0.3).output_shape((1, 28, 28))
    (400,)
    """

    activation: ActivationSpec = build("activation", "prelu")
    corruption_level: Probability = 0.2

    def _activation(self) -> Activation:
        activation: Activation = self.activation
        return activation
