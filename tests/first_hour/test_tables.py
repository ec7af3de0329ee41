"""Tables as people have them: files that do not ship, in a fresh folder, by the command line and from Python."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from arignote import ArignoteWarning, DataError, NNClassifier
from arignote.cli import app
from arignote.process import EXIT_CODES

# Whole fits and commands: left out of make fast.
pytestmark = pytest.mark.slow

# Rows are scored here to compare how they are read, not to judge the network.
TRAINING_ROWS = pytest.mark.filterwarnings("ignore:this run was trained on")

pd = pytest.importorskip("pandas", reason="tables are read with pandas")

RNG = np.random.default_rng(5)
N = 80
LAYERS = [["FCLayer", {"n_units": 4, "activation": "relu"}], ["ClassificationOutputLayer"]]
FAST = {"n_epochs": 2, "batch_size": 16, "n_threads": 1}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A fresh working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def frame(n_rows=N):
    """Three features on which the column y depends not at all."""
    found = pd.DataFrame(RNG.normal(size=(n_rows, 3)).round(3), columns=["a", "b", "c"])
    return found.assign(y=RNG.integers(0, 2, n_rows))


def arignote(*words):
    """Return the exit code of a command, and all that it prints."""
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        ended = CliRunner().invoke(app, list(map(str, words)))
    error = ended.exception if not isinstance(ended.exception, SystemExit) else None
    code = next((number for kind, number in EXIT_CODES.items() if isinstance(error, kind)), None)
    if error is not None and code is None:
        raise error
    shown = [ended.output, *(f"note: {note.message}\n" for note in notes), f"error: {error}" if error else ""]
    return ended.exit_code if code is None else code, "".join(shown)


def config(data, layers="[[FCLayer, {n_units: 4}], [ClassificationOutputLayer]]", fit="", batch_size=16):
    with open("c.yaml", "w") as file:
        file.write(f"rng: 1\ndata: {data}\nlayers: {layers}\n")
        file.write(f"fit: {{n_epochs: 2, batch_size: {batch_size}, n_threads: 1, checkpoint: run{fit}}}\n")
    return "c.yaml"


def trained(data, **more):
    """Train a config; return what was printed, and the classifier."""
    code, shown = arignote("fit", config(data, **more), "--fresh")
    assert code == 0, shown
    return shown, NNClassifier.load("run")


# --- the label among the features


def write(table, kind):
    """Write a table; return the name of its file, and of a column of it."""
    if kind == "csv":
        table.to_csv("t.csv", index=False)
        return "t.csv", "t.csv:{}"
    if kind == "parquet":
        table.to_parquet("t.parquet")
        return "t.parquet", "t.parquet:{}"
    table.to_hdf("t.h5", key="t", format=kind)
    return "t.h5:/t", "t.h5:/t:{}"


KINDS = ["csv", "parquet", "table", "fixed"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_column_of_the_labels_is_no_feature_when_the_whole_file_is_named(kind):
    if kind in ("table", "fixed"):
        pytest.importorskip("tables", reason="pandas writes HDF5 with PyTables")
    whole, column = write(frame(), kind)
    shown, classifier = trained(f"{{train: {{features: '{whole}', labels: '{column.format('y')}'}}, valid: 0.2}}")
    assert classifier.network_.architecture.n_in == (3,)
    assert classifier.state_.data["feature_names"] == ["a", "b", "c"]
    assert shown.count("column is left out of the features: 'y' (labels)") == 1
    # The file still has the label; the run knows its columns by name.
    code, shown = arignote("predict", "run", "--features", whole, "--out", "p.csv")
    assert code == 0 and f"{N} rows" in shown and "note:" not in shown
    code, shown = arignote("evaluate", "run", "--features", whole, "--labels", column.format("y"))
    assert code == 0 and "error" in shown and "left out" not in shown
    asked = f"{column.format('a,y')}"
    code, shown = arignote("fit", config(f"{{train: {{features: '{asked}', labels: '{column.format('y')}'}}}}"))
    assert code == 3 and "the column 'y' is named among the features and as labels" in shown
    assert ":!y" in shown


def test_labels_of_text_are_no_features_either():
    frame().assign(y=np.where(np.arange(N) % 2, "yes", "no")).to_csv("t.csv", index=False)
    shown, classifier = trained("{train: {features: t.csv, labels: 't.csv:y'}, valid: 0.2}")
    assert "left out of the features: 'y' (labels)" in shown and classifier.classes_.tolist() == ["no", "yes"]
    assert arignote("predict", "run", "--features", "t.csv", "--out", "p.csv")[0] == 0


def test_columns_of_valid_groups_and_weights_in_the_same_file_are_no_features():
    table = frame().assign(patient=np.arange(N) // 4, weight=1.5, y2=RNG.integers(0, 2, N))
    table.to_csv("t.csv", index=False)
    data = (
        "{train: {features: t.csv, labels: 't.csv:y'}, valid: {features: t.csv, labels: 't.csv:y2'},"
        " groups: 't.csv:patient', sample_weight: 't.csv:weight'}"
    )
    shown, classifier = trained(data)
    assert classifier.state_.data["feature_names"] == ["a", "b", "c"]
    assert "'patient' (groups), 'weight' (sample_weight), 'y2' (labels of valid)" in shown.replace("'y' (labels), ", "")
    assert "weights" in classifier.state_.data


def test_groups_named_as_a_column_stay_together():
    table = frame().assign(patient=np.arange(N) // 4)
    table.to_csv("t.csv", index=False)
    by_name = NNClassifier(LAYERS, rng=1, **FAST)
    with pytest.warns(ArignoteWarning, match="left out"):
        by_name.fit("t.csv", "t.csv:y", valid=0.25, groups="t.csv:patient")
    x, y, groups = table[["a", "b", "c"]].to_numpy(), table["y"].to_numpy(), table["patient"].to_numpy()
    by_array = NNClassifier(LAYERS, rng=1, **FAST).fit(x, y, valid=0.25, groups=groups)
    assert by_name.state_.data["valid"] == by_array.state_.data["valid"]


@TRAINING_ROWS
def test_python_leaves_the_label_out_as_the_command_line_does():
    table = frame()
    table.to_csv("t.csv", index=False)
    with pytest.warns(ArignoteWarning, match=r"t\.csv: column is left out of the features: 'y' \(labels\)") as notes:
        classifier = NNClassifier(LAYERS, rng=1, **FAST).fit("t.csv", "t.csv:y")
    assert len(notes) == 1 and classifier.feature_names_in_.tolist() == ["a", "b", "c"]
    # As of the same rows in a DataFrame, without any note.
    same = NNClassifier(LAYERS, rng=1, **FAST).fit(table[["a", "b", "c"]], table["y"])
    expected = same.predict_proba(table[["a", "b", "c"]])
    assert np.array_equal(classifier.predict_proba("t.csv"), expected)
    assert classifier.evaluate("t.csv", "t.csv:y") == same.evaluate(table[["a", "b", "c"]], table["y"])
    with pytest.raises(DataError, match="'y' is named among the features and as labels"):
        NNClassifier(LAYERS, rng=1, **FAST).fit("t.csv:a,y", "t.csv:y")


def test_a_reader_of_a_whole_file_leaves_the_label_out_too():
    from arignote.data import get_reader

    frame().to_csv("t.csv", index=False)
    with pytest.warns(ArignoteWarning, match="left out"):
        classifier = NNClassifier(LAYERS, rng=1, **FAST).fit(get_reader("t.csv"), get_reader("t.csv:y", labels=True))
    assert classifier.feature_names_in_.tolist() == ["a", "b", "c"]
    with pytest.raises(DataError, match="'y' is named among the features"):
        NNClassifier(LAYERS, rng=1, **FAST).fit(get_reader("t.csv:b,y"), "t.csv:y")


# --- columns by name


def test_columns_are_put_in_the_order_of_the_run():
    table = frame()
    table.to_csv("t.csv", index=False)
    trained("{train: {features: 't.csv:a,b,c', labels: 't.csv:y'}, valid: 0.2}")
    table[["y", "c", "a", "b"]].to_csv("other.csv", index=False)
    scores = [
        arignote("evaluate", "run", "--features", features, "--labels", "t.csv:y")
        for features in ("t.csv:a,b,c", "t.csv:c,b,a", "t.csv", "other.csv", "other.csv:c,a,b")
    ]
    assert scores[0][0] == 0 and len(set(scores)) == 1
    for name in ("abc.csv", "cba.csv"):
        assert arignote("predict", "run", "--features", f"t.csv:{','.join(name[:3])}", "--out", name)[0] == 0
    with open("abc.csv") as one, open("cba.csv") as other:
        assert one.read() == other.read()


def test_a_file_that_lacks_a_column_is_refused_by_its_name():
    table = frame()
    table.to_csv("t.csv", index=False)
    trained("{train: {features: 't.csv:a,b,c', labels: 't.csv:y'}}")
    table[["a", "c", "y"]].rename(columns={"c": "d"}).to_csv("other.csv", index=False)
    code, shown = arignote("evaluate", "run", "--features", "other.csv", "--labels", "t.csv:y")
    assert code == 3
    assert "other.csv: lacks the columns 'b', 'c', which the network was trained on. There are: a, d, y" in shown
    code, shown = arignote("predict", "run", "--features", "t.csv:a,b", "--out", "p.csv")
    assert code == 3 and "lacks the column 'c'" in shown and "There are: a, b" in shown


@pytest.mark.parametrize("kind", KINDS)
def test_validation_and_test_files_are_put_in_the_order_of_training(kind):
    if kind in ("table", "fixed"):
        pytest.importorskip("tables", reason="pandas writes HDF5 with PyTables")
    _, column = write(frame(), kind)
    second = frame()
    second[["c", "y", "b", "a"]].to_csv("v.csv", index=False)
    data = (
        f"{{train: {{features: '{column.format('a,b,c')}', labels: '{column.format('y')}'}},"
        " valid: {features: v.csv, labels: 'v.csv:y'}}"
    )
    shown, classifier = trained(data)
    assert "note:" not in shown
    x, y = second[["a", "b", "c"]].to_numpy(), second["y"].to_numpy()
    with pytest.warns(ArignoteWarning, match="does not have valid feature names"):
        expected = classifier.evaluate(x, y)["nll"]
    assert classifier.best_["value"] == pytest.approx(expected, rel=1e-5)


def test_a_data_frame_and_a_file_know_their_columns_by_the_same_names():
    table = frame()
    table[["c", "a", "y", "b"]].to_csv("t.csv", index=False)
    X, y = table[["a", "b", "c"]], table["y"]
    classifier = NNClassifier(LAYERS, rng=1, **FAST).fit(X, y)
    assert np.array_equal(classifier.predict_proba("t.csv"), classifier.predict_proba(X))
    of_file = NNClassifier(LAYERS, rng=1, **FAST).fit("t.csv:a,b,c", "t.csv:y")
    assert np.array_equal(of_file.predict_proba(X), classifier.predict_proba(X))
    # In another order, and with what else a table has, as those of a file.
    assert np.array_equal(of_file.predict_proba(table[["c", "y", "a", "b"]]), of_file.predict_proba(X))
    with pytest.raises(DataError, match=r"^X lacks the column 'b', which the network was trained on. There are: c, y"):
        of_file.predict(table[["c", "y", "a"]])


@TRAINING_ROWS
def test_files_of_validation_in_another_order_are_found_again():
    frame().to_csv("t.csv", index=False)
    frame()[["c", "y", "b", "a"]].to_csv("v.csv", index=False)
    classifier = NNClassifier(LAYERS, rng=1, **FAST).fit("t.csv:a,b,c", "t.csv:y", valid=("v.csv", "v.csv:y"))
    found = classifier.evaluate("v.csv", "v.csv:y", part="valid")
    assert found["nll"] == pytest.approx(classifier.best_["value"])


def test_an_array_after_named_columns_warns_as_scikit_learn_does():
    table = frame()
    table.to_csv("t.csv", index=False)
    words = "X does not have valid feature names, but NNClassifier was fitted with feature names"
    for data in ((table[["a", "b", "c"]], table["y"]), ("t.csv:a,b,c", "t.csv:y")):
        classifier = NNClassifier(LAYERS, rng=1, **FAST).fit(*data)
        with pytest.warns(ArignoteWarning, match=words) as notes:
            found = classifier.predict(table[["a", "b", "c"]].to_numpy())
        assert len(notes) == 1 and np.array_equal(found, classifier.predict(table[["a", "b", "c"]]))


# --- text tables as they come

BODY = "{0}5.1{1}3.5{1}0\n4.9{1}3.0{1}0\n{2}7.0{1}3.2{1}1\n6.4{1}3.2{1}1\n6.9{1}3.1{1}1\n5.0{1}3.3{1}0\n"
WAYS = {
    "comma.csv": ("", ",", ""),
    "comma.data": ("# iris, two classes\n", ",", "# in between\n"),
    "semicolon.csv": ("long;wide;kind\n", ";", ""),
    "tab.tsv": ("long\twide\tkind\n", "\t", ""),
    "tab.txt": ("", "\t", ""),
    "blanks.tes": ("", "   ", ""),
    "bar.tra": ('"long"|"wide"|"kind"\n', "|", ""),
    "spaces.csv": ("long, wide, kind\n", ", ", ""),
    "percent.txt": ("% made by hand\n", " ", ""),
}


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("decimal", [".", ","])
def test_a_text_table_is_read_as_it_comes(name, decimal):
    head, delimiter, comment = WAYS[name]
    if decimal == "," and delimiter.strip() == ",":
        pytest.skip("a comma is not both")
    text = BODY.format(head, delimiter, comment)
    if decimal == ",":
        text = head + text.removeprefix(head).replace(".", ",")
    with open(name, "w") as file:
        file.write(text)
    has_names = "long" in head
    labels = f"{name}:{'kind' if has_names else '2'}"
    shown, classifier = trained(f"{{train: {{features: {name}, labels: '{labels}'}}}}", batch_size=6)
    assert "left out of the features" in shown
    x = [[5.1, 3.5], [4.9, 3.0], [7.0, 3.2], [6.4, 3.2], [6.9, 3.1], [5.0, 3.3]]
    expected = NNClassifier(classifier.state_.spec["layers"], rng=1, n_epochs=2, batch_size=6, n_threads=1)
    expected.fit(np.array(x), np.array([0, 0, 1, 1, 1, 0]))
    assert np.array_equal(classifier.params["output.W"], expected.params["output.W"])
    assert classifier.classes_.tolist() == [0, 1]
    code, shown = arignote("check", "c.yaml", "--data")
    assert code == 0 and f"{'header' if has_names else 'no header'}" in shown and "delimiter" in shown
    assert arignote("predict", "run", "--features", name, "--out", "p.csv")[0] == 0
    code, shown = arignote("evaluate", "run", "--features", name, "--labels", labels)
    assert code == 0 and "error" in shown


def test_what_was_found_by_looking_can_be_overridden_in_the_config():
    # Without the override it is not clear: three numbers, or the names that pandas gives.
    with open("t.csv", "w") as file:
        file.write("0,1,2\n" + "".join(f"{i % 5},{i % 3},{i % 2}\n" for i in range(20)))
    code, shown = arignote("fit", config("{train: {features: 't.csv:0:2', labels: 't.csv:2'}}"))
    assert code == 3 and "'0,1,2'" in shown and "csv: {header: true} or csv: {header: false}" in shown
    shapes = {}
    for header in ("true", "false"):
        data = f"{{train: {{features: 't.csv:0:2', labels: 't.csv:2', csv: {{header: {header}}}}}}}"
        _, classifier = trained(data.replace("labels: 't.csv:2'", "labels: 't.csv:2'"))
        shapes[header] = classifier.state_.data["train"]["features"]["shape"]
        # The run remembers what it was given.
        assert arignote("evaluate", "run", "--features", "t.csv:0:2", "--labels", "t.csv:2")[0] == 0
    assert shapes == {"true": [20, 2], "false": [21, 2]}


def test_the_format_of_a_text_table_is_checked_with_the_config():
    data = "{train: {features: t.csv, csv: {delimeter: ';', decimal: '_', header: maybe, comment: '//'}}}"
    code, shown = arignote("check", config(data))
    assert code == 2
    for words in ("Did you mean 'delimiter'", "decimal must be '.' or ','", "header must be", "comment must be one"):
        assert words in shown, shown


def test_thousands_are_not_taken_for_decimals():
    with open("t.csv", "w") as file:
        file.write("x;y\n" + "1,234;0\n5,678;1\n" * 5)
    code, shown = arignote("fit", config("{train: {features: 't.csv:x', labels: 't.csv:y'}}"))
    assert code == 3 and "1,234 may be decimal marks or separate thousands" in shown and 'csv: {decimal: ","}' in shown
    trained("{train: {features: 't.csv:x', labels: 't.csv:y', csv: {decimal: ','}}}")


def thousands():
    """Write the same 20 rows with decimal points, and with commas that may separate thousands; return them."""
    x = np.tile([[1.234], [5.678]], (10, 1))
    for name, mark in (("points.csv", "."), ("commas.csv", ",")):
        with open(name, "w") as file:
            file.write("x;y\n" + f"1{mark}234;0\n5{mark}678;1\n" * 10)
    return x, np.tile([0, 1], 10)


@TRAINING_ROWS
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_a_file_whose_format_is_not_found_is_scored_with_the_option_csv():
    x, y = thousands()
    _, classifier = trained("{train: {features: 'points.csv:x', labels: 'points.csv:y'}}")
    given = ("--features", "commas.csv", "--labels", "commas.csv:y")
    code, shown = arignote("evaluate", "run", *given)
    assert code == 3 and "1,234 may be decimal marks or separate thousands" in shown
    code, shown = arignote("evaluate", "run", *given, "--csv", "{decimal: ','}")
    assert code == 0 and shown.splitlines()[:2] == [f"{k} {v:.6g}" for k, v in classifier.evaluate(x, y).items()]
    assert arignote("predict", "run", *given[:2], "--out", "p.csv")[0] == 3
    assert arignote("predict", "run", *given[:2], "--out", "p.csv", "--csv", "{decimal: ','}")[0] == 0
    expected = classifier.predict_proba(x)
    np.testing.assert_allclose(np.loadtxt("p.csv", delimiter=",", skiprows=1)[:, 2:], expected, rtol=1e-6)


def test_the_format_of_the_training_data_is_the_default_for_a_part_too():
    thousands()
    trained("{train: {features: 'commas.csv:x', labels: 'commas.csv:y', csv: {decimal: ','}}, valid: 0.2}")
    given = ("--features", "commas.csv:x", "--labels", "commas.csv:y", "--part", "valid")
    by_config = arignote("evaluate", "run", "--config", "c.yaml", "--part", "valid")
    assert by_config[0] == 0 and arignote("evaluate", "run", *given) == by_config
    code, shown = arignote("evaluate", "run", *given, "--csv", "{}")
    assert code == 3 and "1,234 may be decimal marks or separate thousands" in shown


@pytest.mark.parametrize(
    ("command", "csv", "code", "shown"),
    [
        ("evaluate", "{delimeter: ';'}", 2, "csv.delimeter: unknown parameter 'delimeter'. Did you mean 'delimiter'?"),
        ("predict", "{header: 'yes'}", 2, "csv.header must be true or false; got 'yes'. Write true"),
        ("predict", "{decimal: ';'}", 2, "csv.decimal must be '.' or ','; got ';'"),
        ("predict", "[1]", 2, "csv must be a mapping (header, delimiter, comment, decimal, missing, text); got [1]"),
        ("evaluate", "{header", 2, "the value is not YAML"),
    ],
)
def test_the_option_csv_is_checked_as_in_a_config(command, csv, code, shown):
    thousands()
    trained("{train: {features: 'points.csv:x', labels: 'points.csv:y'}}")
    more = ("--labels", "points.csv:y") if command == "evaluate" else ("--out", "p.csv")
    ended = arignote(command, "run", "--features", "points.csv:x", *more, "--csv", csv)
    assert ended == (code, f"error: --csv {csv}: {shown}")


def test_the_option_csv_is_for_text_tables_that_are_given_with_features():
    thousands()
    np.save("t.npy", np.zeros((3, 1)))
    trained("{train: {features: 'points.csv:x', labels: 'points.csv:y'}, valid: 0.2}")
    ended = arignote("predict", "run", "--features", "t.npy", "--out", "p.csv", "--csv", "{header: false}")
    assert ended == (3, "error: t.npy: 'csv' does not apply to this kind of source")
    ended = arignote("evaluate", "run", "--config", "c.yaml", "--part", "valid", "--csv", "{header: false}")
    assert ended == (2, "error: --csv is for --features; with --config write --set data.train.csv=...")


def test_a_run_on_a_table_without_header_knows_its_columns_by_position():
    x, y = RNG.integers(0, 17, (N, 6)), RNG.integers(0, 3, N)
    np.savetxt("t.tra", np.column_stack([x, y]), fmt="%d", delimiter=",")
    np.savetxt("t.tes", np.column_stack([x, y]), fmt="%d", delimiter=",")
    np.savetxt("bare.tes", x, fmt="%d", delimiter=",")
    _, classifier = trained("{train: {features: t.tra, labels: 't.tra:-1'}, test: 0.2}")
    assert classifier.state_.data["columns"] == list(range(6)) and not hasattr(classifier, "feature_names_in_")
    expected = classifier.predict_proba(x.astype(np.float64))
    for name in ("t.tra", "t.tes", "bare.tes", "t.tes:0:6"):
        assert np.array_equal(classifier.predict_proba(name), expected)
    with pytest.raises(DataError, match=r"has 4 columns; the network was trained on columns 0 to 5"):
        np.savetxt("narrow.tes", x[:, :4], fmt="%d", delimiter=",")
        classifier.predict("narrow.tes")


# --- ranges and exclusions


def test_columns_are_named_by_range_and_exclusion():
    table = pd.DataFrame(RNG.normal(size=(N, 64)).round(2), columns=[f"p{n}" for n in range(64)])
    table.assign(y=RNG.integers(0, 2, N), id=np.arange(N)).to_csv("t.csv", index=False)
    every = [f"p{n}" for n in range(64)]
    for features, names in {
        "features: 't.csv:0:64'": every,
        "features: t.csv, columns: '0:64'": every,
        "features: t.csv, columns: 0:64": every,
        "features: t.csv, columns: '!y,!id'": every,
        "features: t.csv, columns: '!id'": every,
        "features: t.csv, columns: ['!id', '!p0:p61']": ["p62", "p63"],
        "features: 't.csv:p3:p5,!p4,p0'": ["p3", "p5", "p0"],
        "features: t.csv, columns: [p1, 0:2, -3]": ["p1", "p0", "p1", "p63"],
        "features: t.csv, columns: 2": ["p2"],
    }.items():
        _, classifier = trained(f"{{train: {{{features}, labels: 't.csv:y'}}}}")
        assert classifier.state_.data["feature_names"] == names, features


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("0:9", "has 4 columns; columns 0:9 are out of range"),
        ("7", r"has 4 columns (0 to 3); column 7 is out of range"),
        ("c:a", "the columns c:a are in reverse order"),
        ("a:x", "has no column 'x'. There are: a, b, c, y"),
        ("!yy", "has no column 'yy'. Did you mean 'y'?"),
        ("!a:y", "no columns are left"),
    ],
)
def test_columns_that_are_not_there_are_named(columns, words):
    frame().to_csv("t.csv", index=False)
    code, shown = arignote("fit", config(f"{{train: {{features: t.csv, columns: '{columns}', labels: 't.csv:y'}}}}"))
    assert code == 3 and words in shown


def test_columns_and_csv_are_for_tables():
    np.save("x.npy", np.zeros((10, 2)))
    np.save("y.npy", np.arange(10) % 2)
    for more in ("columns: 0:1", "csv: {header: true}"):
        code, shown = arignote("fit", config(f"{{train: {{features: x.npy, labels: y.npy, {more}}}}}"))
        assert code == 3 and f"'{more.partition(':')[0]}' does not apply to this kind of source" in shown


# --- labels of a text table


@TRAINING_ROWS
def test_integer_labels_of_a_text_table_stay_integers():
    table = frame().assign(y=np.arange(N) % 11)
    table.to_csv("t.csv", index=False)
    _, classifier = trained("{train: {features: t.csv, labels: 't.csv:y'}, valid: 0.2}")
    assert classifier.classes_.tolist() == list(range(11)) and classifier.classes_.dtype == np.int64
    X, y = table[["a", "b", "c"]], table["y"]
    assert classifier.score(X, y) == pytest.approx(1 - classifier.evaluate("t.csv", "t.csv:y")["error"])
    arignote("predict", "run", "--features", "t.csv", "--out", "p.csv")
    assert set(pd.read_csv("p.csv")["predicted"]) <= set(range(11))


@pytest.mark.parametrize(
    ("words", "classes"),
    [
        (["0", "1", "10", "2"], [0, 1, 2, 10]),
        (["-1", "1"], [-1, 1]),
        (["1.0", "2.0"], [1.0, 2.0]),
        (["01", "1", "02"], ["01", "02", "1"]),
        (["1", "a"], ["1", "a"]),
        (["True", "False"], ["False", "True"]),
        (["no", "yes"], ["no", "yes"]),
    ],
    ids=str,
)
def test_classes_of_a_text_table_are_what_they_are_written_as(words, classes):
    frame().assign(y=[words[n % len(words)] for n in range(N)]).to_csv("t.csv", index=False)
    _, classifier = trained("{train: {features: t.csv, labels: 't.csv:y'}}")
    assert classifier.classes_.tolist() == classes
    assert [type(label) for label in classifier.classes_.tolist()] == [type(label) for label in classes]


def test_a_missing_label_is_named_with_its_row():
    frame().assign(y=[None if n == 7 else n % 2 for n in range(N)]).astype({"y": "Int64"}).to_csv("t.csv", index=False)
    code, shown = arignote("fit", config("{train: {features: t.csv, labels: 't.csv:y'}}"))
    assert code == 3 and "label of t.csv row 7 is missing" in shown


@TRAINING_ROWS
def test_a_run_whose_classes_were_stored_as_text_is_resumed_in_the_same_bits():
    """Until now labels of a CSV were read as text: '10' comes before '2'."""
    table = frame().assign(y=np.arange(N) % 11)
    table.to_csv("t.csv", index=False)
    data = {"valid": 0.2, "checkpoint": "run"}
    old = NNClassifier(LAYERS, rng=1, **FAST).fit("t.csv:a,b,c", table["y"].astype(str).to_numpy(), **data)
    assert old.classes_.tolist()[:3] == ["0", "1", "10"]
    again = NNClassifier(LAYERS, rng=1, **FAST | {"n_epochs": 4}).fit("t.csv:a,b,c", "t.csv:y", **data)
    assert len(again.state_.starts) == 2 and again.classes_.tolist() == old.classes_.tolist()
    whole = NNClassifier(LAYERS, rng=1, **FAST | {"n_epochs": 4}).fit(
        "t.csv:a,b,c", table["y"].astype(str).to_numpy(), valid=0.2
    )
    assert json.dumps(whole.history_[-1]["valid_nll"]) == json.dumps(again.history_[-1]["valid_nll"])
    assert "error" in NNClassifier.load("run").evaluate("t.csv", "t.csv:y")


# --- images that are stored as flat rows

IMAGES = [
    ["InputImageLayer", {"n_pixels": 8}],
    ["ConvLayer", {"n_output_maps": 2, "filter_shape": 3, "activation": "relu"}],
    ["ClassificationOutputLayer"],
]


def test_flat_rows_are_images_for_preprocessing_and_augmentation():
    x, y = RNG.integers(0, 17, (N, 64)), RNG.integers(0, 3, N)
    np.savetxt("t.tra", np.column_stack([x, y]), fmt="%d", delimiter=",")
    conv = "[ConvLayer, {n_output_maps: 2, filter_shape: 3}]"
    layers = f"[[InputImageLayer, {{n_pixels: 8}}], {conv}, [ClassificationOutputLayer]]"
    fit = ", preprocess: [[Standardise, {per: channel}]], augmentation: [[Shift, {max_shift: 1}], [Flip, {p: 0.5}]]"
    data = "{train: {features: 't.tra:0:64', labels: 't.tra:64'}, valid: 0.2}"
    code, shown = arignote("check", config(data, layers, fit), "--data")
    assert code == 0 and "examples of (1, 8, 8) float32 come to the network" in shown
    _, classifier = trained(data, layers=layers, fit=fit)
    assert classifier.state_.spec["n_in"] == [1, 8, 8] and classifier.state_.preprocess["0.mean"].shape == (1, 1, 1)
    # As of rows that are images from the beginning.

    same = NNClassifier(classifier.state_.spec["layers"], rng=1, **FAST)
    same.fit(
        x.reshape(-1, 1, 8, 8),
        y,
        valid=0.2,
        preprocess=["Standardise", {"per": "channel"}],
        augmentation=[["Shift", {"max_shift": 1}], ["Flip", {"p": 0.5}]],
    )
    assert np.array_equal(same.params["output.W"], classifier.params["output.W"])
    assert np.array_equal(same.predict_proba(x), classifier.predict_proba("t.tra"))
    assert np.array_equal(same.predict_proba(x), classifier.predict_proba(x.reshape(-1, 1, 8, 8)))


def test_an_augmentation_of_ones_own_sees_images():
    seen = []

    def look(x, y, rng):
        seen.append(x.shape[1:])
        return x, y

    for x in (np.zeros((N, 64)), np.zeros((N, 8, 8)), np.zeros((N, 1, 8, 8))):
        NNClassifier(IMAGES, rng=1, **FAST).fit(x, np.arange(N) % 2, augmentation=look)
    assert set(seen) == {(1, 8, 8)}


# The file records the processor that wrote it.
@pytest.mark.filterwarnings("ignore:.*perhaps not bit for bit. environment")
def test_a_run_that_began_with_flat_rows_keeps_them():
    """Version 0.1 learned a mean of each of 16 numbers, of flat rows; it wrote this run, and these losses."""
    for name in ("last", "best"):
        shutil.copy(
            Path(__file__).parents[1] / "checkpoints" / "stored" / f"flat_images_{name}.ckpt", f"run_{name}.ckpt"
        )
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(40, 16)).astype(np.float32), np.arange(40) % 2
    layers = [
        ["InputImageLayer", {"n_pixels": 4}],
        ["FCLayer", {"n_units": 2, "activation": "relu"}],
        ["ClassificationOutputLayer"],
    ]
    settings = {
        "preprocess": ["Standardise"],
        "augmentation": ["Noise", {"sigma": 0.1}],
        "valid": 0.2,
        "checkpoint": "run",
    }
    losses = [0.6934921741485596, 0.6940926909446716, 0.6945823431015015, 0.6955069899559021]
    with warnings.catch_warnings():
        # It was written on another machine.
        warnings.filterwarnings("ignore", "(?s).*not bit for bit: environment", ArignoteWarning)
        resumed = NNClassifier(layers, rng=1).fit(x, y, n_epochs=4, batch_size=8, n_threads=1, **settings)
    assert len(resumed.state_.starts) == 2 and resumed.state_.spec["n_in"] == [16]
    assert [row["valid_nll"] for row in resumed.history_] == pytest.approx(losses, rel=1e-5)
    assert np.array_equal(resumed.predict(x), NNClassifier.load("run").predict(x))


# --- targets that are no classes


def test_a_target_of_numbers_is_reported_as_a_regression_before_training():
    table = frame(2999).assign(y=lambda t: RNG.normal(size=len(t)))
    table.to_csv("t.csv", index=False)
    name = config("{train: {features: t.csv, labels: 't.csv:y'}}")
    for command in (("fit", name), ("check", name, "--data")):
        code, shown = arignote(*command)
        assert code == 3
        assert "t.csv looks like a regression target: 2,999 distinct values in 2,999 rows" in shown
        assert "classes must be whole numbers or text" in shown and "RegressionOutputLayer (NNRegressor)" in shown
    with pytest.raises(DataError, match="y of X looks like a regression target: 2,999 distinct values"):
        NNClassifier(LAYERS, **FAST).fit(table[["a", "b", "c"]], table["y"])
    assert not list(Path().glob("run*"))


def test_whole_numbers_of_which_there_are_very_many_are_reported():
    target = RNG.permutation(N)
    frame().assign(y=target.astype(float)).to_csv("floats.csv", index=False)
    code, shown = arignote("fit", config("{train: {features: floats.csv, labels: 'floats.csv:y'}}"))
    assert code == 3 and "regression target: 80 distinct values in 80 rows; classes must come in several rows" in shown
    frame().assign(y=target).to_csv("t.csv", index=False)
    shown, _ = trained("{train: {features: t.csv, labels: 't.csv:y'}}")
    assert "note: y of t.csv looks like a regression target: 80 distinct values in 80 rows" in shown
    layers = "[[FCLayer, {n_units: 4}], [ClassificationOutputLayer, {n_classes: 80}]]"
    shown, _ = trained("{train: {features: floats.csv, labels: 'floats.csv:y'}}", layers=layers)
    assert "regression" not in shown


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (np.eye(3, dtype=int)[np.arange(N) % 3], "are one-hot, of shape (80, 3); give y.argmax(axis=1)"),
        (np.array([[0, 1, 0], [1, 1, 0]] * (N // 2)), "look like several labels per row (row 1 has 2)"),
        (np.array([[0, 1, 0], [0, 0, 0]] * (N // 2)), "some have no class, such as row 1"),
    ],
)
def test_several_columns_of_labels_are_reported_as_what_they_are(rows, words):
    frame().assign(u=rows[:, 0], v=rows[:, 1], w=rows[:, 2]).to_csv("t.csv", index=False)
    code, shown = arignote("fit", config("{train: {features: 't.csv:a,b,c', labels: 't.csv:u,v,w'}}"))
    assert code == 3 and words in shown
    with pytest.raises(DataError) as error:
        NNClassifier(LAYERS, **FAST).fit(frame()[["a", "b", "c"]], rows)
    assert words in str(error.value)


# --- shapes


def test_n_in_is_compared_with_the_data():
    x, y = np.zeros((N, 8, 8, 1)), np.arange(N) % 2
    with pytest.raises(DataError, match=r"n_in is \(784,\), but an example of X has the shape \(3,\)"):
        NNClassifier(LAYERS, n_in=784, **FAST).fit(x[:, 0, :3, 0], y)
    words = r"n_in is \(1, 8, 8\), but an example of X has the shape \(8, 8, 1\).* set axes: NHWC"
    with pytest.raises(DataError, match=words):
        NNClassifier(LAYERS, n_in=(1, 8, 8), **FAST).fit(x, y)
    for n_in in (64, (1, 8, 8)):
        assert NNClassifier(LAYERS, n_in=n_in, **FAST).fit(x, y, axes="NHWC").n_features_in_ == 64


@pytest.mark.parametrize(
    ("shape", "axes", "way"),
    [((8, 6, 5), None, "NHWC"), ((5, 8, 6), "NHWC", "NCHW"), ((8, 6, 1), None, "NHWC")],
)
def test_images_whose_axes_are_in_another_order_are_reported_with_both_shapes(shape, axes, way):
    n_images = 1 if 1 in shape else 5
    np.save("x.npy", np.zeros((N, *shape)))
    np.save("y.npy", np.arange(N) % 2)
    layers = f"[[InputImageLayer, {{n_pixels: [8, 6], n_images: {n_images}}}], [ClassificationOutputLayer]]"
    more = f", axes: {axes}" if axes else ""
    name = config(f"{{train: {{features: x.npy, labels: y.npy{more}}}}}", layers)
    seen = shape if axes is None else (shape[2], *shape[:2])
    for command in (("fit", name), ("check", name, "--data")):
        code, shown = arignote(*command)
        assert code == 2 and f"images are {(n_images, 8, 6)}, but an example has the shape {seen}" in shown
        assert f"axes: {way}" in shown


def test_images_to_predict_whose_axes_are_in_another_order_are_reported():
    x, y = np.zeros((N, 5, 8, 6)), np.arange(N) % 2
    classifier = NNClassifier([["ClassificationOutputLayer"]], **FAST).fit(x, y)
    words = r"must have shape \(5, 8, 6\); got \(8, 6, 5\)\..*set axes: NHWC"
    with pytest.raises(DataError, match=words):
        classifier.predict(x.transpose(0, 2, 3, 1))
    with pytest.raises(DataError, match=r"valid has shape \(8, 6, 5\), one of X \(5, 8, 6\)\..*set axes: NHWC"):
        NNClassifier([["ClassificationOutputLayer"]], **FAST).fit(x, y, valid=(x.transpose(0, 2, 3, 1), y))
