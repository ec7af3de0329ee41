"""The name of the files of a fit in a folder: what it follows from, and that it stays what it was."""

from __future__ import annotations

import numpy as np
import pytest

from arignote import NNClassifier
from arignote.registry import find, leaves_stems, plain

LAYERS = [["FCLayer", {"n_units": 3}], ["ClassificationOutputLayer", {"n_classes": 2}]]
X = (np.arange(40) % 7).reshape(20, 2).astype(np.float32)
Y = np.arange(20) % 2
ROWS = np.arange(48, dtype=np.float32).reshape(12, 4) / 48


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
    fields = find("layer", name).model_fields
    unchanged = {key for key, field in fields.items() if leaves_stems(field, plain(field.default))}
    assert unchanged == set(fields) - FIRST[name] - {"name"}, "annotate what is added with ADDED"
