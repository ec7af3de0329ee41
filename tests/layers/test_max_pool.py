"""Max pooling of volumes beside NumPy; of series and images it is tested beside average pooling in test_pool.py."""

from __future__ import annotations

import numpy as np
import torch

from arignote.layers import MaxPool1DLayer, MaxPool3DLayer

X = np.random.default_rng(0).normal(size=(2, 3, 4, 6, 2))


def test_a_volume_has_the_largest_value_of_each_window():
    layer = MaxPool3DLayer(pool_shape=[2, 3, 1])
    found = layer.build((3, 4, 6, 2))({}, torch.from_numpy(X), False)
    assert found.shape[1:] == layer.output_shape((3, 4, 6, 2)) == (3, 2, 2, 2)
    np.testing.assert_array_equal(found, X.reshape(2, 3, 2, 2, 2, 3, 2).max(axis=(3, 5)))


def test_what_is_around_a_series_is_never_the_largest():
    layer = MaxPool1DLayer(pool_length=3, stride=1, pad=1)
    found = layer.build((1, 4))({}, -torch.tensor([[[4.0, 3.0, 2.0, 1.0]]]), False)
    assert found.tolist() == [[[-3.0, -2.0, -1.0, -1.0]]]
