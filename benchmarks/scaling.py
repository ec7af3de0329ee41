"""How cost grows: rows, width, depth, classes, parameters and history of a checkpoint, a run of very many epochs.

Beside each cost stands its growth exponent since the row above, the log ratio of seconds by the log ratio of sizes: 1
is linear, 2 quadratic; where a fixed cost still leads, it is below 1. The width is that of two layers, whose work grows
with their parameters: its exponent is by parameters. "around" is all of `fit` but its epochs. By CPU time, of all
threads, other work of the machine disturbs less. Run: python benchmarks/scaling.py [--whole] [--only rows width ...].
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from arignote import NNClassifier
from arignote.checkpoints.progress import History
from arignote.checkpoints.state import TrainingState
from arignote.checkpoints.writer import RunWriter
from arignote.data.epoch.order import Order
from arignote.report.progress import ProgressLines

N_IN = 16


@dataclass
class Clocks:
    """An observer: seconds and CPU seconds at the start, and at the end of each epoch of a stride."""

    stride: int = 1

    def __post_init__(self) -> None:
        self.times: list[tuple[float, float]] = []

    def __call__(self, event) -> None:
        if event.kind == "start" or (event.kind == "validation" and event.epoch % self.stride == 0):
            self.times.append((time.perf_counter(), time.process_time()))

    def between(self) -> np.ndarray:
        """Return the seconds and CPU seconds of each stride, (strides, 2)."""
        return np.diff(np.array(self.times), axis=0)


def network(units: list[int]) -> list:
    """Return dense layers of so many units, and the output."""
    return [*(["FCLayer", {"n_units": n, "activation": "relu"}] for n in units), ["ClassificationOutputLayer"]]


def data(n_rows: int, n_classes: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Return random features float32 (n_rows, N_IN), and each class equally often."""
    x = np.random.default_rng(0).random((n_rows, N_IN), dtype=np.float32)
    return x, np.arange(n_rows) % n_classes


def fitted(units: list[int], x: np.ndarray, y: np.ndarray, **settings) -> NNClassifier:
    """Return a network, trained."""
    chosen = {"sgd_type": "momentum", "lr_rule": 0.001} | settings
    return NNClassifier(network(units), rng=1).fit(x, y, **chosen)


def epoch_of(units: list[int], n_rows: int, n_classes: int = 10) -> tuple[int, list[float]]:
    """Return the parameters; seconds and CPU seconds of an epoch (medians), and seconds around all epochs."""
    x, y = data(n_rows, n_classes)
    clocks = Clocks()
    n_epochs = 3 if n_rows >= 100_000 else 5
    began = time.perf_counter()
    trained = fitted(units, x, y, n_epochs=n_epochs, observers=clocks)
    total = time.perf_counter() - began
    epochs = clocks.between()
    wall, cpu = np.median(epochs[1:], axis=0).tolist()
    return trained.n_params, [wall, cpu, total - float(epochs[:, 0].sum())]


def rows(whole: bool) -> Iterator[tuple]:
    """Yield size, by what its exponent goes, the number that is shown beside it, and its costs; so do the others."""
    for n in (1_000, 10_000, 100_000) + ((1_000_000,) if whole else ()):
        n_params, seconds = epoch_of([32], n)
        yield n, n, n_params, seconds


def width(whole: bool) -> Iterator[tuple]:
    for n in (64, 256, 1024) + ((4096,) if whole else ()):
        n_params, seconds = epoch_of([n, n], 1_280)
        yield n, n_params, n_params, seconds


def depth(whole: bool) -> Iterator[tuple]:
    for n in (1, 4, 16, 64):
        n_params, seconds = epoch_of([64] * n, 10_000 if whole else 2_560)
        yield n, n, n_params, seconds


def classes(whole: bool) -> Iterator[tuple]:
    for n in (2, 100, 1_000, 10_000):
        n_params, seconds = epoch_of([32], 50_000 if whole else 20_000, n)
        yield n, n, n_params, seconds


