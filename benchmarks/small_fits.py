"""Imports, fits of 200 rows and predictions of one row, beside MLPClassifier of scikit-learn.

The same network and the same batches; one thread; seconds of CPU, as a machine may be busy; interleaved, medians of the
ratios within a round. Processes that import have their bytecode cached. Run: python benchmarks/small_fits.py [rounds].
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

# Read when NumPy is imported.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from sklearn.neural_network import MLPClassifier

from arignote import NNClassifier

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 20)).astype(np.float32)
Y = (X @ rng.normal(size=(20, 3))).argmax(axis=1)
LAYERS = [["FCLayer", {"n_units": 100, "activation": "relu"}], ["ClassificationOutputLayer"]]
IMPORTS = {
    "python -c pass": "pass",
    "import arignote": "import arignote",
    "import sklearn.base": "import sklearn.base",
    "from sklearn.neural_network import MLPClassifier": "from sklearn.neural_network import MLPClassifier",
    "from arignote import NNClassifier": "from arignote import NNClassifier",
}


def theirs(batch_size: int, n_epochs: int) -> MLPClassifier:
    """Return a classifier that trains for all epochs, with Adam at 0.001, as ours."""
    return MLPClassifier(100, batch_size=batch_size, max_iter=n_epochs, n_iter_no_change=n_epochs + 1, random_state=0)


def ours(batch_size: int, n_epochs: int) -> NNClassifier:
    """Return the same classifier."""
    settings = {"sgd_type": "adam", "lr_rule": 0.001, "rng": 0}
    return NNClassifier(LAYERS, batch_size=batch_size, n_epochs=n_epochs, **settings)


def fitted(make: Callable[[int, int], Any], batch_size: int, n_epochs: int) -> Any:
    """Return a fitted classifier."""
    return make(batch_size, n_epochs).fit(X, Y)


def by_row(act: Callable[[Any], object]) -> None:
    """Predict each row on its own."""
    for row in range(len(X)):
        act(X[row : row + 1])


def cpu_seconds(act: Callable[[], object]) -> float:
    """Return the CPU seconds of this process."""
    began = time.process_time()
    act()
    return time.process_time() - began


def cpu_seconds_of_process(code: str, cache: str) -> float:
    """Return the CPU seconds of a process that runs some code."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, env=environment | {"PYTHONPYCACHEPREFIX": cache})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def show_imports(n_rounds: int) -> None:
    """Print the CPU seconds of each import."""
    with tempfile.TemporaryDirectory() as cache:
        rounds = [[cpu_seconds_of_process(code, cache) for code in IMPORTS.values()] for _ in range(n_rounds + 1)]
    # The first one writes the cache.
    for name, column in zip(IMPORTS, zip(*rounds[1:], strict=True), strict=True):
        print(f"{statistics.median(column):6.3f} s  {name}")
    ratios = [row[-1] / row[-2] for row in rounds[1:]]
    print(f"NNClassifier to MLPClassifier: {statistics.median(ratios):.2f} ({min(ratios):.2f}..{max(ratios):.2f})")


def show(name: str, one: Callable[[], object], other: Callable[[], object], n: int, n_rounds: int) -> None:
    """Print the milliseconds of one of `n` actions of each, and the ratio."""
    one(), other()
    pairs = [(cpu_seconds(one), cpu_seconds(other)) for _ in range(n_rounds)]
    medians = [1000 * statistics.median(column) / n for column in zip(*pairs, strict=True)]
    ratios = sorted(second / first for first, second in pairs)
    times = f"{medians[0]:.3f} ms and {medians[1]:.3f} ms"
    print(f"{name}: {times}, ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f}..{ratios[-1]:.2f})")


def main(n_rounds: int) -> None:
    """Print imports, then fits, then predictions: MLPClassifier first."""
    warnings.simplefilter("ignore")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; CPU seconds, {n_rounds} interleaved rounds")
    show_imports(n_rounds)
    for batch_size, n_epochs in ((200, 1), (200, 50), (200, 200), (32, 50)):
        fits = [partial(fitted, make, batch_size, n_epochs) for make in (theirs, ours)]
        show(f"an epoch of {n_epochs}, batches of {batch_size}", *fits, n_epochs, n_rounds)
    both = [fitted(make, 200, 5) for make in (theirs, ours)]
    for method in ("predict", "predict_proba"):
        show(f"{method} of one row", *(partial(by_row, getattr(one, method)) for one in both), len(X), n_rounds)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
