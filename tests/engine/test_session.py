"""What a fit changes of the engine's global state, and that all of it is put back."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from promise import Stopped, killed_after

from arignote import ArignoteWarning, NNClassifier


def state():
    return (
        torch.get_rng_state().tolist(),
        torch.get_num_threads(),
        torch.get_deterministic_debug_mode(),
        torch.utils.deterministic.fill_uninitialized_memory,
        torch.backends.mkldnn.matmul.fp32_precision,
        torch.backends.cuda.matmul.fp32_precision,
    )


def layers(n_units):
    return [["FCLayer", {"n_units": n_units}], ["DropoutLayer", {"dropout_p": 0.5}], ["ClassificationOutputLayer"]]


@pytest.fixture
def threads():
    """Two threads, whatever the machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("killed", [False, True])
def test_everything_is_put_back_however_it_ends(killed, digits, threads):
    before, inside = state(), []
    observers = [lambda event: inside.append(state()), killed_after(2 if killed else 1000)]
    try:
        NNClassifier(layers(3), rng=1).fit(*digits, n_epochs=2, n_threads=1, observers=observers)
        assert not killed
    except Stopped:
        assert killed
    assert state() == before
    # What is drawn is that of the run; operations are deterministic, and nothing is filled for them.
    assert {found[1:] for found in inside} == {(1, 2, False, "ieee", "ieee")} and all(
        found[0] != before[0] for found in inside[1:]
    )


@pytest.mark.parametrize("mode", ["default", "warn", "error"])
def test_what_the_caller_had_set_is_kept(mode, digits):
    torch.set_deterministic_debug_mode(mode)
    try:
        before = state()
        NNClassifier(layers(3), rng=1).fit(*digits, n_epochs=1)
        assert state() == before
    finally:
        torch.set_deterministic_debug_mode("default")


@pytest.mark.parametrize("place", ["mkldnn", "cuda"])
def test_a_precision_of_the_callers_own_is_kept_and_not_used(place, digits):
    matmul = getattr(torch.backends, place).matmul
    before, seen = matmul.fp32_precision, []
    matmul.fp32_precision = "tf32"
    try:
        NNClassifier(layers(3), rng=1).fit(*digits, n_epochs=1, observers=lambda event: seen.append(state()[4:]))
        assert matmul.fp32_precision == "tf32" and set(seen) == {("ieee", "ieee")}
    finally:
        matmul.fp32_precision = before


# Multiplications of a step: (64 * n_units + 10 * n_units) * 100 rows, forward, and twice as many backward.
@pytest.mark.parametrize(("n_units", "n_threads"), [(300, 1), (600, 2)])
def test_small_steps_take_one_thread_by_their_shapes_alone(n_units, n_threads, digits, threads):
    seen = set()
    fitted = NNClassifier(layers(n_units), rng=1).fit(
        *digits, n_epochs=1, batch_size=100, observers=lambda event: seen.add(torch.get_num_threads())
    )
    assert seen == {n_threads} == {fitted.state_.environment["n_threads"]}


@pytest.mark.parametrize(("n_threads", "reported"), [(1, False), (2, True)])
def test_threads_that_follow_the_load_of_the_machine_are_reported(n_threads, reported, digits, monkeypatch):
    monkeypatch.setenv("OMP_DYNAMIC", "TRUE")
    classifier = NNClassifier(layers(3), rng=1, n_epochs=1, n_threads=n_threads)
    with pytest.warns(ArignoteWarning, match="OMP_DYNAMIC") if reported else nullcontext():
        classifier.fit(*digits)
