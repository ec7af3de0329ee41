"""What parameters of a constructor mean: from a file, a generator, a number or a list to what a fit needs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from arignote import NNClassifier
from arignote.errors import ConfigError
from arignote.estimators.constructor import built_layers, seed_of, settings_of, shape_of

LAYERS = [["FCLayer", {"name": "fc", "n_units": 3}], ["ClassificationOutputLayer"]]


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_a_generator_gives_its_next_number_each_time(make):
    generator, same = make(3), make(3)
    draw = same.randint if make is np.random.RandomState else same.integers
    assert [seed_of(generator), seed_of(generator)] == [int(draw(2**31)), int(draw(2**31))]


def test_an_integer_of_any_kind_is_its_own_seed_and_none_is_drawn_later():
    assert [seed_of(seed) for seed in (0, 7, np.int64(2**40), None)] == [0, 7, 2**40, None]
    assert type(seed_of(np.int32(7))) is int
    with pytest.raises(ConfigError, match=r"^rng must be an integer or None; got 'seven'$"):
        seed_of("seven")


def test_random_state_takes_precedence_over_rng():
    X, y = np.zeros((8, 2), np.float32), np.arange(8) % 2
    assert NNClassifier(LAYERS, rng=1, random_state=0, n_epochs=0, batch_size=8).fit(X, y).state_.rng == 0


def test_a_shape_is_a_number_or_several():
    assert [shape_of(n_in) for n_in in (None, 64, [1, 8, 8], np.array([3, 4]))] == [None, (64,), (1, 8, 8), (3, 4)]


def test_a_setting_of_fit_takes_precedence_over_the_constructor_and_that_over_the_default():
    estimator = NNClassifier(LAYERS, n_epochs=7, batch_size=5)
    settings = settings_of(estimator, {"batch_size": 9})
    assert (settings.n_epochs, settings.batch_size, settings.shuffle) == (7, 9, True)
    # Back to the default too, which is what it was given.
    assert settings_of(estimator, {"n_epochs": 50}).n_epochs == 50


def test_layers_come_from_a_list_or_a_file_with_their_defaults(tmp_path):
    path = tmp_path / "layers.json"
    path.write_text(json.dumps(LAYERS))
    for layers in (LAYERS, path, str(path)):
        built = built_layers(layers, {"l2": 0.5})
        assert [(layer.name, layer.l2) for layer in built[-2:]] == [("fc", 0.5), ("output", 0.5)]
