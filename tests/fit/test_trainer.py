"""The numbers of the loop: positions, seeds, losses by rows, what is best, and when rules and stops come in."""

from __future__ import annotations

from math import inf, isnan, nan
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from made_up import numbered_classes

from arignote.checkpoints.cadence import Cadence
from arignote.checkpoints.format import decode
from arignote.checkpoints.schedule import Checkpointer
from arignote.checkpoints.state import TrainingState
from arignote.checkpoints.writer import RunWriter
from arignote.data.epoch.batches import Batches
from arignote.data.rows.open_rows import rows_of
from arignote.fit.trainer import Trainer
from arignote.fit.validations.validation import Validation
from arignote.observers.events import Event
from arignote.optim.rules import RuleState
from arignote.preemption.signals import StopRequested
from arignote.registry import build
from arignote.streams import stream_seed

SEED = 5
N_ROWS = 10
# The loss of a row is its number: rows 0 to 9 have the mean 4.5.
X = np.arange(N_ROWS, dtype=np.float32)[:, None]


def fresh_state(n_epochs=2):
    return TrainingState(
        network={"out.W": torch.zeros(2)},
        slots={},
        epoch_loss=torch.zeros((), dtype=torch.float64),
        rules={"lr": RuleState(0.5), "momentum": RuleState(0.25)},
        rng=SEED,
        run_id="run",
        spec={"name": None, "n_in": [1], "layers": [], "fit": {"n_epochs": n_epochs}},
        targets={"out": numbered_classes(2)},
        data={},
        environment={},
    )


class Run:
    """A loop whose steps, validations and observers write down what comes to them."""

    def __init__(self, n_epochs=2, batch_size=4, valid=None, test=None, rules=None, **more):
        self.steps, self.numbers, self.events, self.n_validated, self.n_tested = [], [], [], 0, 0
        self.thawed = []
        self.state = fresh_state(n_epochs)
        settings = {
            "rules": {"lr": build("rule", "const"), "momentum": build("rule", "const")} | (rules or {}),
            "checkpointer": Checkpointer(None),
            "check_stop": lambda: None,
            "accumulate": 1,
            "average": None,
            "thaw_at": {},
            "stop_rule": None,
            "validation_frequency": None,
            "observers": [self.events.append],
            "final": None,
        }
        scores = {
            "validate": None if valid is None else lambda *where: self._next(valid, "valid", "n_validated"),
            "score_train": None,
            "score_test": None if test is None else lambda *where: self._next(test, "test", "n_tested"),
            "monitor": None,
            "train_loss": "nll",
            "greater_is_better": False,
            "column": "valid_nll",
        }
        self.trainer = Trainer(
            step=self._step,
            to_device=lambda batch: SimpleNamespace(x=batch.x, index=batch.index, n_rows=len(batch.y)),
            batches=Batches(rows_of(X, np.arange(N_ROWS)), np.arange(N_ROWS), seed=SEED, batch_size=batch_size),
            n_epochs=n_epochs,
            validation=Validation(**{name: more.pop(name, value) for name, value in scores.items()}),
            **settings | more,
        )

    def _next(self, losses, prefix, count):
        at = getattr(self, count)
        setattr(self, count, at + 1)
        return {f"{prefix}_nll": losses[at], f"{prefix}_error": 100.0 + losses[at]}

    def _step(self, batches, seeds, *, lr, momentum, n, numbers, thawed, n_rows):
        assert sum(n_rows) == sum(len(batch.x) for batch in batches) and len(n_rows) == len(batches)
        # Each update makes the weights its own number.
        self.state.network["out.W"].fill_(n)
        self.thawed.append(dict(thawed))
        self.steps.append(([(batch.index, seed) for batch, seed in zip(batches, seeds, strict=True)], lr, momentum, n))
        self.numbers.append(numbers)
        rows = np.concatenate([batch.x for batch in batches])
        return torch.tensor(rows.mean(dtype=np.float64), dtype=torch.float32)

    def go(self):
        assert self.trainer.run(self.state) is self.state
        return self.state

    def column(self, name):
        return [row[name] for row in self.state.history.records()]


