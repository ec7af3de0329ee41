"""`arignote init`: the config that it writes trains as it stands, and better than a linear model."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import arignote
from PIL import Image
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import log_loss, r2_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from arignote import NNClassifier, NNRegressor
from arignote.spec.config import read_config

MNIST = Path("/work/shared/data/mnist.npz")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def trained(data, *more):
    """Write a config for data, train it as it stands, and return its run."""
    written = arignote("init", data)
    assert written.code == 0 and "next:  arignote fit" in written.out, written
    ended = arignote("fit", f"{Path(data).stem}.yaml", "--quiet", *more)
    assert ended.code == 0 and not ended.err, ended
    return f"runs/{Path(data).stem}"


def test_a_table_of_numbers_text_and_missing_values_trains_as_it_stands(folder):
    n = 60
    frame = pd.DataFrame(
        {
            "id": [f"p{k:03}" for k in range(n)],
            "age": [30.0 + k % 7 for k in range(n)],
            "site": ["north", "south", None] * (n // 3),
            "crp": [None if k == 5 else k / 3 for k in range(n)],
            "outcome": ["yes", "no"] * (n // 2),
        }
    )
    frame.to_csv("patients.csv", index=False)
    ended = arignote("init", "patients.csv", "--labels", "outcome")
    assert ended.out == (
        "patients.csv: 60 rows of 2 columns of numbers and 1 column of text; labels: 2 classes (no, yes)\n"
        "not certain: the column 'id' names the row, and is left out: columns of data.train\n"
        "written into patients.yaml\n"
        "next:  arignote fit patients.yaml\n"
    )
    assert ended.code == 0 and not ended.err
    spec = read_config(Path("patients.yaml"))
    assert spec.data.train.columns == ["!outcome", "!id"] and spec.data.valid == 0.2
    assert spec.fit["preprocess"] == [
        ["Impute", {"strategy": "median"}],
        ["Impute", {"strategy": "most_frequent", "columns": "category"}],
        ["Standardise"],
        ["OneHot", {"handle_unknown": "ignore"}],
    ]
    assert "# Not certain: the column 'id' names the row" in (folder / "patients.yaml").read_text()
    assert arignote("fit", "patients.yaml", "--set", "fit.n_epochs=1").code == 0


@pytest.mark.parametrize("kind", ["numbers", "flags", "several numbers"])
def test_each_kind_of_labels_has_its_output_layer(kind, folder):
    y = {"numbers": np.arange(40) / 7, "flags": np.eye(4)[np.arange(40) % 4] + np.eye(4)[0] > 0}.get(kind)
    np.savez("a.npz", x=np.random.default_rng(0).normal(size=(40, 3)), y=np.ones((40, 2)) / 3 if y is None else y)
    assert arignote("init", "a.npz").code == 0
    expected = "MultilabelOutputLayer" if kind == "flags" else "RegressionOutputLayer"
    assert read_config(Path("a.yaml")).layers[-1] == [expected]
    assert arignote("fit", "a.yaml", "--set", "fit.n_epochs=1").code == 0


def test_coloured_images_with_channels_last_train_as_they_stand(folder):
    np.savez("a.npz", x=np.random.default_rng(0).integers(0, 255, (20, 9, 12, 3), np.uint8), y=np.arange(20) % 2)
    assert arignote("init", "a.npz", "--out", "b.yaml").code == 0
    spec = read_config(Path("b.yaml"))
    assert spec.data.train.axes == "NHWC" and spec.layers[0] == [
        "InputImageLayer",
        {"n_images": 3, "n_pixels": [9, 12]},
    ]
    assert arignote("fit", "b.yaml", "--set", "fit.n_epochs=1").code == 0


def test_no_file_is_overwritten_and_none_is_written_for_data_that_cannot_be_trained_on(folder):
    np.savez("a.npz", x=np.eye(4), y=np.arange(4) % 2)
    (folder / "a.yaml").write_text("mine")
    ended = arignote("init", "a.npz")
    assert (ended.code, ended.err) == (
        2,
        "error: a.yaml: exists, and is not overwritten. Name another file: --out a_2.yaml\n",
    )
    assert (folder / "a.yaml").read_text() == "mine"
    assert arignote("init", "a.npz", "--out", "nowhere/a.yaml").code == 2
    ended = arignote("init", "a.npz", "--out", "a.txt")
    assert (ended.code, ended.err) == (2, "error: --out must end in .yaml or .yml; got 'a.txt'\n")
    np.savez("a.npz", x=np.eye(4), y=np.arange(3) % 2)
    ended = arignote("init", "a.npz", "--out", "b.yaml")
    assert ended.code == 3 and not (folder / "b.yaml").exists()


def test_nothing_of_a_config_is_left_where_the_disk_is_full(folder):
    np.savez("a.npz", x=np.eye(4), y=np.arange(4) % 2)
    # From far below, relative paths are longer than the absolute ones of the config that is checked before.
    below = folder.joinpath(*["d"] * 150)
    below.mkdir(parents=True)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(arignote("init", "a.npz", "--out", "-").out), hard))
    try:
        ended = arignote("init", "a.npz", "--out", below / "a.yaml")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert ended.code == 2 and "a.yaml: cannot be written: File too large" in ended.err
    assert list(below.iterdir()) == []


def test_paths_start_from_the_folder_of_the_config_and_on_standard_output_they_are_absolute(folder):
    (folder / "configs").mkdir()
    np.savez("a.npz", x=np.eye(4), y=np.arange(4) % 2)
    assert arignote("init", "a.npz", "--out", "configs/a.yaml").code == 0
    assert "features: ../a.npz:x\n" in (folder / "configs" / "a.yaml").read_text()
    assert f"features: {folder}/a.npz:x\n" in arignote("init", "a.npz", "--out", "-").out


def test_line_breaks_in_names_of_the_data_write_no_line_of_the_config(folder):
    labels = np.array(["x\ninclude: other.yaml\n#", "y\u2028include: other.yaml"] * 20)
    np.savez("a.npz", x=np.random.default_rng(0).normal(size=(40, 3)), y=labels)
    assert arignote("init", "a.npz").code == 0
    assert not [line for line in (folder / "a.yaml").read_text().splitlines() if line.startswith("include")]


@pytest.mark.slow
@pytest.mark.parametrize("load", [load_iris, load_digits])
def test_its_network_predicts_classes_of_a_csv_better_than_a_logistic_regression(load, folder):
    frame = load(as_frame=True).frame
    ours, theirs = [], []
    for split in range(3 if load is load_iris else 1):
        train, held_out = train_test_split(frame, test_size=0.25, random_state=split, stratify=frame.target)
        train.to_csv(f"train{split}.csv", index=False)
        network = NNClassifier.load(trained(f"train{split}.csv"))
        linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        linear.fit(train.drop(columns="target"), train.target)
        x, y = held_out.drop(columns="target"), held_out.target
        for found, model in ((ours, network), (theirs, linear)):
            found.append((log_loss(y, model.predict_proba(x)), 1 - model.score(x, y)))
    # A held-out row of iris more or less right is chance; how sure a network is of its classes is not.
    (our_nll, our_error), (their_nll, their_error) = np.mean(ours, 0), np.mean(theirs, 0)
    assert our_nll < 0.8 * their_nll and our_error <= their_error + 1e-9


@pytest.mark.slow
def test_its_network_predicts_numbers_of_a_csv_better_than_a_linear_regression(folder):
    frame = load_diabetes(as_frame=True).frame
    ours, theirs = [], []
    for split in range(5):
        train, held_out = train_test_split(frame, test_size=0.2, random_state=split)
        train.to_csv(f"train{split}.csv", index=False)
        x, y = held_out.drop(columns="target"), held_out.target
        ours.append(r2_score(y, NNRegressor.load(trained(f"train{split}.csv")).predict(x)))
        models = [make_pipeline(StandardScaler(), model) for model in (LinearRegression(), Ridge())]
        scores = [model.fit(train.drop(columns="target"), train.target).score(x, y) for model in models]
        theirs.append(max(scores))
    assert np.mean(ours) > np.mean(theirs)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "npz"])
def test_its_network_of_images_makes_fewer_errors_than_a_logistic_regression(kind, folder):
    if kind == "npz":
        if not MNIST.exists():
            pytest.skip("needs mnist.npz")
        with np.load(MNIST) as file:
            x, y, x_held, y_held = (file[name] for name in ("x_train", "y_train", "x_test", "y_test"))
        x, y, x_held, y_held = x[:2000], y[:2000], x_held[:1000], y_held[:1000]
        np.savez("images.npz", x_train=x, y_train=y, x_test=x_held, y_test=y_held)
        network = NNClassifier.load(trained("images.npz", "--set", "fit.n_epochs=4"))
    else:
        pixels, y = load_digits(return_X_y=True)
        x, x_held, y, y_held = train_test_split(
            (pixels.reshape(-1, 8, 8) * 15).astype(np.uint8), y.astype(str), test_size=0.25, random_state=0, stratify=y
        )
        for number, (image, label) in enumerate(zip(x, y, strict=True)):
            (folder / "images" / label).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / "images" / label / f"{number}.png")
        network = NNClassifier.load(trained("images", "--set", "fit.n_epochs=20"))
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200, tol=0.01))
    linear.fit(x.reshape(len(x), -1), y)
    theirs = 1 - linear.score(x_held.reshape(len(x_held), -1), y_held)
    ours = 1 - network.score(x_held[:, None], y_held)
    assert ours < 0.7 * theirs
