"""Functions of the engine, compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from arignote.errors import ConfigError

__all__ = ["compiled"]


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that is compiled for each shape it meets; ConfigError where that cannot be done.

    Shapes are never taken for variable: a batch would have other bits once a smaller one was seen.
    """
    made = torch.compile(function, dynamic=False)

    def call(*args: Any) -> Any:
        try:
            return made(*args)
        except (torch._dynamo.exc.BackendCompilerFailed, torch._inductor.exc.InductorError) as fault:
            raise ConfigError(
                f"compile=True: the network cannot be compiled here; leave it out, or see to a C++ compiler. ({fault})"
            ) from None

    return call
