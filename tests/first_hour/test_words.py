"""Words that users bring from other libraries: each leads to the word here, at each place where it may be written.

``python tests/first_hour/test_words.py`` rewrites the table of docs/from-other-libraries.md.
"""

from __future__ import annotations

import copy
import inspect
import json
import pickle
import pydoc
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from arignote import ConfigError, NNClassifier
from arignote.cli import app
from arignote.data.specs import DataSpec, Source
from arignote.estimators.documentation import signature_with_settings
from arignote.hints.advice import OWN, Advice
from arignote.hints.synonyms import ROWS, advice_on
from arignote.layers import parse
from arignote.registry import build, names
from arignote.registry.complaints import complaints_of
from arignote.sample_data import digits
from arignote.spec.config import read_config
from arignote.spec.run_spec import RunSpec
from arignote.spec.settings import FitSettings

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "from-other-libraries.md"
OUTPUT = ["ClassificationOutputLayer"]
KINDS = ["activation", "augmentation", "initializer", "layer", "loss", "preprocess", "rule", "stop_rule", "updater"]
# The arguments of methods; tests/test_calls.py has their messages.
CALLS = ("arguments", "inference")
SECTIONS = {"config": RunSpec, "data": DataSpec, "source": Source, "fit": FitSettings, "above": FitSettings}
# What a part cannot be built without.
NEEDED = {
    "AutoEncoderOutputLayer": {"n_units": 3},
    "ConvLayer": {"n_output_maps": 3, "filter_shape": 3},
    "ConvMaxoutLayer": {"n_output_maps": 3, "filter_shape": 3},
    "DenoisingAutoEncoderLayer": {"n_units": 3},
    "DropoutLayer": {"dropout_p": 0.5},
    "FCLayer": {"n_units": 3},
    "FCMaxoutLayer": {"n_units": 3},
    "GroupNormLayer": {"n_groups": 2},
    "InputImageLayer": {"n_pixels": 8},
    "AveragePool1DLayer": {"pool_length": 2},
    "AveragePool2DLayer": {"pool_shape": 2},
    "Conv3DLayer": {"n_output_maps": 3, "filter_shape": 3},
    "Conv1DLayer": {"n_output_maps": 3, "filter_length": 3},
    "MaxPool1DLayer": {"pool_length": 2},
    "MaxPool2DLayer": {"pool_shape": 2},
    "AveragePool3DLayer": {"pool_shape": 2},
    "FeaturePoolLayer": {"pool_size": 2},
    "MaxPool3DLayer": {"pool_shape": 2},
    "MaxPoolChannelsLayer": {"k": 2},
    "TransposedConv1DLayer": {"n_output_maps": 3, "filter_length": 3},
    "TransposedConv3DLayer": {"n_output_maps": 3, "filter_shape": 3},
    "TransposedConvLayer": {"n_output_maps": 3, "filter_shape": 3},
    "LCLayer": {"n_units": 3, "n_segments": 2},
    "LCMaxoutLayer": {"n_units": 3, "n_segments": 2},
    "LocallyConnected1DLayer": {"n_output_maps": 3, "filter_length": 3},
    "LocallyConnectedLayer": {"n_output_maps": 3, "filter_shape": 3},
    "UpscaleLayer": {"scale_factor": 2},
    "MLPConvLayer": {"n_output_maps": 3, "filter_shape": 3, "n_units": [4]},
    "CropLayer": {"width": 1},
    "PadLayer": {"width": 1},
    "PermuteLayer": {"order": [2, 1]},
    "ReshapeLayer": {"shape": [4]},
    "fixed": {"interval": 1, "multiply_by": 0.5},
    "stalled": {"interval": 1},
    "absolute": {"after_epochs": [[1, 0.5]]},
    "cosine": {"n_epochs": 9, "restarts": True},
    "exponential": {"n_epochs": 1, "multiply_by": 0.5},
    "inverse": {"n_epochs": 1, "decay": 0.5},
    "linear": {"n_epochs": 9, "final_value": 0.1},
    "one_cycle": {"n_epochs": 9, "middle_value": 0.5, "final_value": 0.1},
    "step": {"n_epochs": 9, "multiply_by": 0.5},
    "warmup": {"n_epochs": 9, "initial_value": 0.1, "then": 0.5},
    "reached": {"value": 0.1},
}
PLACES = {
    "fit": "a setting of `fit`",
    "above": "a key of `fit`, where it belongs to the top of a config",
    "config": "a key at the top of a config",
    "data": "a key of `data`",
    "source": "a key of `data.train`, `valid`, `test`",
    "layer": "a parameter of a layer",
    "layer name": "a layer",
    "activation name": "an activation",
    "initializer name": "an initialiser",
    "loss name": "a loss",
    "updater": "a parameter of an updater",
    "updater name": "an updater",
    "rule": "a parameter of a rule",
    "rule name": "a rule",
    "stop_rule": "a parameter of a stop rule",
    "stop_rule name": "a stop rule",
    "preprocess name": "a preprocessing step",
    "augmentation name": "an augmentation",
    "arguments": "an argument of a method",
    "inference": "an argument of `predict`, `evaluate` or `confusion`",
}
METHODS = [NNClassifier.evaluate, NNClassifier.load, NNClassifier.layer_output]
SIGNATURES = [signature_with_settings(NNClassifier.fit), *map(inspect.signature, METHODS)]
PARAMETERS = [signature.parameters for signature in SIGNATURES]


