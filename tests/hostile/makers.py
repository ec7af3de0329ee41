"""Makes the hostile files of the tests: each function writes one file (or folder) and returns its path."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

# Pickles, opcode by opcode


def text(word: str) -> bytes:
    """Return the opcodes that push a text."""
    return b"X" + struct.pack("<I", len(word.encode())) + word.encode()


def dtype(name: str, state: bytes) -> bytes:
    """Return the opcodes of a NumPy dtype with a state."""
    return b"cnumpy\ndtype\n" + text(name) + b"\x89\x88\x87R" + state + b"b"


def array(dtype_: bytes, shape: bytes, raw: bytes) -> bytes:
    """Return the opcodes of a NumPy array: of its dtype, its shape, and its bytes or list."""
    begin = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85C\1b\x87R"
    return begin + b"(K\1" + shape + dtype_ + b"\x89" + raw + b"tb"


PLAIN_STATE = b"(K\3" + text("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0t"
F8 = dtype("f8", PLAIN_STATE)


def lying_dtype() -> bytes:
    """Return an array of pointers that the file chooses: a field of objects in a dtype whose flags deny it."""
    objects = dtype("O8", b"(K\3" + text("|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?t")
    fields = b"}" + text("a") + objects + b"K\0\x86s"
    lies = b"(K\3" + text("|") + b"N" + text("a") + b"\x85" + fields + b"K\x08K\1K\0t"
    return array(dtype("V8", lies), b"K\1\x85", b"C\x08" + struct.pack("<Q", 0x4141414141))


def doubling(depth: int) -> bytes:
    """Return a list of two references to a list of two references ...: 2**depth items in 9 bytes a level."""
    found = b"]"
    for level in range(depth):
        found += b"r" + struct.pack("<I", 1000 + level)
        found += b"0](" + 2 * (b"j" + struct.pack("<I", 1000 + level)) + b"e"
    return found


def nested(depth: int, opcode: bytes = b"\x85", start: bytes = b"K\1") -> bytes:
    """Return a tuple in a tuple in a tuple ..."""
    return start + opcode * depth


def colliding(n: int) -> bytes:
    """Return a dict whose keys, n different integers, all have the hash 0."""
    keys = (k * (2**61 - 1) for k in range(1, n + 1))
    return b"}(" + b"".join(b"\x8a\x0f" + k.to_bytes(15, "little") + b"N" for k in keys) + b"u"


def copies(n: int) -> bytes:
    """Return a list of n arrays of the same megabyte of bytes."""
    raw = b"B" + struct.pack("<I", 1_000_000) + bytes(1_000_000) + b"q\1" + F8 + b"q\2" + b"00"
    one = array(b"h\2", b"J" + struct.pack("<i", 125_000) + b"\x85", b"h\1")
    return raw + b"](" + n * one + b"e"


PICKLES: dict[str, Callable[[], bytes]] = {
    "a dtype that lies about its flags": lying_dtype,
    "a bytearray of 10 TB by its constructor": lambda: (
        b"c__builtin__\nbytearray\n\x8a\x06" + (10**13).to_bytes(6, "little") + b"\x85R"
    ),
    "a bytearray of 1 TB by its opcode": lambda: b"\x96" + struct.pack("<Q", 2**40),
    "a text of 1 TB": lambda: b"\x8d" + struct.pack("<Q", 2**40) + b"a",
    "bytes of 1 TB": lambda: b"\x8e" + struct.pack("<Q", 2**40) + b"a",
    "bytes of 2**63": lambda: b"\x8e" + struct.pack("<Q", 2**63) + b"a",
    "a frame of 2**62 bytes": lambda: b"\x95" + struct.pack("<Q", 2**62) + b"N",
    "a memo index of 2**31 - 1": lambda: b"Nr" + struct.pack("<I", 2**31 - 1),
    "a memo index of 2**32 - 1": lambda: b"Nr" + struct.pack("<I", 2**32 - 1) + b"000",
    "a memo index in text": lambda: b"Np99999999999999999999\n0" * 3,
    "a list of 2**60 items": lambda: doubling(60),
    "a tuple 200,000 deep as a key": lambda: b"}" + nested(200_000) + b"Ns",
    "a list that holds itself": lambda: b"]q\1h\1a",
    "a tuple 200,000 deep": lambda: nested(200_000),
    "lists 200,000 deep": lambda: b"]" + b"](" * 200_000 + b"e" * 200_000,
    "200,000 keys of one hash": lambda: colliding(200_000),
    "5 TB of arrays of one megabyte": lambda: copies(5_000),
    "an integer of 10 MB": lambda: b"\x8b" + struct.pack("<i", 10_000_000) + b"\x7f" * 10_000_000,
    "an array of more numbers than bytes": lambda: array(
        F8, b"J" + struct.pack("<i", 2**31 - 1) + b"\x85", b"C\x08" + bytes(8)
    ),
    "an array of 2**62 empty rows": lambda: array(F8, b"\x8a\x08" + (2**62).to_bytes(8, "little") + b"K\0\x86", b"C\0"),
    "an object array of a number": lambda: array(dtype("O8", PLAIN_STATE), b"K\1\x85", b"C\x08" + bytes(8)),
    "an object array with too few objects": lambda: array(dtype("O8", PLAIN_STATE), b"K\5\x85", b"]Na"),
    "an array within itself": lambda: (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85C\1b\x87Rq\1(K\1K\1\x85"
        + dtype("O8", PLAIN_STATE)
        + b"\x89]h\1atb"
    ),
    "text beyond Unicode": lambda: array(dtype("U1", PLAIN_STATE), b"K\1\x85", b"C\x04\xff\xff\xff\xff"),
    "an array that is no array": lambda: b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\ndtype\nK\0\x85C\1b\x87R",
    "a million marks": lambda: b"(" * 1_000_000,
    "ten million sets": lambda: b"\x8f" * 10_000_000,
    "an extension": lambda: b"\x82\1",
    "a persistent object": lambda: b"Pone\n",
    "a buffer that is elsewhere": lambda: b"\x97",
}

# What they declare is not needed, and not allocated.
HARMLESS = ("a frame of 2**62 bytes", "a memo index of 2**31 - 1")


def pickled(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "a.pkl").write_bytes(b"\x80\5" + PICKLES[name]() + b".")
        return folder / "a.pkl"

    return make


def zeros(folder: Path, name: str, begin: bytes) -> Path:
    """Write a gzip file of 10 MB: a beginning, then 10 GB of zeros, as 600 members that are the same."""
    member = gzip.compress(bytes(1 << 24), 9)
    (folder / name).write_bytes(gzip.compress(begin) + 600 * member)
    return folder / name


def packed_pickle(folder: Path) -> Path:
    return zeros(folder, "a.pkl.gz", b"\x80\5\x8e" + struct.pack("<Q", 10**10))


def line_without_end(folder: Path) -> Path:
    return zeros(folder, "a.pkl.gz", b"\x80\2S'")


# Checkpoints of 2015

METADATA = pickle.dumps({"model_store_version": "3.0"}, protocol=2)


def of_2015(content: bytes, state: bytes = b"}") -> bytes:
    """Return a checkpoint of 2015: `content` is evaluated and thrown away, `state` is that of its network."""
    return METADATA + b"\x80\2" + content + b"0carignote.nnets.nets\nNNClassifier\n)\x81" + state + b"b."


def doubling_2015(folder: Path) -> Path:
    """Write a network of 500 bytes whose parameter of a layer has 2**40 items."""
    layer = (
        b"carignote.nnets.layers\nFCLayer\n)\x81}(" + text("name") + text("a") + text("n_units") + doubling(40) + b"ub"
    )
    state = b"}(" + text("layers_train") + b"](" + layer + b"e" + text("n_in") + b"K\4\x85" + text("trainer")
    trainer = b"carignote.nnets.training\nSupervisedTraining\n)\x81}(" + text("epoch") + b"K\1" + text("sgd") + b"}ub"
    (folder / "a_last.pkl").write_bytes(of_2015(b"N", state + trainer + b"u"))
    return folder / "a_last.pkl"


def lists_2015(folder: Path) -> Path:
    """Write a few megabytes of gzip that are 20 million empty lists."""
    (folder / "a_last.pkl.gz").write_bytes(gzip.compress(of_2015(b"](" + b"]" * 20_000_000 + b"e"), 1))
    return folder / "a_last.pkl.gz"


def zeros_2015(folder: Path) -> Path:
    return zeros(folder, "a_last.pkl.gz", METADATA + b"\x80\4\x8e" + struct.pack("<Q", 10**10))


def after_2015(folder: Path) -> Path:
    return zeros(folder, "a_last.pkl.gz", of_2015(b"N"))


def shared_2015(folder: Path) -> Path:
    """Write a network of 3,000 layers that share one array of 4 MB: 12 GB once each has its own."""
    values = np.zeros((1000, 1000), np.float32)
    weights = pickle.dumps(values, protocol=2)[2:-1].replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    bias = pickle.dumps(values[0], protocol=2)[2:-1].replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    # The memo of the second array is moved behind that of the first.
    content = weights + b"r" + struct.pack("<I", 1000) + b"0" + bias + b"r" + struct.pack("<I", 1001)
    arrays = b"}(" + text("W") + b"j" + struct.pack("<I", 1000) + text("b") + b"j" + struct.pack("<I", 1001) + b"u"
    common = text("n_in") + b"M\xe8\x03\x85" + text("trainable_params") + arrays

    def layer(kind: str, name: str, more: bytes) -> bytes:
        params = b"}(" + text("name") + text(name) + common + more + b"u"
        return f"carignote.nnets.layers\n{kind}\n".encode() + b")\x81" + params + b"b"

    units = text("n_units") + b"M\xe8\x03"
    layers = layer("InputLayer", "input", b"") + b"".join(layer("FCLayer", f"fc{k}", units) for k in range(3000))
    layers += layer("ClassificationOutputLayer", "output", text("n_classes") + b"M\xe8\x03")

    def rule(value: str) -> bytes:
        names = ("final_value", "interval", "schedule")
        zeros_ = (
            b"".join(text(name) + b"N" for name in names) + text("decrease_by") + b"K\0" + text("multiply_by") + b"K\1"
        )
        memory = text("last_epoch") + b"K\0" + text("best_valid") + b"K\0"
        return (
            b"carignote.nnets.sgd_updates\nRule\n)\x81}("
            + zeros_
            + memory
            + text("rule")
            + text("constant")
            + text("initial_value")
            + value.encode()
            + b"ub"
        )

    sgd = b"carignote.nnets.sgd_updates\nSGD\n)\x81}(" + text("lr_rule") + rule("F0.1\n")
    sgd += text("momentum_rule") + rule("F0.9\n") + text("sgd_type") + text("nag") + text("max_grad_norm") + b"N"
    sgd += text("learning_rate") + b"F0.1\n" + text("momentum") + b"F0.9\n" + text("stored_update_params") + b"Nub"
    loss = b"}(" + text("train") + text("nll") + text("valid") + text("nll") + text("test") + text("nll") + b"u"
    trainer = b"carignote.nnets.training\nSupervisedTraining\n)\x81}("
    trainer += text("sgd") + sgd + text("loss_type") + loss + text("epoch") + b"K\1" + text("iter") + b"K\1"
    trainer += text("max_epochs") + b"K\1" + text("examples_seen") + b"K\1"
    for name in ("train_loss", "valid_loss", "test_loss", "train_valid_loss"):
        trainer += text(name) + b"]"
    trainer += text("last_validation_loss") + b"F1.\n" + text("best_validation_loss") + b"F1.\n"
    trainer += text("validation_frequency") + b"N" + text("validate_on_train") + b"\x89ub"
    state = b"}(" + text("layers_train") + b"](" + layers + b"e" + text("n_in") + b"M\xe8\x03\x85"
    state += text("batch_size") + b"K\x14" + text("name") + text("old") + text("rng") + b"N"
    (folder / "a_last.pkl").write_bytes(of_2015(content, state + text("trainer") + trainer + b"u"))
    return folder / "a_last.pkl"


# HDF5


def huge_shape(folder: Path) -> Path:
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("x", (10**13,), "f8", chunks=(100_000,))[:10] = 1
    return folder / "a.h5"


def huge_rows(folder: Path) -> Path:
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("x", (10, 10**12), "f8", chunks=(1, 100_000))[0, :10] = 1
    return folder / "a.h5"


def frame_with_lying_dtype(folder: Path) -> Path:
    import pandas as pd

    pd.DataFrame({"a": [1.0, 2.0]}).to_hdf(folder / "a.h5", key="frame", format="table")
    with h5py.File(folder / "a.h5", "a") as file:
        lies = b"\x80\2](K\1" + lying_dtype() + b"\x86e."
        file["frame"].attrs["non_index_axes"] = np.void(lies)
    return folder / "a.h5"


def frame_of_huge_axis(folder: Path) -> Path:
    """Write a DataFrame whose columns have 10**12 names."""
    import pandas as pd

    pd.DataFrame({"a": [1.0, 2.0]}).to_hdf(folder / "a.h5", key="frame", format="fixed")
    with h5py.File(folder / "a.h5", "a") as file:
        attributes = dict(file["frame/axis0"].attrs)
        del file["frame/axis0"]
        file["frame"].create_dataset("axis0", (10**12,), "S8", chunks=(1000,)).attrs.update(attributes)
    return folder / "a.h5"


def secret(folder: Path) -> Path:
    """Write a file that no reader was told of."""
    with h5py.File(folder / "secret.h5", "w") as file:
        file["x"] = np.full((4, 3), 42.0)
    (folder / "secret.bin").write_bytes(np.full((4, 3), 42.0).tobytes())
    return folder


def external_link(folder: Path) -> Path:
    with h5py.File(secret(folder) / "a.h5", "w") as file:
        file["x"] = h5py.ExternalLink(str(folder / "secret.h5"), "/x")
    return folder / "a.h5"


def soft_link_to_external(folder: Path) -> Path:
    with h5py.File(secret(folder) / "a.h5", "w") as file:
        file["group/far"] = h5py.ExternalLink(str(folder / "secret.h5"), "/")
        file["x"] = h5py.SoftLink("/group/far/x")
    return folder / "a.h5"


def external_storage(folder: Path) -> Path:
    with h5py.File(secret(folder) / "a.h5", "w") as file:
        file.create_dataset("x", (4, 3), "f8", external=[(str(folder / "secret.bin"), 0, 96)])
    return folder / "a.h5"


def virtual_dataset(folder: Path) -> Path:
    layout = h5py.VirtualLayout((4, 3), "f8")
    layout[:] = h5py.VirtualSource(str(secret(folder) / "secret.h5"), "x", (4, 3))
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_virtual_dataset("x", layout)
    return folder / "a.h5"


def endless_heap(folder: Path) -> Path:
    """Write texts whose heap has a free object of size 0, which the HDF5 library follows without end."""
    with h5py.File(folder / "a.h5", "w") as file:
        file["x"] = ["a", "b"]
    data = (folder / "a.h5").read_bytes()
    place = data.index(b"GCOL") + 16
    while (number := struct.unpack_from("<H", data, place)[0]) != 0:
        place += 16 + (struct.unpack_from("<Q", data, place + 8)[0] + 7) // 8 * 8
    assert number == 0
    (folder / "a.h5").write_bytes(data[: place + 8] + bytes(8) + data[place + 16 :])
    return folder / "a.h5"


# NumPy's files, and IDX


def npy(shape: str, descr: str = "'<f8'", body: bytes = bytes(64), length: int | None = None) -> bytes:
    """Return a .npy whose header says what it is told to say."""
    head = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\2\0" + struct.pack("<I", len(head) if length is None else length) + head + body


NPY = {
    "a .npy of 80 TB": lambda: npy("(10000000000000,)"),
    "a .npy of 2**80 numbers": lambda: npy(f"({2**80},)"),
    "a .npy of 2**62 empty rows": lambda: npy(f"({2**62}, 0)"),
    "a .npy whose header has 4 GB": lambda: npy("(8,)", length=2**32 - 1),
    "a .npy whose header is nested": lambda: npy("(" * 4000 + ")" * 4000),
    "a .npy of pickled objects": lambda: npy("(1,)", "'|O'", pickle.dumps([None])),
    "a .npy of fields": lambda: npy("(1,)", "[('a', '<f8'), ('b', '|O')]"),
    "a .npy of texts of 8 GB": lambda: npy("(0,)", "'<U2000000000'"),
}


def npy_file(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "a.npy").write_bytes(NPY[name]())
        return folder / "a.npy"

    return make


def zip_bomb(folder: Path) -> Path:
    """Write a .npz of 1.5 MB that holds 1.5 GB of zeros."""
    with (
        zipfile.ZipFile(folder / "a.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed,
        packed.open("x.npy", "w", force_zip64=True) as file,
    ):
        file.write(npy("(1500000000,)", "'|u1'", b""))
        for _ in range(90):
            file.write(bytes(1 << 24))
    return folder / "a.npz"


def zip_of_huge_shape(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "a.npz", "w") as packed:
        packed.writestr("x.npy", npy("(10000000000000,)"))
    return folder / "a.npz"


def zip_of_lzma(folder: Path) -> Path:
    """Write a .npz packed by a method that NumPy never uses, and whose dictionary may be of any size."""
    with zipfile.ZipFile(folder / "a.npz", "w", zipfile.ZIP_LZMA) as packed:
        packed.writestr("x.npy", npy("(8,)"))
    return folder / "a.npz"


def mnist_of_strange_shapes(folder: Path) -> Path:
    np.savez(folder / "mnist.npz", x_train=np.float64(1), y_train=np.zeros(3), x_test=np.zeros(2), y_test=np.zeros(()))
    return folder / "mnist.npz"


def idx_folder(folder: Path, images: bytes) -> Path:
    for name in ("train-images-idx3", "t10k-images-idx3", "train-labels-idx1", "t10k-labels-idx1"):
        (folder / f"{name}-ubyte").write_bytes(images if "images" in name else b"\0\0\x08\1\0\0\0\2\0\1")
    return folder


def idx_of_255_axes(folder: Path) -> Path:
    return idx_folder(folder, b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"a")


def idx_of_2_31(folder: Path) -> Path:
    return idx_folder(folder, b"\0\0\x08\3" + b"\x7f\xff\xff\xff" * 3 + b"a")


def idx_bomb(folder: Path) -> Path:
    idx_folder(folder, b"\0\0\x08\3\0\0\0\2\0\0\0\2\0\0\0\2" + bytes(8))
    (folder / "train-images-idx3-ubyte").unlink()
    zeros(folder, "train-images-idx3-ubyte.gz", b"\0\0\x08\3\0\0\0\2\0\0\0\2\0\0\0\2" + bytes(8))
    return folder


# Our own format


def sealed(header: dict[str, Any] | bytes, body: bytes = b"") -> bytes:
    """Return a checkpoint of a header with the right digest in it, as docs/checkpoint-format.md describes it."""
    zeros_ = "0" * 64
    if isinstance(header, dict):
        header["__metadata__"]["digest"] = zeros_
        header = json.dumps(header, separators=(",", ":")).encode()
    head = header + b" " * (-len(header) % 8)
    data = struct.pack("<Q", len(head)) + head + body
    digest = hashlib.sha256(data[: 8 + len(head)] + struct.pack("<I", zlib.crc32(body))).hexdigest()
    return data.replace(zeros_.encode(), digest.encode(), 1)


def values() -> dict[str, Any]:
    """Return the state of a small run as plain data: 3 features, 2 classes, one dense layer."""
    import arignote.spec.config  # noqa: F401  (registers every part)
    from arignote.layers import declare, parse
    from arignote.spec.settings import FitSettings

    layers = [["FCLayer", {"name": "fc1", "n_units": 2, "activation": "relu"}], ["ClassificationOutputLayer", {}]]
    return {
        "version": 3,
        "rules": {name: {"value": 0.1, "best_loss": 1.0, "changed_at": 0} for name in ("lr", "momentum")},
        "rng": 1,
        "run_id": "0" * 32,
        "spec": {
            "name": None,
            "n_in": [3],
            "layers": declare(parse(layers), (3,), 2).spec(),
            "fit": FitSettings(n_epochs=1, sgd_type="sgd").model_dump(mode="json"),
        },
        "targets": {"output": {"target": "classes", "dtype": "bool", "values": [False, True]}},
        "data": {},
        "environment": {"n_threads": 1},
        "progress": {"epoch": 1, "batch": 0, "examples_seen": 40, "n_updates": 5, "n_validations": 0}
        | {"epoch_examples": 0, "validation_due": False, "ended": False, "stopped_by": None},
        "columns": [],
        "best": None,
        "starts": [[0, 0]],
        "extra_metadata": None,
    }


def tensors() -> dict[str, np.ndarray[Any, Any]]:
    """Return the tensors that go with `values`."""
    shapes = {"fc1.W": (3, 2), "fc1.b": (2,), "output.W": (2, 2), "output.b": (2,)}
    found = {f"network/{name}": np.full(shape, 0.5, np.float32) for name, shape in shapes.items()}
    return found | {"progress/epoch_loss": np.zeros(())}


def checkpoint(plain: dict[str, Any], arrays: dict[str, np.ndarray[Any, Any]]) -> bytes:
    """Return the bytes of a checkpoint."""
    header: dict[str, Any] = {"__metadata__": {"arignote": json.dumps(plain), "digest": ""}}
    at, body = 0, io.BytesIO()
    for name, values_ in sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0])):
        kind = {"f": "F", "i": "I"}[values_.dtype.kind] + str(8 * values_.itemsize)
        header[name] = {"dtype": kind, "shape": list(values_.shape), "data_offsets": [at, at + values_.nbytes]}
        at += body.write(values_.tobytes())
    return sealed(header, body.getvalue())


def written(folder: Path, data: bytes) -> Path:
    (folder / "run_last.ckpt").write_bytes(data)
    return folder / "run_last.ckpt"


def good_checkpoint(folder: Path) -> Path:
    return written(folder, checkpoint(values(), tensors()))


def columns_40_000(folder: Path) -> Path:
    names = [f"valid_{k}" for k in range(40_000)]
    arrays = {f"history/{name}": np.zeros(1) for name in names}
    return written(folder, checkpoint(values() | {"columns": names}, tensors() | arrays))


def empty_lists(folder: Path) -> Path:
    """Write a header of 90 MB: 30 million empty lists, of which Python makes 2.5 GB."""
    rest = json.dumps(values())[:-1] + ', "x": [' + "[]," * 30_000_000 + "[]]}"
    return written(folder, sealed({"__metadata__": {"arignote": rest}}))


def nested_values(folder: Path) -> Path:
    rest = json.dumps(values() | {"extra_metadata": {"x": "HERE"}}).replace('"HERE"', "[" * 450 + "]" * 450)
    return written(folder, sealed({"__metadata__": {"arignote": rest}}))


def layers_20_000(folder: Path) -> Path:
    """Write a network of 20,000 dropout layers."""
    plain = values()
    first, *others = plain["spec"]["layers"]
    dropouts = [["DropoutLayer", {"name": f"drop{k}", "dropout_p": 0.5}] for k in range(20_000)]
    plain["spec"]["layers"] = [first, *dropouts, *others]
    return written(folder, checkpoint(plain, tensors()))


def many_threads(folder: Path) -> Path:
    plain = values()
    plain["environment"]["n_threads"] = 100_000
    return written(folder, checkpoint(plain, tensors()))


def reaching_outside(folder: Path) -> Path:
    """Write a checkpoint whose settings name files, signals and a device of the machine that loads it."""
    plain = values()
    (folder / "secret").write_text("root:x:0:0\n")
    plain["spec"]["fit"] |= {
        "preemption": f"file:{folder / 'secret'}",
        "checkpoint": str(folder / "elsewhere"),
        "device": "cuda:7",
        "stop_signals": ["SIGSEGV"],
        "n_workers": 100_000,
        "prefetch": 10**12,
        "n_threads": 1,
    }
    return written(folder, checkpoint(plain, tensors()))


# Configs

CONFIGS: dict[str, Callable[[], str]] = {
    "aliases of aliases": lambda: (
        "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 12))
        + "layers: *a11\n"
    ),
    "merges of merges": lambda: (
        "m0: &m0 {" + ", ".join(f"k{k}: 1" for k in range(200)) + "}\n"
        + "".join(f"m{k}: &m{k}\n  <<: [{', '.join([f'*m{k - 1}'] * 60)}]\n" for k in range(1, 8))
        + "layers: *m7\n"
    ),
    "an alias of itself": lambda: "layers: &a [*a]\n",
    "lists 20,000 deep": lambda: "layers: " + "[" * 20_000 + "]" * 20_000 + "\n",
    "mappings 500 deep": lambda: "".join(" " * k + f"k{k}:\n" for k in range(500)),
    "50 MB": lambda: "layers: [" + "x, " * 17_000_000 + "]\n",
    "an integer of 100,000 digits": lambda: f"rng: {'7' * 100_000}\nlayers: []\n",
    "a key that is a list": lambda: "? [a, b]\n: 1\nlayers: []\n",
    "a date": lambda: "rng: 2001-12-14t21:59:43.10-05:00\nlayers: [2001-12-14]\n",
    "a date that is none": lambda: "rng: 2001-99-99\nlayers: []\n",
    "threads": lambda: "layers: [ClassificationOutputLayer]\nfit: {n_threads: 100000}\n",
}  # fmt: skip


def config(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "a.yaml").write_text(CONFIGS[name]())
        return folder / "a.yaml"

    return make


# Name -> reader, maker, and the exception that the read must end with ("" where the file is harmless).
FILES: dict[str, tuple[str, Callable[[Path], Path], str]] = {
    **{name: ("pickle", pickled(name), "" if name in HARMLESS else "DataError") for name in PICKLES},
    "a packed pickle of 10 GB": ("pickle", packed_pickle, "DataError"),
    "a line of 10 GB": ("pickle", line_without_end, "DataError"),
    "2015: lists within lists": ("2015", doubling_2015, "CheckpointError"),
    "2015: 20 million lists": ("2015", lists_2015, "CheckpointError"),
    "2015: 10 GB of zeros": ("2015", zeros_2015, "CheckpointError"),
    "2015: 10 GB after the network": ("2015", after_2015, "CheckpointError"),
    "2015: 3,000 layers share an array": ("2015", shared_2015, "CheckpointError"),
    "HDF5: a shape of 10**13": ("hdf5", huge_shape, "DataError"),
    "HDF5: labels of a shape of 10**13": ("source", huge_shape, "DataError"),
    "HDF5: rows of 8 TB": ("hdf5", huge_rows, "DataError"),
    "HDF5: a frame with a dtype that lies": ("hdf5", frame_with_lying_dtype, "DataError"),
    "HDF5: a frame of 10**12 columns": ("hdf5", frame_of_huge_axis, "DataError"),
    "HDF5: an external link": ("table", external_link, "DataError"),
    "HDF5: a soft link to an external one": ("table", soft_link_to_external, "DataError"),
    "HDF5: external storage": ("hdf5", external_storage, "DataError"),
    "HDF5: a virtual dataset": ("hdf5", virtual_dataset, "DataError"),
    "HDF5: a heap without an end": ("hdf5", endless_heap, "DataError"),
    **{name: ("source", npy_file(name), "DataError") for name in NPY},
    "a .npz of 1.5 GB of zeros": ("npz", zip_bomb, "DataError"),
    "a .npz of 80 TB": ("npz", zip_of_huge_shape, "DataError"),
    "a .npz packed by LZMA": ("npz", zip_of_lzma, "DataError"),
    "a mnist.npz of strange shapes": ("pickle", mnist_of_strange_shapes, "DataError"),
    "IDX of 255 axes": ("idx", idx_of_255_axes, "DataError"),
    "IDX of 2**93 bytes": ("idx", idx_of_2_31, "DataError"),
    "IDX of 10 GB of zeros": ("idx", idx_bomb, "DataError"),
    "a checkpoint without harm": ("checkpoint", good_checkpoint, ""),
    "a checkpoint of 40,000 columns": ("checkpoint", columns_40_000, ""),
    "a checkpoint of 30 million lists": ("checkpoint", empty_lists, "CheckpointError"),
    "a checkpoint nested 450 deep": ("checkpoint", nested_values, "CheckpointError"),
    "a checkpoint of 100,000 threads": ("checkpoint", many_threads, "CheckpointError"),
    **{f"YAML: {name}": ("yaml", config(name), "ConfigError") for name in CONFIGS},
    "loading a checkpoint without harm": ("load", good_checkpoint, ""),
    "loading a checkpoint of 20,000 layers": ("load", layers_20_000, "CheckpointError"),
    "loading a checkpoint that reaches outside": ("load", reaching_outside, ""),
}
