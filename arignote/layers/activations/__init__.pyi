"""Activations, declared without the engine."""

from arignote.layers.activations.base import Activation, ActivationSpec, Custom
from arignote.layers.activations.curved import (
    ELU,
    GELU,
    SELU,
    AbsTanh,
    ScaledTanh,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from arignote.layers.activations.straight import LeakyReLU, Linear, Maxout, PReLU, PReLUShelf, ReLU

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "AbsTanh",
    "Activation",
    "ActivationSpec",
    "Custom",
    "LeakyReLU",
    "Linear",
    "Maxout",
    "PReLU",
    "PReLUShelf",
    "ReLU",
    "ScaledTanh",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]
