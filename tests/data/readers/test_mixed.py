"""Tables with columns of numbers and of text: of pandas, polars, pyarrow and NumPy, and in CSV and Parquet files."""

from __future__ import annotations

import importlib.util

import numpy as np
import pandas as pd
import pytest

from arignote import DataError
from arignote.data import check_reader, get_reader
from arignote.data.readers import chunked, sources
from arignote.data.readers import csv as of_csv
from arignote.data.rows.open_rows import rows_of

LIBRARIES = ["pandas", "pyarrow", "polars"]
COLUMNS = {
    "age": [31.0, None, 47.5],
    "sex": ["f", "m", None],
    "n": [1, 2, 3],
    "smoker": [True, False, True],
    "site": ["b", "a", "b"],
    "left": [True, None, False],
}
ROWS = [
    [31.0, "f", 1.0, 1.0, "b", 1.0],
    [None, "m", 2.0, 0.0, "a", None],
    [47.5, None, 3.0, 1.0, "b", 0.0],
]
ENCODED = [["Impute"], ["OneHot"]]


def made(library, columns=COLUMNS, categories=("site",)):
    """Return a table of a library, some of whose columns are of its type of categories."""
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"needs {library}: pip install {library}")
    if library == "pandas":
        frame = pd.DataFrame(columns)
        return frame.astype(dict.fromkeys(categories, "category"))
    if library == "polars":
        import polars

        return polars.DataFrame(columns).with_columns(polars.col(name).cast(polars.Categorical) for name in categories)
    import pyarrow

    arrays = {name: pyarrow.array(values) for name, values in columns.items()}
    return pyarrow.table({k: one.dictionary_encode() if k in categories else one for k, one in arrays.items()})


