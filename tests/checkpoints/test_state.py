"""The state: what a snapshot and the best file hold, and what is finished."""

from __future__ import annotations

import copy
from math import inf, nan

import made_up
import numpy as np
import pytest
import torch
from made_up import AS_IT_IS, live_state, of_labels

from arignote.checkpoints.progress import Best, Progress
from arignote.checkpoints.state import TrainingState
from arignote.data.targets.labels import labels_of_state
from arignote.optim.rules import RuleState


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
    assert live_state(progress=progress).finished is finished and live_state().n_epochs == 3


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (Progress(), "0 of 3 epochs complete"),
        (Progress(epoch=0, batch=2), "in epoch 1 of 3, after 2 batches"),
        (Progress(epoch=0, batch=1), "in epoch 1 of 3, after 1 batch"),
        (Progress(epoch=2, batch=9), "in epoch 3 of 3, after 9 batches"),
        (Progress(epoch=3), "3 of 3 epochs complete"),
        (Progress(epoch=1, ended=True), "1 of 3 epochs complete, ended by its stop rule"),
        (Progress(epoch=1, ended=True, stopped_by="lr_rule"), "1 of 3 epochs complete, ended by its lr_rule"),
    ],
)
def test_its_position_counts_epochs_from_one(progress, words):
    assert live_state(progress=progress).position == words


@pytest.mark.parametrize(
    ("progress", "ends_with_last"),
    [
        (Progress(epoch=3), False),
        (Progress(epoch=2, final_since=1), False),
        (Progress(epoch=3, final_since=1), True),
        (Progress(epoch=3, final_since=0), True),
        (Progress(epoch=2, ended=True), False),
        (Progress(epoch=2, ended=True, final_since=1), True),
    ],
)
def test_the_last_network_is_the_result_once_the_final_epochs_are_complete(progress, ends_with_last):
    assert live_state(progress=progress).ends_with_last is ends_with_last


def test_its_bytes_are_those_of_network_slots_and_history():
    # Nine weights and six values of a slot of 4 bytes, three columns of two rows of 8.
    assert live_state().n_bytes == 9 * 4 + 6 * 4 + 3 * 2 * 8


def test_a_snapshot_is_not_changed_by_training():
    state = live_state()
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
    state = live_state()
    first = state.snapshot()
    state.network["fc1.W"].fill_(7)
    second = state.snapshot(first)
    for name in first.network:
        assert second.network[name] is first.network[name]
    assert second.slots["velocity/fc1.W"] is first.slots["velocity/fc1.W"]
    assert second.network["fc1.W"].tolist() == [[7] * 3] * 2


def test_the_best_file_holds_the_best_network_and_the_history_up_to_it():
    state = live_state()
    found = state.at_best()
    assert numbers(found) == {"fc1.W": [[9] * 3] * 2} and found.slots == {} and found.epoch_loss == 0
    assert found.progress == Progress(epoch=1, examples_seen=10, n_validations=1)
    assert found.history.arrays()["valid_nll"].tolist() == [0.5]
    assert found.best == Best(0.5, 1, 10, 1) and found.run_id == state.run_id
    assert found.preprocess is state.preprocess and found.targets == state.targets


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_a_weight_or_a_loss_that_is_not_finite_is_seen(value):
    assert live_state().is_finite()
    weights = torch.zeros(2, 3)
    weights[1, 2] = value
    assert not live_state(network={"fc1.b": torch.zeros(3), "fc1.W": weights}).is_finite()
    assert not live_state(epoch_loss=torch.tensor(value, dtype=torch.float64)).is_finite()


def test_the_text_of_a_file_holds_all_but_the_tensors():
    assert live_state().to_plain() == {
        "rules": {
            "lr": {"value": 0.5, "best_loss": 1.0, "changed_at": 2, "best_train_loss": inf},
            "momentum": {"value": 0.9, "best_loss": inf, "changed_at": 0, "best_train_loss": inf},
        },
        **AS_IT_IS,
        "progress": {
            **{"epoch": 2, "batch": 1, "examples_seen": 21, "n_updates": 5, "n_validations": 2, "epoch_examples": 1},
            **{"slots_since": 0, "validation_due": False, "ended": False, "stopped_by": None},
            **{"final_since": None, "final_after": None},
        },
        "columns": ["epoch", "examples_seen", "valid_nll"],
        "best": {"value": 0.5, "epoch": 1, "examples_seen": 10, "n_rows": 1, "digest": "d" * 64},
        "best_train": None,
        "starts": [[0, 0], [1, 2]],
        "causes": ["start", "killed"],
        "extra_metadata": None,
        "loaded": {},
        "thawed": {},
    }
    assert live_state(best=None).to_plain()["best"] is None


