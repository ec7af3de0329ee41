"""The README script of 2015, unchanged but for the checkpoint: test error at the best validation, and wall time.

With --peers beside a plain PyTorch loop that does the same without checkpoints (PReLU in place of the shelf, which
torch lacks), and beside skorch where it is there: whole processes, from start to end, in turn; ratios to each. Run with
the folder of mnist.npz in the environment variable ARIGNOTE_DATA: python benchmarks/mnist2015.py [epochs] [--data FILE]
[--peers [--rounds N]].
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

BATCH = 128
Part = tuple[np.ndarray, np.ndarray]


def script(data: str, n_epochs: int) -> tuple[float, int]:
    """Run the script of 2015; return the test error at the best validation, and its epoch."""
    from arignote.data import files
    from arignote.nnets import nets

    layers = [
        ["InputLayer", {"name": "input"}],
        ["FCLayer", {"name": "fc1", "n_units": 400, "activation": "prelu_shelf", "l2": 0.001}],
        ["DropoutLayer", {"name": "DO-fc1", "dropout_p": 0.5}],
        ["FCLayer", {"name": "fc2", "n_units": 400, "activation": "prelu_shelf", "l2": 0.001}],
        ["DropoutLayer", {"name": "DO-fc2", "dropout_p": 0.5}],
        ["ClassificationOutputLayer", {"name": "output", "n_classes": 10}],
    ]
    classifier = nets.NNClassifier(layers, name="MNIST MLP", rng=42)
    lr_rule = {"rule": "stalled", "initial_value": 0.1, "multiply_by": 0.25, "interval": 5}
    momentum_rule = {"rule": "stalled", "initial_value": 0.7, "decrease_by": -0.1, "final_value": 0.95, "interval": 5}
    mnist_data = files.read_pickle(data)
    with tempfile.TemporaryDirectory() as folder:
        classifier.fit(
            mnist_data[0],
            n_epochs=n_epochs,
            valid=mnist_data[1],
            test=mnist_data[2],
            augmentation=None,
            checkpoint=str(Path(folder) / "mnist"),
            sgd_type="nag",
            lr_rule=lr_rule,
            momentum_rule=momentum_rule,
            batch_size=BATCH,
            train_loss="nll",
            valid_loss="nll",
            test_loss=["nll", "error"],
        )
    best = min(classifier.history_, key=lambda record: record["valid_nll"])
    return best["test_error"], best["epoch"]


def parts_of(data: str) -> list[Part]:
    """Return training, validation and test data as the script has them, read by numpy alone."""
    with np.load(data) as found:
        x, y = (np.concatenate([found[f"{key}_train"], found[f"{key}_test"]]) for key in "xy")
    x, y = x.reshape(len(x), -1).astype(np.float32) / 255, y.astype(np.int64)
    return [(x[rows], y[rows]) for rows in (slice(50_000), slice(50_000, 60_000), slice(60_000, None))]


def plain_net():
    """Return the network of torch alone, and its parameters in groups: l2 of 0.001 on the hidden weights."""
    from torch import nn

    hidden = (nn.Linear(784, 400), nn.PReLU(400), nn.Dropout(0.5), nn.Linear(400, 400), nn.PReLU(400), nn.Dropout(0.5))
    model = nn.Sequential(*hidden, nn.Linear(400, 10))
    weights = [model[0].weight, model[3].weight]
    others = [p for p in model.parameters() if all(p is not w for w in weights)]
    return model, [{"params": weights, "weight_decay": 0.002}, {"params": others}]


def plain(data: str, n_epochs: int) -> tuple[float, int]:
    """Train with a plain loop: rates that follow validation, the best network kept, tested at each best."""
    import torch
    from throughput import plain_epoch

    loss_of = torch.nn.functional.cross_entropy
    (x, y), valid, test = (tuple(map(torch.from_numpy, part)) for part in parts_of(data))
    torch.manual_seed(42)
    model, groups = plain_net()
    optimiser = torch.optim.SGD(groups, lr=0.1, momentum=0.7, nesterov=True)

    @torch.inference_mode()
    def score(x, y) -> tuple[float, float]:
        model.eval()
        logits = torch.cat([model(x[at : at + 512]) for at in range(0, len(x), 512)])
        return float(loss_of(logits, y)), float((logits.argmax(1) != y).double().mean())

    best, best_epoch, changed, error, kept = np.inf, 0, 0, 1.0, None
    for epoch in range(1, n_epochs + 1):
        model.train()
        plain_epoch(model, optimiser, x, y, BATCH)
        found, _ = score(*valid)
        if found < best:
            best, best_epoch, changed, kept = found, epoch, epoch, copy.deepcopy(model.state_dict())
            _, error = score(*test)
        elif epoch - changed >= 5:
            changed = epoch
            for group in optimiser.param_groups:
                group["lr"], group["momentum"] = group["lr"] * 0.25, min(group["momentum"] + 0.1, 0.95)
    model.load_state_dict(kept)
    return error, best_epoch


def skorch(data: str, n_epochs: int) -> tuple[float, int]:
    """Train with skorch, without checkpoints and with the learning rate's rule alone; tested once, at the end."""
    import torch
    from skorch import NeuralNetClassifier
    from skorch.callbacks import LRScheduler
    from skorch.dataset import Dataset
    from skorch.helper import predefined_split

    train, valid, test = parts_of(data)
    torch.manual_seed(42)
    fitted = NeuralNetClassifier(
        plain_net()[0],
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.SGD,
        optimizer__param_groups=[("0.weight", {"weight_decay": 0.002}), ("3.weight", {"weight_decay": 0.002})],
        optimizer__momentum=0.9,
        optimizer__nesterov=True,
        lr=0.1,
        batch_size=BATCH,
        iterator_train__shuffle=True,
        iterator_valid__batch_size=512,
        max_epochs=n_epochs,
        train_split=predefined_split(Dataset(*valid)),
        callbacks=[LRScheduler("ReduceLROnPlateau", monitor="valid_loss", factor=0.25, patience=5)],
        verbose=0,
    ).fit(*train)
    return float((fitted.predict(test[0]) != test[1]).mean()), n_epochs


