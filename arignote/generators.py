"""The global random generators of Python and NumPy, from which code of a user may draw.

Arignote itself draws from streams alone. Around a user's own layer or augmentation the global generators are seeded by
position, so that a resumed run draws the same numbers. All threads share them: the thread that seeds them holds
`GENERATORS` until the code that may draw has run.
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
    """Put the global generators of Python and NumPy back at the end."""
    of_python, of_numpy = random.getstate(), np.random.get_state(legacy=False)
    former = get_bit_generator()
    if not isinstance(former, np.random.MT19937):
        # The only one that can be seeded in place.
        set_bit_generator(np.random.MT19937())
    try:
        yield
    finally:
        random.setstate(of_python)
        if get_bit_generator() is not former:
            set_bit_generator(former)
        np.random.set_state(of_numpy)


def global_generator_state() -> object:
    """Return what changes with each number that is drawn from a global generator of Python or NumPy."""
    of_numpy = get_bit_generator()
    if isinstance(of_numpy, np.random.MT19937):
        # A copy of the bytes: `state` would take 40 us.
        return random.getstate(), ctypes.string_at(of_numpy.ctypes.state_address, _N_BYTES)
    return random.getstate(), repr(of_numpy.state)