def table():
    """Return the table of all words as Markdown, a section for each place."""
    lines = []
    for place, title in PLACES.items():
        lines += ["", f"## As {title}", "", "| of other libraries | here |", "|---|---|"]
        for row in ROWS:
            if row.place == place:
                words = ", ".join(f"`{word}`" for word in row.words.split())
                targets = [f"`{shown(target)}`" for target in row.advice.replacements]
                lines.append(f"| {words} | {row.advice.text.removeprefix('Write ').format(*targets)} |")
    return "\n".join(lines) + "\n"


def shown(target):
    return Advice("{}", (target,)).text_in("yaml")


def faults(call):
    with pytest.raises(ConfigError) as caught:
        call()
    return str(caught.value)


def kind_of(row):
    return row.place.removesuffix(" name")


def is_own(cls):
    """Whether a part is of Arignote, not of another test of this process."""
    return cls.__module__.startswith("arignote.")


def hosts(row, word):
    """Return the names of the parts of a kind to which the row is the one that applies."""
    return [
        name
        for name, cls in names(kind_of(row)).items()
        if is_own(cls) and advice_on(row.place, word, cls.model_fields) is row.advice and word not in cls.model_fields
    ]


def plain(value):
    """Return a value with a number in the place of N."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return 3 if value == "N" else value


def ids(row):
    return f"{row.place}: {row.words.split()[0]}"


def test_each_word_of_the_table_is_unknown_here_and_leads_to_its_advice(subtests):
    for row in ROWS:
        with subtests.test(ids(row)):
            for word in row.words.split():
                if row.place in CALLS:
                    assert any(
                        advice_on(row.place, word, known) is row.advice for known in PARAMETERS if word not in known
                    )
                    continue
                if row.place in SECTIONS:
                    section = SECTIONS[row.place]
                    assert word not in section.model_fields
                    with pytest.raises(ValueError) as caught:
                        section(**{word: {}})
                    [found] = [c for c in complaints_of(caught.value, section) if c.path == (word,)]
                elif row.place.endswith("name"):
                    with pytest.raises(ConfigError) as caught:
                        build(kind_of(row), word)
                    [found] = caught.value.complaints
                else:
                    assert hosts(row, word), f"no part to which {word!r} applies"
                    for name in hosts(row, word):
                        with pytest.raises(ConfigError) as caught:
                            build(row.place, [name, {word: {}}])
                        [found] = [c for c in caught.value.complaints if c.path == (word,)]
                assert found.advice == row.advice and found.message in (
                    f"unknown parameter {word!r}",
                    f"unknown {kind_of(row)} {word!r}",
                )


def test_the_advice_of_each_row_can_be_built(subtests):
    for row in ROWS:
        with subtests.test(ids(row)):
            targets = row.advice.replacements
            settings = {t.key.removeprefix("fit."): t.value for t in targets if t.key.startswith("fit.")}
            assert settings.keys() <= FitSettings.model_fields.keys()
            FitSettings(**plain({key: value for key, value in settings.items() if value != OWN}))
            for target in targets:
                if row.place == "arguments" and "." not in target.key:
                    assert any(target.key in known for known in PARAMETERS)
                elif target.key == "":
                    word = target.value if isinstance(target.value, str) else target.value[0]
                    assert build("layer" if word.endswith("Layer") else kind_of(row), target.value)
                elif target.key.startswith("data."):
                    DataSpec(**{"train": {"features": "a.h5:/x"}, target.key.removeprefix("data."): target.value})
                elif target.at_top:
                    spec = RunSpec(**{"layers": [["FCLayer", {"n_units": 3}], OUTPUT], target.key: target.value})
                    assert parse(spec.layers, spec.layer_defaults)
                elif target.value != OWN and not target.key.startswith("fit."):
                    name = hosts(row, row.words.split()[0])[0]
                    assert build(row.place, [name, NEEDED.get(name, {}) | {target.key: target.value}])


def test_the_documented_table_is_that_of_the_code():
    assert DOCUMENT.read_text().partition("\n## ")[1:] == ("\n## ", table().partition("\n## ")[2])


IN_PYTHON = {
    "patience": (5, 'Write stop_rule={"rule": "stalled", "interval": N}'),
    "early_stopping": (True, 'Write stop_rule={"rule": "stalled", "interval": N}'),
    "learning_rate": (0.1, "Write lr_rule=0.1"),
    "lr": (0.1, "Write lr_rule=0.1"),
    "learning_rate_init": (0.1, "Write lr_rule=0.1"),
    "optimizer": ("adam", 'Write sgd_type="adam"'),
    "epochs": (5, "Write n_epochs=5"),
    "max_iter": (200, "Write n_epochs=200"),
    "batch": (32, "Write batch_size=32"),
    "momentum": (0.9, 'Write momentum_rule=0.9 with sgd_type="nag"'),
    "weight_decay": (0.01, 'Write NNClassifier(..., layer_defaults={"l2": 0.001})'),
    "alpha": (0.01, 'Write NNClassifier(..., layer_defaults={"l2": 0.001})'),
    "seed": (1, "Write NNClassifier(..., rng=42)"),
    "random_seed": (1, "Write NNClassifier(..., rng=42)"),
    "loss": ("mse", 'Write train_loss="nll"'),
    "validation_split": (0.2, "Write valid=0.1"),
    "validation_fraction": (0.2, "Write valid=0.1"),
    "validation_data": ((1, 2), "Write valid=0.1, a fraction of the training rows, or name data of its own"),
    "callbacks": ([], 'stop_rule={"rule": "stalled", "interval": N} stops early, checkpoint="runs/NAME" keeps'),
    "hidden": (64, 'layers=[["FCLayer", {"n_units": 64}], ["ClassificationOutputLayer"]]'),
    "hidden_layer_sizes": ((64,), 'layers=[["FCLayer", {"n_units": 64}], ["ClassificationOutputLayer"]]'),
    "units": (64, 'layers=[["FCLayer", {"n_units": 64}], ["ClassificationOutputLayer"]]'),
    "neurons": (64, 'layers=[["FCLayer", {"n_units": 64}], ["ClassificationOutputLayer"]]'),
    "dropout": (0.5, 'Put ["DropoutLayer", {"dropout_p": 0.5}] into the list of layers'),
}


@pytest.mark.parametrize("word", IN_PYTHON)
def test_a_word_in_the_call_of_fit_or_of_the_constructor_is_answered_with_python_code(word):
    value, words = IN_PYTHON[word]
    for call in (
        lambda: NNClassifier([OUTPUT]).fit(*digits(), **{word: value}),
        lambda: NNClassifier([OUTPUT], **{word: value}),
    ):
        found = faults(call)
        assert found.startswith(f"fit.{word}: unknown parameter {word!r}. ") and words in found
        assert "Did you mean" not in found


IN_LAYERS = {
    '["Dense", {"units": 64}]': 'unknown layer \'Dense\'. Write ["FCLayer", {"n_units": 64}]',
    '["Linear", {}]': 'Write ["FCLayer", {"n_units": 64}]',
    '["DenseLayer", {}]': 'Write ["FCLayer", {"n_units": 64}]',
    '["add_hidden", {}]': 'Write ["FCLayer", {"n_units": 64}]',
    '["Conv2d", {}]': 'Write ["ConvLayer", {"n_output_maps": 32, "filter_shape": 3}]',
    '["Conv2DLayer", {}]': 'Write ["ConvLayer", {"n_output_maps": 32, "filter_shape": 3}]',
    '["MaxPooling2D", {}]': 'Write ["MaxPool2DLayer", {"pool_shape": 2}]',
    '["MaxPool2d", {"kernel_size": 2}]': '"pool_shape": 2',
    '["BatchNorm1d"]': 'Write ["BatchNormLayer"]',
    '["BatchNormalization"]': 'Write ["BatchNormLayer"]',
    '["GlobalAveragePooling2D"]': 'Write ["GlobalAveragePoolLayer"]',
    '["Flattening"]': 'Write ["FlattenLayer"]',
    '["ReLU"]': 'An activation is a parameter of the layer before it, ["FCLayer", {"n_units": 64, "activation":',
    '["Tanh"]': '"activation": "relu"}], or a layer: ["ActivationLayer", {"activation": "relu"}]',
    '["Add"]': 'Write ["SumLayer", {"inputs": ["fc1", "fc2"]}]',
    '["Softmax"]': 'End the list with ["ClassificationOutputLayer"], whose output is a softmax',
    '["FCLayer", {"n_units": 3, "activation": "log_softmax"}]': 'End the list with ["ClassificationOutputLayer"]',
    '["FCLayer", {"units": 3}]': "layers[0].units (FCLayer): unknown parameter 'units'. Write \"n_units\": 3",
    '["FCLayer", {"n_units": 3, "dropout": 0.2}]': 'Put ["DropoutLayer", {"dropout_p": 0.5}] after this layer',
    '["Dropout", {"rate": 0.2}]': 'Write "dropout_p": 0.2',
    '["Conv", {"filters": 3, "filter_shape": 3}]': 'Write "n_output_maps": 3',
    '["Conv", {"n_output_maps": 3, "kernel_size": [3, 5]}]': 'Write "filter_shape": [3, 5]',
    '["Conv", {"n_output_maps": 3, "filter_shape": 3, "strides": 2}]': 'Write "stride": 2',
    '["Conv", {"n_output_maps": 3, "filter_shape": 3, "padding": "same"}]': 'Write "pad": "same"',
    '["MaxPool2D", {"pool_shape": 2, "padding": "same"}]': 'Write "pad": 1, at most half of pool_shape',
}


@pytest.mark.parametrize("layer", IN_LAYERS)
def test_a_word_of_another_library_in_a_list_of_layers_is_answered_with_our_layer(layer):
    found = faults(lambda: NNClassifier([json.loads(layer), OUTPUT]).fit(*digits()))
    assert found.startswith("layers[0]") and IN_LAYERS[layer] in found
    # One fault is reported once: what is meant by the word is not missing as well.
    assert len(found.splitlines()) == 1 and "Did you mean" not in found


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"sgd_type": ["nag", {"lr": 0.1}]},
            "fit.sgd_type.lr: unknown parameter 'lr'. The learning rate has a setting of its own: write lr_rule=0.1",
        ),
        ({"sgd_type": ["sgd", {"momentum": 0.9}]}, 'Write ["nag", {"momentum": 0.9}]'),
        ({"lr_rule": {"rule": "stalled", "factor": 0.5, "interval": 3}}, 'Write "multiply_by": 0.5'),
        ({"lr_rule": ["stalled", {"multiply_by": 0.5, "patience": 3}]}, 'Write "interval": 3'),
        ({"lr_rule": ["ReduceLROnPlateau"]}, 'Write ["stalled", {"initial_value": 0.1, "multiply_by": 0.25'),
        ({"stop_rule": {"rule": "stalled", "patience": 3}}, 'Write "interval": 3'),
        ({"stop_rule": ["EarlyStopping", {"patience": 3}]}, 'Write ["stalled", {"interval": 10}]'),
        ({"train_loss": "MSELoss"}, 'Write "squared"'),
        ({"train_loss": "BCELoss"}, 'Write "nll" for two classes, "binary_cross_entropy" for several labels per row'),
        (
            {"train_loss": "mse"},
            "'squared' does not fit ClassificationOutputLayer 'output', which fits classes; "
            "losses that do: brier, hinge, nll",
        ),
        ({"preprocess": ["StandardScaler"]}, 'Write ["Standardise"]'),
        ({"augmentation": "RandomHorizontalFlip"}, 'Write ["Flip", {"p": 0.5}]'),
    ],
)
def test_a_word_within_an_updater_or_a_rule_is_answered_there(settings, words):
    found = faults(lambda: NNClassifier([OUTPUT], **settings).fit(*digits()))
    assert words in found and len(found.splitlines()) == 1


CONFIG = """\
layers:
  - [FCLayer, {name: fc1, units: 64}]
  - [Dense, {}]
  - [ClassificationOutputLayer]
