"""Files of a fitted network: computed by onnxruntime and by PyTorch from rows as they are stored; refusals."""

from __future__ import annotations

import io
import json
import os
import signal
import sys

import numpy as np
import pytest
import torch
from command_line import arignote
from safetensors import safe_open
from safetensors.numpy import load_file

from arignote import ConfigError, Data, NNClassifier, NNRegressor
from arignote.errors import Interrupted
from arignote.estimators.export import _metadata_of, _program_of, _tables_of, check_export_file
from arignote.layers import EmbeddingLayer, Layer

RNG = np.random.default_rng(3)
N_ROWS = (1, 3, 7, 500)


def session_of(path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="exported networks are computed with onnxruntime")
    session = onnxruntime.InferenceSession(path)
    metadata = session.get_modelmeta().custom_metadata_map
    return session, {name: json.loads(value) for name, value in metadata.items()}


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


HIDDEN = ["FCLayer", {"n_units": 3, "activation": "tanh"}]
OUTPUT = ["ClassificationOutputLayer"]
X = RNG.normal(3, 2, (20, 4)).astype(np.float32)
PARITY = np.arange(20) % 2
IMAGES = RNG.normal(3, 2, (20, 4, 3, 2)).astype(np.float32)
CHANNELS_FIRST = np.moveaxis(IMAGES, -1, 1).copy()
WINDOWS = {"length": 4, "step": 3}
SERIES = RNG.normal(3, 2, (20, 2)).astype(np.float32)
# A time in seconds, and a date.
LARGE = np.stack([1.7e9 + np.arange(20), 20230615 - np.arange(20) % 7], axis=1)
HOLED = np.where(np.eye(20, 2, dtype=bool), np.nan, LARGE)
CONV = ["ConvLayer", {"n_output_maps": 2, "filter_shape": 2}]
STANDARDISE = {"preprocess": ["Standardise"]}
PCA = {"preprocess": [["Whiten", {"method": "pca", "n_components": 5}]]}


def case(x, y, *layers, rows=None, name="x", classes=(0, 1), **settings):
    """Return what is fitted; what its program takes, rows with the axes of the network, and the name of its input."""
    layers = layers if "Output" in layers[-1][0] else (*layers, OUTPUT)
    return (x, y, list(layers), settings), (x if rows is None else rows, name, list(classes))


CASES = {
    "ranks that are numbers": case(X, PARITY * 10 + 3, ["OrdinalOutputLayer"], classes=[3, 13]),
    "ranks that are text": case(
        X,
        np.array(["low", "high"])[PARITY],
        ["OrdinalOutputLayer", {"ranks": ["low", "high"]}],
        classes=["low", "high"],
    ),
    "a class of each step": case(
        X.reshape(20, 2, 2),
        np.stack([PARITY, 1 - PARITY], axis=1) + 5,
        ["GRULayer", {"n_units": 2}],
        ["ClassificationOutputLayer", {"per_step": True}],
        classes=[5, 6],
    ),
    "windows": case(
        SERIES,
        PARITY,
        HIDDEN,
        rows=np.stack([SERIES[at : at + 4] for at in range(0, 17, 3)]),
        windows=WINDOWS,
        **STANDARDISE,
    ),
    "a channel named label": case(
        {"label": X}, PARITY, ["InputLayer", {"channel": "label"}], HIDDEN, rows=X, name="input.label"
    ),
    "flat rows of images": case(
        X, PARITY, ["InputImageLayer", {"n_pixels": 2}], CONV, rows=X.reshape(20, 1, 2, 2), **STANDARDISE
    ),
    "the setting axes": case(IMAGES, PARITY, HIDDEN, rows=CHANNELS_FIRST, axes="NHWC", **PCA),
    "axes of the data": case(Data(IMAGES, axes="NHWC"), PARITY, CONV, rows=CHANNELS_FIRST, **STANDARDISE),
    "grey images": case(Data(IMAGES[..., 0], axes="NHW"), PARITY, CONV, rows=CHANNELS_FIRST[:, :1]),
    "classes of bool": case(X, PARITY == 1, HIDDEN, classes=[False, True]),
    "classes of float": case(X, PARITY / 1, HIDDEN, classes=[0.0, 1.0]),
    "large numbers": case(LARGE, PARITY, HIDDEN, **STANDARDISE),
    "large whole numbers": case(LARGE.astype(np.int64), PARITY, HIDDEN, preprocess=[["Whiten", {"epsilon": 0}]]),
    "large numbers, some missing": case(HOLED, PARITY, HIDDEN, preprocess=["Impute", "MinMax"]),
}


