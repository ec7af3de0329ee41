"""Names of packages that come on first use."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

import arignote
from arignote.registry.lazy import homes

STUBS = sorted(Path(arignote.__file__).parent.rglob("__init__.pyi"))
PACKAGES = [".".join(path.relative_to(Path(arignote.__file__).parents[1]).parent.parts) for path in STUBS]


@pytest.mark.parametrize(("package", "stub"), list(zip(PACKAGES, STUBS, strict=True)), ids=PACKAGES)
def test_a_package_has_the_names_of_its_stub(package, stub):
    """Of which mypy knows `__all__`, and the package the imports."""
    module = importlib.import_module(package)
    [listed] = [
        ast.literal_eval(node.value) for node in ast.parse(stub.read_text()).body if isinstance(node, ast.Assign)
    ]
    assert sorted(listed) == module.__all__ == dir(module) == sorted(homes(package))
    for name in listed:
        home, original = homes(package)[name]
        assert getattr(module, name) is getattr(importlib.import_module(home), original)


def test_a_package_has_its_modules_and_nothing_else():
    assert arignote.layers.dense.FCLayer is arignote.layers.FCLayer
    with pytest.raises(AttributeError, match=r"^module 'arignote.layers' has no attribute 'FCLayr'$"):
        _ = arignote.layers.FCLayr
    with pytest.raises(ImportError, match="cannot import name 'FCLayr'"):
        exec("from arignote.layers import FCLayr")


def test_a_module_without_a_stub_has_no_homes():
    assert homes("arignote.optim.stopping") == homes("arignote.checkpoints") == {}
