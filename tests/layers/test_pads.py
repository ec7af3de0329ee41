"""Zeros around maps: those of Dumoulin and Visin, arXiv:1603.07285, for windows with dilation."""

from __future__ import annotations

import pytest
import torch

from arignote.errors import ConfigError
from arignote.layers.pads import zeros_of


@pytest.mark.parametrize(("window", "dilation"), [((3,), (1,)), ((5,), (2,)), ((3, 1), (1, 3)), ((1, 7, 3), (2, 1, 4))])
def test_same_keeps_the_size_and_full_lets_each_window_see_a_single_value(window, dilation):
    conv = (torch.nn.functional.conv1d, torch.nn.functional.conv2d, torch.nn.functional.conv3d)[len(window) - 1]
    x, filters = torch.zeros(1, 1, *(9,) * len(window)), torch.zeros(1, 1, *window)
    sizes = {
        pad: conv(x, filters, padding=zeros_of(pad, window, dilation), dilation=dilation).shape[2:]
        for pad in ("same", "full", "valid")
    }
    reach = [d * (n - 1) for d, n in zip(dilation, window, strict=True)]
    assert sizes["same"] == (9,) * len(window)
    if max(reach) <= 9:
        assert sizes["valid"] == tuple(9 - r for r in reach) and sizes["full"] == tuple(9 + r for r in reach)


def test_numbers_are_taken_as_they_are():
    assert zeros_of(2, (4,), (1,)) == (2,) and zeros_of((0, 3), (2, 2), (1, 1)) == (0, 3)


@pytest.mark.parametrize(
    ("window", "words"), [((4,), "odd length; got 4"), ((3, 2), r"odd height and width; got \[3, 2\]")]
)
def test_an_even_window_has_no_same_number_on_both_sides(window, words):
    with pytest.raises(ConfigError, match=f"pad 'same' needs a filter of {words}"):
        zeros_of("same", window, (1,) * len(window))
