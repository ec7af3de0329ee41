"""The input of the output layer as its target."""

from __future__ import annotations

import numpy as np
import pytest

from arignote.data.targets import OwnInput

X = np.arange(24.0).reshape(2, 3, 2, 2)
STATE = {"shape": [3, 2, 2]}


def test_an_example_of_the_network_is_what_comes_with_a_row():
    assert OwnInput.from_input
    assert OwnInput().learn(X[:1], None, "X") == STATE and OwnInput().size(STATE) == 12
    assert OwnInput().encode(X, STATE, "X").tolist() == [list(range(12)), list(range(12, 24))]
    assert OwnInput().is_encoded(X.reshape(2, 12), STATE) and not OwnInput().is_encoded(X, STATE)
    assert OwnInput().encoded_form(STATE) == "numbers (rows, 12)"


def test_a_reconstruction_stays_flat_as_it_need_not_be_that_of_the_network():
    assert OwnInput().decode(np.ones((2, 5)), STATE).shape == (2, 5)


def test_labels_of_any_kind_may_come_with_the_rows():
    assert OwnInput().check(["a", "b"], "X").tolist() == ["a", "b"]
    assert OwnInput().check([["a"], [], ["b", "a"]], "X").tolist() == [("a",), (), ("b", "a")]


def test_the_state_of_a_forged_file_is_refused():
    OwnInput().check_state(STATE)
    for shape in ([], [0], [-1, 2], ["2"], None):
        with pytest.raises((TypeError, ValueError)):
            OwnInput().check_state({"shape": shape})