@pytest.mark.parametrize("what", CASES)
def test_a_program_computes_what_the_classifier_predicts(what):
    (x, y, layers, settings), (rows, name, classes) = CASES[what]
    classifier = NNClassifier(layers, rng=1, n_epochs=1, batch_size=5, **settings).fit(x, y)
    program, metadata = _program_of(classifier._predictor()), _metadata_of(classifier._predictor())
    assert [(one.name, one.shape) for one in program.inputs] == [(name, rows.shape[1:])]
    assert metadata["classes_"] == classes and metadata["channels"] == [name.removeprefix("input.")]
    (example,) = program.example()
    found = program(torch.from_numpy(rows).to(example.dtype))
    assert list(found) == ["label", "probabilities"]
    close(found["probabilities"].detach(), classifier.predict_proba(x))
    label, predicted = found["label"].numpy(), classifier.predict(x)
    # A tensor cannot hold text.
    label = np.array(classes)[label] if predicted.dtype.kind == "U" else label
    assert label.dtype == predicted.dtype and np.array_equal(label, predicted)


# Rows padded to 5 steps, of which some count.
N_STEPS = 1 + np.arange(20) % 5
PADDED = RNG.normal(3, 2, (20, 5, 2)).astype(np.float32)
COUNTED = np.arange(5) < N_STEPS[:, None]
RAGGED = [row[:n] for row, n in zip(PADDED, N_STEPS, strict=True)]
GAPS = (RNG.random((20, 5)) < 0.6) | (np.arange(5) == 2)
# What an input layer declares, the data, and the name and the values of what a program takes beside the rows.
SEQUENCES = {
    "lengths of the rows": ({"lengths": True}, RAGGED, "x.lengths", N_STEPS),
    "a channel of lengths": ({"channel": "r", "lengths": "n"}, {"r": PADDED, "n": N_STEPS}, "n", N_STEPS),
    "offsets": (
        {"channel": "r", "offsets": "at"},
        {"r": PADDED[COUNTED], "at": np.concatenate([[0], N_STEPS.cumsum()[:-1]])},
        "r.lengths",
        N_STEPS,
    ),
    "a mask": ({"channel": "r", "mask": "m"}, {"r": PADDED, "m": GAPS}, "m", GAPS),
}


@pytest.mark.parametrize("what", SEQUENCES)
def test_a_program_takes_sequences_with_their_lengths_or_their_mask(what):
    declared, x, name, steps = SEQUENCES[what]
    layers = [["InputLayer", declared], ["GRULayer", {"n_units": 3, "only_last": True}], OUTPUT]
    # Which changes the number of features, too.
    pca = [["Whiten", {"method": "pca", "n_components": 1}]]
    preprocess = pca if declared == {"lengths": True} else {"r": pca}
    classifier = NNClassifier(layers, rng=1, n_epochs=5, batch_size=5, lr_rule=1.0, preprocess=preprocess)
    predictor = classifier.fit(x, PARITY)._predictor()
    program = _program_of(predictor)
    field = declared.get("channel", "x")
    assert [(one.name, one.shape) for one in program.inputs] == [(field, (5, 2)), (name, steps.shape[1:])]
    assert _metadata_of(predictor)["channels"] == [field, name]
    expected = classifier.predict_proba(x)
    found = program(torch.from_numpy(PADDED), torch.from_numpy(steps.astype(np.int64)))["probabilities"].detach()
    close(found, expected)
    assert np.ptp(expected[:, 0]) > 1e-3