def seed_of(epoch, batch):
    # streams.py: ("step", epoch, batch, shard), all from 0.
    return stream_seed(SEED, "step", epoch, batch, 0)


def test_each_batch_of_each_epoch_has_a_seed_of_its_own():
    run = Run(n_epochs=3)
    run.go()
    found = [part for parts, *_ in run.steps for part in parts]
    assert found == [(batch, seed_of(epoch, batch)) for epoch in range(3) for batch in range(3)]
    assert len({seed for _, seed in found}) == 9


def test_each_of_the_batches_of_an_update_has_a_seed_of_its_own():
    run = Run(n_epochs=2, batch_size=2, accumulate=2)
    run.go()
    # Five batches: two updates of two, and one of one.
    assert [[index for index, _ in parts] for parts, *_ in run.steps] == [[0, 1], [2, 3], [4]] * 2
    found = [part for parts, *_ in run.steps for part in parts]
    assert found == [(batch, seed_of(epoch, batch)) for epoch in range(2) for batch in range(5)]


def test_updates_are_numbered_from_1_over_all_epochs_with_the_values_in_force():
    run = Run(n_epochs=2, rules={"lr": build("rule", {"rule": "fixed", "multiply_by": 0.5, "schedule": [1]})})
    run.go()
    assert [(lr, momentum, n) for _, lr, momentum, n in run.steps] == [
        *[(0.5, 0.25, n) for n in (1, 2, 3)],
        *[(0.25, 0.25, n) for n in (4, 5, 6)],
    ]


def of_position():
    """Return a learning rate that follows updates, and a momentum that follows epochs."""
    return {
        "lr": build("rule", ["linear", {"final_value": 0.0, "n_updates": 5}]),
        "momentum": build("rule", ["step", {"multiply_by": 0.5, "n_epochs": 1}]),
    }


def test_rules_of_the_position_change_after_each_update_and_after_each_epoch():
    run = Run(n_epochs=3, rules=of_position())
    run.go()
    # 0.5 * (1 - n / 5) after n updates, and 0.25 halved after each epoch.
    expected = [(0.5, 0.25), (0.4, 0.25), (0.3, 0.25), (0.2, 0.125), (0.1, 0.125), (0.0, 0.125), *[(0.0, 0.0625)] * 3]
    assert [(lr, momentum) for _, lr, momentum, _ in run.steps] == [pytest.approx(pair) for pair in expected]
    # A row has the values of the update before it.
    assert run.column("learning_rate") == pytest.approx([0.3, 0.0, 0.0])
    assert run.column("momentum") == [0.25, 0.125, 0.0625]
    assert run.state.rules["lr"] == RuleState(0.5)


def test_numbers_of_layers_follow_their_rules_to_the_step_and_are_columns_of_the_history():
    rules = {
        "fc1.l2": build("rule", ["linear", {"final_value": 0.0, "n_updates": 4}]),
        "dropout1.dropout_p": build("rule", {"rule": "stalled", "multiply_by": 0.5, "interval": 1}),
    }
    run = Run(n_epochs=3, rules=rules, valid=[3.0, 4.0, 5.0])
    run.state.rules |= {"fc1.l2": RuleState(0.5), "dropout1.dropout_p": RuleState(0.25)}
    run.go()
    assert [numbers["fc1.l2"] for numbers in run.numbers] == [0.5, 0.375, 0.25, 0.125, *[0.0] * 5]
    # The second validation is worse than the first.
    assert [numbers["dropout1.dropout_p"] for numbers in run.numbers] == [*[0.25] * 6, *[0.125] * 3]
    assert run.column("fc1.l2") == [0.25, 0.0, 0.0] and run.column("dropout1.dropout_p") == [0.25, 0.25, 0.125]
    assert run.state.history.names[-5:] == ["learning_rate", "momentum", *rules, "seconds"]
    assert Run(n_epochs=1).go().history.names[-3:] == ["learning_rate", "momentum", "seconds"]


