"""Examples per second of W1, W2 and W3 of throughput.py: ours, the plain loop and the libraries people use for them.

All train the same layers (PReLU per unit, dropout 0.5, the penalty as weight decay or as the library has it) with
Nesterov 0.9 at 0.01, on shuffled numpy arrays in memory, each as its own manual says, with its own defaults. A rate is
that of an epoch from its first batch to its last by the library's own hooks or history, so neither building,
compiling nor the start of a fit is in it. Each peer has a process of its own, kept alive; they are asked in turn, so
that one works at a time, and each is divided by the plain loop of the same round. Run: make bench-peers, or
python benchmarks/peers.py [--rounds N] [--only PEER ...] [--workloads W1 ...] where the peers are installed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from throughput import WORKLOADS, ours, plain_loop
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

LR, MOMENTUM, DROPOUT_P = 0.01, 0.9, 0.5
Epoch = Callable[[], float]  # trains one more epoch and returns its seconds


class Work:
    """A workload and its data, the same in every process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.layers, self.make, shape, self.n_rows, self.batch, self.l2 = WORKLOADS[name]
        rng = np.random.default_rng(0)
        self.x = rng.random((self.n_rows, *shape), dtype=np.float32)
        self.y = rng.integers(0, 10, self.n_rows)


def hidden_weights(model: nn.Module) -> list[str]:
    """Return the names of the weights that the penalty is on."""
    return [name for name, p in model.named_parameters() if p.ndim > 1][:-1]


def skorch(work: Work) -> Epoch:
    """Return `partial_fit` of one epoch; its history has the seconds."""
    from skorch import NeuralNetClassifier

    decay = {"weight_decay": 2 * work.l2}
    net = NeuralNetClassifier(
        work.make,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.SGD,
        optimizer__momentum=MOMENTUM,
        optimizer__nesterov=True,
        optimizer__param_groups=[(name, decay) for name in hidden_weights(work.make())],
        lr=LR,
        batch_size=work.batch,
        max_epochs=1,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    ).initialize()
    return lambda: net.partial_fit(work.x, work.y).history[-1, "dur"]


def lightning(work: Work) -> Epoch:
    """Return a Trainer of one epoch, timed by the hooks of the module."""
    from lightning import pytorch as pl

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = work.make()
            self.seconds = 0.0

        def training_step(self, batch, number):
            x, y = batch
            return nn.functional.cross_entropy(self.model(x), y)

        def configure_optimizers(self):
            parameters = dict(self.model.named_parameters())
            decayed = [parameters.pop(name) for name in hidden_weights(self.model)]
            groups = [{"params": decayed, "weight_decay": 2 * work.l2}, {"params": list(parameters.values())}]
            return torch.optim.SGD(groups, lr=LR, momentum=MOMENTUM, nesterov=True)

        def on_train_epoch_start(self) -> None:
            self.seconds = -time.perf_counter()

        def on_train_epoch_end(self) -> None:
            self.seconds += time.perf_counter()

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    rows = TensorDataset(torch.from_numpy(work.x), torch.from_numpy(work.y))
    loader = DataLoader(rows, batch_size=work.batch, shuffle=True, num_workers=0)
    module = Module()
    silent = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)

    def epoch() -> float:
        pl.Trainer(max_epochs=1, accelerator="cpu", **silent).fit(module, loader)
        return module.seconds

    return epoch


