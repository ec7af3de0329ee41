"""The records that observers receive: the loss is read from the device when it is asked for."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from math import isnan

import pytest
import torch

from arignote.observers.events import Event


def test_the_loss_is_a_number_wherever_it_was_computed():
    assert Event("batch", 1, 5, 2, 4, {}, _loss=torch.tensor(0.5)).loss == 0.5
    assert isnan(Event("save", 1, 5, 2, 4, {}).loss)


def test_an_event_does_not_change_and_shows_no_tensor():
    event = Event("batch", 1, 5, 2, 4, {}, _loss=torch.tensor(0.5))
    with pytest.raises(FrozenInstanceError):
        event.epoch = 2
    assert "tensor" not in repr(event) and [one.name for one in fields(event)][:3] == ["kind", "epoch", "n_epochs"]