def test_a_validation_in_mid_epoch_has_the_values_of_the_update_before_it():
    run = Run(n_epochs=2, validation_frequency=4, rules=of_position())
    run.go()
    # After the updates 1, 2, 4, 5, 6: the last row of an epoch is of that epoch too.
    assert run.column("learning_rate") == pytest.approx([0.5, 0.4, 0.2, 0.1, 0.0])
    assert run.column("momentum") == [0.25, 0.25, 0.125, 0.125, 0.125]


def test_a_validation_of_a_network_without_updates_has_the_first_values():
    run = Run(rules=of_position())
    run.state.progress.validation_due = True
    run.go()
    assert run.column("learning_rate")[0] == 0.5


@pytest.mark.parametrize(("batch_size", "accumulate"), [(4, 1), (3, 2), (10, 1), (1, 4), (7, 1)])
def test_the_training_loss_is_the_mean_over_the_rows_of_the_epoch(batch_size, accumulate):
    run = Run(n_epochs=3, batch_size=batch_size, accumulate=accumulate)
    state = run.go()
    # Batches of unequal sizes, and every epoch by itself.
    assert run.column("train_nll") == pytest.approx([4.5] * 3, rel=1e-6)
    assert run.column("epoch") == [1, 2, 3] and run.column("examples_seen") == [10, 20, 30]
    assert float(state.epoch_loss) == 0.0


def test_the_training_loss_of_a_validation_in_mid_epoch_is_over_the_rows_of_this_epoch_so_far():
    run = Run(n_epochs=2, validation_frequency=4)
    run.go()
    # Batches of rows 0-3, 4-7, 8-9: after 4, 8, (10, 14 -> 12 passed), 18 (16 passed), 20 examples.
    assert run.column("examples_seen") == [4, 8, 14, 18, 20]
    assert run.column("train_nll") == pytest.approx([1.5, 3.5, 1.5, 3.5, 4.5])
    assert run.column("epoch") == [1, 1, 2, 2, 2]


@pytest.mark.parametrize(
    ("frequency", "seen"), [(1, [4, 8, 10, 14, 18, 20]), (5, [8, 10, 18, 20]), (10, [10, 20]), (20, [20]), (21, [])]
)
def test_a_validation_follows_the_batch_that_completes_its_examples(frequency, seen):
    run = Run(n_epochs=2, validation_frequency=frequency, valid=[1.0] * 6)
    state = run.go()
    assert [int(n) for n in state.history.arrays().get("examples_seen", [])] == seen
    assert state.progress.n_validations == run.n_validated == len(seen)


def test_the_training_loss_after_one_row_is_that_of_the_row():
    run = Run(n_epochs=1, batch_size=1, validation_frequency=1)
    # Row 0 is passed over: its loss would be 0.
    run.state.progress.batch = 1
    run.go()
    assert run.column("train_nll") == [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0]


def test_progress_counts_epochs_batches_updates_and_rows():
    run = Run(n_epochs=3, batch_size=2, accumulate=2, valid=[1.0] * 3)
    progress = run.go().progress
    assert (progress.epoch, progress.batch, progress.epoch_examples) == (3, 0, 0)
    assert (progress.examples_seen, progress.n_updates, progress.n_validations) == (30, 9, 3)
    assert not progress.validation_due and not progress.ended and progress.stopped_by is None


def test_the_first_of_equal_validations_is_the_best():
    run = Run(n_epochs=5, valid=[3.0, 2.0, 2.0, 2.5, 2.0])
    best = run.go().best
    assert (best.value, best.epoch, best.examples_seen, best.n_rows) == (2.0, 2, 20, 2)
    # The weights after the second epoch's last update, the sixth.
    assert best.network["out.W"].tolist() == [6.0, 6.0]
    assert [event.is_best for event in run.events if event.kind == "validation"] == [True, True, False, False, False]


