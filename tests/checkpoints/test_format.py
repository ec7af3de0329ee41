"""The format: read back what was written, files of every version, and files that were made to do harm."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import pickle
import re
import shutil
import struct
import subprocess
import sys
import warnings
import zlib
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest

from arignote import ArignoteWarning, CheckpointError, NNClassifier
from arignote.checkpoints import entries
from arignote.checkpoints.format import MIGRATIONS, VERSION, Head, decode, encode, read_head
from arignote.checkpoints.names import stem_in
from arignote.checkpoints.progress import Best, History, Progress
from arignote.checkpoints.reader import RunFiles
from arignote.checkpoints.state import TrainingState
from arignote.optim.rules import RuleState
from arignote.report.inspection import inspection, verification

STORED = Path(__file__).parent / "stored"
DOC = Path(__file__).parents[2] / "docs" / "checkpoint-format.md"
ZEROS = "0" * 64
X = np.random.default_rng(0).normal(size=(40, 5)).astype("f4")
Y = X[:, 0] > 0
LAYERS = [
    ["FCLayer", {"name": "fc1", "n_units": 3, "activation": "prelu_shelf"}],
    ["ClassificationOutputLayer", {}],
]
SETTINGS = {
    "batch_size": 8,
    "valid": 0.2,
    "sgd_type": "nag",
    "lr_rule": {"rule": "stalled", "initial_value": 0.1, "multiply_by": 0.5, "interval": 1},
    "n_epochs": 3,
}


def fitted(stem=None, **settings):
    labels = Y.astype(int)
    return NNClassifier(LAYERS, name="version 1", rng=7).fit(X, labels, **SETTINGS | settings, checkpoint=stem)


# Round trips


def state(**changes):
    """Return a state with everything in it that is hard to write."""
    values = {
        "network": {
            "größe 层.W": np.array([[nan, inf, -inf], [-0.0, 1e-45, 3.4e38]], dtype="f4"),
            "fc1.b": np.zeros((0, 3), dtype="f4"),
            "fc1.scale": np.array(2.5, dtype="f4"),
            "fc1.double": np.array([1e-300, nan]),
            "fc1.half": np.array([1.5], dtype="f2"),
        },
        "slots": {},
        "epoch_loss": np.float64(nan),
        "rules": {"lr": RuleState(0.1), "momentum": RuleState(0.9, 0.25, 3)},
        "rng": 2**63,
        "run_id": "0" * 32,
        "spec": {"name": 'a "name"\n\u2028 名', "n_in": [5], "layers": [], "fit": {"n_epochs": 2, "x": [nan, -inf]}},
        "targets": {"output": {"target": "classes", "dtype": "<U5", "values": ["ä", "b\\", "digest"]}},
        "data": {},
        "environment": {"torch": "2"},
        "progress": Progress(epoch=1, batch=2, stopped_by="SIGTERM"),
        "history": History({"epoch": [1.0, 2.0], "valid_nll": [inf, nan]}),
        "best": Best(inf, 1, 8, 1, "f" * 64),
        "starts": [[0, 0], [1, 2]],
        "causes": ["start", "the machine “goes” at noon"],
        "extra_metadata": {"nested": {"": [None, True, -inf]}, "digest": f'"digest":"{ZEROS}"'},
    }
    return TrainingState(**values | changes)


def bytes_of(written):
    return b"".join(encode(written)[0])


def assert_same(found, expected):
    assert json.dumps(found.to_plain(), sort_keys=True) == json.dumps(expected.to_plain(), sort_keys=True)
    ours, theirs = found.to_tensors(), expected.to_tensors()
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        assert (array.dtype, array.shape, array.tobytes()) == (
            theirs[name].dtype,
            theirs[name].shape,
            theirs[name].tobytes(),
        ), name


def test_what_is_written_is_read_bit_for_bit():
    written = state()
    found, digest = decode(bytes_of(written), "file")
    assert_same(found, written)
    assert found.network["fc1.scale"].shape == () and found.network["fc1.b"].shape == (0, 3)
    assert len(digest) == 64 and digest == encode(written)[1]


@pytest.mark.parametrize("dtype", ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", ">f4", ">i8"])
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (2, 3)])
def test_every_kind_and_shape_of_tensor_is_read_as_it_was_written(dtype, shape):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    written = state(slots={"velocity/fc1.W": array, "transposed": array.T})
    found = decode(bytes_of(written), "file")[0].slots
    assert found["velocity/fc1.W"].shape == shape
    assert found["velocity/fc1.W"].dtype == array.dtype.newbyteorder("=")
    assert np.array_equal(found["velocity/fc1.W"], array) and np.array_equal(found["transposed"], array.T)


def test_text_that_looks_like_a_number_that_is_not_finite_stays_text():
    shown = {"a": "float:NaN", "b": ["float:Infinity", "float:", "float:x", "float:float:NaN"], "c": nan}
    found = decode(bytes_of(state(extra_metadata=shown)), "file")[0].extra_metadata
    assert repr(found) == repr(shown)


def test_the_same_state_is_the_same_bytes():
    assert bytes_of(state()) == bytes_of(state())
    turned = {name: array for name, array in reversed(list(state().network.items()))}
    assert bytes_of(state(network=turned)) == bytes_of(state())


def test_the_same_state_is_the_same_bytes_in_whatever_order_its_entries_were_made():
    spec = state().spec
    turned = dict(reversed(spec.items())) | {"fit": dict(reversed(spec["fit"].items()))}
    assert list(turned) != list(spec) and bytes_of(state(spec=turned)) == bytes_of(state())


@pytest.mark.parametrize("name", ["a", "ab", "abc", "abcd", "abcde", "abcdef", "abcdefg", "abcdefgh"])
def test_every_tensor_lies_at_a_multiple_of_the_size_of_its_numbers(name):
    # As the format asks: huggingface.co/docs/safetensors. Names of eight lengths make headers of eight.
    slots = {name: np.arange(3, dtype="u1"), f"{name}/wide": np.arange(3, dtype="f8"), f"{name}/half": np.ones(3, "f2")}
    data = bytes_of(state(slots=slots))
    n_header = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + n_header])
    assert n_header % 8 == 0
    offsets = [entry["data_offsets"] for key, entry in header.items() if key != "__metadata__"]
    assert [begin for begin, _ in offsets] == [0, *(end for _, end in offsets[:-1])]
    assert len(data) == 8 + n_header + offsets[-1][1]
    for key, array in slots.items():
        begin, end = header[f"slots/{key}"]["data_offsets"]
        assert begin % array.itemsize == 0
        assert data[8 + n_header + begin : 8 + n_header + end] == array.tobytes()


def test_the_pieces_of_a_file_are_the_tensors_themselves():
    weights = np.ones((100, 100), dtype="<f4")
    pieces, _ = encode(state(slots={"velocity/fc1.W": weights}))
    assert any(np.shares_memory(np.frombuffer(piece, np.uint8), weights) for piece in pieces if len(piece) == 40000)


def test_the_library_of_safetensors_reads_it(tmp_path):
    from safetensors import safe_open
    from safetensors.numpy import load_file, save

    written = state()
    path = tmp_path / "run_last.ckpt"
    path.write_bytes(bytes_of(written))
    tensors = load_file(path)
    assert {name: array.tobytes() for name, array in tensors.items()} == {
        name: array.tobytes() for name, array in written.to_tensors().items()
    }
    with safe_open(path, "np") as file:
        assert set(file.keys()) == set(tensors)
        metadata = file.metadata()
    assert json.loads(metadata["arignote"])["version"] == VERSION
    # Our layout is the library's own, but for the order of the two words of the metadata.
    assert len(save(tensors, metadata)) == path.stat().st_size


def test_the_digest_is_that_of_the_file_with_zeros_in_its_place():
    data = bytes_of(state())
    digest = encode(state())[1]
    assert data.count(digest.encode()) == 1
    end = 8 + struct.unpack("<Q", data[:8])[0]
    assert digest_of(data[:end].replace(digest.encode(), ZEROS.encode()), data[end:]) == digest


# Versions


def test_every_older_version_has_a_migration_and_every_version_stored_files():
    assert set(MIGRATIONS) == set(range(1, VERSION))
    for version in (*MIGRATIONS, VERSION):
        for kind in ("last", "best"):
            data = (STORED / f"v{version}_{kind}.ckpt").read_bytes()
            found, _ = decode(data, "file")
            assert isinstance(found, TrainingState)
            assert f'\\"version\\": {version}}}'.encode() in data


@pytest.mark.slow
def test_a_run_of_version_1_ends_as_if_it_had_begun_today(tmp_path):
    for kind in ("last", "best"):
        shutil.copy(STORED / f"v1_{kind}.ckpt", tmp_path / f"run_{kind}.ckpt")
    whole = fitted(n_threads=2)
    with warnings.catch_warnings():
        # Other versions of torch, another machine: reported, as it may not be bit for bit.
        warnings.filterwarnings("ignore", "(?s).*not bit for bit: environment", ArignoteWarning)
        ended = fitted(str(tmp_path / "run"))
    assert ended.state_.starts == [[0, 0], [1, 1]]
    assert ended.state_.run_id == "5de2d44ee53b4615940bde646d42741e"
    # The sums of a step have been done in another order since; beyond that it is the same run.
    for one, other in ((ended.params, whole.params), (ended.state_.network, whole.state_.network)):
        assert list(one) == list(other)
        for name, array in one.items():
            np.testing.assert_allclose(array, other[name], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_the_reader_in_the_documentation_reads_a_real_file(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", DOC.read_text(), re.DOTALL)
    assert len(blocks) == 1 and len(blocks[0].splitlines()) <= 12
    ended = fitted(str(tmp_path / "digits"))
    shutil.copy(tmp_path / "digits_best.ckpt", tmp_path / "run_best.ckpt")
    code = f"{blocks[0]}\nprint(sorted(weights), state['progress']['epoch'], float(weights['fc1.W'].sum()))"
    found = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    names = ["fc1.W", "fc1.a", "fc1.b", "fc1.c", "output.W", "output.b"]
    assert found.splitlines()[-1] == f"{names} {ended.best_['epoch']} {float(ended.params['fc1.W'].sum())}"


def test_the_entries_of_a_state_are_those_of_the_document(tmp_path):
    fitted(str(tmp_path / "run"))
    header, _ = apart((tmp_path / "run_last.ckpt").read_bytes())
    values = json.loads(header["__metadata__"]["arignote"])
    section, _, targets = DOC.read_text().partition("## The state")[2].partition("### Targets")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.M))
    assert set(rows) == set(values)
    for entry in ("progress", "rules", "best", "spec", "environment"):
        assert [key for key in values[entry] if f"`{key}`" not in rows[entry]] == []
    for key, value in values["targets"].items():
        assert key == "output" and [word for word in value if f"`{word}`" not in rows["targets"] + targets] == []


def shown(value, whole):
    """Return what a document shows of a value, which ends where it is shortened."""
    if isinstance(value, dict):
        return {key: shown(one, whole[key]) for key, one in value.items()}
    if isinstance(value, list):
        return [shown(*pair) for pair in zip(value, whole, strict=False)]
    return whole[: len(value)] if isinstance(value, str) else whole


def test_the_state_that_the_document_shows_is_that_of_a_stored_file():
    text = DOC.read_text().partition("shortened at `…`:")[2].partition("-->")[2].partition("### Targets")[0]
    found = json.loads(re.sub(r",? *…", "", text))
    header, _ = apart(bytes_of(decode((STORED / "v1_last.ckpt").read_bytes(), "file")[0]))
    assert found == shown(found, json.loads(header["__metadata__"]["arignote"]))


# Files that were made to do harm


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Return the folder of a run stopped in mid-training."""
    folder = tmp_path_factory.mktemp("source")
    fitted(str(folder / "run"), n_epochs=2, n_threads=1)
    return folder


