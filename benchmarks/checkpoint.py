"""What a checkpoint of every epoch costs: training time lost for each save, beside a plain file of the same tensors.

Two fits in turn, with and without checkpoints; the median of the differences. "Lost" is from the first to the last epoch
of a fit, divided by the saves begun between them; "at the end" is from the last epoch until `fit` returns. The plain
file is safetensors.torch.save_file of network and velocity, and fsync, with nothing beside it. Run:
python benchmarks/checkpoint.py [rounds [folder]]; the folder is where files are written.
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
from arignote.run_files import RunFiles
from arignote.state import TrainingState

CASES = {
    # name: (units of the hidden layers, rows of an epoch, of a batch, epochs)
    "1M, short epoch": ((990,), 1_280, 128, 12),
    "1M": ((990,), 6_400, 128, 5),
    "25M, short epoch": ((4_500, 4_500), 64, 64, 8),
    "25M": ((4_500, 4_500), 384, 64, 5),
}
N_IN = 1_000


@dataclass
class Fit:
    """The clock of one fit: when each epoch and each save ended, and the state in the end."""

    epochs: list[float] = field(default_factory=list)
    saves: list[tuple[float, float]] = field(default_factory=list)
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


def fit(units: tuple[int, ...], x, y, batch: int, n_epochs: int, stem: str | None) -> Fit:
    """Return the clock of a fit; without a stem nothing is saved, and no snapshot made."""
    clock = Fit()

    def observer(event) -> None:
        if event.kind == "validation":
            clock.epochs.append(time.perf_counter())

    save = RunFiles.save

    def timed(self, *args) -> None:
        began = time.perf_counter()
        save(self, *args)
        clock.saves.append((began, time.perf_counter()))

    layers = [["FCLayer", {"n_units": n, "activation": "relu"}] for n in units] + [["ClassificationOutputLayer"]]
    RunFiles.save = timed
    try:
        fitted = NNClassifier(layers, rng=1).fit(
            x,
            y,
            n_epochs=n_epochs,
            batch_size=batch,
            sgd_type="momentum",
            lr_rule=0.01,
            observers=observer,
            checkpoint=stem,
            checkpoint_every="epoch" if stem else "100000s",
            resume="fresh",
        )
    finally:
        RunFiles.save = save
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
    """Return the seconds of what the loop itself does for a save: a look at whether all is finite, and a copy."""
    live = replace(state, network={name: torch.from_numpy(array) for name, array in state.network.items()})
    began = time.perf_counter()
    live.finite()
    looked = time.perf_counter()
    live.snapshot()
    return looked - began, time.perf_counter() - looked


def main(n_rounds: int, folder: str) -> None:
    """Print one line per case."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}; "
        f"median of {n_rounds} interleaved rounds, milliseconds"
    )
    print(
        "| network | epoch | lost for a save | of it: finite, copy | plain file | lost / plain | a save in its thread "
        "| at the end, without | bytes/param |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name, (units, n_rows, batch, n_epochs) in CASES.items():
        x = rng.random((n_rows, N_IN), dtype=np.float32)
        y = np.arange(n_rows) % 10
        rows = []
        for _ in range(n_rounds):
            with tempfile.TemporaryDirectory(dir=folder) as made:
                stem = str(Path(made) / "run")
                without = fit(units, x, y, batch, n_epochs, None)
                saved = fit(units, x, y, batch, n_epochs, stem)
                n_params = sum(array.size for array in saved.state.network.values())
                own = own_steps(saved.state)
                rows.append(
                    {
                        "epoch": without.trained / (n_epochs - 1),
                        "lost": (saved.trained - without.trained) / saved.begun,
                        "finite": own[0],
                        "copy": own[1],
                        "plain": plain_file(saved.state, Path(made) / "plain"),
                        "save": statistics.median(ended - began for began, ended in saved.saves),
                        "end": saved.returned - saved.epochs[-1],
                        "end without": without.returned - without.epochs[-1],
                        "bytes": os.path.getsize(f"{stem}_last.ckpt") / n_params,
                    }
                )
        found = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
        ms = {key: f"{value * 1000:.1f}" if value < 0.0995 else f"{value * 1000:.0f}" for key, value in found.items()}
        ratio = statistics.median(row["lost"] / row["plain"] for row in rows)
        spread = f"{min(row['lost'] for row in rows) * 1000:.0f}..{max(row['lost'] for row in rows) * 1000:.0f}"
        print(
            f"| {name} ({n_params / 1e6:.2f}M) | {ms['epoch']} | {ms['lost']} ({spread}) | {ms['finite']}, {ms['copy']} | {ms['plain']} "
            f"| {ratio:.2f} | {ms['save']} | {ms['end']}, {ms['end without']} | {found['bytes']:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, sys.argv[2] if len(sys.argv) > 2 else tempfile.gettempdir())
