"""``arignote.nnets.nets`` of 2015: names only."""

from arignote.estimators import NNClassifier

__all__ = ["NNClassifier"]
