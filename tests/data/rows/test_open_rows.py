"""Features and labels as a user passes them, opened as validated rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from chunked_rows import Chunked
from scipy import sparse

from arignote import ArignoteWarning, DataError
from arignote.data import Data
from arignote.data.inputs import Input
from arignote.data.readers.sources import get_reader
from arignote.data.readers.windows import Windows
from arignote.data.rows.open_rows import rows_of
from arignote.data.targets import Classes, EachStep, Numbers, Targets

X = np.arange(60, dtype=np.float32).reshape(20, 3)
Y = np.arange(20) % 2


@pytest.mark.parametrize("make", [np.asarray, Chunked])
@pytest.mark.parametrize(("start", "stop"), [(0, None), (5, 12), (5, None), (-4, None), (3, 900)])
def test_a_window_of_data_is_that_of_a_list(make, start, stop):
    rows = rows_of(Data(make(X), Y, start=start, stop=stop))
    assert np.array_equal(rows.features(slice(0, len(rows))), X[start:stop]) and np.array_equal(rows.y, Y[start:stop])
    assert np.array_equal(rows.take(np.array([1, 0])).features(slice(0, 2)), X[start:stop][[1, 0]])


@pytest.mark.parametrize("make", [np.asarray, Chunked])
def test_a_window_without_rows_is_reported(make):
    with pytest.raises(DataError, match="X is empty"):
        rows_of(Data(make(X), Y, start=20))


def test_labels_that_are_as_many_as_the_window_but_not_as_the_rows_are_reported():
    with pytest.raises(DataError, match="X has 15 rows, its labels 10; the numbers must be equal"):
        rows_of(Data(Chunked(X), Y[:15], start=5))


def test_axes_that_are_not_as_many_as_those_of_the_data_are_reported():
    with pytest.raises(DataError, match=r"X has the shape \(20, 3\); axes 'NHWC' name 4 axes"):
        rows_of(X, Y, axes="NHWC")


def test_the_axes_of_data_come_before_those_of_the_fit():
    assert rows_of(Data(np.zeros((4, 5, 6)), axes="NHW"), axes="NCHW").n_in == (1, 5, 6)


def test_labels_are_altered_once_and_for_all():
    assert np.array_equal(rows_of(Data(X, Y, alter_labels=lambda y: y + 1, start=4)).y, Y[4:] + 1)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.array([["a", "b"]]), "X must be numbers"),
        (np.array([[1, "a"]], dtype=object), r"X must be numbers; got objects"),
        (np.zeros(4), r"got \(4,\)\. Reshape your data: X\.reshape\(-1, 1\) if it is one feature, X\.reshape\(1, -1\)"),
        (np.zeros(()), r"got \(\)\. It is a single number"),
        (np.zeros((0, 3)), r"X is empty: 0 sample\(s\) \(shape=\(0, 3\)\) while a minimum of 1 is required\."),
        (np.zeros((3, 0)), r"X is empty: 0 feature\(s\) \(shape=\(3, 0\)\) while a minimum of 1 is required\."),
        (np.zeros((2, 2), complex), r"X must be real .* got complex128\. Complex data not supported: take X\.real"),
    ],
)
def test_features_that_are_no_rows_of_numbers_are_reported(x, words):
    with pytest.raises(DataError, match=words):
        rows_of(x, np.zeros(len(x) if x.ndim else 1))


def test_labels_come_as_array_column_reader_path_or_dataset(tmp_path):
    np.save(tmp_path / "y.npy", Y)
    pairs = [(row, int(label)) for row, label in zip(X, Y, strict=True)]

    class Dataset:
        def __len__(self):
            return len(pairs)

        def __getitem__(self, row):
            return pairs[row]

    given = [Y, Y[:, None], Y.tolist(), Chunked(Y), str(tmp_path / "y.npy"), tmp_path / "y.npy", pd.Series(Y)]
    found = [rows_of(X, y) for y in given] + [rows_of((X, Y)), rows_of({"x": X, "labels": Y}), rows_of(Dataset())]
    for rows in found:
        assert np.array_equal(rows.y, Y) and np.array_equal(rows.features(slice(0, 20)), X)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (np.eye(2)[Y], r"one-hot, of shape \(20, 2\)"),
        (np.where(Y == 1, np.nan, 0), "label of X row 1 is missing"),
        (np.linspace(0, 1, 20), "looks like a regression target: 20 distinct values in 20 rows"),
        (np.array([None if label else "a" for label in Y], dtype=object), "label of X row 1 is missing"),
        (pd.Series(["a", None] * 10, dtype="string"), "label of X row 1 is missing"),
        (Y[:-1], "X has 20 rows, its labels 19"),
    ],
)
def test_wrong_labels_are_reported(y, words):
    with pytest.raises(DataError, match=words):
        rows_of(X, y)


def test_the_network_sees_the_channel_that_is_named():
    channels = {"left": X, "right": X + 1, "target": Y}
    with pytest.warns(ArignoteWarning, match="no input layer takes 'left' of X: only 'right' is used"):
        assert np.array_equal(rows_of(channels, inputs=[Input("right")]).features(slice(0, 2)), X[:2] + 1)
    with pytest.warns(ArignoteWarning, match="no input layer takes 'left' of X: only 'y' is used"):
        found = rows_of({"left": Chunked(X), "y": Chunked(X)}, Y, inputs=[Input("y")])
    assert np.array_equal(found.features(slice(0, 20)), X)
    with pytest.raises(DataError, match=r"channels left, right; name one of them .* got None"):
        rows_of(channels)
    with pytest.raises(DataError, match="got 'middle'"):
        rows_of(channels, inputs=[Input("middle")])
    for none in ({"labels": Y}, {}):
        with pytest.raises(DataError, match="X has no channel of features"):
            rows_of(none)


def test_a_row_that_is_not_finite_is_found_beyond_the_first_stretch():
    x = np.zeros((140_000, 2), np.float32)
    for row in (0, 65_535, 65_536, 131_072, 139_999):
        bad = x.copy()
        bad[row, 1] = np.nan
        with pytest.raises(DataError, match=f"X row {row} holds nan"):
            rows_of(bad)


def test_the_first_number_that_is_not_finite_is_named():
    x = X.copy()
    x[7] = [1, -np.inf, np.nan]
    x[9, 0] = np.inf
    with pytest.raises(
        DataError,
        match=r"X row 7 holds -inf in column 1; clean the data of NaN and infinity, or pass allow_nonfinite=True",
    ):
        rows_of(x)
    with pytest.raises(DataError, match=r"X row 1 holds inf"):
        rows_of(np.array([[1.0], [np.inf], [np.nan]], np.float16))


@pytest.mark.parametrize("make", [np.asarray, Chunked])
@pytest.mark.parametrize(("start", "stop", "n_rows"), [(5, 5, 0), (20, None, 0), (19, None, 1), (0, 20, 20), (7, 9, 2)])
def test_a_window_holds_the_rows_from_start_to_before_stop(make, start, stop, n_rows):
    given = Data(make(X), Y, start=start, stop=stop)
    if n_rows:
        rows = rows_of(given)
        assert len(rows) == len(rows.y) == n_rows and rows.fingerprint()["features"]["shape"] == [n_rows, 3]
    else:
        with pytest.raises(DataError, match="X is empty"):
            rows_of(given)


def test_an_empty_window_is_reported_with_its_bounds():
    with pytest.raises(DataError, match=r"X is empty: rows 5 to 3 of 20"):
        rows_of(Data(Chunked(X), start=5, stop=3))
    with pytest.raises(DataError, match=r"X is empty: rows 20 to the end of 20"):
        rows_of(Data(Chunked(X), start=20))


def test_the_labels_of_data_give_way_to_those_given_beside_it():
    assert rows_of(x=Data(X, Y), y=1 - Y).y.tolist() == (1 - Y).tolist()
    assert rows_of(Data(X, Y)).y.tolist() == Y.tolist()
    assert rows_of({"x": X, "Target": Y}, 1 - Y).y.tolist() == (1 - Y).tolist()
    assert rows_of({"x": X, "Target": Y}).y.tolist() == Y.tolist()
    assert rows_of((X, Y)).y.tolist() == Y.tolist()
    assert rows_of(X).y is None


def test_a_pair_is_features_and_labels_only_where_no_labels_are_given():
    # Two rows of three numbers each.
    pair = ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])
    assert rows_of(pair, [0, 1]).features(slice(0, 2)).tolist() == [list(row) for row in pair]


def test_labels_are_found_in_the_file_of_the_features(tmp_path):
    np.savez(tmp_path / "d.npz", x=X, labels=Y)
    path = tmp_path / "d.npz"
    rows = rows_of(path, path)
    assert np.array_equal(rows.features(slice(0, 20)), X) and rows.y.tolist() == Y.tolist()


def test_errors_name_what_was_given():
    for call in (
        lambda: rows_of(X, Y[:5], what="valid"),
        lambda: rows_of(np.zeros(3), what="valid"),
        lambda: rows_of(None, what="valid"),
        lambda: rows_of({}, what="valid"),
        lambda: rows_of(X * np.nan, what="valid"),
        lambda: rows_of(sparse.csr_matrix(X * np.nan), what="valid"),
        lambda: rows_of([[1], [1, 2]], what="valid"),
        lambda: rows_of(X, np.eye(20), what="valid"),
        lambda: rows_of(X, axes="NHWC", what="valid"),
        lambda: rows_of(Data(Chunked(X), stop=0), what="valid"),
    ):
        with pytest.raises(DataError, match="valid"):
            call()
    assert rows_of(X).what == "X" and rows_of(X, what="test").what == "test"


def test_masked_features_are_missing_ones():
    masked = np.ma.array(np.arange(6).reshape(3, 2), mask=[[0, 0], [0, 1], [0, 0]])
    with pytest.raises(DataError, match="X row 1 holds nan"):
        rows_of(masked)
    found = rows_of(masked, allow_nonfinite=True).features(slice(0, 3))
    assert np.array_equal(found, [[0, 1], [2, np.nan], [4, 5]], equal_nan=True)
    assert rows_of(np.ma.array(X, mask=False)).features(slice(0, 20)).tolist() == X.tolist()


def test_objects_that_are_numbers_are_taken_as_numbers():
    found = rows_of(np.array([[1, 2.5], [True, 3]], dtype=object))
    assert found.reader.dtype == np.float64 and found.features(slice(0, 2)).tolist() == [[1, 2.5], [1, 3]]


def test_the_stamp_of_a_source_is_that_when_its_rows_were_found():
    class Stamped(Chunked):
        def stamp(self):
            return "then"

    assert rows_of(Stamped(X)).stamp == "then" and rows_of(X).stamp is None


TWO = (Input("a"), Input("b"))
SERIES, WINDOWS = np.arange(12.0).reshape(6, 2), Windows(length=3, step=2)


def test_windows_are_cut_out_of_a_series_once():
    rows = rows_of(SERIES, np.arange(6), windows=WINDOWS)
    # Steps 0 .. 2 and 2 .. 4, with the value of the last one.
    assert rows.features(slice(0, 2)).tolist() == [SERIES[:3].tolist(), SERIES[2:5].tolist()]
    assert rows.y.tolist() == [2, 4]
    again = rows_of(rows.reader, [0, 1], windows=WINDOWS)
    assert again.reader.shape == (2, 3, 2) and again.y.tolist() == [0, 1]


def test_what_is_no_series_has_no_windows():
    with pytest.raises(DataError, match=r"^valid must be one series"):
        rows_of({"a": SERIES, "b": SERIES[:5]}, inputs=TWO, windows=WINDOWS, what="valid")
    with pytest.raises(DataError, match=r"'a' has 6, 'b' has 0$"):
        rows_of({"a": SERIES, "b": np.zeros(())}, inputs=TWO, windows=WINDOWS)
    with pytest.raises(DataError, match=r"^valid has 2 steps, fewer than a window of 3"):
        rows_of(SERIES[:2], windows=WINDOWS, what="valid")
    with pytest.raises(DataError, match=r"^y must have a value for each of the 6 steps of the series; got 5"):
        rows_of(SERIES, np.arange(5), windows=WINDOWS)
    with pytest.raises(DataError, match=r"^windows are cut out of one series"):
        rows_of([[1.0], [2.0, 3.0]], inputs=[Input(lengths=True, steps="n")], windows=WINDOWS)


def test_each_output_has_the_values_of_a_window_that_its_target_takes():
    targets = Targets({"last": Numbers(), "each": EachStep(of=Classes())}, "last")
    y = {"last": np.arange(6.0), "each": [0, 1, 1, 0, 1, 0]}
    found = rows_of(SERIES, y, windows=WINDOWS, targets=targets).y
    assert found["last"].reshape(-1).tolist() == [2, 4] and found["each"]["values"].tolist() == [[0, 1, 1], [1, 0, 1]]
    with pytest.raises(DataError, match="'more'"):
        rows_of(SERIES, y | {"more": np.arange(6)}, windows=WINDOWS, targets=targets)


def test_a_target_of_each_step_has_a_value_for_the_steps_that_count():
    declared, targets = [Input(lengths=True, steps="n")], Targets({"y": EachStep(of=Numbers())}, "y")
    y = rows_of([[1.0, 2.0], [3.0]], [[5, 6], [7]], inputs=declared, targets=targets).y
    assert y["values"].tolist() == [[5, 6], [7, 0]] and y["counts"].tolist() == [[True, True], [True, False]]
    with pytest.raises(DataError, match="row 0 must have a value for each of 2 steps; got 1"):
        rows_of([[1.0, 2.0], [3.0]], [[5], [7]], inputs=declared, targets=targets)
    window = Data([[1.0, 2.0], [3.0], [4.0, 5.0]], [[5, 6], [7], [8, 9]], start=1)
    assert rows_of(window, inputs=declared, targets=targets).y["counts"].tolist() == [[True, False], [True, True]]


def test_a_channel_among_others_may_be_a_number_for_each_row():
    rows = rows_of({"a": X, "b": X[:, 0]}, inputs=TWO)
    assert rows.features(slice(0, 2))["b"].tolist() == X[:2, :1].tolist()


def test_sequences_are_opened_again_from_their_rows():
    declared = [Input(lengths=True, steps="n")]
    rows = rows_of([[1.0, 2.0], [3.0]], inputs=declared)
    found = rows_of(rows.reader, inputs=declared).features(slice(0, 2))
    assert found["x"].tolist() == [[1, 2], [3, 0]] and found["n"].tolist() == [2, 1]


def test_tokens_are_those_that_the_network_knows():
    assert len(rows_of([[0, 4]], inputs=[Input(n_tokens=5)])) == 1
    with pytest.raises(DataError, match=r"^X row 0 holds 5; tokens must be whole numbers in 0 \.\. 4"):
        rows_of([[0, 5]], inputs=[Input(n_tokens=5)])


def test_columns_of_a_file_may_be_missing_where_they_are_imputed(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n,4\n")
    for source in (tmp_path / "t.csv", get_reader(tmp_path / "t.csv", load=False)):
        assert len(rows_of(source, preprocess=[["Impute", {"columns": "a"}]])) == 2
        with pytest.raises(DataError, match="'a'"):
            rows_of(source, preprocess=[["Impute", {"columns": "b"}]])
    unknown = [["Impute", {"columns": "z"}]]
    with pytest.raises(DataError, match=r"^\S*t.csv: .*'z'"):
        rows_of(tmp_path / "t.csv", preprocess=unknown)
    with pytest.raises(DataError, match=r"^valid: .*'z'"):
        rows_of(pd.DataFrame({"a": [1.0]}), preprocess=unknown, what="valid")


def test_what_is_stored_of_a_sparse_matrix_may_be_missing_where_it_is_imputed():
    x, impute = np.array([[np.nan, 2.0], [3.0, 4.0], [0.0, 0.0]]), [["Impute", {"columns": [0]}]]
    assert len(rows_of(sparse.csr_matrix(x), preprocess=impute)) == 3
    x[1, 1] = np.nan
    with pytest.raises(DataError, match="X row 1 holds nan in column 1"):
        rows_of(sparse.csr_matrix(x), preprocess=impute)


def test_tables_are_rows_of_columns_or_sequences_of_them():
    impute, of_steps = [["Impute"]], [Input(lengths=True, steps="n")]
    (conversion,) = rows_of([SERIES[:1], SERIES[:3]], inputs=of_steps, preprocess=impute).conversions.values()
    assert (conversion.steps, conversion.may_miss) == ("n", (0, 1))
    for x, inputs, end in (
        ([[1.0], [2.0, 3.0]], of_steps, r"got \(2, 2\)"),
        (SERIES[None], [Input()], r"got \(1, 6, 2\)"),
    ):
        with pytest.raises(DataError, match=rf"^X: OneHot and Impute are for tables, \(rows, columns\); {end}$"):
            rows_of(x, inputs=inputs, preprocess=impute)
    with pytest.raises(DataError, match=r"got \(2, 3, 2\)\. Fill in a series before windows are cut out of it$"):
        rows_of(SERIES, windows=WINDOWS, preprocess=impute)
