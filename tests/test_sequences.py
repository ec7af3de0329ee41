"""Sequences of different lengths: in every form that they may have, in Python, in a config and on the command line."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from chunked_rows import Chunked
from command_line import arignote

from arignote import ConfigError, DataError, NNClassifier

RNG = np.random.default_rng(4)
N, T, F = 80, 7, 2
LENGTHS = RNG.integers(1, T + 1, N)
LENGTHS[3] = T
ROWS = [RNG.normal(size=(n, F)).astype(np.float32) for n in LENGTHS]
Y = np.array(["no", "yes"])[[int(row[:, 0].sum() > 0) for row in ROWS]]
COUNTS = np.arange(T) < LENGTHS[:, None]
PADDED = np.full((N, T, F), np.nan, np.float32)
for number, row in enumerate(ROWS):
    PADDED[number, : len(row)] = row
VALUES, OFFSETS = np.concatenate(ROWS), np.concatenate([[0], np.cumsum(LENGTHS)])
NETWORK = [
    ["LSTMLayer", {"n_units": 5}],
    ["GRULayer", {"n_units": 4, "only_last": True}],
    ["ClassificationOutputLayer"],
]
SETTINGS = {"n_epochs": 3, "batch_size": 16, "n_threads": 1, "valid": 0.2, "test": 0.2, "sgd_type": "adam"}


def first(**params):
    return ["InputLayer", params]


def fit(x=ROWS, layer=None, network=NETWORK, y=Y, **more):
    layers = [first(lengths=True) if layer is None else layer, *network]
    return NNClassifier(layers, rng=3).fit(x, y, **SETTINGS | more)


@pytest.fixture(scope="module")
def fitted():
    return fit()


# Another number in the padding, and a mask of any numbers.
ZEROS = np.where(COUNTS[:, :, None], PADDED, 7.0)
FORMS = {
    "an array of objects": (first(lengths=True), np.array([*ROWS, None], dtype=object)[:-1]),
    "lists": (first(lengths=True), [row.tolist() for row in ROWS]),
    "padded with NaN": (first(channel="x", lengths="n"), {"x": PADDED, "n": LENGTHS}),
    "padded with numbers": (first(channel="x", lengths="n"), {"n": LENGTHS.astype(float), "x": ZEROS}),
    "in chunks of a file": (first(channel="x", lengths="n"), {"x": Chunked(ZEROS, 1000), "n": LENGTHS}),
    "a mask": (first(channel="x", mask="m"), {"x": PADDED, "m": COUNTS * 2}),
    "one behind the other": (first(channel="x", lengths="n"), {"x": VALUES, "n": LENGTHS}),
    "offsets": (first(channel="x", offsets="at"), {"x": VALUES, "at": OFFSETS}),
    "offsets without the end": (first(channel="x", offsets="at"), {"x": VALUES, "at": OFFSETS[:-1]}),
}


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_the_same_sequences_in_another_form_give_the_same_bits(form, fitted):
    layer, x = FORMS[form]
    found = fit(x, layer, shuffle="full") if "chunks" in form else fit(x, layer)
    assert all(np.array_equal(array, fitted.params[name]) for name, array in found.params.items())
    assert np.array_equal(found.predict_proba(x), fitted.predict_proba(ROWS))
    assert found.evaluate(x, Y, part="test") == fitted.evaluate(ROWS, Y, part="test")


@pytest.mark.slow
def test_a_network_learns_from_sequences_of_different_lengths():
    found = fit(n_epochs=40, lr_rule=0.02)
    assert found.evaluate(ROWS, Y, "accuracy", part="test")["accuracy"] > 0.8


@pytest.mark.parametrize("more", [{"n_in": [T + 3, F]}, {}], ids=["more steps", "as many as the longest"])
def test_rows_are_padded_to_the_steps_of_the_network(more, fitted):
    found = fit(layer=first(lengths=True, **more))
    assert found.state_.spec["n_in"] == [T + 3 if more else T, F]
    np.testing.assert_allclose(found.predict_proba(ROWS), fitted.predict_proba(ROWS), atol=1e-5)
    # Shorter rows are padded to that number when predicting, too.
    assert np.array_equal(found.predict_proba(ROWS[:1]), found.predict_proba(ROWS)[:1])


def test_longer_rows_than_those_of_training_are_refused(fitted):
    words = r"X row 1 has 9 steps, the network takes 7: set n_in of the input layer to \[9, 2\]"
    with pytest.raises(DataError, match=words):
        fitted.predict([ROWS[0], np.zeros((9, F))])
    with pytest.raises(DataError, match="valid row 0 has 9 steps"):
        fit(layer=first(lengths=True, n_in=[T, F]), valid=([np.zeros((9, F)), ROWS[0]], Y[:2]))


def test_steps_are_preprocessed_as_rows_of_their_own_and_padding_stays_zero(fitted):
    found = fit(preprocess=["Standardise"])
    train = found.state_.preprocess
    assert train["0.mean"].shape == (F,)
    seen = []

    def remember(x, y, rng):
        seen.append(x.copy())
        return x, y

    fit(preprocess=["Standardise"], augmentation=remember, shuffle=False, valid=None, test=None, n_epochs=1)
    x, lengths = seen[0]["x"], seen[0]["x.lengths"]
    assert lengths.tolist() == LENGTHS[:16].tolist()
    expected = (VALUES - VALUES.mean(axis=0)) / VALUES.std(axis=0)
    of_rows = np.split(expected, OFFSETS[1:-1])
    for row, n in enumerate(lengths):
        np.testing.assert_allclose(x[row, :n], of_rows[row], atol=1e-5)
        assert not x[row, n:].any()


@pytest.mark.slow
def test_sequences_of_tokens():
    tokens = [RNG.integers(0, 9, n) for n in LENGTHS]
    y = np.array([int(4 in row) for row in tokens])
    network = [["EmbeddingLayer", {"n_tokens": 9, "n_units": 3}], *NETWORK[1:]]
    found = fit(tokens, network=network, y=y, n_epochs=60, lr_rule=0.03)
    assert found.score(tokens, y) > 0.9
    padded = np.full((N, T), -1)
    for number, row in enumerate(tokens):
        padded[number, : len(row)] = row
    again = fit({"x": padded, "n": LENGTHS}, first(channel="x", lengths="n"), network, y, n_epochs=60, lr_rule=0.03)
    assert np.array_equal(again.predict_proba({"x": padded, "n": LENGTHS}), found.predict_proba(tokens))


@pytest.mark.parametrize(
    ("layer", "x", "words"),
    [
        (None, PADDED, rf"X row 0 holds nan at \[{LENGTHS[0]}, 0\]"),
        (None, [np.zeros((3, 2)), np.zeros((3, 3))] * 40, r"X row 1 must be an array \(steps, 2\) of numbers"),
        (first(), ROWS, r'sequences of different lengths, begin with \["InputLayer", {"lengths": true}\]'),
        (first(channel="x", lengths="n"), ROWS, "X must be a dict with the channels 'x', 'n'; got list"),
        (first(channel="x", lengths="n"), {"x": PADDED}, "'n' is missing"),
        (
            first(channel="x", lengths="n"),
            {"x": PADDED, "n": LENGTHS + 1},
            "X row . must have 1 to 7 steps that count; got 8",
        ),
        (
            first(channel="x", lengths="n"),
            {"x": PADDED, "n": LENGTHS[:-1]},
            "as many rows as their lengths or mask have, 79",
        ),
        (first(channel="x", lengths="n"), {"x": PADDED, "n": LENGTHS + 0.5}, "the lengths of X must be whole numbers"),
        (first(channel="x", lengths="n"), {"x": PADDED, "n": LENGTHS - 1}, "must have 1 to 7 steps that count; got 0"),
        (
            first(channel="x", mask="m"),
            {"x": PADDED, "m": COUNTS[:, 0]},
            r"the mask of X must have the shape \(rows, steps\)",
        ),
        (
            first(channel="x", mask="m"),
            {"x": PADDED, "m": COUNTS[:, :3]},
            r"the mask of X must have the shape \(80, 7\)",
        ),
        (
            first(channel="x", mask="m"),
            {"x": PADDED, "m": np.where(COUNTS, 1.0, np.nan)},
            f"the mask of X must be finite numbers; row {(~COUNTS).any(axis=1).argmax()} is not",
        ),
        (first(channel="x", offsets="o"), {"x": VALUES, "o": OFFSETS[1:]}, "the offsets of X must begin with 0"),
        (first(channel="x", lengths="n"), {"x": VALUES[:, 0], "n": LENGTHS[:-1]}, "must be sequences"),
    ],
)
def test_sequences_that_do_not_fit_are_refused_before_training(layer, x, words):
    with pytest.raises(DataError, match=words):
        fit(x, layer)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"channel": "x", "lengths": "n", "mask": "m"}, "mask and lengths cannot both be set"),
        ({"offsets": "o"}, "offsets names a channel, so channel must be set too"),
        ({"lengths": "n"}, "lengths names a channel, so channel must be set too"),
        ({"lengths": False}, "lengths"),
    ],
)
def test_sequences_are_described_in_one_way(params, words):
    with pytest.raises(ConfigError, match=words):
        fit(layer=first(**params))


@pytest.mark.slow
def test_a_table_with_offsets_in_a_file_from_training_to_predictions(tmp_path, monkeypatch, fitted):
    monkeypatch.chdir(tmp_path)
    with h5py.File("s.h5", "w") as file:
        file["values"], file["offsets"], file["labels"] = VALUES, OFFSETS, [word.encode() for word in Y]
    Path("c.yaml").write_text(
        """
