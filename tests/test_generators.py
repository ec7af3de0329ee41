"""The global generators: seeded, watched, and put back."""

from __future__ import annotations

import random

import numpy as np
import pytest

from arignote.generators import GENERATORS, global_generator_state, preserve_global_generators, seed_globals

DRAWS = {
    "python": random.random,
    "choice": lambda: random.choice("abc"),
    "numpy": np.random.rand,
    "normal": np.random.normal,
    "permutation": lambda: np.random.permutation(3),
}


@pytest.fixture(autouse=True)
def kept():
    with GENERATORS, preserve_global_generators():
        yield


@pytest.mark.parametrize("seed", [0, 5, 2**32 + 5, 2**63 - 1])
def test_a_seed_gives_the_numbers_of_generators_that_have_it(seed):
    seed_globals(seed)
    assert random.random() == random.Random(seed).random()
    assert np.random.rand() == np.random.RandomState(seed % 2**32).rand()


@pytest.mark.parametrize("name", DRAWS)
def test_the_state_changes_with_a_draw_and_only_then(name):
    seed_globals(3)
    before = global_generator_state()
    assert global_generator_state() == before
    DRAWS[name]()
    assert global_generator_state() != before


def test_another_bit_generator_that_the_user_has_set_is_watched_and_put_back():
    former = np.random.get_bit_generator()
    np.random.set_bit_generator(np.random.PCG64(1))
    try:
        before = global_generator_state()
        assert global_generator_state() == before
        np.random.rand()
        assert global_generator_state() != before
        with preserve_global_generators():
            seed_globals(5)
            assert np.random.rand() == np.random.RandomState(5).rand()
        expected = np.random.Generator(np.random.PCG64(1)).random(2)
        assert [np.random.rand()] == expected[1:].tolist()
    finally:
        np.random.set_bit_generator(former)


@pytest.mark.parametrize("name", DRAWS)
def test_what_is_drawn_within_is_not_missing_afterwards(name):
    seed_globals(3)
    expected = DRAWS[name]()
    seed_globals(3)
    with pytest.raises(KeyError), preserve_global_generators():
        DRAWS[name]()
        raise KeyError
    assert np.array_equal(DRAWS[name](), expected)