@pytest.fixture
def stem(source, tmp_path):
    """Return the stem of a run that has one last and one best file."""
    for name in ("run_last.ckpt", "run_best.ckpt"):
        shutil.copy(source / name, tmp_path / name)
    return tmp_path / "run"


@pytest.fixture
def bomb(tmp_path_factory, monkeypatch):
    """Return a file that is there once a module `bomb_of_arignote` is imported, or a command of it run."""
    folder = tmp_path_factory.mktemp("bomb")
    shown = folder / "shown"
    (folder / "bomb_of_arignote.py").write_text(
        f"open({str(shown)!r}, 'w').close()\nclass Layer: pass\ndef act(*a): open({str(shown)!r}, 'w').close()\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    return shown


def apart(data):
    """Return header and tensors of a file."""
    n_header = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + n_header]), data[8 + n_header :]


def sealed(head, body=b""):
    """Return a file of a header (bytes, or a dict) with the right digest in place of its zeros."""
    if isinstance(head, dict):
        head["__metadata__"]["digest"] = ZEROS
        head = json.dumps(head, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    data = struct.pack("<Q", len(head)) + head + body
    digest = digest_of(data[: 8 + len(head)], body)
    return data.replace(ZEROS.encode(), digest.encode(), 1)


def digest_of(head, body):
    """Return the digest as docs/checkpoint-format.md defines it."""
    return hashlib.sha256(head + struct.pack("<I", zlib.crc32(body))).hexdigest()


def put(stem, change, kind="last"):
    """Change the header, or the plain values, of a file of a run, and seal it anew."""
    path = Path(f"{stem}_{kind}.ckpt")
    header, body = apart(path.read_bytes())
    path.write_bytes(change(header, body))


def with_values(change):
    """Return a change of a file by a change of its plain values: a function, or {path: value}."""

    def changed(header, body):
        values = json.loads(header["__metadata__"]["arignote"])
        if callable(change):
            values = change(values)
        else:
            for path, value in change.items():
                *way, last = path.split(".")
                at = values
                for word in way:
                    at = at[word]
                if value is ...:
                    del at[last]
                else:
                    at[last] = value
        header["__metadata__"]["arignote"] = json.dumps(values)
        return sealed(header, body)

    return changed


def with_tensor(name, change):
    """Return a change of a file by a change of what its header says of one tensor."""

    def changed(header, body):
        return sealed(header | {name: header[name] | change}, body)

    return changed


def assert_load_refuses(stem):
    """Loading is refused in words that begin with the path, and runs and imports nothing."""
    before = set(sys.modules)
    for run in (str(stem), f"{stem}_last.ckpt"):
        with pytest.raises(CheckpointError) as shown:
            NNClassifier.load(run)
        assert str(shown.value).startswith(str(stem))
        assert len(str(shown.value)) < 5000
    assert not [name for name in set(sys.modules) - before if "bomb" in name]


def assert_refused(stem):
    """All that reads a file refuses it."""
    assert_load_refuses(stem)
    last = f"{stem}_last.ckpt"
    for run in (str(stem), last):
        with pytest.raises(CheckpointError) as shown:
            inspection(run)
        assert str(shown.value).startswith(last)
    found, used = verification(str(stem))
    assert used is None and (last, False) in [(where, good) for where, good, _ in found]
    with pytest.raises(CheckpointError, match="No good checkpoint is left") as shown:
        fitted(str(stem), n_epochs=2)
    assert str(shown.value).startswith(last)


def test_a_file_with_a_new_digest_is_good(stem):
    put(stem, with_values({"spec.name": "another"}))
    assert NNClassifier.load(str(stem)).name == "another"
    assert verification(str(stem))[1] == f"{stem}_last.ckpt"


class Act:
    """What a pickle runs when a careless reader opens it."""

    def __reduce__(self):
        import bomb_of_arignote

        return bomb_of_arignote.act, ()


def pickled(protocol):
    import bomb_of_arignote  # noqa: F401

    return pickle.dumps(Act(), protocol=protocol)


FOREIGN = {
    "pickle 0": lambda: pickled(0),
    "pickle 2": lambda: pickled(2),
    "pickle 5": lambda: pickled(5),
    "gzip": lambda: gzip.compress(b"x" * 1000),
    "gzip of a pickle": lambda: gzip.compress(pickled(2)),
    "text": lambda: b"epoch,loss\n" * 100,
    "JSON": lambda: b'{"__metadata__":{"arignote":"{}","digest":""}}',
    "empty": lambda: b"",
    "seven bytes": lambda: b"\0" * 7,
    "eight bytes": lambda: b"\0" * 8,
    "header of 2**63": lambda: struct.pack("<Q", 2**63) + b"{}" * 50,
    "header of 2**64 - 1": lambda: b"\xff" * 100,
    "header of 200 MB": lambda: struct.pack("<Q", 200_000_000) + b"{}" * 50,
    "no metadata": lambda: struct.pack("<Q", 8) + b"{}      ",
    "a list": lambda: struct.pack("<Q", 8) + b"[1, 2]  ",
    "no Unicode": lambda: struct.pack("<Q", 8) + b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8",
    "metadata of numbers": lambda: sealed(b'{"__metadata__":{"arignote":1,"digest":"' + ZEROS.encode() + b'"}}'),
    "values that are a list": lambda: sealed({"__metadata__": {"arignote": "[1]"}}),
    "values that are a number": lambda: sealed({"__metadata__": {"arignote": "1"}}),
    "values that are no JSON": lambda: sealed({"__metadata__": {"arignote": "{"}}),
    "another's safetensors": lambda: __import__("safetensors.numpy").numpy.save({"a": np.zeros(3)}, {"format": "np"}),
    "nested header": lambda: sealed(
        b'{"__metadata__":{"arignote":"{}","digest":"'
        + ZEROS.encode()
        + b'"},"x":'
        + b"[" * 100_000
        + b"]" * 100_000
        + b"}"
    ),
    "nested values": lambda: sealed({"__metadata__": {"arignote": '{"run_id":' + "[" * 100_000 + "]" * 100_000 + "}"}}),
    "header of UTF-16": lambda: sealed(
        ('{"__metadata__":{"arignote":"{}","digest":"' + ZEROS + '"}}').encode("utf-16")
    ),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_a_foreign_file_is_refused(case, stem, bomb):
    data = FOREIGN[case]()
    bomb.unlink(missing_ok=True)
    sys.modules.pop("bomb_of_arignote", None)
    Path(f"{stem}_last.ckpt").write_bytes(data)
    assert_refused(stem)
    assert not bomb.exists() and "bomb_of_arignote" not in sys.modules


def swapped(header, body):
    """Return a file whose digest is that of other contents."""
    return sealed(header, body).replace(b'"rng', b'"rnf').replace(b'\\"rng', b'\\"rnf')


def other_digest(header, body):
    header["__metadata__"]["digest"] = "1" * 64
    head = json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(head)) + head + body


def short_digest(header, body):
    header["__metadata__"]["digest"] = ""
    head = json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(head)) + head + body


