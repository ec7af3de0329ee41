"""Lists of layers of common networks, by the functions of 2015."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from arignote.errors import ConfigError

__all__ = ["define_cnn", "define_logistic_regression", "define_mlp"]

Specs = list[list[Any]]


def define_logistic_regression(n_classes: int, l1_reg: float = 0, l2_reg: float = 0) -> Specs:
    """Return the layers of a logistic regression.

    Parameters
    ----------
    n_classes : int >= 1
        Number of classes.
    l1_reg, l2_reg : float >= 0
        Penalties `l1` and `l2` of the weights.

    Returns
    -------
    list of [str, dict]

    Examples
    --------
    >>> define_logistic_regression(10, l2_reg=0.001)
    [['ClassificationOutputLayer', {'name': 'output', 'n_classes': 10, 'l1': 0, 'l2': 0.001}]]
    """
    return [["ClassificationOutputLayer", {"name": "output", "n_classes": n_classes, "l1": l1_reg, "l2": l2_reg}]]


def define_mlp(
    n_classes: int,
    n_hidden: int | Sequence[int],
    dropout_p: float | Sequence[float],
    activation: Any = "relu",
    l1_reg: float = 0,
    l2_reg: float = 0,
) -> Specs:
    """Return the layers of a multi-layer perceptron.

    Parameters
    ----------
    n_classes : int >= 1
        Number of classes.
    n_hidden : int or sequence of int
        Units of each hidden layer.
    dropout_p : float in [0, 1) or sequence of float
        Dropout after each layer, or of the input and after each hidden layer; 0 is none.
    activation : str, [Name, {params}] or callable
        Activation of the hidden layers.
    l1_reg, l2_reg : float >= 0
        Penalties `l1` and `l2` of all weights.

    Returns
    -------
    list of [str, dict]

    Raises
    ------
    ConfigError
        If `dropout_p` has another length than the layers.

    Examples
    --------
    >>> [[name, params["name"]] for name, params in define_mlp(10, n_hidden=[400, 400], dropout_p=[0, 0.5, 0])]
    [['FCLayer', 'fc0'], ['DropoutLayer', 'DO-fc0'], ['FCLayer', 'fc1'], ['ClassificationOutputLayer', 'output']]
    """
    units = _as_list(n_hidden)
    rates = _rates(dropout_p, 1 + len(units))
    dense = _dense(units, rates[1:], activation, l1_reg, l2_reg)
    return [*_dropout("input", rates[0]), *dense, *define_logistic_regression(n_classes, l1_reg, l2_reg)]


def define_cnn(
    n_classes: int,
    input_image_shape: Sequence[int],
    n_kernels: int | Sequence[int],
    filter_scale: int | Sequence[int],
    poolsize: int | Sequence[int],
    n_hidden: int | Sequence[int],
    dropout_p: float | Sequence[float],
    activation: Any = "relu",
    l1_reg: float = 0,
    l2_reg: float = 0,
) -> Specs:
    """Return the layers of a convolutional network.

    Parameters
    ----------
    n_classes : int >= 1
        Number of classes.
    input_image_shape : sequence of 2 or 3 int
        Shape of an image, (height, width) or (channels, height, width).
    n_kernels : int or sequence of int
        Output maps of each convolution.
    filter_scale : int or sequence of int
        Height and width of the filters of each convolution, pixels.
    poolsize : int or sequence of int
        Height and width of the max pool after each convolution, pixels; 0 is none.
    n_hidden : int or sequence of int
        Units of each dense layer after the convolutions.
    dropout_p : float in [0, 1) or sequence of float
        Dropout after each layer, or of the input, after each convolution and after each dense layer; 0 is none.
    activation : str, [Name, {params}] or callable
        Activation of convolutions and dense layers.
    l1_reg, l2_reg : float >= 0
        Penalties `l1` and `l2` of the weights of dense layers and of the output layer.

    Returns
    -------
    list of [str, dict]

    Raises
    ------
    ConfigError
        If the shape has another number of axes, or sequences have different lengths.

    Examples
    --------
    >>> layers = define_cnn(10, (28, 28), n_kernels=[32], filter_scale=[3], poolsize=[2], n_hidden=400, dropout_p=0)
    >>> [params["name"] for _, params in layers]
    ['input', 'conv0', 'maxpool0', 'fc0', 'output']
    """
    shape = list(input_image_shape)
    if len(shape) not in (2, 3):
        raise ConfigError(f"input_image_shape must be (height, width) or (channels, height, width); got {shape}")
    kernels, filters, pools, units = map(_as_list, (n_kernels, filter_scale, poolsize, n_hidden))
    if not len(kernels) == len(filters) == len(pools):
        raise ConfigError(
            "n_kernels, filter_scale and poolsize must have a value for each convolution; "
            f"got {len(kernels)}, {len(filters)} and {len(pools)}"
        )
    rates = _rates(dropout_p, 1 + len(kernels) + len(units))
    image = {"name": "input", "n_images": 1 if len(shape) == 2 else shape[0], "n_pixels": shape[-2:]}
    layers = [["InputImageLayer", image], *_dropout("input", rates[0])]
    for i, (n_maps, side, pool) in enumerate(zip(kernels, filters, pools, strict=True)):
        conv = {"name": f"conv{i}", "n_output_maps": n_maps, "filter_shape": [side, side], "activation": activation}
        layers.append(["ConvLayer", conv])
        if pool:
            layers.append(["MaxPool2DLayer", {"name": f"maxpool{i}", "pool_shape": [pool, pool]}])
        layers += _dropout(f"conv{i}", rates[1 + i])
    dense = _dense(units, rates[1 + len(kernels) :], activation, l1_reg, l2_reg)
    return [*layers, *dense, *define_logistic_regression(n_classes, l1_reg, l2_reg)]


def _dense(units: list[int], rates: list[float], activation: Any, l1_reg: float, l2_reg: float) -> Specs:
    """Return dense layers, each with its dropout."""
    layers: Specs = []
    for i, (n_units, rate) in enumerate(zip(units, rates, strict=True)):
        params = {"name": f"fc{i}", "n_units": n_units, "activation": activation, "l1": l1_reg, "l2": l2_reg}
        layers += [["FCLayer", params], *_dropout(f"fc{i}", rate)]
    return layers


def _dropout(layer: str, rate: float) -> Specs:
    return [["DropoutLayer", {"name": f"DO-{layer}", "dropout_p": rate}]] if rate else []


def _as_list(values: Any) -> list[Any]:
    return list(values) if isinstance(values, Iterable) else [values]


def _rates(dropout_p: float | Sequence[float], n_layers: int) -> list[float]:
    """Return the dropout of the input and of each layer."""
    if not isinstance(dropout_p, Iterable):
        # One number is the dropout of the input, too.
        return [dropout_p] * n_layers
    rates = list(dropout_p)
    if len(rates) != n_layers:
        raise ConfigError(f"dropout_p must be one number, or {n_layers}, of the input and of each layer; got {rates}")
    return rates
