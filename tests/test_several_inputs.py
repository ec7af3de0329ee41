"""Networks of several inputs: X is a dict of channels, in Python, in a config and on the command line."""

from __future__ import annotations

import csv
from pathlib import Path

import h5py
import numpy as np
import pytest
from chunked_rows import Chunked
from command_line import arignote

from arignote import ArignoteWarning, ConfigError, DataError, NNClassifier, NNRegressor
from arignote.data import Data

pd = pytest.importorskip("pandas", reason="tables are written with pandas")

RNG = np.random.default_rng(5)
N = 90
# Images of one brightness each, and noise.
IMAGES = (16 * RNG.uniform(size=(N, 1, 1)) + RNG.normal(size=(N, 4, 4))).round().clip(0, 16).astype(np.float32)
TABLE = pd.DataFrame(RNG.normal(size=(N, 2)).round(3), columns=["age", "size"])
Y = np.array(["low", "high"])[(IMAGES.mean(axis=(1, 2)) + 4.6 * TABLE["age"].to_numpy() > 8).astype(int)]
X = {"pixels": IMAGES.reshape(N, 16), "extra": TABLE}
LAYERS = [
    ["InputImageLayer", {"channel": "pixels", "n_pixels": 4}],
    ["ConvLayer", {"n_output_maps": 3, "filter_shape": 3, "activation": "relu"}],
    ["InputLayer", {"channel": "extra"}],
    ["FCLayer", {"n_units": 5, "activation": "tanh", "input": "extra"}],
    ["FCLayer", {"name": "flat", "n_units": 6, "input": "conv1"}],
    ["ConcatLayer", {"inputs": ["flat", "fc1"]}],
    ["ClassificationOutputLayer"],
]
SETTINGS = {"n_epochs": 4, "batch_size": 16, "n_threads": 1, "preprocess": {"pixels": [["Scale", {"divide_by": 16}]]}}


def fit(x=X, layers=LAYERS, y=Y, **more):
    return NNClassifier(layers, rng=3).fit(x, y, **SETTINGS | {"valid": 0.2, "test": 0.2} | more)


@pytest.fixture(scope="module")
def fitted():
    return fit()


@pytest.mark.slow
def test_a_network_of_two_inputs_learns_what_neither_tells_alone(fitted):
    trained = fit(n_epochs=60, sgd_type="adam", lr_rule=0.01)
    assert trained.evaluate(X, Y, "accuracy", part="test")["accuracy"] > 0.85
    without_one = {"pixels": np.zeros_like(X["pixels"]), "extra": TABLE}, {"pixels": X["pixels"], "extra": TABLE * 0}
    assert all(trained.score(x, Y) < trained.score(X, Y) - 0.05 for x in without_one)
    assert fitted.n_features_in_ == 18 and fitted.state_.spec["n_in"] == {"pixels": [1, 4, 4], "extra": [2]}


def test_the_first_output_is_that_of_a_formula_in_numpy():
    layers = [
        ["InputLayer", {"channel": "a"}],
        ["FCLayer", {"n_units": 4, "activation": "tanh"}],
        ["InputLayer", {"channel": "b"}],
        ["ConcatLayer", {"inputs": ["b", "fc1"]}],
        ["RegressionOutputLayer"],
    ]
    a, b = RNG.normal(size=(20, 3)), RNG.normal(size=(20, 2))
    regressor = NNRegressor(layers, rng=1, scale_target=False, n_epochs=1, batch_size=5).fit({"b": b, "a": a}, a[:, 0])
    p = regressor.params
    hidden = np.concatenate([b, np.tanh(a @ p["fc1.W"] + p["fc1.b"])], axis=1)
    expected = (hidden @ p["output.W"] + p["output.b"])[:, 0]
    assert np.allclose(regressor.predict({"a": a, "b": b}), expected, atol=1e-5)


@pytest.mark.parametrize(
    "x",
    [
        {"extra": TABLE, "pixels": X["pixels"]},
        {"pixels": IMAGES, "extra": TABLE},
        {"pixels": IMAGES[:, None].astype(np.float64), "extra": TABLE},
        {"pixels": np.asfortranarray(X["pixels"]), "extra": TABLE},
        Data(X, Y),
    ],
    ids=["other order", "images", "float64", "columns first", "Data"],
)
def test_the_same_numbers_in_another_form_give_the_same_bits(x, fitted):
    found = fit(x, y=None if isinstance(x, Data) else Y)
    assert all(np.array_equal(array, fitted.params[name]) for name, array in found.params.items())
    assert np.array_equal(found.predict_proba(X), fitted.predict_proba(X))


