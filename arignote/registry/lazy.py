"""Packages that import a module when a name of it is used first: a command imports the parts that a config names."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["homes", "lazy_names"]


@cache
def homes(package: str) -> dict[str, tuple[str, str]]:
    """Return where the names of a package are.

    Parameters
    ----------
    package : str
        The imports in its stub, ``__init__.pyi``, say where its names are; by the same file editors and mypy know
        their types.

    Returns
    -------
    dict of str to (str, str)
        The module of each name, and its name there; empty of a package, or module, without a stub.
    """
    spec = find_spec(package)
    stub = Path(str(spec and spec.origin)).with_suffix(".pyi")
    if not stub.is_file():
        return {}
    # Parsed, as importing the modules is what is to be avoided.
    imports = [node for node in ast.parse(stub.read_bytes()).body if isinstance(node, ast.ImportFrom)]
    return {one.asname or one.name: (str(node.module), one.name) for node in imports for one in node.names}


def lazy_names(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return `__getattr__`, `__dir__` and `__all__` of a package whose names come on first use.

    Parameters
    ----------
    package : str
        Its name; see `homes`.
    """
    names = homes(package)
    modules = {module for module, _ in names.values()}

    def __getattr__(name: str) -> Any:
        if name in names:
            module, original = names[name]
            value = getattr(import_module(module), original)
            # From now on it is found without this function.
            setattr(sys.modules[package], name, value)
            return value
        # The module itself, such as `arignote.layers.dense`.
        if f"{package}.{name}" in modules:
            return import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return __getattr__, lambda: sorted(names), sorted(names)
