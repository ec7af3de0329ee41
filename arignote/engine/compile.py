"""Compilation of functions of the engine by torch.compile."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from types import FunctionType, MethodType
from typing import Any

import torch

from arignote.engine.private import compile_errors, compiler_limits, recompile_limit_errors
from arignote.errors import ConfigError

__all__ = ["N_SHAPES", "compiled", "limits"]

# Number of shapes of batches that are compiled in a fit; one more is an error.
N_SHAPES = 64


def limits() -> ExitStack:
    """Return a context in which compiling for more than `N_SHAPES` shapes is an error."""
    return compiler_limits(N_SHAPES)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that is compiled for each shape of its arguments, and raises ConfigError if that fails.

    Shapes are never dynamic: the bits of a batch would change once a batch of another shape was seen.
    """
    compiled_function = torch.compile(_copy(function), dynamic=False)

    def call(*args: Any) -> Any:
        try:
            return compiled_function(*args)
        except recompile_limit_errors():
            raise ConfigError(
                f"compile=True: batches have more than {N_SHAPES} shapes, and each is compiled on its own. "
                "Leave compile out, or let the augmentation make examples of fewer shapes"
            ) from None
        except compile_errors() as error:
            raise ConfigError(
                f"compile=True: the network cannot be compiled here; leave it out, or install a C++ compiler. ({error})"
            ) from None

    return call


def _copy(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a copy of a function with a code object of its own, to which the compiler attaches results and limits.

    Otherwise all fits of a process would share the limit of shapes.
    """
    if isinstance(function, MethodType):
        return MethodType(_copy(function.__func__), function.__self__)
    if not isinstance(function, FunctionType):
        # A function written in C has no code object.
        return function
    code = function.__code__.replace()
    return FunctionType(code, function.__globals__, function.__name__, function.__defaults__, function.__closure__)