@pytest.mark.parametrize("chunk_rows", [7, 100])
def test_readers_larger_than_memory_are_read_in_chunks(chunk_rows):
    reader = Chunked(X["pixels"], chunk_rows)
    found = fit({"pixels": reader, "extra": TABLE}, shuffle=False)
    expected = fit(shuffle=False)
    assert np.array_equal(found.predict_proba(X), expected.predict_proba(X))
    assert found.history_[-1]["valid_nll"] == expected.history_[-1]["valid_nll"]


def test_columns_are_found_by_name(fitted):
    other = TABLE.assign(more=1.0)[["more", "size", "age"]]
    assert np.array_equal(fitted.predict_proba({"pixels": IMAGES, "extra": other}), fitted.predict_proba(X))
    assert fitted.state_.data["feature_names"] == {"extra": ["age", "size"]}
    with pytest.raises(DataError, match="lacks the column 'size', which the network was trained on"):
        fitted.predict({"pixels": IMAGES, "extra": TABLE[["age"]]})
    with pytest.warns(ArignoteWarning, match=r"X\['extra'\] does not have valid feature names") as found:
        fitted.predict({"pixels": IMAGES, "extra": TABLE.to_numpy()})
    assert len(found) == 1


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (X["pixels"], "X must be a dict with the channels 'pixels', 'extra'; got ndarray"),
        (
            {"pixels": IMAGES},
            "must have the channels 'pixels', 'extra', as the input layers name them; 'extra' is missing",
        ),
        (X | {"more": IMAGES}, "no input layer takes 'more'"),
        ({}, "X has no channel of features, only an empty dict"),
        ({"pixels": IMAGES, "extra": TABLE[:-1]}, "as many rows in each channel; 'pixels' has 90, 'extra' has 89"),
        ({"pixels": IMAGES, "extra": TABLE * np.nan}, r"X\['extra'\] row 0 holds nan in column 'age'"),
        ({"pixels": IMAGES, "extra": 7}, r"X\['extra'\] must have the shape \(rows, features ...\); got \(\)"),
        ({"pixels": IMAGES, "extra": None}, "must be data"),
        ({"pixels": IMAGES[:, :3], "extra": TABLE}, r"pixels: images are \(1, 4, 4\), but an example has the shape"),
    ],
)
def test_data_that_does_not_fit_the_inputs_is_refused_by_channel(x, words):
    with pytest.raises((DataError, ConfigError), match=words):
        fit(x)


def test_other_shapes_are_refused_when_predicting(fitted):
    words = r"an example of X must have shape {'pixels': \(1, 4, 4\), 'extra': \(2,\)}; got .*'extra': \(1,\)"
    with pytest.warns(ArignoteWarning, match="valid feature names"), pytest.raises(DataError, match=words):
        fitted.predict({"pixels": IMAGES, "extra": TABLE[["age"]].to_numpy()})


def test_a_channel_of_one_number_per_row_is_one_column():
    alone, column = (fit({"pixels": IMAGES, "extra": age}) for age in (TABLE["age"], TABLE[["age"]]))
    assert alone.state_.spec["n_in"] == {"pixels": [1, 4, 4], "extra": [1]}
    assert np.array_equal(alone.params["fc1.W"], column.params["fc1.W"])


def test_labels_may_be_among_the_channels(fitted):
    found = NNClassifier(LAYERS, rng=3).fit(X | {"labels": Y}, **SETTINGS, valid=0.2, test=0.2)
    assert np.array_equal(found.predict_proba(X), fitted.predict_proba(X))


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (
            [LAYERS[0], *LAYERS[1:2], ["InputLayer"], *LAYERS[3:]],
            "each names its channel",
        ),
        (LAYERS[1:], "the first layer must be an input layer with a channel, as there are several"),
        (
            [LAYERS[0], *LAYERS[1:2], ["InputLayer", {"channel": "pixels"}], *LAYERS[3:]],
            "'pixels' has an input layer alr",
        ),
        (
            [*LAYERS[:2], ["InputLayer", {"channel": "extra", "input": "conv1"}], *LAYERS[3:]],
            "takes the data: leave it",
        ),
        ([*LAYERS[:3], *LAYERS[4:5], LAYERS[-1]], "nothing uses the output of 'extra'"),
    ],
)
def test_input_layers_that_do_not_go_together_are_refused(layers, words):
    with pytest.raises(ConfigError, match=words):
        NNClassifier(layers).fit(X, Y)


