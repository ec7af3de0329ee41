"""Layers and settings that suit features and labels."""

from __future__ import annotations

from math import ceil, log2
from typing import Any

from arignote.fit.starter.facts import Features, Labels

__all__ = ["FEW_ROWS", "layers_for", "settings_for"]

_OUTPUTS = {
    "classes": "ClassificationOutputLayer",
    "flags": "MultilabelOutputLayer",
    "numbers": "RegressionOutputLayer",
}
# Fewer need a small network, and a larger share of them to find its best state.
FEW_ROWS = 1000
# Rows that are trained on in all epochs, of which there are at least and at most so many; those of images are longer.
_ROWS_IN_ALL, _EPOCHS, _EPOCHS_OF_IMAGES = 50_000, (30, 150), (10, 60)


def layers_for(features: Features, labels: Labels) -> list[list[Any]]:
    """Return the layers of a network: dense ones for rows, convolutions before them for images.

    From few rows, such as iris and diabetes, a second layer learns the noise.
    """
    output, are_few = [_OUTPUTS[labels.kind]], features.n_rows < FEW_ROWS
    dense = ["FCLayer", {"n_units": 128, "activation": "relu", "l2": 0.01 if are_few else 0.001}]
    if features.kind == "images":
        return [*_convolutions(features.image), dense, ["DropoutLayer", {"dropout_p": 0.5}], output]
    if are_few:
        return [dense, ["DropoutLayer", {"dropout_p": 0.5}], output]
    return [*[dense, ["DropoutLayer", {"dropout_p": 0.25}]] * 2, output]


def _convolutions(image: tuple[int, int, int]) -> list[list[Any]]:
    """Return convolutions with more and more maps, each before a pool, until maps have about four pixels a side."""
    n_channels, height, width = image
    layers: list[list[Any]] = [["InputImageLayer", {"n_images": n_channels, "n_pixels": [height, width]}]]
    n_pools = min(4, max(0, int(log2(max(1, min(height, width) / 4)))))
    for n_maps in (32, 64, 128, 128)[:n_pools] or (32,):
        layers.append(["ConvLayer", {"n_output_maps": n_maps, "filter_shape": 3, "pad": "same", "activation": "relu"}])
        if n_pools:
            layers.append(["MaxPool2DLayer", {"pool_shape": 2}])
    return [*layers, ["DropoutLayer", {"dropout_p": 0.25}]]


def settings_for(features: Features, labels: Labels) -> dict[str, Any]:
    """Return settings of `fit`."""
    least, most = _EPOCHS_OF_IMAGES if features.kind == "images" else _EPOCHS
    n_epochs = min(most, max(least, ceil(_ROWS_IN_ALL / features.n_rows)))
    rate = 0.001 if labels.kind == "numbers" else 0.003 if features.n_rows < FEW_ROWS else 0.002
    settings: dict[str, Any] = {
        "n_epochs": n_epochs,
        # At least two batches in an epoch of few rows.
        "batch_size": 128 if features.n_rows >= 5000 else min(32, max(1, features.n_rows // 2)),
        "sgd_type": "adam",
        "lr_rule": {
            "rule": "stalled",
            "initial_value": rate,
            "multiply_by": 0.5,
            "interval": max(3, min(10, n_epochs // 5)),
        },
        "average": {"kind": "ema", "decay": 0.99},
    }
    steps = _preprocessing(features)
    return settings | ({"preprocess": steps} if steps else {})


def _preprocessing(features: Features) -> list[Any]:
    if features.kind == "images":
        return [["Scale", {"divide_by": features.high}]] if features.high > 1 else []
    steps: list[Any] = []
    if features.lacks_numbers:
        steps.append(["Impute", {"strategy": "median"}])
    if features.lacks_text:
        steps.append(["Impute", {"strategy": "most_frequent", "columns": "category"}])
    if features.has_numbers:
        steps.append(["Standardise"])
    if features.has_text:
        steps.append(["OneHot", {"handle_unknown": "ignore"}])
    return steps
