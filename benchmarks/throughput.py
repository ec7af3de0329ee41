"""Examples per second of `fit` and of a plain, well-written PyTorch loop doing the same, interleaved; median ratios.

W1: 784-400-400-10 prelu, dropout 0.5, l2 1e-3, Nesterov 0.9, batch 128. W2: 1x28x28, conv 32 5x5 relu, pool 2, conv 64
5x5 relu, pool 2, FC 256 relu, dropout 0.5, batch 128. W3: 64-32-10 relu, batch 32. Run: make bench.
"""

from __future__ import annotations

import statistics
import sys
import time
import warnings

import numpy as np
import torch
from torch import nn

W1 = [
    ["FCLayer", {"n_units": 400, "activation": "prelu", "l2": 0.001}],
    ["DropoutLayer", {"dropout_p": 0.5}],
    ["FCLayer", {"n_units": 400, "activation": "prelu", "l2": 0.001}],
    ["DropoutLayer", {"dropout_p": 0.5}],
    ["ClassificationOutputLayer"],
]
W2 = [
    ["InputImageLayer", {"n_pixels": 28}],
    ["ConvLayer", {"n_output_maps": 32, "filter_shape": 5, "activation": "relu"}],
    ["MaxPool2DLayer", {"pool_shape": 2}],
    ["ConvLayer", {"n_output_maps": 64, "filter_shape": 5, "activation": "relu"}],
    ["MaxPool2DLayer", {"pool_shape": 2}],
    ["FCLayer", {"n_units": 256, "activation": "relu"}],
    ["DropoutLayer", {"dropout_p": 0.5}],
    ["ClassificationOutputLayer"],
]
W3 = [["FCLayer", {"n_units": 32, "activation": "relu"}], ["ClassificationOutputLayer"]]


def plain_w1() -> nn.Module:
    hidden = (nn.Linear(784, 400), nn.PReLU(400), nn.Dropout(0.5), nn.Linear(400, 400), nn.PReLU(400), nn.Dropout(0.5))
    return nn.Sequential(*hidden, nn.Linear(400, 10))


def plain_w2() -> nn.Module:
    maps = (nn.Conv2d(1, 32, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 5), nn.ReLU(), nn.MaxPool2d(2))
    top = (nn.Flatten(), nn.Linear(1024, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 10))
    return nn.Sequential(nn.Unflatten(1, (1, 28)), *maps, *top)


def plain_w3() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


WORKLOADS = {
    # name: (ours, theirs, shape of an example, rows, batch, l2 of the loop)
    "W1": (W1, plain_w1, (784,), 25_600, 128, 0.001),
    "W2": (W2, plain_w2, (28, 28), 5_120, 128, 0.0),
    "W3": (W3, plain_w3, (64,), 64_000, 32, 0.0),
}


def plain_epoch(model, optimiser, xs, ys, batch: int) -> None:
    """Train one epoch of shuffled tensors, as a plain loop does."""
    total = torch.zeros((), dtype=torch.float64)
    order = torch.randperm(len(xs))
    for at in range(0, len(xs), batch):
        rows = order[at : at + batch]
        optimiser.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(model(xs[rows]), ys[rows])
        loss.backward()
        optimiser.step()
        total += loss.detach() * len(rows)
    float(total)


def plain_loop(make, x, y, batch: int, l2: float) -> float:
    """Return the seconds of one epoch of the plain loop; its weight decay is 2 * l2 on the hidden weights."""
    model = make()
    weights = [p for name, p in model.named_parameters() if p.ndim > 1][:-1]
    chosen = {id(p) for p in weights}
    others = [p for p in model.parameters() if id(p) not in chosen]
    groups = [{"params": weights, "weight_decay": 2 * l2}, {"params": others}]
    optimiser = torch.optim.SGD(groups, lr=0.01, momentum=0.9, nesterov=True)
    xs, ys = torch.from_numpy(x), torch.from_numpy(y)
    began = time.perf_counter()
    plain_epoch(model, optimiser, xs, ys, batch)
    return time.perf_counter() - began


def ours(layers, x, y, batch: int) -> float:
    """Return the seconds of the last of two epochs of `fit`, from its history."""
    # Here, so that a process of the plain loop alone is free of what we import (memory.py).
    from arignote import NNClassifier

    fitted = NNClassifier(layers, rng=1).fit(x, y, n_epochs=2, batch_size=batch, sgd_type="nag", lr_rule=0.01)
    return float(fitted.history_[-1]["seconds"])


def main(n_rounds: int) -> None:
    """Print one line per workload."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; median of {n_rounds} interleaved rounds")
    for name, (layers, make, shape, n_rows, batch, l2) in WORKLOADS.items():
        x = rng.random((n_rows, *shape), dtype=np.float32)
        y = rng.integers(0, 10, n_rows)
        plain_loop(make, x, y, batch, l2)
        pairs = [(plain_loop(make, x, y, batch, l2), ours(layers, x, y, batch)) for _ in range(n_rounds)]
        ratio = statistics.median(a / b for a, b in pairs)
        rates = [n_rows / statistics.median(seconds) for seconds in zip(*pairs, strict=True)]
        print(f"{name}: plain loop {rates[0]:8.0f}/s   fit {rates[1]:8.0f}/s   ratio {ratio:.2f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
