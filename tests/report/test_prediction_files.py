"""Predictions as files of several formats, read again by pandas, h5py and NumPy."""

from __future__ import annotations

import os
import resource
import sys
import tracemalloc

import h5py
import numpy as np
import pytest
from command_line import arignote

from arignote import ConfigError, DataError
from arignote.data.targets import Classes, EachStep, Flags, Numbers, Same, Targets
from arignote.replacing import replacing_bytes
from arignote.report import prediction_files
from arignote.report.predictions import check_predictions_file, write_predictions

pa = pytest.importorskip("pyarrow", reason="Parquet is written with pyarrow")
pd = pytest.importorskip("pandas", reason="reads tables")

P = np.array([[0.1, 0.9], [2 / 3, 1 / 3], [0.5, 0.5]], dtype=np.float32)
SCALED = np.array([[0.5, 1.0], [-1.0, 0.0], [0.0, 2.0]], dtype=np.float32)
# What each target has learned, what the network gives, and what follows: labels or numbers, and classes.
TEXT = (Classes(), {"dtype": "<U2", "values": ["ja", "né"]}, P, ["né", "ja", "ja"], ["ja", "né"])
OBJECTS = (Classes(), {"dtype": "O", "values": ["ja", "né"]}, P, ["né", "ja", "ja"], ["ja", "né"])
INTEGERS = (Classes(), {"dtype": "<i4", "values": [-1, 7]}, P, [7, -1, -1], [-1, 7])
TRUTH = (Classes(), {"dtype": "|b1", "values": [False, True]}, P, [True, False, False], [False, True])
FLAGS = (Flags(), {"dtype": "<U2", "values": ["ja", "né"], "form": "lists"}, P, None, ["ja", "né"])
# mean + scale * output
NUMBER = (Numbers(), {"n_axes": 1, "mean": [10.0], "scale": [4.0]}, SCALED[:, :1], [12.0, 6.0, 10.0], None)
NUMBERS = (
    Numbers(),
    {"n_axes": 2, "mean": [10.0, -1.0], "scale": [4.0, 0.5]},
    SCALED,
    [[12.0, -0.5], [6.0, -1.0], [10.0, 0.0]],
    None,
)
KINDS = {"text": TEXT, "objects": OBJECTS, "integers": INTEGERS, "truth": TRUTH, "flags": FLAGS}
KINDS |= {"number": NUMBER, "numbers": NUMBERS}


