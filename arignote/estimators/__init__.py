"""The scikit-learn face."""

from arignote.estimators.classifier import NNClassifier
from arignote.estimators.regressor import NNRegressor

__all__ = ["NNClassifier", "NNRegressor"]
