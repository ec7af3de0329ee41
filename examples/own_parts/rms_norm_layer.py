"""A layer: normalise each example by its root mean square (Zhang and Sennrich, NeurIPS 2019)."""

from typing import ClassVar

from arignote.layers import Layer
from arignote.layers.base import Param
from arignote.layers.initializers import Constant
from arignote.registry import Positive, register


@register()
class RMSNormLayer(Layer):
    """``y = gain * x / sqrt(mean(x^2) + epsilon)``, the mean over the values of one example."""

    stem: ClassVar[str] = "rms_norm"
    epsilon: Positive = 1e-6

    def declare_params(self, shape):
        return {"gain": Param(shape, Constant(value=1.0))}

    def build(self, shape):
        axes = tuple(range(1, len(shape) + 1))
        return lambda params, x, training: (
            params["gain"] * x * (x.square().mean(axes, keepdim=True) + self.epsilon).rsqrt()
        )
