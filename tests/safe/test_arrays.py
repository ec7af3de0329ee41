"""Arrays from the bytes of a file: those of NumPy, and none that the bytes do not hold."""

from __future__ import annotations

import numpy as np
import pytest

from arignote.safe.arrays import array_of_bytes, array_of_objects, checked_shape, plain_dtype


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", ["<f4", ">f4", "<i8", ">u2", "|b1", "<c16", "<U3", "|S4"])
def test_an_array_is_that_of_numpy_in_each_order_of_bytes_and_axes(name, order):
    values = np.arange(12).reshape(3, 4).astype(name)
    dtype = plain_dtype(name[1:], name[0])
    found = array_of_bytes(values.tobytes(order=order), dtype, (3, 4), order)
    assert found.tolist() == values.tolist() and found.flags.writeable


def test_the_bytes_must_be_as_many_as_the_shape_needs():
    with pytest.raises(ValueError, match=r"shape \(2, 2\) and dtype float32 has 16 bytes; got 15"):
        array_of_bytes(b"x" * 15, plain_dtype("f4"), (2, 2))
    with pytest.raises(ValueError, match=r"needs a list of 4 values; got 3 of them"):
        array_of_objects([1, 2, 3], (2, 2))
    assert array_of_objects([[1], (2,)], (2,)).tolist() == [[1], (2,)]


@pytest.mark.parametrize("name", ["O", "V8", "f4,i4", "M8", "datetime64[s]", "U0", "f99", "", 4])
def test_a_dtype_that_is_no_plain_one_is_refused(name):
    with pytest.raises(ValueError, match="dtype"):
        plain_dtype(name)


@pytest.mark.parametrize("shape", [(-1,), (2**63,), (1.0,), (True,), (1,) * 33, "3", (0, 10_000_001)])
def test_a_shape_that_cannot_be_is_refused(shape):
    with pytest.raises(ValueError, match=r"shape|rows"):
        checked_shape(shape)


def test_booleans_are_true_or_false_and_text_is_unicode():
    assert array_of_bytes(b"\x00\x02\xff", plain_dtype("?"), (3,)).tolist() == [False, True, True]
    with pytest.raises(ValueError, match="beyond Unicode"):
        array_of_bytes((0x110000).to_bytes(4, "little"), plain_dtype("U1", "<"), (1,))
