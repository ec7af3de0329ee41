"""A fit with a folder in place of a stem: the name of its files, and the data, which is opened once."""

from __future__ import annotations

import h5py
import numpy as np
from sklearn.model_selection import GridSearchCV

from arignote import NNClassifier
from arignote.data import Reader

LAYERS = [["FCLayer", {"n_units": 3}], ["ClassificationOutputLayer", {"n_classes": 2}]]
X = (np.arange(40) % 7).reshape(20, 2).astype(np.float32)
Y = np.arange(20) % 2


class Counted(Reader):
    """Rows of an array; counts how often rows are read."""

    where, chunk_rows = "counted", 5

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.n_read = array, array.shape, array.dtype, 0

    def read(self, rows):
        found = self.array[rows]
        self.n_read += len(found)
        return found


def fitted(x, y, checkpoint, **settings):
    settings = {"n_epochs": 1, "batch_size": 4, "valid": 0.2} | settings
    return NNClassifier(LAYERS, rng=1, **settings).fit(x, y, checkpoint=checkpoint)


def test_a_search_over_the_number_of_epochs_scores_networks_of_these_epochs_though_a_folder_has_longer_runs(tmp_path):
    def scores(numbers, **more):
        search = GridSearchCV(NNClassifier(LAYERS, rng=1, batch_size=4, **more), {"n_epochs": numbers}, cv=2)
        return dict(zip(numbers, search.fit(X, Y).cv_results_["mean_test_score"].tolist(), strict=True))

    expected = scores([6, 1])
    assert expected[6] != expected[1]
    folder = {"checkpoint": f"{tmp_path}/"}
    assert [scores(numbers, **folder) for numbers in ([1, 6], [6, 1], [1, 6])] == [expected] * 3


def test_a_folder_costs_no_second_pass_over_the_data(tmp_path):
    n_read = []
    for checkpoint in (f"{tmp_path}/stem", f"{tmp_path}/folder/"):
        readers = Counted(X), Counted(Y)
        fitted(*readers, checkpoint)
        n_read.append([reader.n_read for reader in readers])
    assert n_read[0] == n_read[1]
    # Features: for the digest, for training and validation, and a row for the shape of an example.
    assert n_read[0][0] < 3 * len(X) and n_read[0][1] == len(Y)


def test_a_folder_costs_no_second_opening_of_a_file(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"], file["y"] = X, Y
    opened = []

    class File(h5py.File):
        def __init__(self, name, *args, **kwargs):
            opened.append(str(name))
            super().__init__(name, *args, **kwargs)

    monkeypatch.setattr(h5py, "File", File)
    n_opened = []
    for checkpoint in (f"{tmp_path}/stem", f"{tmp_path}/folder/"):
        fitted(f"{tmp_path}/data.h5:/x", f"{tmp_path}/data.h5:/y", checkpoint)
        n_opened.append(len(opened))
        opened.clear()
    assert n_opened[0] == n_opened[1] > 0
