"""Examples per second of `fit` and of a plain PyTorch loop on networks with norms, branches, series and numbers.

W4: 3x32x32, three times conv 3x3, batch norm, relu, pool 2, of 32, 64 and 128 maps, batch 128. W5: an LSTM of 128 units
over sequences of 50 steps of 32 numbers, of which the last state is classified, batch 128. W6: a residual network,
3x32x32, conv 3x3 of 16 maps, three stages of 2 blocks (16, 32, 64 maps) with pools between, batch 64. W7: series of 3
channels and 128 steps, 1-D convolutions, all relu, of 32 maps (7 steps), pool 2, 64 maps (5 steps), pool 2, 64 maps (3
steps), mean over the steps, batch 128. W8: the network of W1 (784-400-400 prelu, dropout 0.5) with one number as
output, batch 128. The loop runs as it is by default and with channels_last (images alone); all take turns, ratios are
medians. Run: ``python benchmarks/graphs.py 5 W4 W5 W6 W7 W8``.
"""

from __future__ import annotations

import statistics
import sys
import time
import warnings
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

CONV = {"filter_shape": 3, "pad": "same", "activation": "linear"}
NORMED = [["BatchNormLayer"], ["ActivationLayer", {"activation": "relu"}]]
RGB = ["InputImageLayer", {"n_pixels": 32, "n_images": 3}]
POOL = ["MaxPool2DLayer", {"pool_shape": 2}]


def _residual(maps: int) -> list:
    conv = ["ConvLayer", {"n_output_maps": maps, "use_bias": False, **CONV}]
    ends = [["BatchNormLayer"], ["SumLayer", {"inputs": ["in", "norm2"]}], NORMED[1]]
    return ["Block", {"name": f"res{maps}", "repeat": 2, "layers": [conv, *NORMED, conv, *ends]}]


def _conv(maps: int) -> list:
    return ["ConvLayer", {"n_output_maps": maps, **CONV}]


W4 = [RGB, *(layer for maps in (32, 64, 128) for layer in (_conv(maps), *NORMED, POOL)), ["ClassificationOutputLayer"]]
W5 = [["LSTMLayer", {"n_units": 128, "only_last": True}], ["ClassificationOutputLayer"]]
W6 = [
    *(RGB, _conv(16), _residual(16), POOL, _conv(32), _residual(32), POOL, _conv(64), _residual(64)),
    *(["GlobalAveragePoolLayer"], ["ClassificationOutputLayer"]),
]
POOL_1D = ["MaxPool1DLayer", {"pool_length": 2}]


def _conv1d(maps: int, length: int) -> list:
    return ["Conv1DLayer", {"n_output_maps": maps, "filter_length": length, "activation": "relu"}]


W7 = [
    *(_conv1d(32, 7), POOL_1D, _conv1d(64, 5), POOL_1D, _conv1d(64, 3)),
    *(["GlobalAveragePoolLayer", {"axes": "NCL"}], ["ClassificationOutputLayer"]),
]
W8 = [
    *[["FCLayer", {"n_units": 400, "activation": "prelu"}], ["DropoutLayer", {"dropout_p": 0.5}]] * 2,
    ["RegressionOutputLayer"],
]


