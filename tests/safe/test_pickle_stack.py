"""The stack of a pickle: marks, the memo and numbers, as the module pickletools describes the opcodes."""

from __future__ import annotations

import io

import pytest

from arignote.safe.byte_source import ByteSource
from arignote.safe.pickle_stack import Limits, PickleStack
from arignote.safe.pickled_values import PickleError


def stack_of(content=b""):
    return PickleStack(ByteSource(io.BytesIO(content), 10_000), Limits(10_000), ())


def test_what_follows_a_mark_is_taken_together():
    stack = stack_of()
    stack.push("before")
    stack.mark()
    stack.push(1)
    stack.push(2)
    assert stack.since_mark() == [1, 2] and stack.stack == ["before"]
    # POP takes a mark if nothing follows it.
    stack.mark()
    stack.pop()
    stack.pop()
    assert stack.stack == [] and stack.below == []


def test_the_memo_holds_the_value_itself():
    stack = stack_of()
    stack.new([])
    stack.memoize()
    stack.extend([5])
    stack.get(0)
    assert stack.stack == [[5], [5]] and stack.stack[0] is stack.stack[1]
    with pytest.raises(PickleError, match="negative memo index"):
        stack.put(-1)


@pytest.mark.parametrize(
    ("content", "number"),
    [(b"", 0), (b"\xff", -1), (b"\xff\x00", 255), (b"\x00\x80", -32768), (b"\x00" * 8 + b"\x01", 2**64)],
)
def test_long_integers_are_little_endian_with_a_sign(content, number):
    stack = stack_of(content)
    stack.long(len(content))
    assert stack.stack == [number]


@pytest.mark.parametrize(("line", "value"), [(b"00\n", False), (b"01\n", True), (b"1\n", 1), (b"-12L\n", -12)])
def test_lines_of_protocol_0_are_booleans_or_integers(line, value):
    stack = stack_of(line)
    stack.integer()
    assert stack.stack == [value] and type(stack.stack[0]) is type(value)


def test_integers_of_many_digits_are_refused_before_they_are_made():
    with pytest.raises(PickleError, match="integer of 1025 digits"):
        stack_of().long_of(b"9" * 1025)
    with pytest.raises(PickleError, match="integer of 1025 bytes"):
        stack_of(b"\x01" * 1025).long(1025)


def test_pairs_belong_to_a_dict_and_tuples_have_all_of_their_items():
    stack = stack_of()
    stack.dict_of(["a", 1, "b", 2])
    assert stack.stack == [{"a": 1, "b": 2}]
    with pytest.raises(PickleError, match="must be pairs of a dict"):
        stack.set_items(["c"])
    with pytest.raises(PickleError, match="too few items"):
        stack.tuple_of(2)
