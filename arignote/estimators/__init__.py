"""The scikit-learn face."""

from arignote.estimators.classifier import NNClassifier

__all__ = ["NNClassifier"]
