"""Which columns of a table are features and which are labels, and which belong to other sources."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from arignote import ArignoteWarning, DataError
from arignote.data.readers.column_roles import feature_columns, label_columns
from arignote.data.readers.tables import Table, table_at

pd = pytest.importorskip("pandas", reason="tables are read with pandas")


@pytest.fixture
def table(tmp_path):
    frame = pd.DataFrame({"a": [1, 2], "b": [3.5, 4], "target": [0, 1], "y": ["u", "v"], "g": [7, 8]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    return table_at(tmp_path / "t.csv")


def test_a_whole_table_is_without_what_is_called_a_target_or_named_otherwise(table):
    where = table.path
    with pytest.warns(ArignoteWarning, match=r"columns are left out of the features: 'y' \(labels\), 'g' \(groups\)"):
        found, is_named = feature_columns(table, None, (), {"labels": f"{where}:y", "groups": f"{where}:g"})
    assert found == ["a", "b"] and not is_named


@pytest.mark.parametrize("other", ["t.csv:y", "./t.csv:3", "../{folder}/t.csv:y", "$HERE/t.csv:y", "link.csv:y"])
def test_a_file_is_the_same_however_it_is_named(other, table, monkeypatch):
    folder = table.path.parent
    monkeypatch.setenv("HERE", str(folder))
    monkeypatch.chdir(folder)
    (folder / "link.csv").symlink_to(table.path)
    others = {"labels": other.format(folder=folder.name)}
    with pytest.warns(ArignoteWarning, match="'y' "):
        found, _ = feature_columns(table, "!g", (), others)
    assert found == ["a", "b", "target"]


def test_other_files_and_what_is_no_source_take_no_columns(table, monkeypatch):
    monkeypatch.chdir(table.path.parent)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for other in ("other.csv:y", np.zeros(2), None, "t.csv"):
            assert "y" in feature_columns(table, None, (), {"labels": other})[0]


def test_a_column_that_is_a_feature_by_name_and_something_else_is_an_error(table):
    for asked in ("a,g", "0:5", "g"):
        with pytest.raises(DataError, match=r"'g' is named among the features and as groups.*t\.csv:!g"):
            feature_columns(table, asked, (), {"groups": f"{table.path}:g"})


def test_columns_come_in_the_order_of_a_run(table):
    assert feature_columns(table, None, ("b", "a"))[0] == ["b", "a"]
    assert feature_columns(table, "a,b,g", ("g", "a"))[0] == ["g", "a"]
    with pytest.raises(DataError, match="lacks the columns 'x', 'z', which the network was trained on"):
        feature_columns(table, None, ("x", "a", "z"))
    # Positions say nothing of a table with names, nor names of one without.
    assert feature_columns(table, "a,b", (0, 1))[0] == ["a", "b"]
    bare = Table(Path("t.data"), "", ("0", "1", "2"), table.dialect.__class__(header=False))
    assert feature_columns(bare, None, (2, 0))[0] == ["2", "0"]
    assert feature_columns(bare, "0:2", (2, 0))[0] == ["0", "1"]
    assert feature_columns(bare, None, ("a", "b"))[0] == ["0", "1", "2"]


def test_the_labels_are_the_column_that_is_named_or_called_so(table):
    assert label_columns(table, None) == "target" and label_columns(table, "y") == label_columns(table, "3") == "y"
    assert label_columns(table, "a:b") == ["a", "b"]
    assert label_columns(Table(Path("y.csv"), "", ("any",)), None) == "any"
    with pytest.raises(
        DataError, match=r"which column holds the labels\? Name it, as in labels: \"t\.csv:b\"\. There are"
    ):
        label_columns(Table(Path("t.csv"), "", ("a", "b")), None)