def test_the_lowest_validation_is_the_best_and_a_copy_of_its_own():
    run = Run(n_epochs=4, valid=[3.0, 4.0, 1.0, 2.0])
    best = run.go().best
    assert (best.value, best.epoch, best.examples_seen, best.n_rows) == (1.0, 3, 30, 3)
    assert best.network["out.W"].tolist() == [9.0, 9.0] and run.state.network["out.W"].tolist() == [12.0, 12.0]


def test_a_validation_in_mid_epoch_can_be_the_best():
    run = Run(n_epochs=2, validation_frequency=4, valid=[5.0, 4.0, 3.0, 6.0, 7.0])
    best = run.go().best
    assert (best.value, best.epoch, best.examples_seen, best.n_rows) == (3.0, 2, 14, 3)
    assert best.network["out.W"].tolist() == [4.0, 4.0]


def test_nan_is_not_better_than_a_number():
    run = Run(n_epochs=3, valid=[2.0, nan, 1.0])
    assert run.go().best.n_rows == 3
    assert [event.is_best for event in run.events if event.kind == "validation"] == [True, False, True]


@pytest.mark.parametrize(
    ("losses", "best"), [([nan, 2.0, 3.0], 2), ([nan, nan, 5.0], 3), ([nan, inf, nan], 2), ([nan, nan, nan], 1)]
)
def test_a_number_is_better_than_a_first_loss_that_is_none(losses, best):
    run = Run(n_epochs=3, valid=losses)
    assert run.go().best.n_rows == best


def test_the_first_loss_decides_and_the_test_follows_the_best_alone():
    run = Run(n_epochs=4, valid=[3.0, 4.0, 1.0, 1.0], test=[0.5, 0.25])
    run.go()
    assert run.n_tested == 2
    found = run.column("test_nll")
    assert [found[0], found[2]] == [0.5, 0.25] and isnan(found[1]) and isnan(found[3])
    assert [isnan(value) for value in run.column("test_error")] == [False, True, False, True]
    assert run.column("valid_error") == [103.0, 104.0, 101.0, 101.0]


def test_without_validation_every_row_is_tested_and_none_is_best():
    run = Run(n_epochs=2, test=[0.5, 0.25])
    assert run.go().best is None
    assert run.column("test_nll") == [0.5, 0.25] and not any(event.is_best for event in run.events)


def test_the_columns_of_the_history_come_in_this_order():
    run = Run(n_epochs=1, valid=[3.0], test=[0.5], score_train=lambda *where: {"scored_train_nll": 7.0})
    state = run.go()
    assert state.history.names == [
        *["epoch", "examples_seen", "train_nll", "scored_train_nll"],
        *["valid_nll", "valid_error", "test_nll", "test_error", "learning_rate", "momentum", "seconds"],
    ]
    record = state.history.record(0)
    assert (record["scored_train_nll"], record["learning_rate"], record["momentum"]) == (7.0, 0.5, 0.25)
    assert 0 <= record["seconds"] < 60


def test_the_rates_of_a_row_are_those_that_it_was_trained_with():
    rules = {"lr": build("rule", {"rule": "fixed", "multiply_by": 0.5, "interval": 1})}
    rules["momentum"] = build("rule", {"rule": "fixed", "decrease_by": -0.25, "final_value": 0.75, "schedule": [2]})
    run = Run(n_epochs=4, rules=rules)
    state = run.go()
    assert run.column("learning_rate") == [0.5, 0.25, 0.125, 0.0625]
    assert run.column("momentum") == [0.25, 0.25, 0.5, 0.5]
    assert state.rules == {"lr": RuleState(0.03125, inf, 4), "momentum": RuleState(0.5, inf, 2)}


def test_a_stalled_rule_sees_the_first_validation_loss():
    rules = {"lr": build("rule", {"rule": "stalled", "multiply_by": 0.5, "interval": 2})}
    run = Run(n_epochs=5, rules=rules, valid=[3.0, 2.0, 2.0, 4.0, 1.0])
    assert run.go().rules["lr"] == RuleState(0.25, 1.0, 5)
    # Validations 3 and 4 are no better than 2: the value changes after the fourth.
    assert run.column("learning_rate") == [0.5, 0.5, 0.5, 0.5, 0.25]