fit:
  patience: 5
  sgd_type: [nag, {lr: 0.1}]
  random_state: 4
seed: 3
epochs: 10
validation_split: 0.1
"""


def test_a_key_of_the_top_written_under_fit_is_reported_with_its_place(tmp_path):
    (tmp_path / "c.yaml").write_text("layers: [[ClassificationOutputLayer]]\nfit: {name: a, layers: []}\n")
    found = faults(lambda: read_config(tmp_path / "c.yaml")).replace(f"{tmp_path}/", "")
    layers = "layers: [[FCLayer, {n_units: 64}], [ClassificationOutputLayer]] (at the top of the config)"
    assert found.splitlines() == [
        "c.yaml:2:7: fit.name: unknown parameter 'name'. Write name: a (at the top of the config)",
        f"c.yaml:2:16: fit.layers: unknown parameter 'layers'. A network is a list of layers: {layers}",
    ]
    # Misspelt at the top it is a misspelt key.
    (tmp_path / "c.yaml").write_text("Layers: [[ClassificationOutputLayer]]\n")
    assert "Did you mean 'layers'?" in faults(lambda: read_config(tmp_path / "c.yaml"))


def test_words_in_a_yaml_file_are_answered_in_yaml_with_their_lines(tmp_path):
    (tmp_path / "c.yaml").write_text(CONFIG)
    ended = CliRunner().invoke(app, ["check", str(tmp_path / "c.yaml")])
    assert isinstance(ended.exception, ConfigError)
    assert str(ended.exception).replace(f"{tmp_path}/", "").splitlines() == [
        "c.yaml:2:27: layers[0].units (FCLayer 'fc1'): unknown parameter 'units'. Write n_units: 64",
        "c.yaml:3:5: layers[1]: unknown layer 'Dense'. Write [FCLayer, {n_units: 64}]",
        "c.yaml:6:3: fit.patience: unknown parameter 'patience'. Write stop_rule: {rule: stalled, interval: N}",
        "c.yaml:7:20: fit.sgd_type.lr: unknown parameter 'lr'. The learning rate has a setting of its own: "
        "write fit.lr_rule: 0.1",
        "c.yaml:8:3: fit.random_state: unknown parameter 'random_state'. Write rng: 42 (at the top of the config)",
        "c.yaml:9:1: seed: unknown parameter 'seed'. Write rng: 42",
        "c.yaml:10:1: epochs: unknown parameter 'epochs'. Write fit.n_epochs: 10",
        "c.yaml:11:1: validation_split: unknown parameter 'validation_split'. Write data.valid: 0.1",
    ]


def test_words_in_a_json_file_are_answered_in_json(tmp_path):
    config = {"layers": [["FCLayer", {"units": 64}], OUTPUT], "fit": {"patience": 5}, "epochs": 10}
    (tmp_path / "c.json").write_text(json.dumps(config, indent=1))
    found = faults(lambda: read_config(tmp_path / "c.json")).replace(f"{tmp_path}/", "")
    assert [re.sub(r"^c.json:\d+:\d+: ", "", line) for line in found.splitlines()] == [
        "layers[0].units (FCLayer): unknown parameter 'units'. Write \"n_units\": 64",
        'fit.patience: unknown parameter \'patience\'. Write "stop_rule": {"rule": "stalled", "interval": N}',
        'epochs: unknown parameter \'epochs\'. Write "fit": {"n_epochs": 10}',
    ]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("fit.epochs=3", "fit.epochs: unknown parameter 'epochs'. Write --set fit.n_epochs=3"),
        ("fit.patience=5", "Write --set 'fit.stop_rule={rule: stalled, interval: N}'"),
        ("lr=0.1", "lr: unknown parameter 'lr'. Write --set fit.lr_rule=0.1"),
        ("seed=1", "seed: unknown parameter 'seed'. Write --set rng=42"),
        (
            "layers.fc1.units=3",
            "layers[0].units (FCLayer 'fc1'): unknown parameter 'units'. Write --set layers.fc1.n_units=3",
        ),
        ("layers.dropout1.rate=0.2", "Write --set layers.dropout1.dropout_p=0.2"),
        ("data.train.x=a.csv", "data.train.x: unknown parameter 'x'. Write --set data.train.features=a.csv"),
    ],
)
def test_a_word_in_set_is_answered_with_what_to_set(setting, words, tmp_path):
    layers = "[[FCLayer, {name: fc1, n_units: 3}], [Dropout, {dropout_p: 0.1}], [ClassificationOutputLayer]]"
    (tmp_path / "c.yaml").write_text(f"layers: {layers}")
    found = faults(lambda: read_config(tmp_path / "c.yaml", [setting]))
    assert found.startswith(f"--set {setting}: ") and words in found and len(found.splitlines()) == 1


UNKNOWN = {
    "layers: [[FCLayr, {n_units: 3}], [ClassificationOutputLayer]]": "unknown layer 'FCLayr'. Did you mean 'FCLayer'? "
    "Known: ActivationLayer, AutoEncoderOutputLayer, AverageLayer, AveragePool1DLayer, AveragePool2DLayer, "
    "AveragePool3DLayer, BatchNormLayer, BC01ToC01BLayer, BiasLayer, C01BToBC01Layer, ClassificationOutputLayer, "
    "ConcatLayer, Conv1DLayer, Conv3DLayer, ConvLayer, ConvMaxoutLayer, CropLayer, DenoisingAutoEncoderLayer, ",
    "layers: [[Capsule], [ClassificationOutputLayer]]": "unknown layer 'Capsule'. Known: ActivationLayer, ",
    "fit: {sgd_type: adm}": "fit.sgd_type: unknown updater 'adm'. Did you mean 'adam'? Known: adadelta, adagrad, adam, "
    "adamax, adamw, amsgrad, lion, momentum, nadam, nag, radam, rmsprop, sgd.",
    "fit: {lr_rule: {rule: stall, interval: 3}}": "unknown rule 'stall'. Did you mean 'stalled'? Known: absolute, "
    "annealer, const, cosine, exponential, fixed, inverse, linear, one_cycle, stalled, step, warmup.",
    "fit: {stop_rule: [never]}": "unknown stop_rule 'never'. Known: reached, stalled.",
    "fit: {lr_rule: {initial_value: 0.1}}": "a rule must be written [Name, {parameters}] or {rule: Name, parameters}; "
    "got {'initial_value': 0.1}",
    "fit: {stop_rule: 5}": "a stop_rule must be written [Name, {parameters}] or {rule: Name, parameters}; got 5",
    "fit: {sgd_type: {lr: 0.1}}": "an updater must be written [Name, {parameters}] or {updater: Name, parameters}; got",
}


@pytest.mark.parametrize("text", UNKNOWN)
def test_a_part_that_is_not_there_is_answered_with_the_nearest_and_with_all_of_its_kind(text, tmp_path):
    (tmp_path / "c.yaml").write_text(text if "layers:" in text else f"{text}\nlayers: [[ClassificationOutputLayer]]")
    assert UNKNOWN[text] in faults(lambda: read_config(tmp_path / "c.yaml"))


@pytest.mark.parametrize(
    ("setting", "value", "dumped"),
    [
        ("stop_rule", {"rule": "stalled", "interval": 3}, ["stalled", {"interval": 3, "min_delta": 0.0}]),
        ("stop_rule", {"stop_rule": "stalled", "interval": 3}, ["stalled", {"interval": 3, "min_delta": 0.0}]),
        ("stop_rule", ["stalled", {"interval": 3}], ["stalled", {"interval": 3, "min_delta": 0.0}]),
        ("sgd_type", {"updater": "nag", "momentum": 0.5}, ["nag", {"momentum": 0.5}]),
        ("lr_rule", {"rule": "const", "initial_value": 0.5}, ["const", {"initial_value": 0.5}]),
    ],
)
def test_both_forms_that_the_messages_name_are_taken(setting, value, dumped):
    assert FitSettings(**{setting: value}).model_dump(mode="json")[setting] == dumped


def printed(code):
    """Return what code prints in a process of its own."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.slow
