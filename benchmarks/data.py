"""Data larger than memory: what it costs in memory and in speed, and what augmentation costs.

1. Peak memory of a process that trains W2 from a streamed file of two sizes, beside one that trains on 100 MB in
memory. 2. Examples per second of shuffled training from HDF5 files in chunks (as they are, lzf, gzip 4), beside the
same rows in memory, and beside the usual DataLoader of two workers that reads row by row with h5py and feeds a plain
loop. 3. W2 with and without augmentation. A rate runs from the start of an epoch, so that the reading of its first rows
is in it; that of the DataLoader from where its workers are at work. Interleaved, median ratios. Run:
python benchmarks/data.py [--gb 8] [--folder DIR] [--rounds N] [--only memory speed augmentation] [--networks W1 W2].
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import h5py
import numpy as np
import torch
from scipy import ndimage
from sklearn.datasets import load_digits
from throughput import W1, W2, plain_w1
from torch import nn
from torch.utils.data import DataLoader, Dataset

from arignote import STOP, NNClassifier
from arignote.data.readers.hdf5 import HDFReader

BATCH = 128
CHUNK = 256
ROW_BYTES = 28 * 28 * 4
N_ROWS = 60_000
IN_MEMORY_MB = 100
MAY_COST_MB = 400
PACKED = {"chunks": {}, "lzf": {"compression": "lzf"}, "gzip 4": {"compression": "gzip", "compression_opts": 4}}
AUGMENTATION = [["Shift", {"max_shift": 2}], ["Flip", {"horizontal": True}], ["Noise", {"sigma": 0.1}]]


def rate(layers, x, y, n_batches: int, **settings) -> tuple[float, float]:
    """Return the examples per second, and per second of CPU time, of the first batches of a fit."""
    clock = []

    def observer(event):
        is_last = event.kind == "batch" and event.batch == n_batches
        if event.kind == "start" or is_last:
            clock.append((time.perf_counter(), time.process_time()))
        return STOP if is_last else None

    NNClassifier(layers, rng=1).fit(
        x, y, n_epochs=1, batch_size=BATCH, sgd_type="nag", lr_rule=0.01, observers=observer, **settings
    )
    n_examples = min(n_batches * BATCH, len(x))
    wall, cpu = (end - begin for begin, end in zip(clock[0], clock[-1], strict=True))
    return n_examples / wall, n_examples / cpu


class PlainRows(Dataset):
    """Rows of an HDF5 file one by one, the file opened once in each worker: what people write."""

    def __init__(self, path: str):
        self.path, self.file = path, None

    def __len__(self) -> int:
        return N_ROWS

    def __getitem__(self, row: int):
        if self.file is None:
            self.file = h5py.File(self.path, "r")
            self.x, self.y = self.file["x"], self.file["y"]
        return torch.from_numpy(self.x[row]), int(self.y[row])


def plain_rate(path: str, n_batches: int) -> tuple[float, float]:
    """Return the examples per second of the plain loop of W1 behind a DataLoader at work, and no CPU time."""
    model = nn.Sequential(nn.Flatten(), plain_w1())
    weights = [p for p in model.parameters() if p.ndim > 1][:-1]
    chosen = {id(p) for p in weights}
    groups = [
        {"params": weights, "weight_decay": 0.002},
        {"params": [p for p in model.parameters() if id(p) not in chosen]},
    ]
    optimiser = torch.optim.SGD(groups, lr=0.01, momentum=0.9, nesterov=True)
    loss_of = nn.CrossEntropyLoss()
    began = 0.0
    for number, (x, y) in enumerate(DataLoader(PlainRows(path), batch_size=BATCH, shuffle=True, num_workers=2)):
        if number == 4:
            began = time.perf_counter()
        optimiser.zero_grad(set_to_none=True)
        loss_of(model(x), y).backward()
        optimiser.step()
        if number == n_batches + 3:
            break
    return n_batches * BATCH / (time.perf_counter() - began), math.nan


def images(n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images like those of MNIST, which pack as well: digits enlarged to 20 x 20, moved about in 28 x 28."""
    rng = np.random.default_rng(0)
    small, labels = load_digits(return_X_y=True)
    large = np.clip(ndimage.zoom(small.reshape(-1, 8, 8) / 16, (1, 2.5, 2.5), order=3), 0, 1)
    large[large < 0.2] = 0
    chosen = rng.integers(len(large), size=n_rows)
    x = np.zeros((n_rows, 1, 28, 28), dtype=np.float32)
    for row, (number, top, left) in enumerate(zip(chosen, *rng.integers(2, 7, (2, n_rows)), strict=True)):
        x[row, 0, top : top + 20, left : left + 20] = large[number]
    grain = rng.normal(0, 0.05, x.shape).astype(np.float32)
    x = np.where(x > 0, np.clip(x + grain, 0, 1), 0)
    return (x * 255).round().astype(np.float32) / np.float32(255), labels[chosen].astype(np.int64)


def write(path: Path, x: np.ndarray, y: np.ndarray, n_rows: int | None = None, **packed) -> None:
    """Write rows in chunks of 256; where more are asked for, again and again."""
    n_rows = n_rows or len(x)
    with h5py.File(path, "w") as file:
        table = file.create_dataset("x", (n_rows, 1, 28, 28), np.float32, chunks=(CHUNK, 1, 28, 28), **packed)
        for at in range(0, n_rows, len(x)):
            table[at : at + len(x)] = x[: n_rows - at]
        file["y"] = np.resize(y, n_rows)


