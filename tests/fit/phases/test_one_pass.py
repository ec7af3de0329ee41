"""One pass of `partial_fit`: its settings, what it refuses, and that an epoch can begin again."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from arignote.checkpoints.progress import Progress
from arignote.data.prepare.fit_data import FitData
from arignote.errors import ConfigError, DataError
from arignote.fit.phases.one_pass import begin_epoch_again, check_pass, check_shape, settings_of_pass
from arignote.spec.settings import FitSettings


def test_a_pass_is_the_next_epoch_without_an_end_of_its_own():
    settings = FitSettings(n_epochs=50, final_epochs=3, stop_rule=["stalled", {"interval": 2}])
    first = settings_of_pass(settings, None)
    assert (first.n_epochs, first.final_epochs, first.stop_rule, first.restore_best) == (1, 0, None, False)
    assert settings_of_pass(settings, SimpleNamespace(progress=Progress(epoch=6))).n_epochs == 7
    assert settings.n_epochs == 50


@pytest.mark.parametrize(
    "settings",
    [{"class_weight": "balanced"}, {"checkpoint": "runs/"}, {"pretrain": {"n_epochs": 1}, "checkpoint": "runs/a"}],
)
def test_settings_that_need_all_data_or_a_run_of_their_own_are_refused(settings):
    with pytest.raises(ConfigError, match=rf"^{next(iter(settings))} .* is not supported by partial_fit\. \w"):
        settings_of_pass(FitSettings(**settings), None)


@pytest.mark.parametrize("valid", [0.2, [0, 1], np.array([3])])
def test_no_row_of_a_pass_is_held_out(valid):
    with pytest.raises(ConfigError, match=r"valid must be data of its own.* set_params\(valid=None\) leaves it out"):
        check_pass(FitData(np.ones((4, 2)), np.ones(4), valid=valid))
    check_pass(FitData(np.ones((4, 2)), np.ones(4), valid=(np.ones((1, 2)), np.ones(1))))


def test_examples_have_the_shape_of_the_passes_before():
    before = SimpleNamespace(spec={"n_in": [3]})
    check_shape((3,), before, "NNClassifier")
    with pytest.raises(DataError, match=r"^X has 2 features, but NNClassifier is expecting 3 features as input$"):
        check_shape((2,), before, "NNClassifier")
    with pytest.raises(DataError, match=r"must have the shape \[3\]; got \(1, 3\)"):
        check_shape((1, 3), before, "NNClassifier")


def test_an_epoch_that_begins_again_forgets_its_sums_and_keeps_what_was_done():
    progress = Progress(epoch=2, batch=5, epoch_examples=40, examples_seen=200, n_updates=25, validation_due=True)
    state = SimpleNamespace(progress=progress, epoch_loss=torch.tensor(3.0), slots={"velocity/fc1.W": torch.ones(2)})
    begin_epoch_again(state)
    after = state.progress
    assert (after.batch, after.epoch_examples, after.validation_due, float(state.epoch_loss)) == (0, 0, False, 0.0)
    assert (after.epoch, after.examples_seen, after.n_updates) == (2, 200, 25)
    assert state.slots["velocity/fc1.W"].tolist() == [1.0, 1.0]
