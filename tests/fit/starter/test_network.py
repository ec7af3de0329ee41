"""Which layers and settings a starter config has."""

from __future__ import annotations

import pytest

from arignote.fit.starter.facts import Features, Labels
from arignote.fit.starter.network import layers_for, settings_for

CLASSES = Labels("classes", "2 classes")


@pytest.mark.parametrize(
    ("height", "width", "n_pools"), [(5, 9, 0), (8, 8, 1), (28, 28, 2), (64, 48, 3), (64, 64, 4), (900, 900, 4)]
)
def test_images_are_halved_to_maps_of_at_least_four_pixels_a_side_at_most_four_times(height, width, n_pools):
    layers = layers_for(Features("images", 100, image=(3, height, width)), CLASSES)
    assert layers[0] == ["InputImageLayer", {"n_images": 3, "n_pixels": [height, width]}]
    names = [name for name, *_ in layers]
    assert names.count("MaxPool2DLayer") == n_pools and names.count("ConvLayer") == max(1, n_pools)


def test_few_rows_have_one_dense_layer_and_many_two():
    for n_rows, n_dense in ((999, 1), (1000, 2)):
        names = [name for name, *_ in layers_for(Features("rows", n_rows), CLASSES)]
        assert names == ["FCLayer", "DropoutLayer"] * n_dense + ["ClassificationOutputLayer"]


@pytest.mark.parametrize(
    ("kind", "n_rows", "n_epochs"), [("rows", 100, 150), ("rows", 500, 100), ("rows", 9999, 30), ("images", 60_000, 10)]
)
def test_few_rows_are_trained_on_for_more_epochs(kind, n_rows, n_epochs):
    assert settings_for(Features(kind, n_rows), CLASSES)["n_epochs"] == n_epochs


def test_images_in_bytes_are_scaled_and_those_from_0_to_1_are_not():
    assert settings_for(Features("images", 9, high=255.0), CLASSES)["preprocess"] == [["Scale", {"divide_by": 255.0}]]
    assert "preprocess" not in settings_for(Features("images", 9, high=1.0), CLASSES)
