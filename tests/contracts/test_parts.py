"""What holds for every registered part: built from its example, refused with a hint, dumped, documented."""

from __future__ import annotations

import ast
import inspect
import json
import re
from dataclasses import asdict
from math import nan

import numpy as np
import pytest
import torch
from own_parts import from_example, own_names

from arignote.errors import ConfigError
from arignote.optim.rules import Position, RuleState
from arignote.registry import build, dump, kinds, part_name
from arignote.registry.part_type import docstring_sections as sections

KINDS = [
    *("activation", "augmentation", "average", "block", "initializer", "layer", "loss", "observer"),
    *("preprocess", "pretraining", "rule", "stop_rule", "target", "updater", "windows"),
]
PARTS = sorted({cls for kind in KINDS for cls in own_names(kind).values()}, key=lambda cls: (cls.kind, cls.__name__))


def of(kind):
    return [cls for cls in PARTS if cls.kind == kind]


def every(classes):
    return pytest.mark.parametrize("cls", classes, ids=lambda cls: f"{cls.kind}-{part_name(cls)}")


def test_every_kind_of_part_is_covered():
    assert {kind for kind in kinds() if own_names(kind)} == set(KINDS)
    assert len(PARTS) >= 90


def test_a_part_is_built_from_its_example_and_from_its_dump(subtests):
    for cls in PARTS:
        with subtests.test(f"{cls.kind}-{part_name(cls)}"):
            part = from_example(cls)
            spec = json.loads(json.dumps(dump(part)))
            again = build(cls.kind, spec)
            assert (
                type(part) is type(again) is cls
                and again == part
                and dump(again) == spec
                and build(cls.kind, part) is part
            )
            aliases = [name for name, other in own_names(cls.kind).items() if other is cls]
            assert all(build(cls.kind, [name, spec[1]]) == part for name in aliases)
            assert spec[0] == part_name(cls) and set(spec[1]) == set(cls.model_fields)


def test_an_unknown_parameter_is_refused_with_the_nearest_one(subtests):
    for cls in PARTS:
        with subtests.test(f"{cls.kind}-{part_name(cls)}"):
            name, params = dump(from_example(cls))
            for parameter in list(params) or [None]:
                wrong = "anything" if parameter is None else parameter + "x"
                with pytest.raises(ConfigError) as refused:
                    build(cls.kind, [name, params | {wrong: 1}])
                [complaint] = refused.value.complaints
                assert complaint.path == (wrong,) and f"unknown parameter {wrong!r}" in str(complaint)
                assert parameter is None or f"Did you mean '{parameter}'?" in str(complaint)


def test_a_docstring_has_a_summary_an_equation_and_an_example(subtests):
    for cls in PARTS:
        with subtests.test(f"{cls.kind}-{part_name(cls)}"):
            text = sections(cls.__doc__)
            summary, *rest = text[""].splitlines()
            assert summary.endswith((".", ":")) and (not rest or rest[0] == ""), summary
            # An observer computes nothing.
            assert cls.kind == "observer" or re.search(r"``[^`]*(=|<|~)[^`]*``", text[""]), (
                "an equation in double backticks"
            )
            assert ">>> " in text["Examples"]
            assert list(text) == [title for title in ("", "Parameters", "Notes", "Examples") if title in text]


def documented(cls):
    """Return the type of each parameter, as the docstring has it."""
    entries = re.findall(r"^(\w[\w, ]*) : (.+)$", sections(cls.__doc__).get("Parameters", ""), re.M)
    return {name: kind for names, kind in entries for name in names.split(", ")}


def test_a_docstring_has_the_type_and_the_default_of_each_parameter(subtests):
    for cls in PARTS:
        with subtests.test(f"{cls.kind}-{part_name(cls)}"):
            found = documented(cls)
            assert set(found) == set(cls.model_fields)
            for name, field in cls.model_fields.items():
                default = re.search(r", (?:default (.+)|optional)$", found[name])
                assert (default is None) == field.is_required(), name
                if default is None or default[1] is None:
                    assert field.default is None or field.is_required(), name
                    continue
                # As it is written in a spec: the example with this value is the part with the default.
                _, params = dump(from_example(cls))
                given = {key: value for key, value in params.items() if key != name}
                assert cls(**given | {name: ast.literal_eval(default[1])}) == cls(**given), name


@every(of("rule"))
def test_the_state_of_a_rule_survives_its_plain_form(cls):
    rule = from_example(cls)
    state = rule.start(default=0.5)
    for number, loss in enumerate([1.0, 2.0, nan, 0.5, 3.0], 1):
        again = RuleState(**json.loads(json.dumps(asdict(state))))
        assert again == state
        states = []
        for before in (state, again):
            after = rule.after_validation(before, number, number, loss)
            states.append(rule.after_epoch(after, number, number))
        assert states[0] == states[1] and all(type(value) in (int, float) for value in asdict(states[0]).values())
        state = states[0]


