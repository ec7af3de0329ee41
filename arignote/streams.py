"""Randomness as a function of position: nothing random is ever saved.

A stream is named by the seed of the run, a purpose and a position: ``("order", epoch)``,
``("augment", epoch, batch)``, ``("init", layer, param)``, ``("step", epoch, batch, shard)``. The same name always gives
the same numbers, so that threads, prefetching and kills do not change a run.
"""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["draw_seed", "stream", "stream_seed"]


def _digest(seed: int, purpose: str, position: tuple[int | str, ...]) -> bytes:
    # Not hash(), which differs from process to process for text (PYTHONHASHSEED).
    return hashlib.blake2b(repr((seed, purpose, *position)).encode(), digest_size=16).digest()


def stream(seed: int, purpose: str, *position: int | str) -> np.random.Generator:
    """Return the generator of one purpose at one position.

    Parameters
    ----------
    seed : int
        The seed of the run.
    purpose : str
        Use of the numbers: "order", "augment", "init", "partition" ...
    *position : int or str
        Position in the run: epoch, batch, layer name ...

    Returns
    -------
    numpy.random.Generator
        A Philox generator (counter based: Salmon et al., SC 2011) keyed by a BLAKE2b digest of the name.
    """
    key = int.from_bytes(_digest(seed, purpose, position), "little")
    return np.random.Generator(np.random.Philox(key=key))


def stream_seed(seed: int, purpose: str, *position: int | str) -> int:
    """Return a seed in [0, 2**63) for other generators than those of NumPy, at one position."""
    # 63 bits: a seed of another library may be a signed integer.
    return int.from_bytes(_digest(seed, purpose, position)[:8], "little") >> 1


def draw_seed() -> int:
    """Return a random seed in [0, 2**31) from the operating system's entropy."""
    return int(np.random.SeedSequence().generate_state(1)[0]) >> 1
