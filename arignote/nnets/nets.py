"""``arignote.nnets.nets`` of 2015: names only."""

from arignote.estimators import NNClassifier
from arignote.nnets.definitions import define_cnn, define_logistic_regression, define_mlp

__all__ = ["NNClassifier", "define_cnn", "define_logistic_regression", "define_mlp"]
