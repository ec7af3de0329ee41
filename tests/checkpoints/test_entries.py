"""Entries of a file: which values no run writes, and which stand at a bound."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest
from made_up import live_state, of_labels

from arignote.checkpoints.entries import target_of, typed_entries
from arignote.checkpoints.state import TrainingState
from arignote.data.targets import Classes
from arignote.safe.limits import MOST_THREADS


def changed(path, value):
    """Return what `from_plain` takes, with one entry changed."""
    plain, tensors = live_state().snapshot().to_plain(), live_state().to_tensors()
    if path in tensors:
        return plain, tensors | {path: value}
    *way, last = path.split(".")
    at = plain
    for word in way:
        at = at[word]
    at[last] = value
    return plain, tensors


BAD = {
    **{f"progress.{name}": -1 for name in ("epoch", "batch", "examples_seen", "n_updates", "n_validations")},
    "spec.n_in": [2, 0],
    "spec.layers": [["FCLayer", {"name": 5}]],
    "spec.fit": {"n_epochs": 3.0},
    "data.feature_names": ["a", 5],
    "data.columns": [0, -1],
    "data.csv": {"header": 5},
    "environment.n_threads": 0,
    "targets.output.dtype": "<U9",
    "targets.output.values": [3, [5], 8],
    "progress/epoch_loss": np.zeros(1),
    "history/epoch": np.array([1.0, inf]),
    "history/examples_seen": np.array([nan, 1.0]),
    "history/valid_nll": np.zeros(3),
}
ALSO_BAD = [
    ("progress.epoch_examples", -1),
    ("progress.final_since", -1),
    ("progress.slots_since", -1),
    ("progress.slots_since", 2**52),
    # Beyond what a float64 of the history holds exactly, the axes of a NumPy array, or any network or machine.
    ("progress.epoch", 2**53),
    ("spec.n_in", [2**53]),
    ("spec.n_in", [1] * 33),
    ("spec.fit", {"n_epochs": -1}),
    ("spec.fit", {"n_epochs": 2**53}),
    ("spec.layers", [["FCLayer", {"name": "fc1"}]] * 10_001),
    ("environment.n_threads", MOST_THREADS + 1),
    ("spec.layers", [[5, {"name": "fc1"}]]),
    ("data.feature_names", "ab"),
    ("data.columns", [1.0]),
    ("data.columns", 3),
    ("data.csv", ["header"]),
    ("data.csv", {"header": True, "sep": ","}),
    ("environment.n_threads", 1.0),
    ("environment.n_threads", "1"),
    ("progress/epoch_loss", np.zeros((), "f4")),
    ("history/valid_nll", np.zeros(2, "f4")),
    ("history/valid_nll", np.zeros((2, 1))),
    ("history/valid_nll", np.zeros(1)),
    ("targets.output.dtype", "V8"),
    # A dtype of text that is longer than the longest label asks for memory that no label needs.
    ("targets", of_labels("<U6", ["aback"])),
    ("targets", of_labels("<U2", ["a", "b"])),
    ("targets.output.dtype", "M8[s]"),
]


@pytest.mark.parametrize(("path", "value"), [*BAD.items(), *ALSO_BAD], ids=lambda value: repr(value)[:30])
def test_an_entry_that_no_run_writes_is_refused_by_its_name(path, value):
    name = path.split("/")[-1].split(".")[-1] if "targets" not in path else "classes"
    name = "n_epochs" if path == "spec.fit" else name
    with pytest.raises((ValueError, TypeError), match=name):
        TrainingState.from_plain(*changed(path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("progress.epoch", 0),
        ("spec.n_in", [1]),
        ("environment.n_threads", 1),
        ("environment.n_threads", MOST_THREADS),
        ("progress.epoch", 2**53 - 1),
        ("spec.n_in", [2**53 - 1] * 32),
        ("spec.fit", {"n_epochs": 0}),
        ("spec.fit", {"n_epochs": 2**53 - 1}),
        ("spec.layers", [["FCLayer", {"name": "fc1"}]] * 10_000),
        ("history/valid_nll", np.array([nan, inf])),
        ("targets", of_labels("<U3", ["ant", "b"])),
        ("targets", of_labels("<U1", [""])),
        ("targets", of_labels("|b1", [True, False])),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_an_entry_at_its_bound_is_read(path, value):
    TrainingState.from_plain(*changed(path, value))


@pytest.mark.parametrize("name", ["feature_names", "n_threads"])
def test_an_entry_that_a_file_may_lack_is_not_asked_for(name):
    plain, tensors = changed("data", {})
    plain["environment"] = {}
    assert name not in plain["data"] | plain["environment"]
    TrainingState.from_plain(plain, tensors)


def test_an_entry_of_another_type_or_none_at_all_is_refused():
    plain = live_state().to_plain()
    assert typed_entries(plain)["rng"] == 7
    for wrong in (plain | {"rng": "seven"}, {name: value for name, value in plain.items() if name != "starts"}):
        with pytest.raises(ValueError, match=r"rng|starts"):
            typed_entries(wrong)


@pytest.mark.parametrize("name", ["os:system", "nothing", 5, ["classes"]])
def test_a_target_that_is_not_registered_is_refused_and_not_imported(name):
    assert isinstance(target_of({"target": "classes"}), Classes)
    with pytest.raises(ValueError, match="a target of the name"):
        target_of({"target": name})
