"""Updaters by family."""

from arignote.optim.updaters.adam import Adam, AdamW, AMSGrad
from arignote.optim.updaters.adam_variants import Adamax, NAdam, RAdam
from arignote.optim.updaters.adaptive import Adadelta, Adagrad, RMSProp
from arignote.optim.updaters.base import DecoupledUpdater, FusedUpdater, SlicedUpdater, Updater
from arignote.optim.updaters.lion import Lion
from arignote.optim.updaters.sgd import NAG, SGD, Momentum

__all__ = [
    "NAG",
    "SGD",
    "AMSGrad",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "DecoupledUpdater",
    "FusedUpdater",
    "Lion",
    "Momentum",
    "NAdam",
    "RAdam",
    "RMSProp",
    "SlicedUpdater",
    "Updater",
]
