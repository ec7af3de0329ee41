"""Sources: which values name or read data, and which are the data itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from arignote.data.readers.base import ArrayReader
from arignote.data.readers.sources import is_source


class Own:
    """A reader without a base class of ours."""

    def iter_epoch(self, batch_size, start=0, stop=None, start_on_batch=True, allow_partial=False):
        yield np.zeros((batch_size, 2))


@pytest.mark.parametrize("value", ["t.csv:y", Path("t.csv"), ArrayReader(np.zeros((2, 2))), Own()])
def test_a_path_and_a_reader_of_any_class_are_sources(value):
    assert is_source(value)


@pytest.mark.parametrize("value", [None, 0.2, [1, 2], np.zeros(2), np.array(["a", "b"]), {"x": 1}])
def test_values_in_memory_are_not_sources(value):
    assert not is_source(value)
