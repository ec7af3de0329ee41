"""Embeddings: whole numbers become vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from arignote.layers.base import Forward, Layer, Param, Shape, WeightedLayer
from arignote.layers.initializers import Normal
from arignote.layers.output import OutputLayer
from arignote.registry import Count, register

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["EmbeddingLayer", "tokens_of"]


@register()
class EmbeddingLayer(WeightedLayer):
    """A vector for each token: ``y[..., :] = W[x[...], :]``.

    It follows an input layer, whose rows hold whole numbers from 0 to ``n_tokens - 1``, which stay integers. Padding of
    sequences is token 0.

    Parameters
    ----------
    n_tokens : int >= 1
        Number of tokens.
    n_units : int >= 1
        Number of values of a vector.

    Notes
    -----
    W is (n_tokens, n_units), standard normal at the start, as that of torch.nn.Embedding.

    Examples
    --------
    >>> EmbeddingLayer(n_tokens=1000, n_units=16).output_shape((12,))
    (12, 16)
    """

    name_prefix: ClassVar[str] = "embedding"
    keeps_steps: ClassVar[bool] = True
    n_tokens: Count
    n_units: Count

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape, self.n_units)

    def declare_params(self, shape: Shape) -> dict[str, Param]:
        initial = self.W or Normal(std=1.0)
        return {"W": Param((self.n_tokens, self.n_units), initial, self.n_tokens, self.n_units, unit_axis=0)}

    def n_multiply_adds(self, shape: Shape) -> int:
        # Rows of the weights are looked up.
        return 0

    def build(self, shape: Shape) -> Forward:
        from torch.nn.functional import embedding

        def forward(params: Mapping[str, Tensor], x: Tensor, training: bool) -> Tensor:
            return embedding(x, params["W"])

        return forward


def tokens_of(layers: Sequence[Layer]) -> dict[str, int]:
    """Return the number of tokens that the embeddings which follow an input layer have, by its name."""
    n_tokens: dict[str, int] = {}
    before: str | None = None
    for layer in layers:
        if isinstance(layer, EmbeddingLayer):
            source = str(layer.input or before)
            # A token of an input that several embeddings take must be one of each.
            n_tokens[source] = min(n_tokens.get(source, layer.n_tokens), layer.n_tokens)
        if not isinstance(layer, OutputLayer):
            before = layer.name
    return n_tokens
