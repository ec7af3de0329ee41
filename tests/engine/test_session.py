"""What a fit changes of the engine's global state, and that all of it is put back."""

from __future__ import annotations

import pytest
import torch

from arignote.engine.session import resolve_device, session, threads_for
from arignote.errors import ConfigError
from arignote.layers import declare, parse

CPU = torch.device("cpu")


def state():
    return (
        torch.get_rng_state().tolist(),
        torch.get_num_threads(),
        torch.get_deterministic_debug_mode(),
        torch.utils.deterministic.fill_uninitialized_memory,
    )


@pytest.mark.parametrize("fault", [None, KeyboardInterrupt])
def test_everything_is_put_back_however_it_ends(fault):
    before = state()
    try:
        with session(before[1] + 1, CPU):
            torch.manual_seed(1)
            assert torch.get_num_threads() == before[1] + 1 and torch.are_deterministic_algorithms_enabled()
            assert not torch.utils.deterministic.fill_uninitialized_memory
            if fault is not None:
                raise fault
    except KeyboardInterrupt:
        assert fault is KeyboardInterrupt
    assert state() == before


def test_what_the_caller_had_set_is_kept():
    torch.set_deterministic_debug_mode("warn")
    try:
        with session(torch.get_num_threads(), CPU):
            assert torch.get_deterministic_debug_mode() == 2
        assert torch.get_deterministic_debug_mode() == 1
    finally:
        torch.set_deterministic_debug_mode("default")


def test_what_has_no_deterministic_form_is_an_error_inside():
    with session(1, CPU), pytest.raises(RuntimeError, match="does not have a deterministic implementation"):
        torch.ones(3).put_(torch.tensor([0]), torch.ones(1))


@pytest.mark.parametrize(
    ("layer", "batch_size", "one"),
    [
        (["FCLayer", {"n_units": 100}], 32, True),
        # 7,940,000 multiplications forward, and twice as many backward.
        (["FCLayer", {"n_units": 100}], 100, False),
        (["FCLayer", {"n_units": 100}], 32_000, False),
        (["FCLayer", {"n_units": 10_000}], 32, False),
        (["ConvLayer", {"n_output_maps": 32, "filter_shape": 5}], 128, False),
        (["ConvLayer", {"n_output_maps": 2, "filter_shape": 1}], 8, True),
    ],
)
def test_small_steps_take_one_thread_by_their_shapes_alone(layer, batch_size, one, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 12)
    layers = [["InputImageLayer", {"n_pixels": 28}], layer, ["ClassificationOutputLayer", {"n_classes": 10}]]
    assert threads_for(declare(parse(layers), (784,)), batch_size) == (1 if one else 12)


def test_a_device_that_is_not_there_is_told():
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ConfigError, match=r"device must be one that this machine has; got 'tpu9'\. \("):
        resolve_device("tpu9")
