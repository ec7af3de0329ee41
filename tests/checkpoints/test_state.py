"""The state: what a snapshot and the best file hold, what is finished, and which entries of a file are none."""

from __future__ import annotations

import copy
from math import inf, nan

import numpy as np
import pytest
import torch

from arignote.checkpoints.progress import Best, History, Progress
from arignote.checkpoints.state import TrainingState
from arignote.data.targets.labels import labels_in_memory
from arignote.optim.rules import RuleState
from arignote.safe.limits import MOST_THREADS

# Plain data already, which the text of a file holds as it is.
AS_IT_IS = {
    "rng": 7,
    "run_id": "0" * 32,
    "spec": {"name": None, "n_in": [2], "layers": [["FCLayer", {"name": "fc1"}]], "fit": {"n_epochs": 3}},
    "targets": {"output": {"target": "classes", "dtype": "<i8", "values": [3, 5, 8]}},
    "data": {"feature_names": ["a", "b"]},
    "environment": {"n_threads": 1},
}


def of_labels(dtype, values):
    return {"output": {"target": "classes", "dtype": dtype, "values": values}}


def made(**changes):
    """Return a state as it is while training: tensors of the engine."""
    values = {
        "network": {"fc1.W": torch.arange(6.0).view(2, 3), "fc1.b": torch.zeros(3)},
        "slots": {"velocity/fc1.W": torch.ones(2, 3)},
        "epoch_loss": torch.tensor(4.5, dtype=torch.float64),
        "rules": {"lr": RuleState(0.5, 1.0, 2), "momentum": RuleState(0.9)},
        **copy.deepcopy(AS_IT_IS),
        "progress": Progress(epoch=2, batch=1, examples_seen=21, n_updates=5, n_validations=2, epoch_examples=1),
        "history": History({"epoch": [1.0, 2.0], "examples_seen": [10.0, 20.0], "valid_nll": [0.5, 0.75]}),
        "best": Best(0.5, 1, 10, 1, "d" * 64, {"fc1.W": np.full((2, 3), 9, "f4")}),
        "starts": [[0, 0], [1, 2]],
        "preprocess": {"0.mean": np.zeros(2)},
    }
    return TrainingState(**values | changes)


def numbers(state):
    return {name: np.asarray(tensor).tolist() for name, tensor in (state.network | state.slots).items()}


@pytest.mark.parametrize(
    ("progress", "finished"),
    [
        (Progress(epoch=2, batch=9), False),
        (Progress(epoch=3), True),
        (Progress(epoch=4), True),
        (Progress(epoch=1, ended=True), True),
    ],
)
def test_a_run_is_finished_when_its_epochs_are_done_or_a_stop_rule_has_ended_it(progress, finished):
    assert made(progress=progress).finished is finished and made().n_epochs == 3


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (Progress(), "0 of 3 epochs complete"),
        (Progress(epoch=0, batch=2), "in epoch 1 of 3, after 2 batches"),
        (Progress(epoch=0, batch=1), "in epoch 1 of 3, after 1 batch"),
        (Progress(epoch=2, batch=9), "in epoch 3 of 3, after 9 batches"),
        (Progress(epoch=3), "3 of 3 epochs complete"),
        (Progress(epoch=1, ended=True), "1 of 3 epochs complete, ended by its stop rule"),
    ],
)
def test_its_position_counts_epochs_from_one(progress, words):
    assert made(progress=progress).position == words


def test_its_bytes_are_those_of_network_slots_and_history():
    # Nine weights and six values of a slot of 4 bytes, three columns of two rows of 8.
    assert made().n_bytes == 9 * 4 + 6 * 4 + 3 * 2 * 8


def test_a_snapshot_is_not_changed_by_training():
    state = made()
    snapshot = state.snapshot()
    before = copy.deepcopy(snapshot.to_plain()), numbers(snapshot)
    for tensor in (*state.network.values(), *state.slots.values(), state.epoch_loss):
        tensor.fill_(-1)
    state.rules["lr"] = RuleState(0.25)
    state.progress.epoch = state.best.n_rows = 99
    state.history.append({"epoch": 3.0})
    state.starts[0][0] = 99
    state.starts.append([2, 2])
    assert (snapshot.to_plain(), numbers(snapshot)) == before
    assert snapshot.epoch_loss == 4.5 and len(snapshot.history) == 2
    assert before[1]["fc1.W"] == [[0, 1, 2], [3, 4, 5]] and before[1]["velocity/fc1.W"] == [[1, 1, 1]] * 2
    assert all(isinstance(array, np.ndarray) for array in (*snapshot.network.values(), *snapshot.slots.values()))


