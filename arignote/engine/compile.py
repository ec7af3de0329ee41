"""Functions of the engine, compiled."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from types import FunctionType, MethodType
from typing import Any

import torch

from arignote.engine.private import compile_errors, compiler_limits, recompile_limit_errors
from arignote.errors import ConfigError

__all__ = ["N_SHAPES", "compiled", "limits"]

# Shapes of batches that are compiled in a fit; one more is an error.
N_SHAPES = 64


def limits() -> ExitStack:
    """Return a context in which compiling for more than `N_SHAPES` shapes is an error."""
    return compiler_limits(N_SHAPES)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that is compiled for each shape it meets; ConfigError where that cannot be done.

    Shapes are never taken for variable: a batch would have other bits once a smaller one was seen.
    """
    made = torch.compile(_copy(function), dynamic=False)

    def call(*args: Any) -> Any:
        try:
            return made(*args)
        except recompile_limit_errors():
            raise ConfigError(
                f"compile=True: batches have more than {N_SHAPES} shapes, and each is compiled on its own. "
                "Leave compile out, or let the augmentation make examples of fewer shapes"
            ) from None
        except compile_errors() as fault:
            raise ConfigError(
                f"compile=True: the network cannot be compiled here; leave it out, or install a C++ compiler. ({fault})"
            ) from None

    return call


def _copy(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose code is an object of its own, with which the compiler keeps its results and counts them.

    Fits of one process would share the limit otherwise.
    """
    if isinstance(function, MethodType):
        return MethodType(_copy(function.__func__), function.__self__)
    if not isinstance(function, FunctionType):
        # Written in C, it has no code that could be copied.
        return function
    code = function.__code__.replace()
    return FunctionType(code, function.__globals__, function.__name__, function.__defaults__, function.__closure__)