rng: 3
data:
  train: {features: {x: "s.h5:/values", at: "s.h5:/offsets"}, labels: "s.h5:/labels"}
  valid: 0.2
  test: 0.2
layers:
  - [InputLayer, {channel: x, offsets: at}]
  - [LSTMLayer, {n_units: 5}]
  - [GRULayer, {n_units: 4, only_last: true}]
  - [ClassificationOutputLayer]
fit: {n_epochs: 3, batch_size: 16, n_threads: 1, sgd_type: adam, checkpoint: run}
"""
    )
    ended = arignote("check", "c.yaml", "--data")
    assert ended.code == 0 and "first batch: 16 examples of (7, 2) float32" in ended.out, ended
    ended = arignote("fit", "c.yaml")
    assert ended.code == 0, ended
    loaded = NNClassifier.load("run")
    assert np.array_equal(loaded.predict_proba({"x": VALUES, "at": OFFSETS}), fitted.predict_proba(ROWS))
    ended = arignote("evaluate", "run", "--config", "c.yaml", "--part", "test")
    assert ended.code == 0, ended
    found = dict(line.split() for line in ended.out.splitlines())
    assert float(found["nll"]) == pytest.approx(fitted.evaluate(ROWS, Y, part="test")["nll"], rel=1e-5)
    words = ("--features", "x=s.h5:/values", "--features", "at=s.h5:/offsets", "--out", "p.csv")
    ended = arignote("predict", "run", *words)
    assert ended.code == 0 and "80 rows -> p.csv" in ended.out, ended


def test_data_of_its_own_for_validation_is_padded_to_the_steps_of_training(fitted):
    shorter = [row[:3] for row in ROWS[:8]]
    found = fit(valid=(shorter, Y[:8]), test=(shorter, Y[:8]))
    assert found.history_[-1]["valid_error"] == pytest.approx(1 - found.score(shorter, Y[:8]))
    with pytest.raises(
        DataError, match=rf"valid row 0 has {T + 1} steps, the network takes {T}: set n_in of the input"
    ):
        fit(valid=([np.ones((T + 1, F))], [0]))


def test_a_batch_of_one_sequence():
    # 17 rows in batches of 16; a row has an odd number of 4-byte values beside its length.
    rows = [np.ones((1 + n % 11, 1), np.float32) for n in range(17)]
    layers = [["InputLayer", {"lengths": True}], ["GRULayer", {"n_units": 3, "only_last": True}], *NETWORK[-1:]]
    found = NNClassifier(layers, rng=1, n_epochs=1, batch_size=16).fit(rows, np.arange(17) % 2)
    np.testing.assert_allclose(found.predict_proba(rows[:1]), found.predict_proba(rows)[:1], atol=1e-6)


def test_tokens_are_not_preprocessed():
    layers = [["EmbeddingLayer", {"n_tokens": 9, "n_units": 2}], ["ClassificationOutputLayer"]]
    for first, preprocess, where in (
        ([], [["Standardise"]], "fit.preprocess"),
        ([["InputLayer", {"channel": "t"}]], {"t": [["Standardise"]]}, "fit.preprocess.t"),
    ):
        with pytest.raises(ConfigError, match=f"{where}: an EmbeddingLayer takes tokens as they are"):
            NNClassifier(first + layers, preprocess=preprocess).fit({"t": [[1, 2], [3, 4]]}, [0, 1])