def test_the_package_lists_its_names_and_modules_without_loading_the_engine():
    listed, completed, kind, loaded = printed(
        "import arignote, rlcompleter, sys\n"
        "print(*dir(arignote))\n"
        "complete = rlcompleter.Completer({'arignote': arignote}).attr_matches\n"
        "print(*complete('arignote.la'), *complete('arignote.op'), *complete('arignote.Conf'))\n"
        "print(arignote.layers.FCLayer.kind, arignote.optim.Rule.kind, arignote.sample_data.__name__)\n"
        "print({'torch', 'sklearn'} & set(sys.modules))"
    )
    public = {name for name in listed.split() if not name.startswith("_")}
    assert {
        "ConfigError",
        "Data",
        "NNClassifier",
        "data",
        "layers",
        "nnets",
        "optim",
        "sample_data",
        "spec",
    } <= public
    assert public.isdisjoint({"Any", "TYPE_CHECKING", "annotations", "import_module"})
    # Since Python 3.12 the completion of an exception ends in a parenthesis as well.
    assert re.fullmatch(r"arignote\.layers arignote\.optim arignote\.ConfigError\(\)?", completed)
    assert kind == "layer rule arignote.sample_data" and loaded == "set()"


def test_every_name_that_the_package_lists_is_there():
    import arignote

    assert [name for name in dir(arignote) if not hasattr(arignote, name)] == []