def spaced_digest(header, body):
    """Return a file whose digest is right, but written where nobody looks for it."""
    header["__metadata__"]["digest"] = ZEROS
    return sealed(json.dumps(header).encode(), body)


def in_text(old, new):
    """Return a change of the text of the values, which may make it no JSON."""

    def changed(header, body):
        text = header["__metadata__"]["arignote"]
        assert old in text
        header["__metadata__"]["arignote"] = text.replace(old, new, 1)
        return sealed(header, body)

    return changed


def twice(header, body):
    """Return a file whose header has a tensor twice."""
    header["__metadata__"]["digest"] = ZEROS
    entry = '"network/output.b":' + json.dumps(header["network/output.b"], separators=(",", ":"))
    head = json.dumps(header, separators=(",", ":")).replace(entry, f"{entry},{entry}")
    return sealed(head.encode(), body)


def grown(header, body):
    """Return a file with a tensor that starts before the end of another."""
    first, second = sorted((name for name in header if name.startswith("network/fc1")), reverse=True)[:2]
    header[first]["data_offsets"] = header[second]["data_offsets"]
    header[first]["shape"] = header[second]["shape"]
    return sealed(header, body)


W = "network/fc1.W"
DAMAGED = {
    "changed after sealing": swapped,
    "digest of another file": other_digest,
    "no digest": short_digest,
    "digest elsewhere": spaced_digest,
    "bytes after the tensors": lambda header, body: sealed(header, body + b"\0" * 8),
    "bytes missing": lambda header, body: sealed(header, body[:-8]),
    "no tensors": lambda header, body: sealed({"__metadata__": header["__metadata__"]}),
    "no epoch_loss": lambda header, body: sealed({k: v for k, v in header.items() if k != "progress/epoch_loss"}, body),
    "no offsets": lambda header, body: sealed(header | {W: {"dtype": "F32", "shape": [5, 3]}}, body),
    "tensor that is a list": lambda header, body: sealed(header | {W: [1]}, body),
    "tensor twice": twice,
    "overlapping": grown,
    "absurd shape": with_tensor(W, {"shape": [2**40, 2**40]}),
    "absurd shape and offsets": with_tensor(W, {"shape": [2**40, 2**20], "data_offsets": [0, 2**62]}),
    "shape that overflows to 0": with_tensor(W, {"shape": [2**32, 2**32], "data_offsets": [0, 0]}),
    "shape beyond 64 bits": with_tensor(W, {"shape": [2**70]}),
    "negative shape": with_tensor(W, {"shape": [-5, -3]}),
    "negative offsets": with_tensor(W, {"data_offsets": [-60, 0]}),
    "offsets turned round": with_tensor(W, {"data_offsets": [60, 0]}),
    "offsets beyond the end": with_tensor(W, {"data_offsets": [10**9, 10**9 + 60]}),
    "dtype of nobody": with_tensor(W, {"dtype": "PYTHON"}),
    "dtype of another size": with_tensor(W, {"dtype": "F64"}),
    "epoch_loss with a shape": with_tensor("progress/epoch_loss", {"shape": [1, 1]}),
    "history of two axes": with_tensor("history/valid_nll", {"shape": [1, 2]}),
    "history of integers": with_tensor("history/valid_nll", {"dtype": "I64"}),
    "NaN in the JSON": in_text('"value": 0.', '"value": NaN, "x": 0.'),
    "Infinity in the JSON": in_text('"rng": 7', '"rng": 7, "extra": -Infinity'),
    # JSON, of which Python makes infinity; the epoch is read with the beginning of the file.
    "number beyond float64": in_text('"rng": 7', '"rng": 7, "extra": 1e999'),
    "epoch beyond float64": in_text('"ended": false, "epoch": ', '"ended": false, "epoch": 1e999, "x": '),
    "key twice": in_text('"rng": 7', '"rng": 7, "rng": 7'),
    "integer of 5000 digits": in_text('"rng": 7', f'"rng": {"7" * 5000}'),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_file_that_is_not_whole_is_refused(case, stem):
    put(stem, DAMAGED[case])
    assert_refused(stem)


WRONG = [
    *({"version": version} for version in (..., None, "2", 0, -(10**18), 99, 1.5, [2], True)),
    *(
        {key: ...}
        for key in TrainingState.__annotations__
        # Files of the same version, written before some entries were added, lack these.
        if key not in ("network", "slots", "epoch_loss", "history", "preprocess", *entries._ADDED)
    ),
    *({key: 5} for key in entries._ADDED),
    {"loaded": {"fc1": 5}},
    *({"thawed": {"fc1": count}} for count in ("5", 0.5, -1, 2**53, True)),
    *({key: 5} for key in ("run_id", "rules", "spec", "targets", "data", "environment", "progress", "columns", "best")),
    *({key: 5} for key in ("starts", "extra_metadata")),
    *({"rng": rng} for rng in ("seed", None, 1.5, [7])),
    *({"rules": rules} for rules in ({}, [], {"lr": 0.1})),
    {"rules.lr": ...},
    {"rules.lr.value": "fast"},
    {"rules.lr.value": ...},
    {"rules.lr.changed_at": 1.5},
    {"progress.epoch": "x"},
    {"progress.epoch": -1},
    {"progress.batch": 0.5},
    {"progress.stopped_by": 5},
    {"columns": ["epoch", "valid_nll", "nothing"]},
    {"columns": [[]]},
    {"best": {}},
    {"best.value": "x"},
    {"best.n_rows": None},
    {"starts": [0]},
    {"starts": [[0, "x"]]},
    {"starts": {"0": 0}},
    {"spec.layers": "FCLayer"},
    {"spec.layers": ...},
    *({"spec.layers": [layer]} for layer in (5, "FCLayer", ["FCLayer", {}, {}], ["FCLayer", {"n_units": 3}])),
    {"environment.n_threads": "os:system"},
    *({"data.feature_names": names} for names in (5, "ab", [["a"]], {"a": 1})),
    {"spec.n_in": "5"},
    {"spec.n_in": [-5]},
    {"spec.name": 5},
    {"spec.fit": []},
    {"spec.fit.n_epochs": ...},
    {"spec.fit.n_epochs": "x"},
    {"spec.fit.n_epochs": None},
    {"targets": {}},
    {"targets.output": 5},
    *({"targets.output.target": name} for name in (..., 5, ["classes"], "os:system", "nll", "numbers", "flags")),
    *({f"targets.output.{key}": ...} for key in ("dtype", "values")),
    {"targets.output.values": "ab"},
    {"targets.output.values": "ab", "targets.output.dtype": "<U1"},
    {"targets.output.values": {"a": 1}, "targets.output.dtype": "O"},
    {"targets.output.values": {"a": 1}},
    {"targets.output.values": ["a", "b"]},
    {"targets.output.values": [[0], [1, 2]]},
    *(
        {"targets.output.dtype": dtype}
        for dtype in (5, "datetime", "(1000000000,)f8", "V1000000000", "i4,i4", "M8[s]", "what")
    ),
    {"targets.output.dtype": "<U1000000000", "targets.output.values": ["a", "b"]},
    {"targets.output.dtype": "O", "targets.output.values": [[0, 1], [2, 3]]},
    {"targets.output.dtype": "O", "targets.output.values": [{"a": 1}, {}]},
]


@pytest.mark.parametrize("changes", WRONG, ids=lambda changes: repr(changes)[:60])
def test_an_entry_of_the_wrong_kind_is_refused(changes, stem):
    put(stem, with_values(changes))
    assert_refused(stem)


def test_values_of_no_use_do_no_harm(stem):
    put(stem, with_values({"starts": [[0, 0]] * 5_000, "extra_metadata": {"x": [[]] * 5_000}, "environment": {}}))
    loaded = NNClassifier.load(str(stem))
    assert len(loaded.state_.starts) == 5_000 and loaded.predict(X).shape == (40,)


def with_layer(position, spec):
    """Return a change of a file by another layer in its spec."""

    def changed(values):
        if isinstance(spec, dict):
            values["spec"]["layers"][position][1] |= spec
        else:
            values["spec"]["layers"][position] = spec
        return values

    return with_values(changed)


NO_NETWORK = {
    "unknown layer": with_layer(1, ["NoLayer", {"name": "fc1"}]),
    "a function": with_layer(1, ["os:system", {"name": "fc1", "command": "true"}]),
    "a module": with_layer(1, ["bomb_of_arignote:Layer", {"name": "fc1"}]),
    "a module with dots": with_layer(1, ["bomb_of_arignote.Layer", {"name": "fc1"}]),
    "an activation of a module": with_layer(1, {"activation": "bomb_of_arignote:act"}),
    "an initialiser of a module": with_layer(1, {"W": ["bomb_of_arignote:act", {}]}),
    "an unknown parameter": with_layer(1, {"n_unit": 3}),
    "a name that is a path": with_layer(1, {"name": "../../fc1"}),
    "no layers": with_values({"spec.layers": []}),
    "no output layer": with_values(lambda v: v | {"spec": v["spec"] | {"layers": v["spec"]["layers"][:2]}}),
    "a network of 20 TB": with_layer(1, {"n_units": 10**12}),
    "a network of 20 GB": with_layer(1, {"n_units": 10**9}),
    "units without end": with_layer(1, {"n_units": 10**30}),
    "examples of 4 TB": with_values({"spec.n_in": [2**40]}),
    "examples of images": with_layer(0, ["InputImageLayer", {"name": "input", "n_pixels": [4, 4]}]),
    "another target": with_values(
        {"targets.output": {"target": "numbers", "n_axes": 2, "mean": [0.0, 0.0], "scale": [1.0, 1.0]}}
    ),
    "other weights": lambda header, body: sealed(
        {k.replace("network/fc1", "network/fc2"): v for k, v in header.items()}, body
    ),
    "more weights": lambda header, body: sealed(
        header | {"network/x": {"dtype": "F32", "shape": [0], "data_offsets": [len(body)] * 2}}, body
    ),
}


@pytest.mark.parametrize("case", NO_NETWORK)
def test_a_spec_that_is_no_network_of_these_weights_is_refused(case, stem, bomb):
    for kind in ("last", "best"):
        put(stem, NO_NETWORK[case], kind)
    # The best file is another one now.
    best = apart(Path(f"{stem}_best.ckpt").read_bytes())[0]["__metadata__"]["digest"]
    put(stem, with_values({"best.digest": best}))
    assert_load_refuses(stem)
    assert inspection(str(stem))["epoch"] == 2
    if case != "examples of 4 TB":
        # The shape of an example is that of the data.
        with pytest.raises(CheckpointError) as shown:
            fitted(str(stem))
        assert str(shown.value).startswith(str(stem))
    assert not bomb.exists() and "bomb_of_arignote" not in sys.modules


@pytest.mark.parametrize(
    "changes",
    [
        {"spec.fit.augmentation": ["bomb_of_arignote:act"], "spec.fit.observers": ["bomb_of_arignote:act"]},
        {"spec.fit.unknown": 1},
        {"spec.fit.lr_rule": ["bomb_of_arignote:act", {}]},
        {"spec.fit.sgd_type": "bomb_of_arignote:act"},
        {"spec.fit.preemption": "file:/nowhere/../x"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_settings_of_a_file_run_nothing(changes, stem, bomb):
    put(stem, with_values(changes))
    try:
        NNClassifier.load(str(stem)).predict(X)
    except CheckpointError as error:
        assert str(error).startswith(str(stem))
    assert inspection(str(stem))["finished"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ArignoteWarning)
            fitted(str(stem))
    except CheckpointError as error:
        assert str(error).startswith(str(stem))
    assert not bomb.exists() and "bomb_of_arignote" not in sys.modules


def everything_in(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.name.startswith(".")}


def test_names_never_become_paths(source, tmp_path):
    inner = tmp_path / "a" / "b" / "runs"
    inner.mkdir(parents=True)
    for kind in ("last", "best"):
        shutil.copy(source / f"run_{kind}.ckpt", inner / f"run_{kind}.ckpt")
    before = everything_in(tmp_path)
    tricks = {"data_offsets": [0, 0], "shape": [0], "dtype": "F32"}

    def changed(header, body):
        more = {f"{kind}/../../../{kind}_trick": tricks for kind in ("slots", "other", "history", "..")}
        header = with_values({"spec.name": "../../trick", "run_id": "../../trick"})(header, body)
        return sealed(apart(header)[0] | more, body)

    put(inner / "run", changed)
    loaded = NNClassifier.load(str(inner / "run"))
    assert loaded.predict(X).shape == (40,)
    inspection(str(inner / "run"))
    verification(str(inner / "run"))
    assert everything_in(tmp_path) == before
    loaded.set_params(checkpoint=None)
    NNClassifier(loaded.layers, name=loaded.name, rng=7).fit(X, Y, n_epochs=1, batch_size=8, checkpoint=f"{inner}/")
    assert {path.parent for path in tmp_path.rglob("*.ckpt")} == {inner}


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/b", "..", "name\0", "c:\\x"])
def test_the_name_of_a_run_never_is_a_path_in_a_folder_of_runs(name):
    stem = stem_in("runs/", name, {})
    assert stem.startswith("runs/") and not re.search(r"[/\\\0:]", stem.removeprefix("runs/"))


READER = """
import resource, sys
from arignote import CheckpointError, NNClassifier
from arignote.report.inspection import inspection, verification
import safetensors.numpy, arignote.legacy, torch
for stem in sys.argv[1:]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for read, run in ((inspection, stem), (NNClassifier.load, stem), (NNClassifier.load, stem + "_last.ckpt")):
        try:
            assert not read(run)
        except CheckpointError as error:
            assert str(error).startswith(stem), error
    assert verification(stem)[1] is None
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="sparse files, and memory in KiB")
def test_huge_files_are_refused_without_reading_them_all(source, tmp_path):
    beginnings = {
        "tail": (source / "run_last.ckpt").read_bytes(),
        "pickle": pickle.dumps({"model_store_version": "3.0"}, protocol=2),
        "header": struct.pack("<Q", 90_000_000) + b'{"__metadata__":',
    }
    for name, data in beginnings.items():
        path = tmp_path / f"{name}_last.ckpt"
        path.write_bytes(data)
        os.truncate(path, 8 * 2**30)
    stems = [str(tmp_path / name) for name in beginnings]
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", READER, *stems], capture_output=True, text=True, timeout=200
    )
    assert found.returncode == 0, found.stderr[-2000:]
    assert all(int(grown) < 400 for grown in found.stdout.split()), found.stdout


def test_a_header_is_read_without_the_rest_of_the_file():
    data, asked = bytes_of(state()), []

    def read(n_bytes):
        asked.append(n_bytes)
        return data[:n_bytes]

    assert read_head(read, "file").digest == encode(state())[1]
    assert max(asked) == 8 + struct.unpack("<Q", data[:8])[0]


def by_hand(**more):
    """Return the bytes of a file that begins as one of ours: a header, and one tensor of eight bytes."""
    values = {"run_id": "r", "best": {"digest": "d" * 64}, "progress": {"epoch": 4}} | more
    tensor = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    return sealed({"__metadata__": {"arignote": json.dumps(values), "digest": ""}, "a": tensor}, bytes(8))


def test_the_head_of_a_file_holds_its_run_its_digest_that_of_the_best_file_its_size_and_its_epoch():
    data = by_hand()
    header, _ = apart(data)
    assert read_head(lambda n: data[:n], "file") == Head("r", header["__metadata__"]["digest"], "d" * 64, len(data), 4)
    for best in (None, {}, {"value": 1.0}):
        other = by_hand(best=best)
        assert read_head(lambda n, data=other: data[:n], "file").best == ""
    alone = sealed({"__metadata__": header["__metadata__"]})
    assert read_head(lambda n: alone[:n], "file").n_bytes == len(alone)


@pytest.mark.parametrize(
    ("length", "message"),
    [
        (0, "is truncated .0 bytes"),
        (7, "is truncated .7 bytes"),
        (8, "is truncated, or.* at most 0 bytes"),
        (-9, "is truncated, or"),
    ],
)
def test_a_file_that_ends_in_its_header_is_cut_short(length, message):
    data = by_hand()
    # The eight bytes of its tensor follow the header: -9 is one byte less than the header needs.
    for read in (lambda n: data[:length][:n], lambda n: data[:length]):
        with pytest.raises(CheckpointError, match=f"^file: {message}"):
            read_head(read, "file")
    with pytest.raises(CheckpointError, match=f"^file: {message}"):
        decode(data[:length], "file")


def test_eight_bytes_that_declare_an_empty_header_are_not_a_checkpoint():
    with pytest.raises(CheckpointError, match=r"^file: is damaged, or is not a checkpoint of Arignote"):
        decode(bytes(8), "file")


@pytest.mark.parametrize("wrong", [{"digest": 5}, {"arignote": 5}])
def test_texts_of_the_metadata_are_texts(wrong):
    header, body = apart(by_hand())
    header["__metadata__"] |= wrong
    head = json.dumps(header).encode()
    data = struct.pack("<Q", len(head)) + head + body
    for act in (lambda: decode(data, "file"), lambda: read_head(lambda n: data[:n], "file")):
        with pytest.raises(CheckpointError, match=r"^file: is damaged, or is not a checkpoint of Arignote"):
            act()


def nested(n_lists):
    found = []
    for _ in range(n_lists - 1):
        found = [found]
    return found


def with_metadata(metadata):
    """Return the bytes of a file with `extra_metadata` that encode itself might refuse."""
    header, body = apart(bytes_of(state(extra_metadata=None)))
    values = json.loads(header["__metadata__"]["arignote"]) | {"extra_metadata": metadata}
    header["__metadata__"]["arignote"] = json.dumps(values, sort_keys=True)
    return sealed(header, body)


def test_values_lie_in_one_another_a_hundred_deep_at_most():
    # The state is level 0, its metadata level 1, what is in these level 2: the last of 99 lists is at level 100.
    deep = {"a": nested(99)}
    assert decode(bytes_of(state(extra_metadata=deep)), "file")[0].extra_metadata == deep
    with pytest.raises(CheckpointError, match="more than 100 deep"):
        encode(state(extra_metadata={"a": nested(100)}))
    with pytest.raises(CheckpointError, match="more than 100 deep"):
        decode(with_metadata({"a": nested(100)}), "file")


def test_a_header_has_a_million_values_at_most():
    def n_values(data):
        head = data[8 : 8 + struct.unpack("<Q", data[:8])[0]]
        return sum(map(head.count, (b",", b"[", b"{")))

    # A comma in a text counts too, which is an upper bound that costs no parsing.
    rest = 1_000_000 - n_values(with_metadata({"a": ""}))
    data = with_metadata({"a": "," * rest})
    assert n_values(data) == 1_000_000
    assert len(decode(data, "file")[0].extra_metadata["a"]) == rest
    with pytest.raises(CheckpointError, match="1000001 values; at most"):
        decode(with_metadata({"a": "," * (rest + 1)}), "file")
    encode(state(extra_metadata={"a": "," * (rest - 100)}))
    with pytest.raises(CheckpointError, match="cannot be written"):
        encode(state(extra_metadata={"a": "," * (rest + 100)}))


@pytest.mark.slow
def test_a_header_has_16_mib_at_most():
    bound = 16 * 1024 * 1024
    rest = bound - struct.unpack("<Q", with_metadata({"a": ""})[:8])[0]
    data = with_metadata({"a": "x" * rest})
    assert struct.unpack("<Q", data[:8])[0] == bound
    assert len(decode(data, "file")[0].extra_metadata["a"]) == rest
    data = with_metadata({"a": "x" * (rest + 8)})
    with pytest.raises(CheckpointError, match=f"at most {bound} bytes; got {bound + 8}$"):
        decode(data, "file")
    with pytest.raises(CheckpointError, match=f"at most {bound} bytes; got {bound + 8}$"):
        read_head(lambda n: data[:n], "file")
    with pytest.raises(CheckpointError, match="cannot be written"):
        encode(state(extra_metadata={"a": "x" * (rest + 1000)}))


@pytest.mark.parametrize("version", [VERSION + 1, str(VERSION), None, 1.0, True, ...])
def test_a_version_that_is_not_known_is_named(version):
    header, body = apart(bytes_of(state(extra_metadata=None)))
    values = json.loads(header["__metadata__"]["arignote"])
    values["version"] = version
    if version is ...:
        del values["version"]
    header["__metadata__"]["arignote"] = json.dumps(values)
    shown = None if version is ... else version
    with pytest.raises(CheckpointError, match=f"has format version {shown}; .* reads up to {VERSION}"):
        decode(sealed(header, body), "file")


def test_a_name_of_a_folder_is_refused(tmp_path):
    (tmp_path / "run_last.ckpt").mkdir()
    with pytest.raises(CheckpointError, match=r"run_last\.ckpt: cannot be read"):
        NNClassifier.load(str(tmp_path / "run"))
    assert RunFiles(str(tmp_path / "run")).existing() == ["run_last.ckpt"]
