"""A checkpoint of 2015 becomes a run of today, and no run is overwritten by one."""

from __future__ import annotations

import numpy as np
import pytest
from of_2015 import network, output, write

from arignote.checkpoints.reader import RunFiles
from arignote.errors import CheckpointError
from arignote.fit.stored.convert import convert_2015


def test_the_state_is_written_once(tmp_path):
    last = output(4)
    old = write(tmp_path / "old.pkl.gz", network([last], [4]))
    state, files = convert_2015(old, str(tmp_path / "new"))
    stored, _ = RunFiles(str(tmp_path / "new")).read("new_last.ckpt")
    np.testing.assert_array_equal(stored.network["output.W"], last.trainable_params["W"])
    assert stored.progress.epoch == state.progress.epoch == 3 and files.existing("last") == ["new_last.ckpt"]
    with pytest.raises(CheckpointError, match=r"new_last\.ckpt: exists; give another stem"):
        convert_2015(old, str(tmp_path / "new"))
