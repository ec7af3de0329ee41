"""The input as its own target."""

from __future__ import annotations

import numpy as np
import pytest

from arignote import DataError
from arignote.data.targets import Same

X = np.arange(24.0).reshape(2, 3, 2, 2)
STATE = {"shape": [3, 2, 2]}


def test_an_example_is_flattened_and_predictions_have_its_shape():
    assert Same.from_input
    assert Same().learn(X[:1], None, "X") == STATE and Same().size(STATE) == 12
    encoded = Same().encode(X, STATE, "X")
    assert encoded.tolist() == [list(range(12)), list(range(12, 24))]
    assert np.array_equal(Same().decode(encoded, STATE), X)
    assert Same().units(STATE).tolist() == [1.0] * 12
    assert Same().is_encoded(encoded, STATE) and not Same().is_encoded(X, STATE)
    assert Same().encoded_form(STATE) == "numbers (rows, 12)"


def test_there_is_no_y():
    with pytest.raises(DataError, match=r"^the target of train is its input: leave y out$"):
        Same().check([1.0], "train")
    with pytest.raises(DataError, match="the target is same, which has no classes"):
        Same().classes(STATE)


def test_the_number_of_outputs_is_that_of_the_values_of_an_example():
    assert Same(n_outputs=12).learn(X[:1], None, "X") == STATE
    with pytest.raises(DataError, match=r"^an example of X has 12 values, the output layer n_outputs=5$"):
        Same(n_outputs=5).learn(X[:1], None, "X")


@pytest.mark.parametrize("shape", [[], [0], [-1, 2], [2.0], [True], ["2"], "12", [2**53], [1] * 33, None], ids=str)
def test_the_state_of_a_forged_file_is_refused(shape):
    for good in ([3, 2, 2], [1], [1] * 32, [2**53 - 1]):
        Same().check_state({"shape": good})
    with pytest.raises((TypeError, ValueError)):
        Same().check_state({"shape": shape})
    with pytest.raises(KeyError):
        Same().check_state({})