def balanced(whole: bool) -> Iterator[tuple]:
    """As the others: the order alone of an epoch that draws each class equally often, of 100 rows to a class."""
    for n in (10_000, 100_000) + ((1_000_000,) if whole else ()):
        order = Order("full", n, classes=np.arange(n) % (n // 100))
        began = time.perf_counter()
        order.of_epoch(1, 0)
        yield n, n, n // 100, [time.perf_counter() - began]


def saving(state: TrainingState, folder: Path) -> list[float]:
    """Return the median seconds of a copy, for which training waits, and of a file."""
    times = []
    files = RunWriter(str(folder / "run"))
    copy = state.snapshot()
    for _ in range(5):
        began = time.perf_counter()
        copy = state.snapshot(copy)
        copied = time.perf_counter()
        files.save(copy)
        times.append((copied - began, time.perf_counter() - copied))
    files.clear()
    return [statistics.median(column) for column in zip(*times, strict=True)]


def parameters(whole: bool, folder: Path) -> Iterator[tuple]:
    x, y = data(32)
    for n in (90, 305, 990) + ((4_980,) if whole else ()):
        state = fitted([n, n], x, y, n_epochs=1).state_
        n_params = sum(array.size for array in state.network.values())
        yield n_params, n_params, state.n_bytes, saving(state, folder)


def history(whole: bool, folder: Path) -> Iterator[tuple]:
    x, y = data(32)
    state = fitted([16], x, y, n_epochs=1).state_
    row = state.history.record(-1)
    for n in (1_000, 10_000, 100_000) + ((1_000_000,) if whole else ()):
        grown = replace(state, history=History({name: [float(value)] * n for name, value in row.items()}))
        yield n, n, grown.n_bytes, saving(grown, folder)


def table(title: str, heads: list[str], found: Iterator[tuple]) -> None:
    """Print a row per size, and beside each cost its growth exponent since the row above."""
    print(f"\n| {title} | {' | '.join(heads)} |\n|{'---|' * (len(heads) + 1)}")
    before = None
    for size, measure, shown, costs in found:
        cells = [f"{size:,}", f"{shown:,}"]
        for at, cost in enumerate(costs):
            grown = ""
            if before is not None:
                grown = f" ({math.log(cost / before[1][at]) / math.log(measure / before[0]):.2f})"
            cells.append((f"{cost:.3g} s" if cost >= 1 else f"{cost * 1000:.3g} ms") + grown)
        before = (measure, costs)
        print(f"| {' | '.join(cells)} |", flush=True)


def long_run(n_epochs: int, every: str, folder: Path) -> None:
    """Print the speed of each tenth of a run of one-batch epochs, validated, printed and saved."""
    x, y = data(64)
    clocks = Clocks(n_epochs // 10)
    stem = str(folder / "long")
    with open(os.devnull, "w") as nowhere:
        trained = fitted(
            [16],
            x,
            y,
            valid=(x, y),
            n_epochs=n_epochs,
            batch_size=len(x),
            checkpoint=stem,
            checkpoint_every=every,
            observers=[ProgressLines(nowhere), clocks],
        )
    tenths = clocks.between() / (n_epochs // 10) * 1e6
    n_bytes = os.path.getsize(f"{stem}_last.ckpt")
    of_history = sum(array.nbytes for array in trained.state_.history.arrays().values())
    print(f"\n{n_epochs:,} epochs of one batch, validated, a line printed for each, saved every {every}:")
    for name, column in zip(("microseconds", "of CPU time"), tenths.T, strict=True):
        print(f"{name} per epoch, by tenths: {' '.join(f'{value:.0f}' for value in column)}")
    wall, cpu = (tenths[0] / tenths[-1]).tolist()
    print(f"speed of the last tenth, of the first: {wall:.2f}, by CPU time {cpu:.2f}")
    print(f"checkpoint: {n_bytes:,} bytes, of which the history {of_history:,}")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    axes = {"rows": rows, "width": width, "depth": depth, "classes": classes}
    saves = {"parameters": parameters, "history": history}
    names = [*axes, "balanced", *saves, "epochs"]
    parser.add_argument("--whole", action="store_true", help="the largest sizes too")
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}")
    epoch_fit = ["parameters", "an epoch (exponent)", "CPU time", "around"]
    for name in (name for name in axes if name in args.only):
        table(name, epoch_fit, axes[name](args.whole))
    if "balanced" in args.only:
        table("balanced classes: rows", ["classes", "the order of an epoch (exponent)"], balanced(args.whole))
    with tempfile.TemporaryDirectory() as made:
        for name in (name for name in saves if name in args.only):
            title = f"{name} of a checkpoint" if name == "parameters" else "rows of a history"
            table(title, ["bytes", "copy (exponent)", "file"], saves[name](args.whole, Path(made)))
        if "epochs" in args.only:
            long_run(*((100_000, "30s") if args.whole else (10_000, "2s")), Path(made))
    print(f"\nload {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
