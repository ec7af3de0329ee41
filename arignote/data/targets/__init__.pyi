"""Targets: what a network is trained to predict."""

from arignote.data.targets.base import Target, TargetState
from arignote.data.targets.classes import Classes, Ranks
from arignote.data.targets.each_step import EachStep, counted
from arignote.data.targets.flags import Flags
from arignote.data.targets.labels import weights_of_classes
from arignote.data.targets.numbers import Numbers
from arignote.data.targets.own_input import OwnInput
from arignote.data.targets.same import Same
from arignote.data.targets.several import Targets, misnamed

__all__ = [
    "Classes",
    "EachStep",
    "Flags",
    "Numbers",
    "OwnInput",
    "Ranks",
    "Same",
    "Target",
    "TargetState",
    "Targets",
    "counted",
    "misnamed",
    "weights_of_classes",
]
