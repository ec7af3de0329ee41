"""NumPy's files, read by a parser of our own: what numpy.save and numpy.savez write comes back."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest

from arignote import DataError
from arignote.data.readers.npy import arrays_in, map_npy, read_npz

DTYPES = ["?", "i1", "u2", "<i4", ">i8", "f2", ">f4", "f8", "c8", "S3", "<U4", ">U2"]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 2), (2, 1, 3)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_an_array_comes_back_as_numpy_wrote_it(dtype, shape, order, tmp_path):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype).copy(order)
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", x=array)
    np.savez_compressed(tmp_path / "b.npz", x=array)
    for found in (map_npy(tmp_path / "a.npy"), read_npz(tmp_path / "a.npz", "x"), read_npz(tmp_path / "b.npz", "x")):
        assert found.dtype == array.dtype and found.shape == array.shape and np.array_equal(found, array)
        assert found.flags.f_contiguous == array.flags.f_contiguous
    assert arrays_in(tmp_path / "a.npz") == ["x"]


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_the_format_is_read(version, tmp_path):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.arange(5.0), version)
    (tmp_path / "a.npy").write_bytes(stream.getvalue())
    assert map_npy(tmp_path / "a.npy").tolist() == [0, 1, 2, 3, 4]


def test_a_file_of_python_2_is_read(tmp_path):
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (2L, 3L), }".ljust(117) + b"\n"
    (tmp_path / "a.npy").write_bytes(
        b"\x93NUMPY\1\0" + len(head).to_bytes(2, "little") + head + np.arange(6.0).tobytes()
    )
    # NumPy's own warning: saved again, the file loads faster.
    with pytest.warns(UserWarning, match="created on Python 2"):
        assert map_npy(tmp_path / "a.npy").tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("descr", "words"),
    [
        ("[('a', '<f8'), ('b', '<i4')]", "objects and fields are not read"),
        ("'|O'", "objects and fields are not read"),
        ("('<i8', [('a', '<i4'), ('b', '<i4')])", "objects and fields are not read"),
        ("('<f8', (2,))", "is not numbers, booleans or text of a fixed length"),
        ("'<M8[s]'", "is not numbers, booleans or text of a fixed length"),
        ("'|V8'", "is not numbers, booleans or text of a fixed length"),
        ("'|S0'", "has no bytes"),
        ("'f8' if True else 'f4'", "malformed node"),
        ("'<f8", "cannot be read"),
    ],
)
def test_a_header_of_another_dtype_is_refused(descr, words, tmp_path):
    head = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (1,), }}\n".encode()
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\1\0" + len(head).to_bytes(2, "little") + head + bytes(64))
    with pytest.raises(DataError, match=f"a.npy: .*{words}"):
        map_npy(tmp_path / "a.npy")


def test_a_header_longer_than_numpy_reads_is_refused_before_it_is_read(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\2\0" + (10_001).to_bytes(4, "little"))
    with pytest.raises(DataError, match="its header declares 10001 bytes; at most 10000 are read"):
        map_npy(tmp_path / "a.npy")


@pytest.mark.parametrize(
    "header", [b"-" * 9990 + b"1", b"(" * 9000, b"1if" * 3000, b"'\\d'" * 1000, b"0x" * 4000, b"\0"]
)
@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_header_that_is_no_literal_is_an_error_of_the_file(header, version, tmp_path):
    length = len(header).to_bytes(2 if version == 1 else 4, "little")
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY" + bytes([version, 0]) + length + header)
    with warnings.catch_warnings(), pytest.raises(DataError, match=r"a\.npy: "):
        warnings.simplefilter("ignore")
        map_npy(tmp_path / "a.npy")


def test_a_nested_header_is_not_reported_as_too_little_memory(tmp_path):
    head = b"-" * 9999 + b"1"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\1\0" + len(head).to_bytes(2, "little") + head)
    with pytest.raises(DataError, match=r"a\.npy: cannot be read as \.npy: its header cannot be parsed"):
        map_npy(tmp_path / "a.npy")


def test_a_large_array_stays_on_disk(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(10.0))
    assert isinstance(map_npy(tmp_path / "a.npy"), np.memmap)


def test_a_truncated_array_is_reported_with_the_number_of_its_bytes(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(10.0))
    data = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(data[:-1])
    with pytest.raises(DataError, match=r"a\.npy: .* shape \(10,\) of float64, 80 bytes; the file has 79"):
        map_npy(tmp_path / "a.npy")
    with pytest.raises(DataError, match=r"b\.npy: there is no such file"):
        map_npy(tmp_path / "b.npy")


def test_a_byte_changed_in_a_packed_array_is_noticed(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(1000.0))
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[4000] ^= 1
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.npz:x: .*CRC"):
        read_npz(tmp_path / "a.npz", "x")
