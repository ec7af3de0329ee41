"""Rows of CSV files: what was written comes back, from anywhere; errors are reported with their line."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pytest

from arignote import DataError
from arignote.data.readers.csv import CSVReader
from arignote.data.readers.user_reader import check_reader

pd = pytest.importorskip("pandas", reason="CSV is read with pandas")


@pytest.fixture
def csv(tmp_path):
    """A function that writes a CSV file."""

    def write(content, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def long_table(n_rows=10000):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "a": rng.normal(size=n_rows),
            "b": rng.integers(-9, 9, n_rows),
            "note": [f'says "{i}",\nand more' if i % 7 == 0 else f"line {i}" for i in range(n_rows)],
        }
    )


def test_a_csv_of_several_chunks_comes_back_exactly(csv):
    frame = long_table()
    reader = CSVReader(csv(frame.to_csv(index=False)), ["b", "a"])
    assert reader.shape == (10000, 2) and reader.dtype == np.float64 and reader.chunk_rows == 4096
    rows = np.random.default_rng(1).integers(0, 10000, 500)
    assert np.array_equal(reader.read(rows), frame[["b", "a"]].to_numpy()[rows])
    assert np.array_equal(reader.read(slice(0, None)), frame[["b", "a"]].to_numpy())
    assert reader.read(slice(9990, 20000)).shape == (10, 2) and reader.read(slice(5, 5)).shape == (0, 2)


def test_a_csv_reader_keeps_the_contract(csv):
    path = csv(long_table(50).to_csv(index=False))
    for columns in ("a", "b", "note", ["a"], ["a", "b"]):
        check_reader(CSVReader(path, columns))


def test_one_name_gives_a_row_of_values_and_a_list_of_one_a_column(csv):
    path = csv("a,b\n1,2\n3,4\n")
    assert CSVReader(path, "b").read(slice(0, 2)).tolist() == [2, 4]
    assert CSVReader(path, ["b"]).read(slice(0, 2)).tolist() == [[2], [4]]
    assert CSVReader(path).dtype == np.int64 and CSVReader(path).shape == (2, 2)
    assert CSVReader(path, ["b", "b", "a"]).read(slice(0, 1)).tolist() == [[2, 2, 1]]


def test_the_dtype_of_a_csv_is_one_for_the_whole_file(csv):
    reader = CSVReader(csv("a\n" + "1\n" * 5000 + "0.5\n"), "a")
    assert reader.dtype == np.float64
    assert reader.read(slice(0, 1)).dtype == reader.read(slice(5000, 5001)).dtype == np.float64


def test_a_missing_number_is_nan_and_a_missing_word_too(csv):
    path = csv("x,name\n1,NA\n,cat\nn/a,\n4,dog\n")
    assert np.array_equal(CSVReader(path, "x").read(slice(0, 4)), [1, np.nan, np.nan, 4], equal_nan=True)
    *words, missing, dog = CSVReader(path, "name").read(slice(0, 4)).tolist()
    assert words == ["NA", "cat"] and np.isnan(missing) and dog == "dog"


def test_truths_are_numbers_even_where_some_are_missing(csv):
    path = csv("a,b\nTrue,True\nFalse,\n")
    assert CSVReader(path, "a").dtype == bool
    assert np.array_equal(CSVReader(path).read(slice(0, 2)), [[1, 1], [0, np.nan]], equal_nan=True)


def test_numbers_are_the_nearest_to_what_is_written(csv):
    words = ["0.1", "1e-310", "123456789.123456789", "9007199254740993", "-1.7976931348623157e308", "inf"]
    found = CSVReader(csv("a\n" + "\n".join(words)), "a").read(slice(0, 6))
    assert found.tolist() == [float(word) for word in words]


def test_a_quote_within_a_word_is_a_letter(csv):
    path = csv('pipe,n\n5" wide,1\n"6"" wide",2\n7" or 8",3\n')
    assert CSVReader(path, "pipe").read(slice(0, 3)).tolist() == ['5" wide', '6" wide', '7" or 8"']
    assert CSVReader(path, "n").read(slice(0, 3)).tolist() == [1, 2, 3]


def test_names_that_are_in_part_numbers_are_read_unchanged_with_text_true(csv):
    path = csv("x,y\n1,01\n2,a\n3,1.50\n")
    assert CSVReader(path, "y", text=True).read(slice(0, 3)).tolist() == ["01", "a", "1.50"]
    with pytest.raises(DataError, match="text=True needs a single column"):
        CSVReader(path, ["x", "y"], text=True)


def test_a_table_without_header_has_columns_by_position(csv):
    path = csv("5.1,3.5,setosa\n4.9,3.0,other\n")
    assert CSVReader.names_in(path) == ["0", "1", "2"]
    reader = CSVReader(path, ["1", "0"])
    assert reader.columns == (1, 0) and reader.read(slice(0, 2)).tolist() == [[3.5, 5.1], [3.0, 4.9]]
    assert CSVReader(path, "2").read(slice(0, 2)).tolist() == ["setosa", "other"]


@pytest.mark.parametrize("delimiter", [";", "\t", "  "])
def test_decimal_commas_are_those_of_pandas(csv, delimiter):
    frame = pd.DataFrame(np.random.default_rng(3).normal(size=(5000, 2)), columns=["a", "b"])
    text = "".join(delimiter.join(f"{v!r}".replace(".", ",") for v in row) + "\n" for row in frame.values.tolist())
    reader = CSVReader(csv(f"a{delimiter}b\n{text}"))
    assert np.array_equal(reader.read(slice(0, None)), frame.to_numpy())


def test_text_among_decimal_commas_is_named_not_the_numbers(csv):
    with pytest.raises(DataError, match=r"column 'a': row 2 \(line 4\) holds 'oops'"):
        CSVReader(csv("a;b\n1,5;2\n2,5;3\noops;4\n"))


def test_the_first_missing_number_of_each_column_is_known_and_how_many_there_are(csv):
    rows = [["1", "2", "3"] for _ in range(9000)]
    rows[4096][1], rows[5000][1], rows[8999][2], rows[3][2] = "?", "", "NA", " nan "
    text = "a,b,c\n" + "".join(",".join(row) + "\n" for row in rows)
    reader = CSVReader(csv(text))
    assert reader.missing == {"b": (4096, 2), "c": (3, 2)}
    assert np.isnan(reader.read(slice(0, 9000))).sum(axis=0).tolist() == [0, 2, 2]
    assert CSVReader(csv(text), ["a"]).missing == {} == CSVReader(csv(text), "b", text=True).missing
    assert CSVReader(csv(text.partition("\n")[2]), ["2"]).missing == {2: (3, 2)}


def test_missing_numbers_are_marked_as_in_the_format(csv):
    path = csv("a,b\n1,-\n-999,2\n3,\n")
    found = CSVReader(path, csv={"missing": ["-", -999]}).read(slice(0, 3))
    assert np.array_equal(found, [[1, np.nan], [np.nan, 2], [3, np.nan]], equal_nan=True)
    with pytest.raises(DataError, match=r"column 'b': row 0 \(line 2\) holds '-', .*csv: \{missing: \[\"-\"\]\}"):
        CSVReader(path)
    with pytest.raises(DataError, match=r"holds 'NA', where numbers are expected"):
        CSVReader(csv("a,b\n1,NA\n2,3\n"), csv={"missing": "?"})


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        CSVReader(tmp_path / "none")


def test_a_csv_that_changes_while_it_is_read_is_an_error_and_has_another_stamp(csv):
    path = csv("a\n1\n2\n3\n")
    reader = CSVReader(path, "a")
    before = reader.stamp()
    assert before == (path.stat().st_size, path.stat().st_mtime_ns)
    csv("a\n11\n2\n")
    with pytest.raises(DataError, match="did the file change"):
        reader.read(slice(0, 3))
    assert reader.stamp() != before


def test_rows_beyond_the_end_are_refused(csv):
    reader = CSVReader(csv("a\n1\n2\n"), "a")
    for row in (2, -1):
        with pytest.raises(IndexError, match="of 2"):
            reader.read(np.array([row]))


def test_a_reader_can_be_sent_to_another_process(csv):
    reader = CSVReader(csv("a\n1\n2\n"), "a")
    assert pickle.loads(pickle.dumps(reader)).read(slice(0, 2)).tolist() == [1, 2]


def test_a_missing_package_is_reported_with_the_command_that_installs_it(csv, monkeypatch):
    path = csv("a\n1\n")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(DataError, match=r"pip install 'arignote\[tables\]'"):
        CSVReader(path)
