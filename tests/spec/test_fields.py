"""Types of settings: what is accepted, and what is refused with what to write."""

from __future__ import annotations

import json

import pytest
from pydantic import TypeAdapter, ValidationError

from arignote.errors import ArignoteError
from arignote.spec.fields import CheckpointEvery, Device, Notices, Signals, Stem, Switch, Threads


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        (Device, "cuda:1", "cuda:1"),
        (Signals, "SIGTERM", ("SIGTERM",)),
        (Signals, ["SIGINT", "SIGUSR1"], ("SIGINT", "SIGUSR1")),
        (Switch, 1, True),
        (Switch, False, False),
        (Threads, 1024, 1024),
        (Stem, "runs/digits", "runs/digits"),
        (Stem, "runs/", "runs/"),
        (Notices, None, None),
    ],
)
def test_a_setting_is_what_it_stands_for(kind, given, value):
    found = TypeAdapter(kind).validate_python(given)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        *((Device, name) for name in ("gpu", "cuda1", "cuda:", "mps")),
        # No process can catch these two.
        *((Signals, name) for name in ("SIGKILL", "SIGSTOP", "TERM", 15, [15])),
        *((Switch, value) for value in (2, "maybe")),
        *((Threads, n) for n in (0, 1025)),
        *((CheckpointEvery, value) for value in ("soon", 0, "-3s", True)),
        (Stem, "runs/digits_last.ckpt"),
        (Notices, "moon"),
    ],
)
def test_what_cannot_be_is_refused(kind, given):
    with pytest.raises((ValidationError, ArignoteError)):
        TypeAdapter(kind).validate_python(given)


@pytest.mark.parametrize("written", ["auto", "epoch", 20, "30s", "1.5s"])
def test_how_often_is_written_as_it_was_given(written):
    adapter = TypeAdapter(CheckpointEvery)
    assert json.loads(adapter.dump_json(adapter.validate_python(written))) == written