@pytest.mark.slow
def test_sequences_with_lengths_and_a_mask_are_computed_by_onnx(tmp_path):
    rows, n_steps = RNG.normal(size=(500, 3, 2)).astype(np.float32), RNG.integers(1, 4, 500)
    mask = (RNG.random((500, 3)) < 0.6) | (np.arange(3) == 1)
    layers = [
        ["InputLayer", {"channel": "a", "lengths": "n"}],
        ["GRULayer", {"n_units": 3, "bidirectional": True}],
        ["LSTMLayer", {"n_units": 2, "backwards": True, "only_last": True, "name": "last"}],
        ["InputLayer", {"channel": "b", "mask": "m"}],
        ["RecurrentLayer", {"n_units": 3}],
        ["GlobalAveragePoolLayer", {"axes": "NLC", "name": "mean"}],
        ["ConcatLayer", {"inputs": ["last", "mean"]}],
        OUTPUT,
    ]
    x, y = {"a": rows, "n": n_steps, "b": rows, "m": mask}, (rows[:, 0, 0] > 0).astype(int)
    classifier = NNClassifier(layers, rng=1, n_epochs=5, batch_size=20, sgd_type="adam", lr_rule=0.05).fit(x, y)
    classifier.export(tmp_path / "m.onnx")
    session, metadata = session_of(tmp_path / "m.onnx")
    assert [(one.name, one.shape, one.type) for one in session.get_inputs()] == [
        ("a", ["batch", 3, 2], "tensor(float)"),
        ("b", ["batch", 3, 2], "tensor(float)"),
        ("n", ["batch"], "tensor(int64)"),
        ("m", ["batch", 3], "tensor(int64)"),
    ]
    assert metadata["channels"] == ["a", "b", "n", "m"]
    # What stands behind the end of a sequence, or in a gap of it, changes nothing.
    padded = {"a": np.where((np.arange(3) < n_steps[:, None])[:, :, None], rows, 1e3)}
    padded |= {"b": np.where(mask[:, :, None], rows, -1e3), "n": n_steps, "m": mask.astype(np.int64)}
    for n in N_ROWS:
        _, probabilities = session.run(None, {name: values[:n] for name, values in padded.items()})
        expected = classifier.predict_proba({name: values[:n] for name, values in x.items()})
        close(probabilities, expected)
        assert n == 1 or np.ptp(expected[:, 0]) > 0.1


def test_a_program_leaves_auxiliary_outputs_out():
    layers = [HIDDEN, ["RegressionOutputLayer", {"name": "mass"}], ["ClassificationOutputLayer", {"auxiliary": True}]]
    layers[-1][1] |= {"name": "kind", "input": "fc1"}
    regressor = NNRegressor(layers, rng=1, n_epochs=1, batch_size=10).fit(X, {"mass": X[:, 0] * 50, "kind": PARITY})
    found = _program_of(regressor._predictor())(torch.from_numpy(X))
    assert list(found) == ["values"] and "classes_" not in _metadata_of(regressor._predictor())
    close(found["values"].detach(), regressor.predict(X))


def test_a_change_of_shape_of_images_whose_axes_are_not_stored_is_refused(tmp_path):
    classifier = NNClassifier([OUTPUT], rng=1, n_epochs=1, batch_size=10, **PCA)
    classifier.fit(Data(IMAGES, axes="NHWC"), PARITY)
    with pytest.raises(ConfigError, match=r"input: preprocess changes .* give fit the setting axes, such as axes="):
        classifier.export(tmp_path / "m.pt2")


