"""Places within what is declared: which words follow, and what a path of words goes through."""

from __future__ import annotations

import pytest
from pydantic import Field

from arignote.errors import ConfigError
from arignote.registry import Part, PartField, PartsField
from arignote.spec.forms import LayersForm
from arignote.spec.paths import Place, place_of, replaced_at, walk


class OfUser(Part):
    """A part whose default is made anew each time."""

    kind = "of user"
    sizes: dict[str, int] = Field(default_factory=lambda: {"a": 1})


def through(place, *words):
    return [word for _, word in walk(place, words)]


def test_a_key_with_dots_is_the_longest_that_is_there_and_a_single_part_is_the_first_of_its_list():
    place = place_of({"a": {"b": 1}, "a.b": {"c": 2}})
    assert through(place, "a", "b", "c") == ["a.b", "c"] and through(place, "a", "x") == ["a", "x"]
    single = place_of(["Noise", {"sigma": 1.0}], PartsField("augmentation"))
    assert through(single, "sigma") == ["0", "sigma"] and through(single, "0", "sigma") == ["0", "sigma"]


def test_layers_are_at_their_positions_and_parameters_at_their_names():
    layers = place_of(
        [["FCLayer", {"n_units": 3}], ["FCLayer"], ["ClassificationOutputLayer"]], LayersForm({"l2": 0.5})
    )
    assert layers.words() == ["fc1", "fc2", "output"] and [layers.key(word) for word in layers.words()] == [
        (0,),
        (1,),
        (2,),
    ]
    second = layers.child("fc2")
    assert second.child("l2").value == 0.5 and not second.has("l2") and second.key("l2") == ("l2",)
    # What is required and not given has no value, and neither has what the layer lacks.
    assert second.child("n_units").value is None and second.child("size").value is None
    with pytest.raises(ConfigError, match="there is no layer 'fc3'; layers: fc1, fc2, output"):
        layers.child("fc3")


def test_a_default_that_a_part_makes_is_entered_too():
    part = OfUser()
    place = place_of(part, PartField("of user"))
    assert place.words() == ["sizes"] and place.child("sizes").value == {"a": 1}
    assert replaced_at(list(walk(place, ("sizes", "a"))), 2) == OfUser(sizes={"a": 2}) and part == OfUser()


@pytest.mark.parametrize("value", [3, "text", [1, 2], None])
def test_other_values_have_no_words(value):
    assert place_of(value).words() == [] and type(place_of(5, PartField("rule"))) is Place
