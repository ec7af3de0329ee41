"""Rules with a length in epochs or in updates: which of the two counts, and that exactly one is given."""

from __future__ import annotations

import pytest

from arignote.errors import ConfigError
from arignote.optim.rules import Position, RuleState
from arignote.optim.rules.timed import ScheduledRule


class Counting(ScheduledRule):
    """A rule whose value is what is complete, added to the first value."""

    def value_after(self, n, first):
        return first + n


@pytest.mark.parametrize(("length", "expected"), [({"n_epochs": 9}, 0.5 + 3), ({"n_updates": 9}, 0.5 + 40)])
def test_the_value_follows_the_unit_of_the_length(length, expected):
    rule = Counting(**length)
    assert rule.value_at(RuleState(0.5), Position(3, 40)) == expected
    assert rule.follows_updates == ("n_updates" in length)


@pytest.mark.parametrize(
    ("length", "words"), [({}, "neither is given"), ({"n_epochs": 2, "n_updates": 3}, "both are given")]
)
def test_one_length_must_be_given_and_no_other(length, words):
    with pytest.raises(ConfigError, match=f"n_epochs .* or n_updates .* must be given; {words}"):
        Counting(**length)
    with pytest.raises(ConfigError, match="n_epochs must be an integer >= 1; got 0"):
        Counting(n_epochs=0)
    schema = Counting.model_json_schema()
    assert schema["anyOf"] == [{"required": ["n_epochs"]}, {"required": ["n_updates"]}]