@every(of("rule"))
def test_no_value_of_a_rule_is_above_the_highest_that_it_names(cls):
    rule = from_example(cls)
    state = rule.start(default=0.5)
    highest = rule.highest(state.value)
    for n in range(40):
        values = [rule.value_at(state, Position(n, n_updates)) for n_updates in (3 * n, 3 * n + 1)]
        assert all(0 <= value <= highest for value in values)
        state = rule.after_epoch(rule.after_validation(state, n + 1, n + 1, 1.0), n + 1, n + 1)


@every(of("updater"))
def test_a_step_changes_the_weights_and_all_declared_slots_in_place(cls):
    updater = from_example(cls)
    w, slots = torch.ones(3), {name: torch.zeros(3) for name in cls.slots}
    tensors = dict(slots)
    updater.step(w, torch.tensor([0.5, -0.5, 2.0]), slots, updater.default_lr, updater.default_momentum, 1)
    assert not (w == 1).any()
    assert set(slots) == set(cls.slots) and all(slots[name] is tensor for name, tensor in tensors.items())
    for name, tensor in tensors.items():
        assert tensor.isfinite().all() and (tensor != 0).all(), name


@every(of("updater"))
def test_an_updater_resumes_from_its_slots(cls):
    updater = from_example(cls)

    def steps(w, slots, numbers):
        for n in numbers:
            updater.step(w, w.cos(), slots, updater.default_lr, updater.default_momentum, n)
        return w

    whole = steps(torch.ones(3), {name: torch.zeros(3) for name in cls.slots}, range(1, 6))
    slots = {name: torch.zeros(3) for name in cls.slots}
    first = steps(torch.ones(3), slots, range(1, 3))
    stored = {name: torch.tensor(tensor.tolist()) for name, tensor in slots.items()}
    assert torch.equal(steps(torch.tensor(first.tolist()), stored, range(3, 6)), whole)


@every(of("updater"))
def test_the_momentum_of_an_updater_is_one_of_its_parameters(cls):
    assert cls.momentum_name is None or cls.momentum_name in cls.model_fields
    assert cls.momentum_name is None or "momentum_rule" in inspect.getdoc(cls)


# Values of each target as a user has them; of the input as its own target, one example.
VALUES = {
    "classes": ["b", "a", "b"],
    "ranks": [3, 1, 2],
    "flags": [["a"], [], ["b", "a"]],
    "numbers": [[1.0, 2.0], [3.0, 2.0], [2.0, 5.0]],
    "same": np.ones((1, 2, 3), np.float32),
    "own_input": np.ones((1, 2, 3), np.float32),
    "steps": [["b", "a"], ["a", "b"], ["b", "b"]],
}


def target_of(cls):
    return cls(of="classes") if part_name(cls) == "steps" else cls()


def test_there_are_values_of_every_target():
    assert sorted(VALUES) == sorted(part_name(cls) for cls in of("target"))


@every(of("target"))
def test_what_a_target_learns_survives_its_plain_form_and_gives_the_values_back(cls):
    target, values = target_of(cls), VALUES[part_name(cls)]
    y = values if cls.from_input else target.check(values, "y")
    state = target.learn(y, None, "y")
    again = json.loads(json.dumps(state))
    target.check_state(again)
    assert again == state and target.learn(y, None, "y", again) == state
    encoded = target.encode(y, state, "y")
    n = target.size(state)
    shapes = {"steps": ((np.int64, (3, 2)),)}.get(part_name(cls), ((np.int64, (len(y),)), (np.float32, (len(y), n))))
    assert (encoded.dtype, encoded.shape) in shapes
    assert target.is_encoded(encoded, state) and not target.is_encoded(np.zeros((len(y), n + 1)), state)
    predicted = np.eye(n, dtype=np.float32)[encoded] if encoded.dtype == np.int64 else encoded
    found = target.decode(predicted, again)
    if part_name(cls) == "own_input":
        assert np.array_equal(found, encoded)
    elif part_name(cls) in ("numbers", "same"):
        np.testing.assert_allclose(found, y, rtol=1e-6)
    else:
        assert found.tolist() == (y["values"] if part_name(cls) == "steps" else y).tolist()
    assert target.units(state).shape == (n,)


@pytest.mark.parametrize("key", ["target", "dtype", "values", "form", "n_axes", "mean", "scale", "shape", "of"])
@every(of("target"))
def test_a_target_state_that_lacks_an_entry_or_has_one_of_another_type_is_refused(cls, key):
    target, values = target_of(cls), VALUES[part_name(cls)]
    state = target.learn(values if cls.from_input else target.check(values, "y"), None, "y")
    if key not in state:
        return
    target.check_state(state)
    lacking = {name: value for name, value in state.items() if name != key}
    for wrong in (lacking, *(state | {key: value} for value in (None, 7, "x", {}, [], ["x", None], [[1]]))):
        if key == "values" and wrong.get(key) == []:
            continue
        with pytest.raises((KeyError, TypeError, ValueError)):
            target.check_state(wrong)
