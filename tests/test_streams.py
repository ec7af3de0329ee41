"""Randomness is a function of the name of its stream, and of nothing else."""

from __future__ import annotations

import hashlib
import random

import numpy as np
import pytest

from arignote.streams import draw_seed, stream, stream_seed

NAMES = [
    (1, "order", 0),
    (2, "order", 0),
    (1, "augment", 0),
    (1, "order", 1),
    (1, "order", 0, 0),
    (1, "order"),
    (1, "order", "0"),
    (1, "init", "fc1", "W"),
    (1, "init", "fc", "1W"),
]


def test_the_same_name_gives_the_same_numbers_whatever_was_drawn_before():
    first = stream(7, "order", 3).permutation(100)
    stream(7, "order", 3).normal(size=1000)
    np.random.seed(0)
    assert np.array_equal(stream(7, "order", 3).permutation(100), first)


def test_no_two_names_share_their_numbers():
    drawn = {tuple(stream(*name).integers(0, 2**63, 4)) for name in NAMES}
    assert len(drawn) == len({stream_seed(*name) for name in NAMES}) == len(NAMES)


def test_a_stream_is_philox_keyed_by_blake2b_of_its_name():
    # Another formula would make every run of today another one.
    key = hashlib.blake2b(b"(42, 'order', 3)", digest_size=16).digest()
    expected = np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))
    assert np.array_equal(stream(42, "order", 3).random(5), expected.random(5))
    assert stream_seed(42, "order", 3) == int.from_bytes(key[:8], "little") >> 1


def test_streams_of_neighbours_have_nothing_in_common():
    rows = np.stack([stream(1, "augment", epoch, batch).normal(size=4000) for epoch in range(3) for batch in range(3)])
    off_diagonal = np.corrcoef(rows)[~np.eye(9, dtype=bool)]
    assert abs(off_diagonal).max() < 5 / 4000**0.5


@pytest.mark.parametrize(("draw", "bits"), [(draw_seed, 31), (lambda: stream_seed(draw_seed(), "step"), 63)])
def test_seeds_fit_their_generators_and_touch_no_global_one(draw, bits):
    before = random.getstate(), np.random.get_state()[1].tolist()
    seeds = {draw() for _ in range(50)}
    assert len(seeds) > 45 and all(0 <= seed < 2**bits for seed in seeds) and max(seeds) >= 2 ** (bits - 1)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before
