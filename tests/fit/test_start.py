"""A fit with a folder in place of a stem: the name of its files, and the data, which is opened once."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from arignote import NNClassifier
from arignote.data import Reader
from arignote.fit.stored import folder_stem
from arignote.registry import find

LAYERS = [["FCLayer", {"n_units": 3}], ["ClassificationOutputLayer", {"n_classes": 2}]]
X = (np.arange(40) % 7).reshape(20, 2).astype(np.float32)
Y = np.arange(20) % 2
ROWS = np.arange(48, dtype=np.float32).reshape(12, 4) / 48


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


# The stems that earlier versions gave the same networks and updaters, whose checkpoints are resumed.
@pytest.mark.parametrize(
    ("layers", "settings", "stem"),
    [
        (
            [
                ["FCLayer", {"n_units": 3}],
                ["DropoutLayer", {"dropout_p": 0.2}],
                ["BatchNormLayer"],
                ["ClassificationOutputLayer"],
            ],
            {},
            "run-3ab4eea97f29",
        ),
        (
            [
                ["InputImageLayer", {"n_pixels": 2}],
                ["ConvLayer", {"n_output_maps": 2, "filter_shape": 2}],
                ["ClassificationOutputLayer"],
            ],
            {},
            "run-ae07c97edb2e",
        ),
        ([["FCLayer", {"n_units": 3}], ["ClassificationOutputLayer"]], {"sgd_type": "adam"}, "run-815849424884"),
        ([["FCLayer", {"n_units": 3}], ["ClassificationOutputLayer"]], {"average": "ema"}, "run-eb4b3cc8bcdc"),
    ],
    ids=["dense", "convolution", "adam", "average"],
)
def test_the_stem_in_a_folder_stays_what_it_was(layers, settings, stem, tmp_path):
    settings = {"name": "run", "n_epochs": 1, "batch_size": 4, "checkpoint": f"{tmp_path}/"} | settings
    fitted = NNClassifier(layers, rng=1, **settings).fit(ROWS, np.arange(12) % 2)
    assert fitted.checkpoint_ == f"{tmp_path}/{stem}"


def test_the_stem_in_a_folder_stays_what_it_was_with_a_stop_rule(tmp_path):
    settings = {"name": "run", "n_epochs": 1, "batch_size": 4, "valid": 0.25, "stop_rule": ["stalled", {"interval": 3}]}
    layers = [["FCLayer", {"n_units": 3}], ["ClassificationOutputLayer"]]
    found = NNClassifier(layers, rng=1, checkpoint=f"{tmp_path}/", **settings).fit(ROWS, np.arange(12) % 2)
    assert found.checkpoint_ == f"{tmp_path}/run-57f7005ec2b0"


def test_the_stem_in_a_folder_follows_from_layers_settings_seed_and_data(tmp_path):
    def stem(x=X, y=Y, **settings):
        return fitted(x, y, f"{tmp_path}/", **settings).checkpoint_

    first = stem()
    assert first.startswith(f"{tmp_path}/run-")
    assert len({first, stem(X + 1), stem(y=1 - Y), stem(batch_size=5)}) == 4
    assert stem(n_epochs=2, keep_last=3) == first


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


WEIGHTED = {"W", "b", "fix_params", "l1", "l2", "load_params", "maxnorm", "use_bias"}
CONVOLUTION = {"filter_shape", "n_output_maps", "stride"} | WEIGHTED
# The parameters of layers when stems in a folder were first made, or when they were added after that.
FIRST = {
    "AveragePool1DLayer": {"axes", "pool_length", "stride"},
    "AveragePool2DLayer": {"pool_shape", "stride"},
    "BC01ToC01BLayer": set(),
    "BatchNormLayer": {"alpha", "epsilon"},
    "C01BToBC01Layer": set(),
    "ClassificationOutputLayer": {"n_classes"} | WEIGHTED,
    "ConvLayer": {"activation"} | CONVOLUTION,
    "ConvMaxoutLayer": {"maxout_k"} | CONVOLUTION,
    "DropoutLayer": {"dropout_p"},
    "FCLayer": {"activation", "n_units"} | WEIGHTED,
    "FCMaxoutLayer": {"maxout_k", "n_units"} | WEIGHTED,
    "GaussianNoiseLayer": {"sigma"},
    "GlobalAveragePoolLayer": set(),
    "InputImageLayer": {"channel", "n_images", "n_pixels"},
    "InputLayer": {"channel", "n_in"},
    "MLPConvLayer": {"activation", "n_units"} | CONVOLUTION,
    "MaxPool1DLayer": {"axes", "pool_length", "stride"},
    "MaxPool2DLayer": {"pool_shape", "stride"},
}


@pytest.mark.parametrize("name", FIRST)
def test_a_parameter_that_was_added_to_a_layer_leaves_the_stems_of_older_runs(name):
    added = set(find("layer", name).model_fields) - FIRST[name] - {"name"}
    table = folder_stem._ADDED_TO_LAYERS | folder_stem._ADDED_TO_TYPE.get(name, {})
    assert added <= set(table), "add it, with its default, to _ADDED_TO_LAYERS of arignote/fit/stored/folder_stem.py"
    for key in added:
        field = find("layer", name).model_fields[key]
        assert json.loads(json.dumps(field.default)) == table[key]
