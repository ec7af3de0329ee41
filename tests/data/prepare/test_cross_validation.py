"""A cross-validation splitter as `valid`: the rows are those of its first split, each time a run is resumed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import coo_array
from sklearn.model_selection import (
    GroupShuffleSplit,
    KFold,
    PredefinedSplit,
    ShuffleSplit,
    StratifiedKFold,
    TimeSeriesSplit,
)

from arignote import DataError, NNClassifier
from arignote.data.inputs import Input
from arignote.data.prepare.fit_data import FitData
from arignote.data.prepare.prepared import prepare
from arignote.spec.settings import FitSettings

X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
Y = np.repeat(["a", "b"], [30, 10])
GROUPS = np.arange(40) // 4
MLP = [["FCLayer", {"n_units": 3}], ["ClassificationOutputLayer"]]


def parts(splitter, seed=1, **given):
    found = prepare(FitData(X, Y, valid=splitter, **given), FitSettings(batch_size=5), seed).subsets
    return {name: rows.index for name, (rows, _) in found.items()}


class Drawn:
    """A splitter that draws from the global generator."""

    def get_n_splits(self, *_):
        return 1

    def split(self, X, y, groups):
        order = np.random.permutation(len(X))
        yield order[:30], order[30:]


class ByFeature(Drawn):
    """A splitter that looks at the features, and at the labels as they were given."""

    def split(self, X, y, groups):
        late = (X[:, 0] > 0) & (y == "a")
        yield np.flatnonzero(~late), np.flatnonzero(late)


@pytest.mark.parametrize(
    ("splitter", "groups"),
    [
        (StratifiedKFold(5), None),
        (KFold(3, shuffle=True, random_state=7), None),
        (ShuffleSplit(1, test_size=0.3, random_state=0), None),
        (GroupShuffleSplit(1, random_state=3), GROUPS),
        (PredefinedSplit(np.arange(40) % 3 - 1), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_rows_are_those_of_the_first_split_of_scikit_learn(splitter, groups):
    train, valid = next(iter(splitter.split(X, Y, groups)))
    found = parts(splitter, groups=groups)
    assert found["train"].tolist() == np.sort(train).tolist() and found["valid"].tolist() == np.sort(valid).tolist()


def test_rows_that_a_split_leaves_out_belong_to_no_part():
    found = parts(TimeSeriesSplit(3))
    assert found["train"].tolist() == list(range(10)) and found["valid"].tolist() == list(range(10, 20))
    # Test rows are taken from those that are left to train on.
    with_test = parts(TimeSeriesSplit(3), test=0.1)
    assert len(with_test["test"]) == 4 and set(with_test["test"]) <= set(range(10))
    assert sorted([*with_test["train"], *with_test["test"]]) == list(range(10))


def test_a_splitter_that_is_not_seeded_follows_from_the_seed_of_the_run_and_stays_as_it_is():
    splitter = ShuffleSplit(1)
    first = parts(splitter, seed=1)["valid"].tolist()
    assert parts(splitter, seed=1)["valid"].tolist() == first != parts(splitter, seed=2)["valid"].tolist()
    assert splitter.random_state is None
    # A generator that it holds is not drawn from.
    held = ShuffleSplit(1, random_state=np.random.RandomState(5))
    assert parts(held)["valid"].tolist() == parts(held)["valid"].tolist()


def test_a_splitter_sees_features_and_labels():
    late = np.flatnonzero((X[:, 0] > 0) & (Y == "a"))
    assert parts(ByFeature())["valid"].tolist() == late.tolist()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"valid": Drawn()}, "valid: Drawn gives other rows each time, .* Give it a fixed random_state"),
        ({"valid": GroupShuffleSplit(1)}, "GroupShuffleSplit cannot split these rows: The 'groups' parameter"),
        ({"valid": KFold(50)}, "KFold cannot split these rows: .*n_splits=50"),
        ({"valid": PredefinedSplit(np.zeros(40))}, "leaves no row for it, or none to train on"),
        ({"test": KFold(3)}, "test must be a fraction, row numbers or data: a splitter chooses valid alone"),
        ({"valid": KFold(3), "test": [0]}, "row 0 already belongs to another subset"),
    ],
)
def test_a_splitter_that_cannot_be_used_is_refused(given, words):
    with pytest.raises(DataError, match=words):
        prepare(FitData(X, Y, **given), FitSettings(batch_size=5), seed=1)


def test_a_run_resumes_in_the_same_bits_and_finds_its_rows_again(tmp_path):
    def fitted(n_epochs, valid, **more):
        return NNClassifier(MLP, rng=1, batch_size=8, valid=valid).fit(X, Y, n_epochs=n_epochs, **more)

    whole = fitted(3, ShuffleSplit(1))
    fitted(1, ShuffleSplit(1), checkpoint=str(tmp_path / "run"))
    resumed = fitted(3, ShuffleSplit(1), checkpoint=str(tmp_path / "run"))
    assert resumed.status_.startswith("resumes at epoch 2")
    assert all((resumed.params[name] == array).all() for name, array in whole.params.items())
    loaded = NNClassifier.load(str(tmp_path / "run"))
    with pytest.raises(DataError, match="row numbers or a splitter, which a run does not keep"):
        loaded.evaluate(X, Y, part="valid")
    found = loaded.set_params(valid=ShuffleSplit(1)).evaluate(X, Y, part="valid")
    assert found["nll"] == pytest.approx(whole.best_["value"])
    with pytest.raises(DataError, match="these are not the valid rows of the run"):
        loaded.set_params(valid=ShuffleSplit(1, random_state=5)).evaluate(X, Y, part="valid")


@pytest.mark.parametrize("channels", [False, True])
def test_a_sparse_matrix_is_split_without_a_dense_copy(channels):
    # 40 rows, of which a dense copy would have 40 GiB.
    wide = coo_array((np.ones(40, np.float32), (np.arange(40), np.arange(40))), shape=(40, 1 << 28)).tocsr()
    inputs = (Input("wide"), Input("x")) if channels else (Input(),)
    data = FitData({"wide": wide, "x": X} if channels else wide, Y, valid=StratifiedKFold(5), inputs=inputs)
    found = prepare(data, FitSettings(batch_size=5), 1).subsets
    _, valid = next(StratifiedKFold(5).split(np.zeros(40), Y))
    assert found["valid"][0].index.tolist() == valid.tolist()


class Fixed(Drawn):
    """A splitter that gives what it is told."""

    def __init__(self, train, valid):
        self.parts = train, valid

    def split(self, X, y, groups):
        yield self.parts


@pytest.mark.parametrize(
    ("train", "valid", "words"),
    [
        (np.arange(30), np.arange(30, 41), r"must hold row numbers in \[0, 40\)"),
        (np.arange(-3, 30), np.arange(30, 40), r"must hold row numbers in \[0, 40\)"),
        (np.arange(31), np.arange(30, 40), "must not have rows in both subsets; row 30 is"),
        (np.arange(40) < 30, np.arange(40) >= 30, "must give row numbers"),
    ],
)
def test_rows_that_are_not_there_or_in_both_parts_are_refused(train, valid, words):
    with pytest.raises(DataError, match=f"valid: .*{words}"):
        parts(Fixed(train, valid))
