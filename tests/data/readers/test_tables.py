"""Which columns of a table are features: not those of labels, groups and weights; in the order of a run."""

from __future__ import annotations

import numpy as np
import pytest

from arignote import ConfigError, DataError
from arignote.data import ArrayReader, get_reader
from arignote.data.readers.sources import with_columns
from arignote.data.readers.tables import table_at

pd = pytest.importorskip("pandas", reason="tables are read with pandas")


@pytest.fixture
def table(tmp_path):
    frame = pd.DataFrame({"a": [1, 2], "b": [3.5, 4], "target": [0, 1], "y": ["u", "v"], "g": [7, 8]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    return table_at(tmp_path / "t.csv")


@pytest.mark.parametrize("load", [True, False])
def test_a_reader_of_a_file_is_made_one_of_other_columns(load, table):
    reader = get_reader(f"{table.path}:a,b,g", load=load)
    assert reader.columns == ("a", "b", "g") and isinstance(reader, ArrayReader) is load
    other = with_columns(reader, ("g", "a"))
    assert other.columns == ("g", "a") and isinstance(other, ArrayReader) is load
    assert other.read(slice(0, 2)).tolist() == [[7, 1], [8, 2]]
    assert with_columns(reader, ("a", "b", "g")) is reader and with_columns(reader) is reader
    assert with_columns(ArrayReader(np.zeros((2, 2))), ("a", "b")).shape == (2, 2)


def test_columns_and_format_are_given_once_and_for_files(table):
    for more, words in (
        ({"columns": "a"}, "given twice: 'b' after the colon"),
        ({"size": (2, 2)}, "'size' does not apply"),
    ):
        with pytest.raises(DataError, match=words):
            get_reader(f"{table.path}:b", **more)
    with pytest.raises(ConfigError, match="are for sources that are files"):
        get_reader(np.zeros((2, 2)), columns="a")
    with pytest.raises(ConfigError, match=r"^csv\.sep: unknown parameter 'sep'"):
        get_reader(str(table.path), csv={"sep": ","})


def test_a_file_of_hdf5_may_have_the_ending_of_a_text_table(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.data", "w") as file:
        file["x"] = np.eye(3)
    assert get_reader(f"{tmp_path / 'x.data'}:/x").read(slice(0, 1)).tolist() == [[1, 0, 0]]
