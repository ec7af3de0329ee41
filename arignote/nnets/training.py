"""``arignote.nnets.training`` of 2015: names only."""

from arignote.trainer import Trainer

__all__ = ["Trainer"]
