"""Every updater with its default rates on one task: the digits of scikit-learn, none of them tuned.

``python benchmarks/updaters.py`` prints the error on held-out rows and the loss of training after 30 epochs, over five
seeds: 1,797 images of 8x8 pixels, 64-64-10 relu, batches of 32.
"""

from __future__ import annotations

import sys
import warnings
from statistics import mean

import arignote.parts  # noqa: F401
from arignote import NNClassifier
from arignote.registry import build, names, part_name
from arignote.sample_data import digits

LAYERS = [["FCLayer", {"n_units": 64, "activation": "relu"}], ["ClassificationOutputLayer"]]


def updaters():
    """Return the names of all updaters of this package, without aliases."""
    return sorted({part_name(cls) for cls in names("updater").values() if cls.__module__.startswith("arignote.")})


def fitted(updater, seed, n_epochs):
    """Return the history of a fit, in which validation rows are held out."""
    network = NNClassifier(LAYERS, rng=seed, n_epochs=n_epochs, batch_size=32, sgd_type=updater, verbose=False)
    return network.fit(*digits(), valid=0.2, validate_on_train=True, n_threads=1).history_


def table(n_seeds=5, n_epochs=30):
    """Return, by name, the learning rate, and the errors and losses of training in the end, one for each seed."""
    found = {}
    for name in updaters():
        ends = [fitted(name, seed, n_epochs)[-1] for seed in range(n_seeds)]
        errors, losses = ([end[column] for end in ends] for column in ("valid_error", "train_nll"))
        found[name] = build("updater", name).default_lr, errors, losses
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print("| updater | learning rate | error | of five seeds | nll of training |\n|---|---|---|---|---|")
    for name, (lr, errors, losses) in table(*map(int, sys.argv[1:])).items():
        spread = f"{100 * min(errors):.2f} to {100 * max(errors):.2f} %"
        print(f"| {name} | {lr:g} | {100 * mean(errors):.2f} % | {spread} | {mean(losses):.4f} |", flush=True)