def test_a_snapshot_takes_the_arrays_of_one_that_is_not_needed_any_more():
    state = made()
    first = state.snapshot()
    state.network["fc1.W"].fill_(7)
    second = state.snapshot(first)
    for name in first.network:
        assert second.network[name] is first.network[name]
    assert second.slots["velocity/fc1.W"] is first.slots["velocity/fc1.W"]
    assert second.network["fc1.W"].tolist() == [[7] * 3] * 2


def test_the_best_file_holds_the_best_network_and_the_history_up_to_it():
    state = made()
    found = state.at_best()
    assert numbers(found) == {"fc1.W": [[9] * 3] * 2} and found.slots == {} and found.epoch_loss == 0
    assert found.progress == Progress(epoch=1, examples_seen=10, n_validations=1)
    assert found.history.arrays()["valid_nll"].tolist() == [0.5]
    assert found.best == Best(0.5, 1, 10, 1) and found.run_id == state.run_id
    assert found.preprocess is state.preprocess and found.targets == state.targets


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_a_weight_or_a_loss_that_is_not_finite_is_seen(value):
    assert made().is_finite()
    weights = torch.zeros(2, 3)
    weights[1, 2] = value
    assert not made(network={"fc1.b": torch.zeros(3), "fc1.W": weights}).is_finite()
    assert not made(epoch_loss=torch.tensor(value, dtype=torch.float64)).is_finite()


def test_the_text_of_a_file_holds_all_but_the_tensors():
    assert made().to_plain() == {
        "rules": {
            "lr": {"value": 0.5, "best_loss": 1.0, "changed_at": 2},
            "momentum": {"value": 0.9, "best_loss": inf, "changed_at": 0},
        },
        **AS_IT_IS,
        "progress": {
            **{"epoch": 2, "batch": 1, "examples_seen": 21, "n_updates": 5, "n_validations": 2, "epoch_examples": 1},
            **{"validation_due": False, "ended": False, "stopped_by": None},
        },
        "columns": ["epoch", "examples_seen", "valid_nll"],
        "best": {"value": 0.5, "epoch": 1, "examples_seen": 10, "n_rows": 1, "digest": "d" * 64},
        "starts": [[0, 0], [1, 2]],
        "extra_metadata": None,
    }
    assert made(best=None).to_plain()["best"] is None


def test_the_tensors_of_a_file_have_their_kind_before_their_name():
    found = {name: (array.dtype.str, array.tolist()) for name, array in made().to_tensors().items()}
    assert found == {
        "network/fc1.W": ("<f4", [[0, 1, 2], [3, 4, 5]]),
        "network/fc1.b": ("<f4", [0, 0, 0]),
        "slots/velocity/fc1.W": ("<f4", [[1, 1, 1]] * 2),
        "preprocess/0.mean": ("<f8", [0, 0]),
        "history/epoch": ("<f8", [1, 2]),
        "history/examples_seen": ("<f8", [10, 20]),
        "history/valid_nll": ("<f8", [0.5, 0.75]),
        "progress/epoch_loss": ("<f8", 4.5),
    }


def test_labels_have_the_dtype_that_they_had():
    def labels(**changes):
        return labels_in_memory(made(**changes).targets["output"])

    assert labels().dtype == np.int64 and labels().tolist() == [3, 5, 8] and made().n_outputs == {"output": 3}
    text = labels(targets=of_labels("<U3", ["ant", "b"]))
    assert text.dtype == np.dtype("<U3") and text.tolist() == ["ant", "b"]
    assert labels(targets=of_labels("O", ["ant", 2])).tolist() == ["ant", 2]
    with pytest.raises(TypeError, match="or an empty one"):
        labels(targets=of_labels("<U1", []))


def changed(path, value):
    """Return what `from_plain` takes, with one entry changed."""
    plain, tensors = made().snapshot().to_plain(), made().to_tensors()
    if path in tensors:
        return plain, tensors | {path: value}
    *way, last = path.split(".")
    at = plain
    for word in way:
        at = at[word]
    at[last] = value
    return plain, tensors


def test_what_a_state_gives_makes_the_same_state():
    found = TrainingState.from_plain(made().to_plain(), made().to_tensors())
    assert found.to_plain() == made().to_plain()
    assert {name: array.tolist() for name, array in found.to_tensors().items()} == {
        name: array.tolist() for name, array in made().to_tensors().items()
    }
    assert sorted(found.network) == ["fc1.W", "fc1.b"] and sorted(found.slots) == ["velocity/fc1.W"]
    assert sorted(found.preprocess) == ["0.mean"] and found.history.names == ["epoch", "examples_seen", "valid_nll"]


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
