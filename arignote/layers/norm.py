"""Batch normalisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import Field, model_validator

from arignote.errors import Complaint, ConfigError
from arignote.layers.base import Forward, Param, ParametricLayer, Shape
from arignote.layers.initializers import Constant
from arignote.layers.loading import LoadParams
from arignote.registry import ADDED, Positive, register

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["BatchNormLayer"]


@register()
class BatchNormLayer(ParametricLayer):
    """Batch normalisation of each unit, or of each map of images (Ioffe and Szegedy, ICML 2015).

    ``y = gamma * (x - mean) / sqrt(var + epsilon) + beta``, with mean and variance of the batch; outside training,
    and if a batch has a single value of each unit, the running mean and variance.

    Parameters
    ----------
    epsilon : float > 0, default 1e-05
        Added to the variance.
    alpha : float in (0, 1], default 0.1
        Weight of a batch in the running mean and variance: ``running <- (1 - alpha) * running + alpha * batch``.

    Notes
    -----
    ``fix_params: true`` also fixes the running mean and variance, which then normalise in training too: a layer with
    `load_params` computes what it did in the network that it is from. With ``fix_params: [gamma, beta]`` each batch is
    still normalised by its own statistics; ``fix_params: [mean, var]`` fixes the statistics alone.

    Examples
    --------
    >>> sorted(BatchNormLayer().declare_params((16, 8, 8)))
    ['beta', 'gamma', 'mean', 'var']
    """

    name_prefix: ClassVar[str] = "norm"
    # Other layers always had these two.
    fix_params: Annotated[bool | list[str], ADDED] = False
    load_params: Annotated[LoadParams, ADDED] = None
    epsilon: Positive = 1e-5
    alpha: Annotated[float, Field(gt=0, le=1)] = 0.1

    @model_validator(mode="after")
    def _fixes_both_statistics_or_none(self) -> Self:
        if self.is_fixed("mean") != self.is_fixed("var"):
            message = f"fix_params must have both of mean and var, or none of them; got {self.fix_params}"
            raise ConfigError(Complaint(("fix_params",), message))
        return self

    @property
    def keeps_statistics(self) -> bool:
        """Whether the running mean and variance are fixed, and normalise in training too."""
        return self.is_fixed("mean")

    def declare_params(self, shape: Shape) -> dict[str, Param]:
        one = shape[:1]
        return {
            "gamma": Param(one, Constant(value=1.0)),
            "beta": Param(one, Constant()),
            # Parameters that no updater changes, so that checkpoints have them like all others.
            "mean": Param(one, Constant(), trained=False),
            "var": Param(one, Constant(value=1.0), trained=False),
        }

    def build(self, shape: Shape) -> Forward:
        from torch.nn.functional import batch_norm

        alpha, epsilon, keeps_statistics = self.alpha, self.epsilon, self.keeps_statistics

        def forward(params: Mapping[str, Tensor], x: Tensor, training: bool) -> Tensor:
            # A single value of each unit has no variance.
            uses_batch = training and not keeps_statistics and x.numel() > x.shape[1]
            gamma, beta, mean, var = (params[name] for name in ("gamma", "beta", "mean", "var"))
            # It changes `mean` and `var` in place; the running variance is divided by n - 1, that of the batch by n.
            return batch_norm(x, mean, var, gamma, beta, uses_batch, alpha, epsilon)

        return forward
