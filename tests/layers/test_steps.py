"""Which steps of a sequence count, by lengths and by masks."""

from __future__ import annotations

import torch

from arignote.layers.steps import counts_of, with_steps


def test_lengths_count_the_first_steps_and_a_mask_its_own():
    assert counts_of(torch.tensor([2, 0, 3]), 3).tolist() == [[True, True, False], [False] * 3, [True] * 3]
    assert counts_of(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), 2).tolist() == [[True, False], [False, True]]


def test_rows_alone_have_neither():
    x, lengths = torch.ones(2, 3), torch.tensor([1, 3])
    assert with_steps(x) == (x, None) and with_steps([x, lengths]) == (x, lengths)
