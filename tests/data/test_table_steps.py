"""OneHot and Impute: the numbers of scikit-learn's ColumnTransformer on the same table, in chunks of any size."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

from arignote import ArignoteWarning, ConfigError, DataError
from arignote.data import table_steps
from arignote.data.inputs import Input
from arignote.data.pipeline import Pipeline
from arignote.data.readers.windows import Windows
from arignote.data.rows.open_rows import rows_of
from arignote.data.rows.row_preprocessing import fit_preprocessing, preprocessed
from arignote.registry import build, dump

RNG = np.random.default_rng(8)
N = 60
TABLE = pd.DataFrame(
    {
        "sex": RNG.choice(["f", "m"], N),
        "age": RNG.integers(20, 90, N),
        "site": RNG.choice(["north", "south", "east"], N, p=[0.5, 0.3, 0.2]),
        "bmi": RNG.normal(25, 4, N),
        "stage": RNG.choice([1, 2, 4], N),
        "smoker": RNG.choice([True, False], N),
    }
)
TABLE.loc[[3, 7, 20, 41], "bmi"] = np.nan
TABLE.loc[[5, 20, 33], "site"] = None
TRAIN = np.r_[5:60]
NUMBERS = ["age", "bmi", "smoker"]


def ours(parts, table=TABLE, train=TRAIN, n_chunk=None, monkeypatch=None):
    """Return all rows, preprocessed by what is learned of the training rows."""
    whole = rows_of(table, preprocess=parts)
    if n_chunk is not None:
        monkeypatch.setattr("arignote.data.rows.selection.BLOCK_BYTES", 8 * whole.reader.shape[1] * n_chunk)
    learned = fit_preprocessing(whole.take(train), parts)
    return preprocessed(whole, parts, learned).features(slice(0, len(whole)))


def theirs(*steps):
    """Return the same by scikit-learn, from (transformer, columns)."""
    named = [(str(at), *step) for at, step in enumerate(steps)]
    return ColumnTransformer(named, sparse_threshold=0).fit(TABLE.iloc[TRAIN]).transform(TABLE).astype(np.float64)


@pytest.mark.parametrize("n_chunk", [None, 7])
@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent"])
def test_a_mixed_table_is_transformed_as_by_a_column_transformer(strategy, n_chunk, monkeypatch):
    parts = [
        ["Impute", {"strategy": strategy, "columns": "number"}],
        ["Impute", {"strategy": "most_frequent", "columns": "category"}],
        ["OneHot", {"columns": ["stage"]}],
        ["Standardise"],
        ["OneHot"],
    ]
    found = ours(parts, n_chunk=n_chunk, monkeypatch=monkeypatch)
    expected = theirs(
        (make_pipeline(SimpleImputer(strategy=strategy), StandardScaler()), NUMBERS),
        (OneHotEncoder(), ["stage"]),
        (make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()), ["sex", "site"]),
    )
    assert found.shape == (N, 3 + 3 + 2 + 3) and found.dtype == np.float32
    assert np.allclose(found, expected, atol=1e-5)


def test_a_missing_category_is_one_of_its_own_and_a_constant_another():
    # scikit-learn puts a missing category last, too.
    found = ours([["Impute"], ["MinMax"], ["OneHot"]])
    numbers = make_pipeline(SimpleImputer(), MinMaxScaler())
    assert np.allclose(found, theirs((numbers, ["age", "bmi", "stage", "smoker"]), (OneHotEncoder(), ["sex", "site"])))
    parts = [["Impute", {"strategy": "constant", "columns": "site,bmi"}], ["OneHot"]]
    in_order = SimpleImputer(strategy="constant", fill_value=0), ["bmi"]
    of_site = make_pipeline(SimpleImputer(strategy="constant", fill_value="missing_value"), OneHotEncoder())
    expected = theirs(
        ("passthrough", ["age"]),
        in_order,
        ("passthrough", ["stage", "smoker"]),
        (OneHotEncoder(), ["sex"]),
        (of_site, ["site"]),
    )
    assert np.allclose(ours(parts), expected)
    given = [
        ["Impute", {"strategy": "constant", "fill_value": -1.5}],
        ["OneHot", {"columns": "!age,!bmi,!stage,!smoker"}],
    ]
    assert ours(given)[3].tolist()[:3] == [TABLE.age[3], -1.5, TABLE.stage[3]]


def test_positions_are_those_of_the_whole_table_in_every_step():
    table = pd.DataFrame({"a": [1.0, 2.0], "b": [5.0, 3.0], "c": ["x", "y"]})
    parts = [["OneHot", {"columns": 0}], ["OneHot", {"columns": [1, 2]}]]
    assert ours(parts, table, np.arange(2)).tolist() == [[1, 0, 0, 1, 1, 0], [0, 1, 1, 0, 0, 1]]
    parts = [["OneHot", {"columns": "a"}], ["OneHot", {"columns": "!b"}]]
    assert ours(parts, table, np.arange(2)).tolist() == [[5, 1, 0, 1, 0], [3, 0, 1, 0, 1]]


def test_an_unknown_category_is_an_error_or_zeros_as_in_scikit_learn():
    site = TABLE[["site"]].dropna()
    train = np.flatnonzero(site.site == "north")
    assert ours([["OneHot", {"handle_unknown": "ignore"}]], site, train).tolist() == [
        [float(value == "north")] for value in site.site
    ]
    with pytest.raises(DataError, match=r"OneHot: column 'site' holds '(east|south)', which no training row holds"):
        ours([["OneHot"]], site, train)
    with pytest.raises(DataError, match=r"OneHot: column 'site' holds a missing value, which no training row holds"):
        ours([["OneHot"]], pd.DataFrame({"site": ["a", None]}), np.array([0]))


def test_missing_numbers_of_arrays_are_replaced_by_what_is_learned_of_the_training_rows():
    x = RNG.normal(size=(N, 3))
    x[2, 0] = x[9, 2] = x[30, 2] = np.nan
    expected = SimpleImputer(strategy="median").fit(x[TRAIN]).transform(x)
    parts = [["Impute", {"strategy": "median"}]]
    assert np.allclose(ours(parts, x), expected, atol=1e-6)
    assert np.allclose(ours(parts, sparse.csr_array(x)), expected, atol=1e-6)
    # Those of no chosen column are an error before anything is read.
    with pytest.raises(DataError, match=r"X row 9 holds nan in column 2"):
        ours([["Impute", {"columns": [0, 1]}]], x)
    with pytest.raises(DataError, match=r"X row 4 holds inf in column 1"):
        ours(parts, np.where(np.arange(3 * N).reshape(N, 3) == 13, np.inf, x))


def test_the_median_of_many_values_is_that_of_numpy():
    x = RNG.integers(0, 9, (101, 1)).astype(float)
    for n in (100, 101):
        part = build("preprocess", ["Impute", {"strategy": "median"}])
        learned = part.fit([x[:40], x[40:n]])
        assert part.apply(learned, np.array([[np.nan]])).item() == np.median(x[:n])


def test_of_equally_frequent_values_the_smallest_is_taken():
    part = build("preprocess", ["Impute", {"strategy": "most_frequent"}])
    x = np.array([[3.0, "b"], [1.0, "a"], [3.0, "a"], [1.0, "b"], [np.nan, None]], object)
    learned = part.fit([x])
    one_hot = build("preprocess", "OneHot")
    assert Pipeline([part, one_hot]).steps == (part, one_hot)
    filled = part.transform(learned, table_steps.TableRows.of(x, learned["text"]))
    assert filled.numbers[4].tolist() == [1.0] and filled.words[4].tolist() == ["a"]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([["OneHot", {"columns": ["sit"]}]], r"X: has no column 'sit'. Did you mean 'site'"),
        (
            [["Impute"]],
            r"X holds text in the columns 'sex', 'site', which no step of preprocess encodes. Add \[\"OneHot",
        ),
        ([["OneHot", {"columns": "sex"}]], r"X holds text in the columns 'site'"),
        (
            [["OneHot"], ["OneHot", {"columns": "sex"}]],
            r"X: an earlier step of preprocess has encoded the column 'sex'",
        ),
        (
            [["Impute", {"columns": "age,sex"}], ["OneHot"]],
            r"X: Impute with mean is for columns of numbers; 'sex' is none",
        ),
        (
            [["Impute", {"strategy": "constant", "fill_value": "x", "columns": "age"}], ["OneHot"]],
            r"X: Impute with fill_value 'x' is for columns of text; 'age' is none",
        ),
    ],
)
def test_columns_that_do_not_suit_a_step_are_reported_before_training(parts, words):
    with pytest.raises(DataError, match=words):
        rows_of(TABLE, preprocess=parts)


def test_what_cannot_be_learned_is_reported_with_the_way_out(monkeypatch):
    table = pd.DataFrame({"a": [np.nan, np.nan], "b": [1.0, 2.0]})
    with pytest.raises(DataError, match=r"Impute: column 'a' is missing in every training row. Leave it out, or give"):
        ours([["Impute"]], table, np.arange(2))
    monkeypatch.setattr(table_steps, "IN_MEMORY", 1000)
    with pytest.raises(DataError, match=r"Impute: median needs more than 256 MB for the values of 4 columns. Choose"):
        ours([["Impute", {"strategy": "median"}], ["OneHot"]])
    with pytest.raises(ConfigError, match='fill_value goes with strategy "constant" only'):
        build("preprocess", ["Impute", {"fill_value": 1.0}])
    names = pd.DataFrame({"name": [f"n{row}" for row in range(N)], "age": TABLE.age})
    with pytest.warns(ArignoteWarning, match=r"OneHot: column 'name' has 60 values in 60 rows.*columns: \"!name\""):
        assert ours([["OneHot"]], names, np.arange(N)).shape == (N, 61)
    images = RNG.normal(size=(4, 1, 2, 2))
    with pytest.raises(DataError, match=r"OneHot and Impute are for tables, \(rows, columns\); got \(4, 1, 2, 2\)"):
        ours([["Impute"]], images, np.arange(4))


def test_the_steps_of_sequences_are_rows_of_a_table():
    sequences = [RNG.integers(0, 3, (n, 2)).astype(float) for n in (4, 2, 3)]
    sequences[1][0, 1] = sequences[2][2, 1] = np.nan
    parts, inputs = [["Impute"], ["OneHot", {"columns": 0}]], (Input("x", lengths=True, steps="n"),)
    whole = rows_of(sequences, inputs=inputs, preprocess=parts)
    found = preprocessed(whole, parts, fit_preprocessing(whole, parts)).features(slice(0, 3))["x"]
    steps = np.concatenate(sequences)
    filled = SimpleImputer().fit_transform(steps[:, 1:])
    expected = np.hstack([filled, OneHotEncoder(sparse_output=False).fit_transform(steps[:, :1])])
    assert found.shape == (3, 4, 4) and np.allclose(found[0], expected[:4]) and np.allclose(found[1, :2], expected[4:6])
    assert not found[1, 2:].any() and np.allclose(found[2, :3], expected[6:])
    with pytest.raises(DataError, match=r"X row 1 holds nan at \[0, 1\]"):
        rows_of(sequences, inputs=inputs, preprocess=["Standardise"])
    with pytest.raises(DataError, match=r"got \(3, 3, 2\). Fill in a series before windows are cut out of it"):
        rows_of(np.zeros((5, 2)), preprocess=parts, windows=Windows(length=3, step=1))


@pytest.mark.parametrize(
    "spec",
    [
        ["OneHot", {"columns": ["a", 3, "!b"], "handle_unknown": "ignore"}],
        ["OneHot", {"columns": "category"}],
        ["Impute", {"strategy": "constant", "fill_value": "none", "columns": "a:c"}],
        ["Impute", {"strategy": "constant", "fill_value": 2}],
    ],
)
def test_a_spec_is_given_back_whole(spec):
    part = build("preprocess", spec)
    assert build("preprocess", dump(part)) == part and dump(part)[1].items() >= spec[1].items()
