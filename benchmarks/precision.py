"""Test error on MNIST of W2 (throughput.py), in float32 and in another precision with the same seeds, and their time.

Run with the folder of mnist.npz in the environment variable ARIGNOTE_DATA, or --data FILE: python
benchmarks/precision.py [--precision bf16] [--epochs 4] [--seeds 3] [--rows 60000].
"""

from __future__ import annotations

import argparse
import os
import statistics
import warnings

import numpy as np
from throughput import W2

from arignote import NNClassifier, sample_data


def fitted(part, test, precision: str, seed: int, n_epochs: int) -> tuple[float, float]:
    """Return the test error in percent after the last epoch, and the seconds of the fastest epoch."""
    classifier = NNClassifier(W2, rng=seed, precision=precision)
    classifier.fit(*part, n_epochs=n_epochs, batch_size=128, sgd_type="nag", lr_rule=0.01, momentum_rule=0.9)
    seconds = min(record["seconds"] for record in classifier.history_)
    return 100 * classifier.evaluate(*test, losses="error")["error"], seconds


def main() -> None:
    """Print a line for each seed, and the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--data", help="mnist.npz; default that of ARIGNOTE_DATA")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    with np.load(args.data or sample_data.mnist) as found:
        x = {name: found[f"x_{name}"].astype(np.float32) / 255 for name in ("train", "test")}
        train, test = ((x[name], found[f"y_{name}"]) for name in ("train", "test"))
    train = tuple(array[: args.rows] for array in train)
    kinds = ("float32", args.precision)
    found = {kind: [] for kind in kinds}
    print(f"W2 on {len(train[0]):,} rows of MNIST, {args.epochs} epochs, load {os.getloadavg()[0]:.1f}", flush=True)
    for seed in range(args.seeds):
        for kind in kinds:
            found[kind].append(fitted(train, test, kind, seed, args.epochs))
            error, seconds = found[kind][-1]
            print(f"seed {seed} {kind:12s} test error {error:.2f} %, {seconds:.1f} s an epoch", flush=True)
    means = [statistics.mean(error for error, _ in found[kind]) for kind in kinds]
    times = [statistics.median(seconds for _, seconds in found[kind]) for kind in kinds]
    print(f"{kinds[0]} {means[0]:.3f} %, {kinds[1]} {means[1]:.3f} %: {means[1] - means[0]:+.3f} points; ", end="")
    print(f"rate {times[0] / times[1]:.2f} of float32's")


if __name__ == "__main__":
    main()
