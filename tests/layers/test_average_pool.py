"""Average pooling: what a window is divided by, worked out by hand."""

from __future__ import annotations

import pytest
import torch

from arignote.layers import AveragePool1DLayer, AveragePool3DLayer

# Windows of 3 around each of four values, of which the outer two lie half beside them.
SUMS = [3.0, 6.0, 9.0, 7.0]


@pytest.mark.parametrize(("count_include_pad", "sizes"), [(True, [3, 3, 3, 3]), (False, [2, 3, 3, 2])])
def test_what_is_around_a_series_counts_as_zeros_or_not_at_all(count_include_pad, sizes):
    layer = AveragePool1DLayer(pool_length=3, stride=1, pad=1, count_include_pad=count_include_pad)
    found = layer.build((1, 4))({}, torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]), False)
    assert found[0, 0].tolist() == pytest.approx([total / size for total, size in zip(SUMS, sizes, strict=True)])


def test_a_last_smaller_window_is_divided_by_what_it_has():
    layer = AveragePool1DLayer(pool_length=2, ignore_border=False)
    assert layer.build((1, 3))({}, torch.tensor([[[1.0, 2.0, 8.0]]]), False).tolist() == [[[1.5, 8.0]]]


def test_a_volume_has_the_mean_of_each_window():
    x = torch.arange(16.0).reshape(1, 1, 4, 2, 2)
    found = AveragePool3DLayer(pool_shape=[2, 2, 1]).build((1, 4, 2, 2))({}, x, False)
    assert found.shape == (1, 1, 2, 1, 2) and found.flatten().tolist() == [3.0, 4.0, 11.0, 12.0]
