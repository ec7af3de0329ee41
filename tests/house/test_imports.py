"""Each module can be imported before the other modules of its layer, whatever their order."""

from __future__ import annotations

import json
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import arignote

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(m.name for m in pkgutil.walk_packages(arignote.__path__, "arignote.") if "__main__" not in m.name)

# Libraries are loaded once. Layers from the lowest: each module is imported in a fork of its own, in which the layers
# below are loaded. They can hide no fault of it, for the contract of import-linter lets them import nothing of its own.
# A module that its package has loaded needs no fork: to import it is to import the package first, as the package's did.
# A collection of garbage in a fork would write to all objects, and so copy all memory.
CODE = """
import gc, importlib, json, os, sys
gc.disable()
import h5py, pandas, pydantic, ruamel.yaml, safetensors.numpy, sklearn.metrics, torch, typer
failed, loaded = {}, set()
for layer in json.loads(sys.argv[1]):
    for module in layer:
        if module in loaded:
            continue
        reading, writing = os.pipe()
        if os.fork() == 0:
            try:
                importlib.import_module(module)
                answer = [None, [name for name in sys.modules if name.startswith(module + ".")]]
            except BaseException as error:
                answer = [f"{type(error).__name__}: {error}", []]
            with os.fdopen(writing, "w") as pipe:
                json.dump(answer, pipe)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            message, by_package = json.load(pipe)
        os.wait()
        loaded.update(by_package)
        if message:
            failed[module] = message
    for module in layer:
        importlib.import_module(module)
print(json.dumps(failed))
"""


def modules_by_layer():
    """Return the modules of each layer of the contract, the lowest first; those of no layer come last."""
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    layers = [re.split(r" [|:] ", layer) for layer in reversed(contract["layers"])]
    found = [[m for m in MODULES if any(m == name or m.startswith(f"{name}.") for name in layer)] for layer in layers]
    return [*found, [m for m in MODULES if not any(m in layer for layer in found)]]


def test_every_module_is_in_a_layer_or_imports_what_is():
    layers = modules_by_layer()
    assert sorted(module for layer in layers for module in layer) == MODULES
    assert {module.split(".")[1] for module in layers[-1]} == {"sample_data"}


@pytest.mark.slow
def test_every_module_is_imported_alone():
    words = [sys.executable, "-c", CODE, json.dumps(modules_by_layer())]
    ended = subprocess.run(words, capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout) == {}


@pytest.mark.slow
def test_settings_know_all_parts_in_a_fresh_process():
    code = "from arignote.spec.settings import FitSettings; print(type(FitSettings().sgd_type).__name__)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["Adadelta"]
