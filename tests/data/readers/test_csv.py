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


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_quoted_line_ends_and_commas_belong_to_their_field(csv, end):
    frame = long_table(9000)
    reader = CSVReader(csv(frame.to_csv(index=False, lineterminator=end)), "note")
    assert reader.dtype == object and reader.shape == (9000,)
    assert reader.read(np.array([8995, 4096, 7])).tolist() == frame["note"][[8995, 4096, 7]].tolist()


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


def test_blank_lines_and_a_byte_order_mark_are_skipped(csv):
    path = csv(b"\xef\xbb\xbfa\n1\n\n \t\n2\n\n\n3\n\n")
    assert CSVReader(path, "a").read(slice(0, 3)).tolist() == [1, 2, 3]
    assert np.array_equal(CSVReader(csv('a\n1\n""\n2\n'), "a").read(slice(0, 3)), [1, np.nan, 2], equal_nan=True)


def test_a_quote_within_a_word_is_a_letter(csv):
    path = csv('pipe,n\n5" wide,1\n"6"" wide",2\n7" or 8",3\n')
    assert CSVReader(path, "pipe").read(slice(0, 3)).tolist() == ['5" wide', '6" wide', '7" or 8"']
    assert CSVReader(path, "n").read(slice(0, 3)).tolist() == [1, 2, 3]


def test_names_that_are_in_part_numbers_are_read_unchanged_with_text_true(csv):
    path = csv("x,y\n1,01\n2,a\n3,1.50\n")
    assert CSVReader(path, "y", text=True).read(slice(0, 3)).tolist() == ["01", "a", "1.50"]
    with pytest.raises(DataError, match="text=True needs a single column"):
        CSVReader(path, ["x", "y"], text=True)


@pytest.mark.parametrize(
    "content, columns, message",
    [
        (b"", None, "is empty"),
        (b"a,b\n", None, "a header and no rows"),
        (b"a,b\n1,2\n3\n", None, r"line 3: has 1 fields; the header has 2"),
        (b'a,b\n"1\n",2\n3,4,5\n', None, r"line 4: has 3 fields"),
        (b"a,b\n1,2\n3,oops\n", None, r"column 'b': row 1 \(line 3\) holds 'oops', where numbers"),
        (b"a,b\n1,2\n\n3,oops\n", "b", r"row 1 \(line 4\) holds 'oops'.*text=True"),
        (b"a,b\n1,oops\n3,4\n", "b", r"row 0 \(line 2\) holds 'oops'"),
        (b"a\n" + b"1\n" * 5000 + b"x\n", "a", r"row 5000 \(line 5002\) holds 'x'"),
        (b"a\n" + b"1\n" * 4096 + b"x\n", "a", r"row 4096 \(line 4098\) holds 'x'"),
        (b"a\n" + b"x\n" * 5000 + b"1\n", "a", r"row 0 \(line 2\) holds 'x'"),
        (b"width,height\n1,2\n", "widht", r"no column 'widht'. Did you mean 'width'\? There are: width, height"),
        (b"a,a\n1,2\n", None, "has 2 columns named 'a' \\(0 and 1\\)"),
        (b"a,b\n1,2\n\xe9,3\n", None, "line 3: is not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), None, "line 1: is not UTF-8"),
        (b'a,b\n1,2\n"3,4\n5,6\n', None, "line 3: has 1 fields"),
        (b'a,b\n1,2\n"3,4\n' + b"5,6\n" * 50000, None, "line 3: is not a row of CSV"),
        (b"a,b\r1,2\r3,4\r", None, "line 1: is not a row of CSV"),
        (b"a,b\n1,2\n", [], "no columns to read. There are: a, b"),
    ],
)
def test_errors_of_a_csv_are_reported_with_their_line(csv, content, columns, message):
    path = csv(content)
    with pytest.raises(DataError, match=message) as error:
        CSVReader(path, columns)
    assert str(path) in str(error.value)


def test_comment_lines_between_the_rows_are_no_rows_wherever_chunks_end(csv):
    rows = [f"{i},{i * 0.5}" for i in range(9000)]
    rows = [text for i, row in enumerate(rows) for text in ([f"# {i}", row] if i % 4096 in (0, 1, 4095) else [row])]
    reader = CSVReader(csv("# first\na,b\n" + "\n".join(rows) + "\n# last\n"))
    assert reader.dialect.comment == "#" and reader.shape == (9000, 2)
    expected = np.array([[i, i * 0.5] for i in range(9000)])
    assert np.array_equal(reader.read(slice(0, None)), expected)
    check_reader(reader)


def test_a_mark_of_comments_within_quotes_is_text(csv):
    path = csv('# first\nname,n\n"two\n# lines",1\n"#3",2\n')
    assert CSVReader(path, "name").read(slice(0, 2)).tolist() == ["two\n# lines", "#3"]


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


@pytest.mark.parametrize(
    ("words", "expected", "dtype"),
    [
        (["10", "2", "-3"], [10, 2, -3], np.int64),
        (["1.0", "2"], [1.0, 2.0], np.float64),
        (["1.5", "1e3"], [1.5, 1000.0], np.float64),
        (["01", "2"], ["01", "2"], object),
        (["1", "1234567890123456789012"], ["1", "1234567890123456789012"], object),
        (["yes", "no"], ["yes", "no"], object),
    ],
    ids=str,
)
def test_labels_are_integers_numbers_or_text_as_all_of_them_are_written(csv, words, expected, dtype):
    reader = CSVReader(csv("x,y\n" + "".join(f"1,{word}\n" for word in words)), "y", labels=True)
    found = reader.read(slice(0, len(words)))
    assert reader.dtype == found.dtype == dtype and found.tolist() == expected


@pytest.mark.parametrize("marker", ["nan", "NA", "?", "", " ? ", "Nan"])
def test_labels_that_are_missing_among_numbers_are_nan(csv, marker):
    found = CSVReader(csv(f"x,y\n1,2\n1,{marker}\n1,3\n"), "y", labels=True)
    assert found.dtype == np.float64 and np.array_equal(found.read(slice(0, 3)), [2, np.nan, 3], equal_nan=True)


def test_labels_that_are_missing_among_words_are_nan_unless_they_are_given_as_words(csv):
    path = csv("x,y\n1,NA\n1,EU\n1, ?\n1,none\n1,\n")
    found = CSVReader(path, "y", labels=True).read(slice(0, 5)).tolist()
    assert found[1::2] == ["EU", "none"] and all(label != label for label in found[::2])
    found = CSVReader(path, "y", labels=True, csv={"missing": ["EU"]}).read(slice(0, 4)).tolist()
    assert found[0] == "NA" and found[1] != found[1] and found[2:] == [" ?", "none"]


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


def test_labels_of_many_chunks_are_of_one_kind(csv):
    path = csv("y\n" + "1\n" * 5000 + "0.5\n")
    assert CSVReader(path, "y", labels=True).read(slice(0, 1)).tolist() == [1.0]
    path = csv("y\n" + "1\n" * 5000 + "a\n")
    assert CSVReader(path, "y", labels=True).read(slice(0, 1)).tolist() == ["1"]
    with pytest.raises(DataError, match="labels=True needs a single column"):
        CSVReader(path, labels=True)


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
