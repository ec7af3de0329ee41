"""The values of the rules of a config before it is trained, beside those that a fit has."""

from __future__ import annotations

import numpy as np
import pytest
from command_line import arignote

from arignote import ConfigError, DataError, NNClassifier
from arignote.fit.preview.planned_rules import planned_rules, rows_of_updates
from arignote.spec.config import read_config

LAYERS = "layers: [[FCLayer, {name: fc1, n_units: 3, l2: 0.5}], [ClassificationOutputLayer]]\n"
DATA = "data: {train: {features: x.npy, labels: y.npy}, valid: 0.2}\n"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A working directory with 50 rows, of which 40 are trained on."""
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32))
    np.save("y.npy", np.arange(50) % 2)
    return tmp_path


def config(place, fit, data=DATA):
    path = place / "c.yaml"
    path.write_text(f"rng: 1\n{data}{LAYERS}fit: {fit}\n")
    return path


def planned(place, fit, data=DATA):
    return list(planned_rules(read_config(config(place, fit, data))))


def test_an_epoch_is_one_update_where_nothing_changes_within_it_and_no_data_is_opened(place):
    (place / "x.npy").unlink()
    found = planned(place, "{n_epochs: 3, lr_rule: [step, {multiply_by: 0.5, n_epochs: 1}], sgd_type: sgd}")
    assert [(one.epoch, one.number, one.n_of_epoch) for one in found] == [(1, 0, 1), (2, 0, 1), (3, 0, 1)]
    # The default rate of sgd is 0.01; it has no momentum.
    assert [one.values for one in found] == [{"lr": 0.01}, {"lr": 0.005}, {"lr": 0.0025}]
    with pytest.raises(DataError, match=r"x\.npy"):
        planned(place, "{lr_rule: [step, {multiply_by: 0.5, n_updates: 1}]}")


def test_final_epochs_whose_values_are_those_of_the_best_are_left_out(place):
    found = planned(place, "{n_epochs: 5, final_epochs: 2, lr_rule: [step, {multiply_by: 0.5, n_epochs: 1}]}")
    assert [one.epoch for one in found] == [1, 2, 3]


@pytest.mark.parametrize(
    ("more", "n_updates"), [("", 3), (", drop_last: true", 2), (", accumulate: 2", 2), (", batch_size: 40", 1)]
)
def test_an_epoch_has_the_updates_of_its_training_rows(place, more, n_updates):
    # 40 rows in batches of 16: 16, 16 and 8.
    batch_size = "" if "batch_size" in more else "batch_size: 16, "
    found = planned(place, f"{{{batch_size}n_epochs: 2, lr_rule: [step, {{multiply_by: 0.5, n_updates: 99}}]{more}}}")
    assert len(found) == 2 * n_updates and {one.n_of_epoch for one in found} == {n_updates}


def test_a_batch_has_at_most_all_rows_and_all_of_them_by_a_size_of_minus_one():
    assert [rows_of_updates(40, size, 1, drop_last=True) for size in (-1, 99, 16)] == [[40], [40], [16, 16]]


RULES = {
    "lr_rule": 0.0,
    "momentum_rule": ["warmup", {"initial_value": 0.1, "n_updates": 4, "then": ["cosine", {"n_epochs": 3}]}],
    "rules": {
        "fc1.l2": {"rule": "stalled", "multiply_by": 0.5, "interval": 2},
        "fc1.l1": ["absolute", {"after_updates": [[2, 0.25], [7, 0.125]]}],
        "fc1.maxnorm": {"rule": "fixed", "initial_value": 4.0, "multiply_by": 0.5, "interval": 1, "schedule": [1]},
    },
}


@pytest.mark.parametrize("frequency", [None, 16, 24, 100])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_values_are_those_of_a_fit_that_never_improves(place, frequency, accumulate):
    # A learning rate of 0: every validation gives the same loss.
    settings = RULES | {"sgd_type": "nag", "n_epochs": 4, "batch_size": 16, "accumulate": accumulate}
    settings["validation_frequency"] = frequency
    layers = [["FCLayer", {"name": "fc1", "n_units": 3, "l2": 0.5}], ["ClassificationOutputLayer"]]
    fitted = NNClassifier(layers, rng=1).fit(np.load("x.npy"), np.load("y.npy"), valid=0.2, **settings)
    spec = read_config(config(place, "{}"))
    updates = list(planned_rules(spec.model_copy(update={"fit": settings})))
    seen = np.cumsum([min(16 * accumulate, 40 - 16 * accumulate * one.number) for one in updates])
    columns = {"learning_rate": "lr", "momentum": "momentum"} | {name: name for name in RULES["rules"]}
    assert len(fitted.history_) >= 1
    for row in fitted.history_:
        (update,) = (one for one, n in zip(updates, seen, strict=True) if n == row["examples_seen"])
        assert {name: row[name] for name in columns} == {name: update.values[key] for name, key in columns.items()}


def test_rules_of_updates_need_data(place):
    with pytest.raises(ConfigError, match=r"^values change within an epoch, whose number of updates follows from data"):
        planned(place, "{lr_rule: [linear, {final_value: 0.1, n_updates: 9}]}", data="")
    assert len(planned(place, "{n_epochs: 2, lr_rule: {rule: stalled, multiply_by: 0.5, interval: 1}}", data="")) == 2


def test_a_rule_that_needs_validation_is_refused_as_a_fit_refuses_it(place):
    data = DATA.replace(", valid: 0.2", "")
    with pytest.raises(ConfigError, match="lr_rule 'stalled' needs validation data"):
        planned(place, "{lr_rule: {rule: stalled, multiply_by: 0.5, interval: 1}}", data)


def test_the_command_prints_a_row_for_each_epoch(place):
    path = config(
        place,
        "{n_epochs: 3, sgd_type: nag, lr_rule: [linear, {initial_value: 0.6, final_value: 0.0, n_updates: 6}], "
        "batch_size: 16, rules: {fc1.l2: [step, {multiply_by: 0.1, n_epochs: 2}]}}",
    )
    ended = arignote("schedule", path)
    # 0.6 - 0.1 * n after n of 3 updates in each epoch; the momentum of nag is 0.9.
    assert ended.code == 0 and [line.rstrip() for line in ended.out.splitlines()] == [
        "epoch  learning_rate  momentum  fc1.l2",
        "--------------------------------------",
        "    1     0.6 -> 0.4       0.9     0.5",
        "    2     0.3 -> 0.1       0.9     0.5",
        "    3              0       0.9    0.05",
    ]
    ended = arignote("schedule", path, "--set", "fit.n_epochs=1", "--set", "fit.lr_rule=0.25")
    assert ended.out.splitlines()[2:] == ["    1           0.25       0.9     0.5"]


def test_a_wrong_rule_is_an_error_of_the_config_with_its_line(place):
    ended = arignote("schedule", config(place, "{rules: {fc1.n_units: [step, {multiply_by: 0.1, n_epochs: 2}]}}"))
    assert ended.code == 2 and "c.yaml:4:" in ended.err and "cannot follow a rule" in ended.err
