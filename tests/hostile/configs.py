"""Mutates the configs of the project: ``python tests/hostile/configs.py --n 10000``. Exit code 1 after a finding.

The schema of `arignote schema` must accept each mutated config that `arignote check` accepts, and `check` must raise an
error of Arignote for each other one. The share of the faults that the schema finds is printed by the kind of mutation.
"""

from __future__ import annotations

import argparse
import copy
import json
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import jsonschema_rs
from documents import DOCUMENTS, ROOT, SHIPPED, configs
from own_parts import own_names
from ruamel.yaml import YAML

from arignote import ArignoteError
from arignote.fit.preview.check import check_config
from arignote.spec.config_check import complaints_of_config
from arignote.spec.json_schema import config_schema
from arignote.spec.run_spec import RunSpec
from arignote.spec.settings import FitSettings

# What the configs of the documents lack.
MORE = (
    """
layer_defaults: {activation: prelu}
layers:
  - [InputImageLayer, {n_pixels: [8, 8], n_images: 3}]
  - {layer: conv, name: conv1, n_output_maps: 4, filter_shape: [3, 2], pad: [1, 0], W: [normal, {std: 0.1}], b: 0.5}
  - [Block, {name: res, repeat: 2, layers: [
      [ConvLayer, {n_output_maps: 4, filter_shape: 1}], [SumLayer, {inputs: [in, conv1]}]]}]
  - BatchNorm
  - ActivationLayer
  - [MaxPool2DLayer, {pool_shape: 3, stride: [2, 2], pad: same}]
  - [FCLayer, {n_units: 9, activation: {activation: leaky_relu, slope: 0.1}, maxnorm: 2, fix_params: [W], thaw_at: 2}]
  - [LocalResponseNormLayer]
  - [ReshapeLayer, {shape: [3, -1]}]
  - [TorchLayer, {module: "torch.nn:Hardswish", params: {inplace: false}}]
  - [RegressionOutputLayer, {l2: 0.001}]
fit:
  sgd_type: {updater: adamw, beta1: 0.8}
  lr_rule: [warmup, {initial_value: 0, n_epochs: 2, then: {rule: step, multiply_by: 0.5, n_epochs: 3}}]
  rules: {conv1.l2: 0.1, fc1: {l1: [linear, {final_value: 0.1, n_epochs: 4}]}}
  stop_rule: {rule: stalled, interval: 4}
  valid_loss: [rmse, r2, [huber, {delta: 2}]]
  preprocess: [[Scale, {divide_by: 255}], Standardise]
  augmentation: {augmentation: Shift, max_shift: [1, 2]}
  checkpoint_every: 30s
  stop_signals: SIGTERM
  monitor: [grad_norm, fc1]
  batch_size: -1
  verbose: 1
""",
    """
name: words
rng: 7
data:
  train: {features: "words.csv:1,2", labels: words.csv:kind, csv: {delimiter: ";", missing: [-, none], decimal: ","}}
  valid: {features: more.csv, columns: [a, 2]}
  test: 0.1
  groups: words.csv:author
layer_defaults: {n_units: 8, W: glorot}
layers:
  - [InputLayer, {n_in: [9], lengths: true}]
  - [EmbeddingLayer, {n_tokens: 50}]
  - [LSTMLayer, {bidirectional: true, only_last: true, W: [orthogonal, {gain: relu}]}]
  - [Dropout, {dropout_p: 0.5}]
  - [FC, {activation: relu, l1: 0.1, load_params: {W: a.weight, b: {name: a.bias, transpose: false}}}]
  - [ClassificationOutputLayer, {n_classes: 2}]
fit:
  n_epochs: 9
  final_epochs: 2
  momentum_rule: {rule: fixed, initial_value: 0.5, decrease_by: -0.1, final_value: 0.9, schedule: [2, 4], interval: 3}
  sgd_type: nag
  class_weight: {good: 1, bad: 2.5}
  average: {average: swa, start: 3}
  train_loss: {output: [nll, {weight: 1}]}
  valid_loss: {output: [f1_macro, top_5, nll]}
  shuffle: chunks
  sgd_max_grad_norm: 1
  channels_last: false
  resume: fresh
  preemption: "file:/run/stop"
  extra_metadata: {who: me, tags: [1, {a: b}]}
""",
    """
layers:
  - [FCLayer, {n_units: 5, activation: [prelu, {}], use_bias: false}]
  - [LCLayer, {n_units: 3, n_segments: 2}]
  - [RegressionOutputLayer, {target: same}]
fit:
  pretrain: {n_epochs: 3, cost: squared, lr_rule: 0.1, sgd_type: [adam, {epsilon: 0.001}], layers: [fc1]}
  windows: {length: 5, step: 2}
  lr_rule: {rule: absolute, after_epochs: [[0, 0.1], [3, 0.01]]}
  sgd_type: momentum
  sgd_max_grad_value: 0.5
  device: cpu
  keep_last: 3
""",
)


