"""How a fit ended: the warnings of one that was stopped or did nothing, and what its caller raises."""

from __future__ import annotations

import os
import signal

import pytest

from arignote import ArignoteWarning, NNClassifier
from arignote.errors import Interrupted

LAYERS = [["ClassificationOutputLayer"]]


def sender(name):
    def observe(event):
        if event.kind == "batch":
            os.kill(os.getpid(), getattr(signal, name))

    return observe


def test_a_warm_start_with_nothing_left_to_do_warns(digits):
    classifier = NNClassifier([["ClassificationOutputLayer"]], rng=1, n_epochs=2, warm_start=True).fit(*digits)
    with pytest.warns(
        ArignoteWarning, match=r"warm_start: there is nothing left to train, 2 of 2 epochs complete. Raise n_epochs"
    ):
        classifier.fit(*digits)
    assert classifier.fit(*digits, n_epochs=3).n_epochs_ == 3


def test_ctrl_c_warns_with_the_position_and_another_fit_resumes(digits):
    classifier = NNClassifier(LAYERS, rng=1, n_epochs=2)
    with pytest.warns(ArignoteWarning, match=r"^Ctrl-C: fit returns with interrupted_ set, in epoch 1 of 2, after 1 b"):
        classifier.fit(*digits, observers=sender("SIGINT"))
    assert classifier.interrupted_ and classifier.n_epochs_ == 0
    assert not classifier.fit(*digits).interrupted_ and classifier.n_epochs_ == 2


def test_a_signal_raises_and_warns_only_if_the_state_is_lost(digits, tmp_path, recwarn):
    for checkpoint, n_warnings in ((str(tmp_path / "run"), 0), (None, 1)):
        with pytest.raises(Interrupted) as caught:
            NNClassifier(LAYERS, rng=1, checkpoint=checkpoint).fit(*digits, observers=sender("SIGTERM"))
        assert caught.value.code == 143
        assert [str(one.message) for one in recwarn] == [str(caught.value)] * n_warnings
        assert bool(caught.value.lost) == bool(n_warnings)
