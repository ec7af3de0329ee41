"""Layers, declared without the engine."""

from arignote.layers.architecture import Architecture, declare, parse
from arignote.layers.base import Layer
from arignote.layers.conv import ConvLayer, ConvMaxoutLayer, MLPConvLayer
from arignote.layers.dense import FCLayer, FCMaxoutLayer
from arignote.layers.noise import DropoutLayer, GaussianNoiseLayer
from arignote.layers.norm import BatchNormLayer
from arignote.layers.output import (
    ClassificationOutputLayer,
    MultilabelOutputLayer,
    OrdinalOutputLayer,
    RegressionOutputLayer,
)
from arignote.layers.pool import GlobalAveragePoolLayer, MaxPool2DLayer
from arignote.layers.shape import BC01ToC01BLayer, C01BToBC01Layer, InputImageLayer, InputLayer

__all__ = [
    "Architecture",
    "BC01ToC01BLayer",
    "BatchNormLayer",
    "C01BToBC01Layer",
    "ClassificationOutputLayer",
    "ConvLayer",
    "ConvMaxoutLayer",
    "DropoutLayer",
    "FCLayer",
    "FCMaxoutLayer",
    "GaussianNoiseLayer",
    "GlobalAveragePoolLayer",
    "InputImageLayer",
    "InputLayer",
    "Layer",
    "MLPConvLayer",
    "MaxPool2DLayer",
    "MultilabelOutputLayer",
    "OrdinalOutputLayer",
    "RegressionOutputLayer",
    "declare",
    "parse",
]
