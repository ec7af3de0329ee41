"""Data from a config or a name to a trained network: every kind of file, what is wrong with it, what is left behind."""

from __future__ import annotations

import csv
import gc
import os
import pickle
import re
import shlex
import signal
import tempfile
import threading
import time
import warnings
from collections import Counter
from pathlib import Path

import forked
import h5py
import numpy as np
import pandas as pd
import pytest
from promise import at_event
from typer.testing import CliRunner

from arignote import STOP, ArignoteError, ArignoteWarning, ConfigError, DataError, Interrupted, NNClassifier
from arignote.cli import app
from arignote.data import Data, HDFReader, get_reader
from arignote.data.epoch import batches, order
from arignote.data.epoch.batches import Batches
from arignote.data.epoch.order import order_of
from arignote.data.readers import sources
from arignote.data.readers.hdf import blocks
from arignote.data.readers.user_reader import UserReader
from arignote.data.rows import selection as rows
from arignote.data.rows.open_rows import rows_of

Image = pytest.importorskip("PIL.Image", reason="folders of images are decoded with Pillow")
ROOT = Path(__file__).resolve().parents[1]
LEGACY = ROOT.parent / "shared" / "data" / "legacy_panel4d_gray.h5"
RNG = np.random.default_rng(11)
N = 60
X = RNG.normal(size=(N, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)
PIXELS = RNG.integers(0, 256, (N, 8, 6, 3), dtype=np.uint8)
LAYERS = [["FCLayer", {"n_units": 3}], ["ClassificationOutputLayer"]]
DENSE = "[[FCLayer, {n_units: 3}], [ClassificationOutputLayer]]"
CONV = (
    "[[InputImageLayer, {n_pixels: [8, 6], n_images: %d}], [ConvLayer, {n_output_maps: 2, filter_shape: 3}],"
    " [ClassificationOutputLayer]]"
)

# Whole fits and commands: left out of make fast.
pytestmark = pytest.mark.slow
SETTINGS = {"n_epochs": 2, "batch_size": 16, "n_threads": 1}
UINT8 = "X holds integers of 0 to 255"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Every kind of file; the tests only read them."""
    at = tmp_path_factory.mktemp("data")
    words = np.where(Y == 1, "high", "low")
    with h5py.File(at / "f.h5", "w") as file:
        for part, some in (("train", slice(0, 40)), ("test", slice(40, N))):
            file[f"{part}/x"], file[f"{part}/y"] = X[some], Y[some]
        file["wide/x"], file["short"] = RNG.normal(size=(20, 5)), Y[:30]
        file["nhwc"], file["nhw"], file["labels"] = PIXELS, PIXELS[..., 0], Y
        file["gap"] = np.where(np.arange(N) == 7, np.nan, Y)
        ragged = file.create_dataset("ragged", (N,), dtype=h5py.vlen_dtype(np.float32))
        for row in range(N):
            ragged[row] = X[row, : 2 + row % 2]
        file.create_dataset("words", data=list(words), dtype=h5py.string_dtype())
        for name in ("big", "far"):
            # 4 GB in the header, nothing on the disk.
            file.create_dataset(name, shape=(1_000_000, 1024), dtype="f4", chunks=(1000, 1024))
        file["bigy"] = (np.arange(1_000_000) % 2).astype(np.int8)
    frame = pd.DataFrame(X, columns=list("abcd")).assign(label=words)
    frame.to_csv(at / "f.csv", index=False)
    frame.to_parquet(at / "f.parquet")
    np.savez(at / "f.npz", x=X, targets=Y)
    for number, pixels in enumerate(PIXELS[:20]):
        path = at / "images" / "ab"[number % 2] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        # Of two sizes.
        Image.fromarray(pixels[:, : 5 + number % 4 // 2]).save(path)
    return at


def config(at, data, layers=DENSE, fit="", name="c.yaml"):
    path = at / name
    path.write_text(
        f"rng: 1\ndata: {data}\nlayers: {layers}\nfit: {{n_epochs: 1, batch_size: 8, n_threads: 1, {fit}}}\n"
    )
    return str(path)


def said(*words):
    """Return what a command of the command line prints; raise what it raises."""
    result = CliRunner().invoke(app, list(words))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def trained(tmp_path, at, data, *, layers=DENSE, fit="", more=()):
    """Train a config, give what was printed and the classifier."""
    path = config(at, data, layers, fit, f"{tmp_path.name}.yaml")
    output = said("fit", path, "--set", f"fit.checkpoint={tmp_path / 'run'}", *more)
    return output, NNClassifier.load(str(tmp_path / "run"))


def next_commands(output):
    """Return the words of the commands that a fit says to give next, as a shell would split them."""
    lines = [line.removeprefix("next:").strip() for line in output.splitlines() if "  arignote " in line]
    return {words[1]: words[1:] for words in map(shlex.split, lines)}


def test_a_config_trains_from_tables_beside_it_and_prints_the_next_commands(folder, tmp_path, monkeypatch):
    data = f"{{{TRAIN}, valid: 0.1, test: {{features: 'f.h5:/test/x', labels: 'f.h5:/test/y'}}}}"
    monkeypatch.chdir(tmp_path)
    output, classifier = trained(tmp_path, folder, data)
    assert "test error" in output
    shapes = {name: part["features"]["shape"] for name, part in classifier.state_.data.items() if "features" in part}
    assert shapes == {"train": [36, 4], "valid": [4, 4], "test": [20, 4]}
    following = next_commands(output)
    assert list(following) == ["inspect", "evaluate", "predict"]
    assert "nll" in said(*following["evaluate"]) and "epoch" in said(*following["inspect"])
    said(*following["predict"])
    with open("preds.csv") as file:
        found = list(csv.DictReader(file))
    expected = classifier.predict_proba(X[:40])
    assert np.allclose([[float(row["p_0"]), float(row["p_1"])] for row in found], expected, atol=1e-6)


def test_predictions_into_a_closed_pipe_end_as_other_commands_do(folder, tmp_path):
    output, _ = trained(tmp_path, folder, f"{{{TRAIN}}}")
    reader, out = os.pipe()
    os.close(reader)
    try:
        words = [*next_commands(output)["predict"][:-1], f"/dev/fd/{out}"]
        assert CliRunner().invoke(app, words).exit_code == 141
    finally:
        os.close(out)


SOURCES = {
    "labels are found by their name": "{train: {features: 'f.h5:/nhw', axes: NHW}}",
    "columns and a column of words": "{train: {features: 'f.csv:a,b', labels: 'f.csv:label'}, valid: 0.1}",
    "a whole csv": "{train: {features: f.csv}, test: 0.1}",
    "a whole parquet": "{train: {features: f.parquet}, valid: {features: f.csv}}",
    "npz": "{train: {features: 'f.npz:x', labels: 'f.npz:targets'}, valid: {features: f.npz}}",
    "a folder of images": "{train: {features: images, size: [4, 4], mode: L}, valid: 0.2}",
}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.filterwarnings(f"ignore:{UINT8}")
def test_every_kind_of_source_is_trained_from_and_predicted_by_the_printed_commands(
    kind, folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    checked = said("check", config(folder, SOURCES[kind]), "--data")
    assert "train: " in checked
    output, classifier = trained(tmp_path, folder, SOURCES[kind])
    following = next_commands(output)
    assert "rows -> preds.csv" in said(*following["predict"])
    if kind != "a folder of images":
        assert "error" in said(*following["evaluate"])
    names = {"a folder of images": ["a", "b"]} | {
        k: ["high", "low"] for k in SOURCES if "csv" in k or "par" in k or "col" in k
    }
    assert classifier.classes_.tolist() == names.get(kind, [0, 1])


@pytest.mark.filterwarnings(f"ignore:{UINT8}")
def test_a_folder_whose_images_differ_in_size_is_evaluated_by_the_printed_command(folder, tmp_path):
    output, _ = trained(tmp_path, folder, SOURCES["a folder of images"])
    assert "error" in said(*next_commands(output)["evaluate"])


@pytest.mark.skipif(not LEGACY.exists(), reason="the file of 2015 lies in ../shared/data, which is not here")
def test_a_colour_of_images_is_chosen_by_the_printed_commands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = f"{{train: {{features: '{LEGACY}:/images', labels: '{LEGACY}:/labels', color: 0}}, valid: 0.2}}"
    output, _ = trained(tmp_path, tmp_path, data)
    following = next_commands(output)
    assert following["predict"][-2:] == ["--color", "0"]
    assert "error" in said(*following["evaluate"]) and "rows -> preds.csv" in said(*following["predict"])
    with pytest.raises(DataError, match="has no colour 7"):
        said(*following["predict"][:-1], "7")


def test_axes_of_images_that_differ_from_training_are_passed_to_a_command(folder, tmp_path):
    output, _ = trained(tmp_path, folder, NHW, fit="preprocess: [Scale, {divide_by: 255}]")
    np.save(tmp_path / "nchw.npy", PIXELS[:, None, ..., 0])
    words = ["evaluate", str(tmp_path / "run"), "--features", str(tmp_path / "nchw.npy"), "--labels", f"{folder}/f.npz"]
    assert said(*words, "--axes", "NCHW") == said(*next_commands(output)["evaluate"])
    with pytest.raises(ConfigError, match="--axes must be NCHW, NHWC or NHW; got 'HWC'"):
        said(*words, "--axes", "HWC")


@pytest.mark.slow
def test_a_module_of_ones_own_is_trusted_by_its_name(folder, tmp_path, monkeypatch):
    (tmp_path / "my_trusted_layers.py").write_text(
        "from typing import ClassVar\nfrom arignote.layers.base import Layer\nfrom arignote.registry import register\n"
        "@register()\nclass SameLayer(Layer):\n"
        '    name_prefix: ClassVar[str] = "same"\n'
        "    def build(self, shape):\n        return lambda params, x, training: x\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    data = "{train: {features: 'f.npz:x', labels: 'f.npz:targets'}}"
    layers = "[['my_trusted_layers:SameLayer'], [ClassificationOutputLayer]]"
    path = config(folder, data, layers)
    run = str(tmp_path / "run")
    command = ["-m", "arignote"]
    env = os.environ | {"PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    words = [*command, "fit", path, "--set", f"fit.checkpoint={run}"]
    forked.run(words, env=env, check=True)
    words = [*command, "evaluate", run, "--features", f"{folder}/f.npz", "--labels", f"{folder}/f.npz"]
    refused = forked.run(words, env=env)
    assert refused.returncode == 4 and "'my_trusted_layers', which is not imported" in refused.stderr
    trusted = forked.run([*words, "--trust", "my_trusted_layers"], env=env)
    assert trusted.returncode == 0 and "error" in trusted.stdout, trusted.stderr


def test_variables_and_a_data_dir_determine_where_files_are(folder, tmp_path, monkeypatch):
    with_space = tmp_path / "with space"
    with_space.mkdir()
    (with_space / "f.h5").write_bytes((folder / "f.h5").read_bytes())
    monkeypatch.setenv("DATA", str(with_space))
    monkeypatch.chdir(tmp_path)
    by_variable = "{train: {features: '${DATA}/f.h5:/train/x', labels: '$DATA/f.h5:/train/y'}}"
    output, first = trained(tmp_path, tmp_path, by_variable)
    following = next_commands(output)
    assert "40 rows" in said(*following["predict"]) and "nll" in said(*following["evaluate"])
    relative = "{train: {features: 'f.h5:/train/x', labels: 'f.h5:/train/y'}}"
    output, second = trained(tmp_path, tmp_path, relative, more=("--data-dir", str(with_space)))
    assert "finished" in output and second.state_.run_id == first.state_.run_id
    assert "40 rows" in said(*next_commands(output)["predict"])
    path = config(tmp_path, relative)
    with pytest.raises(DataError, match="no such file"):
        said("check", path, "--data")
    assert "(40, 4)" in said("check", path, "--data", "--data-dir", str(with_space))
    monkeypatch.delenv("DATA")
    with pytest.raises(DataError, match="environment variable in the path is not set"):
        said("check", config(tmp_path, by_variable), "--data")


@pytest.mark.parametrize("where", ["data", "fit"])
@pytest.mark.parametrize("axes", ["NHWC", "NHW"])
def test_images_with_channels_last_or_none_are_trained_checked_and_predicted(
    axes, where, folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    printed_text = f", axes: {axes}" if where == "data" else ""
    data = f"{{train: {{features: 'f.h5:/{axes.lower()}'{printed_text}}}, valid: 0.1}}"
    layers = CONV % (3 if axes == "NHWC" else 1)
    fit = "preprocess: [[Scale, {divide_by: 255}]]" + (f", axes: {axes}" if where == "fit" else "")
    path = config(folder, data, layers, fit)
    assert "uint8" in said("check", path, "--data")
    assert "2 x 6 x 4" in said("summary", path)
    output, classifier = trained(tmp_path, folder, data, layers=layers, fit=fit)
    said(*next_commands(output)["predict"])
    images = PIXELS.transpose(0, 3, 1, 2) if axes == "NHWC" else PIXELS[:, None, ..., 0]
    with open("preds.csv") as file:
        found = [float(row["p_1"]) for row in csv.DictReader(file)]
    classifier.state_.spec["fit"] |= {"axes": None, "preprocess": None}
    assert np.allclose(found, classifier.predict_proba(images / np.float32(255))[:, 1], atol=1e-6)


TRAIN = "train: {features: 'f.h5:/train/x', labels: 'f.h5:/train/y'}"
CHECKS = {
    "train: {features: 'f.h5:/train/x', labels: 'f.h5:/short'}": "train: .*/train/x has 40 rows, .*/short 30",
    "train: {features: 'f.h5:/train/z'}": r"f\.h5: /train/z: there is no such table.*/train/x",
    "train: {features: 'f.csv:a,q'}": r"f\.csv: has no column 'q'.*a, b, c, d, label",
    "train: {features: 'f.csv:a,z'}": r"f\.csv: has no column 'z'\. There are: a, b, c, d, label$",
    "train: {features: 'f.npz:y'}": r"f\.npz: has no table 'y'.*x, targets",
    "train: {features: 'f.npz:q'}": r"f\.npz: has no table 'q'\. There are: x, targets$",
    "train: {features: 'f.npz:target'}": r"'target'\. Did you mean 'targets'\? There are: x, targets$",
    "train: {features: 'f.h5:/nhw', axes: NHWC}": r"nhw has the shape \(60, 8, 6\); axes 'NHWC' name 4",
    "train: {features: 'f.h5:/labels', labels: 'f.h5:/labels'}": r"labels must have the shape \(rows, ",
    "train: {features: f.csv, mode: L}": "'mode' does not apply to this kind of source",
    TRAIN + ", test: {features: 'f.h5:/wide/x', labels: 'f.h5:/test/y'}": (
        r"test: an example of .*wide/x has the shape \(5,\), one of train \(4,\)"
    ),
}


@pytest.mark.parametrize("data", CHECKS)
def test_check_finds_what_does_not_fit_before_anything_is_trained(data, folder):
    with pytest.raises(DataError, match=CHECKS[data]):
        said("check", config(folder, f"{{{data}}}"), "--data")


NHW = "{train: {features: 'f.h5:/nhw', axes: NHW}}"
TRIED = {
    "augmentation: Flip": ("{train: {features: 'f.npz:x', labels: 'f.npz:targets'}}", r"Flip needs images .*\(8, 4\)"),
    "augmentation: QuarterTurns": (NHW, r"QuarterTurns needs square images; got an array of shape \(8, 1, 8, 6\)"),
    "augmentation: [Crop, {size: 4}]": (
        NHW,
        r"augmentation changes the shape of an example from \(1, 8, 6\) to \(1, 4, 4\)",
    ),
    "preprocess: [Standardise, {per: channel}]": (
        "{train: {features: 'f.npz:x', labels: 'f.npz:targets'}}",
        r'per="channel" needs images .*got shape \(8, 4\)',
    ),
    "preprocess: [Whiten, {method: pca, n_components: 9}]": (
        "{train: {features: 'f.npz:x', labels: 'f.npz:targets'}}",
        "Whiten takes 9 to 4096 features; got 4",
    ),
}


@pytest.mark.parametrize("fit", TRIED)
def test_check_tries_preprocessing_and_augmentation_on_a_first_batch(fit, folder):
    data, words = TRIED[fit]
    with pytest.raises(DataError, match=words):
        said("check", config(folder, data, fit=fit), "--data")


def test_check_prints_what_the_network_receives(folder):
    fit = "preprocess: [[Scale, {divide_by: 255}], [Whiten, {method: pca, n_components: 5}]], augmentation: [Mixup]"
    printed_text = said("check", config(folder, NHW, fit=fit), "--data")
    assert "first batch: 8 examples of (5,) float32 come to the network" in printed_text


def test_check_and_fit_see_images_of_validation_in_the_size_of_those_of_training(folder):
    data = "{train: {features: images, size: [4, 4]}, valid: {features: images}}"
    assert "valid: " in said("check", config(folder, data), "--data")


def test_check_reports_labels_of_the_test_data_that_training_lacks(folder):
    np.savez(folder / "more.npz", x=X, targets=Y + 1)
    data = "{train: {features: 'f.npz:x', labels: 'f.npz:targets'}, test: {features: more.npz}}"
    with pytest.raises(DataError, match=r"^label 2 of test row \d+ is none of the classes \[0, 1\]"):
        said("check", config(folder, data), "--data")


@pytest.mark.parametrize("command", [("check", "--data"), ("fit",)])
@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ("{0: 2, 7: 1.5}", r"class_weight names the class '7'; the classes are \[0, 1\]$"),
        ("{0: -1}", r"class_weight of '0' must be a finite number >= 0; got -1\.0$"),
    ],
)
def test_check_and_fit_report_weights_of_unknown_classes(weights, words, command, folder):
    path = config(folder, "{train: {features: 'f.npz:x', labels: 'f.npz:targets'}}", fit=f"class_weight: {weights}")
    with pytest.raises(DataError, match=words):
        said(command[0], path, *command[1:])


def test_check_reports_channels_last_for_a_network_that_needs_them_first(folder):
    with pytest.raises(ConfigError, match=r"images are \(3, 8, 6\), but an example has the shape \(8, 6, 3\)"):
        said("check", config(folder, "{train: {features: 'f.h5:/nhwc'}}", CONV % 3), "--data")


def test_check_reads_headers_only_of_a_file_of_4_gb(folder, monkeypatch):
    read, n_rows = HDFReader.read, Counter()

    def counted(reader, rows):
        block = read(reader, rows)
        n_rows[reader.where.split(":")[-1]] += len(block)
        return block

    monkeypatch.setattr(HDFReader, "read", counted)
    path = config(folder, "{train: {features: 'f.h5:/big', labels: 'f.h5:/bigy'}, valid: 0.1}")
    assert "(1000000, 1024) float32" in said("check", path, "--data")
    # All labels, and a few rows, with which the reader is tried.
    assert n_rows["/bigy"] == 1_000_000 and n_rows["/big"] < 100


# The config, the line and place of its error, and the message.
WORDS = [
    ("data: {train: {featuers: x.h5}}", "1 data.train.featuers:", "Did you mean 'features'"),
    ("data: {train: {features: x.h5}, vaild: 0.1}", "1 data.vaild:", "Did you mean 'valid'"),
    (
        "data: {train: {features: x.h5, axes: HWC}}",
        "1 data.train.axes",
        "must be 'NCHW', 'NHWC' or 'NHW' or a mapping; got 'HWC'",
    ),
    ("data: {train: {labels: x.h5}}", "1 data.train:", "features must be given"),
    ("data: {train: {features: x}, test: {feature: y}}", "1 data.test.feature:", "Did you mean 'features'"),
    ("fit:\n  rng: 1\n  augmentation: [[Shfit, {max_shift: 1}]]", "3 fit.augmentation:", "Did you mean 'Shift'"),
    ("fit:\n  augmentation: [Shift, {max_shfit: 1}]", "2 fit.augmentation.max_shfit:", "Did you mean 'max_shift'"),
    ("fit:\n  preprocess: [[Standardize]]", "2 fit.preprocess:", "Write [Standardise]"),
    ("fit:\n  preprocess: [[Scale, {divide: 2}]]", "2 fit.preprocess.divide:", "Did you mean 'divide_by'"),
    ("fit:\n  partition: contiguos", "2 fit.partition", "must be 'stratified' or 'contiguous'; got 'contiguos'"),
    ("fit:\n  class_weight: balancd", "2 fit.class_weight", "'balanced'; got 'balancd'"),
]


@pytest.mark.parametrize(("text", "place", "words"), WORDS, ids=[place for _, place, _ in WORDS])
def test_an_unknown_word_is_reported_with_its_line_and_the_nearest_known_one(text, place, words, tmp_path):
    (tmp_path / "c.yaml").write_text(f"{text}\nlayers: {DENSE}\n")
    line, _, where = place.partition(" ")
    with pytest.raises(ConfigError) as found:
        said("check", str(tmp_path / "c.yaml"))
    printed_text = str(found.value)
    assert re.search(rf"c\.yaml:{line}:\d+: {re.escape(where)} .*{re.escape(words)}", printed_text), printed_text
    assert "'data'" not in printed_text


def test_all_wrong_words_of_the_data_are_reported_at_once(tmp_path):
    (tmp_path / "c.yaml").write_text(
        f"data:\n  train:\n    features: x.h5\n    sise: 3\n  test: {{features: 5}}\n  valdi: 1\nlayers: {DENSE}\n"
    )
    with pytest.raises(ConfigError) as found:
        said("check", str(tmp_path / "c.yaml"))
    printed_text = [re.sub(r".*c\.yaml:(\d+):\d+: ", r"\1 ", line) for line in str(found.value).splitlines()]
    assert [re.split(": | must", line)[0] for line in printed_text] == [
        "4 data.train.sise",
        "5 data.test.features",
        "6 data.valdi",
    ]


AUGMENTATIONS = {
    "[[Shift, {max_shift: 1}], [Flip, {}]]": ["Shift", "Flip"],
    "[Shift, {max_shift: 1}]": ["Shift"],
    "[Flip]": ["Flip"],
    "Flip": ["Flip"],
    "[Flip, QuarterTurns]": ["Flip", "QuarterTurns"],
    "[Flip, [Noise, {sigma: 0.1}]]": ["Flip", "Noise"],
}


@pytest.mark.parametrize("given", AUGMENTATIONS)
def test_augmentation_is_a_list_of_specs_or_a_single_one_or_a_name_alone(given, folder, tmp_path):
    # Square images: a quarter turn keeps their shape.
    data = "{train: {features: images, size: 6, mode: L}}"
    fit = f"preprocess: [[Scale, {{divide_by: 255}}], [Standardise, {{per: channel}}]], augmentation: {given}"
    _, classifier = trained(tmp_path, folder, data, fit=fit)
    spec = classifier.state_.spec["fit"]
    assert [name for name, _ in spec["augmentation"]] == AUGMENTATIONS[given]
    assert [name for name, _ in spec["preprocess"]] == ["Scale", "Standardise"]
    assert classifier.state_.preprocess["1.mean"].shape == (1, 1, 1)


SPOILT = {
    "one array": (lambda x, y: x, r"must return features and labels, \(x, y\); got ndarray"),
    "nothing": (lambda x, y: None, r"must return features and labels, \(x, y\); got NoneType"),
    "a class that is none": (
        lambda x, y: (x, y + 5),
        r"y must be class numbers in 0 \.\. 1, .*got int64 of shape",
    ),
    "half a class": (lambda x, y: (x, y * 0.5), r"y must be class numbers .*got float64 of shape \(16,\)"),
    "shares of other classes": (lambda x, y: (x, np.ones((len(y), 3))), r"shares of the classes \(rows, 2\); got"),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_an_augmentation_with_a_wrong_result_is_an_error_with_what_it_must_return(kind):
    function, words = SPOILT[kind]
    with pytest.raises(DataError, match=rf"augmentation of epoch 1, batch 0: .*{words}"):
        NNClassifier(LAYERS, rng=1).fit(X, Y, augmentation=function, **SETTINGS)


def test_an_augmentation_that_is_a_class_is_an_error_that_asks_for_an_instance():
    with pytest.raises(ConfigError, match=r"augmentation must be functions; got the class dict: give dict\(\)"):
        NNClassifier(LAYERS, rng=1).fit(X, Y, augmentation=dict, **SETTINGS)


ALTERED = {
    "other rows": (
        lambda x: x[:2],
        r"alter_features must return 1?\d rows, as many as it receives; got shape \(2, 4\)",
    ),
    "a fault": (lambda x: 1 / 0, "alter_features: ZeroDivisionError: division by zero"),
    "nothing": (lambda x: None, r"alter_features must return .* rows, as many as it receives; got shape \(\)"),
}


@pytest.mark.parametrize("kind", ALTERED)
def test_a_function_that_alters_data_and_fails_is_reported_by_its_name(kind):
    function, words = ALTERED[kind]
    with pytest.raises(DataError, match=words):
        # A single row is seen first, and two of it are none too few.
        NNClassifier(LAYERS, rng=1).fit(
            Data(X, Y, alter_features=lambda x: function(x) if len(x) > 2 else x), **SETTINGS
        )
    with pytest.raises(DataError, match="alter_labels"):
        NNClassifier(LAYERS, rng=1).fit(Data(X, Y, alter_labels=function), **SETTINGS)


class Items:
    def __len__(self):
        return N

    def __getitem__(self, row):
        if row == 21:
            raise KeyError("no such picture")
        return X[row], int(Y[row])


def test_a_dataset_that_raises_is_reported_with_its_row():
    with pytest.raises(DataError, match=r"Items\[[01]\]: row 21: KeyError: 'no such picture'"):
        NNClassifier(LAYERS, rng=1).fit(Items(), **SETTINGS)


def test_a_reader_is_found_of_a_dataset_too():
    assert get_reader(Items()).shape == (N, 4) and get_reader(Items(), labels=True).shape == (N,)
    for nothing in (None, 3, {"x": X}, Data(X, Y)):
        with pytest.raises(DataError, match="a source must be a path, an array, a reader or a dataset with rows; got"):
            get_reader(nothing)


class Stream:
    def __iter__(self):
        return zip(X, Y, strict=True)


class Loader(Stream):
    def __len__(self):
        return 4


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (Stream(), r"Stream: has no length"),
        (Loader(), r"Loader: has no items by number.*DataLoader"),
        (iter(X), r"no length"),
    ],
)
def test_an_iterable_without_length_is_reported_with_what_it_lacks(given, words):
    with pytest.raises(DataError, match=words):
        NNClassifier(LAYERS, rng=1).fit(given, Y, **SETTINGS)


def test_the_axes_of_data_are_checked_where_they_are_given():
    with pytest.raises(DataError, match=r"axes of Data must be NCHW, NHWC or NHW; got 'HWC'"):
        Data(PIXELS, Y, axes="HWC")


def test_the_log_shows_how_a_source_is_read(folder, tmp_path, caplog):
    np.save(tmp_path / "x.npy", X)
    with caplog.at_level("INFO", logger="arignote.data.readers.sources"):
        for source in (f"{folder}/f.npz", tmp_path / "x.npy", folder / "images"):
            get_reader(source, **{"size": 4} if source == folder / "images" else {})
    printed_text = [record.getMessage() for record in caplog.records]
    assert "f.npz:x (60, 4) float32, in memory" in printed_text[0] and printed_text[1].endswith(
        "x.npy (60, 4) float32, single rows are read"
    )
    assert printed_text[2].endswith("images (20, 3, 4, 4) uint8, single rows are read")


def test_weights_of_classes_and_contiguous_parts_come_from_a_config(folder, tmp_path):
    data = "{train: {features: 'f.npz:x', labels: 'f.npz:targets'}, valid: 0.2}"
    _, classifier = trained(tmp_path, folder, data, fit="class_weight: {0: 2, 1: 1.5}, partition: contiguous")
    by_hand = NNClassifier([["FCLayer", {"n_units": 3}], ["ClassificationOutputLayer"]], rng=1).fit(
        X[:48],
        Y[:48],
        valid=(X[48:], Y[48:]),
        n_epochs=1,
        batch_size=8,
        n_threads=1,
        sample_weight=np.where(Y[:48] == 0, 2, 1.5),
    )
    assert np.array_equal(classifier.predict_proba(X), by_hand.predict_proba(X))


def test_unscaled_bytes_are_reported_once(folder, tmp_path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data = "{train: {features: 'f.h5:/nhw', axes: NHW}, valid: 0.1}"
        _, classifier = trained(tmp_path, folder, data, more=("--set", "fit.n_epochs=3"))
        classifier.predict(PIXELS[..., 0])
    printed_text = [str(warning.message) for warning in caught]
    assert len(printed_text) == 1 and "preprocess=[['Scale', {'divide_by': 255}]]" in printed_text[0]


class Wrong:
    """Rows of a user's own, with a fault that is switched on."""

    fault = ""

    def iter_epoch(self, batch_size, start=0, stop=None, start_on_batch=True, allow_partial=False):
        stop = N if stop is None else min(stop, N)
        start = start // batch_size * batch_size if start_on_batch else start
        start = 0 if self.fault == "start" else start
        for at in range(start, stop, batch_size):
            end = min(at + batch_size, stop)
            if allow_partial or end - at == batch_size:
                yield X[at:end, :3] if self.fault == "shape" and at >= 30 else X[at:end]


@pytest.fixture
def small_chunks(monkeypatch):
    """Files and readers come in many windows, and no file is held in memory."""
    monkeypatch.setattr(rows, "BLOCK_BYTES", 320)
    monkeypatch.setattr(order, "BLOCK_BYTES", 320)
    monkeypatch.setattr(blocks, "_READ_BYTES", 100)
    monkeypatch.setattr(sources, "IN_MEMORY", 0)
    monkeypatch.setattr(UserReader, "chunk_rows", 5)


@pytest.fixture
def table(tmp_path):
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file.create_dataset("x", data=X, chunks=(5, 4))
        file["y"] = Y
    return tmp_path / "t.h5"


class Hostile:
    def __reduce__(self):
        return os.mkdir, ("made-by-a-pickle",)


def bad(folder, tmp_path):
    """Return features, labels and words of the error of each kind of bad data."""
    f = folder / "f.h5"
    (tmp_path / "no.h5").write_bytes(b"neither this nor that" * 100)
    (tmp_path / "cut.h5").write_bytes(f.read_bytes()[:3000])
    pd.DataFrame({"a": X[:, 0], "b": X[:, 1]}).to_hdf(tmp_path / "hostile.h5", key="x", format="table")
    with h5py.File(tmp_path / "hostile.h5", "a") as file:
        file["x"].attrs["non_index_axes"] = np.bytes_(pickle.dumps(Hostile(), 0))
    (tmp_path / "text.csv").write_text("a,b,label\n1,2,0\n3,x,1\n")
    (tmp_path / "uneven.csv").write_text("a,b,label\n1,2,0\n3,1\n")
    return {
        "missing": (f"{tmp_path}/none.h5:/x", Y, r"none\.h5: there is no such file"),
        "not HDF5": (f"{tmp_path}/no.h5:/x", Y, r"no\.h5: is not an HDF5 file"),
        "cut short": (f"{tmp_path}/cut.h5:/train/x", Y, r"cut\.h5: (is truncated|cannot be opened)"),
        "no such table": (f"{f}:/trian/x", Y, r"f\.h5: /trian/x: there is no such table\. .*/train/x"),
        "rows differ": (f"{f}:/train/x", f"{f}:/short", "40 rows.* 30"),
        "ragged": (f"{f}:/ragged", Y, r"f\.h5.*/ragged"),
        "strings": (f"{f}:/words", Y, r"f\.h5.*/words"),
        "objects": (pd.DataFrame({"a": ["x", "y"] * 30}), Y, "X must be numbers; got objects"),
        "label that is NaN": (X, f"{f}:/gap", "label of .* row 7 is missing"),
        "label of a file": (X, f"{f}:/gap", r"label of \S*f\.h5:/gap row 7 is missing"),
        "no csv": (f"{tmp_path}/text.csv", None, r"text\.csv: column 'b': row 1 \(line 3\) holds 'x'"),
        "uneven csv": (f"{tmp_path}/uneven.csv:a,b", Y, r"uneven\.csv, line 3: has 2 fields; the header has 3"),
        "hostile": (f"{tmp_path}/hostile.h5:/x", Y, r"hostile\.h5"),
    }


def test_errors_of_data_are_reported_and_no_file_of_a_run_is_made(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for case, (x, y, words) in bad(folder, tmp_path).items():
        try:
            NNClassifier(LAYERS, rng=1).fit(x, y, checkpoint=str(tmp_path / "run"), **SETTINGS)
        except DataError as error:
            assert re.search(words, str(error)), (case, str(error))
            continue
        pytest.fail(f"no error was raised for: {case}")
    assert not list(tmp_path.glob("*run*")) and not (tmp_path / "made-by-a-pickle").exists()


def test_a_reader_that_ignores_start_is_reported_before_anything_is_written(tmp_path):
    reader = Wrong()
    reader.fault = "start"
    with pytest.raises(DataError, match=r"Wrong: .*8"):
        NNClassifier(LAYERS, rng=1).fit(reader, Y, checkpoint=str(tmp_path / "run"), **SETTINGS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("n_workers", [0, 2])
def test_a_wrong_shape_in_mid_epoch_names_the_batch_and_leaves_a_good_checkpoint(n_workers, small_chunks, tmp_path):
    reader = Wrong()
    stem = str(tmp_path / "run")
    settings = SETTINGS | {"checkpoint": stem, "checkpoint_every": 1, "n_workers": n_workers}
    # Noise makes each batch in a thread, which would otherwise have read all of this little data ahead.
    settings |= {"augmentation": [["Noise", {"sigma": 0.1}]], "shuffle": False, "prefetch": 1, "batch_size": 5}

    def switch(event):
        if event.kind == "batch":
            reader.fault = "shape"

    with pytest.raises(DataError, match=r"Wrong: batch \d+ has rows of shape \(3,\); the first batch \(4,\)"):
        NNClassifier(LAYERS, rng=1).fit(reader, Y, observers=switch, **settings)
    assert no_threads()
    reader.fault = ""
    whole = NNClassifier(LAYERS, rng=1).fit(reader, Y, **settings | {"checkpoint": None})
    ended = NNClassifier(LAYERS, rng=1).fit(reader, Y, **settings)
    assert len(ended.state_.starts) == 2 and ended.state_.starts[1] > [0, 0]
    assert np.array_equal(ended.predict_proba(X), whole.predict_proba(X))


@pytest.mark.filterwarnings(f"ignore:{UINT8}")
def test_an_image_that_cannot_be_decoded_in_mid_epoch_is_reported_by_its_path(tmp_path):
    for number, pixels in enumerate(PIXELS[:40]):
        path = tmp_path / "images" / "ab"[number % 2] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    images = get_reader(tmp_path / "images")

    def spoil(event):
        if event.kind == "batch" and event.batch == 2:
            for path in (tmp_path / "images").rglob("*.png"):
                path.write_bytes(path.read_bytes()[:60])

    stem = str(tmp_path / "run")
    with pytest.raises(DataError, match=r"images/[ab]/\d\d\.png: cannot be decoded"):
        NNClassifier(LAYERS, rng=1).fit(
            images, images.labels, n_epochs=2, batch_size=4, checkpoint=stem, checkpoint_every=1, observers=spoil
        )
    assert NNClassifier.load(stem).state_.progress.n_updates >= 1
    assert no_threads() and not list(tmp_path.glob("*.tmp*"))


def test_a_file_that_changes_while_training_is_reported_at_the_next_epoch(small_chunks, table):
    events = []

    def change(event):
        events.append((event.kind, event.epoch))
        if event.kind == "batch" and event.batch == 2 and event.epoch == 1:
            os.utime(table, (1, 1))

    with pytest.warns(match=r"t\.h5:/x: changed during training") as caught:
        NNClassifier(LAYERS, rng=1).fit(f"{table}:/x", Y, observers=change, **SETTINGS | {"n_epochs": 3})
    assert len(caught) == 1 and events.count(("batch", 3)) > 0


@pytest.mark.parametrize("part", ["valid", "test"])
def test_a_file_of_validation_or_test_that_changes_is_reported_once(part, small_chunks, table):
    def change(event):
        if event.kind == "batch" and event.batch == 2 and event.epoch == 1:
            os.utime(table, (1, 1))

    held_out = {"valid": 0.2} | {part: (f"{table}:/x", f"{table}:/y")}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        # Warnings of other tests are not shown again.
        getattr(batches, "__warningregistry__", {}).clear()
        NNClassifier(LAYERS, rng=1).fit(X, Y, observers=change, **held_out, **SETTINGS | {"n_epochs": 4})
    assert len(caught) == 1 and "t.h5:/x: changed during training" in str(caught[0].message)


def test_a_memory_map_that_changes_while_training_is_reported(tmp_path):
    np.save(tmp_path / "x.npy", X)

    def change(event):
        if event.kind == "batch" and event.epoch == 1:
            os.utime(tmp_path / "x.npy", (1, 1))

    with pytest.warns(match=r"x\.npy: changed during training"):
        NNClassifier(LAYERS, rng=1).fit(str(tmp_path / "x.npy"), Y, observers=change, **SETTINGS)


@pytest.mark.parametrize("source", ["f.csv", "f.parquet", "f.h5:/nhw", "images"])
@pytest.mark.filterwarnings(f"ignore:{UINT8}")
def test_relative_files_are_read_on_when_the_working_directory_becomes_another(
    source, small_chunks, folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(folder)
    found = get_reader(source, **{"size": (4, 4)} if source == "images" else {})
    labels = Y[: len(found)]
    data = Data(found, labels, axes="NHW" if "nhw" in source else None)
    NNClassifier(LAYERS, rng=1).fit(data, observers=lambda event: os.chdir(tmp_path), **SETTINGS)


def test_a_file_that_is_deleted_during_training_is_reported(small_chunks, tmp_path):
    pd.DataFrame(X).to_csv(tmp_path / "f.csv", index=False)
    with pytest.raises(DataError, match=r"f\.csv: cannot be read, .*No such file"):
        NNClassifier(LAYERS, rng=1).fit(
            f"{tmp_path}/f.csv", Y, observers=lambda event: (tmp_path / "f.csv").unlink(missing_ok=True), **SETTINGS
        )


@pytest.mark.slow
def test_bad_data_ends_a_command_with_code_3_and_no_traceback(folder, tmp_path):
    path = config(folder, "{train: {features: 'f.h5:/train/x', labels: 'f.h5:/short'}}", name="bad.yaml")
    words = ["fit", path, "--set", f"fit.checkpoint={tmp_path / 'run'}"]
    found = forked.run(["-m", "arignote", *words])
    assert found.returncode == 3 and "error: " in found.stderr and "Traceback" not in found.stderr
    assert not list(tmp_path.iterdir())


def test_an_augmentation_that_makes_another_network_necessary_is_refused_by_fit_too(tmp_path):
    x, y = np.zeros((20, 1, 8, 6), np.float32), np.arange(20) % 2
    with pytest.raises(
        DataError, match=r"augmentation changes the shape of an example from \(1, 8, 6\) to \(1, 4, 4\)"
    ):
        NNClassifier([["ClassificationOutputLayer"]], batch_size=20, augmentation=["Crop", {"size": 4}]).fit(x, y)


def no_threads():
    return not [thread.name for thread in threading.enumerate() if thread.name.startswith("arignote")]


def open_files():
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("only Linux lists which files are open")
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            # The handle of the listing itself.
            continue
    return sorted(name for name in found if name.startswith("/") and not name.startswith(("/proc", "/dev")))


class BoomError(Exception):
    pass


def boom(x, y, epoch):
    if epoch == 1:
        raise BoomError("in the augmentation")
    return x, y


def throw(fault):
    raise fault


def kill(number):
    return at_event(6, lambda: os.kill(os.getpid(), number))


ENDINGS = {
    "it is done": (dict, None),
    "an observer stops it": (lambda: {"observers": lambda event: STOP if event.n_updates == 6 else None}, None),
    "the augmentation raises": (lambda: {"augmentation": boom}, DataError),
    "KeyboardInterrupt": (lambda: {"observers": at_event(6, lambda: throw(KeyboardInterrupt()))}, KeyboardInterrupt),
    "Ctrl-C": (lambda: {"observers": kill(signal.SIGINT)}, None),
    "SIGTERM": (lambda: {"observers": kill(signal.SIGTERM)}, Interrupted),
    "GeneratorExit": (lambda: {"observers": at_event(6, lambda: throw(GeneratorExit()))}, GeneratorExit),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Ctrl-C")
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("n_workers", [0, 3])
def test_nothing_is_left_behind_however_a_fit_ends(ending, n_workers, small_chunks, table, tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    settings = SETTINGS | {"augmentation": [["Noise", {"sigma": 0.1}]], "n_workers": n_workers}
    settings |= {"valid": 0.2, "checkpoint": str(tmp_path / "run"), "checkpoint_every": 1}
    make, raised = ENDINGS[ending]
    more = make()
    # What other tests have left to the collector is not of this one; what is alive it need not look at again.
    gc.collect()
    gc.freeze()
    files, threads = open_files(), threading.active_count()

    def run():
        if raised is None:
            NNClassifier(LAYERS, rng=1).fit(f"{table}:/x", f"{table}:/y", **settings | more)
            return
        with pytest.raises(raised):
            NNClassifier(LAYERS, rng=1).fit(f"{table}:/x", f"{table}:/y", **settings | more)

    run()
    assert no_threads() and threading.active_count() == threads
    gc.collect()
    assert open_files() == files
    assert not list((tmp_path / "tmp").iterdir())
    names = [path.name for path in tmp_path.iterdir() if path.name not in ("t.h5", "tmp")]
    assert all(re.fullmatch(r"run_(last|best)(\.\d+)?\.ckpt|run\.lock", name) for name in names), names
    assert {number: signal.getsignal(number) for number in handlers} == handlers
    # What is there can be gone on from.
    assert NNClassifier.load(str(tmp_path / "run")).state_.progress.n_updates >= 3


@pytest.mark.parametrize("n_workers", [0, 1, 3])
def test_batches_that_are_given_up_leave_no_thread_and_no_handle(n_workers, small_chunks, table):
    # Memory maps of earlier tests are closed when they are collected; what is alive need not be looked at again.
    gc.collect()
    gc.freeze()
    files = open_files()
    with HDFReader(table, "x") as reader:
        seen = rows_of(reader, Y)
        how = {"seed": 1, "batch_size": 4, "order": order_of(seen, True), "n_workers": n_workers}
        given_up = Batches(seen, Y, **how).epoch(0)
        next(given_up)
        given_up.close()
        assert no_threads()
        forgotten = Batches(seen, Y, **how).epoch(0)
        next(forgotten)
        del forgotten, given_up
        gc.collect()
        assert no_threads()
    assert open_files() == files


def test_a_reader_of_a_users_own_is_read_by_one_thread_at_a_time(small_chunks):
    class OneAtATime(Wrong):
        n_inside = most = 0

        def iter_epoch(self, *args, **more):
            self.n_inside += 1
            self.most = max(self.most, self.n_inside)
            try:
                for batch in super().iter_epoch(*args, **more):
                    time.sleep(0.001)
                    yield batch
            finally:
                self.n_inside -= 1

    reader = OneAtATime()
    settings = SETTINGS | {"batch_size": 5, "n_workers": 2, "augmentation": [["Noise", {"sigma": 0.1}]]}
    NNClassifier(LAYERS, rng=1).fit(reader, Y, valid=0.3, validation_frequency=10, **settings)
    assert reader.most == 1


def test_a_reader_that_lacks_an_attribute_or_raises_is_a_data_error(small_chunks):
    class Lacking:
        def iter_epoch(self, batch_size):
            yield X[:batch_size]

    class Failing(Wrong):
        def iter_epoch(self, *args, **more):
            raise KeyError("of the user's own")

    for reader in (Lacking(), Failing()):
        with pytest.raises(ArignoteError, match=type(reader).__name__):
            NNClassifier(LAYERS, rng=1).fit(reader, Y, **SETTINGS)


@pytest.mark.parametrize("pair", [lambda x: (x, Y[: len(x)]), lambda x: {"x": x, "y": Y[: len(x)]}])
def test_a_reader_that_yields_features_and_labels_is_an_error_with_a_hint(pair):
    class Pairs:
        def iter_epoch(self, batch_size, start=0, stop=None, start_on_batch=True, allow_partial=False):
            for at in range(start, N, batch_size):
                yield pair(X[at : at + batch_size])

    with pytest.raises(DataError, match=r"Pairs: iter_epoch must yield arrays of features alone.*fit\(reader, y\)"):
        NNClassifier(LAYERS, rng=1).fit(Pairs(), Y, **SETTINGS)


@pytest.mark.skipif(not LEGACY.exists(), reason="the file of 2015 lies in ../shared/data, which is not here")
def test_images_of_2015_are_trained_from_by_the_name_of_their_file(tmp_path):
    layers = [
        ["InputImageLayer", {"n_pixels": 28}],
        ["ConvLayer", {"n_output_maps": 8, "filter_shape": 5, "activation": "relu"}],
        ["MaxPool2DLayer", {"pool_shape": 4}],
        ["ClassificationOutputLayer"],
    ]
    features, labels = f"{LEGACY}:/images", f"{LEGACY}:/labels"
    stem = str(tmp_path / "run")
    settings = {"n_epochs": 10, "batch_size": 20, "n_threads": 1, "sgd_type": "adam"}
    classifier = NNClassifier(layers, rng=2).fit(features, labels, valid=0.2, checkpoint=stem, **settings)
    assert classifier.network_.architecture.n_in == (1, 28, 28) and len(classifier.classes_) == 10
    with pytest.warns(ArignoteWarning, match="trained on 240 of these 300 rows"):
        assert NNClassifier.load(stem).evaluate(features, labels)["error"] < 0.35
    expected = np.load(LEGACY.with_name("legacy_panel4d_gray_expected.npz"))
    assert np.array_equal(classifier.predict_proba(features), classifier.predict_proba(expected["images"]))


@pytest.mark.parametrize(
    ("shape", "filter_shape", "words"),
    [
        (
            (20, 64, 64, 3),
            5,
            r"conv1: .*input \(64, 64, 3\) reads as 64 channels; if channels are last, write axes: NHWC",
        ),
        ((20, 28, 28), 5, r"conv1: .*input \(28, 28\) has no channels; if these are images, write axes: NHW"),
    ],
)
def test_images_with_other_axes_are_an_error_with_the_setting_to_use(shape, filter_shape, words):
    layers = [["ConvLayer", {"n_output_maps": 2, "filter_shape": filter_shape}], ["ClassificationOutputLayer"]]
    with pytest.raises(ConfigError, match=words):
        NNClassifier(layers).fit(np.zeros(shape, np.float32), np.arange(20) % 2, batch_size=10)


def test_channels_last_that_fit_by_chance_are_reported(tmp_path):
    layers = [["ConvLayer", {"n_output_maps": 2, "filter_shape": 3}], ["ClassificationOutputLayer"]]
    with pytest.warns(ArignoteWarning, match=r"conv1: input \(8, 9, 3\) reads as 8 channels"):
        NNClassifier(layers, n_epochs=1).fit(np.zeros((20, 8, 9, 3), np.float32), np.arange(20) % 2, batch_size=10)
