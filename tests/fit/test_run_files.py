"""Which process has the files of a run, and that it has them alone."""

from __future__ import annotations

import numpy as np
import pytest

from arignote import CheckpointError
from arignote.data.prepare.fit_data import FitData
from arignote.engine.processes import Processes
from arignote.fit.plan import FitRequest
from arignote.fit.run_files import locked_files
from arignote.layers import parse
from arignote.preemption.signals import StopRequest
from arignote.spec.settings import FitSettings


def request_of(checkpoint, processes=None):
    data = FitData(np.eye(4, dtype=np.float32), np.arange(4))
    layers = parse([["ClassificationOutputLayer"]])
    return FitRequest(data, layers, FitSettings(), checkpoint, None, None, processes=processes)


def test_the_first_process_holds_the_files_until_the_end(tmp_path):
    stem, stop = str(tmp_path / "run"), StopRequest()
    with locked_files(request_of(stem, Processes(0, 2)), stop) as (request, files, spool):
        assert request.checkpoint == stem and files.stem == stem and spool is None
        with pytest.raises(CheckpointError, match="run"), locked_files(request_of(stem), stop):
            pass
    with locked_files(request_of(stem), stop) as (_, files, _):
        assert files is not None


@pytest.mark.parametrize(("checkpoint", "processes"), [("run", Processes(1, 2)), (None, None), (None, Processes(0, 2))])
def test_others_and_runs_without_a_checkpoint_have_no_files(tmp_path, checkpoint, processes):
    stem = checkpoint and str(tmp_path / checkpoint)
    with locked_files(request_of(stem, processes), StopRequest()) as (request, files, spool):
        assert request.checkpoint == stem and files is spool is None
    assert list(tmp_path.iterdir()) == []
