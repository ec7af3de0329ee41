"""Networks on tables with numbers, categories and missing values: from frames and files, stored and resumed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from promise import Stopped, digest, killed_after
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from arignote import ArignoteWarning, DataError, NNClassifier, NNRegressor
from arignote.data.epoch import order
from arignote.data.readers import chunked, sources
from arignote.data.readers import csv as of_csv
from arignote.data.rows import selection as rows

RNG = np.random.default_rng(17)
N = 200
STEPS = [
    ["Impute", {"strategy": "median"}],
    ["Impute", {"strategy": "most_frequent", "columns": "category"}],
    ["Standardise"],
    ["OneHot"],
]
LAYERS = [["FCLayer", {"n_units": 6}], ["DropoutLayer", {"dropout_p": 0.2}], ["ClassificationOutputLayer"]]
SETTINGS = {"n_epochs": 2, "batch_size": 32, "valid": 0.2, "sgd_type": "momentum", "preprocess": STEPS}


def patients(n=N):
    """Return a table of patients, made up: relapses are more frequent at high C-reactive protein and among smokers."""
    table = pd.DataFrame(
        {
            "id": [f"p{row:03}" for row in range(n)],
            "age": RNG.integers(18, 90, n),
            "sex": RNG.choice(["f", "m"], n),
            "site": RNG.choice(["north", "south", "east"], n),
            "crp": RNG.gamma(2.0, 8.0, n).round(1),
            "smoker": RNG.choice(["yes", "no"], n, p=[0.3, 0.7]),
        }
    )
    risk = table.crp / 16 + (table.smoker == "yes") + RNG.normal(0, 0.3, n)
    table["outcome"] = np.where(risk > 1.5, "relapse", "recovered")
    table.loc[RNG.choice(n, n // 10, replace=False), "crp"] = np.nan
    table.loc[RNG.choice(n, n // 10, replace=False), "site"] = None
    return table


TABLE = patients()
X, Y = TABLE.drop(columns=["id", "outcome"]), TABLE["outcome"]


def fit(x=X, y=Y, **more):
    return NNClassifier(LAYERS, rng=5, **SETTINGS | more).fit(x, y)


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    TABLE.to_csv("t.csv", index=False)
    TABLE.to_parquet("t.parquet")


def test_the_network_sees_what_a_column_transformer_makes_of_the_table():
    train = np.delete(np.arange(N), held_out := np.arange(0, N, 7))
    numbers, words = ["age", "crp"], ["sex", "site", "smoker"]
    transformer = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
            ("words", make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()), words),
        ],
        sparse_threshold=0,
    )
    seen = transformer.fit(X.iloc[train]).transform(X).astype(np.float32)
    found, expected = fit(valid=held_out), fit(seen, valid=held_out, preprocess=None)
    assert found.network_.architecture.n_in == (2 + 2 + 3 + 2,)
    assert np.allclose(found.layer_output(X, "input"), seen, atol=1e-5)
    assert np.allclose(found.predict_proba(X), expected.predict_proba(seen), atol=1e-4)
    assert found.n_features_in_ == 5 and found.feature_names_in_.tolist() == list(X.columns)
    assert found.classes_.tolist() == ["recovered", "relapse"]
    assert found.evaluate(X, Y, part="valid")["nll"] == pytest.approx(found.history_[-1]["valid_nll"])


def test_a_frame_and_its_files_give_the_same_bits_and_take_each_others_rows(in_folder):
    expected = fit()
    reordered = X[X.columns[::-1]].assign(other="x")
    for name in ("t.csv", "t.parquet"):
        found = fit(f"{name}:!id,!outcome", f"{name}:outcome")
        assert digest(found) == digest(expected)
        assert np.array_equal(found.predict_proba(reordered), expected.predict_proba(f"{name}:!id"))
        assert found.evaluate(f"{name}:!id,!outcome", f"{name}:outcome", part="valid") == expected.evaluate(
            X, Y, part="valid"
        )
    # A file in which each of a column's categories looks like a number, or is missing.
    X.assign(site=7, smoker=None).to_csv("odd.csv", index=False)
    with pytest.raises(DataError, match=r"OneHot: column 'site' holds '7', which no training row holds"):
        expected.predict("odd.csv")
    of_missing = X.assign(smoker=np.nan)
    assert np.array_equal(expected.predict(of_missing), expected.predict(X.assign(smoker=X.smoker.mode()[0])))


@pytest.mark.parametrize("library", ["pyarrow", "polars"])
def test_a_table_of_another_library_and_its_column_of_text_are_those_of_pandas(library):
    needed = pytest.importorskip(library, reason=f"pip install {library}")
    whole = needed.Table.from_pandas(TABLE) if library == "pyarrow" else needed.from_pandas(TABLE)
    x, y = whole.select(list(X.columns)), whole["outcome"]
    found, expected = fit(x, y), fit()
    assert digest(found) == digest(expected) and found.classes_.tolist() == ["recovered", "relapse"]
    assert found.feature_names_in_.tolist() == list(X.columns)
    assert found.predict(whole).tolist() == expected.predict(X).tolist()
    assert found.confusion(whole, y, part="valid")[1] == expected.confusion(X, Y, part="valid")[1]
    with pytest.raises(DataError, match=r"X lacks the column 'crp', which the network was trained on"):
        found.predict(whole.select(["age", "sex", "site", "smoker"]))
    scores = [cross_val_score(NNClassifier(LAYERS, rng=1, **SETTINGS), one, Y, cv=2) for one in (x, X)]
    assert np.array_equal(*scores)


def test_what_is_learned_is_stored_as_arrays_and_read_again(tmp_path):
    stem = str(tmp_path / "run")
    fitted = fit(checkpoint=stem)
    stored = fitted.state_.preprocess
    assert all(array.dtype.kind in "biuf" for array in stored.values())
    assert bytes(stored["3.levels"]).decode() == (
        '[["sex", ["f", "m"]], ["site", ["east", "north", "south"]], ["smoker", ["no", "yes"]]]'
    )
    loaded = NNClassifier.load(stem)
    assert np.array_equal(loaded.predict_proba(X), fitted.predict_proba(X))
    assert fit(checkpoint=stem).status_.startswith("finished")
    loaded.state_.preprocess["3.levels"] = stored["3.levels"][:-1]
    with pytest.raises(DataError, match="preprocess: what was learned of the columns cannot be read"):
        loaded.predict(X)


@pytest.mark.slow
@pytest.mark.parametrize("n_workers", [0, 2])
def test_a_table_in_chunks_of_a_file_is_resumed_in_the_same_bits(n_workers, in_folder, monkeypatch):
    for module in (rows, order):
        monkeypatch.setattr(module, "BLOCK_BYTES", 2 * 16 * 40)
    for module in (chunked, of_csv):
        monkeypatch.setattr(module, "CHUNK_ROWS", 16)
    monkeypatch.setattr(of_csv.CSVReader, "chunk_rows", 16)
    monkeypatch.setattr(sources, "IN_MEMORY", 0)
    TABLE[:80].to_csv("t.csv", index=False)
    given = {"x": "t.csv:!id,!outcome", "y": "t.csv:outcome", "n_workers": n_workers, "batch_size": 16}
    whole = fit(**given)
    assert whole.state_.data["order"]["kind"] == "chunks"
    assert whole.state_.progress.n_updates == 8
    for k in (1, 4, 6):
        stem = f"run{k}"
        with pytest.raises(Stopped):
            fit(**given, checkpoint=stem, checkpoint_every=1, observers=killed_after(k))
        ended = fit(**given, checkpoint=stem)
        assert digest(ended) == digest(whole) and len(ended.state_.starts) == 2


def test_a_table_may_be_one_channel_of_several():
    layers = [
        ["InputLayer", {"channel": "signal"}],
        ["FCLayer", {"name": "fc", "n_units": 4}],
        ["InputLayer", {"channel": "patient"}],
        ["ConcatLayer", {"inputs": ["fc", "patient"]}],
        ["ClassificationOutputLayer"],
    ]
    signal = RNG.normal(size=(N, 3))
    settings = SETTINGS | {"preprocess": {"patient": STEPS}}
    found = NNClassifier(layers, rng=5, **settings).fit({"signal": signal, "patient": X}, Y)
    assert found.network_.architecture.n_in == {"signal": (3,), "patient": (9,)}
    assert found.predict({"signal": signal[:4], "patient": X[X.columns[::-1]][:4]}).shape == (4,)


def test_a_category_of_held_out_rows_alone_is_reported_before_training(tmp_path):
    other = X.assign(site=["elsewhere", *X.site[1:]])
    stem = tmp_path / "run"
    with pytest.raises(DataError, match=r"valid: OneHot: column 'site' holds 'elsewhere', which no training row holds"):
        fit(other, valid=[0, 1, 2], checkpoint=str(stem))
    assert list(tmp_path.iterdir()) == []
    lenient = [*STEPS[:3], ["OneHot", {"handle_unknown": "ignore"}]]
    assert fit(other, valid=[0, 1, 2], preprocess=lenient).layer_output(other, "input")[0, 4:7].tolist() == [0, 0, 0]
    with (
        pytest.raises(DataError, match=r"X has 4 features, but is expected to have 5, as the training rows"),
        pytest.warns(ArignoteWarning, match="valid feature names"),
    ):
        fit().predict(X.to_numpy()[:, :4])


def test_a_search_chooses_among_strategies():
    search = GridSearchCV(
        NNRegressor([["RegressionOutputLayer"]], rng=1, n_epochs=1, batch_size=50, preprocess=STEPS),
        {"preprocess": [[*STEPS[1:3], ["Impute", {"strategy": how}], ["OneHot"]] for how in ("mean", "median")]},
        cv=2,
    )
    table = X.assign(crp=X.crp.fillna(1.0))
    assert search.fit(table, X.age).best_params_["preprocess"][2][0] == "Impute"
