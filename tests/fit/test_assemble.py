"""What an assembly refuses before a network is built."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from arignote import ConfigError, NNClassifier
from arignote.optim.rules import Rule


class Patient(Rule):
    """A rule that follows validations."""

    needs_validation: ClassVar[bool] = True


def test_a_rule_that_needs_validations_is_named_if_there_are_none():
    layers = [["ClassificationOutputLayer"]]
    with pytest.raises(ConfigError, match=r"lr_rule '[\w.]+:Patient' needs validation data: give valid, such as"):
        NNClassifier(layers, lr_rule=Patient(initial_value=0.1), batch_size=4).fit(np.eye(4), [0, 1, 0, 1])


def test_a_rule_that_first_acts_when_training_is_over_is_reported_before_it_begins():
    def fit(**settings):
        layers = [["ClassificationOutputLayer", {"l2": 0.1}]]
        NNClassifier(layers, batch_size=2, n_epochs=3).fit(np.eye(4), [0, 1, 0, 1], **settings)

    # Two updates of each epoch.
    halved = ["step", {"multiply_by": 0.5, "n_updates": 6}]
    with pytest.warns(match=r"^lr_rule never acts: its first change is after 6 updates, of 6\. Raise n_epochs"):
        fit(lr_rule=halved)
    with pytest.warns(match=r"^rules: output\.l2: never acts: its first change is after 3 epochs, of 2\. "):
        fit(rules={"output.l2": {"rule": "fixed", "multiply_by": 0.5, "schedule": [3]}}, valid=0.5, final_epochs=1)
    fit(lr_rule=["step", {"multiply_by": 0.5, "n_updates": 5}], drop_last=True)
