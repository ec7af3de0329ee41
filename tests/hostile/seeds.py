"""Valid files of each format, from which the fuzzer starts; and how the files of a format are mutated."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import pickle
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from hostile import mutations
from hostile.makers import checkpoint, idx_folder, tensors, values


@dataclass(frozen=True)
class Format:
    """How a format is fuzzed.

    Attributes
    ----------
    reader : str
        Which of the readers reads it.
    name : str
        Name of the file that is mutated.
    seeds : function
        Returns the valid files.
    mutate : function of random generator, bytes, other seeds
        Returns the bytes of a mutation.
    beside : function of a folder, optional
        Writes what must lie beside the file.
    """

    reader: str
    name: str
    seeds: Callable[[], Sequence[bytes]]
    mutate: mutations.Mutation
    beside: Callable[[Path], Any] | None = None


DATA: list[Any] = [
    ((np.arange(6.0).reshape(2, 3), np.array([0, 1])), {"a": [1, 2.5, "x", None, True]}),
    {b"data": np.arange(12, dtype=np.uint8).reshape(3, 4), b"labels": [0, 1, 2], "names": ("a", "é")},
    [np.array(["a", None, 3], dtype=object), np.array(["ab", "c"]), np.float32(2), {1, 2}, frozenset("ab"), 1 + 2j],
    [OrderedDict(a=b"bytes", b=bytearray(b"more")), 2**70, np.asfortranarray(np.ones((2, 2), ">f4")), [[[]]]],
]


def pickles() -> list[bytes]:
    return [pickle.dumps(value, protocol) for value in DATA for protocol in (0, 1, 2, 4, 5)]


def packed_pickles() -> list[bytes]:
    return [gzip.compress(one) for one in pickles()[::3]]


def of_2015() -> list[bytes]:
    from of_2015 import drawn, layer, network, output, rule, write

    shape = {"n_output_maps": 2, "filter_shape": (2, 2), "stride": (1, 1), "activation": "relu"}
    conv = layer("ConvLayer", (1, 3, 3), "conv", arrays={"W": drawn(2, 1, 2, 2), "b": drawn(2)}, **shape)
    stalled = rule("stalled", interval=2, multiply_by=0.5)
    losses = {"train_loss": [(k, 1.0) for k in range(30)], "valid_loss": [(9, 0.5), (19, 0.4), (29, 0.3)]}
    memory = [{"velocity": drawn(4, 3)}, {"velocity": drawn(3)}]
    nets = [
        network([output(4)], [4], memory, lr_rule=stalled, **losses),
        network([conv, output(8)], (1, 3, 3), sgd_type="adadelta"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        return [write(Path(folder) / "a.pkl.gz", net).read_bytes() for net in nets]


def checkpoints() -> list[bytes]:
    more = values() | {
        "columns": ["epoch", "examples_seen", "valid_nll"],
        "targets": {"output": {"target": "classes", "dtype": "<U3", "values": ["cat", "dog"]}},
        "data": {"feature_names": ["a", "b", "c"]},
        "extra_metadata": {"note": ["x", 1.5, None]},
        "best": {"value": 0.5, "epoch": 1, "examples_seen": 40, "n_rows": 1, "digest": "f" * 64},
    }
    history = {f"history/{name}": np.ones(1) for name in more["columns"]}
    flags = values() | {"targets": {"output": {"target": "flags", "dtype": "<i8", "values": [0, 1], "form": "matrix"}}}
    flags["spec"]["layers"][-1][0] = "MultilabelOutputLayer"
    del flags["spec"]["layers"][-1][1]["per_step"]
    return [checkpoint(values(), tensors()), checkpoint(more, tensors() | history), checkpoint(flags, tensors())]


def states() -> list[bytes]:
    """Return checkpoints of every kind of target."""
    memories: list[dict[str, Any]] = [
        {"target": "numbers", "n_axes": 2, "mean": [0.5, 1.5], "scale": [1.0, 2.0]},
        {"target": "ranks", "dtype": "<U3", "values": ["low", "top"]},
        {"target": "same", "shape": [2]},
    ]
    return checkpoints() + [checkpoint(values() | {"targets": {"output": one}}, tensors()) for one in memories]


def foreign_tensors() -> list[bytes]:
    """Return safetensors files without a state."""
    from safetensors.numpy import save

    found = [
        {"fc.weight": np.ones((2, 3), np.float32), "fc.bias": np.zeros(2, np.float16), "n": np.array(3)},
        {"a": np.zeros((0, 3)), "b": np.array([True, False]), "c": np.arange(4, dtype=np.uint8)},
    ]
    return [save(found[0]), save(found[1], metadata={"format": "pt"})]


def of_tensors(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Return a safetensors file whose header, or whose bytes, are changed."""
    if rng.random() < 0.3:
        return mutations.of_bytes(rng, data, others)
    length = int.from_bytes(data[:8], "little")
    text = json.dumps(mutations.of_json(rng, json.loads(data[8 : 8 + length]))).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def arrays() -> list[bytes]:
    found = []
    for array in (np.arange(6.0).reshape(2, 3), np.array(["ab", "c"]), np.zeros((2, 0), ">i2"), np.array([True])):
        stream = io.BytesIO()
        np.save(stream, array)
        found.append(stream.getvalue())
    return found


def zips() -> list[bytes]:
    found = []
    for save in (np.savez, np.savez_compressed):
        stream = io.BytesIO()
        save(stream, x=np.arange(12.0).reshape(4, 3), label=np.array([0, 1, 0, 1]))
        found.append(stream.getvalue())
    return found