@cache
def seeds() -> list[dict[str, Any]]:
    """Return the configs of the project as plain data."""
    texts = [path.read_text() for path in SHIPPED]
    # Values that are not read from a file include none.
    texts += [text for path in DOCUMENTS for text in configs(path) if "include:" not in text] + [*MORE]
    # `check` reports a store whose package is not installed.
    texts = [re.sub(r"\b(az|gs)://", "memory://", text) for text in texts]
    return [with_names(YAML(typ="safe", pure=True).load(text)) for text in texts]


def with_names(value: Any) -> Any:
    """Return a value whose keys are strings, as `read_config` and JSON have them."""
    if isinstance(value, list):
        return [with_names(item) for item in value]
    return {str(key): with_names(item) for key, item in value.items()} if isinstance(value, dict) else value


Places = list[tuple[Any, Any]]
Mutation = Callable[[Random, Places], None]
ODD: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 2, 3, 0.5, 1.5, -0.5, 1e9, 10**6, "", "x", "none", "relu", "same", "auto", "W"),
    *("0.1", [], {}, [0], [1, 2], [3, 3, 3], ["a"], ["a", {}], [["a"]], {"a": 1}, {"name": "x"}, [0.5, 0.9], "fc1"),
    *("a:b", "nll", ["nll", "error"], {"a": ["nll"]}, "f1_macro", ["adam", {}], {"rule": "const"}, [[1, 0.5]], "NHWC"),
)


def _typo(rng: Random, word: str) -> str:
    at = rng.randrange(len(word)) if word else 0
    return rng.choice(
        (word[:at] + word[at + 1 :], word[:at] + "x" + word[at:], word[:at] + word[at : at + 1] + word[at:], word + "s")
    )


def rename_key(rng: Random, places: Places) -> None:
    item, key = rng.choice([place for place in places if isinstance(place[0], dict)])
    other = _typo(rng, key) if rng.random() < 0.7 else rng.choice(_keys())
    renamed = {other if one == key else one: value for one, value in item.items()}
    item.clear()
    item.update(renamed)


def set_type(rng: Random, places: Places) -> None:
    item, key = rng.choice(places)
    item[key] = copy.deepcopy(rng.choice(ODD))


def set_number(rng: Random, places: Places) -> None:
    """Change a number, but not into another form of it: JSON has one number for 3 and 3.0, which `check` refuses."""
    numbers = [(item, key) for item, key in places if type(item[key]) in (int, float)]
    for item, key in [rng.choice(numbers)] if numbers else []:
        item[key] = rng.choice((0, -1, 1, 2, -item[key], item[key] * 1000, item[key] + 0.5, 10**30))


def misspell(rng: Random, places: Places) -> None:
    words = [(item, key) for item, key in places if isinstance(item[key], str)]
    for item, key in [rng.choice(words)] if words else []:
        item[key] = _typo(rng, item[key]) if rng.random() < 0.7 else rng.choice(_words())


def delete(rng: Random, places: Places) -> None:
    item, key = rng.choice(places)
    del item[key]


def swap(rng: Random, places: Places) -> None:
    (one, key), (other, other_key) = rng.sample(places, 2) if len(places) > 1 else places * 2
    one[key], other[other_key] = copy.deepcopy(other[other_key]), copy.deepcopy(one[key])


def rewrite(rng: Random, places: Places) -> None:
    """Write a spec in another form, a name in another case, a value as a list of it or a list as its only item."""
    item, key = rng.choice(places)
    value, action = item[key], rng.randrange(4)
    if isinstance(value, list) and value and isinstance(value[0], str) and action == 0:
        kind = rng.choice(("layer", "rule", "updater", "loss", "activation", "augmentation", "preprocess", "average"))
        params = value[1] if len(value) == 2 and isinstance(value[1], dict) else {}
        item[key] = {kind: value[0]} | params
    elif isinstance(value, str) and action == 1:
        item[key] = rng.choice((value.lower(), value.upper(), value.removesuffix("Layer"), [value], [value, None]))
    elif isinstance(value, list) and len(value) == 1:
        item[key] = value[0]
    else:
        item[key] = [value]


def insert(rng: Random, places: Places) -> None:
    """Add a parameter, a setting, or a part, with a value that it may have."""
    item, _ = rng.choice(places)
    if isinstance(item, dict):
        item[rng.choice(_keys())] = copy.deepcopy(rng.choice(ODD))
    else:
        word = rng.choice(_words())
        item.insert(rng.randrange(len(item) + 1), rng.choice((word, [word], [word, {rng.choice(_keys()): 1}])))


