"""Arrays in pickles of others: of a dtype its name and byte order are used, and object arrays come from lists alone."""

from __future__ import annotations

import io
import struct

import pytest
from hostile.makers import PLAIN_STATE, array, dtype, text

from arignote.safe.byte_source import ByteSource
from arignote.safe.pickle import Limits, PickleError, load_pickle

# Flags of a dtype, as numpy/ndarraytypes.h has them: 63 are those of object arrays (it holds references, and is a list
# of pickled items, an object, ...).
OBJECT_FLAGS = 63
TWO_NUMBERS = b"C\x10" + struct.pack("<2d", 1.5, -2.0)
TWO_ROWS = b"K\2\x85"


def loaded(data):
    return load_pickle(ByteSource(io.BytesIO(data + b"."), 10_000), Limits(10_000), ())


def state(order="<", more=b"NNN", size=-1, alignment=-1, flags=0):
    """Return the opcodes of the state of a dtype: (3, order, subdtype, names, fields, size, alignment, flags)."""
    return b"(K\3" + text(order) + more + b"".join(b"J" + struct.pack("<i", n) for n in (size, alignment, flags)) + b"t"


@pytest.mark.parametrize("lies", [{"flags": OBJECT_FLAGS}, {"size": 1}, {"size": 2**30}, {"alignment": 1 << 20}])
def test_size_and_flags_that_a_state_claims_are_not_those_of_the_dtype(lies):
    found = loaded(array(dtype("f8", state(**lies)), TWO_ROWS, TWO_NUMBERS))
    assert found.tolist() == [1.5, -2.0]
    assert (found.dtype.str, found.dtype.flags, found.dtype.hasobject, found.itemsize) == ("<f8", 0, False, 8)


def test_the_byte_order_is_that_of_the_state():
    raw = b"C\x10" + struct.pack(">2d", 1.5, -2.0)
    assert loaded(array(dtype("f8", state(">")), TWO_ROWS, raw)).tolist() == [1.5, -2.0]


@pytest.mark.parametrize(
    "more",
    [
        dtype("f4", PLAIN_STATE) + b"K\2\x86NN",
        b"N" + text("a") + b"\x85N",
        b"NN}" + text("a") + dtype("O8", PLAIN_STATE) + b"K\0\x86s",
    ],
    ids=["a shape", "names", "fields"],
)
def test_fields_and_shapes_within_a_dtype_are_refused_whatever_its_name(more):
    with pytest.raises(PickleError, match="has a dtype of fields or of shapes"):
        loaded(array(dtype("f8", state(more=more)), TWO_ROWS, TWO_NUMBERS))


@pytest.mark.parametrize("name", ["V8", "V16", "M8[s]", "m8", "f8,f8", "(2,)f8", "i4, O", "f8\n", "", "float64", "<f8"])
def test_only_the_plain_names_of_numbers_booleans_and_text_are_dtypes(name):
    with pytest.raises(PickleError, match="is not numbers, booleans or text"):
        loaded(array(dtype(name, PLAIN_STATE), TWO_ROWS, TWO_NUMBERS))


@pytest.mark.parametrize(
    "raw", [b"C\2ab", text("ab"), b"K\1K\2\x86", b"}K\1K\1sK\2K\2s"], ids=["bytes", "text", "tuple", "dict"]
)
def test_an_object_array_is_made_of_a_list_alone(raw):
    """Of as many items as the shape says: the type alone is wrong."""
    assert loaded(array(dtype("O8", PLAIN_STATE), TWO_ROWS, b"](K\1Ne")).tolist() == [1, None]
    with pytest.raises(PickleError, match=r"an object array of shape .* needs a list of 2 values"):
        loaded(array(dtype("O8", PLAIN_STATE), TWO_ROWS, raw))


def test_bytes_that_are_copied_again_and_again_are_counted():
    """A hundred arrays of the same 100,000 bytes: 10 MB of a file of 0.1 MB. Ten of them are fewer than are allowed."""
    shared = b"B" + struct.pack("<I", 100_000) + bytes(100_000) + b"q\1"

    def arrays(n):
        one = array(dtype("u1", PLAIN_STATE), b"J" + struct.pack("<i", 100_000) + b"\x85", b"h\1")
        data = shared + b"0](" + n * one + b"e."
        return load_pickle(ByteSource(io.BytesIO(data), 1_000_000), Limits(1_000_000), ())

    assert [len(found) for found in arrays(10)] == [100_000] * 10
    with pytest.raises(PickleError, match="copies the same bytes again and again, far beyond its own length"):
        arrays(100)
