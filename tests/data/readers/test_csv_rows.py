"""Rows of a text table: quoted line ends, comments, blank lines, and the line of an error."""

from __future__ import annotations

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


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_quoted_line_ends_and_commas_belong_to_their_field(csv, end):
    frame = long_table(9000)
    reader = CSVReader(csv(frame.to_csv(index=False, lineterminator=end)), "note")
    assert reader.dtype == object and reader.shape == (9000,)
    assert reader.read(np.array([8995, 4096, 7])).tolist() == frame["note"][[8995, 4096, 7]].tolist()


def test_blank_lines_and_a_byte_order_mark_are_skipped(csv):
    path = csv(b"\xef\xbb\xbfa\n1\n\n \t\n2\n\n\n3\n\n")
    assert CSVReader(path, "a").read(slice(0, 3)).tolist() == [1, 2, 3]
    assert np.array_equal(CSVReader(csv('a\n1\n""\n2\n'), "a").read(slice(0, 3)), [1, np.nan, 2], equal_nan=True)


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


@pytest.mark.slow
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