def keras(work: Work) -> Epoch:
    """Return `fit` of one epoch on the backend of KERAS_BACKEND, timed by a callback."""
    import keras
    from keras import layers

    def hidden(n_units: int) -> list[Any]:
        prelu = layers.PReLU(alpha_initializer=keras.initializers.Constant(0.25))
        dense = layers.Dense(n_units, kernel_regularizer=keras.regularizers.L2(work.l2))
        return [dense, prelu, layers.Dropout(DROPOUT_P)]

    def pooled(n_maps: int) -> list[Any]:
        return [layers.Conv2D(n_maps, 5, activation="relu"), layers.MaxPooling2D(2)]

    top = [layers.Flatten(), layers.Dense(256, activation="relu"), layers.Dropout(DROPOUT_P)]
    parts = {
        "W1": [*hidden(400), *hidden(400)],
        "W2": [layers.Reshape((28, 28, 1)), *pooled(32), *pooled(64), *top],
        "W3": [layers.Dense(32, activation="relu")],
    }[work.name]
    model = keras.Sequential([keras.Input(work.x.shape[1:]), *parts, layers.Dense(10)])
    model.compile(
        keras.optimizers.SGD(LR, momentum=MOMENTUM, nesterov=True),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    clock = [0.0, 0.0]

    def note(which: int) -> Callable[..., None]:
        return lambda *_: clock.__setitem__(which, time.perf_counter())

    timer = keras.callbacks.LambdaCallback(on_epoch_begin=note(0), on_epoch_end=note(1))

    def epoch() -> float:
        model.fit(work.x, work.y, batch_size=work.batch, epochs=1, shuffle=True, verbose=0, callbacks=[timer])
        return clock[1] - clock[0]

    return epoch


def jax(work: Work) -> Epoch:
    """Return an epoch written by hand in JAX."""
    import jax_by_hand

    return jax_by_hand.train(work)


@dataclass(frozen=True)
class Peer:
    """What stands in a row of the table."""

    title: str
    module: str  # what is imported
    build: Callable[[Work], Epoch]
    backend: str = ""  # of Keras


PEERS = {
    "plain": Peer("plain PyTorch loop", "torch", lambda w: partial(plain_loop, w.make, w.x, w.y, w.batch, w.l2)),
    "arignote": Peer("arignote", "arignote", lambda w: partial(ours, w.layers, w.x, w.y, w.batch)),
    "skorch": Peer("skorch", "skorch", skorch),
    "lightning": Peer("Lightning", "lightning", lightning),
    "keras-torch": Peer("Keras on PyTorch", "keras", keras, "torch"),
    "keras-jax": Peer("Keras on JAX", "keras", keras, "jax"),
    "jax": Peer("JAX by hand, step compiled", "jax", jax),
}


def serve(name: str) -> None:
    """Report whether the peer is installed; then, for each workload that is read, train an epoch, report its rate."""
    # Whatever a library prints is not an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    warnings.simplefilter("ignore")
    peer, epochs, rows = PEERS[name], {}, {}
    os.environ["KERAS_BACKEND"] = peer.backend or "torch"
    try:
        importlib.import_module(peer.module)
        importlib.import_module(peer.backend or peer.module)
        fault = ""
    except ImportError as error:
        fault = str(error)
    print(json.dumps(fault), file=answers, flush=True)
    for line in sys.stdin:
        workload = line.strip()
        if workload not in epochs:
            work = Work(workload)
            epochs[workload], rows[workload] = peer.build(work), work.n_rows
        print(rows[workload] / epochs[workload](), file=answers, flush=True)


class Worker:
    """A peer at work in a process of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        # Keras writes a file of settings into a folder that is set, by default the home.
        env = os.environ | {"KERAS_HOME": sys.prefix}
        args = [sys.executable, __file__, "--worker", name]
        self._process = subprocess.Popen(
            args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=env
        )
        self.fault: str = self._answer()

    def rate(self, workload: str) -> float:
        """Return the examples per second of one more epoch."""
        print(workload, file=self._process.stdin, flush=True)
        return float(self._answer())

    def close(self) -> None:
        """Let the process end."""
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> Any:
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended; its own words are above.")
        return json.loads(line)


def processor() -> str:
    """Return the name of the processor, as Linux reports it."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def cell(rates: list[float], plain_rates: list[float]) -> str:
    """Return the median ratio to the plain loop, its least and most, and the median rate."""
    ratios = sorted(rate / base for rate, base in zip(rates, plain_rates, strict=True))
    spread = f" ({ratios[0]:.2f}..{ratios[-1]:.2f})" if ratios[0] < ratios[-1] else ""
    return f"{statistics.median(ratios):.2f}{spread}, {statistics.median(rates) / 1000:.1f}k"


def measure(workers: list[Worker], workloads: list[str], n_rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return the rates of each worker by workload, one for each round."""
    rates: dict[str, dict[str, list[float]]] = {}
    for workload in workloads:
        # The first epoch of each compiles, and is not counted.
        for worker in workers:
            worker.rate(workload)
        rounds = [[worker.rate(workload) for worker in workers] for _ in range(n_rounds)]
        rates[workload] = {worker.name: [row[at] for row in rounds] for at, worker in enumerate(workers)}
    return rates


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--workloads", nargs="+", default=list(WORKLOADS), choices=list(WORKLOADS))
    parser.add_argument("--worker", choices=list(PEERS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return serve(args.worker)
    before = os.getloadavg()[0]
    asked = [Worker(name) for name in PEERS if name in args.only or name == "plain"]
    workers = [worker for worker in asked if not worker.fault]
    rates = measure(workers, args.workloads, args.rounds)
    for worker in asked:
        worker.close()
    modules = dict.fromkeys(PEERS[worker.name].module for worker in workers)
    print(
        f"{time.strftime('%Y-%m-%d')}, {processor()}, {torch.get_num_threads()} threads, load {before:.1f} before and "
        f"{os.getloadavg()[0]:.1f} after, median of {args.rounds} interleaved rounds (least..most), examples/s; "
        f"{', '.join(f'{module} {version(module)}' for module in modules)}\n"
    )
    print(f"| of the plain loop | {' | '.join(args.workloads)} |\n|---|{'---|' * len(args.workloads)}")
    for worker in workers:
        cells = [cell(rates[workload][worker.name], rates[workload]["plain"]) for workload in args.workloads]
        print(f"| {PEERS[worker.name].title} | {' | '.join(cells)} |")
    for worker in asked:
        if worker.fault:
            print(f"\nLeft out: {PEERS[worker.name].title} ({worker.fault})")
    return None


if __name__ == "__main__":
    main()
