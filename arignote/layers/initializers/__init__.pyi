"""Initialisers of parameters."""

from arignote.layers.initializers.base import BiasSpec, Initializer, InitializerSpec
from arignote.layers.initializers.elementwise import (
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Normal,
    Uniform,
)
from arignote.layers.initializers.matrices import Orthogonal, Sparse

__all__ = [
    "BiasSpec",
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Initializer",
    "InitializerSpec",
    "Normal",
    "Orthogonal",
    "Sparse",
    "Uniform",
]
