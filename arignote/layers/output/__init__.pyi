"""Output layers, by the targets that they fit."""

from arignote.layers.output.base import DenseOutputLayer, OutputLayer, StepwiseOutputLayer
from arignote.layers.output.of_labels import (
    ClassificationOutputLayer,
    MultilabelOutputLayer,
    OrdinalOutputLayer,
    SoftmaxOutputLayer,
)
from arignote.layers.output.of_numbers import RegressionOutputLayer

__all__ = [
    "ClassificationOutputLayer",
    "DenseOutputLayer",
    "MultilabelOutputLayer",
    "OrdinalOutputLayer",
    "OutputLayer",
    "RegressionOutputLayer",
    "SoftmaxOutputLayer",
    "StepwiseOutputLayer",
]