@pytest.mark.slow
def test_two_inputs_and_two_outputs_are_computed_by_onnx(tmp_path):
    # A value within the exported network would have the name "relu" too.
    x = {
        "relu": RNG.normal(3, 2, (500, 2, 4, 3)).astype(np.float32),
        # Too large for float32, in which 1.7e9 and 1.7e9 + 60 are equal.
        "size": RNG.normal(1.7e9, 9, (500, 3)),
    }
    y = {"kind": np.array(["cat", "dog", "ant"])[RNG.integers(0, 3, 500)], "mass": RNG.normal(500, 20, 500)}
    layers = [
        ["InputLayer", {"channel": "relu"}],
        ["FCLayer", {"name": "a", "n_units": 4, "activation": "relu"}],
        ["InputLayer", {"channel": "size"}],
        ["FCLayer", {"name": "b", "n_units": 4, "activation": "tanh"}],
        ["ConcatLayer", {"inputs": ["a", "b"]}],
        ["ClassificationOutputLayer", {"name": "kind"}],
        ["RegressionOutputLayer", {"name": "mass"}],
    ]
    steps = {
        "relu": [["Standardise", {"per": "channel"}], ["Whiten", {"method": "pca", "n_components": 6}]],
        "size": [["MinMax", {"low": -1, "high": 3}]],
    }
    classifier = NNClassifier(layers, rng=1, n_epochs=2, batch_size=10, preprocess=steps, axes={"relu": "NCHW"})
    classifier.fit(x, y).export(tmp_path / "two.onnx")
    session, metadata = session_of(tmp_path / "two.onnx")
    assert metadata["classes_"] == {"kind": ["ant", "cat", "dog"]} and metadata["channels"] == ["relu", "size"]
    assert [(one.name, one.shape, one.type) for one in session.get_inputs()] == [
        ("relu", ["batch", 2, 4, 3], "tensor(float)"),
        ("size", ["batch", 3], "tensor(double)"),
    ]
    for n in N_ROWS:
        own = {name: values[:n] for name, values in x.items()}
        found = dict(zip([one.name for one in session.get_outputs()], session.run(None, own), strict=True))
        predicted = classifier.predict(own)
        close(found["kind.probabilities"], classifier.predict_proba(own))
        close(found["mass.values"], predicted["mass"])
        assert found["kind.label"].tolist() == predicted["kind"].tolist() and len(found) == 3


@pytest.mark.slow
def test_a_sequence_of_tokens_through_an_lstm_gives_labels_that_are_numbers(tmp_path):
    x, y = RNG.integers(0, 9, (500, 4)), RNG.integers(0, 3, 500) * 10
    layers = [
        ["EmbeddingLayer", {"n_tokens": 9, "n_units": 3}],
        ["LSTMLayer", {"n_units": 4, "only_last": True}],
        ["ClassificationOutputLayer"],
    ]
    classifier = NNClassifier(layers, rng=1, n_epochs=2, batch_size=10, checkpoint=str(tmp_path / "run")).fit(x, y)
    assert arignote("export", tmp_path / "run", "--to", tmp_path / "m.onnx").code == 0
    session, metadata = session_of(tmp_path / "m.onnx")
    assert metadata["classes_"] == [0, 10, 20]
    for n in N_ROWS:
        label, probabilities = session.run(None, {"x": x[:n]})
        close(probabilities, classifier.predict_proba(x[:n]))
        assert label.tolist() == classifier.predict(x[:n]).tolist()


def loaded(path):
    """Return a program of PyTorch and its metadata."""
    extra = {"metadata.json": ""}
    program = torch.export.load(io.BytesIO(path.read_bytes()), extra_files=extra)
    return program.module(), json.loads(extra["metadata.json"])


