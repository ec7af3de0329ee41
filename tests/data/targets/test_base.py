"""What a target of a user gets of its base class: rows of one kind, all present, in units of their own."""

from __future__ import annotations

import numpy as np
import pytest

from arignote import DataError
from arignote.data.targets import Target


class Halves(Target):
    """Two numbers, half of which the network predicts."""

    def check(self, y, what):
        return np.asarray(y)

    def learn(self, y, rows, what, stored=None):
        return {}

    def check_state(self, state):
        pass

    def size(self, state):
        return 2

    def encode(self, y, state, what):
        return (y / 2).astype(np.float32)

    def decode(self, predicted, state):
        return predicted * 2.0

    def encoded_form(self, state):
        return "two halves"


def test_the_defaults_leave_rows_and_values_as_they_are():
    target, y = Halves(), np.array([[1.0, 4], [2, 8], [3, 16]])
    assert target.strata(y).tolist() == [0, 0, 0] and target.present_mask(y) is None
    assert target.units({}).tolist() == [1.0, 1.0] and target.operations({}) == []
    assert target.of_step is target and target.state_of_step({"a": 1}) == {"a": 1} and target.like(y, {}) is y
    assert target.labels_per_row == "none" and not target.from_input and not target.has_steps


def test_values_are_encoded_if_they_are_numbers_of_as_many_columns_as_outputs():
    found = [
        Halves().is_encoded(y, {}) for y in (np.zeros((3, 2)), np.zeros((3, 2), bool), np.zeros((3, 1)), np.ones(3))
    ]
    assert found == [True, False, False, False]
    with pytest.raises(DataError, match="which has no classes"):
        Halves().classes({})
