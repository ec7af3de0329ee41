"""Safetensors files of other libraries: what is read, and which damaged or forged ones are refused."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from arignote.safe import safetensors
from arignote.safe.safetensors import TensorFile, check_header, parsed_json


def written(path, header, body=b"", n_header=None):
    """Write a file of a header and the bytes behind it; the header may declare another length."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if n_header is None else n_header) + text + body)
    return path


def tensor(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize(
    "dtype",
    [
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.bool),
        *(torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8),
    ],
    ids=str,
)
def test_every_type_is_read_as_the_library_wrote_it(dtype, tmp_path):
    values = torch.tensor([[0.0, 1.0, -2.5], [3.140625, 100.0, -0.0]]).to(dtype)
    save_file({"first": torch.ones(3), "x": values, "y": torch.tensor(7)}, tmp_path / "a.safetensors")
    file = TensorFile(tmp_path / "a.safetensors")
    assert file.shapes == {"first": (3,), "x": (2, 3), "y": ()}
    # All values of these types are numbers of float64.
    assert file.read("x").tolist() == values.double().tolist()
    assert file.read("x").dtype.name == str(dtype).removeprefix("torch.").replace("bfloat16", "float32")
    assert file.read("y").shape == () and file.read("first").tolist() == [1.0] * 3
    assert file.read("x").flags.writeable and file.metadata == {}


def test_metadata_are_those_of_the_header(tmp_path):
    save_file({"x": torch.ones(1)}, tmp_path / "a.safetensors", metadata={"format": "pt"})
    assert TensorFile(tmp_path / "a.safetensors").metadata == {"format": "pt"}


def test_a_type_that_numpy_lacks_is_refused_when_it_is_read(tmp_path):
    header = {"x": tensor("F8_E4M3", (8,)), "y": tensor()}
    file = TensorFile(written(tmp_path / "a.safetensors", header, bytes(8)))
    assert file.read("y").tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match=r"'x' has the type 'F8_E4M3'; BOOL, .* are read"):
        file.read("x")


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"x": tensor(shape=(3,))}, r"a tensor of F32 and the shape \(3,\) has 8 bytes"),
        ({"x": tensor(offsets=(0, 9))}, "from byte 0 to 9 of 8"),
        ({"x": tensor(offsets=(-8, 0))}, "from byte -8 to 0 of 8"),
        ({"x": tensor(offsets=(8, 0))}, "from byte 8 to 0 of 8"),
        ({"x": tensor(offsets=(0.0, 8.0))}, "from byte 0.0 to 8.0"),
        ({"x": tensor(offsets=(0, True))}, "from byte 0 to True"),
        ({"x": tensor(shape=(2**62, 0))}, "without values has at most"),
        ({"x": tensor(shape=(-2, -1))}, "sizes of a shape must be integers"),
        ({"x": tensor(shape=[1] * 33)}, "at most 32 sizes"),
        ({"x": {"dtype": "F32", "shape": [2]}}, "not one of safetensors: 'data_offsets'"),
        ({"x": []}, "not one of safetensors"),
        ({"x": tensor(dtype=["F32"])}, "not one of safetensors"),
        ({"__metadata__": 5}, "not one of safetensors"),
        ([], "not one of safetensors"),
        (b"\xff\xfe{}", "decode|Expecting"),
        (b'{"x": 1, "x": 1}', "a name twice"),
        (b'{"x": NaN}', "NaN is not a finite number"),
        (b'{"x": -1e999}', "-1e999 is not a finite number"),
        (b"[" * 90_000, "not one of safetensors|recursion"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_forged_header_is_refused(header, words, tmp_path):
    path = written(tmp_path / "a.safetensors", header, bytes(8))
    with pytest.raises(ValueError, match=words):
        TensorFile(path)


@pytest.mark.parametrize("n_header", [3, 10**6, 2**63, 2**64 - 1])
def test_a_header_longer_than_the_file_is_not_read(n_header, tmp_path):
    with pytest.raises(ValueError, match=r"its header declares \d+ bytes; the file has 10|decode|Expecting"):
        TensorFile(written(tmp_path / "a.safetensors", b"{}", n_header=n_header))


@pytest.mark.parametrize("content", [b"", b"\2\0\0", b"PK\3\4" + bytes(60)])
def test_what_is_too_short_or_of_another_kind_is_refused(content, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match="its header declares"):
        TensorFile(tmp_path / "a.safetensors")


def test_the_bounds_of_a_header_are_its_length_and_its_number_of_values():
    check_header(b"," * 1_000_000)
    for text in (b"," * 1_000_001, b" " * ((16 << 20) + 1)):
        with pytest.raises(ValueError, match=r"at most 16777216 bytes and 1000000 values are read"):
            check_header(text)
    assert parsed_json('{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}


def test_a_tensor_that_does_not_fit_into_memory_is_refused(tmp_path, monkeypatch):
    save_file({"x": torch.zeros(1 << 19)}, tmp_path / "a.safetensors")
    file = TensorFile(tmp_path / "a.safetensors")
    monkeypatch.setattr(safetensors, "available_bytes", lambda: 4 << 20)
    assert np.array_equal(file.read("x"), np.zeros(1 << 19))
    monkeypatch.setattr(safetensors, "available_bytes", lambda: (4 << 20) - 1)
    with pytest.raises(ValueError, match=r"'x' has 2.1 MB, which are not free in memory"):
        file.read("x")
