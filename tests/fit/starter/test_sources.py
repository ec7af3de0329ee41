"""Which arrays and columns are features and labels."""

from __future__ import annotations

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from arignote.data.specs import table_format
from arignote.errors import ConfigError, DataError
from arignote.fit.starter.sources import find_sources

X, Y = np.eye(4), np.arange(4) % 2


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


FRAME = pd.DataFrame({"a": [1.0, 2.0], "b": ["u", "v"], "Target": [0, 1]})


@pytest.mark.parametrize(
    ("frame", "labels", "train"),
    [
        (FRAME, None, {"features": "t.csv", "columns": ["!Target"], "labels": "t.csv:Target"}),
        (FRAME, "b", {"features": "t.csv", "columns": ["!b"], "labels": "t.csv:b"}),
        (FRAME, "other.csv:y", {"features": "t.csv", "labels": "other.csv:y"}),
        (
            FRAME.reset_index().rename(columns={"index": "Unnamed: 0", "Target": "last"}),
            None,
            {"features": "t.csv", "columns": ["!Unnamed: 0", "!last"], "labels": "t.csv:last"},
        ),
    ],
)
def test_of_a_table_all_columns_are_features_but_the_labels_and_an_index(frame, labels, train, folder):
    frame.to_csv("t.csv", index=False)
    FRAME.to_csv("other.csv", index=False)
    found = find_sources("t.csv", labels)
    assert found.subsets == {"train": train}
    # Only a column that is not named as labels is a guess.
    assert len(found.notes) == (labels is None and "last" in frame)


@pytest.mark.parametrize("at", ["~", "$HOME"])
def test_the_home_folder_and_variables_are_filled_in_for_labels_as_for_data(at, folder, monkeypatch):
    home = folder / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    FRAME.to_csv("t.csv", index=False)
    FRAME.to_csv(home / "other.csv", index=False)
    for labels in (f"{at}/other.csv", f"{at}/other.csv:Target"):
        assert find_sources("t.csv", labels).subsets == {"train": {"features": "t.csv", "labels": labels}}


def test_of_parquet_columns_that_are_neither_numbers_nor_text_are_left_out_with_a_note(folder):
    FRAME.assign(day=pd.to_datetime(["2020-01-01"] * 2), none=None).to_parquet("t.parquet")
    found = find_sources("t.parquet", None)
    assert found.subsets["train"]["columns"] == ["!day", "!none", "!Target"]
    assert found.notes[0] == "the column 'day' is neither numbers nor text, and is left out: columns of data.train"
    assert len(found.notes) == 2


def test_a_column_without_a_name_and_parquet_and_a_table_of_hdf5_are_the_same(folder):
    FRAME.to_csv("t.csv")
    assert find_sources("t.csv", None).subsets["train"]["columns"] == ["!0", "!Target"]
    FRAME.to_parquet("t.parquet")
    assert find_sources("t.parquet", None).subsets["train"]["labels"] == "t.parquet:Target"
    rows = np.array([(1.0, 0), (2.0, 1)], dtype=[("a", "f4"), ("y", "i4")])
    with h5py.File("t.h5", "w") as file:
        file["rows"] = rows
    train = {"features": "t.h5:/rows", "columns": ["!y"], "labels": "t.h5:/rows:y"}
    assert find_sources("t.h5", "y").subsets == find_sources("t.h5:/rows", "y").subsets == {"train": train}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("asked", "labels", "columns", "label"),
    [
        ("a", "Target", ["a"], "Target"),
        ("b,a", None, ["b", "a"], "Target"),
        ("a,Target", None, ["a", "Target"], "Target"),
        ("a,Target", "b", ["a", "Target"], "b"),
        ("!a", None, ["b"], "Target"),
    ],
)
def test_columns_after_the_colon_are_the_features(kind, asked, labels, columns, label, folder):
    FRAME.to_csv("t.csv", index=False)
    FRAME.to_parquet("t.parquet")
    train = {"features": f"t.{kind}", "columns": columns, "labels": f"t.{kind}:{label}"}
    assert find_sources(f"t.{kind}:{asked}", labels).subsets == {"train": train}
    with pytest.raises(DataError, match="has no column 'z'"):
        find_sources(f"t.{kind}:a,z", labels)


def test_the_format_of_a_text_table_is_that_of_the_config(folder):
    FRAME.to_csv("t.csv", index=False, header=False, sep=";")
    csv = table_format({"header": False, "delimiter": ";"})
    train = {"features": "t.csv", "columns": ["!2"], "labels": "t.csv:2", "csv": {"header": False, "delimiter": ";"}}
    assert find_sources("t.csv", "2", csv).subsets == {"train": train}
    FRAME.to_parquet("t.parquet")
    with pytest.raises(DataError, match="'csv' does not apply to this kind"):
        find_sources("t.parquet", None, csv)