KINDS = {"arignote": script, "plain loop": plain, "skorch": skorch}


def process(kind: str, data: str, n_epochs: int) -> tuple[float, str]:
    """Return the seconds of a whole process, and what it says."""
    began = time.perf_counter()
    args = [sys.executable, __file__, str(n_epochs), "--data", data, "--kind", kind]
    said = subprocess.run(args, check=True, stdout=subprocess.PIPE, text=True).stdout
    return time.perf_counter() - began, said.strip()


def peers(data: str, n_epochs: int, n_rounds: int) -> None:
    """Print the wall time of each, and the ratio of ours to it."""
    kinds = [kind for kind in KINDS if kind != "skorch" or importlib.util.find_spec("skorch")]
    print(f"{n_epochs} epochs, load {os.getloadavg()[0]:.1f}; median of {n_rounds} interleaved rounds", flush=True)
    rounds = [{kind: process(kind, data, n_epochs) for kind in kinds} for _ in range(n_rounds)]
    print("\n| | whole process, s | ours of it (least to most) | |\n|---|---|---|---|")
    for kind in kinds:
        ratios = sorted(found["arignote"][0] / found[kind][0] for found in rounds)
        seconds = statistics.median(found[kind][0] for found in rounds)
        ratio = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"| {kind} | {seconds:.1f} | {ratio} | {rounds[-1][kind][1]} |")
    print(f"load {os.getloadavg()[0]:.1f} at the end")


def main() -> None:
    """Run one of them, or all in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("epochs", type=int, nargs="?", default=50)
    parser.add_argument("--data", help="mnist.npz; default that of ARIGNOTE_DATA")
    parser.add_argument("--peers", action="store_true", help="beside a plain loop and skorch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kind", choices=KINDS, default="arignote", help=argparse.SUPPRESS)
    args = parser.parse_args()
    data = args.data or _data()
    if args.peers:
        return peers(data, args.epochs, args.rounds)
    warnings.simplefilter("ignore")
    began = time.perf_counter()
    error, epoch = KINDS[args.kind](data, args.epochs)
    print(f"test error {100 * error:.2f} % at epoch {epoch}; {time.perf_counter() - began:.0f} s")
    return None


def _data() -> str:
    from arignote import sample_data

    return sample_data.mnist


if __name__ == "__main__":
    main()
