"""Which losses and metrics a call names, and their names in the result."""

from __future__ import annotations

import pytest
from made_up import numbered_classes

from arignote import ConfigError
from arignote.data.targets import Classes, Numbers, Ranks, Targets
from arignote.estimators.named_losses import NamedLosses

TARGETS = Targets({"grade": Ranks(), "rank": Classes(), "size": Numbers()}, "grade")
MEMORY = {
    "grade": numbered_classes(4),
    "rank": numbered_classes(3),
    "size": {"n_axes": 1, "mean": [0.0], "scale": [2.5]},
}


def named(losses):
    found = NamedLosses(TARGETS, MEMORY, {"grade": 4, "rank": 3, "size": 1})
    found.add(losses)
    return found


def test_those_of_other_outputs_have_the_name_of_the_output_in_front():
    found = named({"size": "mae", "grade": ["accuracy", "nll"], "rank": ["top_2", ["brier", {}]]})
    assert found.names == ["size_mae", "accuracy", "nll", "rank_top_2", "rank_brier"]
    assert [(one.name, one.output, one.units.tolist()) for one in found.losses] == [
        ("size_mae", "size", [2.5]),
        ("accuracy", "grade", [1.0] * 4),
        ("nll", "grade", [1.0] * 4),
        ("rank_top_2", "rank", [1.0] * 3),
        ("rank_brier", "rank", [1.0] * 3),
    ]
    assert [one.name for one in found.losses if one.of_all is not None] == ["accuracy", "rank_top_2"]


def test_without_a_mapping_they_are_of_the_main_output_and_without_any_those_of_a_validation():
    assert named("error").names == ["error"] and [one.output for one in named("error").losses] == ["grade"]
    # The defaults of ranks, classes and numbers.
    expected = ["nll", "error", "rank_error", "rank_nll", "rank_error", "size_squared", "size_mae", "size_r2"]
    assert named(None).names == expected


def test_two_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="'rank_error' is one of 'grade' and of 'rank': name one of them alone"):
        named({"grade": ["rank_error"], "rank": ["error"]})


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ("neg_mean_squared_error", "unknown loss or metric 'neg_mean_squared_error' of ranks"),
        ("acuracy", r"unknown loss or metric 'acuracy' of ranks. Did you mean 'accuracy'\?"),
        ("top_4", r"top_4: K must lie in 1 \.\. 3"),
        ({"size": "f1"}, "unknown loss or metric 'f1' of numbers"),
        ({"size": "nll"}, "the loss 'nll' does not fit numbers; losses that do: absolute"),
    ],
)
def test_what_does_not_fit_is_refused(losses, words):
    with pytest.raises(ConfigError, match=words):
        named(losses)
