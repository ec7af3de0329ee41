"""Pickles read opcode by opcode: the same values as Python's own unpickler, nothing imported, nothing run."""

from __future__ import annotations

import gzip
import io
import pickle
import pickletools
from collections import OrderedDict

import numpy as np
import pytest
from strangers import Hostile

from arignote.safe.byte_source import ByteSource
from arignote.safe.pickle import Limits, Name, PickleError, Record, load_pickle

SHARED = ["shared", 1.5]
VALUES = {
    "integers": [0, 1, -1, 255, 256, 65535, 65536, -(2**31), 2**31, 2**63, -(2**100)],
    "numbers": [0.0, -0.0, 1e-300, float("inf"), 1 + 2j],
    "words": ["", "a", "é 名 \n \\ \U0001f600", "x" * 300, b"", b"\0\xff\n", b"y" * 300, bytearray(b"z" * 300)],
    "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
    "containers": [[], [[]], {}, {"a": 1, 2: [3], (4, "b"): None}, {1, 2}, frozenset("ab")],
    "truths": [True, False, None],
    "shared": [SHARED, SHARED, (SHARED,)],
    "many": list(range(3000)),
    "ordered": OrderedDict([("b", 1), ("a", 2)]),
}
ARRAYS = {
    "float64": np.arange(6.0).reshape(2, 3),
    "columns": np.asfortranarray(np.arange(6, dtype="i2").reshape(2, 3)),
    "big endian": np.arange(3, dtype=">f4"),
    "booleans": np.array([True, False]),
    "complex": np.array([1 + 2j]),
    "text": np.array(["a", "é名"]),
    "bytes": np.array([b"a", b"bcd"]),
    "objects": np.array([["a", None], [1.5, [1, 2]]], dtype=object),
    "empty": np.zeros((0, 3), "f4"),
    "scalar array": np.array(3.0),
}
SCALARS = [np.float32(1.5), np.int64(-3), np.bool_(True), np.str_("é"), np.uint8(200)]


def loaded(data, records=(), **limits):
    limits = Limits(**{"n_bytes": 10_000_000} | limits)
    return load_pickle(ByteSource(io.BytesIO(data), limits.n_bytes), limits, records)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", VALUES)
def test_plain_values_are_those_of_the_unpickler_of_python(name, protocol):
    data = pickle.dumps(VALUES[name], protocol)
    for written in (data, pickletools.optimize(data)):
        found, expected = loaded(written), pickle.loads(written)
        assert repr(found) == repr(expected) or found == expected
    if name == "shared":
        assert found[0] is found[1] is found[2][0]


@pytest.mark.parametrize("core", ["numpy.core.", "numpy._core."])
@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_are_what_was_pickled_by_any_version_of_numpy(name, protocol, core):
    array = ARRAYS[name]
    data = pickle.dumps(array, protocol)
    if protocol < 4:
        data = data.replace(b"numpy._core.", core.encode())
    found = loaded(data)
    assert found.dtype == array.dtype and found.shape == array.shape and found.tolist() == array.tolist()
    assert found.flags.writeable and found.flags.f_contiguous == array.flags.f_contiguous


@pytest.mark.parametrize("protocol", range(6))
def test_numbers_of_numpy_are_what_was_pickled(protocol):
    found = loaded(pickle.dumps(SCALARS, protocol))
    assert [(type(one), one) for one in found] == [(type(one), one) for one in SCALARS]


def test_text_of_python_2_is_latin_1():
    # Written by Python 2.7: pickle.dumps({'a': u'\xe9', 'b': 'x\xe9'}, protocol) of the protocols 0 and 2.
    assert loaded(b"(dp0\nS'a'\np1\nV\xe9\np2\nsS'b'\np3\nS'x\\xe9'\np4\ns.") == {"a": "é", "b": "xé"}
    assert loaded(b"\x80\x02}q\x00(U\x01aq\x01X\x02\x00\x00\x00\xc3\xa9q\x02U\x01bU\x02x\xe9q\x03u.") == {
        "a": "é",
        "b": "xé",
    }


@pytest.mark.parametrize("protocol", range(6))
def test_a_name_that_plain_data_does_not_need_is_refused_and_nothing_is_run(protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PickleError, match=r"names \w+\.mkdir.*refused and nothing was run"):
        loaded(pickle.dumps([Hostile()], protocol))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("protocol", range(6))
def test_an_object_of_a_known_class_becomes_a_record_of_its_state(protocol):
    class_of = (Limits.__module__, "Limits")
    found = loaded(pickle.dumps(Limits(5), protocol), {class_of, ("builtins", "object"), ("__builtin__", "object")})
    assert type(found) is Record and found.kind == Name(*class_of) and found["n_bytes"] == 5
    with pytest.raises(PickleError, match="its Limits has no entry 'nothing'"):
        found["nothing"]


@pytest.mark.slow
@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_cut_short_at_any_byte_is_refused(protocol):
    data = pickle.dumps([VALUES["words"], ARRAYS["float64"], SCALARS[0]], protocol)
    for end in range(len(data)):
        with pytest.raises(PickleError):
            loaded(data[:end])


def test_limits_hold_to_the_byte_the_item_and_the_level():
    data = pickle.dumps([b"a" * 1000] * 3, 2)
    assert len(loaded(data, n_bytes=len(data))) == 3
    with pytest.raises(PickleError, match="longer than 500 bytes"):
        loaded(data, n_bytes=500)
    deep = [[[[]]]]
    assert loaded(pickle.dumps(deep), depth=4) == deep
    with pytest.raises(PickleError, match="more than 3 levels"):
        loaded(pickle.dumps(deep), depth=3)
    many = pickle.dumps([None] * 100, 2)
    assert len(loaded(many, n_items=120)) == 100
    with pytest.raises(PickleError, match="more than 50 items"):
        loaded(many, n_items=50)


def test_two_pickles_in_a_row_are_read_from_one_packed_stream():
    data = gzip.compress(pickle.dumps("first", 2) + pickle.dumps(["second"] * 30_000, 2))
    source, limits = ByteSource(gzip.GzipFile(fileobj=io.BytesIO(data)), 10_000_000), Limits(10_000_000)
    assert load_pickle(source, limits) == "first"
    assert load_pickle(source, limits) == ["second"] * 30_000
    assert source.ends_within(0)
