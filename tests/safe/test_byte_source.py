"""Bytes of a stream in pieces: none more than it has, or than may be read."""

from __future__ import annotations

import io

import pytest

from arignote.safe.byte_source import ByteSource
from arignote.safe.pickled_values import PickleError

# Longer than two pieces of 65,536 bytes.
CONTENT = bytes(range(256)) * 600


def test_bytes_and_lines_come_in_their_order_across_pieces():
    source = ByteSource(io.BytesIO(b"one\n" + CONTENT + b"\ntwo\n"), 10**6)
    assert source.line() == b"one" and source.byte() == 0 and source.take(3) == b"\x01\x02\x03"
    assert source.take(len(CONTENT) - 4) == CONTENT[4:]
    assert source.line() == b"" and source.line() == b"two" and source.ends_within(0)


def test_more_than_there_is_or_than_may_be_is_refused():
    with pytest.raises(PickleError, match="is truncated: 1 more bytes are needed"):
        ByteSource(io.BytesIO(b"abc"), 100).take(4)
    with pytest.raises(PickleError, match="is truncated: it needs 101 bytes more; at most 100"):
        ByteSource(io.BytesIO(b"abc"), 100).take(101)
    with pytest.raises(PickleError, match="is longer than 1000 bytes"):
        ByteSource(io.BytesIO(CONTENT), 1000).take(900)
    with pytest.raises(PickleError, match="a line without an end"):
        ByteSource(io.BytesIO(b"abc"), 100).line()


@pytest.mark.parametrize(("n_left", "is_within"), [(0, False), (2, False), (3, True), (200_000, True)])
def test_the_end_is_within_so_many_bytes(n_left, is_within):
    source = ByteSource(io.BytesIO(b"abcdef"), 100)
    source.take(3)
    assert source.ends_within(n_left) == is_within