ARRAYS = [
    (("x", "y"), {"train": ("x", "y")}),
    (("images", "labels"), {"train": ("images", "labels")}),
    (
        ("x_train", "y_train", "x_test", "y_test", "X_val", "Y_val"),
        {"train": ("x_train", "y_train"), "test": ("x_test", "y_test"), "valid": ("X_val", "Y_val")},
    ),
    (("trainImages", "trainLabels"), {"train": ("trainImages", "trainLabels")}),
]


@pytest.mark.parametrize(("names", "expected"), ARRAYS)
@pytest.mark.parametrize("kind", ["npz", "h5"])
def test_arrays_are_paired_by_the_words_of_their_names(names, expected, kind, folder):
    slash = "/" if kind == "h5" else ""
    if kind == "npz":
        np.savez("a.npz", **dict.fromkeys(names, X))
    else:
        with h5py.File("a.h5", "w") as file:
            for name in names:
                file[name] = X
    pairs = {
        part: {"features": f"a.{kind}:{slash}{x}", "labels": f"a.{kind}:{slash}{y}"}
        for part, (x, y) in expected.items()
    }
    assert find_sources(f"a.{kind}", None).subsets == pairs


def test_arrays_that_are_named_are_taken_whatever_they_are_called(folder):
    np.savez("a.npz", data=X, kind=Y, more=X)
    assert find_sources("a.npz:data", "kind").subsets == {"train": {"features": "a.npz:data", "labels": "a.npz:kind"}}
    np.savez("a.npz", data=X, kind=Y)
    assert find_sources("a.npz", "kind").subsets == {"train": {"features": "a.npz:data", "labels": "a.npz:kind"}}
    np.save("x.npy", X)
    assert find_sources("x.npy", "a.npz:kind").subsets == {"train": {"features": "x.npy", "labels": "a.npz:kind"}}


def test_images_of_different_or_large_sizes_are_resized_to_the_one_in_the_middle(folder):
    sizes = {"a": [(20, 10)] * 2, "b": [(20, 10)] * 2}
    for name, of_class in sizes.items():
        (folder / "images" / name).mkdir(parents=True)
        for number, (width, height) in enumerate(of_class):
            Image.new("L", (width, height)).save(folder / "images" / name / f"{number}.png")
    assert find_sources("images", None).subsets == {"train": {"features": "images"}}
    Image.new("L", (30, 30)).save(folder / "images" / "a" / "2.png")
    assert find_sources("images", None).subsets == {"train": {"features": "images", "size": [10, 20]}}
    for path in (folder / "images").glob("*/*.png"):
        Image.new("L", (256, 128)).save(path)
    found = find_sources("images", None)
    assert found.subsets == {"train": {"features": "images", "size": [32, 64]}} and len(found.notes) == 1


def test_what_is_not_clear_is_an_error_with_the_way_out(folder):
    with pytest.raises(DataError, match=r"no\.csv: there is no such file"):
        find_sources("no.csv", None)
    (folder / "empty.csv").write_text("")
    with pytest.raises(DataError, match=r"empty\.csv: has no columns"):
        find_sources("empty.csv", None)
    FRAME[["a"]].to_csv("t.csv")
    with pytest.raises(DataError, match=r"t\.csv: has one column only, 'a' beside ''; a table needs columns of feat"):
        find_sources("t.csv", None)
    (folder / "t.csv").write_text("a,b,a\n1,2,3\n")
    with pytest.raises(DataError, match=r"t\.csv: two columns are named 'a': rename one of them in the file"):
        find_sources("t.csv", "b")
    with pytest.raises(ConfigError, match="--labels must be a column or an array of the same file, or another file; "):
        find_sources("t.csv", "")
    np.save("x.npy", X)
    with pytest.raises(ConfigError, match="has no labels: give --labels a source"):
        find_sources("x.npy", None)
    np.savez("a.npz", x=X)
    for labels in (None, "x"):
        with pytest.raises(ConfigError, match=r"a\.npz: has no labels beside 'x': give --labels a source"):
            find_sources("a.npz", labels)
    np.savez("a.npz")
    with pytest.raises(DataError, match=r"a\.npz: has no arrays"):
        find_sources("a.npz", None)
    np.savez("a.npz", a=X, b=X, label=Y)
    with pytest.raises(ConfigError, match=r"which array has the features.*a\.npz:a --labels label. There are: a, b, l"):
        find_sources("a.npz", None)
    with pytest.raises(ConfigError, match=r"--labels z: a\.npz has no such array"):
        find_sources("a.npz", "z")
