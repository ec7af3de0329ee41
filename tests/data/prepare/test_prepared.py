"""The data of a fit: parts, classes, weights and what is learned of the training rows alone."""

from __future__ import annotations

import hashlib
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pandas as pd
import pytest
from prepared_rows import X, Y, numbers, prepared

from arignote import ArignoteWarning, DataError
from arignote.data import Data, DataWithHoldoutPartitions
from arignote.data.inputs import Input
from arignote.data.prepare.fit_data import FitData
from arignote.data.prepare.prepared import prepare
from arignote.data.readers.base import Reader
from arignote.spec.settings import FitSettings


class Chunked(Reader):
    where, chunk_rows = "data.h5:/x", 7

    def __init__(self, array=X):
        self.array, self.shape, self.dtype, self.read_rows = array, array.shape, array.dtype, []

    def read(self, rows):
        self.read_rows += np.arange(len(self))[rows].tolist()
        return self.array[rows]


def classes_of(prepared):
    return prepared.targets.of_main.classes(prepared.target_states["output"])


@pytest.mark.parametrize("make", [np.asarray, Chunked])
@pytest.mark.parametrize(
    "given",
    [
        {"valid": 0.2, "test": 0.1},
        {"valid": [89, 3, 0], "test": 0.1},
        {"valid": np.array([89, 3], np.uint8), "test": np.arange(30, 40)},
        {"test": 0.3, "groups": np.arange(90) // 4},
    ],
)
def test_parts_have_the_features_and_the_classes_of_their_rows(make, given):
    found = prepared(make(X), **given)
    together = np.concatenate([numbers(rows) for rows, _ in found.subsets.values()])
    assert np.array_equal(np.sort(together), np.arange(90))
    for rows, classes in found.subsets.values():
        assert np.array_equal(rows.features(slice(0, 90)), X[rows.index])
        assert np.array_equal(classes_of(found)[classes], Y[rows.index])


@pytest.mark.parametrize("make", [np.asarray, Chunked])
def test_a_window_of_data_is_parted_within_it(make):
    found = prepared(
        DataWithHoldoutPartitions(make(X), Y, 0.2, 0.1, start=50, stop=80, batch_size=3, allow_partial_batch=False),
        None,
        settings={"partition": "contiguous"},
    )
    assert [len(found.subsets[name][1]) for name in ("train", "valid", "test")] == [21, 6, 3]
    assert np.array_equal(found.subsets["test"][0].features(slice(0, 3)), X[77:80])
    assert found.drop_last and found.batch_size == 5


@pytest.mark.parametrize("batch_size", [-3, 0, 2.5, "8"])
def test_data_brings_its_batch_size(batch_size):
    assert prepare(FitData(Data(X, Y, batch_size=16)), FitSettings(), 1).batch_size == 16
    assert prepare(FitData(Data(X, Y, batch_size=16)), FitSettings(batch_size=9), 1).batch_size == 9
    with pytest.raises(DataError, match="batch_size of Data must be an integer >= 1"):
        prepare(FitData(Data(X, Y, batch_size=batch_size)), FitSettings(), 1)


@pytest.mark.parametrize("make", [np.asarray, Chunked])
def test_preprocessing_is_learned_of_training_rows_and_done_to_all(make):
    valid, test = np.arange(0, 20), (make(X + 100), Y)
    reader = make(X)
    found = prepared(reader, settings={"preprocess": [["Standardise", {}]]}, valid=valid, test=test)
    settings = FitSettings(preprocess=[["Standardise", {}]])
    train = X[20:].astype(np.float64)
    scaled = [(part - train.mean(axis=0)) / train.std(axis=0) for part in (X[20:], X[:20], X + 100)]
    for (rows, _), wanted in zip([found.subsets[name] for name in ("train", "valid", "test")], scaled, strict=True):
        assert np.allclose(rows.features(slice(0, 100)), wanted, rtol=1e-4, atol=1e-5)
    if make is Chunked:
        assert sorted(set(reader.read_rows[:70])) == list(range(20, 90))
    again = prepare(FitData(X * 7, Y), settings, 1, found.preprocess)
    assert again.preprocess.keys() == found.preprocess.keys()
    assert all(np.array_equal(again.preprocess[key], found.preprocess[key]) for key in found.preprocess)


def test_integers_of_images_are_reported_and_scaled():
    images = np.random.default_rng(0).integers(0, 256, (90, 4, 5, 3), dtype=np.uint8)
    with pytest.warns(ArignoteWarning, match=r"preprocess=\[\['Scale', \{'divide_by': 255\}\]\]"):
        prepared(images)
    found = prepared(images, settings={"axes": "NHWC", "preprocess": [["Scale", {"divide_by": 255}]]})
    seen = found.subsets["train"][0].features(slice(0, 90))
    assert seen.shape == (90, 3, 4, 5) and seen.dtype == np.float32 and seen.max() == 1


def test_preprocessing_by_channel_sees_channels_first():
    images = np.random.default_rng(0).normal([0, 50, 100], 1, (90, 4, 5, 3))
    settings = {"axes": "NHWC", "preprocess": [["Standardise", {"per": "channel"}]]}
    seen = prepared(images, settings=settings).subsets["train"][0].features(slice(0, 90))
    assert np.allclose(seen.mean(axis=(0, 2, 3)), 0, atol=1e-4) and np.allclose(seen.std(axis=(0, 2, 3)), 1, atol=1e-3)


@pytest.mark.parametrize(
    ("given", "settings", "words"),
    [
        ({"sample_weight": np.ones(89)}, {}, r"sample_weight must have the shape \(90,\).*got \(89,\)"),
        ({"sample_weight": np.ones((90, 1))}, {}, r"sample_weight must have the shape \(90,\)"),
        ({"sample_weight": -np.ones(90)}, {}, "sample_weight must be finite numbers >= 0"),
        ({"sample_weight": np.full(90, np.nan)}, {}, "sample_weight must be finite numbers >= 0"),
        (
            {"sample_weight": np.zeros(90)},
            {},
            r"weights of the training rows must not all be zero: give rows a sample_weight > 0",
        ),
        (
            {"sample_weight": np.arange(90) == 5, "valid": [5]},
            {},
            r"weights of the training rows must not all be zero: give rows a sample_weight > 0",
        ),
        ({}, {"class_weight": {"d": 1.0}}, "class_weight names the class 'd'; the classes are"),
        ({}, {"class_weight": {"a": -1.0}}, "class_weight of 'a' must be a finite number >= 0; got -1.0"),
        ({}, {"class_weight": {"a": float("nan")}}, "class_weight of 'a' must be a finite number"),
        ({"groups": np.arange(9), "valid": 0.1}, {}, r"groups must have the shape \(90,\)"),
        ({"valid": [0, 90]}, {}, r"valid: row numbers must lie in 0 .. 89; got \[0, 90\]"),
        ({"test": np.array([-1])}, {}, r"test: row numbers must lie in 0 .. 89; got \[-1\]"),
        ({"valid": np.array([], int)}, {}, "valid: row numbers must lie in"),
        ({"valid": np.arange(90) < 9}, {}, r"valid: row numbers must be integers; got bool. Of a mask: np.flatnonzero"),
        ({"valid": [4, 5, 4]}, {}, "valid: row numbers must differ; row 4 is named twice"),
        ({"valid": [4, 5], "test": [6, 5]}, {}, "test: row 5 already belongs to another subset"),
        ({"valid": 1.5}, {}, "valid must be a fraction"),
        ({"valid": X}, {}, r"valid must be a fraction, row numbers, \(X, y\) or Data with labels"),
        ({"valid": (X[:, :3], Y)}, {}, r"an example of valid has shape \(3,\), one of X \(4,\)"),
        ({"test": (X, np.repeat("z", 90))}, {}, r"label .*'z'.* of test row 0 is none of the classes"),
        ({"y": None}, {}, r"fit requires y to be passed, but the target y is None: write fit\(X, y\)"),
        ({"y": np.repeat("a", 90)}, {}, "one class only"),
    ],
)
def test_parts_that_do_not_fit_together_are_reported(given, settings, words):
    with pytest.raises(DataError, match=words):
        prepared(settings=settings, **given)


def test_a_batch_larger_than_the_data_is_reported():
    with pytest.warns(ArignoteWarning, match=r"batch_size 80 is larger than the data \(72 rows\)"):
        assert prepared(settings={"batch_size": 80}, valid=0.2).batch_size == 72


def test_labels_and_features_come_from_files(tmp_path):
    np.savez(tmp_path / "d.npz", x=X, labels=Y)
    source = str(tmp_path / "d.npz")
    found = prepared(source, source, valid=(source, source))
    assert classes_of(found).tolist() == ["a", "b", "c"]
    assert np.array_equal(found.subsets["valid"][0].features(slice(0, 90)), X)


def test_the_fingerprint_knows_parts_and_weights():
    def of(**given):
        return prepared(**given).fingerprint()

    assert of(valid=0.2) == of(valid=0.2)
    differing = [of(), of(valid=0.2), of(valid=0.2, seed=2), of(sample_weight=np.arange(90)), of(x=Chunked(X + 1))]
    assert all(one != other for at, one in enumerate(differing) for other in differing[:at])


def test_what_was_prepared_does_not_change():
    found = prepared()
    for record in (found, FitData(X), found.subsets["train"][0]):
        with pytest.raises(FrozenInstanceError):
            setattr(record, fields(record)[0].name, None)


def test_settings_that_data_brings_are_taken_where_fit_has_none():
    def of(data, **settings):
        found = prepare(FitData(data), FitSettings(**settings), 1)
        return found.batch_size, found.drop_last

    default = FitSettings()
    assert of(Data(X, Y), batch_size=7) == (7, default.drop_last)
    assert of(Data(X, Y, batch_size=3)) == (3, default.drop_last)
    assert of(Data(X, Y, batch_size=np.int64(1))) == (1, False)
    assert of(Data(X, Y, batch_size=3), batch_size=7) == (7, False)
    assert of(Data(X, Y, batch_size=3, allow_partial_batch=False)) == (3, True)
    assert of(Data(X, Y, batch_size=3), drop_last=True) == (3, True)
    assert not default.drop_last


def test_a_batch_as_large_as_the_training_rows_is_accepted_and_one_more_is_cut():
    assert prepared(settings={"batch_size": 90}).batch_size == 90
    with pytest.warns(ArignoteWarning, match=r"batch_size 91 is larger than the data \(90 rows\): used as one batch"):
        assert prepared(settings={"batch_size": 91}).batch_size == 90
    # A run that resumes was warned when it began.
    found = prepared(settings={"batch_size": 91}, learned={})
    assert found.batch_size == 90 and found.preprocess == {}


def test_a_batch_size_of_minus_1_is_all_training_rows_without_a_warning():
    assert prepared(settings={"batch_size": -1}).batch_size == 90
    assert prepared(settings={"batch_size": -1}, valid=0.2, test=[0, 1]).batch_size == 70


def test_learned_preprocessing_is_used_as_it_is():
    settings = {"preprocess": [["Standardise", {}]]}
    learned = {"0.mean": np.full(4, 2, np.float32), "0.scale": np.full(4, 4, np.float32)}
    found = prepared(settings=settings, learned=learned, valid=0.2)
    assert found.preprocess == learned
    for name in ("train", "valid"):
        rows = found.subsets[name][0]
        np.testing.assert_allclose(rows.features(slice(0, 90)), (X[rows.index] - 2) / 4, rtol=1e-5)


def test_only_bytes_are_warned_of():
    images = np.zeros((90, 4), np.uint8)
    with pytest.warns(ArignoteWarning, match=r"integers of 0 to 255 \(uint8\)"):
        prepared(images)
    prepared(images, learned={})
    prepared(images.astype(np.int16))


def test_a_fingerprint_has_an_entry_for_each_part_and_for_weights_and_names():
    frame = pd.DataFrame(X, columns=["p", "q", "r", "s"])
    found = prepared(frame, valid=[3, 4], sample_weight=np.arange(90))
    entries = found.fingerprint()
    assert list(entries) == ["train", "valid", "weights", "feature_names"]
    assert entries["weights"] == hashlib.sha256(found.weights.tobytes()).hexdigest()
    assert entries["feature_names"] == ["p", "q", "r", "s"]
    assert entries["valid"]["features"]["sha256"] == hashlib.sha256(X[3:5].tobytes()).hexdigest()
    assert entries["valid"]["labels"]["sha256"] == hashlib.sha256(Y[3:5].tobytes()).hexdigest()
    assert list(prepared().fingerprint()) == ["train"]


@pytest.mark.parametrize("part", ["valid", "test"])
def test_columns_of_another_order_are_put_in_that_of_training_in_each_part(part):
    frame = pd.DataFrame(X, columns=["p", "q", "r", "s"])
    found = prepared(frame, **{part: (frame[["q", "s", "p", "r"]], Y)})
    assert np.array_equal(found.subsets[part][0].features(slice(0, 90)), X)
    with pytest.raises(DataError, match=f"{part} lacks the column 's'"):
        prepared(frame, **{part: (frame[["q", "p", "r"]], Y)})


def test_a_row_that_is_not_finite_passes_only_where_it_is_allowed():
    x = X.copy()
    x[5, 1] = np.nan
    with pytest.raises(DataError, match=r"^X row 5 holds nan"):
        prepared(x)
    assert prepared(x, settings={"allow_nonfinite": True}).subsets["train"][0].lenient


def test_the_channel_of_the_input_layer_is_that_of_each_part():
    channels = {"left": X, "right": X + 1, "labels": Y}
    valid = {"left": X[:9], "right": X[:9] + 2, "labels": Y[:9]}
    with pytest.warns(ArignoteWarning, match="no input layer takes 'left' of (X|valid): only 'right' is used"):
        found = prepared(channels, None, inputs=(Input("right"),), valid=valid)
    assert np.array_equal(found.subsets["train"][0].features(slice(0, 90)), X + 1)
    assert np.array_equal(found.subsets["valid"][0].features(slice(0, 9)), X[:9] + 2)


def test_the_classes_of_the_output_layer_are_those_of_the_data():
    assert classes_of(prepared(y=np.repeat([0, 2, 3], [60, 20, 10]), n_classes=5)).tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(DataError, match="labels have 3 classes, the output layer n_classes=2"):
        prepared(n_classes=2)


def test_classes_are_those_of_all_rows_and_not_of_the_training_rows_alone():
    found = prepared(test=np.arange(80, 90))
    assert classes_of(found).tolist() == ["a", "b", "c"]
    assert found.subsets["test"][1].tolist() == [2] * 10 and set(found.subsets["train"][1].tolist()) == {0, 1}
