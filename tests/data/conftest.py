"""Images that may not be written."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def images():
    x = np.random.default_rng(3).normal(size=(12, 2, 9, 9)).astype(np.float32)
    x.flags.writeable = False
    return x
