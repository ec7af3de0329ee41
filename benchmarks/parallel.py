"""Fits of W1 under joblib: two workers on two cores beside one. Run: python benchmarks/parallel.py [rounds].

Each round fits the same networks with one worker and with two, in turn, each with one thread, as joblib gives to two
workers on two cores; they are started, and have fitted once, before. Elapsed time is what counts on a quiet machine.
By CPU time other work disturbs less: it is what two workers gain where each has a core of its own, twice the CPU time
of a fit by that of a fit beside another one, in which shared caches and memory show.
"""

from __future__ import annotations

import os
import statistics
import sys
import time

import numpy as np
from joblib import Parallel, delayed
from throughput import W1

from arignote import NNClassifier

N_ROWS, N_FITS = 12_800, 4


def fit_once(seed: int, n_rows: int = N_ROWS) -> float:
    """Return the CPU seconds of one epoch of W1."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(n_rows, 784)).astype(np.float32), rng.integers(0, 10, n_rows)
    estimator = NNClassifier(W1, rng=seed, n_epochs=1, batch_size=128, sgd_type="nag", lr_rule=0.01, n_threads=1)
    began = time.process_time()
    estimator.fit(x, y)
    return time.process_time() - began


def measure(n_workers: int) -> tuple[float, float]:
    """Return the elapsed seconds of all fits, and the CPU seconds of one."""
    with Parallel(n_workers, backend="loky") as parallel:
        # Workers import, and fit once, before they are timed.
        parallel(delayed(fit_once)(seed, 1_280) for seed in range(2 * n_workers))
        began = time.perf_counter()
        found = parallel(delayed(fit_once)(seed) for seed in range(N_FITS))
        elapsed = time.perf_counter() - began
    return elapsed, statistics.median(found)


def main() -> None:
    n_rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}")
    by_seconds, by_cpu = [], []
    for _ in range(n_rounds):
        one, two = measure(1), measure(2)
        by_seconds.append(one[0] / two[0])
        by_cpu.append(2 * one[1] / two[1])
        print(f"one worker {one[0]:.2f} s, CPU of a fit {one[1]:.2f} s; two {two[0]:.2f} s, CPU {two[1]:.2f} s")
    print(f"two workers are {statistics.median(by_seconds):.2f} times as fast; by CPU {statistics.median(by_cpu):.2f}")


if __name__ == "__main__":
    main()
