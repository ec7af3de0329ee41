"""Which layer takes the outputs of which: by default the one before, or those that it names."""

from __future__ import annotations

import pytest
from linked_layers import OUTPUT, add, errors, fc, links

from arignote.layers import declare, parse


def test_by_default_each_layer_takes_the_one_before():
    assert links(fc(), ["DropoutLayer", {"dropout_p": 0.5}], fc(), OUTPUT) == {
        "input": [],
        "fc1": ["input"],
        "dropout1": ["fc1"],
        "fc2": ["dropout1"],
        "output": ["fc2"],
    }


def test_a_layer_takes_what_it_names():
    assert links(fc(), fc(input="input"), fc(input="fc1"), add("fc2", "fc3", "input"), OUTPUT) == {
        "input": [],
        "fc1": ["input"],
        "fc2": ["input"],
        "fc3": ["fc1"],
        "sum1": ["fc2", "fc3", "input"],
        "output": ["sum1"],
    }


def test_input_is_none_if_it_is_the_layer_before():
    layers = parse([fc("a", input="input"), fc("b", input="a"), fc("c", input="a"), add("b", "c"), OUTPUT])
    assert [layer.input for layer in layers] == [None, None, None, "a", None, None]
    # The same network in other words has the same spec.
    plain = parse([fc("a"), fc("b"), fc("c", input="a"), add("b", "c"), OUTPUT])
    assert declare(plain, (4,)).spec() == declare(layers, (4,)).spec()


def test_nothing_follows_an_output_layer_by_default():
    first, second = (["ClassificationOutputLayer", {"n_classes": 3, "name": name}] for name in ("first", "second"))
    layers = [fc(), first, fc(), second]
    assert links(*layers) == {
        "input": [],
        "fc1": ["input"],
        "first": ["fc1"],
        "fc2": ["fc1"],
        "second": ["fc2"],
    }
    assert [layer.input for layer in parse(layers)] == [None] * 5
    # It does if it is named.
    assert links(fc(), first, fc(input="first"), second)["fc2"] == ["first"]


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (
            [fc("first"), fc(input="frist"), OUTPUT],
            "layers[1] (FCLayer): input: there is no layer 'frist'. Did you mean 'first'?",
        ),
        (
            [fc("first"), fc("other", input="zzz"), OUTPUT],
            "layers[1] (FCLayer 'other'): input: there is no layer 'zzz'. Layers before it: first, input",
        ),
        (
            [fc("first"), add("first", "secnd", "first"), fc("second"), OUTPUT],
            "layers[1].inputs[1] (SumLayer): there is no layer 'secnd'. Layers before it: first, input",
        ),
        (
            [fc("first", input="second"), fc("second"), OUTPUT],
            "layers[0] (FCLayer 'first'): input: 'second' is this layer or a later one; "
            "it must be an earlier layer. Layers before it: input",
        ),
        (
            [fc("first", input="first"), OUTPUT],
            "layers[0] (FCLayer 'first'): input: 'first' is this layer or a later one; "
            "it must be an earlier layer. Layers before it: input",
        ),
        (
            [fc("first"), ["Block", {"name": "res", "input": "frist", "layers": [fc()]}], OUTPUT],
            "layers[1] (Block 'res'): input: there is no layer 'frist'. Did you mean 'first'?",
        ),
        (
            [["InputLayer", {"input": "first"}], fc("first"), OUTPUT],
            "layers[0] (InputLayer): input: an input layer takes the data: leave it out",
        ),
        ([fc(input="in"), OUTPUT], "layers[0] (FCLayer): input: there is no layer 'in'. Layers before it: input"),
        (
            [fc("first"), fc(share="frist"), OUTPUT],
            "layers[1] (FCLayer): share: there is no layer 'frist'. Did you mean 'first'?",
        ),
        # The layers of a block have their short names only within it.
        (
            [["Block", {"name": "res", "layers": [fc("conv")]}], fc(input="conv"), OUTPUT],
            "layers[1] (FCLayer): input: there is no layer 'conv'. Layers before it: input, res, res-1-conv",
        ),
    ],
    ids=range(10),
)
def test_a_name_that_is_not_there_is_reported_with_what_is(layers, expected):
    assert errors(layers) == [expected]


