"""No file may crash, hang or fill memory: each hostile file ends in a result or an error of Arignote.

`makers.py` makes the files, `driver.py` reads each in a forked process under a limit of memory and time.
"""

from __future__ import annotations

import contextlib
import functools
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hostile.makers import FILES, reaching_outside
from hostile.readers import WITH_TORCH

HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of memory by the address space")
# Beyond what the process has before it reads: of the process with torch, some is taken by its libraries.
MEGABYTES = 1_000


@pytest.fixture(scope="module")
def ending():
    """Return a function that has a file read by a driver, and returns how that ended."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def driver(*more):
            words = [sys.executable, str(HERE / "driver.py"), str(MEGABYTES), *more]
            return stack.enter_context(
                subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )

        def read(reader, path):
            process = driver("torch") if reader in WITH_TORCH else driver()
            print(json.dumps([reader, str(path)]), file=process.stdin, flush=True)
            return json.loads(process.stdout.readline())

        yield read


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_ends_in_a_result_or_an_error_of_arignote(name, ending, tmp_path):
    reader, make, expected = FILES[name]
    found = ending(reader, make(tmp_path))
    assert found["ended"] == (expected or "result"), found
    assert len(found["message"]) < 2000, found


def test_settings_of_a_loaded_file_reach_nothing_outside(tmp_path, monkeypatch):
    """A forged checkpoint names a notice to read, a stem to write, signals and a device; none is used or stored."""
    import warnings

    import numpy as np

    from arignote import NNClassifier
    from arignote.checkpoints.reader import RunFiles

    path = reaching_outside(tmp_path)
    secret = tmp_path / "secret"
    secret.unlink()
    # A notice of this kind stops the run as soon as the file exists, and its first line becomes the reason.
    secret.write_text("root:x:0:0\n")
    stem = str(path).removesuffix("_last.ckpt")
    loaded = NNClassifier.load(stem)
    defaults = NNClassifier([])
    for name in ("preemption", "device", "stop_signals", "n_workers", "prefetch", "n_threads", "observers", "resume"):
        assert getattr(loaded, name) == getattr(defaults, name), name
    assert loaded.checkpoint == stem
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded.fit(x, x[:, 0] > 0, n_epochs=2, batch_size=8, n_threads=1, resume="force")
    assert loaded.state_.progress.epoch == 2 and loaded.state_.progress.stopped_by is None
    written = path.read_bytes()
    assert b"root:x" not in written and str(secret).encode() not in written
    state, _ = RunFiles(stem).read(path.name)
    assert state.spec["fit"]["preemption"] is None and state.spec["fit"]["stop_signals"] == list(defaults.stop_signals)
    assert not list(tmp_path.glob("elsewhere*"))


@pytest.mark.slow
def test_a_file_of_another_stem_never_becomes_a_checkpoint_to_write(tmp_path):
    from arignote import NNClassifier

    path = reaching_outside(tmp_path)
    # One file, not a run: nothing is written beside it, or where it says.
    assert NNClassifier.load(str(path)).checkpoint is None
