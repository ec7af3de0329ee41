"""Whole fits of NNClassifier and NNRegressor beside MLPClassifier and MLPRegressor: the same network, the same batches.

W1: 784-400-400-10 relu, batch 128. W3: 64-32-10 relu, batch 32. R1: W1's shape with one number as the target. All are
float32, with Nesterov 0.9 at 0.01 and the same l2, and train for the same number of epochs from the same arrays. A fit
is timed from its call to its return, after one that is not counted; the two are asked in turn. The search is a
GridSearchCV of 5 values over 6 folds of networks of 8 to 32 units, of skorch's too where it is installed.

Run: ``python benchmarks/scikit_learn.py [ROUNDS] [--busy N]``; N processes then compute beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor

from arignote import NNClassifier, NNRegressor

Fit = Callable[[], object]
N_EPOCHS = 4
L2 = 0.0005
# name: shape of a row, hidden units, rows, batch
WORKLOADS = {"W1": (784, (400, 400), 12_800, 128), "W3": (64, (32,), 12_800, 32), "R1": (784, (400, 400), 12_800, 128)}


def of_workload(name: str) -> dict[str, Fit]:
    """Return a fit of each library."""
    n_in, hidden, n_rows, batch = WORKLOADS[name]
    rng = np.random.default_rng(0)
    x = rng.random((n_rows, n_in), dtype=np.float32)
    is_regressor = name.startswith("R")
    y = rng.random(n_rows, dtype=np.float32) if is_regressor else rng.integers(0, 10, n_rows)
    output = ["RegressionOutputLayer"] if is_regressor else ["ClassificationOutputLayer"]
    layers = [["FCLayer", {"n_units": n, "activation": "relu", "l2": L2}] for n in hidden]
    ours = NNRegressor if is_regressor else NNClassifier
    theirs = MLPRegressor if is_regressor else MLPClassifier
    settings = {"n_epochs": N_EPOCHS, "batch_size": batch, "sgd_type": "nag", "lr_rule": 0.01}
    return {
        "scikit-learn": lambda: mlp(theirs, hidden, batch).fit(x, y),
        "fit": lambda: ours([*layers, output], rng=1, **settings).fit(x, y),
    }


def mlp(cls: Any, hidden: tuple[int, ...], batch: int) -> Any:
    """Return the estimator of scikit-learn, which trains for `N_EPOCHS` whatever its loss does."""
    return cls(
        hidden_layer_sizes=hidden,
        solver="sgd",
        momentum=0.9,
        learning_rate_init=0.01,
        alpha=L2,
        batch_size=batch,
        max_iter=N_EPOCHS,
        tol=0.0,
        n_iter_no_change=N_EPOCHS + 1,
        random_state=1,
    )


def of_search() -> dict[str, Fit]:
    """Return a search of each library that is installed."""
    digits = load_digits()
    x, y = (digits.data / 16).astype(np.float32), digits.target
    units = (8, 12, 16, 24, 32)
    layers = [[["FCLayer", {"n_units": n, "activation": "relu"}], ["ClassificationOutputLayer"]] for n in units]
    settings = {"n_epochs": 10, "batch_size": 32, "sgd_type": "nag", "lr_rule": 0.01}
    theirs = mlp(MLPClassifier, (8,), 32).set_params(max_iter=10, n_iter_no_change=11)

    def searched(estimator: Any, grid: dict[str, Any]) -> Fit:
        return lambda: GridSearchCV(estimator, grid, cv=6, refit=False).fit(x, y)

    found = {
        "scikit-learn": searched(theirs, {"hidden_layer_sizes": [(n,) for n in units]}),
        "fit": searched(NNClassifier(layers[0], rng=1, **settings), {"layers": layers}),
    }
    with contextlib.suppress(ImportError):
        found["skorch"] = searched(skorch(), {"module__n_units": list(units)})
    return found


def skorch() -> Any:
    """Return the classifier of skorch, for the search."""
    from skorch import NeuralNetClassifier
    from torch import nn, optim

    class Module(nn.Sequential):
        def __init__(self, n_units: int = 8) -> None:
            super().__init__(nn.Linear(64, n_units), nn.ReLU(), nn.Linear(n_units, 10))

    return NeuralNetClassifier(
        Module,
        criterion=nn.CrossEntropyLoss,
        optimizer=optim.SGD,
        optimizer__momentum=0.9,
        optimizer__nesterov=True,
        lr=0.01,
        batch_size=32,
        max_epochs=10,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )


@contextlib.contextmanager
def busy(n_processes: int) -> Iterator[None]:
    """Keep so many processes computing beside this one."""
    context = multiprocessing.get_context("spawn")
    neighbours = [context.Process(target=_compute, daemon=True) for _ in range(n_processes)]
    for neighbour in neighbours:
        neighbour.start()
    try:
        yield
    finally:
        for neighbour in neighbours:
            neighbour.kill()


def _compute() -> None:
    while True:
        sum(range(1000))


def seconds(fit: Fit) -> float:
    """Return how long a fit takes."""
    began = time.perf_counter()
    fit()
    return time.perf_counter() - began


def main() -> None:
    """Print a line for each workload."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rounds", type=int, nargs="?", default=5)
    parser.add_argument("--busy", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=[*WORKLOADS, "search"], default=[*WORKLOADS, "search"])
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{os.cpu_count()} cores, {given.busy} busy neighbours; median of {given.rounds} interleaved rounds")
    with busy(given.busy):
        for name in given.only:
            fits = of_search() if name == "search" else of_workload(name)
            for fit in fits.values():
                fit()
            rounds = [{peer: seconds(fit) for peer, fit in fits.items()} for _ in range(given.rounds)]
            for peer in fits.keys() - {"fit"}:
                ratios = [found[peer] / found["fit"] for found in rounds]
                median = statistics.median(found["fit"] for found in rounds)
                print(
                    f"{name}: {peer} / fit {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}), "
                    f"fit {median:.2f} s",
                    flush=True,
                )


if __name__ == "__main__":
    main()