@pytest.mark.slow
def test_the_classifier_is_completed_too_and_a_name_that_is_not_there_is_an_attribute_error():
    assert printed("import arignote; print(arignote.NNClassifier.__name__)") == ["NNClassifier"]
    import arignote

    with pytest.raises(AttributeError, match="module 'arignote' has no attribute 'Classifier'"):
        _ = arignote.Classifier


PARTS = sorted({cls for kind in KINDS for cls in names(kind).values() if is_own(cls)}, key=lambda cls: cls.__name__)


def page(thing):
    """Return what `help` prints."""
    return pydoc.plain(pydoc.render_doc(thing))


def test_the_help_of_a_part_is_one_screen_about_the_part(subtests):
    for cls in PARTS:
        with subtests.test(cls.__name__):
            text = page(cls)
            assert len(text.splitlines()) <= 96
            assert not re.search(r"model_|__pydantic|__fields__|Methods inherited from pydantic", text)
            [signature] = re.findall(rf"^ \|  {cls.__name__}\((.*)\)$", text, re.M) or [""]
            required = [name for name, field in cls.model_fields.items() if field.is_required()]
            for name in cls.model_fields:
                # A name alone must be given; types are in the docstring.
                assert re.search(rf"\b{name}{'' if name in required else '='}", signature), name
            for line in inspect.cleandoc(cls.__doc__).splitlines():
                assert line in text