def mnist() -> list[bytes]:
    x, y = np.arange(3 * 16, dtype=np.uint8).reshape(3, 4, 4), np.array([0, 1, 2], np.uint8)
    stream = io.BytesIO()
    np.savez(stream, x_train=x, y_train=y, x_test=x, y_test=y)
    return [stream.getvalue()]


_IMAGES = b"\0\0\x08\3" + b"\0\0\0\2" * 3 + bytes(8)


def tables() -> list[bytes]:
    """Return HDF5 files of every layout that is read: arrays, PyTables, pandas of today and of 2015."""
    import h5py
    import pandas as pd
    from hdf_tables import write_panel

    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [4, 5, 6]})
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{k}.h5" for k in range(5)]
        with h5py.File(paths[0], "w") as file:
            file["x"] = np.arange(12.0).reshape(4, 3)
            file.create_dataset("label", data=[0, 1, 0, 1], chunks=(2,), compression="gzip")
            file["table"] = np.zeros(3, [("a", "f4"), ("b", "i8", (2,))])
            file["words"] = ["a", "bé", "c"]
        frame.to_hdf(paths[1], key="frame", format="table", data_columns=["b"])
        frame.to_hdf(paths[2], key="frame", format="fixed")
        pd.Series(["x", "y", "x"], dtype="category").to_hdf(paths[3], key="series", format="table")
        write_panel(paths[4], np.arange(24.0).reshape(3, 2, 2, 2))
        return [path.read_bytes() for path in paths]


def of_attributes(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Return an HDF5 file with one to three of its attributes changed: pickles by their opcodes, others by type."""
    import h5py

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.h5"
        path.write_bytes(data)
        with h5py.File(path, "a") as file:
            items = [file]
            file.visititems(lambda _, item: items.append(item))
            places = [(item, name) for item in items for name in item.attrs if name not in ("CLASS", "VERSION")]
            for item, name in rng.choices(places, k=rng.choice((1, 1, 2, 3))) if places else []:
                value = item.attrs[name]
                if isinstance(value, bytes):
                    changed: Any = np.void(_of_attribute(rng, value) or b"\0")
                    if rng.random() < 0.7:
                        changed = np.bytes_(changed.tobytes())
                else:
                    changed = rng.choice(
                        (-1, 2**62, 0.5, "x", [], [[1, 2]], np.zeros(2, "S3"), b"N.", h5py.Empty("f4"))
                    )
                # HDF5 writes no attribute beyond 64 kB.
                with contextlib.suppress(OSError):
                    item.attrs[name] = changed
        return path.read_bytes()


def _of_attribute(rng: Random, value: bytes) -> bytes:
    if rng.random() < 0.7:
        # Plain text, or changed already, it is no pickle whose opcodes can be told apart.
        with contextlib.suppress(ValueError, AttributeError, IndexError, KeyError, EOFError, UnicodeError):
            return mutations.of_pickle(rng, value, [value])
    return mutations.of_bytes(rng, value, [value])


def configs() -> list[bytes]:
    folder = Path(__file__).parents[2] / "arignote" / "configs"
    found = [path.read_bytes() for path in sorted(folder.glob("*.yaml"))]
    fit = {"n_epochs": 2, "lr_rule": ["stalled", {"initial_value": 0.1, "interval": 2}], "stop_signals": ["SIGTERM"]}
    layers = [["FCLayer", {"n_units": 3, "activation": "relu"}], ["ClassificationOutputLayer", {}]]
    return [*found, json.dumps({"layers": layers, "fit": fit, "rng": 1}, indent=1).encode()]


FORMATS: dict[str, Format] = {
    "pickle": Format("pickle", "a.pkl", pickles, mutations.of_pickle),
    "pickle bytes": Format("pickle", "a.pkl", pickles, mutations.of_bytes),
    "packed pickle": Format("pickle", "a.pkl.gz", packed_pickles, mutations.packed(mutations.of_pickle)),
    "2015": Format("2015", "a_last.pkl.gz", of_2015, mutations.packed(mutations.of_pickle)),
    "2015 bytes": Format("2015", "a_last.pkl.gz", of_2015, mutations.packed(mutations.of_bytes)),
    "checkpoint": Format("checkpoint", "run_last.ckpt", states, mutations.of_checkpoint),
    "load": Format("load", "run_last.ckpt", checkpoints, mutations.of_checkpoint),
    "safetensors": Format("tensors", "a.safetensors", foreign_tensors, of_tensors),
    "npy": Format("source", "a.npy", arrays, mutations.of_bytes),
    "npz": Format("npz", "a.npz", zips, mutations.of_zip),
    "mnist.npz": Format("pickle", "mnist.npz", mnist, mutations.of_zip),
    "idx": Format(
        "idx", "train-images-idx3-ubyte", lambda: [_IMAGES], mutations.of_bytes, lambda f: idx_folder(f, _IMAGES)
    ),
    "idx gzip": Format(
        "idx",
        "train-labels-idx1-ubyte.gz",
        lambda: [gzip.compress(b"\0\0\x08\1\0\0\0\2\0\1")],
        mutations.packed(mutations.of_bytes),
        lambda folder: (idx_folder(folder, _IMAGES) / "train-labels-idx1-ubyte").unlink(),
    ),
    "hdf5 attributes": Format("hdf5", "a.h5", tables, of_attributes),
    "hdf5 bytes": Format("hdf5", "a.h5", tables, mutations.of_bytes),
    "yaml": Format("yaml", "a.yaml", configs, mutations.of_yaml),
}
