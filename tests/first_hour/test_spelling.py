"""Configs as a newcomer writes them: each works, or says where the fault is, what was expected and what to write."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from arignote import ConfigError, NNClassifier
from arignote.cli import app
from arignote.layers import parse
from arignote.registry import build
from arignote.sample_data import digits
from arignote.spec.config import read_config

FC = "  - [FCLayer, {n_units: 64}]\n"
OUTPUT = "  - [ClassificationOutputLayer]\n"
FORM = "a layer must be written [Name, {parameters}] or {layer: Name, parameters}"

WORKS = {
    "capitals": "layers:\n  - [FCLAYER, {n_units: 64, activation: ReLU}]\n" + OUTPUT,
    "no suffix": "layers:\n  - [fc, {n_units: 64}]\n" + OUTPUT,
    "a layer as a string": "layers:\n" + FC + "  - ClassificationOutputLayer\n",
    "a layer as a mapping": "layers:\n  - {layer: FCLayer, n_units: 64}\n" + OUTPUT,
    "a list within dashes": "layers:\n  - - FCLayer\n    - n_units: 64\n" + OUTPUT,
    "null parameters": "layers:\n" + FC + "  - [ClassificationOutputLayer, null]\n",
    "no braces": "layers:\n  - [FCLayer, n_units: 64]\n" + OUTPUT,
    "an exponent": "layers:\n  - [FCLayer, {n_units: 64, l2: 1e-3}]\n" + OUTPUT,
    "sections without lines": "layers:\n"
    + FC
    + OUTPUT
    + "fit:\n  # n_epochs: 3\nlayer_defaults:\ndata:\nname:\nrng:\n",
    "a trailing comma": "{'layers': [['FCLayer', {'n_units': 64,}], ['ClassificationOutputLayer'],],}",
}
# Of a fault: where, what, and what to write.
FAULTS = {
    "layers:\n  - FCLayer, {n_units: 64}\n" + OUTPUT: (
        "2:5: layers[0]: " + FORM,
        "Put brackets around it: [FCLayer, {n_units: 64}]",
    ),
    "layers:\n  - FCLayer {n_units: 64, W: [normal, {std: 0.1}]}\n" + OUTPUT: (
        ": is not YAML: mapping values are not allowed here",
        "is a bracket or a quote missing?",
    ),
    "layers:\n  - FCLayer: {n_units: 64}\n" + OUTPUT: (
        "2:5: layers[0]: " + FORM + "; got {'FCLayer': {'n_units': 64}}",
        "Write [FCLayer, {n_units: 64}]",
    ),
    "layers:\n  - FCLayer:\n    n_units: 64\n" + OUTPUT: ("2:5: layers[0]: " + FORM, "Write [FCLayer, {n_units: 64}]"),
    "layers:\n  - {type: FCLayer, n_units: 64}\n" + OUTPUT: (
        "2:5: layers[0]: " + FORM,
        "Write [FCLayer, {n_units: 64}]",
    ),
    "layers:\n  - [FCLayer, n_units: 64, activation: relu]\n" + OUTPUT: (
        "2:5: layers[0]: " + FORM,
        "Write [FCLayer, {n_units: 64, activation: relu}]",
    ),
    "layers:\n  - [FCLayer, 64]\n" + OUTPUT: (
        "2:5: layers[0]: the parameters of 'FCLayer' must be a mapping; got 64",
        "Write [FCLayer, {n_units: 64}]",
    ),
    "layers:\n" + FC + "  - [Dropout, 0.5]\n" + OUTPUT: ("3:5: layers[1]: ", "Write [Dropout, {dropout_p: 0.5}]"),
    "layers: [FCLayer, {n_units: 64}]\n": (
        "1:1: layers: must be a list of layers; got a single one",
        "Write layers: [[FCLayer, {n_units: 64}], [ClassificationOutputLayer]]",
    ),
    "layers:\n  FCLayer: {n_units: 64}\n  ClassificationOutputLayer:\n": (
        "1:1: layers must be a list of [Layer, {parameters}], or the path of a file with one; got {'FCLayer': ",
        "Write each layer as a line - [Layer, {parameters}]",
    ),
    "layers:\n  -[FCLayer, {n_units: 64}]\n": ("1:1: layers must be a list", "Put a blank after each dash"),
    "layers: FCLayer\n": ("1:1: layers must be a list of", "or the path of a YAML or JSON file; got 'FCLayer'"),
    "layers:\n": ("1:1: layers must be a list of [Layer, {parameters}]", "the key has no value. Write one"),
    "Layers:\n" + OUTPUT: ("1:1: Layers: unknown parameter 'Layers'", "Did you mean 'layers'?"),
    "layers:\n  - [FCLayer, {N_Units: 64}]\n" + OUTPUT: (
        "2:16: layers[0].N_Units (FCLayer)",
        "Did you mean 'n_units'?",
    ),
    "layers:\n  - [FCLayer, {n_units: '64'}]\n" + OUTPUT: (
        "2:16: layers[0] (FCLayer): n_units must be an integer; got '64'",
        "Write 64 without quotes",
    ),
    "layers:\n  - [FCLayer, {n_units: 64.0}]\n" + OUTPUT: ("n_units must be an integer; got 64.0", "Write 64"),
    "layers:\n  - [FCLayer, {n_units: }]\n" + OUTPUT: (
        "2:16: layers[0] (FCLayer)",
        "must be an integer; the key has no value",
    ),
    "layers:\n  - [FCLayer, {n_units:64}]\n" + OUTPUT: (
        "2:16: layers[0].n_units:64 (FCLayer): unknown parameter 'n_units:64'",
        "Put a colon and a space between a key and its value",
    ),
    "layers:\n  - [FCLayer, {n_units=64}]\n" + OUTPUT: ("'n_units=64'", "Put a colon and a space between"),
    "layers:\n  - [FCLayer, {n_units: 64, use_bias: yes}]\n" + OUTPUT: (
        "2:29: layers[0] (FCLayer): use_bias must be true or false; got 'yes'",
        "Write true",
    ),
    "layers:\n  - [FCLayer, {n_units: 64, maxnorm: None}]\n" + OUTPUT: ("maxnorm must be a number", "Write null"),
    "layers:\n  - [Conv, {n_output_maps: 3, filter_shape: (3, 3)}]\n" + OUTPUT: (
        "2:31: layers[0] (Conv): filter_shape must be a number or a list of two; got '(3'",
        "Write a list with brackets: [3, 3]",
    ),
    "layers:\n" + OUTPUT + "fit: {n_epochs: '3'}\n": ("3:7: fit.n_epochs must be", "Write 3 without quotes"),
    "layers:\n" + OUTPUT + "fit: {lr_rule: '0.1'}\n": (
        "3:7: fit.lr_rule must be a number, or a rule; got '0.1'",
        "Write 0.1 without quotes",
    ),
    "layers:\n" + OUTPUT + "fit:\n  - n_epochs: 3\n": ("3:1: fit must be a mapping; got [", "Leave out the dashes"),
    "layers:\n" + OUTPUT + "fit:\nn_epochs: 3\n": ("4:1: n_epochs: belongs to fit", "write fit.n_epochs"),
    "layers:\n" + OUTPUT + "data: {train: {features: a.csv}, valid: 10%}\n": ("data.valid must be", "Write 0.1"),
    "layer_defaults: {units: 3}\nlayers:\n" + FC + OUTPUT: (
        "1:18: layer_defaults.units: no layer of the list has the parameter 'units'",
        "Write n_units: 3",
    ),
    "layer_defaults: {FCLayer: {l2: 0.1}}\nlayers:\n" + FC + OUTPUT: (
        "1:18: layer_defaults.FCLayer: must be a parameter; got a layer",
        "write layer_defaults: {l2: 0.1} (at the top of the config), or set it in the layers themselves",
    ),
    "layers:\n\t- [FCLayer, {n_units: 64}]\n": ("2:1: is not YAML", "a tab; indent with blanks"),
    "layers:\n" + FC + " - [ClassificationOutputLayer]\n": (
        "3:2: is not YAML",
        "this line must be indented as the line to which it belongs",
    ),
    "layers:\n" + OUTPUT + "fit:\n  n_epochs: 3\n   batch_size: 5\n": (
        "5:14: is not YAML",
        "is the line indented too far, or is a bracket or a quote missing?",
    ),
    "layers:\n  - [FCLayer, {n_units: 64, n_units: 32}]\n" + OUTPUT: (
        "2:29: is not YAML: the key 'n_units' is given twice",
        "leave one out",
    ),
    "layers:\n" + OUTPUT + "fit: {n_epochs: 3}\nfit: {batch_size: 3}\n": (
        "4:1: is not YAML: the key 'fit' is given twice",
        "leave one out",
    ),
    "layers:\n  - [FCLayer, {n_units: 64]\n": ("2:27: is not YAML", "a comma or a closing bracket is missing"),
    "": (
        "must be a mapping with the keys include, name, rng, data, stored_network, layer_defaults, layers, fit",
        "got an empty file",
    ),
    "layers:\n" + OUTPUT + "---\nfit: {}\n": ("3:1: is not YAML", "leave out the line ---"),
}


@pytest.mark.parametrize("case", WORKS)
def test_a_config_in_another_spelling_works(case, tmp_path):
    (tmp_path / "c.yaml").write_text(WORKS[case])
    assert CliRunner().invoke(app, ["check", str(tmp_path / "c.yaml")], catch_exceptions=False).exit_code == 0
    layers = parse(read_config(tmp_path / "c.yaml").layers)
    assert [type(layer).__name__ for layer in layers] == ["InputLayer", "FCLayer", "ClassificationOutputLayer"]
    assert layers[1].n_units == 64


@pytest.mark.parametrize("text", FAULTS)
def test_an_error_names_its_place_and_what_to_write(text, tmp_path):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path / "c.yaml")
    line = next(line for line in str(caught.value).splitlines() if FAULTS[text][0] in line)
    assert line.startswith(f"{tmp_path}/c.yaml:") and FAULTS[text][1] in line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"layers": [["ClassificationOutputLayer"]] // all\n}', "a comma or a closing bracket is missing before it"),
        ('{"layers": [["ClassificationOutputLayer"]]} // all', "nothing may follow the last bracket"),
        ('{"layers": [["FCLayer", {"n_units": "64"}], ["ClassificationOutputLayer"]]}', "Write 64 without quotes"),
        (
            '{"layers": [{"FCLayer": {"n_units": 64}}, ["ClassificationOutputLayer"]]}',
            'Write ["FCLayer", {"n_units": 64}]',
        ),
    ],
)
def test_an_error_in_a_json_file_is_reported_in_json(text, words, tmp_path):
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path / "c.json")
    assert str(caught.value).startswith(f"{tmp_path}/c.json:1:") and words in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "spec", "words"),
    [
        ("layer", ["FCLayer", 64], '. Write ["FCLayer", {"n_units": 64}]'),
        ("updater", {"name": "adam", "beta1": 0.8}, '. Write ["adam", {"beta1": 0.8}]'),
        ("rule", {"stalled": {"interval": 3}}, '. Write ["stalled", {"interval": 3}]'),
        ("stop_rule", ["stalled", 3], '. Write ["stalled", {"interval": 3}]'),
    ],
)
def test_another_form_of_a_part_in_python_is_answered_with_python_code(kind, spec, words):
    with pytest.raises(ConfigError) as caught:
        build(kind, spec)
    assert str(caught.value).endswith(words)
    name, params = eval(words.removeprefix(". Write "))
    assert build(kind, [name, params])


def test_a_file_of_layers_given_to_the_classifier_has_its_lines_in_the_error(tmp_path):
    (tmp_path / "net.yaml").write_text("layers:\n" + FC + "  - [Dense, {units: 3}]\n" + OUTPUT)
    with pytest.raises(ConfigError) as caught:
        NNClassifier(str(tmp_path / "net.yaml")).fit(*digits())
    assert str(caught.value) == (
        f"{tmp_path}/net.yaml:3:5: layers[1]: unknown layer 'Dense'. Write [FCLayer, {{n_units: 64}}]"
    )
