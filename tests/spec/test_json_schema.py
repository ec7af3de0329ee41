"""The JSON Schema of a config: it accepts what `check` accepts, and finds faults that need no names and no shapes."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import jsonschema_rs
import pytest
from command_line import arignote
from documents import LAYERS
from hostile.configs import ODD, fault_of, seeds, tried, with_names
from own_parts import own_names
from pydantic import ValidationError, create_model
from ruamel.yaml import YAML

from arignote import ConfigError
from arignote.data.specs import CSVFormat, DataSpec, Source
from arignote.registry import part_name
from arignote.spec.config import read_config
from arignote.spec.json_schema import config_schema
from arignote.spec.settings import FitSettings

KINDS = (
    *("layer", "activation", "initializer", "updater", "rule", "stop_rule", "average", "pretraining"),
    *("loss", "preprocess", "augmentation", "windows"),
)


@pytest.fixture(scope="module")
def schema():
    return config_schema()


@pytest.fixture(scope="module")
def validator(schema):
    return jsonschema_rs.validator_for(schema)


def models():
    """Give the name of the definition of each part, of the settings and of the sections of the data, with its class."""
    for kind in KINDS:
        for cls in dict.fromkeys(own_names(kind).values()):
            yield f"{kind}.{part_name(cls)}", cls
    yield from {
        "layer.Block": own_names("block")["Block"],
        "fit": FitSettings,
        "DataSpec": DataSpec,
        "Source": Source,
        "CSVFormat": CSVFormat,
    }.items()


def test_the_schema_is_valid_by_its_metaschema(schema):
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema_rs.meta.validate(schema)


def test_every_part_and_every_setting_is_in_the_schema_with_its_description(schema):
    for name, cls in models():
        properties = schema["$defs"][name]["properties"]
        assert list(properties) == list(cls.model_fields), name
        assert all(one["description"] for one in properties.values()), name
        kind, _, part = name.partition(".")
        assert not part or part in {one.get("const") for one in schema["$defs"][f"{kind}.name"]["anyOf"]}, name


def test_a_parameter_has_type_bound_default_and_the_text_of_its_docstring(schema):
    text = "float in [0, 1), default 0.9\n\nDecay of the mean of gradients; `momentum_rule` does not change it."
    beta1 = {"type": "number", "minimum": 0, "exclusiveMaximum": 1, "default": 0.9, "description": text}
    assert schema["$defs"]["updater.adam"]["properties"]["beta1"] == beta1
    assert schema["$defs"]["layer.FCLayer"]["properties"]["activation"]["default"] == "prelu"
    first_line = "Stochastic gradient descent: ``w <- w - lr * g`` (Robbins and Monro, 1951)."
    assert {"const": "sgd", "description": first_line} in schema["$defs"]["updater.name"]["anyOf"]


def faults(validator, values):
    return [f"{' '.join(map(str, one.instance_path))}: {one.message}" for one in validator.iter_errors(values)]


def test_every_config_of_the_project_matches(validator):
    for values in seeds():
        fault = fault_of(values)
        # A document may name a store whose package is not installed.
        assert fault is None or "pip install 'arignote[cloud]'" in fault
        assert faults(validator, values) == []


@pytest.mark.slow
def test_of_300_mutated_configs_none_that_check_accepts_is_refused_and_nearly_all_faults_are_found():
    caught = []
    for kind, fault, is_valid, finding in tried(300, seed=1):
        assert finding == ""
        caught += [not is_valid] * (fault is not None and kind != "included")
    # 0.96 of very many, with a standard deviation of 0.013 here; the script, of 10,000, asks for 0.95.
    assert len(caught) > 200 and sum(caught) >= 0.91 * len(caught)


def test_a_value_that_the_type_of_a_parameter_accepts_matches_its_schema(schema):
    fields = {}
    for name, cls in models():
        for param, field in cls.model_fields.items():
            one = schema["$defs"][name]["properties"][param]
            # Layers have many parameters in common.
            fields[repr(field.annotation) + json.dumps(one)] = (cls, param, field, f"#/$defs/{name}/properties/{param}")
    places = {place: {"$ref": place} for *_, place in fields.values()}
    whole = {"$schema": schema["$schema"], "$defs": schema["$defs"], "properties": places}
    validator = jsonschema_rs.validator_for(whole)
    n_accepted = 0
    for cls, param, field, place in fields.values():
        model = create_model("Alone", __config__=cls.model_config, **{param: (field.annotation, field)})
        for value in ODD:
            try:
                model(**{param: value})
            except (ValidationError, ConfigError):
                continue
            n_accepted += 1
            # Layers of a block are checked with the others.
            assert place.endswith("Block/properties/layers") or validator.is_valid({place: value}), (place, value)
    assert n_accepted > 1000


def read(text):
    """Return a config, with layers if it has none; an output layer follows those of a list that is not closed."""
    if text.endswith("..."):
        text = text.removesuffix("...") + "[ClassificationOutputLayer]]"
    return with_names(YAML(typ="safe", pure=True).load(text if "layers:" in text else text + LAYERS))


SHORTHANDS = """
layers: [[fc, {n_units: 9}], ...
layers: [[FCLAYER, {n_units: 9}], {layer: segmentedlayer, n_units: 2, n_segments: 2}, ...
layers: [BatchNorm, [bias], [MaxPool2DLayer, {pool_shape: 2, pad: [0, 1]}], ...
{layer_defaults: {n_units: 4}, layers: [FC, [FC], [FC, null], [Block, {layers: [FC]}], [ClassificationOutputLayer]]}
{layer_defaults: {mine: 4}, layers: [[Block, {layers: [["my:Noise", {sigma: 1}]]}], [ClassificationOutputLayer]]}
{layer_defaults: null, fit: null, layers: [["my.layers:Noise"], {layer: "my_layers:Out"}]}
{layer_defaults: {mine: 4, n_units: 9}, layers: network.yaml}
fit: {sgd_type: "mine:Sign", lr_rule: ["my.rules:Mine", {a: 1}], observers: "mine:Report"}
fit: {average: {kind: swa, start: 3}, windows: {length: 3}, pretrain: {n_epochs: 2}}
fit: {rules: {fc1: {l2: 0.1}, train_loss: {out: {weight: const}}, fc1.l1: [const, {initial_value: 0.1}]}}
fit: {train_loss: {digit: NLL, ink: [squared, {weight: 0.1}]}, valid_loss: {digit: [nll, f1_macro], ink: top_5}}
fit: {preprocess: {a: Standardise, b: [[Scale, {divide_by: 2}], MinMax]}, augmentation: [Flip, [Shift, {max_shift: 1}]]}
fit: {class_weight: {0: 1, 1: 2.5}, batch_size: -1, verbose: 0, preemption: "file:/run/stop", device: "cuda:1"}
fit: {stop_rule: {rule: reached, value: 1}, checkpoint_every: 30s, stop_signals: SIGTERM, monitor: fc1}
data: {train: {features: {a: x.npy, b: y.csv}, labels: {out: z.npy}, csv: {delimiter: tab, missing: 9}}, valid: 0}
""".strip().splitlines()  # fmt: skip
FAULTS = """
layers: [[FCLayr, {n_units: 9}], ...
layers: [[FCLayer, {n_unit: 9}], ...
layers: [[FCLayer], ...
layers: [[Block, {layers: [FCLayer]}], ...
layers: [[Block, {layers: [[FCLayer, {n_units: 0}]]}], ...
layers: [{layer: FCLayer, n_units: 2.5}, ...
layers: ["digits.h5:/images", ...
layers: [[FCLayer, {n_units: 9}]]
{layer_defaults: {activatio: relu}, layers: [[ClassificationOutputLayer]]}
{layer_defaults: {activation: reluu}, layers: [[ClassificationOutputLayer]]}
n_epochs: 3
fit: {n_epoch: 3}
fit: {lr_rule: -0.1}
fit: {momentum_rule: {rule: stalled, initial_value: 1.0, interval: 5}}
fit: {lr_rule: [step, {multiply_by: 0.5}]}
fit: {lr_rule: stalled}
fit: {lr_rule: [absolute]}
fit: {average: {kind: ema, decay: 2}}
fit: {windows: {step: 2}}
fit: {valid_loss: [nll, eror]}
fit: {train_loss: {digit: [squared, {weigth: 0.1}]}}
fit: {augmentation: [Flip, {augmentation: Shift, max_shift: 1}]}
data: {train: {feature: x.npy}}
data: {train: {features: x.npy}, valid: 1.5}
""".strip().splitlines()  # fmt: skip


@pytest.mark.parametrize("text", SHORTHANDS)
def test_shorthands_match(validator, text):
    assert faults(validator, read(text)) == []


@pytest.mark.parametrize("text", FAULTS)
def test_a_fault_is_found_in_its_section_as_by_check(validator, text):
    values = read(text)
    assert fault_of(values) is not None
    section = re.match(r"\{?(\w+)", text)[1] if text != "n_epochs: 3" else ""
    assert {re.match(r"\w*", one)[0] for one in faults(validator, values)} == {section}


def test_a_config_may_name_its_schema_by_a_key(validator, tmp_path):
    values = {"$schema": "config.schema.json", "layers": [["ClassificationOutputLayer"]]}
    (tmp_path / "a.json").write_text(json.dumps(values))
    assert read_config(tmp_path / "a.json").layers == values["layers"] and faults(validator, values) == []


def test_a_config_that_is_written_out_matches(validator):
    ended = arignote("render", "digits_augmented")
    assert ended.code == 0 and faults(validator, read(ended.out)) == []


def test_the_command_prints_the_schema(schema):
    ended = arignote("schema")
    assert ended.code == 0 and ended.err == "" and json.loads(ended.out)["$defs"]["fit"] == schema["$defs"]["fit"]


@pytest.mark.slow
def test_nothing_of_the_engine_is_needed():
    code = (
        "import sys; from arignote.spec.json_schema import config_schema; config_schema();"
        "print(sorted({'torch', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
