"""Rows per second of `predict_proba` and of a validation, beside the best of several batch sizes; W1, W2, W3.

The batch is a fixed rule of shapes (engine/step.py: validation_rows); here it is replaced by each size in turn, all
else being the same. Beside it the forward pass alone, of the plain module at its own best size. Interleaved, medians of
the rates. Run: python benchmarks/predict.py [rounds].
"""

from __future__ import annotations

import os
import statistics
import sys
import time
import warnings

import numpy as np
import torch
from throughput import WORKLOADS

from arignote import NNClassifier
from arignote.fit import run

SIZES = (64, 128, 256, 512, 1024, 2048)
N_ROWS = {"W1": 10_240, "W2": 2_048, "W3": 40_960}


def timed(act) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


@torch.inference_mode()
def plain(model: torch.nn.Module, x: torch.Tensor, size: int) -> None:
    """Put all rows through a plain module."""
    torch.cat([model(x[at : at + size]).softmax(1) for at in range(0, len(x), size)]).numpy()


def measure(name: str, n_rounds: int) -> None:
    """Print a table of one workload."""
    layers, make, shape, _, batch, _ = WORKLOADS[name]
    rng = np.random.default_rng(0)
    x = rng.random((N_ROWS[name], *shape), dtype=np.float32)
    y = np.arange(len(x)) % 10
    fitted = NNClassifier(layers, rng=1).fit(x[:batch], y[:batch], n_epochs=1)
    model, tensor = make().eval(), torch.from_numpy(x)
    rule, chosen = run.validation_rows, run.validation_rows(fitted.network_)
    acts = {
        "predict_proba": lambda size: fitted.predict_proba(x),
        "evaluate": lambda size: fitted.evaluate(x, y),
        "plain module": lambda size: plain(model, tensor, size),
    }
    seconds: dict[tuple[str, int], list[float]] = {(kind, size): [] for kind in acts for size in SIZES}
    try:
        for number in range(n_rounds + 1):
            for (kind, size), found in seconds.items():
                run.validation_rows = lambda network, size=size: size
                took = timed(lambda kind=kind, size=size: acts[kind](size))
                # The first round warms up.
                if number:
                    found.append(took)
    finally:
        run.validation_rows = rule
    rates = {key: len(x) / statistics.median(found) for key, found in seconds.items()}
    best = {kind: max(rates[kind, size] for size in SIZES) for kind in acts}
    print(
        f"\n| {name}, k rows/s at a batch of | {' | '.join(map(str, SIZES))} | ours ({chosen}) of the best | of plain |"
    )
    print(f"|{'---|' * (len(SIZES) + 3)}")
    for kind in acts:
        cells = [f"{rates[kind, size] / 1000:.1f}" for size in SIZES]
        if kind == "plain module":
            cells += ["", ""]
        else:
            cells += [f"{rates[kind, chosen] / best[of]:.2f}" for of in (kind, "plain module")]
        print(f"| {kind} | {' | '.join(cells)} |", flush=True)


def main(n_rounds: int) -> None:
    """Print one table per workload."""
    warnings.simplefilter("ignore")
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}; "
        f"median of {n_rounds} interleaved rounds"
    )
    for name in WORKLOADS:
        measure(name, n_rounds)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
