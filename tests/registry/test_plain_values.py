"""NumPy values and tuples become what JSON has."""

from __future__ import annotations

import json

import numpy as np

from arignote.registry import plain


def test_values_at_any_depth_are_those_of_json():
    given = {np.str_("a"): (np.float32(0.5), [np.int64(3), {"b": np.arange(2)}]), "c": None}
    expected = {"a": [0.5, [3, {"b": [0, 1]}]], "c": None}
    assert json.loads(json.dumps(plain(given))) == expected


def test_what_comes_back_is_a_copy():
    given = {"a": [1, [2]]}
    copy = plain(given)
    copy["a"][1].append(3)
    assert given == {"a": [1, [2]]}
