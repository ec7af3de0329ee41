"""What a checkpoint of every epoch costs: training time lost for each save, beside a plain file of the same tensors.

Two fits in turn, with and without checkpoints; the median of the differences. "Lost" is from the first to the last
epoch of a fit, divided by the saves begun between them; "at most" is what the loop itself does for a save, and the CPU
time of the writing thread, of an epoch: more cannot be lost; "at the end" is from the last epoch until `fit` returns.
The plain file is safetensors.torch.save_file of network and velocity, and fsync, with nothing beside it. Run: python
benchmarks/checkpoint.py [rounds [threads of training [folder]]]; by default 5 rounds and the engine's own threads.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from arignote import NNClassifier
from arignote.checkpoints.state import TrainingState
from arignote.checkpoints.writer import RunWriter

CASES = {
    # name: (units of the hidden layers, rows of an epoch, of a batch, epochs)
    "1M short": ((990,), 1_280, 128, 12),
    "1M": ((990,), 5_120, 128, 4),
    "1M, as many rows as MNIST": ((990,), 50_000, 128, 3),
    "25M short": ((4_500, 4_500), 16, 16, 6),
    "25M": ((4_500, 4_500), 128, 64, 5),
}
N_IN = 1_000


@dataclass
class Fit:
    """The clock of one fit: when each epoch and each save ended, CPU time of the saves, and the state in the end."""

    epochs: list[float] = field(default_factory=list)
    saves: list[tuple[float, float]] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    returned: float = 0.0
    state: TrainingState | None = None

    @property
    def trained(self) -> float:
        """Seconds from the end of the first epoch to that of the last."""
        return self.epochs[-1] - self.epochs[0]

    @property
    def begun(self) -> int:
        """Saves begun in this time."""
        return sum(self.epochs[0] <= began < self.epochs[-1] for began, _ in self.saves)


def fit(units: tuple[int, ...], x, y, batch: int, n_epochs: int, stem: str | None, threads: int) -> Fit:
    """Return the clock of a fit; without a stem nothing is saved, and no snapshot made."""
    clock = Fit()

    def observer(event) -> None:
        if event.kind == "validation":
            clock.epochs.append(time.perf_counter())

    save = RunWriter.save

    def timed(self, *args) -> list[str]:
        began, cpu = time.perf_counter(), time.thread_time()
        written = save(self, *args)
        clock.saves.append((began, time.perf_counter()))
        clock.cpu.append(time.thread_time() - cpu)
        return written

    layers = [["FCLayer", {"n_units": n, "activation": "relu"}] for n in units] + [["ClassificationOutputLayer"]]
    RunWriter.save = timed
    try:
        fitted = NNClassifier(layers, rng=1).fit(
            x,
            y,
            n_epochs=n_epochs,
            batch_size=batch,
            sgd_type="momentum",
            lr_rule=0.01,
            observers=observer,
            n_threads=threads,
            checkpoint=stem,
            checkpoint_every="epoch" if stem else "100000s",
            resume="fresh",
        )
    finally:
        RunWriter.save = save
    clock.returned, clock.state = time.perf_counter(), fitted.state_
    return clock


def plain_file(state: TrainingState, path: Path) -> float:
    """Return the seconds of a plain file of network and velocity, on disk."""
    tensors = {name: torch.from_numpy(array) for name, array in (state.network | state.slots).items()}
    began = time.perf_counter()
    save_file(tensors, path)
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
    return time.perf_counter() - began


def own_steps(state: TrainingState) -> tuple[float, float]:
    """Return the seconds of what the loop itself does for a save: a check that all is finite, and a copy."""
    live = replace(state, network={name: torch.from_numpy(array) for name, array in state.network.items()})
    began = time.perf_counter()
    live.is_finite()
    looked = time.perf_counter()
    live.snapshot()
    return looked - began, time.perf_counter() - looked


def measure(
    units: tuple[int, ...], n_rows: int, batch: int, n_epochs: int, stem: str, threads: int
) -> dict[str, float]:
    """Return what one pair of fits takes."""
    x = np.random.default_rng(0).random((n_rows, N_IN), dtype=np.float32)
    y = np.arange(n_rows) % 10
    without = fit(units, x, y, batch, n_epochs, None, threads)
    saved = fit(units, x, y, batch, n_epochs, stem, threads)
    finite, copy = own_steps(saved.state)
    n_params = sum(array.size for array in saved.state.network.values())
    lost = (saved.trained - without.trained) / saved.begun
    epoch = without.trained / (n_epochs - 1)
    plain = plain_file(saved.state, Path(f"{stem}.plain"))
    return {
        "epoch": epoch,
        "lost": lost,
        "finite": finite,
        "copy": copy,
        "save": statistics.median(ended - began for began, ended in saved.saves),
        "most": (finite + copy + statistics.median(saved.cpu)) / epoch,
        "plain": plain,
        "ratio": lost / plain,
        "end": saved.returned - saved.epochs[-1],
        "end without": without.returned - without.epochs[-1],
        "bytes": os.path.getsize(f"{stem}_last.ckpt") / n_params,
    }


def main(n_rounds: int, threads: int, folder: str) -> None:
    """Print one line per case."""
    warnings.simplefilter("ignore")
    print(
        f"torch {torch.__version__}, {threads} threads on {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; "
        f"median of {n_rounds} interleaved rounds, ms"
    )
    columns = "network, epoch | lost for a save (least to most) | finite, copy | writing | at most of the epoch"
    print(f"| {columns} | plain file | lost / plain | at the end (without) | bytes per parameter |\n|{'---|' * 9}")
    for name, case in CASES.items():
        rows = []
        for _ in range(n_rounds):
            with tempfile.TemporaryDirectory(dir=folder) as made:
                rows.append(measure(*case, str(Path(made) / "run"), threads))
        found = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
        ms = {
            key: f"{value * 1000:.1f}" if abs(value) < 0.02 else f"{value * 1000:.0f}" for key, value in found.items()
        }
        least, most = (choose(row["lost"] for row in rows) * 1000 for choose in (min, max))
        cells = [
            f"{name}, {ms['epoch']}",
            f"{ms['lost']} ({least:.0f} to {most:.0f})",
            f"{ms['finite']}, {ms['copy']}",
            ms["save"],
            f"{100 * found['most']:.1f} %",
            ms["plain"],
            f"{found['ratio']:.2f}",
            f"{ms['end']} ({ms['end without']})",
            f"{found['bytes']:.3f}",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    given = dict(enumerate(sys.argv))
    main(int(given.get(1, 5)), int(given.get(2, torch.get_num_threads())), given.get(3, tempfile.gettempdir()))