@pytest.mark.parametrize(("frequency", "changes_after"), [(None, 3), (10, 4), (5, 5)])
def test_rules_receive_the_number_of_complete_epochs(frequency, changes_after):
    # The schedule's epochs come first: an interval begins after epoch 2. A validation at the end of epoch 3 passes
    # three complete epochs; one inside it, as those by examples are, two.
    rule = {"rule": "fixed", "multiply_by": 0.5, "interval": 1, "schedule": [2]}
    run = Run(n_epochs=4, batch_size=5, rules={"lr": build("rule", rule)}, validation_frequency=frequency)
    run.go()
    rates = [lr for _, lr, _, _ in run.steps]
    expected = {
        None: [0.5] * 4 + [0.25] * 2 + [0.125] * 2,
        # At 30 examples epoch 3 is not complete yet: the first change by interval comes at 40.
        10: [0.5] * 4 + [0.25] * 2 + [0.25] * 2,
        5: [0.5] * 4 + [0.25] * 2 + [0.25, 0.125],
    }
    assert rates == expected[frequency]


@pytest.mark.parametrize(
    ("rule", "n_epochs"),
    [
        (["stalled", {"interval": 2}], 4),
        (["stalled", {"interval": 3}], 6),
        (["reached", {"value": 2.5}], 2),
        (["reached", {"value": 2.0}], 2),
        (["reached", {"value": 1.75}], 5),
        (["reached", {"value": 1.0}], 6),
    ],
)
def test_a_stop_rule_ends_training_with_the_epoch(rule, n_epochs):
    run = Run(n_epochs=6, valid=[3.0, 2.0, 2.0, 4.0, 1.5, 3.0], stop_rule=build("stop_rule", rule))
    progress = run.go().progress
    assert progress.epoch == n_epochs and progress.ended == (n_epochs < 6)
    assert progress.stopped_by == ("stop_rule" if n_epochs < 6 else None) and not progress.interrupted


def test_a_stop_rule_uses_the_first_loss_of_the_last_validation():
    run = Run(n_epochs=3, valid=[1.0, 5.0, 2.0], stop_rule=build("stop_rule", ["reached", {"value": 0.5}]))
    assert not run.go().progress.ended
    again = Run(n_epochs=3, valid=[9.0, 0.5, 2.0], stop_rule=build("stop_rule", ["reached", {"value": 0.5}]))
    assert again.go().progress.epoch == 2


def test_a_stop_rule_without_validation_ends_nothing():
    run = Run(n_epochs=3, stop_rule=build("stop_rule", ["stalled", {"interval": 1}]))
    assert run.go().progress.epoch == 3 and not run.state.progress.ended


def test_events_record_what_happened_and_its_position():
    run = Run(n_epochs=2, batch_size=4, valid=[3.0, 4.0])
    run.go()
    message = [(event.kind, event.epoch, event.batch, event.is_best) for event in run.events]
    assert message == [
        ("start", 1, 0, False),
        *[("batch", 1, batch, False) for batch in (1, 2, 3)],
        ("validation", 1, 3, True),
        *[("batch", 2, batch, False) for batch in (1, 2, 3)],
        ("validation", 2, 3, False),
        ("end", 2, 0, False),
    ]
    assert {(event.n_epochs, event.n_batches) for event in run.events} == {(2, 3)}
    records = [event.record for event in run.events if event.kind == "validation"]
    assert [record["valid_nll"] for record in records] == [3.0, 4.0]
    assert all(event.record == {} and event.text == "" for event in run.events if event.kind == "batch")


def test_events_count_updates_and_examples_and_have_the_loss():
    run = Run(n_epochs=2, batch_size=4, valid=[3.0, 4.0])
    run.go()
    counts = [(event.n_updates, event.examples_seen) for event in run.events]
    assert counts == [(0, 0), (1, 4), (2, 8), (3, 10), (3, 10), (4, 14), (5, 18), (6, 20), (6, 20), (6, 20)]
    # The losses of rows 0 to 9 are their numbers, whose sum is 45.
    for batches in (run.events[1:4], run.events[5:8]):
        assert sum(event.loss * n for event, n in zip(batches, (4, 4, 2), strict=True)) == pytest.approx(45)
    assert [event.loss for event in run.events if event.kind == "validation"] == [3.0, 4.0]
    assert np.isnan([event.loss for event in run.events if event.kind in ("start", "end")]).all()


