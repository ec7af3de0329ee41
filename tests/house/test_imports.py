"""Each module can be imported alone, whatever was imported before it."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys

import pytest

import arignote

MODULES = sorted(m.name for m in pkgutil.walk_packages(arignote.__path__, "arignote.") if "__main__" not in m.name)

# Libraries are loaded once; each module is then imported in a fork of its own, in which no other one is loaded.
CODE = """
import importlib, json, os, sys, warnings
import h5py, numpy, pydantic, ruamel.yaml, safetensors.numpy, sklearn.base, torch, typer
failed = {}
for module in json.loads(sys.argv[1]):
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            importlib.import_module(module)
        except BaseException as error:
            os.write(writing, f"{type(error).__name__}: {error}".encode()[:4000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        message = pipe.read().decode()
    os.wait()
    if message:
        failed[module] = message
assert "arignote" not in sys.modules
print(json.dumps(failed))
"""


@pytest.mark.slow
@pytest.mark.parametrize("half", [0, 1])
def test_every_module_is_imported_alone(half):
    ended = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(MODULES[half::2])], capture_output=True, text=True, check=True
    )
    assert json.loads(ended.stdout) == {}


@pytest.mark.slow
def test_settings_know_all_parts_in_a_fresh_process():
    code = "from arignote.spec.settings import FitSettings; print(type(FitSettings().sgd_type).__name__)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["Adadelta"]
