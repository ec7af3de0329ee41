"""``arignote.nnets.sgd_updates`` of 2015: names only."""

from arignote.optim.rules import Rule
from arignote.optim.updaters import Updater

__all__ = ["Rule", "Updater"]