def plain_w4() -> nn.Module:
    """Return the network of W4 as PyTorch has it."""
    parts: list[nn.Module] = []
    for n_in, n_out in ((3, 32), (32, 64), (64, 128)):
        parts += [nn.Conv2d(n_in, n_out, 3, padding=1), nn.BatchNorm2d(n_out), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
    return nn.Sequential(*parts, nn.Flatten(), nn.Linear(128 * 16, 10))


class PlainBlock(nn.Module):
    """A residual block."""

    def __init__(self, maps: int):
        super().__init__()
        convs = [nn.Conv2d(maps, maps, 3, padding=1, bias=False) for _ in range(2)]
        self.inner = nn.Sequential(
            convs[0], nn.BatchNorm2d(maps), nn.ReLU(inplace=True), convs[1], nn.BatchNorm2d(maps)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sum of input and inner layers, rectified."""
        return torch.relu_(self.inner(x) + x)


class PlainLSTM(nn.Module):
    """An LSTM whose last state is classified."""

    def __init__(self):
        super().__init__()
        self.lstm, self.output = nn.LSTM(32, 128, batch_first=True), nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits of the state after the last step."""
        return self.output(self.lstm(x)[1][0][-1])


def plain_w6() -> nn.Module:
    """Return the network of W6 as PyTorch has it."""
    parts: list[nn.Module] = []
    for n_in, n_out in ((3, 16), (16, 32), (32, 64)):
        pool = [nn.MaxPool2d(2)] if n_in > 3 else []
        parts += [*pool, nn.Conv2d(n_in, n_out, 3, padding=1), PlainBlock(n_out), PlainBlock(n_out)]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def plain_w7() -> nn.Module:
    """Return the network of W7 as PyTorch has it."""
    first = (nn.Conv1d(3, 32, 7), nn.ReLU(inplace=True), nn.MaxPool1d(2), nn.Conv1d(32, 64, 5), nn.ReLU(inplace=True))
    last = (nn.MaxPool1d(2), nn.Conv1d(64, 64, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool1d(1), nn.Flatten())
    return nn.Sequential(*first, *last, nn.Linear(64, 10))


def plain_w8() -> nn.Module:
    """Return the network of W8 as PyTorch has it."""
    hidden = (nn.Linear(784, 400), nn.PReLU(400), nn.Dropout(0.5), nn.Linear(400, 400), nn.PReLU(400), nn.Dropout(0.5))
    return nn.Sequential(*hidden, nn.Linear(400, 1), nn.Flatten(0))


class Workload(NamedTuple):
    """A network, its plain form, and its data."""

    layers: list
    plain: object
    shape: tuple[int, ...]
    n_rows: int
    batch: int
    rate: float = 0.01
    is_number: bool = False


WORKLOADS = {
    "W4": Workload(W4, plain_w4, (3, 32, 32), 2_560, 128),
    "W5": Workload(W5, PlainLSTM, (50, 32), 2_560, 128),
    "W6": Workload(W6, plain_w6, (3, 32, 32), 1_280, 64),
    "W7": Workload(W7, plain_w7, (3, 128), 2_560, 128),
    "W8": Workload(W8, plain_w8, (784,), 25_600, 128, rate=0.001, is_number=True),
}


def plain_loop(load: Workload, x: np.ndarray, y: np.ndarray, channels_last: bool = False) -> float:
    """Return the seconds of the second of two epochs of the plain loop."""
    model = load.plain()
    xs, ys = torch.from_numpy(x), torch.from_numpy(y)
    if channels_last:
        model, xs = model.to(memory_format=torch.channels_last), xs.to(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(model.parameters(), lr=load.rate, momentum=0.9, nesterov=True)
    loss_of = nn.functional.mse_loss if load.is_number else nn.functional.cross_entropy
    for _ in range(2):
        began = time.perf_counter()
        total = torch.zeros((), dtype=torch.float64)
        order = torch.randperm(len(xs))
        for at in range(0, len(xs), load.batch):
            rows = order[at : at + load.batch]
            optimiser.zero_grad(set_to_none=True)
            loss = loss_of(model(xs[rows]), ys[rows])
            loss.backward()
            optimiser.step()
            total += loss.detach() * len(rows)
        float(total)
    return time.perf_counter() - began


def ours(load: Workload, x: np.ndarray, y: np.ndarray) -> float:
    """Return the seconds of the second of two epochs of `fit`, from its history."""
    from arignote import NNClassifier, NNRegressor

    kind = NNRegressor if load.is_number else NNClassifier
    settings = {"n_epochs": 2, "batch_size": load.batch, "sgd_type": "nag", "lr_rule": load.rate}
    fitted = kind(load.layers, rng=1).fit(x, y, **settings)
    return float(fitted.history_[-1]["seconds"])


def main(n_rounds: int, names: list[str]) -> None:
    """Print one line per workload."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; median of {n_rounds} interleaved rounds")
    for name in names:
        load = WORKLOADS[name]
        x = rng.standard_normal((load.n_rows, *load.shape), dtype=np.float32)
        y = x[:, 0] if load.is_number else rng.integers(0, 10, load.n_rows)
        seconds = [
            (plain_loop(load, x, y), plain_loop(load, x, y, len(load.shape) == 3), ours(load, x, y))
            for _ in range(n_rounds)
        ]
        rates = [load.n_rows / statistics.median(times) for times in zip(*seconds, strict=True)]
        ratios = [statistics.median(times[n] / times[2] for times in seconds) for n in (0, 1)]
        print(
            f"{name}: plain loop {rates[0]:7.0f}/s, channels_last {rates[1]:7.0f}/s, fit {rates[2]:7.0f}/s; "
            f"ratio {ratios[0]:.2f}, {ratios[1]:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    words = sys.argv[1:]
    main(int(words[0]) if words and words[0].isdigit() else 5, [w for w in words if w in WORKLOADS] or list(WORKLOADS))
