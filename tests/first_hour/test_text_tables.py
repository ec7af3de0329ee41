"""Text tables as other programs write them: row numbers, trailing delimiters, titles, spaces, duplicate names."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from command_line import arignote

from arignote import ArignoteWarning, NNClassifier
from arignote.data import get_reader

# Whole fits and commands: left out of make fast.
pytestmark = pytest.mark.slow

pd = pytest.importorskip("pandas", reason="tables are read with pandas")

RNG = np.random.default_rng(6)
N = 40
TRAIN = "train: {features: t.csv, labels: 't.csv:kind'}"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table():
    found = pd.DataFrame(RNG.normal(size=(N, 2)).round(3), columns=["a", "b"])
    return found.assign(kind=np.where(np.arange(N) % 3, "ill", "well"))


def write(text, name="t.csv"):
    with open(name, "w", newline="") as file:
        file.write(text)


def ran(command, data=TRAIN):
    with open("c.yaml", "w") as file:
        file.write(f"rng: 1\ndata: {{{data}}}\nlayers: [[FCLayer, {{n_units: 4}}], [ClassificationOutputLayer]]\n")
        file.write("fit: {n_epochs: 1, batch_size: 8, n_threads: 1, checkpoint: run}\n")
    return arignote(command, "c.yaml", *(["--data"] if command == "check" else ["--fresh"]))


def features():
    return NNClassifier.load("run").state_.data.get("feature_names")


# --- the row numbers that pandas writes


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
@pytest.mark.parametrize("shuffled", [False, True])
def test_row_numbers_that_pandas_writes_are_reported_among_the_features(name, shuffled):
    rows = table().sample(frac=1, random_state=1) if shuffled else table()
    write(rows.to_csv(index_label=name))
    for command in ("check", "fit"):
        ended = ran(command)
        assert ended.code == 0 and ended.err.count("what pandas writes for the index of a DataFrame") == 1, ended
        assert 'columns: "!0"' in ended.err and "to_csv(index=False)" in ended.err
    own = "train: {features: t.csv, columns: '!0', labels: 't.csv:kind'}"
    ended = ran("fit", own)
    assert ended.code == 0 and "index" not in ended.err and features() == ["a", "b"]


def test_a_run_on_row_numbers_is_used_without_a_note():
    write(table().to_csv())
    assert ran("fit").code == 0 and features() == ["", "a", "b"]
    ended = arignote("predict", "run", "--features", "t.csv", "--out", "p.csv")
    assert ended.code == 0 and "index" not in ended.err
    with pytest.warns(ArignoteWarning) as notes:
        NNClassifier([["ClassificationOutputLayer"]], n_epochs=1, batch_size=8, rng=1).fit("t.csv", "t.csv:kind")
    assert sum("(t.csv:!0 in Python)" in str(note.message) for note in notes) == 1
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "t.csv: column is left out")
        NNClassifier([["ClassificationOutputLayer"]], n_epochs=1, batch_size=8, rng=1).fit("t.csv:!0", "t.csv:kind")


def test_the_index_that_pandas_writes_into_a_parquet_file_is_reported_too():
    table().sample(frac=1, random_state=1).to_parquet("t.parquet")
    ended = ran("check", "train: {features: t.parquet, labels: 't.parquet:kind'}")
    assert ended.code == 0 and "'__index_level_0__'" in ended.err and 'columns: "!__index_level_0__"' in ended.err


def test_columns_that_are_named_one_by_one_are_taken_without_a_note():
    write(table().to_csv())
    ended = ran("fit", "train: {features: 't.csv:0:3', labels: 't.csv:kind'}")
    assert ended.code == 0 and "index" not in ended.err and features() == ["", "a", "b"]


# --- a delimiter at the end of each row


@pytest.mark.parametrize("in_header", [False, True])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_delimiter_at_the_end_of_rows_is_no_column(in_header, delimiter):
    rows = table()
    lines = rows.to_csv(index=False, sep=delimiter).splitlines()
    write("".join(line + (delimiter if in_header or n else "") + "\n" for n, line in enumerate(lines)))
    ended = ran("check")
    assert ended.code == 0 and "columns a, b;" in ended.out, ended
    # Tabs of which some come last are read as spaces, which gives the same rows.
    assert "delimiter spaces" in ended.out if delimiter == "\t" else "a delimiter at the end of rows" in ended.out
    assert np.array_equal(get_reader("t.csv:a,b").read(slice(0, N)), rows[["a", "b"]])
    assert ran("fit").code == 0 and NNClassifier.load("run").classes_.tolist() == ["ill", "well"]


def test_a_value_behind_the_last_delimiter_is_reported_with_its_line():
    lines = table().to_csv(index=False).splitlines()
    write("".join(f"{line},\n" for line in lines * 9).replace("\na,b,kind,", "\n0,0,ill,") + "1,2,ill,3\n")
    assert f"line {(N + 1) * 9 + 1}: has 4 fields; the header has 3" in ran("check").err


def test_a_last_column_of_missing_numbers_is_a_column():
    write("a,kind,b\n" + "1,ill,\n2,well,\n" * 9)
    assert "row 0 holds nan in column 'b'" in ran("check").err


# --- labels and names


def test_labels_that_differ_only_in_spaces_or_capitals_are_reported():
    kinds = [["very ill", " very ill", "well", "Well"][n % 4] for n in range(N)]
    write(table().assign(kind=kinds).to_csv(index=False))
    for command in ("check", "fit"):
        ended = ran(command)
        assert ended.code == 0 and ended.err.count("note: labels of t.csv") == 1, ended
        assert "' very ill' and 'very ill', 'Well' and 'well' are classes of their own" in ended.err
    with pytest.warns(ArignoteWarning, match="'a' and 'a ' are classes of their own"):
        NNClassifier([["ClassificationOutputLayer"]], n_epochs=1, batch_size=2).fit(np.eye(2)[[0, 1]], ["a", "a "])
    write(table().assign(kind=["very ill" if n % 2 else "not ill" for n in range(N)]).to_csv(index=False))
    assert "classes of their own" not in ran("fit").err


def test_columns_of_the_same_name_are_an_error_only_where_they_are_read():
    write(table().set_axis(["a", "a", "kind"], axis=1).assign(c=range(N)).to_csv(index=False))
    words = "t.csv: has 2 columns named 'a' (0 and 1). Rename one of them, or leave them out, as in columns: \"!a\""
    for columns in ("", ", columns: '0:2'", ", columns: a"):
        ended = ran("check", f"train: {{features: t.csv, labels: 't.csv:kind'{columns}}}")
        assert ended.code == 3 and words in ended.err, ended
    for columns in ("columns: '!a'", "columns: c"):
        ended = ran("fit", f"train: {{features: t.csv, labels: 't.csv:kind', {columns}}}")
        assert ended.code == 0 and features() == ["c"], ended
    ended = ran("check", "train: {features: 't.csv:c', labels: 't.csv:a'}")
    assert ended.code == 3 and words in ended.err


def test_spaces_around_the_names_of_a_header_need_not_be_written():
    write(table().to_csv(index=False).replace("a,b,kind", "a , b , kind"))
    ended = ran("fit", "train: {features: 't.csv:a,b', labels: 't.csv:kind'}")
    assert ended.code == 0 and features() == ["a ", " b "], ended


# --- numbers


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('a,kind\n"1,234",ill\n"5,678",well\n', "'1,234'"),
        ("a;b;kind\n1.234,5;1;ill\n5.678,5;2;well\n", "'1.234,5'"),
        ("a;b;kind\n1.234;1,5;ill\n5.678;2,5;well\n", "'1.234'"),
        ("a;kind\n1 234;ill\n5 678;well\n", "'1 234'"),
        ("a;kind\n1'234;ill\n5'678;well\n", '"1\'234"'),
    ],
)
def test_separators_of_thousands_are_reported_as_such(text, field):
    write(text)
    ended = ran("check", TRAIN[:-1] + ", csv: {decimal: ','}}" if ",5" in text else TRAIN)
    words = f"holds {field}, where numbers are expected. Write numbers without separators of thousands"
    assert ended.code == 3 and words in ended.err, ended


# --- what is no table of numbers


def test_columns_of_text_are_all_named_with_the_way_to_leave_them_out():
    write(table().assign(note='says "x",\nand more', day="2020-01-02").to_csv(index=False))
    ended = ran("check")
    assert ended.code == 3 and "t.csv: the columns 'note', 'day' hold text, such as 'says" in ended.err, ended
    assert 'columns: "!note,!day"' in ended.err and "row 0 (line 2)" in ended.err
    own = "train: {features: t.csv, labels: 't.csv:kind', columns: '!note,!day'}"
    assert ran("fit", own).code == 0 and features() == ["a", "b"]


@pytest.mark.parametrize("title", ["Report of 2020", "sep=,"])
def test_a_title_above_the_header_is_reported_as_such(title):
    write(f"{title}\n{table().to_csv(index=False)}")
    ended = ran("check")
    n_fields = title.count(",") + 1
    assert ended.code == 3 and f"t.csv, line 2: has 3 fields; the header has {n_fields}" in ended.err, ended
    assert "Remove line 1 if it is a title" in ended.err


@pytest.mark.parametrize("name", ["t.xlsx", "t.csv.gz", "t.arff"])
def test_a_file_of_an_unknown_kind_is_reported_with_those_that_are_read(name):
    write("not a table\n", name)
    ended = ran("check", f"train: {{features: {name}, labels: '{name}:kind'}}")
    assert ended.code == 3 and f"{name}: is not an HDF5 file" in ended.err
    assert ".csv, .tsv, .tra, .tes, .data, .txt, .parquet, .npy, .npz" in ended.err
