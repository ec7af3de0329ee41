"""Forward functions of layers, as ``f(params, x, training)``, that declarations build."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

__all__ = [
    "batch_norm",
    "convolution",
    "cross_entropy",
    "dense",
    "dropout",
    "dropout_mask",
    "gaussian_noise",
    "max_pool",
    "prelu_shelf",
    "two_logits",
]

Params = Mapping[str, Tensor]
Forward = Callable[[Params, Tensor, bool], Tensor]


def dense(activation: Callable[..., Tensor], slopes: tuple[str, ...]) -> Forward:
    """Return ``f(x @ W + b)`` over flattened examples."""

    def forward(params: Params, x: Tensor, training: bool) -> Tensor:
        x = x.flatten(1)
        bias = params.get("b")
        sums = x.mm(params["W"]) if bias is None else torch.addmm(bias, x, params["W"])
        return activation(sums, *(params[name] for name in slopes))

    return forward


def convolution(
    activation: Callable[..., Tensor], slopes: tuple[str, ...], stride: tuple[int, int], n_stages: int
) -> Forward:
    """Return a convolution followed by ``n_stages - 1`` convolutions of 1x1 pixels, each with the activation."""

    def forward(params: Params, x: Tensor, training: bool) -> Tensor:
        for stage in range(n_stages):
            mark = str(stage or "")
            x = functional.conv2d(x, params["W" + mark], params.get("b" + mark), stride if stage == 0 else 1)
            x = activation(x, *(params[name + mark] for name in slopes))
        return x

    return forward


def max_pool(pool_shape: tuple[int, int], stride: tuple[int, int]) -> Forward:
    """Return the maximum over windows; what the last stride leaves over is dropped."""
    return lambda params, x, training: functional.max_pool2d(x, pool_shape, stride)


def dropout(p: float) -> Forward:
    """Return dropout with the engine's default generator, which is seeded before every step."""
    return lambda params, x, training: x * dropout_mask(x, p) if training else x


def dropout_mask(x: Tensor, p: float) -> Tensor:
    """Return 0 with probability `p` (to 1/65536), else the reciprocal of what is kept on average, shaped as `x`.

    Random words of 64 bits are looked at as four numbers of 16, or as eight of 8 where `p` is so many 256ths: an eighth
    of the time of a draw for each value.
    """
    lane = torch.int8 if float(p * 256).is_integer() else torch.int16
    n_numbers = 1 << 8 * lane.itemsize
    n_below = round(p * n_numbers)
    scale = n_numbers / max(n_numbers - n_below, 1)
    if x.device.type != "cpu":
        return (torch.rand_like(x) >= p).to(x.dtype).mul_(scale)
    words = torch.empty(-(-x.numel() * lane.itemsize // 8), dtype=torch.int64).random_(-(2**63), None)
    numbers = words.view(lane)[: x.numel()].view(x.shape).to(torch.float32)
    # The scale where the number is above the threshold, else 0: a third of the time of a comparison.
    mask: Tensor = torch.ops.aten.threshold_backward(torch.tensor(scale), numbers, n_below - n_numbers // 2 - 1)
    return mask.to(x.dtype)


def gaussian_noise(sigma: float) -> Forward:
    """Return normal noise with the engine's default generator, which is seeded before every step."""
    return lambda params, x, training: x + sigma * torch.randn_like(x) if training else x


def batch_norm(alpha: float, epsilon: float) -> Forward:
    """Return the normalisation of axis 1; while training it moves the running mean and variance."""

    def forward(params: Params, x: Tensor, training: bool) -> Tensor:
        of_batch = training and x.numel() > x.shape[1]
        gamma, beta, mean, var = (params[name] for name in ("gamma", "beta", "mean", "var"))
        return functional.batch_norm(x, mean, var, gamma, beta, of_batch, alpha, epsilon)

    return forward


def prelu_shelf(x: Tensor, a: Tensor, c: Tensor) -> Tensor:
    """Return ``max(x - c, 0) - a * max(-(x + c), 0)``; slopes belong to axis 1."""
    size = (-1,) + (1,) * (x.ndim - 2)
    edge = c.view(size)
    return (x - edge).relu() - a.view(size) * (-(x + edge)).relu()


def two_logits(z: Tensor) -> Tensor:
    """Return the logits (0, z) of two classes, whose softmax is the sigmoid of `z` (n, 1)."""
    return torch.cat([torch.zeros_like(z), z], dim=1)


def cross_entropy(logits: Tensor, y: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean negative log-likelihood of `y` under `logits` (n, n_classes).

    `y` are classes (n,), or shares of all classes (n, n_classes); `weights` (n,) say how much each example counts.
    """
    if weights is None:
        return functional.cross_entropy(logits, y)
    return (functional.cross_entropy(logits, y, reduction="none") * weights).mean()
