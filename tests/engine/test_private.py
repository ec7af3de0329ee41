"""The private functions of torch against formulas in NumPy, and against the public ones that take their place."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import arignote
from arignote.engine import private

RNG = np.random.default_rng(0)


def stretches(n_lists):
    """Return lists of two vectors, the last list without negative numbers."""
    found = [[torch.from_numpy(RNG.normal(size=n).astype(np.float32)) for n in (7, 40)] for _ in range(n_lists)]
    for vector in found[-1]:
        vector.square_()
    return found


def copies(lists):
    return [[vector.clone() for vector in one] for one in lists]


def assert_equal(lists, others):
    for one, other in zip(lists, others, strict=True):
        for a, b in zip(one, other, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


def in_float64(lists):
    return [[vector.numpy().astype(np.float64) for vector in one] for one in lists]


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("mu", [0.0, 0.75])
def test_momentum_gives_the_numbers_of_its_formula(mu, decay, nesterov):
    lists = w, g, v = stretches(3)
    w0, g0, v0 = in_float64(lists)
    private.fused_sgd_(w, g, v, lr=0.1, mu=mu, decay=decay, nesterov=nesterov)
    for n in range(2):
        slope = g0[n] + decay * w0[n]
        velocity = mu * v0[n] + slope
        step = slope + mu * velocity if nesterov else velocity
        np.testing.assert_allclose(v[n], velocity, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(w[n], w0[n] - 0.1 * step, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("n", [1, 2, 50])
def test_adam_gives_the_numbers_of_its_formula(n, decay):
    lists = w, g, m, s = stretches(4)
    w0, g0, m0, s0 = in_float64(lists)
    private.fused_adam_(w, g, m, s, n, lr=0.1, betas=(0.7, 0.9), decay=decay, epsilon=0.05)
    for k in range(2):
        slope = g0[k] + decay * w0[k]
        mean, square = 0.7 * m0[k] + 0.3 * slope, 0.9 * s0[k] + 0.1 * slope**2
        step = mean / (1 - 0.7**n) / (np.sqrt(square / (1 - 0.9**n)) + 0.05)
        np.testing.assert_allclose(m[k], mean, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(s[k], square, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(w[k], w0[k] - 0.1 * step, rtol=1e-5, atol=1e-6)


# Means and the largest of squares of vectors that are not negative, once above and once below the new ones.
@pytest.mark.parametrize("is_decoupled", [False, True])
@pytest.mark.parametrize("factor", [None, 0.01, 100.0])
@pytest.mark.parametrize("n", [1, 20])
def test_variants_of_adam_give_the_numbers_of_their_formulas_in_both_ways(n, factor, is_decoupled):
    for way in (private.fused_adam_, private.adam_in_passes_):
        lists = w, g, m, s = stretches(4)
        w0, g0, m0, s0 = in_float64(lists)
        largest = None if factor is None else [vector * factor for vector in s]
        largest0 = None if largest is None else in_float64([largest])[0]
        how = {"lr": 0.1, "betas": (0.7, 0.9), "decay": 0.3, "epsilon": 0.05}
        way(w, g, m, s, n, **how, largest=largest, is_decoupled=is_decoupled)
        for k in range(2):
            slope = g0[k] + (0 if is_decoupled else 0.3) * w0[k]
            mean, square = 0.7 * m0[k] + 0.3 * slope, 0.9 * s0[k] + 0.1 * slope**2
            divisor = square if largest0 is None else np.maximum(square, largest0[k])
            step = mean / (1 - 0.7**n) / (np.sqrt(divisor / (1 - 0.9**n)) + 0.05)
            start = w0[k] * (1 - 0.1 * 0.3) if is_decoupled else w0[k]
            np.testing.assert_allclose(m[k], mean, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(s[k], square, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(w[k], start - 0.1 * step, rtol=1e-5, atol=1e-6)
            if largest is not None:
                np.testing.assert_allclose(largest[k], divisor, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_momentum_in_passes_is_momentum_in_one_pass(nesterov, decay):
    lists = stretches(3)
    others, how = copies(lists), {"lr": 0.1, "mu": 0.75, "decay": decay, "nesterov": nesterov}
    private.fused_sgd_(*lists, **how)
    private.sgd_in_passes_(*others, **how)
    assert_equal(lists, others)


@pytest.mark.parametrize("n", [1, 30])
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_adam_in_passes_is_adam_in_one_pass(n, decay):
    lists = stretches(4)
    others, how = copies(lists), {"lr": 0.1, "betas": (0.7, 0.9), "decay": decay, "epsilon": 0.05}
    private.fused_adam_(*lists, n, **how)
    private.adam_in_passes_(*others, n, **how)
    assert_equal(lists, others)


def test_the_gradient_of_the_log_softmax_is_that_of_autograd_in_both_ways():
    logits = torch.from_numpy(RNG.normal(size=(5, 4))).requires_grad_()
    g = torch.from_numpy(RNG.normal(size=(5, 4)))
    log_p = logits.log_softmax(1)
    (expected,) = torch.autograd.grad(log_p, logits, g)
    for way in (private.log_softmax_backward, private.log_softmax_backward_in_passes):
        torch.testing.assert_close(way(g, log_p.detach()), expected)


@pytest.mark.parametrize("value", [1.0, np.inf, np.nan])
def test_gradients_are_unscaled_and_checked_in_both_ways(value):
    for way in (private.unscale_, private.unscale_in_passes_):
        gradients, found = torch.tensor([8.0, value * 4]), torch.zeros(())
        way(gradients, found, torch.tensor(4.0))
        assert gradients[0] == 2.0 and bool(found) == (value != 1.0)


def test_the_scale_moves_alike_in_both_ways():
    # Not finite in updates 3 and 9; doubled after 4 in a row that were.
    expected = [8, 8, 8, 4, 4, 4, 4, 8, 8, 4, 4, 4, 4, 8]
    for way in (private.update_scale_, private.update_scale_in_passes_):
        scale, n_good, values = torch.tensor(8.0), torch.zeros((), dtype=torch.int32), []
        for update in range(14):
            way(scale, n_good, torch.tensor(float(update in (3, 9))), interval=4)
            values.append(float(scale))
        assert values == expected


def test_a_scale_that_would_become_infinite_stays_in_both_ways():
    for way in (private.update_scale_, private.update_scale_in_passes_):
        scale, n_good = torch.tensor(2.0**127), torch.zeros((), dtype=torch.int32)
        way(scale, n_good, torch.zeros(()), interval=1)
        assert float(scale) == 2.0**127
        # Twice 1.5e38 is below the largest number of float32, 3.4e38.
        scale = torch.tensor(1.5e38)
        way(scale, n_good, torch.zeros(()), interval=1)
        assert float(scale) == pytest.approx(3e38)


@pytest.mark.parametrize("name", ["_fused_sgd_", "_fused_adam_", "_fused_adamw_", "_log_softmax_backward_data"])
def test_a_version_of_torch_without_the_function_takes_the_other_way(monkeypatch, name):
    lists, g = stretches(4), torch.ones(2, 3)
    log_p = torch.zeros(2, 3).log_softmax(1)
    monkeypatch.delattr(torch, name)
    others = copies(lists)
    if name == "_fused_sgd_":
        private.fused_sgd_(*lists[:3], lr=0.1, mu=0.5, decay=0.0, nesterov=False)
        private.sgd_in_passes_(*others[:3], lr=0.1, mu=0.5, decay=0.0, nesterov=False)
    elif name.startswith("_fused_adam"):
        how = {"lr": 0.1, "betas": (0.9, 0.99), "decay": 0.3, "epsilon": 1e-8, "is_decoupled": name == "_fused_adamw_"}
        private.fused_adam_(*lists, 1, **how)
        private.adam_in_passes_(*others, 1, **how)
    else:
        expected = private.log_softmax_backward_in_passes(g, log_p)
        assert torch.equal(private.log_softmax_backward(g, log_p), expected)
    assert all(
        torch.equal(a, b) for one, other in zip(lists, others, strict=True) for a, b in zip(one, other, strict=True)
    )


def test_a_version_of_torch_without_the_functions_of_a_scaled_loss_takes_the_other_way(monkeypatch):
    for name in ("_amp_foreach_non_finite_check_and_unscale_", "_amp_update_scale_"):
        monkeypatch.delattr(torch, name)
    gradients, found = torch.tensor([8.0, -4.0]), torch.zeros(())
    private.unscale_(gradients, found, torch.tensor(4.0))
    assert gradients.tolist() == [2.0, -1.0] and found == 0.0
    scale, n_good = torch.tensor(8.0), torch.zeros((), dtype=torch.int32)
    private.update_scale_(scale, n_good, torch.zeros(()), interval=1)
    assert scale == 16.0 and n_good == 0


def limits():
    """Return what limits the compiler."""
    from torch._dynamo import config as dynamo
    from torch._inductor import config as inductor

    return (
        inductor.compile_threads,
        dynamo.recompile_limit,
        dynamo.accumulated_recompile_limit,
        dynamo.fail_on_recompile_limit_hit,
    )


def test_the_compiler_has_no_processes_and_fails_beyond_its_limit_within_the_context_alone():
    from torch._inductor import config

    with config.patch(compile_threads=3):
        before = limits()
        with private.compiler_limits(5):
            assert limits() == (1, 5, 5, True)
        assert limits() == before != (1, 5, 5, True)


@pytest.mark.parametrize("missing", [None, object()], ids=["module", "options"])
def test_a_version_of_torch_without_the_options_of_the_compiler_has_no_limits(monkeypatch, missing):
    before = limits()
    monkeypatch.setattr(private, "_named", lambda path: missing)
    with private.compiler_limits(5):
        assert limits() == before


def test_the_errors_of_the_compiler_are_those_that_this_version_of_torch_has(monkeypatch):
    from torch._dynamo import exc
    from torch._inductor.exc import InductorError

    assert private.recompile_limit_errors() == (exc.FailOnRecompileLimitHit,)
    assert private.compile_errors() == (exc.BackendCompilerFailed, InductorError)
    monkeypatch.delattr(exc, "BackendCompilerFailed")
    monkeypatch.setitem(sys.modules, "torch._inductor.exc", None)
    assert private.compile_errors() == ()
    monkeypatch.delattr(exc, "FailOnRecompileLimitHit")
    assert private.recompile_limit_errors() == ()


def test_no_other_module_uses_a_private_name_of_torch():
    package = Path(arignote.__file__).parent
    pattern = re.compile(r"torch(\.\w+)*\._[a-z]|from torch\.?[\w.]* import _|from torch\._")
    found = [str(path) for path in package.rglob("*.py") if pattern.search(path.read_text())]
    assert found == [str(package / "engine" / "private.py")]
