"""Embeddings: whole numbers become vectors."""

from __future__ import annotations

import numpy as np
import pytest

from arignote import ConfigError, DataError, NNClassifier, NNRegressor
from arignote.layers import declare, parse
from arignote.layers.embedding import tokens_of
from arignote.registry import build
from arignote.spec.inputs import inputs_of

RNG = np.random.default_rng(0)
TOKENS = RNG.integers(0, 7, (40, 3))
EMBEDDING = ["EmbeddingLayer", {"n_tokens": 7, "n_units": 2}]
OUTPUT = ["RegressionOutputLayer", {"n_outputs": 1}]


def test_each_token_has_its_vector():
    y = RNG.normal(size=40)
    fitted = NNRegressor([EMBEDDING, OUTPUT], rng=1, n_epochs=2, batch_size=8, scale_target=False).fit(TOKENS, y)
    p = fitted.params
    expected = p["embedding1.W"][TOKENS].reshape(40, 6) @ p["output.W"] + p["output.b"]
    np.testing.assert_allclose(fitted.predict(TOKENS), expected[:, 0], rtol=1e-5, atol=1e-6)
    # Whole numbers of any type are tokens.
    assert np.array_equal(fitted.predict(TOKENS.astype(np.float64)), fitted.predict(TOKENS))
    assert fitted.state_.spec["n_in"] == [3]


def test_vectors_are_standard_normal_at_the_start_and_those_of_absent_tokens_stay():
    layers = [["EmbeddingLayer", {"n_tokens": 900, "n_units": 20}], OUTPUT]
    fitted = NNRegressor(layers, rng=1, n_epochs=0).fit(TOKENS, RNG.normal(size=40), batch_size=10)
    before = fitted.params["embedding1.W"]
    assert before.std() == pytest.approx(1, abs=0.02) and abs(before.mean()) < 0.02
    after = NNRegressor(layers, rng=1, n_epochs=1, sgd_type="sgd").fit(TOKENS, RNG.normal(size=40), batch_size=10)
    assert np.array_equal(after.params["embedding1.W"][7:], before[7:])
    assert not np.array_equal(after.params["embedding1.W"][:7], before[:7])


def test_initial_values_of_a_user_have_the_fans_of_tokens_and_units():
    layer = build("layer", ["EmbeddingLayer", {"n_tokens": 40, "n_units": 20, "W": "glorot_uniform"}])
    one = layer.declare_params((3,))["W"]
    values = one.initial.draw(np.random.default_rng(0), one.shape, one.fan_in, one.fan_out)
    # sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010).
    assert values.shape == (40, 20) and 0.3 < abs(values).max() <= (6 / 60) ** 0.5
    # The vector of a token is what a norm is taken of.
    assert one.unit_axis == 0


def test_the_lengths_of_sequences_of_tokens_pass_through():
    layers = [
        ["InputLayer", {"lengths": True}],
        EMBEDDING,
        ["LSTMLayer", {"n_units": 2, "only_last": True}],
        ["ClassificationOutputLayer", {"n_classes": 2}],
    ]
    placed = {place.name: place for place in declare(parse(layers), (5,)).placed}
    assert placed["lstm1"].fields == (1,) and placed["embedding1"].fields == ()


@pytest.mark.slow
def test_numbers_beyond_those_of_float32_stay_as_they_are():
    # 2^24 + 1 is no number of float32.
    tokens = np.array([[2**24], [2**24 + 1]] * 3)
    layers = [["EmbeddingLayer", {"n_tokens": 2**24 + 2, "n_units": 1}], OUTPUT]
    fitted = NNRegressor(layers, rng=1, n_epochs=1, batch_size=6, sgd_type="sgd").fit(tokens, np.arange(6.0))
    assert fitted.predict(tokens[:1]) != fitted.predict(tokens[1:2])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (7, r"X row 3 holds 7; tokens must be whole numbers in 0 .. 6, below n_tokens of the EmbeddingLayer"),
        (-1, "X row 3 holds -1; tokens"),
        (0.5, r"X row 3 holds 0\.5; tokens"),
        (np.nan, "X row 3 holds nan; tokens"),
    ],
)
def test_rows_that_hold_no_tokens_are_refused_by_number(value, words):
    x = TOKENS.astype(np.float64)
    x[3, 1] = value
    with pytest.raises(DataError, match=words):
        NNRegressor([EMBEDDING, OUTPUT]).fit(x, RNG.normal(size=40))


def test_the_tokens_of_an_input_are_those_of_the_smallest_embedding():
    layers = parse(
        [
            ["InputLayer", {"name": "words"}],
            ["EmbeddingLayer", {"name": "a", "n_tokens": 9, "n_units": 2}],
            ["EmbeddingLayer", {"name": "b", "n_tokens": 5, "n_units": 2, "input": "words"}],
            ["SumLayer", {"inputs": ["a", "b"]}],
            OUTPUT,
        ]
    )
    assert tokens_of(layers) == {"words": 5} and inputs_of(layers)[0].n_tokens == 5
    assert tokens_of(parse([OUTPUT])) == {}


def test_an_embedding_behind_an_output_layer_takes_the_input_before_it():
    layers = parse(
        [
            ["InputLayer", {"channel": "words"}],
            ["EmbeddingLayer", {"n_tokens": 9, "n_units": 2}],
            ["InputLayer", {"channel": "kind"}],
            ["RegressionOutputLayer", {"name": "first", "input": "embedding1", "n_outputs": 1}],
            ["EmbeddingLayer", {"n_tokens": 5, "n_units": 2}],
            ["RegressionOutputLayer", {"name": "second", "n_outputs": 1}],
        ]
    )
    assert tokens_of(layers) == {"words": 9, "kind": 5}


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (
            [["FCLayer", {"n_units": 3}], EMBEDDING, OUTPUT],
            "embedding1: an EmbeddingLayer must follow an InputLayer.*'fc1'",
        ),
        (
            [
                ["InputLayer", {"name": "x"}],
                EMBEDDING,
                ["FCLayer", {"n_units": 6, "input": "x"}],
                ["FCLayer", {"name": "flat", "n_units": 6, "input": "embedding1"}],
                ["SumLayer", {"inputs": ["fc1", "flat"]}],
                OUTPUT,
            ],
            "fc1: the rows of 'x' are tokens of an EmbeddingLayer: take its output",
        ),
    ],
)
def test_embeddings_take_the_rows_of_an_input_layer_and_nothing_else_does(layers, words):
    with pytest.raises(ConfigError, match=words):
        declare(parse(layers), (3,))


def test_a_table_of_categories_and_numbers_is_two_inputs():
    numbers = RNG.normal(size=(40, 2))
    y = np.where(TOKENS[:, 0] + numbers[:, 0] > 3, "a", "b")
    layers = [
        ["InputLayer", {"channel": "kind"}],
        EMBEDDING,
        ["FCLayer", {"n_units": 4}],
        ["InputLayer", {"channel": "numbers"}],
        ["ConcatLayer", {"inputs": ["fc1", "numbers"]}],
        ["ClassificationOutputLayer"],
    ]
    x = {"kind": TOKENS, "numbers": numbers}
    fitted = NNClassifier(layers, rng=1, n_epochs=40, batch_size=10, sgd_type="adam", lr_rule=0.03).fit(x, y)
    assert fitted.score(x, y) > 0.9
