"""``arignote.nnets.training`` of 2015: names only."""

from arignote.fit.trainer import Trainer

__all__ = ["Trainer"]
