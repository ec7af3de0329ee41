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
    with pytest.raises(ConfigError, match=r"lr_rule '[\w.]+:Patient' needs validation data: give valid=0\.1"):
        NNClassifier(layers, lr_rule=Patient(initial_value=0.1), batch_size=4).fit(np.eye(4), [0, 1, 0, 1])