def test_the_last_event_says_what_stopped_the_run():
    def stop():
        if run.state.progress.n_updates == 4:
            raise StopRequested("SIGTERM")

    run = Run(n_epochs=3, check_stop=stop)
    run.go()
    last = run.events[-1]
    assert (last.kind, last.text, last.epoch, last.batch) == ("end", "SIGTERM", 2, 1)
    whole = Run(n_epochs=3)
    whole.go()
    assert (whole.events[-1].kind, whole.events[-1].text, whole.events[-1].epoch) == ("end", "", 3)


def test_every_observer_is_called_and_none_is_required():
    seen = []
    Run(n_epochs=1, observers=[lambda event: seen.append(1), lambda event: seen.append(2)]).go()
    # The start, three batches, a validation and the end.
    assert seen == [1, 2] * 6
    assert Run(n_epochs=1, observers=[]).go().progress.epoch == 1


@pytest.mark.parametrize(
    ("n_asked", "epoch", "batch", "n_updates"), [(1, 0, 0, 0), (2, 0, 1, 1), (4, 0, 3, 3), (5, 1, 0, 3)]
)
def test_a_stop_is_checked_before_each_epoch_and_after_each_update(n_asked, epoch, batch, n_updates):
    count = []

    def check_stop():
        count.append(1)
        if len(count) == n_asked:
            raise StopRequested("SIGTERM")

    run = Run(n_epochs=2, check_stop=check_stop)
    progress = run.go().progress
    assert (progress.epoch, progress.batch, progress.n_updates) == (epoch, batch, n_updates)
    assert progress.stopped_by == "SIGTERM"


class Counter:
    """Monitors the number of updates since the last validation."""

    def __init__(self):
        self.before = 0

    def columns(self, state):
        return {"n": float(state.progress.n_updates - self.before)}

    def begin_again(self, state):
        self.before = state.progress.n_updates


def test_what_is_monitored_begins_again_after_each_validation_that_is_done():
    stops = [True, False, False]

    def validate(n_validations):
        if stops.pop(0):
            raise StopRequested("SIGTERM")
        return {"valid_nll": 1.0}

    run = Run(n_epochs=1, validation_frequency=4, validate=validate, monitor=Counter(), accumulate=1)
    run.go()
    assert run.trainer.validation.monitor.before == 0
    run.state.progress.stopped_by = None
    run.go()
    # Validations after the first and the second of three batches.
    assert run.column("n") == [1, 1] and list(run.state.history.record(0))[-4:-1] == ["n", "learning_rate", "momentum"]


def test_a_stop_in_a_validation_leaves_it_due_and_changes_nothing_else():
    asked = []

    def validate(*where):
        asked.append(1)
        if len(asked) == 1:
            raise StopRequested("SIGTERM")
        return {"valid_nll": 1.0}

    run = Run(n_epochs=1, validation_frequency=4, validate=validate)
    progress = run.go().progress
    assert progress.validation_due and (progress.batch, progress.n_validations, len(run.state.history)) == (1, 0, 0)
    assert run.state.best is None
    progress.stopped_by = None
    run.go()
    # The validation that was due comes first, with the rows that it had.
    assert run.column("examples_seen") == [4, 8] and run.column("train_nll") == pytest.approx([1.5, 3.5])
    assert run.column("epoch") == [1, 1] and not progress.validation_due


