"""The memory that may be allocated, and sizes as text."""

from __future__ import annotations

import pytest

from arignote.safe.memory import available_bytes, peak_bytes, size_text


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (1_500_000, "1.5 MB"), (2 * 10**9, "2 GB"), (10**15, "1 PB")],
)
def test_sizes_are_in_powers_of_1000(n_bytes, text):
    assert size_text(n_bytes) == text


def test_a_process_has_used_no_more_than_the_memory_of_a_machine():
    # From a Python process to 2**50 bytes: a wrong unit of `ru_maxrss` would be a factor of 1024.
    assert 8 * 2**20 < peak_bytes() < 2**40
    assert 0 <= available_bytes() < 2**60