MUTATIONS: tuple[Mutation, ...] = (rename_key, set_type, set_number, misspell, delete, swap, rewrite, insert)


def _keys() -> list[str]:
    classes = [cls for kind in ("layer", "rule", "updater", "loss") for cls in own_names(kind).values()]
    return sorted({name for cls in classes for name in cls.model_fields} | set(FitSettings.model_fields))


def _words() -> list[str]:
    return [
        word for kind in ("layer", "rule", "updater", "loss", "activation", "initializer") for word in own_names(kind)
    ]


def places_of(value: Any) -> Places:
    """Return each place of a value: what holds it, and its key or position."""
    found: Places = []
    waiting = [value]
    while waiting:
        item = waiting.pop()
        for key in item if isinstance(item, dict) else range(len(item)):
            found.append((item, key))
            if isinstance(item[key], dict | list) and item[key]:
                waiting.append(item[key])
    return found


def divided(rng: Random, values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values of a config, and of one that includes it, which together are those given."""
    first, second = {}, {}
    for key, value in values.items():
        if isinstance(value, dict) and value and rng.random() < 0.7:
            first[key], second[key] = divided(rng, value)
        else:
            rng.choice((first, second))[key] = value
    return first, second


def merged(first: Any, second: Any) -> Any:
    """Return the values of a config that includes another, by the rule of docs/configs.md."""
    if not isinstance(first, dict) or not isinstance(second, dict):
        return second
    return first | {key: merged(first.get(key), value) for key, value in second.items()}


def mutated(n: int, seed: int = 0) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield mutated configs, each a function of the seed and its number.

    Each with the kind of its mutation, and with what it is with the config that it includes; every tenth includes one.
    """
    originals = seeds()
    for number in range(n):
        rng = Random(f"{seed}-{number}")
        values = copy.deepcopy(rng.choice(originals))
        mutation = rng.choice(MUTATIONS)
        if rng.random() < 0.9:
            mutation(rng, places_of(values))
            yield mutation.__name__, values, values
        else:
            base, values = divided(rng, values)
            if places := places_of(values):
                rng.choice((set_type, rename_key, insert))(rng, places)
            yield "included", values | {"include": "base.yaml"}, merged(base, without_empty(values))


def without_empty(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values without sections whose lines are all commented out, as `read_config` does."""
    return {key: value for key, value in values.items() if value is not None or key not in ("fit", "layer_defaults")}


def fault_of(values: dict[str, Any]) -> str | None:
    """Return what `arignote check` says about the values of a config; None if it accepts them.

    Any exception but those of Arignote is a fault of `check`: it is raised.
    """
    values = copy.deepcopy(without_empty(values))
    complaints = complaints_of_config(values, lambda at: ROOT / "arignote" / "configs")
    if complaints:
        return "; ".join(one.text("yaml") for one in complaints)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check_config(RunSpec(**values | {"fit": {"checkpoint": None} | values.get("fit", {})}))
    except ArignoteError as error:
        return str(error)
    return None


def tried(n: int, seed: int = 0) -> Iterator[tuple[str, str | None, bool, str]]:
    """Yield of each mutated config the kind of its mutation, what `check` says, whether it matches, and a finding.

    A finding is a foreign exception, or a false alarm: a config that `check` accepts and the schema does not; else "".
    """
    schema = jsonschema_rs.validator_for(config_schema())
    for kind, values, whole in mutated(n, seed):
        is_valid = schema.is_valid(values)
        try:
            fault = fault_of(whole)
        except Exception as error:
            yield kind, None, is_valid, f"{type(error).__name__}: {error}: {json.dumps(whole)}"
            continue
        yield kind, fault, is_valid, f"false alarm: {json.dumps(values)}" if fault is None and not is_valid else ""


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--missed", action="store_true", help="Print the faults that the schema does not find.")
    given = parser.parse_args()
    caught, faults = Counter[str](), Counter[str]()
    n_findings = 0
    for kind, fault, is_valid, finding in tried(given.n, given.seed):
        if finding:
            n_findings += 1
            print(f"{kind}: {finding}")
        # Of one that includes another the schema sees a part.
        if fault is not None and kind != "included":
            faults[kind] += 1
            caught[kind] += not is_valid
            if is_valid and given.missed:
                print(f"missed, {kind}: {fault[:300]}")
    for kind, n in sorted(faults.items()):
        print(f"{kind}: {caught[kind]} of {n} faults, {caught[kind] / n:.1%}")
    share = caught.total() / faults.total()
    print(f"all: {caught.total()} of {faults.total()} faults, {share:.1%}; {n_findings} findings in {given.n} configs")
    return int(n_findings > 0 or share < 0.95)


if __name__ == "__main__":
    sys.exit(main())
