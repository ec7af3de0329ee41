"""Channels that the network takes, each opened as a reader."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from chunked_rows import Chunked
from scipy import sparse

from arignote import ArignoteWarning, DataError
from arignote.data.inputs import Input
from arignote.data.readers.base import ArrayReader
from arignote.data.readers.joined import JoinedReader
from arignote.data.readers.sources import get_reader
from arignote.data.rows.open_channels import channels_and_labels, open_channels, with_sequences
from arignote.data.values.fields import ALONE
from arignote.errors import DataTypeError

A, B = np.arange(8.0).reshape(4, 2), np.arange(4.0)[:, None]
Y = np.array([0, 1, 1, 0])
TWO = (Input("a"), Input("b"))


class Pairs:
    """A dataset of rows, each with its label."""

    def __len__(self):
        return 4

    def __getitem__(self, row):
        return A[row], int(Y[row])


def opened(x, inputs, **more):
    channels, _ = channels_and_labels(x, None, inputs, "X")
    return open_channels(channels, inputs, "X", **{"columns": (), "others": {}, "csv": None} | more)


def fields(x, *inputs):
    """Return the rows of each field of a batch, as lists."""
    found = with_sequences(opened(x, inputs), inputs, "X")
    return {name: reader.read(slice(0, len(reader))).tolist() for name, reader in found.items()}


def test_the_only_channel_has_no_name():
    x, y = channels_and_labels(A, Y, [Input()], "X")
    assert list(x) == [ALONE] and x[ALONE] is A and y is Y
    for given, inputs in (({"q": A}, [Input()]), ({"a": A}, [Input("a")])):
        x, y = channels_and_labels(given, None, inputs, "X")
        assert list(x) == [ALONE] and x[ALONE] is A and y is None
    with pytest.warns(ArignoteWarning, match=r"^no input layer takes 'b' of X: only 'a' is used$"):
        x, _ = channels_and_labels({"a": A, "b": B}, None, [Input("a")], "X")
    assert list(x) == [ALONE] and x[ALONE] is A


def test_several_channels_are_those_of_the_input_layers_in_their_order():
    x, _ = channels_and_labels({"b": B, "a": A}, None, TWO, "X")
    assert list(x) == ["a", "b"] and x["a"] is A and x["b"] is B


def test_a_reader_of_several_channels_is_taken_apart():
    a, b, joined = ArrayReader(A), ArrayReader(B), ArrayReader(A + 1)
    x, _ = channels_and_labels(JoinedReader({"x": joined}, sources={"a": a, "b": b}), None, TWO, "X")
    assert x == {"a": a, "b": b}
    x, _ = channels_and_labels(JoinedReader({"x": joined}, sources={ALONE: a}), None, [Input(lengths=True)], "X")
    assert x == {ALONE: a}


def test_labels_are_those_given_or_else_those_among_the_channels_or_of_a_dataset():
    others = 1 - Y
    for given in ({"a": A, "b": B, "Target": Y}, {"a": A, "b": B, "labels": Y}):
        assert channels_and_labels(given, None, TWO, "X")[1] is Y
        assert channels_and_labels(given, others, TWO, "X")[1] is others
    # A channel that an input layer takes holds no labels, whatever its name.
    x, y = channels_and_labels({"a": A, "label": B}, None, (Input("a"), Input("label")), "X")
    assert y is None and x["label"] is B
    for given, inputs in ((Pairs(), [Input()]), ({"a": Pairs(), "b": B}, TWO)):
        x, y = channels_and_labels(given, None, inputs, "X")
        assert y.read(slice(0, 4)).tolist() == Y.tolist()
        assert channels_and_labels(given, others, inputs, "X")[1] is others


@pytest.mark.parametrize(
    ("x", "inputs", "words"),
    [
        (A, TWO, r"^X must be a dict with the channels 'a', 'b'; got ndarray"),
        ({"a": A}, TWO, r"^X must have the channels 'a', 'b', .*; 'b' is missing"),
        ({"a": A, "b": B, "c": B}, TWO, "; no input layer takes 'c'$"),
        ({"a": A, "c": B}, TWO, "; 'b' is missing, and no input layer takes 'c'$"),
        (
            {"image": A, "ages": B},
            [Input("image"), Input("age")],
            "; 'age' is missing, and no input layer takes 'ages'. Did you mean 'age'[?]$",
        ),
        ({"z": A, "image": B}, [Input("imag")], "has the channels z, image; .* {\"channel\": 'image'}.; got 'imag'$"),
        ({"labels": Y}, [Input()], "X has no channel of features, only labels"),
        ({}, [Input()], "X has no channel of features, only an empty dict"),
        ({"a": A, "b": B}, [Input()], "X has the channels a, b; name one of them in the input layer.*; got None"),
        ({"a": A}, [Input("c")], "X has the channels a; name one of them .*; got 'c'"),
        (None, [Input()], "X must be data: .*; got None"),
        ({"a": A, "b": None}, TWO, "X must be data: .*; got None"),
    ],
)
def test_channels_that_are_not_those_of_the_network_are_refused(x, inputs, words):
    with pytest.raises(DataError, match=words):
        channels_and_labels(x, None, inputs, "X")


def test_columns_of_a_table_are_chosen_by_channel_or_for_the_only_one():
    table = pd.DataFrame({"u": [1.0, 2.0], "v": [3.0, 4.0]})
    (reader,) = opened(table, [Input()], columns=("v",)).values()
    assert reader.read(slice(0, 2)).tolist() == [[3], [4]] and reader.columns == ("v",)
    found = opened({"a": table, "b": table}, TWO, columns={"b": ("v", "u")})
    assert found["a"].columns == ("u", "v") and found["b"].read(slice(0, 1)).tolist() == [[3, 1]]


def test_columns_of_other_channels_and_of_labels_are_not_features(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("p,q,r,s\n1,2,3,4\n5,6,7,8\n")
    with pytest.warns(ArignoteWarning, match=r"left out of the features: 'q' \(channel 'a'\), 's' \(labels\)"):
        found = opened({"a": f"{path}:q", "b": path}, TWO, others={"labels": f"{path}:s"})
    assert found["a"].columns == ("q",) and found["b"].columns == ("p", "r")
    assert found["b"].read(slice(0, 2)).tolist() == [[1, 3], [5, 7]]
    # Data in memory is beside no file.
    assert opened({"a": A[:2], "b": path}, TWO)["b"].columns == ("p", "q", "r", "s")


def test_the_format_of_a_text_table_is_that_given():
    assert opened(A, [Input()], csv={"header": False})[ALONE].shape == (4, 2)


def test_a_text_table_is_read_in_the_format_given_and_arrays_in_files_are_not(tmp_path):
    (tmp_path / "t.csv").write_text("1;2\n3;4\n")
    np.save(tmp_path / "a.npy", A[:2])
    x = {"a": str(tmp_path / "t.csv"), "b": tmp_path / "a.npy"}
    found = opened(x, TWO, csv={"header": False, "delimiter": ";"})
    assert found["a"].read(slice(0, 2)).tolist() == [[1, 2], [3, 4]] and found["b"].shape == (2, 2)
    # Detected would be a table without names.
    (named,) = opened(tmp_path / "t.csv", [Input()], csv={"header": True}).values()
    assert named.columns == ("1", "2") and named.read(slice(0, 1)).tolist() == [[3, 4]]


def test_columns_of_a_file_are_those_that_were_trained_on_in_their_order(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("p,q,r\n1,2,3\n4,5,6\n")
    (reader,) = opened(path, [Input()], columns=("r", "p")).values()
    assert reader.columns == ("r", "p") and reader.read(slice(0, 2)).tolist() == [[3, 1], [6, 4]]


ROOMS = pd.DataFrame({"room": [12.0, 12.0], "area": [20.5, 31.0]})


@pytest.mark.parametrize(
    ("x", "columns", "text", "places"),
    [
        (ROOMS.assign(kind=["a", "b"]), (), True, (2,)),
        # Numbers here, but of the training rows text.
        (ROOMS, (), ("room",), (0,)),
        (ROOMS.to_numpy(object), ("room", "area"), ("area",), (1,)),
        (ROOMS.to_numpy(object), (), ("1",), (1,)),
    ],
)
def test_columns_of_a_table_in_memory_are_text_if_they_hold_it_or_are_named(x, columns, text, places):
    (reader,) = opened(x, [Input()], columns=columns, mixed={ALONE: text}).values()
    assert reader.text == places and reader.read(slice(0, 1))[0, 0] == 12


def test_columns_of_a_file_are_text_if_they_hold_it_or_are_named(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("code,kind\n01,a\n02,b\n")
    known = get_reader(path, mixed=True)
    for source, text, row in (
        (path, True, [1.0, "a"]),
        (path, ("code", "kind"), ["01", "a"]),
        (known, ("code", "kind"), ["01", "a"]),
    ):
        (reader,) = opened(source, [Input()], mixed={ALONE: text}).values()
        assert reader.read(slice(0, 1)).tolist() == [row]


def test_what_is_no_number_is_refused_by_its_kind():
    days = pd.DataFrame({"day": pd.to_datetime(["2026-01-01"]), "n": np.array([1], object)})
    with pytest.raises(DataError, match=r"^X: column 'day' must be numbers; got datetime64"):
        opened(days, [Input()])
    with pytest.raises(DataError, match=r'encoded by preprocess \[\["OneHot"\]\]$') as text:
        opened(np.array([[1, "a"]], object), [Input()])
    assert not isinstance(text.value, DataTypeError)
    # Columns are of a table only.
    with pytest.raises(DataError, match=r"'a'\)$"):
        opened(np.array([[[1, "a"]]], object), [Input()])
    with pytest.raises(DataTypeError, match="X must be numbers; got objects"):
        opened(np.array([[1, {}]], object), [Input()])
    with pytest.raises(DataError, match=r"^valid must have the shape \(rows, features\) as a sparse matrix; got \(2,"):
        open_channels({ALONE: sparse.coo_array([1.0, 2.0])}, [Input()], "valid", (), {}, None)


RAGGED = [[1.0, 2.0], [3.0], [4.0, 5.0, 6.0]]
STEPS = [[1, 2, 0], [3, 0, 0], [4, 5, 6]]
FLAT, PADDED = np.arange(1.0, 7.0), np.array([[1, 2, 9], [3, 9, 9], [4, 5, 6.0]])


@pytest.mark.parametrize(
    ("x", "declared"),
    [
        (RAGGED, Input(lengths=True, steps="n")),
        ({"a": PADDED, "n": [2, 1, 3]}, Input("a", lengths="n", steps="n")),
        ({"a": PADDED, "n": np.array([[2.0], [1.0], [3.0]])}, Input("a", lengths="n", steps="n")),
        ({"a": FLAT, "n": [2, 1, 3]}, Input("a", lengths="n", steps="n")),
        ({"a": FLAT, "n": [0, 2, 3]}, Input("a", offsets="n", steps="n")),
        ({"a": FLAT, "n": [0, 2, 3, 6]}, Input("a", offsets="n", steps="n")),
    ],
)
def test_sequences_are_padded_beside_their_lengths(x, declared):
    assert fields(x, declared) == {declared.field: STEPS, "n": [2, 1, 3]}


def test_sequences_of_a_mask_keep_their_places():
    mask = [[0, 2, 1], [1, 0, 0], [1, 1, 1]]
    found = fields({"a": PADDED, "m": np.array(mask)}, Input("a", mask="m", steps="m"))
    assert found["a"] == [[0, 2, 9], [3, 0, 0], [4, 5, 6]] and found["m"] == np.array(mask, bool).tolist()


def test_sequences_are_padded_to_the_steps_of_the_network():
    longer = [[*row, 0] for row in STEPS]
    assert fields(RAGGED, Input(lengths=True, steps="n", n_steps=4))["x"] == longer
    for key in ("lengths", "offsets"):
        x = {"a": FLAT, "n": [2, 1, 3] if key == "lengths" else [0, 2, 3]}
        assert fields(x, Input("a", steps="n", n_steps=4, **{key: "n"}))["a"] == longer
    two = (Input("a", lengths=True, steps="n", n_steps=4), Input("b"))
    assert fields({"a": RAGGED, "b": B[:3]}, *two) == {"a": longer, "n": [2, 1, 3], "b": B[:3].tolist()}


def test_rows_of_a_reader_are_sequences_of_all_their_steps():
    assert fields(Chunked(PADDED), Input(lengths=True, steps="n")) == {"x": PADDED.tolist(), "n": [3, 3, 3]}
    with pytest.raises(DataError, match=r"^X must be sequences \(rows, steps, ...\); got \(6,\)"):
        fields(Chunked(FLAT), Input(lengths=True, steps="n"))


def test_rows_alone_are_no_fields():
    assert fields(A, Input()) == {ALONE: A.tolist()}
    assert fields({"a": A, "b": B}, *TWO) == {"a": A.tolist(), "b": B.tolist()}


@pytest.mark.parametrize(
    ("lengths", "words"),
    [
        ([2, 1, 2.5], r"the lengths of X must be whole numbers \(rows,\); got float64 of the shape \(3,\)"),
        (np.ones((3, 2)), r"the lengths of X must be whole numbers \(rows,\); got float64 of the shape \(3, 2\)"),
        (np.array(["2", "1", "3"]), r"the lengths of X must be whole numbers \(rows,\); got <U1"),
        ([1, 1], r"X must be sequences .* of as many rows as their lengths or mask have, 2"),
    ],
)
def test_lengths_that_are_none_are_refused(lengths, words):
    with pytest.raises(DataError, match=words):
        fields({"a": PADDED, "n": lengths}, Input("a", lengths="n", steps="n"))


def test_errors_of_several_inputs_name_the_channel():
    inputs = (Input("a", mask="m", steps="m"), Input("b"))
    with pytest.raises(DataError, match=r"the mask of X\['a'\] must have the shape \(rows, steps\); got \(3,\)"):
        fields({"a": PADDED, "m": np.ones(3), "b": B[:3]}, *inputs)
    with pytest.raises(DataError, match="the mask of X must be finite numbers; row 1 is not"):
        fields({"a": PADDED, "m": np.where(PADDED == 3, np.nan, 1.0)}, inputs[0])
    with pytest.raises(DataError, match=r"the mask of X must have"):
        fields({"a": PADDED, "m": np.ones(3)}, inputs[0])
