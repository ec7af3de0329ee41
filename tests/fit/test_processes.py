"""What the first of several processes tells the others, and what these do not print."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from promise import digest_of

from arignote import ArignoteWarning, NNClassifier
from arignote.checkpoints.reader import RunFiles
from arignote.checkpoints.schedule import Checkpointer
from arignote.data.prepare.fit_data import FitData
from arignote.engine.processes import Processes
from arignote.errors import warn
from arignote.fit.assemble import assemble
from arignote.fit.failures import divergence
from arignote.fit.plan import FitRequest, plan_fit
from arignote.fit.processes import follow, is_first, quiet, whole_choice
from arignote.fit.resume import IN_MEMORY
from arignote.fit.run import trainers
from arignote.layers import parse
from arignote.spec.settings import FitSettings

X = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
LAYERS = [["FCLayer", {"n_units": 3}], ["ClassificationOutputLayer"]]


def request_of(in_memory=None, seed=None, checkpoint=None):
    settings = FitSettings(batch_size=8, n_epochs=2, sgd_type="nag")
    return FitRequest(FitData(X, Y, 0.25), parse(LAYERS), settings, checkpoint, None, seed, in_memory)


def test_a_process_follows_with_the_seed_and_the_state_that_the_first_one_read(tmp_path):
    stem = str(tmp_path / "run")
    NNClassifier(LAYERS, rng=5, batch_size=8, n_epochs=2, sgd_type="nag").fit(X, Y, valid=0.25, checkpoint=stem)
    where, stored = next(RunFiles(stem).states([]))
    chosen = plan_fit(request_of(checkpoint=stem), stored)
    plan, followed, path = follow(request_of(), whole_choice(chosen, stored, where))
    assert plan.rng == 5 and plan.spec == chosen.spec and plan.data == chosen.data and path == where
    assert digest_of(followed) == digest_of(stored) and followed.best is not stored.best
    for name, array in stored.best.network.items():
        assert np.array_equal(followed.best.network[name], array)


def test_without_a_file_a_process_follows_with_the_seed_and_the_state_that_it_has(tmp_path):
    chosen = plan_fit(request_of(seed=9), None)
    plan, followed, path = follow(request_of(), whole_choice(chosen, None, ""))
    assert plan.rng == 9 and followed is None and path == ""
    state = NNClassifier(LAYERS, rng=4, batch_size=8, n_epochs=2, sgd_type="nag").fit(X, Y, valid=0.25).state_
    chosen = plan_fit(request_of(state), state)
    plan, followed, path = follow(request_of(state), whole_choice(chosen, state, IN_MEMORY))
    assert plan.rng == 4 and followed is state and path == IN_MEMORY


def test_a_run_that_diverges_is_reported_by_the_first_process_alone():
    def error_in(rank):
        request = replace(request_of(seed=1), processes=Processes(rank, 2))
        fit = assemble(plan_fit(request, None))
        return divergence(fit, trainers(fit), Checkpointer(None), None, fit.state.snapshot())

    assert [error_in(rank).is_reported for rank in (0, 1)] == [False, True]


def test_only_the_first_process_warns():
    with pytest.warns(ArignoteWarning, match="once"), quiet(Processes(0, 2)):
        warn("once")
    with pytest.warns(ArignoteWarning, match="alone"), quiet(None):
        warn("alone")
    before = list(warnings.filters)
    with quiet(Processes(1, 2)):
        warn("not again")
    assert warnings.filters == before
    assert [is_first(one) for one in (None, Processes(0, 2), Processes(1, 2))] == [True, True, False]
