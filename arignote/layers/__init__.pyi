"""Layers, declared without the engine."""

from arignote.layers.alone import ActivationLayer, BiasLayer, ScaleLayer
from arignote.layers.architecture import Architecture, declare
from arignote.layers.autoencoder import AutoEncoderOutputLayer
from arignote.layers.average_pool import AveragePool1DLayer, AveragePool2DLayer, AveragePool3DLayer
from arignote.layers.base import Layer
from arignote.layers.block import Block
from arignote.layers.conv import ConvLayer, ConvMaxoutLayer, MLPConvLayer
from arignote.layers.conv1d import Conv1DLayer
from arignote.layers.conv3d import Conv3DLayer
from arignote.layers.dense import DenoisingAutoEncoderLayer, FCLayer, FCMaxoutLayer
from arignote.layers.embedding import EmbeddingLayer
from arignote.layers.example_norm import (
    GroupNormLayer,
    InstanceNormLayer,
    LayerNormLayer,
    LocalResponseNormLayer,
)
from arignote.layers.extent import CropLayer, PadLayer, SliceLayer
from arignote.layers.feature_pool import FeaturePoolLayer, MaxPoolChannelsLayer
from arignote.layers.global_pool import GlobalAveragePoolLayer, GlobalMaxPoolLayer
from arignote.layers.inputs import InputImageLayer, InputLayer
from arignote.layers.layer_list import parse
from arignote.layers.local import LocallyConnected1DLayer, LocallyConnectedLayer
from arignote.layers.max_pool import MaxPool1DLayer, MaxPool2DLayer, MaxPool3DLayer
from arignote.layers.merge import AverageLayer, ConcatLayer, MaximumLayer, MultiplyLayer, SumLayer
from arignote.layers.noise import DropoutLayer, GaussianNoiseLayer, RReLULayer
from arignote.layers.norm import BatchNormLayer
from arignote.layers.output import (
    ClassificationOutputLayer,
    MultilabelOutputLayer,
    OrdinalOutputLayer,
    RegressionOutputLayer,
    SoftmaxOutputLayer,
)
from arignote.layers.recurrent import GRULayer, LSTMLayer, RecurrentLayer
from arignote.layers.reshape import BC01ToC01BLayer, C01BToBC01Layer, FlattenLayer, PermuteLayer, ReshapeLayer
from arignote.layers.segments import LCLayer, LCMaxoutLayer
from arignote.layers.torch_layer import TorchLayer
from arignote.layers.transposed import TransposedConv1DLayer, TransposedConv3DLayer, TransposedConvLayer
from arignote.layers.upscale import UpscaleLayer

__all__ = [
    "ActivationLayer",
    "Architecture",
    "AutoEncoderOutputLayer",
    "AverageLayer",
    "AveragePool1DLayer",
    "AveragePool2DLayer",
    "AveragePool3DLayer",
    "BC01ToC01BLayer",
    "BatchNormLayer",
    "BiasLayer",
    "Block",
    "C01BToBC01Layer",
    "ClassificationOutputLayer",
    "ConcatLayer",
    "Conv1DLayer",
    "Conv3DLayer",
    "ConvLayer",
    "ConvMaxoutLayer",
    "CropLayer",
    "DenoisingAutoEncoderLayer",
    "DropoutLayer",
    "EmbeddingLayer",
    "FCLayer",
    "FCMaxoutLayer",
    "FeaturePoolLayer",
    "FlattenLayer",
    "GRULayer",
    "GaussianNoiseLayer",
    "GlobalAveragePoolLayer",
    "GlobalMaxPoolLayer",
    "GroupNormLayer",
    "InputImageLayer",
    "InputLayer",
    "InstanceNormLayer",
    "LCLayer",
    "LCMaxoutLayer",
    "LSTMLayer",
    "Layer",
    "LayerNormLayer",
    "LocalResponseNormLayer",
    "LocallyConnected1DLayer",
    "LocallyConnectedLayer",
    "MLPConvLayer",
    "MaxPool1DLayer",
    "MaxPool2DLayer",
    "MaxPool3DLayer",
    "MaxPoolChannelsLayer",
    "MaximumLayer",
    "MultilabelOutputLayer",
    "MultiplyLayer",
    "OrdinalOutputLayer",
    "PadLayer",
    "PermuteLayer",
    "RReLULayer",
    "RecurrentLayer",
    "RegressionOutputLayer",
    "ReshapeLayer",
    "ScaleLayer",
    "SliceLayer",
    "SoftmaxOutputLayer",
    "SumLayer",
    "TorchLayer",
    "TransposedConv1DLayer",
    "TransposedConv3DLayer",
    "TransposedConvLayer",
    "UpscaleLayer",
    "declare",
    "parse",
]