def test_the_help_of_a_dense_layer_explains_its_own_and_its_inherited_parameters():
    text = page(names("layer")["FCLayer"])
    assert len(text.splitlines()) < 70
    assert (
        "FCLayer(*, n_units, activation=PReLU(), l1=0.0, l2=0.0, maxnorm=None, nonnegative=False, use_bias=True, "
        "W=None, b=None, share=None, fix_params=False, thaw_at=None, load_params=None, lr_factor=1.0, name=None, "
        "input=None)"
    ) in text
    for words in ("n_units : int >= 1", "l1, l2 : float >= 0", "name : str, optional", "output_shape(self, shape:"):
        assert words in text


def test_attributes_that_help_leaves_out_still_exist():
    layer = names("layer")["FCLayer"](n_units=3, activation=["maxout", {"maxout_k": 2}])
    for again in (pickle.loads(pickle.dumps(layer)), copy.copy(layer), copy.deepcopy(layer), layer.model_copy()):
        assert again == layer and again.n_units == 3 and hash(type(again)) == hash(type(layer))
    assert layer != layer.model_copy(update={"n_units": 4})
    assert layer.model_dump(mode="json")["activation"] == ["maxout", {"maxout_k": 2}]


def test_a_wrong_call_of_a_part_is_reported_in_the_words_of_a_config():
    FCLayer = names("layer")["FCLayer"]
    assert faults(lambda: FCLayer(units=64)) == "units: unknown parameter 'units'. Write \"n_units\": 64"
    assert faults(lambda: FCLayer(n_units=-5)) == "n_units must be an integer >= 1; got -5"
    assert faults(lambda: FCLayer(64)) == "FCLayer takes its parameters by name, FCLayer(n_units=...); got (64,)"


def test_the_help_of_the_classifier_has_its_methods_and_those_of_scikit_learn_alone():
    text = page(NNClassifier)
    methods = re.findall(r"^ \|  (\w+)\(", text, re.M)
    assert {"fit", "predict", "predict_proba", "evaluate", "summary", "load", "score", "get_params"} <= set(methods)
    assert {name for name in methods if name.startswith("__")} <= {"__init__"}
    assert not [name for name in methods if name.endswith("_request")]
    # Each setting is documented once; the parameters of fit have one indentation throughout.
    assert re.findall(r"^ \|( *)n_epochs : int >= 0, default 50", text, re.M) == ["  "]
    assert re.search(r"^ \|      X : array", text, re.M) and re.search(r"^ \|      \*\*settings : object", text, re.M)
    assert re.search(r"^ \|      Returns\n \|      -------\n \|      Self", text, re.M)
    assert len(text.splitlines()) <= 640
    assert callable(NNClassifier.set_fit_request)


if __name__ == "__main__":
    DOCUMENT.write_text(DOCUMENT.read_text().partition("\n\n## ")[0] + "\n" + table())