@pytest.mark.parametrize(
    ("layers", "at", "name"),
    [
        ([fc(), fc(input="input"), OUTPUT], "layers[0] (FCLayer 'fc1')", "fc1"),
        ([fc("mine"), fc(input="input"), OUTPUT], "layers[0] (FCLayer 'mine')", "mine"),
        (
            [["Block", {"repeat": 2, "layers": [fc("a"), fc("b", input="in")]}], OUTPUT],
            "layers[0].layers[0] (FCLayer 'block1-1-a')",
            "block1-1-a",
        ),
        ([fc(), add("fc1", "fc1"), fc(input="fc1"), OUTPUT], "layers[1] (SumLayer 'sum1')", "sum1"),
        # Sharing the weights of a layer is no use of its output.
        ([fc("a"), fc(share="a", input="input"), OUTPUT], "layers[0] (FCLayer 'a')", "a"),
    ],
    ids=range(5),
)
def test_an_output_that_nothing_uses_is_an_error(layers, at, name):
    message = f"nothing uses the output of {name!r}: name it as an input, or leave the layer out"
    assert errors(layers) == [f"{at}: {message}"]


def test_several_output_layers_must_have_names_and_a_single_one_need_not():
    other = ["ClassificationOutputLayer", {"n_classes": 3, "name": "other"}]
    message = "(ClassificationOutputLayer): name must be given, as there are several output layers"
    assert errors([fc(), OUTPUT, fc(), OUTPUT])[:2] == [f"layers[1] {message}", f"layers[3] {message}"]
    assert errors([fc(), other, fc(), OUTPUT]) == [f"layers[3] {message}"]
    assert [layer.name for layer in parse([fc(), OUTPUT])] == ["input", "fc1", "output"]


def channel(of, **more):
    return ["InputLayer", {"channel": of} | more]


def test_several_input_layers_are_named_after_their_channels():
    layers = parse([channel("a"), fc(), channel("b", name="other"), add("fc1", "other"), OUTPUT])
    assert [layer.name for layer in layers] == ["a", "fc1", "other", "sum1", "output"]
    # A single one is not.
    assert [layer.name for layer in parse([channel("a"), OUTPUT])] == ["input", "output"]


def test_what_follows_an_input_layer_takes_it_and_input_layers_take_nothing():
    placed = declare(parse([channel("a"), fc(), channel("b"), fc(), add("fc1", "fc2"), OUTPUT]), {"a": (4,), "b": (2,)})
    names = [place.name for place in placed.placed]
    found = {place.name: [names[source] for source in place.sources] for place in placed.placed}
    assert found == {"a": [], "fc1": ["a"], "b": [], "fc2": ["b"], "sum1": ["fc1", "fc2"], "output": ["sum1"]}


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (
            [["InputLayer"], fc(), channel("b"), add("fc1", "b"), OUTPUT],
            "layers[0]: the first layer must be an input layer with a channel, as there are several input layers",
        ),
        (
            [channel("a"), fc(), ["InputLayer"], add("fc1", "input"), OUTPUT],
            "layers[2] (InputLayer): an input layer must be the first layer; where there are several, each names its "
            "channel",
        ),
        (
            [channel("a"), fc(), channel("a", name="b"), add("fc1", "b"), OUTPUT],
            "layers[2].channel (InputLayer 'b'): the channel 'a' has an input layer already: name that as an input",
        ),
        (
            [channel("a"), fc(), channel("b", input="fc1"), add("fc1", "b"), OUTPUT],
            "layers[2] (InputLayer): input: an input layer takes the data: leave it out",
        ),
    ],
    ids=range(4),
)
def test_several_input_layers_take_a_channel_each(layers, expected):
    assert errors(layers) == [expected]


def test_an_input_layer_is_no_use_of_the_output_of_the_layer_before_it():
    layers = [channel("a"), fc(), channel("b"), fc(input="a"), add("fc2", "b"), OUTPUT]
    message = "nothing uses the output of 'fc1': name it as an input, or leave the layer out"
    assert errors(layers) == [f"layers[1] (FCLayer 'fc1'): {message}"]