def child(kind: str, path: str, n_batches: int) -> None:
    """Train in this process and print its peak resident memory in MB."""
    n_rows = IN_MEMORY_MB * 1_000_000 // ROW_BYTES
    if kind == "stream":
        x, y = HDFReader(path, "/x"), f"{path}:/y"
    else:
        with h5py.File(path, "r") as file:
            x, y = file["x"][:n_rows], file["y"][:n_rows]
    rate(W2, x, y, n_batches)
    print(peak_mb())


def peak_mb() -> float:
    """Return the peak of this process; the kernel counts that of its parent in `ru_maxrss`, so VmHWM where it is."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1.024 / 1000


def memory(folder: Path, gb: float, x: np.ndarray, y: np.ndarray) -> None:
    """Print the peaks of training from files of two sizes, and from memory."""

    def peak(kind: str, path: Path) -> float:
        args = [sys.executable, __file__, "--child", kind, str(path), "120"]
        return float(subprocess.run(args, check=True, stdout=subprocess.PIPE, text=True).stdout)

    print(f"\n| W2, 120 batches | peak MB | more than {IN_MEMORY_MB} MB in memory (target < {MAY_COST_MB}) |")
    print("|---|---|---|")
    inside = None
    for size in (gb / 8, gb):
        path = folder / "large.h5"
        write(path, x, y, int(size * 1e9 / ROW_BYTES))
        if inside is None:
            inside = peak("memory", path)
            print(f"| {IN_MEMORY_MB} MB in memory | {inside:.0f} | |")
        found = peak("stream", path)
        print(f"| file of {size:g} GB | {found:.0f} | {found - inside:+.0f} |", flush=True)
        path.unlink()


def table(title: str, rounds: list[dict[str, tuple[float, float]]], base: str) -> None:
    """Print the median rates and the median ratios to one of them, by the clock and by CPU time."""
    print(f"\n| {title} | examples/s | of {base} | of {base}, by CPU time |\n|---|---|---|---|")
    for name in rounds[0]:
        cells = [f"{statistics.median(row[name][0] for row in rounds):.0f}"]
        for kind in (0, 1):
            found = sorted(row[name][kind] / row[base][kind] for row in rounds)
            cells.append(
                "" if math.isnan(found[0]) else f"{statistics.median(found):.2f} ({found[0]:.2f}..{found[-1]:.2f})"
            )
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def speed(folder: Path, networks: list[str], n_rounds: int, x: np.ndarray, y: np.ndarray) -> None:
    """Print the rates of one epoch from files of each kind, from memory and from the DataLoader."""
    # Of W2 fewer rows: an epoch of two windows, of which the first is waited for.
    for title in networks:
        layers, n_rows = {"W1": (W1, N_ROWS), "W2": (W2, 15_360)}[title]
        sources, plain = {"memory": x[:n_rows]}, {}
        for name, packed in PACKED.items():
            path = folder / f"{title}{name.replace(' ', '')}.h5"
            write(path, x[:n_rows], y[:n_rows], **packed)
            if layers is W1:
                print(f"{name}: {path.stat().st_size / 1e6:.0f} MB for {x.nbytes / 1e6:.0f} MB")
                plain[f"DataLoader, {name}"] = str(path)
            sources[name] = HDFReader(path, "/x")
        n_batches = -(-n_rows // BATCH)
        rate(layers, x, y, 20)
        rounds = []
        for _ in range(n_rounds):
            found = {name: rate(layers, source, y[:n_rows], n_batches) for name, source in sources.items()}
            # Where each row unpacks a whole chunk, fewer batches say as much.
            for name, path in plain.items():
                found[name] = plain_rate(path, 60 if name.endswith("chunks") else 10)
            rounds.append(found)
        table(f"{title}, an epoch of {n_rows} rows", rounds, "memory")
        for name in PACKED if plain else ():
            ratio = statistics.median(row[name][0] / row[f"DataLoader, {name}"][0] for row in rounds)
            print(f"{title}, {name}: {ratio:.2f} times the DataLoader")


def augmentation(n_rounds: int, x: np.ndarray, y: np.ndarray) -> None:
    """Print the rates with and without augmentation."""
    rate(W2, x, y, 20)
    rounds = [
        {"without": rate(W2, x, y, 60), "with": rate(W2, x, y, 60, augmentation=AUGMENTATION, n_workers=1)}
        for _ in range(n_rounds)
    ]
    table("W2, Shift, Flip, Noise", rounds, "without")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gb", type=float, default=2.0, help="size of the larger file")
    parser.add_argument("--folder", help="where files are made; default a temporary folder")
    parser.add_argument("--rounds", type=int, default=3)
    parts = ["memory", "speed", "augmentation"]
    parser.add_argument("--only", nargs="+", default=parts, choices=parts)
    parser.add_argument("--networks", nargs="+", default=["W1", "W2"], choices=["W1", "W2"], help="of speed")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    if args.child:
        kind, path, n_batches = args.child
        return child(kind, path, int(n_batches))
    with tempfile.TemporaryDirectory(dir=args.folder) as made:
        folder = Path(made)
        free = shutil.disk_usage(folder).free / 1e9
        gb = min(args.gb, free / 2)
        if gb < args.gb:
            print(f"{free:.1f} GB are free: a file of {gb:.1f} GB in place of {args.gb:g}")
        print(
            f"torch {torch.__version__}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}; "
            f"median of {args.rounds} interleaved rounds"
        )
        x, y = images(N_ROWS)
        if "memory" in args.only:
            memory(folder, gb, x, y)
        if "augmentation" in args.only:
            augmentation(args.rounds, x, y)
        if "speed" in args.only:
            speed(folder, args.networks, args.rounds, x, y)
        print(f"\nload {os.getloadavg()[0]:.1f} at the end")
    return None


if __name__ == "__main__":
    main()
