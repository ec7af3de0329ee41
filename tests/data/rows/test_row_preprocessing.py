"""Preprocessing of several channels, each by its own."""

from __future__ import annotations

import numpy as np
import pytest
from chunked_rows import Chunked

from arignote import ArignoteWarning
from arignote.data.inputs import Input
from arignote.data.rows.open_rows import rows_of
from arignote.data.rows.row_preprocessing import fit_preprocessing, preprocessed, warn_of_bytes

RNG = np.random.default_rng(2)
A, B = RNG.normal(3, 2, (30, 4)), RNG.integers(0, 256, (30, 2, 2)).astype(np.uint8)
INPUTS = (Input("a"), Input("b"))
PARTS = {"b": [["Scale", {"divide_by": 255}], ["Standardise", {"per": "all"}]]}


@pytest.mark.parametrize("make", [np.asarray, Chunked])
def test_each_channel_is_fitted_to_its_own_training_rows(make):
    rows = rows_of({"a": make(A), "b": make(B)}, inputs=INPUTS)
    train = rows.take(np.arange(20))
    learned = fit_preprocessing(train, PARTS)
    assert sorted(learned) == ["b/1.mean", "b/1.scale"]
    found = preprocessed(rows, PARTS, learned).features(slice(18, 30))
    scaled = B / 255
    expected = (scaled[18:] - scaled[:20].mean()) / scaled[:20].std()
    assert np.allclose(found["b"], expected, atol=1e-6) and np.array_equal(found["a"], A[18:].astype(np.float32))


def test_the_only_channel_may_be_named():
    rows = rows_of({"a": A}, inputs=(Input("a"),))
    of_name, of_all = fit_preprocessing(rows, {"a": ["Standardise"]}), fit_preprocessing(rows, ["Standardise"])
    assert sorted(of_name) == sorted(of_all) == ["0.mean", "0.scale"]
    assert np.allclose(of_name["0.mean"], A.mean(axis=0)) and np.array_equal(of_name["0.mean"], of_all["0.mean"])


def test_bytes_without_preprocessing_are_reported_by_channel():
    rows = rows_of({"a": A, "b": B}, inputs=INPUTS)
    with pytest.warns(ArignoteWarning, match=r"X\['b'\] holds integers of 0 to 255.*try preprocess=\{'b': \[\['Scale'"):
        warn_of_bytes(rows, None)
    # A warning would be an error.
    warn_of_bytes(rows, PARTS)
    with pytest.warns(ArignoteWarning, match=r"X holds integers of 0 to 255.*try preprocess=\[\['Scale'"):
        warn_of_bytes(rows_of({"b": B}, inputs=INPUTS[1:]), None)


def test_several_channels_are_each_preprocessed_by_what_was_learned_of_them():
    rows = rows_of({"a": A, "b": B}, inputs=INPUTS)
    parts = {"a": ["Standardise"], "b": [["Standardise", {"per": "all"}]]}
    found = preprocessed(rows, parts, fit_preprocessing(rows, parts)).features(slice(0, 30))
    assert np.allclose(found["a"], (A - A.mean(axis=0)) / A.std(axis=0), atol=1e-5)
    assert np.allclose(found["b"], (B - B.mean()) / B.std(), atol=1e-5)


def test_no_preprocessing_leaves_rows_as_they_are():
    rows = rows_of({"a": A}, inputs=INPUTS[:1])
    for parts in (None, {}, []):
        assert fit_preprocessing(rows, parts) == {}
        assert np.array_equal(preprocessed(rows, parts, {}).features(slice(0, 30)), A.astype(np.float32))
