"""The global random generators of Python and NumPy, from which code of a user may draw.

Arignote itself draws only from streams. Before code of a user runs (a layer, an augmentation) the global generators are
seeded by position, so that a resumed run draws the same numbers. All threads share them: the thread that seeds them
holds the lock `GENERATORS` until that code has run.
"""

from __future__ import annotations

import ctypes
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.random.mtrand import get_bit_generator, set_bit_generator

__all__ = ["GENERATORS", "global_generator_state", "preserve_global_generators", "seed_globals"]

GENERATORS = threading.RLock()
# The state of NumPy's MT19937: 624 words of 32 bits and a position.
_N_BYTES = 4 * 625


def seed_globals(seed: int) -> None:
    """Seed the global generators of Python and NumPy; the caller holds `GENERATORS`."""
    random.seed(seed)
    np.random.seed(seed % 2**32)


@contextmanager
def preserve_global_generators() -> Iterator[None]:
    """Restore the global generators of Python and NumPy at the end."""
    of_python, of_numpy = random.getstate(), np.random.get_state(legacy=False)
    former = get_bit_generator()
    if not isinstance(former, np.random.MT19937):
        # np.random.seed works only for this one.
        set_bit_generator(np.random.MT19937())
    try:
        yield
    finally:
        random.setstate(of_python)
        if get_bit_generator() is not former:
            set_bit_generator(former)
        np.random.set_state(of_numpy)


def global_generator_state() -> object:
    """Return a value that differs after each draw from a global generator of Python or NumPy."""
    of_numpy = get_bit_generator()
    if isinstance(of_numpy, np.random.MT19937):
        # A copy of the bytes, as `state` takes 40 us.
        return random.getstate(), ctypes.string_at(of_numpy.ctypes.state_address, _N_BYTES)
    return random.getstate(), repr(of_numpy.state)