def test_the_shapes_of_inputs_may_be_given_without_data():
    table = NNClassifier(
        [*LAYERS[:-1], ["ClassificationOutputLayer", {"n_classes": 2}]], n_in={"pixels": 16, "extra": 2}
    )
    assert "concat1  ConcatLayer" in table.summary() and table.n_params == 3 * 10 + 3 * 5 + (12 * 6 + 12) + 12 * 2
    with pytest.raises(ConfigError, match="the shape of an example of the channel 'extra' is not known"):
        NNClassifier(LAYERS, n_in={"pixels": 16}).summary()
    with pytest.raises(DataError, match="n_in is"):
        NNClassifier(LAYERS, n_in={"pixels": (1, 4, 4), "extra": (3,)}).fit(X, Y)


def test_augmentation_changes_the_channel_that_it_names():
    seen = []

    def own(x, y, rng):
        seen.append(x.copy())
        x["extra"] += rng.normal(size=x["extra"].shape)
        return x, y

    before = X["pixels"].copy()
    shift = ["Shift", {"max_shift": 2, "channel": "pixels"}]
    fit(augmentation=[shift, own, "Mixup"], n_epochs=1, shuffle=False, test=None, valid=None)
    first = seen[0]
    assert first.dtype.names == ("pixels", "extra")
    assert np.array_equal(first["extra"], TABLE.to_numpy(np.float32)[: len(first)])
    scaled = IMAGES[: len(first), None] / 16
    moved = [not np.array_equal(a, b) for a, b in zip(first["pixels"], scaled, strict=True)]
    assert sum(moved) > len(moved) / 2
    assert np.array_equal(X["pixels"], before)
    with pytest.raises(DataError, match="Shift: channel must be one of 'pixels', 'extra'; got None"):
        fit(augmentation=["Shift", {"max_shift": 2}])


def test_an_augmentation_that_changes_the_shape_of_a_channel_is_refused():
    with pytest.raises(DataError, match=r"from {'pixels': \(1, 4, 4\).* to {'pixels': \(1, 3, 3\), 'extra': \(2,\)}"):
        fit(augmentation=["Crop", {"size": 3, "channel": "pixels"}])


def test_alter_features_is_given_all_channels():
    def doubled(x):
        x["extra"] *= 2
        return x

    found = fit(Data(X, Y, alter_features=doubled), y=None)
    expected = fit({"pixels": IMAGES, "extra": TABLE * 2})
    assert np.array_equal(found.params["fc1.W"], expected.params["fc1.W"])


def test_bytes_are_reported_by_channel():
    x = {"pixels": IMAGES.astype(np.uint8), "extra": TABLE}
    with pytest.warns(ArignoteWarning, match=r"X\['pixels'\] holds integers of 0 to 255"):
        fit(x, preprocess=None, n_epochs=1)