@pytest.mark.parametrize("stop_after", [1, 2, 4, 5])
def test_a_run_that_stopped_has_the_numbers_of_one_that_did_not(stop_after):
    def check_stop():
        # One call comes before each epoch, and one after each of its three updates.
        if run.state.progress.n_updates == stop_after and not stopped:
            stopped.append(True)
            raise StopRequested("SIGTERM")

    stopped = []
    run, whole = Run(n_epochs=3, valid=[3.0, 2.0, 1.0], check_stop=check_stop), Run(n_epochs=3, valid=[3.0, 2.0, 1.0])
    run.go()
    run.go()
    whole.go()
    assert run.steps == whole.steps and stopped
    for name in whole.state.history.names:
        if name != "seconds":
            assert run.column(name) == whole.column(name)


def test_a_run_that_is_done_or_ended_does_nothing_more():
    for change in ({"epoch": 2}, {"ended": True}):
        run = Run(n_epochs=2)
        vars(run.state.progress).update(change)
        run.go()
        assert run.steps == [] and [event.kind for event in run.events] == ["start", "end"]


def test_an_event_has_no_record_and_no_text_of_its_own_accord():
    assert Event("batch", 1, 2, 3, 4, {}) == Event("batch", 1, 2, 3, 4, {}, False, "")


def test_a_row_has_the_seconds_since_the_row_before(monkeypatch):
    clock = iter([100.0, 200.0, 201.5, 204.0])
    monkeypatch.setattr("arignote.fit.trainer.time.perf_counter", lambda: next(clock))
    run = Run(n_epochs=2)
    run.go()
    # The clock starts with the run, at 200, not where the loop was made.
    assert run.column("seconds") == [1.5, 2.5]


def test_the_state_is_kept_after_each_epoch_with_all_that_belongs_to_it():
    class Fault(Exception):
        pass

    def fail(event):
        if event.epoch == 2 and event.batch == 2:
            raise Fault

    checkpointer = Checkpointer(None)
    rules = {"lr": build("rule", {"rule": "fixed", "multiply_by": 0.5, "schedule": [1]})}
    rules["momentum"] = build("rule", "const")
    run = Run(n_epochs=3, valid=[3.0, 2.0], rules=rules, checkpointer=checkpointer, observers=[fail])
    with pytest.raises(Fault):
        run.go()
    kept = checkpointer.last_good()
    assert (kept.progress.epoch, kept.progress.batch, kept.progress.n_updates, kept.progress.n_validations) == (
        1,
        0,
        3,
        1,
    )
    # History, rules and the best come before the state is kept; the sum of losses is that of the next epoch.
    assert (len(kept.history), kept.rules["lr"].value, kept.best.value, float(kept.epoch_loss)) == (1, 0.25, 3.0, 0.0)


def test_the_state_is_kept_where_a_run_stops():
    def check_stop():
        if run.state.progress.n_updates == 2:
            raise StopRequested("SIGTERM")

    checkpointer = Checkpointer(None)
    run = Run(n_epochs=3, check_stop=check_stop, checkpointer=checkpointer)
    run.go()
    kept = checkpointer.last_good()
    assert (kept.progress.epoch, kept.progress.batch, kept.progress.stopped_by) == (0, 2, "SIGTERM")
    # Rows 0 to 7: the sum of their losses.
    assert float(kept.epoch_loss) == pytest.approx(28.0)


def test_the_state_may_be_written_after_each_update(tmp_path):
    files = RunWriter(str(tmp_path / "run"), keep_last=100)
    files.acquire(lambda: None)
    try:
        files.prepare()
        Run(n_epochs=2, batch_size=2, accumulate=2, checkpointer=Checkpointer(files, every=Cadence.parse(1))).go()
        found = [decode(path.read_bytes(), str(path))[0].progress for path in tmp_path.glob("run_last*.ckpt")]
    finally:
        files.release()
    positions = sorted((progress.epoch, progress.batch) for progress in found)
    assert positions == [(0, 2), (0, 4), (0, 5), (1, 0), (1, 2), (1, 4), (1, 5), (2, 0)]