@pytest.mark.slow
def test_several_labels_and_several_numbers_are_computed_by_pytorch_alone(tmp_path):
    x = RNG.normal(5, 3, (40, 6)).astype(np.float32)
    dense = ["FCLayer", {"n_units": 4, "activation": "relu"}]
    flags = (x[:, :2] > 5).astype(int)
    classifier = NNClassifier(
        [dense, ["MultilabelOutputLayer"]], rng=1, n_epochs=3, batch_size=10, preprocess=["Standardise"]
    )
    classifier.fit(x, flags).export(tmp_path / "flags.pt2")
    steps = [["Impute", {"columns": [1, 4]}], "MinMax"]
    regressor = NNRegressor([dense, ["RegressionOutputLayer"]], rng=1, n_epochs=3, batch_size=10, preprocess=steps)
    holed = x.copy()
    holed[::3, 1], holed[1::4, 4] = np.nan, np.nan
    regressor.fit(holed, x[:, :2] * 50).export(tmp_path / "numbers.pt2")
    module, metadata = loaded(tmp_path / "flags.pt2")
    found = module(torch.from_numpy(x))
    close(found["probabilities"].detach(), classifier.predict_proba(x))
    assert np.array_equal(found["label"], classifier.predict(x)) and metadata["classes_"] == [0, 1]
    found = loaded(tmp_path / "numbers.pt2")[0](torch.from_numpy(holed))
    close(found["values"].detach(), regressor.predict(holed))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A classifier that was fitted, with its run."""
    folder = tmp_path_factory.mktemp("runs")
    x = RNG.normal(size=(30, 3)).astype(np.float32)
    layers = [["FCLayer", {"n_units": 2}], ["ClassificationOutputLayer"]]
    return NNClassifier(layers, rng=1, n_epochs=2, batch_size=10, checkpoint=str(folder / "run")).fit(
        x, np.arange(30) % 2
    )


def test_a_file_of_weights_has_their_names_and_the_layers(fitted, tmp_path):
    fitted.export(tmp_path / "w.safetensors")
    found = load_file(tmp_path / "w.safetensors")
    assert {name: values.shape for name, values in found.items()} == {
        **{"fc1.W": (3, 2), "fc1.b": (2,), "fc1.a": (2,)},
        **{"output.W": (2, 2), "output.b": (2,)},
    }
    assert all(np.array_equal(values, fitted.params[name]) for name, values in found.items())
    with safe_open(tmp_path / "w.safetensors", "np") as file:
        metadata = {name: json.loads(value) for name, value in file.metadata().items()}
    assert metadata["classes_"] == [0, 1] and [name for name, _ in metadata["layers"]][-2:] == [
        "FCLayer",
        "ClassificationOutputLayer",
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model.h5", r"the ending must be \.onnx, \.pt2 or \.safetensors; this ends in \.h5"),
        ("none/model.onnx", "there is no folder .*none; make it"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_the_network_is_exported(fitted, tmp_path, name, message):
    with pytest.raises(ConfigError, match=message):
        fitted.export(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_file_whose_folder_takes_no_file_is_refused(tmp_path, monkeypatch):
    link, path = tmp_path / "link.pt2", tmp_path / "folder" / "model.pt2"
    path.parent.mkdir()
    path.write_bytes(b"old")
    link.symlink_to(path)
    # Root may write anywhere.
    for denied in (path.parent, path):
        with monkeypatch.context() as patch:
            patch.setattr(os, "access", lambda one, mode, denied=denied: os.path.realpath(one) != str(denied))
            for one in (path, link):
                with pytest.raises(ConfigError, match="cannot be written: permission denied"):
                    check_export_file(one)
    assert check_export_file(link) == ".pt2" and path.read_bytes() == b"old"


def test_without_the_package_the_message_says_how_to_install_it(fitted, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ConfigError, match=r"ONNX needs onnx: pip install 'arignote\[onnx\]'\. A \.pt2"):
        fitted.export(tmp_path / "model.onnx")


def test_an_unfinished_run_is_refused_unless_a_checkpoint_is_named(tmp_path):
    x = RNG.normal(size=(30, 3)).astype(np.float32)

    def stop(record):
        signal.raise_signal(signal.SIGUSR1)

    stem = tmp_path / "run"
    output = ["ClassificationOutputLayer"]
    with pytest.raises(Interrupted):
        NNClassifier([output], rng=1, n_epochs=3, batch_size=10, checkpoint=str(stem), observers=[stop]).fit(
            x, np.arange(30) % 2
        )
    ended = arignote("export", stem, "--to", tmp_path / "w.safetensors")
    assert ended.code == 4 and "is not finished" in ended.err and "--which best or last" in ended.err
    assert arignote("export", stem, "--to", tmp_path / "w.safetensors", "--which", "last").code == 0


def test_a_damaged_run_and_no_run_are_refused(fitted, tmp_path):
    (tmp_path / "bad_last.ckpt").write_bytes(b"no checkpoint")
    for stem in ("bad", "none"):
        ended = arignote("export", tmp_path / stem, "--to", tmp_path / "w.safetensors")
        assert ended.code == 4 and stem in ended.err and not (tmp_path / "w.safetensors").exists()
        assert ("copy one back, or train again" in ended.err) == (stem == "bad")


class Averaged(Layer):
    """A layer of a user that leaves the tensors of PyTorch, which no exporter follows."""

    def build(self, shape):
        return lambda params, x, training: torch.from_numpy(x.detach().numpy() / 2)


class Words(EmbeddingLayer):
    """An embedding of a user, which can be exported."""


def test_a_layer_that_cannot_be_exported_is_named_and_nothing_is_written(tmp_path):
    x = [RNG.integers(4, size=1 + n % 3) for n in range(30)]
    pool = ["GlobalAveragePoolLayer", {"axes": "NLC"}]
    layers = [["InputLayer", {"lengths": True}], Words(n_tokens=4, n_units=2), pool, Averaged(name="half"), OUTPUT]
    classifier = NNClassifier(layers, rng=1, n_epochs=1, batch_size=10).fit(x, np.arange(30) % 2)
    with pytest.raises(ConfigError, match=r"cannot be exported:\n  half \(.*Averaged\): .*\n  Weights can"):
        classifier.export(tmp_path / "model.pt2")
    assert not list(tmp_path.iterdir())


TABLE = np.empty((20, 4), object)
TABLE[:, 0], TABLE[:, 1], TABLE[:, 2] = X[:, 0], np.array(["f", "m"])[PARITY], np.arange(20) % 3 + 1.0
TABLE[:, 3] = np.array(["north", "south", None], object)[np.arange(20) % 3]
TABLE[::6, 0], TABLE[::7, 2], TABLE[::8, 1] = None, None, None
WORDS = [["f", "m"], ["north", "south"]]
# The table, its steps, the columns of numbers and of text, and the text that has a code.
TABLES = {
    "numbers and text": (
        TABLE,
        [["Impute", {"columns": [0]}], ["OneHot", {"columns": 2}], "Standardise", ["OneHot"]],
        ([0, 2], [1, 3], WORDS),
    ),
    "missing text is replaced": (
        TABLE,
        [
            ["OneHot", {"columns": 3, "handle_unknown": "ignore"}],
            ["Impute", {"strategy": "most_frequent"}],
            ["OneHot", {"handle_unknown": "ignore"}],
            ["MinMax", {"low": -1}],
        ],
        ([0, 2], [1, 3], WORDS),
    ),
    "text alone": (
        TABLE[:, [1, 3]],
        [["Impute", {"strategy": "constant", "fill_value": "none"}], "OneHot"],
        ([], [0, 1], [["f", "m", "none"], ["none", "north", "south"]]),
    ),
    # Numbers whose quotients and sums are rounded, in two steps.
    "numbers that are scaled before": (
        TABLE,
        ["Impute", "Standardise", ["MinMax", {"high": 0.7}], ["OneHot", {"columns": 2}], "OneHot"],
        ([0, 2], [1, 3], WORDS),
    ),
    "small numbers that are scaled before": (
        np.float32(np.column_stack([X[:, 0], PARITY / 7 + 1])),
        ["Standardise", ["OneHot", {"columns": 1}]],
        ([0, 1], [], []),
    ),
    "numbers alone": (np.array(TABLE[:, [2, 0]], float), [["OneHot", {"columns": 0}], "Impute"], ([0, 1], [], [])),
}


@pytest.mark.parametrize("what", TABLES)
def test_a_program_encodes_a_table_as_the_classifier_does(what):
    table, steps, (numbers, words, texts) = TABLES[what]
    classifier = NNClassifier([HIDDEN, OUTPUT], rng=1, n_epochs=8, batch_size=5, lr_rule=1.0, preprocess=steps)
    program = _program_of(classifier.fit(table, PARITY)._predictor())
    columns = {name: own for name, own in (("x", numbers), ("x.text", words)) if own}
    assert _tables_of(program) == {"columns": columns, "categories": {"x.text": texts} if texts else {}}
    assert [tuple(one.shape) for one in program.example()] == [(3, len(own)) for own in columns.values()]
    # Codes are positions among the texts; the next one is that of a missing value.
    codes = [{text: code for code, text in enumerate(known)} | {None: len(known)} for known in texts]
    coded = [[code[value] for code, value in zip(codes, row, strict=True)] for row in table[:, words]]
    rows = [torch.tensor(table[:, numbers].astype(float)), torch.tensor(coded)]
    found = program(*(one for one in rows if one.numel()))["probabilities"].detach()
    expected = classifier.predict_proba(table)
    close(found, expected)
    assert np.ptp(expected[:, 0]) > 0.05


def test_a_category_that_predict_refuses_gives_predictions_that_are_not_numbers():
    steps = [["OneHot", {"columns": [1, 2]}], ["OneHot", {"columns": 3, "handle_unknown": "ignore"}], "Impute"]
    classifier = NNClassifier([HIDDEN, OUTPUT], rng=1, n_epochs=1, batch_size=5, preprocess=steps).fit(TABLE, PARITY)
    program = _program_of(classifier._predictor())
    numbers, codes = torch.tensor([[1.0, 1.0]] * 4), torch.tensor([[0, 0]] * 4)
    # Text and a number that no training row holds, and text that may be unknown.
    codes[1, 0], numbers[2, 1], codes[3, 1] = 3, 7.0, 3
    found = program(numbers, codes)["probabilities"].isnan()
    assert found.tolist() == [[False] * 2, [True] * 2, [True] * 2, [False] * 2]
    unknown = TABLE[:1].copy()
    unknown[0] = [1.0, "f", 1.0, "alien"]
    close(program(numbers[3:], codes[3:])["probabilities"].detach(), classifier.predict_proba(unknown))


@pytest.mark.slow
def test_a_table_with_text_is_computed_by_onnx(tmp_path):
    rng = np.random.default_rng(0)
    table = np.empty((500, 3), object)
    table[:, 0], table[:, 1] = rng.normal(50, 9, 500), rng.choice(["f", "m"], 500)
    table[:, 2] = rng.choice(np.array(["north", "süd", None], object), 500)
    y = ((table[:, 0] > 50) ^ (table[:, 1] == "f")).astype(int)
    settings = {"sgd_type": "adam", "lr_rule": 0.05, "preprocess": ["Standardise", "OneHot"]}
    classifier = NNClassifier([HIDDEN, OUTPUT], rng=1, n_epochs=3, batch_size=20, **settings).fit(table, y)
    classifier.export(tmp_path / "m.onnx")
    session, metadata = session_of(tmp_path / "m.onnx")
    assert [(one.name, one.shape, one.type) for one in session.get_inputs()] == [
        ("x", ["batch", 1], "tensor(double)"),
        ("x.text", ["batch", 2], "tensor(string)"),
    ]
    assert metadata["columns"] == {"x": [0], "x.text": [1, 2]} and metadata["categories"]["x.text"][1] == [
        "north",
        "süd",
    ]
    # A missing value is no text.
    rows = {"x": table[:, :1].astype(float), "x.text": np.where(table[:, 1:] == None, "", table[:, 1:])}  # noqa: E711
    for n in N_ROWS:
        label, probabilities = session.run(None, {name: values[:n] for name, values in rows.items()})
        close(probabilities, classifier.predict_proba(table[:n]))
        assert label.tolist() == classifier.predict(table[:n]).tolist() and np.ptp(probabilities) > 0.1
    _, refused = session.run(None, {"x": rows["x"][:2], "x.text": np.array([["f", "north"], ["x", "north"]], object)})
    assert np.isnan(refused).tolist() == [[False, False], [True, True]]


def test_encoded_numbers_that_are_sums_of_products_are_refused_with_the_way_out(tmp_path):
    table = np.arange(40.0).reshape(20, 2) % 3
    steps = ["Whiten", ["OneHot", {"columns": 1}]]
    encoded = NNClassifier([OUTPUT], rng=1, n_epochs=1, batch_size=10, preprocess=steps).fit(table, PARITY)
    with pytest.raises(ConfigError, match=r"OneHot of columns of numbers cannot be exported behind .*: put it first"):
        encoded.export(tmp_path / "m.pt2")
    assert not list(tmp_path.iterdir())