CONFIG = """
name: two
rng: 3
data:
  train: {{features: {features}, labels: "d.h5:/y"}}
  valid: 0.2
  test: 0.2
layers:
  - [InputImageLayer, {{channel: pixels, n_pixels: 4}}]
  - [ConvLayer, {{n_output_maps: 3, filter_shape: 3, activation: relu}}]
  - [InputLayer, {{channel: extra}}]
  - [FCLayer, {{n_units: 5, activation: tanh, input: extra}}]
  - [FCLayer, {{name: flat, n_units: 6, input: conv1}}]
  - [ConcatLayer, {{inputs: [flat, fc1]}}]
  - [ClassificationOutputLayer]
fit: {{n_epochs: 4, batch_size: 16, n_threads: 1, preprocess: {preprocess}, checkpoint: run}}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with h5py.File("d.h5", "w") as file:
        file["x"], file["y"] = X["pixels"], [label.encode() for label in Y]
    TABLE.assign(label=Y).to_csv("t.csv", index=False)
    write()
    return tmp_path


def write(features='{pixels: "d.h5:/x", extra: "t.csv:age,size"}', preprocess="{pixels: [[Scale, {divide_by: 16}]]}"):
    Path("c.yaml").write_text(CONFIG.format(features=features, preprocess=preprocess))


def run(*words):
    """Give a command that must end well; return what it prints."""
    ended = arignote(*words)
    assert ended.code == 0, ended
    return ended.out


@pytest.mark.slow
def test_a_config_of_two_inputs_from_training_to_predictions(folder, fitted):
    out = run("check", "c.yaml", "--data")
    assert "train: pixels: d.h5:/x (90, 16) float32, extra: t.csv (90, 2) float64" in out
    assert "first batch: 16 examples of {'pixels': (1, 4, 4), 'extra': (2,)} float32" in out
    out = run("fit", "c.yaml")
    assert "--features pixels=d.h5:/x --features extra=t.csv:age,size --out preds.csv" in out
    loaded = NNClassifier.load("run")
    assert np.array_equal(loaded.predict_proba(X), fitted.predict_proba(X))
    scores = dict(line.split() for line in run("evaluate", "run", "--config", "c.yaml", "--part", "test").splitlines())
    assert float(scores["nll"]) == pytest.approx(fitted.evaluate(X, Y, part="test")["nll"], rel=1e-5)
    named = ("--features", "pixels=d.h5:/x", "--features", "extra=t.csv")
    run("predict", "run", *named, "--out", "p.csv")
    with open("p.csv", newline="") as file:
        assert [row["predicted"] for row in csv.DictReader(file)] == fitted.predict(X).tolist()
    ended = arignote("evaluate", "run", *named, "--labels", "d.h5:/y")
    assert ended.code == 0 and "this run was trained on 54 of these 90 rows" in ended.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--features", "d.h5:/x"], "--features must be given for each channel, --features pixels=SOURCE"),
        (["--features", "pixels=d.h5:/x", "--features", "etxra=t.csv"], "'extra' is missing"),
        (
            ["--features", "pixels=d.h5:/x", "--features", "extra=t.csv", "--axes", "NHW"],
            "--axes is for one source of features, and the network takes several",
        ),
    ],
)
def test_features_on_the_command_line_name_their_channels(folder, words, message):
    run("fit", "c.yaml", "--set", "fit.n_epochs=1")
    ended = arignote("predict", "run", *words, "--out", "p.csv")
    assert ended.code == 2 and message in ended.err


def test_channels_in_one_file_share_its_labels_and_their_columns(folder):
    run("fit", "c.yaml", "--set", "fit.n_epochs=1", "--set", "fit.preprocess=null")
    one = NNClassifier.load("run")
    # The columns of one channel, and the labels, are not features of the other.
    write('{pixels: "d.h5:/x", extra: "t.csv"}', "null")
    run("fit", "c.yaml", "--set", "fit.n_epochs=1", "--set", "fit.checkpoint=other")
    assert one.state_.data["feature_names"] == {"extra": ["age", "size"]}
    assert NNClassifier.load("other").state_.data["feature_names"] == {"extra": ["age", "size"]}


@pytest.mark.parametrize(
    ("features", "preprocess", "message"),
    [
        (
            '"d.h5:/x"',
            "null",
            "c.yaml:5:11: data.train.features must have a source for each channel, {pixels",
        ),
        ('{pixels: "d.h5:/x"}', "null", "'extra' is missing"),
        (
            '{pixels: "d.h5:/x", extra: "t.csv", more: "t.csv"}',
            "null",
            "there is no input layer of the channel 'more'",
        ),
        (
            '{pixels: "d.h5:/x", extra: "t.csv:age,size"}',
            "[[Scale, {divide_by: 16}]]",
            "fit.preprocess must be a mapping, {pixels: ..., extra: ...}",
        ),
        (
            '{pixels: "d.h5:/x", extra: "t.csv:age,size"}',
            "{pixel: [[Scale, {divide_by: 16}]]}",
            "fit.preprocess.pixel: no input layer takes the channel 'pixel'",
        ),
        (
            '{pixels: "d.h5:/x", extra: "t.csv:age,size"}, columns: a',
            "null",
            "data.train.columns is for one source of features",
        ),
    ],
)
def test_a_config_whose_channels_are_not_those_of_the_network_is_refused(folder, features, preprocess, message):
    write(features, preprocess)
    ended = arignote("check", "c.yaml")
    assert ended.code == 2 and message in ended.err, ended.err