def test_the_end_of_an_epoch_is_saved_where_batches_are_not(tmp_path):
    files = RunWriter(str(tmp_path / "run"))
    saved = []

    def check_stop():
        found = next(files.states([]), None)
        saved.append(found and (found[1].progress.epoch, found[1].progress.batch))

    files.acquire(check_stop)
    Run(n_epochs=2, check_stop=check_stop, checkpointer=Checkpointer(files, every=Cadence.parse("epoch"))).go()
    files.release()
    assert saved == [*[None] * 4, *[(1, 0)] * 4]


def test_the_training_loss_of_one_row_is_that_of_the_row():
    run = Run(n_epochs=1, batch_size=1, validation_frequency=1)
    run.trainer.step = lambda batches, seeds, **values: torch.tensor(3.0 if batches[0].index == 0 else 0.0)
    run.go()
    assert run.column("train_nll") == pytest.approx([3 / n for n in range(1, 11)])


def test_the_training_loss_without_a_step_in_the_epoch_is_0():
    # Nothing is divided by zero where an epoch has no batch left.
    run = Run(n_epochs=1)
    run.state.progress.batch = 3
    run.go()
    assert run.column("train_nll") == [0.0] and run.steps == []


def test_what_scores_the_network_is_given_the_number_of_validations_before():
    asked = []

    def scored(name):
        def score(n_before):
            asked.append((name, n_before))
            return {f"{name}_nll": 1.0 / len(asked)}

        return score

    scores = {f"score_{name}": scored(name) for name in ("train", "test")}
    Run(n_epochs=2, validate=scored("valid"), **scores).go()
    assert asked == [(name, n_before) for n_before in (0, 1) for name in ("train", "valid", "test")]


def test_what_a_stop_leaves_is_saved_in_the_end():
    def check_stop():
        if run.state.progress.batch == 2:
            raise StopRequested("SIGTERM")

    checkpointer = Checkpointer(None)
    run = Run(n_epochs=2, check_stop=check_stop, checkpointer=checkpointer)
    run.go()
    saved = checkpointer.last_good().progress
    assert (saved.epoch, saved.batch, saved.stopped_by) == (0, 2, "SIGTERM")


def test_the_average_is_given_each_update_its_epoch_and_whether_it_is_the_last():
    updates = []
    Run(n_epochs=2, batch_size=3, average=lambda *position: updates.append(position)).go()
    # 10 rows are 4 batches of at most 3.
    assert updates == [(n, (n - 1) // 4 + 1, n in (4, 8), False) for n in range(1, 9)]
    updates.clear()
    Run(n_epochs=1, batch_size=3, accumulate=3, average=lambda *position: updates.append(position)).go()
    assert updates == [(1, 1, False, False), (2, 1, True, False)]


def test_layers_are_thawed_before_the_first_update_after_their_epochs_and_that_update_is_remembered():
    # Three updates an epoch.
    run = Run(n_epochs=4, thaw_at={"a": 1, "b": 3, "c": 1, "d": 4})
    run.go()
    once, twice = {"a": 3, "c": 3}, {"a": 3, "c": 3, "b": 9}
    assert run.thawed == [{}] * 3 + [once] * 6 + [twice] * 3 and run.state.thawed == twice


def test_a_run_that_resumes_after_a_thaw_knows_the_update_and_one_that_is_late_thaws_at_once():
    run = Run(n_epochs=3, thaw_at={"a": 1, "b": 2})
    # In the middle of the last epoch; the batches were larger before.
    run.state.progress.epoch, run.state.progress.batch, run.state.progress.n_updates = 2, 1, 5
    run.state.thawed = {"a": 2}
    run.go()
    assert run.thawed == [{"a": 2, "b": 5}] * 2


def test_updates_before_a_thaw_count_from_where_the_slots_were_last_zero():
    run = Run(n_epochs=3, thaw_at={"a": 1, "b": 2})
    run.state.progress.epoch, run.state.progress.n_updates, run.state.progress.slots_since = 1, 5, 4
    run.state.thawed = {"a": 2}
    run.go()
    # Three updates an epoch: `b` is thawed before the ninth.
    assert run.thawed == [{"a": 0}] * 3 + [{"a": 0, "b": 4}] * 3 and run.state.thawed == {"a": 2, "b": 8}