def test_the_tensors_of_a_file_have_their_kind_before_their_name():
    found = {name: (array.dtype.str, array.tolist()) for name, array in live_state().to_tensors().items()}
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
        return labels_of_state(live_state(**changes).targets["output"])

    assert labels().dtype == np.int64 and labels().tolist() == [3, 5, 8] and live_state().n_outputs == {"output": 3}
    text = labels(targets=of_labels("<U3", ["ant", "b"]))
    assert text.dtype == np.dtype("<U3") and text.tolist() == ["ant", "b"]
    assert labels(targets=of_labels("O", ["ant", 2])).tolist() == ["ant", 2]
    with pytest.raises(TypeError, match="or an empty one"):
        labels(targets=of_labels("<U1", []))


def test_what_a_state_gives_makes_the_same_state():
    found = TrainingState.from_plain(live_state().to_plain(), live_state().to_tensors())
    assert found.to_plain() == live_state().to_plain()
    assert {name: array.tolist() for name, array in found.to_tensors().items()} == {
        name: array.tolist() for name, array in live_state().to_tensors().items()
    }
    assert sorted(found.network) == ["fc1.W", "fc1.b"] and sorted(found.slots) == ["velocity/fc1.W"]
    assert sorted(found.preprocess) == ["0.mean"] and found.history.names == ["epoch", "examples_seen", "valid_nll"]


def test_the_network_of_the_lowest_training_loss_is_in_the_file_and_not_in_the_best_one():
    lowest = Best(0.25, 2, 20, 2, network={"fc1.W": np.full((2, 3), 4.0, np.float32)})
    state = live_state(best_train=lowest)
    plain, tensors = state.to_plain(), state.to_tensors()
    assert plain["best_train"] == {"value": 0.25, "epoch": 2, "examples_seen": 20, "n_rows": 2, "digest": ""}
    assert tensors["best_train/fc1.W"].tolist() == [[4.0] * 3] * 2
    again = TrainingState.from_plain(plain, tensors).best_train
    assert again.value == 0.25 and again.network["fc1.W"].tolist() == [[4.0] * 3] * 2
    assert state.snapshot().best_train is not lowest and state.at_best().best_train is None


def test_the_last_validation_is_the_best_with_the_average_if_there_is_one():
    state = live_state()
    found = state.as_best(0.75)
    assert (found.value, found.epoch, found.examples_seen, found.n_rows) == (0.75, 3, 21, 2)
    assert found.network["fc1.W"].tolist() == [[0, 1, 2], [3, 4, 5]]
    state.network["fc1.W"].fill_(-1)
    assert found.network["fc1.W"].tolist() == [[0, 1, 2], [3, 4, 5]]
    state.slots["average/fc1.W"] = torch.full((2, 3), 8.0)
    assert state.as_best(0.75).network["fc1.W"].tolist() == [[8.0] * 3] * 2


@pytest.mark.parametrize(
    ("progress", "cause"),
    [
        (Progress(epoch=1, batch=2), "killed"),
        (Progress(epoch=1, batch=2, stopped_by="SIGTERM"), "SIGTERM"),
        (Progress(epoch=3), "finished"),
        (Progress(epoch=1, ended=True, stopped_by="stop_rule"), "finished"),
    ],
)
def test_each_process_of_a_run_records_where_and_why_it_began(progress, cause):
    state = live_state(progress=progress, starts=[[0, 0], [0, 5]], causes=[])
    assert state.cause_of_next == cause
    state.add_start(state.cause_of_next)
    # The first two are of a file that recorded no causes.
    assert state.starts[2] == [progress.epoch, progress.batch] and state.causes == ["unknown", "unknown", cause]


@pytest.mark.parametrize(("n_rows", "row"), [(1, 0), (3, 2), (4, None), (0, None)])
def test_the_best_validation_is_a_row_of_the_history_if_the_history_has_it(n_rows, row):
    state = made_up.state(3, best=2)
    state.best.n_rows = n_rows
    assert state.best_row == row
    assert state.best_record == ({} if row is None else {"epoch": row + 1, "valid_nll": [8.0, 7.0, 9.0][row]})
    assert made_up.state(3).best_row is None and made_up.state(3).best_record == {}
