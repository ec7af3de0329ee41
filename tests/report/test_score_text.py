"""Losses as text: shares in percent, and nothing else."""

from __future__ import annotations

import pytest

from arignote.report.score_text import score_text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("test_error", 0.01234, "1.23 %"),
        ("valid_flag_error", 1.0, "100.00 %"),
        ("test_rank_error", 0.5, "0.5"),
        ("valid_nll", 0.123456789, "0.12346"),
        ("size_r2", float("nan"), "nan"),
    ],
)
def test_an_error_is_a_share_unless_it_is_a_distance_in_ranks(name, value, text):
    assert score_text(name, value) == text
