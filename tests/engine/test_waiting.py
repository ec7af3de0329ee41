"""How threads of OpenMP wait for one another, which is decided when torch is loaded."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import pytest

from arignote import ConfigError

CODE = "import os, arignote.engine.setup; print({'GOMP_SPINCOUNT', 'OMP_WAIT_POLICY'} & os.environ.keys())"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="GNU's OpenMP reports its settings")
@pytest.mark.parametrize(("given", "reported"), [({}, "'1000'"), ({"GOMP_SPINCOUNT": "77"}, "'77'")])
def test_they_spin_for_a_short_time_unless_the_user_says_for_how_long(given, reported):
    plain = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    environment = plain | given | {"OMP_DISPLAY_ENV": "VERBOSE"}
    ended = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    if "GOMP_SPINCOUNT" not in ended.stderr:
        pytest.skip("torch does not use GNU's OpenMP here")
    assert f"GOMP_SPINCOUNT = {reported}" in ended.stderr
    assert ended.stdout.strip() == str(set(given) or "set()")


def test_without_torch_the_way_out_is_named(monkeypatch):
    engine = importlib.import_module("arignote.engine")
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    with pytest.raises(ConfigError) as caught:
        importlib.reload(engine)
    assert str(caught.value) == "to train and to predict, PyTorch must be installed: pip install torch"
