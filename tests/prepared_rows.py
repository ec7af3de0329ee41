"""Ninety rows of three classes, prepared for a fit."""

from __future__ import annotations

import numpy as np

from arignote.data.prepare.fit_data import FitData
from arignote.data.prepare.prepared import prepare
from arignote.data.targets import Classes, Targets
from arignote.spec.settings import FitSettings

X = np.random.default_rng(0).normal(3, 2, (90, 4)).astype(np.float32)
Y = np.repeat(["a", "b", "c"], [60, 20, 10])


def prepared(x=X, y=Y, seed=1, n_classes=None, learned=None, settings=None, **given):
    settings = FitSettings(**({"batch_size": 5} | (settings or {})))
    return prepare(
        FitData(x, y, targets=Targets({"output": Classes(n_classes=n_classes)}, "output"), **given),
        settings,
        seed,
        learned,
    )


def numbers(rows):
    return np.arange(len(X)) if rows.index is None else rows.index