def write(path, **outputs):
    """Write three rows of outputs by name as blocks of two rows and one row."""
    targets = Targets({name: kind[0] for name, kind in outputs.items()}, next(iter(outputs)))
    blocks = ({name: kind[2][rows] for name, kind in outputs.items()} for rows in (slice(0, 2), slice(2, 3)))
    write_predictions(path, blocks, targets, {name: kind[1] for name, kind in outputs.items()}, [*outputs], 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_parquet_file_has_the_columns_of_the_table_with_their_types(kind, tmp_path):
    write(tmp_path / "p.parquet", out=KINDS[kind])
    write(tmp_path / "p.csv", out=KINDS[kind])
    _, _, block, predicted, classes = KINDS[kind]
    found, table = pd.read_parquet(tmp_path / "p.parquet"), pd.read_csv(tmp_path / "p.csv")
    assert found.columns.tolist() == table.columns.tolist()
    assert found["row"].tolist() == [0, 1, 2] and found["row"].dtype == np.int64
    if predicted is not None:
        values = found[[name for name in found if name.startswith("predicted")]].to_numpy()
        assert values.tolist() == np.reshape(predicted, (3, -1)).tolist()
    for number, label in enumerate(classes or ()):
        assert found[f"p_{label}"].dtype == np.float32 and np.array_equal(found[f"p_{label}"], block[:, number])


def test_the_types_of_labels_and_numbers_in_parquet(tmp_path):
    types = {"text": "string", "objects": "string", "integers": "int32", "truth": "bool", "number": "double"}
    for kind, name in types.items():
        write(tmp_path / "p.parquet", out=KINDS[kind])
        assert str(pa.parquet.read_schema(tmp_path / "p.parquet").field("predicted").type) == name


@pytest.mark.parametrize("ending", ["h5", "hdf5", "hdf", "H5"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_hdf5_file_has_a_dataset_of_each_thing(kind, ending, tmp_path):
    write(tmp_path / f"p.{ending}", out=KINDS[kind])
    _, _, block, predicted, classes = KINDS[kind]
    with h5py.File(tmp_path / f"p.{ending}") as file:
        assert set(file) == {"predicted"} - {"predicted" if predicted is None else ""} | (
            {"probabilities", "classes"} if classes else set()
        )
        if predicted is not None:
            values = file["predicted"].asstr()[:] if kind in ("text", "objects") else file["predicted"][:]
            assert values.tolist() == predicted
        if classes:
            assert file["probabilities"].dtype == np.float32 and np.array_equal(file["probabilities"], block)
            labels = file["classes"].asstr()[:] if isinstance(classes[0], str) else file["classes"][:]
            assert labels.tolist() == classes


def test_of_several_outputs_hdf5_has_a_group_each_and_tables_a_name_in_front(tmp_path):
    for name in ("p.h5", "p.parquet"):
        write(tmp_path / name, kind=TEXT, size=NUMBER)
    with h5py.File(tmp_path / "p.h5") as file:
        assert set(file) == {"kind", "size"} and set(file["kind"]) == {"predicted", "probabilities", "classes"}
        assert set(file["size"]) == {"predicted"} and file["size/predicted"][:].tolist() == NUMBER[3]
    found = pd.read_parquet(tmp_path / "p.parquet")
    assert found.columns.tolist() == ["row", "kind_predicted", "kind_p_ja", "kind_p_né", "size_predicted"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_npy_file_has_the_probabilities_or_the_numbers(kind, tmp_path):
    write(tmp_path / "p.npy", out=KINDS[kind])
    _, _, block, predicted, classes = KINDS[kind]
    found = np.load(tmp_path / "p.npy", allow_pickle=False)
    expected = block if classes else np.array(predicted)
    assert found.dtype == expected.dtype and found.tolist() == expected.tolist()
    assert os.listdir(tmp_path) == ["p.npy"]


def test_an_input_that_is_its_own_target_has_its_shape_in_arrays(tmp_path):
    same = (Same(), {"shape": [2, 2]}, np.arange(12, dtype=np.float32).reshape(3, 4), None, None)
    write(tmp_path / "p.npy", out=same)
    write(tmp_path / "p.h5", out=same)
    found = np.load(tmp_path / "p.npy")
    assert np.array_equal(found.reshape(3, 4), same[2])
    with h5py.File(tmp_path / "p.h5") as file:
        assert np.array_equal(file["predicted"], found)


def test_values_of_each_step_are_arrays_and_lines_of_a_table(tmp_path):
    steps = np.stack([P, P[::-1]], axis=1)
    target = EachStep(of="classes")
    kind = (target, {"target": "steps", "of": {"target": "classes"} | TEXT[1]}, steps)
    write(tmp_path / "p.h5", out=kind)
    write(tmp_path / "p.npy", out=kind)
    assert np.array_equal(np.load(tmp_path / "p.npy"), steps)
    with h5py.File(tmp_path / "p.h5") as file:
        # The labels of P are né, ja, ja.
        assert file["predicted"].asstr()[:].tolist() == [["né", "ja"], ["ja", "ja"], ["ja", "né"]]
        assert np.array_equal(file["probabilities"], steps) and file["classes"].asstr()[:].tolist() == ["ja", "né"]
    numbers = (EachStep(of="numbers"), {"target": "steps", "of": {"target": "numbers"} | NUMBER[1]}, SCALED[:, :, None])
    write(tmp_path / "n.npy", out=numbers)
    assert np.load(tmp_path / "n.npy").tolist() == [[12.0, 14.0], [6.0, 10.0], [10.0, 18.0]]
    write(tmp_path / "p.csv", a=kind, b=numbers)
    write(tmp_path / "p.parquet", a=kind, b=numbers)
    table, found = pd.read_csv(tmp_path / "p.csv"), pd.read_parquet(tmp_path / "p.parquet")
    assert found.columns.tolist() == ["row", "step", "a_predicted", "a_p_ja", "a_p_né", "b_predicted"]
    assert found[["row", "step"]].to_numpy().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1]]
    assert found["a_predicted"].tolist() == ["né", "ja", "ja", "ja", "ja", "né"]
    assert np.array_equal(found[["a_p_ja", "a_p_né"]].to_numpy().reshape(steps.shape), steps)
    assert found["b_predicted"].tolist() == [12.0, 14.0, 6.0, 10.0, 10.0, 18.0]
    pd.testing.assert_frame_equal(table, found.astype(table.dtypes), rtol=1e-7)
    for ending in ("csv", "parquet"):
        with pytest.raises(ConfigError, match=r"predictions are a 2 a row, b one a row: write \.h5"):
            write(tmp_path / f"q.{ending}", a=kind, b=NUMBER)
    assert not (tmp_path / "q.csv").exists()


def test_npy_is_refused_for_several_outputs(tmp_path):
    with pytest.raises(ConfigError, match=r"\.npy holds one array; of several outputs, a, b, write \.csv, \.parquet,"):
        write(tmp_path / "p.npy", a=TEXT, b=NUMBER)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("name", "got"), [("p.xlsx", "ends in .xlsx"), ("p", "has no ending"), ("a.npy/p", "no end")])
def test_an_unknown_ending_is_refused_with_the_endings_that_are_known(name, got, tmp_path):
    known = r"\.csv, \.parquet, \.npy, \.h5, \.hdf5 or \.hdf"
    with pytest.raises(ConfigError, match=f"the ending says how predictions are written: {known}; this .*{got}"):
        check_predictions_file(tmp_path / name)


def test_the_command_refuses_an_unknown_ending_before_it_looks_for_the_run(tmp_path):
    ended = arignote("predict", tmp_path / "nothing", "--features", "x.npy", "--out", "p.tsv")
    assert ended.code == 2 and ended.err.startswith("error: p.tsv: the ending says how predictions are written")


def test_without_pyarrow_parquet_is_refused_with_the_package_that_is_needed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(DataError, match=r"p\.parquet: needs pyarrow: pip install 'arignote\[tables\]'"):
        check_predictions_file(tmp_path / "p.parquet")
    check_predictions_file(tmp_path / "p.csv")


def test_a_pipe_that_has_no_ending_is_csv(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write(tmp_path / "pipe", out=NUMBER)
    assert os.read(reader, 1000).split() == [b"row,predicted", b"0,12", b"1,6", b"2,10"]
    os.close(reader)


def test_a_pipe_cannot_be_hdf5(tmp_path):
    os.mkfifo(tmp_path / "p.h5")
    reader = os.open(tmp_path / "p.h5", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(DataError, match=r"p\.h5: cannot be written: File or stream is not seekable"):
        write(tmp_path / "p.h5", out=NUMBER)
    os.close(reader)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["csv", "parquet", "npy", "h5"])
def test_only_some_blocks_are_in_memory_at_a_time(ending, tmp_path, monkeypatch):
    monkeypatch.setattr(prediction_files, "_ROW_GROUP", 2_000_000)
    n_blocks, memory = 20, {"n_axes": 2, "mean": [0.0] * 100, "scale": [1.0] * 100}
    held = []

    def blocks():
        for number in range(n_blocks):
            held.append(tracemalloc.get_traced_memory()[0] + pa.total_allocated_bytes())
            # 100 kB, of numbers in float64 200 kB.
            yield {"out": np.full((250, 100), number, dtype=np.float32)}

    tracemalloc.start()
    targets = Targets({"out": Numbers()}, "out")
    path = tmp_path / f"p.{ending}"
    write_predictions(path, blocks(), targets, {"out": memory}, ["out"], 250 * n_blocks)
    tracemalloc.stop()
    assert len(held) == n_blocks and max(held) - held[0] < 3_000_000
    assert path.stat().st_size > (10_000 if ending == "parquet" else 1_000_000)
    if ending == "parquet":
        # 200 kB and 2 kB of rows, ten times, are more than 2 MB.
        assert pa.parquet.ParquetFile(path).num_row_groups == n_blocks // 10


@pytest.mark.parametrize("ending", ["csv", "parquet", "npy", "h5"])
def test_the_old_file_stays_where_the_disk_is_full(ending, tmp_path):
    path = tmp_path / f"p.{ending}"
    path.write_bytes(b"old")
    block = np.random.default_rng(0).normal(size=(5000, 1)).astype(np.float32)
    targets = Targets({"out": Numbers()}, "out")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(DataError, match=rf"p\.{ending}: cannot be written: File too large"):
            write_predictions(path, [{"out": block}] * 4, targets, {"out": NUMBER[1]}, ["out"], 20_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("ending", ["csv", "parquet", "npy", "h5"])
def test_the_old_file_stays_where_a_row_cannot_be_read(ending, tmp_path):
    def blocks():
        yield {"out": SCALED[:, :1]}
        raise DataError("row 3 cannot be read")

    path = tmp_path / f"p.{ending}"
    path.write_bytes(b"old")
    with pytest.raises(DataError, match="row 3 cannot be read"):
        write_predictions(path, blocks(), Targets({"out": Numbers()}, "out"), {"out": NUMBER[1]}, ["out"], 6)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == [path.name]


def test_a_binary_file_is_replaced_as_a_text_file_is(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with replacing_bytes(path) as file:
        file.write(b"\x00new")
        file.seek(1)
        assert file.read() == b"new" and path.read_bytes() == b"old"
    assert path.read_bytes() == b"\x00new"