def values(reader):
    """Return all rows, None for what is missing."""
    rows = reader.read(slice(0, len(reader))).tolist()
    return [[None if value != value else value for value in row] for row in rows]


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_table_of_any_library_is_the_same_rows(library):
    reader = rows_of(made(library), preprocess=ENCODED).reader
    assert values(reader) == ROWS
    assert (reader.columns, reader.text, reader.shape) == (tuple(COLUMNS), (1, 4), (3, 6))
    assert reader.digest() == rows_of(made("pandas"), preprocess=ENCODED).reader.digest()
    check_reader(reader)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_table_of_numbers_needs_no_preprocessing(library):
    rows = rows_of(made(library, {"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]}, ()), allow_nonfinite=True)
    assert rows.features(slice(0, 3)).tolist() == [[1, 0.5], [2, 1.5], [3, 2.5]] and rows.columns == ("a", "b")
    with_none = made(library, {"a": [1, None, 3], "b": [True, None, False]}, ())
    found = rows_of(with_none, allow_nonfinite=True).features(slice(0, 3))
    assert np.array_equal(found, [[1, 1], [np.nan, np.nan], [3, 0]], equal_nan=True)


@pytest.mark.parametrize("library", LIBRARIES)
def test_columns_are_found_by_name_in_any_order(library):
    table = made(library, {name: COLUMNS[name] for name in reversed(COLUMNS)})
    reader = rows_of(table, preprocess=ENCODED, columns=tuple(COLUMNS), text=("sex", "site")).reader
    assert values(reader) == ROWS
    with pytest.raises(DataError, match=r"X lacks the column 'weight', which the network was trained on"):
        rows_of(table, preprocess=ENCODED, columns=("age", "weight"))


def test_an_array_of_objects_and_a_list_of_rows_are_tables_too():
    for x in (np.array([[1.5, "a"], [None, "b"]], object), [[1.5, "a"], [None, "b"]]):
        reader = rows_of(x, preprocess=ENCODED).reader
        assert values(reader) == [[1.5, "a"], [None, "b"]] and (reader.text, reader.columns) == ((1,), ())
    words = rows_of(np.array([["x", "1"], ["y", "2"]]), preprocess=["OneHot"]).reader
    assert words.read(slice(0, 2)).tolist() == [["x", "1"], ["y", "2"]] and words.text == (0, 1)


def test_categories_of_pandas_may_be_numbers():
    table = pd.DataFrame({"stage": pd.Categorical([4, 1, None]), "a": [1.0, 2.0, 3.0]})
    reader = rows_of(table, preprocess=["OneHot"]).reader
    assert reader.text == (0,) and reader.read(slice(0, 3)).tolist() == [[4, 1.0], [1, 2.0], [None, 3.0]]


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (
            pd.to_datetime(["2026-01-01", "2026-01-02"]),
            r"X: column 'c' must be numbers or text; row 0 holds datetime64 '2026-01-01",
        ),
        (pd.Series([["a"], ["b"]]), r"X: column 'c' must be numbers or text; row 0 holds list \"\['a'\]\""),
        (pd.Series(["a", 3], dtype=object), r"X: column 'c' must be numbers or text; it holds both 'a' and 3"),
    ],
)
def test_a_column_of_neither_numbers_nor_text_is_reported(column, words):
    with pytest.raises(DataError, match=words):
        rows_of(pd.DataFrame({"c": column, "a": [1.0, 2.0]}), preprocess=ENCODED)


def test_text_without_a_step_that_takes_it_is_reported_with_the_step():
    with pytest.raises(DataError, match=r"X must be numbers; got objects .*encoded by preprocess \[\[\"OneHot\"\]\]"):
        rows_of(made("pandas"))
    with pytest.raises(DataError, match=r"X: column 'site' holds 'b'; in the training rows it holds numbers"):
        rows_of(made("pandas"), preprocess=ENCODED, text=("sex",))


@pytest.fixture
def small_chunks(monkeypatch):
    """Pieces of two rows, none of which stay in memory."""
    for module in (chunked, of_csv):
        monkeypatch.setattr(module, "CHUNK_ROWS", 2)
    monkeypatch.setattr(sources, "IN_MEMORY", 0)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("load", [True, False])
def test_a_file_has_the_rows_of_its_table(ending, load, tmp_path):
    path = tmp_path / f"t.{ending}"
    frame = made("pandas").astype({"left": "boolean"})
    frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path)
    reader = get_reader(path, mixed=True, load=load)
    assert values(reader) == ROWS
    assert (reader.text, reader.columns) == ((1, 4), tuple(COLUMNS))
    check_reader(reader)
    # The columns of a run are known.
    again = get_reader(path, mixed=("sex", "site"), like=("site", "age"), load=load)
    assert values(again) == [["b", 31.0], ["a", None], ["b", 47.5]]
    with pytest.raises(DataError, match=r"'sex' .*strings|'sex' holds text, such as 'f' in row 0"):
        get_reader(path, mixed=("site",), load=load)
    with pytest.raises(DataError, match="OneHot"):
        get_reader(path, load=load)


def test_text_is_what_holds_no_number_in_the_whole_file(small_chunks, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,grade,code\n1,A,01\n2,B,02\n3,,03\n?,1,04\n")
    with pytest.raises(
        DataError,
        match=r"column 'grade': row 0 \(line 2\) holds 'A', where numbers .*categories: csv: \{text: \['grade'\]\}",
    ):
        get_reader(path, mixed=True)
    reader = get_reader(path, mixed=True, csv={"text": ["grade", "code"]})
    assert reader.chunk_rows == 4096 and len(reader.starts) == 2
    assert values(reader) == [[1.0, "A", "01"], [2.0, "B", "02"], [3.0, None, "03"], [None, "1", "04"]]
    assert reader.missing == {"a": (3, 1)}
    assert reader.read(np.array([3, 0])).tolist()[1] == [1.0, "A", "01"]


def test_numbers_with_another_decimal_mark_are_no_categories(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a;b;c\nx;1,5;1\ny;2,5;2\n")
    with pytest.raises(DataError, match=r"column 'b'.*If the decimal mark is a comma: csv: \{decimal"):
        get_reader(path, mixed=True, csv={"delimiter": ";", "decimal": "."})
