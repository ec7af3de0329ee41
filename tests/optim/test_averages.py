"""Shares of averages, by tables worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from arignote import ArignoteError, ArignoteWarning, NNClassifier
from arignote.optim.averages import Average
from arignote.registry import build

OUTPUT = [["ClassificationOutputLayer"]]


def test_an_exponential_average_begins_as_a_copy_and_takes_the_rest_of_the_decay():
    share = build("average", ["ema", {"decay": 0.75}]).share
    assert [share(n, epoch, ends) for n, epoch, ends in [(1, 1, False), (2, 1, True), (3, 2, False)]] == [1, 0.25, 0.25]
    assert build("average", "ema").decay == 0.999


def test_the_warm_up_of_an_exponential_average_has_the_decays_of_tensorflow():
    # min(decay, (1 + num_updates) / (10 + num_updates)), which passes 0.95 after 170 updates.
    share = build("average", ["ema", {"decay": 0.95, "warmup": True}]).share
    found = [1 - share(n, 1, False) for n in (1, 2, 3, 90, 169, 171, 990)]
    assert found == pytest.approx([0, 3 / 12, 4 / 13, 91 / 100, 170 / 179, 0.95, 0.95], abs=1e-15)


def test_an_average_over_epochs_is_a_copy_up_to_its_first_one_and_then_takes_the_last_update_of_each():
    share = build("average", ["swa", {"start": 2}]).share
    # Epochs of two updates: the copies of epoch 2 end with its last update, the first of the mean.
    found = [share(2 * epoch - 1 + last, epoch, bool(last)) for epoch in (1, 2, 3, 4) for last in (0, 1)]
    assert found == [1, 1, 1, 1, 0, 1 / 2, 0, 1 / 3]


@pytest.mark.parametrize(
    ("average", "message"),
    [
        ({"kind": "ema", "decay": 1}, "average.decay must be a number < 1.0; got 1"),
        ({"average": "ema", "decay": 0.0}, "average.decay must be a number > 0.0; got 0.0"),
        ("swa", "average: start must be given"),
        ("emma", "unknown average 'emma'. Did you mean 'ema'"),
    ],
)
def test_an_average_that_could_not_work_is_refused(average, message):
    with pytest.raises(ArignoteError) as refused:
        NNClassifier(OUTPUT, n_epochs=5, average=average).fit([[0.0], [1.0]], [0, 1])
    assert message in str(refused.value)


def test_an_average_without_anything_to_average_is_warned_of():
    with pytest.warns(ArignoteWarning, match=r"average: start 3 leaves nothing to average in 3 epochs"):
        NNClassifier(OUTPUT, rng=1, n_epochs=3, batch_size=2, average=["swa", {"start": 3}]).fit([[0.0], [1.0]], [0, 1])


def test_an_average_of_a_user_needs_to_know_nothing_of_final_epochs():
    mine = Last()
    assert mine.of_final_epochs() is mine
    fit = NNClassifier([["ClassificationOutputLayer"]], rng=1, n_epochs=1, batch_size=-1, average=mine).fit(
        np.eye(4), [0, 1, 0, 1]
    )
    state = fit.state_
    assert np.array_equal(state.slots["average/output.W"], state.network["output.W"])


class Last(Average):
    """The present weights."""

    def share(self, n_updates, epoch, ends_epoch):
        return 1.0
