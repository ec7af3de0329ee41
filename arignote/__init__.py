"""Arignote: the trainer for people who write their network down as data."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from arignote.version import __version__

if TYPE_CHECKING:
    from arignote.data import Data, DataWithHoldoutPartitions
    from arignote.errors import (
        ArignoteError,
        ArignoteWarning,
        CallError,
        CheckpointError,
        ConfigError,
        DataError,
        Interrupted,
        NotFiniteError,
        ProcessError,
    )
    from arignote.estimators import NNClassifier, NNRegressor
    from arignote.observers.events import STOP

# Names come on first use: importing arignote brings neither torch nor scikit-learn.
_HOMES = {
    "ArignoteError": "arignote.errors",
    "ArignoteWarning": "arignote.errors",
    "CallError": "arignote.errors",
    "CheckpointError": "arignote.errors",
    "ConfigError": "arignote.errors",
    "Data": "arignote.data",
    "DataError": "arignote.errors",
    "DataWithHoldoutPartitions": "arignote.data",
    "Interrupted": "arignote.errors",
    "NNClassifier": "arignote.estimators",
    "NNRegressor": "arignote.estimators",
    "NotFiniteError": "arignote.errors",
    "ProcessError": "arignote.errors",
    "STOP": "arignote.observers.events",
}

# Modules that are loaded on first use too: "import arignote" is enough for arignote.layers.
_MODULES = ("data", "errors", "layers", "nnets", "optim", "plots", "registry", "sample_data", "spec")

__all__ = [
    "STOP",
    "ArignoteError",
    "ArignoteWarning",
    "CallError",
    "CheckpointError",
    "ConfigError",
    "Data",
    "DataError",
    "DataWithHoldoutPartitions",
    "Interrupted",
    "NNClassifier",
    "NNRegressor",
    "NotFiniteError",
    "ProcessError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _MODULES:
        return import_module(f"arignote.{name}")
    raise AttributeError(f"module 'arignote' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names and modules, for `dir` and completion."""
    return sorted({*__all__, *_MODULES, *(name for name in globals() if name.startswith("__"))})
