"""Layers of denoising autoencoders, by which dense layers are pretrained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from arignote.layers.activations import ActivationSpec
from arignote.layers.base import Forward, Param, Shape, WeightedLayer
from arignote.layers.dense import FCLayer
from arignote.layers.initializers import Constant
from arignote.layers.output import OutputLayer
from arignote.layers.segments import LCLayer
from arignote.registry import Count, Probability, build, register

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["AutoEncoderOutputLayer"]


@register()
class AutoEncoderOutputLayer(OutputLayer, WeightedLayer):
    """Denoising autoencoder of its input, with tied weights: ``z = f(x' @ W + b) @ W^T + b'``.

    While training, each value of x' is 0 with the probability `corruption_level`, else that of x; outside training
    ``x' = x`` (Vincent et al., ICML 2008).

    Parameters
    ----------
    n_units : int >= 1
        Number of hidden units, with `n_segments` of each segment.
    activation : str, [Name, {params}] or callable, default "prelu"
        Applied to the sums of the hidden units.
    n_segments : int >= 1, optional
        Number of segments of the input, each with weights of its own, as of `LCLayer`; by default those of `FCLayer`.
    corruption_level : float in [0, 1), default 0.2
        Probability that a value is set to 0.

    Notes
    -----
    The built layer returns what is reconstructed behind the reconstruction, [z, x], which the loss "reconstruction"
    compares; predictions are z. All parameters but `b_prime`, b', are those of an FCLayer or LCLayer, which loads them.

    Examples
    --------
    >>> AutoEncoderOutputLayer(n_units=100).output_shape((1, 28, 28))
    (1568,)
    """

    size_parameter: ClassVar[str] = "n_units"
    ruled: ClassVar[tuple[str, ...]] = (*WeightedLayer.ruled, "corruption_level")
    draws: ClassVar[bool] = True
    n_units: Count
    activation: ActivationSpec = build("activation", "prelu")
    n_segments: Count | None = None
    corruption_level: Probability = 0.2

    @property
    def _encoder(self) -> FCLayer | LCLayer:
        own = {name: getattr(self, name) for name in ("n_units", "activation", "use_bias", "W", "b")}
        return FCLayer(**own) if self.n_segments is None else LCLayer(**own, n_segments=self.n_segments)

    @property
    def target_spec(self) -> list[Any]:
        return ["own_input", {}]

    def to_predictions(self) -> Callable[[Tensor], Tensor]:
        # The second half is x, for the loss.
        return lambda outputs: outputs[:, : outputs.shape[1] // 2]

    def output_shape(self, shape: Shape) -> Shape:
        self._encoder.output_shape(shape)
        return (2 * prod(shape),)

    def notes(self, shape: Shape) -> list[str]:
        return self._encoder.notes(shape)

    def declare_params(self, shape: Shape) -> dict[str, Param]:
        params = self._encoder.declare_params(shape)
        return params | ({"b_prime": Param((prod(shape),), Constant())} if self.use_bias else {})

    def n_multiply_adds(self, shape: Shape) -> int:
        # The weights encode, and their transpose decodes.
        return 2 * self._encoder.n_multiply_adds(shape)

    def build(self, shape: Shape) -> Forward:
        from torch import cat, rand_like

        encode, n_units, level = self._encoder.build(shape), self.n_units, self.corruption_level
        # Names of the weights: an LCLayer has one for each segment.
        names = [name for name, param in self._encoder.declare_params(shape).items() if param.unit_axis is not None]

        def forward(params: Mapping[str, Tensor], x: Tensor, training: bool) -> Tensor:
            x = x.flatten(1)
            p = params.get("corruption_level", level)
            # Not divided by 1 - p, unlike dropout: other values stay as they are.
            corrupted = x * (rand_like(x) >= p) if training and p else x
            hidden: Any = encode(params, corrupted, training)
            segments = zip(hidden.split(n_units, 1), names, strict=True)
            z = cat([segment.mm(params[name].T) for segment, name in segments], 1)
            # x as it came in, not as it was corrupted, is what is reconstructed.
            return cat([z + params["b_prime"] if "b_prime" in params else z, x], 1)

        return forward
