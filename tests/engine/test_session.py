"""What a fit changes of the engine's global state, and that all of it is put back."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from contextlib import nullcontext

import pytest
import torch
from promise import Stopped, killed_after

from arignote import ArignoteWarning, NNClassifier
from arignote.engine.session import session
from arignote.engine.setup import Setup


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
@pytest.mark.slow
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


def precisions():
    """Return how exact products and convolutions of float32 are, by place."""
    b = torch.backends
    places = (b.mkldnn.matmul, b.mkldnn.conv, b.cuda.matmul, b.cudnn.conv, b.cudnn.rnn)
    return [place.fp32_precision for place in places]


@pytest.mark.parametrize(
    ("precision", "expected"),
    [
        ("float32", ["ieee", "ieee", "ieee", "ieee", "ieee"]),
        ("bf16_matmul", ["bf16", "ieee", "tf32", "ieee", "ieee"]),
        ("bf16", ["ieee", "ieee", "ieee", "ieee", "ieee"]),
    ],
)
@pytest.mark.parametrize("own", ["tf32", "none"])
def test_only_products_of_matrices_are_less_exact_where_this_is_asked_for(precision, expected, own):
    b = torch.backends
    places = (b.mkldnn.matmul, b.mkldnn.conv, b.cuda.matmul, b.cudnn.conv, b.cudnn.rnn)
    kept = precisions()
    for place in places:
        place.fp32_precision = own
    before = precisions()
    try:
        with session(Setup(n_threads=1, precision=precision)):
            assert precisions() == expected
        assert precisions() == before
    finally:
        for place, value in zip(places, kept, strict=True):
            place.fp32_precision = value


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_a_session_has_the_threads_of_its_setup(n_threads, threads):
    with session(Setup(n_threads=n_threads)):
        assert torch.get_num_threads() == n_threads
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("fills", [True, False])
def test_the_generators_of_the_caller_continue_where_they_were(fills):
    # True is what torch starts with.
    kept = torch.utils.deterministic.fill_uninitialized_memory
    torch.utils.deterministic.fill_uninitialized_memory = fills
    torch.manual_seed(3)
    torch.rand(1)
    expected = torch.Generator().manual_seed(3)
    torch.rand(1, generator=expected)
    try:
        with pytest.raises(Stopped), session(Setup(n_threads=1)):
            torch.rand(7)
            assert torch.utils.deterministic.fill_uninitialized_memory is False
            assert torch.get_deterministic_debug_mode() == 2
            raise Stopped
        assert torch.equal(torch.rand(5), torch.rand(5, generator=expected))
        assert torch.utils.deterministic.fill_uninitialized_memory is fills
        assert torch.get_deterministic_debug_mode() == 0
    finally:
        torch.utils.deterministic.fill_uninitialized_memory = kept


@pytest.mark.parametrize("workspace", [None, ":16:8"])
@pytest.mark.parametrize("flags", [(True, False), (False, True)])
def test_on_a_gpu_kernels_are_chosen_by_rule_and_the_workspace_has_a_fixed_size(workspace, flags, monkeypatch):
    # What is set is the same where no GPU is there.
    name, cudnn = "CUBLAS_WORKSPACE_CONFIG", torch.backends.cudnn
    monkeypatch.delenv(name, raising=False)
    if workspace is not None:
        monkeypatch.setenv(name, workspace)
    kept = cudnn.benchmark, cudnn.deterministic
    cudnn.benchmark, cudnn.deterministic = flags
    try:
        with session(Setup(device="cuda", n_threads=1)):
            assert (cudnn.benchmark, cudnn.deterministic) == (False, True)
            assert os.environ[name] == (workspace or ":4096:8")
        assert (cudnn.benchmark, cudnn.deterministic) == flags and os.environ.get(name) == workspace
        with session(Setup(n_threads=1)):
            assert (cudnn.benchmark, cudnn.deterministic) == flags and os.environ.get(name) == workspace
    finally:
        cudnn.benchmark, cudnn.deterministic = kept


def test_a_workspace_that_is_taken_away_inside_a_session_is_no_fault(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with session(Setup(device="cuda", n_threads=1)):
        del os.environ["CUBLAS_WORKSPACE_CONFIG"]
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ


def test_the_random_numbers_of_gpus_are_put_back(monkeypatch):
    put_back = []
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: ["state of a GPU"])
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", put_back.append)
    with session(Setup(n_threads=1)):
        pass
    with session(Setup(device="cuda", n_threads=1)):
        assert put_back == []
    assert put_back == [["state of a GPU"]]


def test_a_compiler_works_in_this_process():
    from torch._inductor import config

    before = config.compile_threads
    with config.patch(compile_threads=3):
        with session(Setup(n_threads=1, compile=True)):
            assert config.compile_threads == 1
        with session(Setup(n_threads=1)):
            assert config.compile_threads == 3
    assert config.compile_threads == before


BLOCKS = """
import resource
import torch
from arignote.engine.session import session
from arignote.engine.setup import Setup

def activations():
    kept = [torch.zeros(4_000_000, dtype=torch.uint8) for _ in range(12)]

def n_faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        activations()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

activations()
outside = n_faults()
with session(Setup(n_threads=1)):
    activations()
    print(outside, n_faults())
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of the allocator of glibc")
def test_memory_that_a_step_frees_is_there_for_the_next_one():
    # 48 MB are 11,719 pages of 4 KiB.
    done = subprocess.run([sys.executable, "-c", BLOCKS], capture_output=True, text=True, check=True)
    outside, inside = map(int, done.stdout.split())
    # How many come outside depends on what was freed before.
    assert outside > 10_000 and inside < 12_000 and 3 * inside < outside


def test_kernels_of_a_gpu_are_restored_by_the_last_of_overlapping_sessions(monkeypatch):
    name, cudnn = "CUBLAS_WORKSPACE_CONFIG", torch.backends.cudnn
    monkeypatch.delenv(name, raising=False)
    kept = cudnn.benchmark, cudnn.deterministic
    cudnn.benchmark, cudnn.deterministic = True, False
    try:
        first, second = (session(Setup(device="cuda", n_threads=1)) for _ in range(2))
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert (cudnn.benchmark, cudnn.deterministic, os.environ[name]) == (False, True, ":4096:8")
        second.__exit__(None, None, None)
        assert (cudnn.benchmark, cudnn.deterministic, os.environ.get(name)) == (True, False, None)
    finally:
        cudnn.benchmark, cudnn.deterministic = kept
