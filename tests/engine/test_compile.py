"""Compiled functions: each shape is compiled, or there is an error; never does one run uncompiled without a message."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from arignote import ConfigError, NNClassifier
from arignote.engine import compile as rules
from arignote.engine.session import session
from arignote.engine.setup import Setup

# Warnings of torch's compiler about itself.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]
COMPILING = Setup(compile=True)


@pytest.fixture
def without_kernels(monkeypatch):
    """Functions are traced and limited as ever, and their graphs run without kernels, which take seconds each."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))


class Doubled:
    """A method that gives another result where it is not compiled."""

    def __init__(self):
        self.factor = torch.tensor(2.0)

    def __call__(self, x):
        return x * self.factor if torch.compiler.is_compiling() else torch.full_like(x, torch.nan)


def test_a_shape_too_many_is_an_error_and_no_function_runs_uncompiled(without_kernels, monkeypatch):
    monkeypatch.setattr(rules, "N_SHAPES", 2)
    with session(COMPILING):
        double = rules.compiled(Doubled().__call__)
        for n in (3, 4, 3):
            assert double(torch.ones(n)).tolist() == [2.0] * n
        with pytest.raises(ConfigError, match="more than 2 shapes"):
            double(torch.ones(5))


def test_fits_of_one_process_do_not_share_the_limit(without_kernels, monkeypatch):
    """Each network is compiled anew, as its layers are others, though the code of its method is the same."""
    monkeypatch.setattr(rules, "N_SHAPES", 1)

    class Times:
        def __init__(self, n):
            self.n = n

        def __call__(self, x):
            return x * self.n if torch.compiler.is_compiling() else torch.full_like(x, torch.nan)

    with session(COMPILING):
        for n in (2, 3, 4):
            assert rules.compiled(Times(n).__call__)(torch.ones(3)).tolist() == [n] * 3


def test_the_limit_of_the_compiler_is_put_back():
    def limits():
        config = torch._dynamo.config
        return config.recompile_limit, config.accumulated_recompile_limit, config.fail_on_recompile_limit_hit

    before = limits()
    with session(COMPILING):
        assert limits() == (rules.N_SHAPES, rules.N_SHAPES, True)
    assert limits() == before


def test_batches_of_too_many_shapes_are_an_error(without_kernels, monkeypatch):
    monkeypatch.setattr(rules, "N_SHAPES", 1)
    layers = [
        # Layers that are computed by hand are not compiled.
        ["ConvMaxoutLayer", {"n_output_maps": 2, "filter_shape": 2}],
        ["BatchNormLayer"],
        ["GlobalAveragePoolLayer"],
        ["ClassificationOutputLayer"],
    ]

    def smaller(x, y, epoch):
        return x[:, :, : 5 - epoch], y

    x = np.random.default_rng(0).normal(size=(8, 1, 5, 5)).astype(np.float32)
    with pytest.raises(ConfigError, match=r"more than 1 shapes.*fewer shapes"):
        NNClassifier(layers, rng=1, n_epochs=3, batch_size=8, compile=True, augmentation=smaller).fit(
            x, np.arange(8) % 2
        )


def test_a_compiler_that_fails_is_an_error_with_a_hint(monkeypatch):
    def fails(function, dynamic):
        assert dynamic is False

        def made(*args):
            raise torch._dynamo.exc.BackendCompilerFailed(lambda: None, RuntimeError("no compiler"), None)

        return made

    monkeypatch.setattr(torch, "compile", fails)
    with pytest.raises(ConfigError, match=r"(?s)compile=True: the network cannot be compiled here; .*\(.*no compiler"):
        rules.compiled(torch.sin)(torch.zeros(1))


def test_an_error_of_the_function_itself_is_not_one_of_the_compiler(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda function, dynamic: function)
    assert rules.compiled(torch.add)(torch.ones(1), 2).item() == 3.0

    def fails(x):
        raise ValueError("of its own")

    with pytest.raises(ValueError, match="of its own"):
        rules.compiled(fails)(torch.zeros(1))
