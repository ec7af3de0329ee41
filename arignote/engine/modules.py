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
    "gaussian_noise",
    "mask_of",
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
        sums = x.mm(params["W"])
        if "b" in params:
            sums = sums.add_(params["b"])
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
    draw = mask_of(p)
    return lambda params, x, training: x * draw(x) if training else x


def mask_of(p: float) -> Callable[[Tensor], Tensor]:
    """Return what draws 0 with probability `p` (to 1/65536), else the reciprocal of what is kept on average.

    A value takes as many random bits as `p` needs, 1 where it is a half and 2 where it is so many quarters, up to 16.
    Words of bits are looked at as numbers of 16 or 8; of fewer, a table has the values that each byte stands for.
    """
    n_bits = next((n for n in (1, 2, 4, 8) if float(p * 2**n).is_integer()), 16)
    n_numbers = 1 << n_bits
    n_below = round(p * n_numbers)
    scale = n_numbers / max(n_numbers - n_below, 1)
    in_bytes = torch.arange(256).unsqueeze(1) >> torch.arange(0, 8, n_bits) & n_numbers - 1
    of_byte = (in_bytes >= n_below).to(torch.float32) * scale

    def draw(x: Tensor) -> Tensor:
        if x.device.type != "cpu":
            return (torch.rand_like(x) >= p).to(x.dtype).mul_(scale)
        words = torch.empty(-(-x.numel() * n_bits // 64), dtype=torch.int64).random_(-(2**63), None)
        if n_bits < 8:
            mask = of_byte.index_select(0, words.view(torch.uint8).to(torch.int64)).view(-1)[: x.numel()].view(x.shape)
        else:
            lane = torch.int8 if n_bits == 8 else torch.int16
            numbers = words.view(lane)[: x.numel()].view(x.shape).to(torch.float32)
            # The scale where the number is above the threshold, else 0: a third of the time of a comparison.
            mask = torch.ops.aten.threshold_backward(torch.tensor(scale), numbers, n_below - n_numbers // 2 - 1)
        return mask.to(x.dtype)

    return draw


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
    return torch.addcmul((x - edge).relu_(), (x + edge).neg_().relu_(), a.view(size), value=-1)


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
