"""A search whose candidates have files in a folder: what a kill leaves is taken over, and no fit is done twice."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import numpy as np
import pytest
from joblib import parallel_config
from promise import digest
from sklearn.model_selection import GridSearchCV

from arignote import ArignoteWarning, NNClassifier
from arignote.checkpoints.tensors import tensors_sha256
from arignote.checkpoints.writer import RunWriter
from arignote.fit.stored.load import read_run

LAYERS = [["FCLayer", {"name": "fc1", "n_units": 5}], ["ClassificationOutputLayer"]]
X = np.random.default_rng(0).normal(size=(240, 6)).astype(np.float32)
Y = X[:, 0] > 0


def search(folder, n_jobs=1, observers=None):
    """Return a search of twelve fits and the one of the best candidate."""
    settings = {"n_epochs": 4, "checkpoint_every": 1, "n_threads": 1}
    estimator = NNClassifier(LAYERS, rng=1, checkpoint=f"{folder}/", observers=observers, **settings)
    grid = {"batch_size": [30, 40, 60], "sgd_type": ["nag", "adam"]}
    return GridSearchCV(estimator, grid, cv=2, n_jobs=n_jobs, error_score="raise").fit(X, Y)


SCRIPT = f"""
import sys, time
sys.path[:0] = {[os.path.dirname(__file__), os.path.dirname(os.path.dirname(__file__))]!r}
import test_searches
test_searches.search("search", int(sys.argv[1]), lambda event: time.sleep(0.03))
"""


@pytest.mark.slow
def test_a_killed_search_repeats_no_fit_but_those_in_progress(tmp_path):
    n_jobs = 2
    command = [sys.executable, "-c", SCRIPT, str(n_jobs)]
    killed = subprocess.Popen(command, cwd=tmp_path, start_new_session=True, stderr=subprocess.PIPE)
    folder = tmp_path / "search"
    until = time.monotonic() + 240
    while len(list(folder.glob("*_last.ckpt"))) < 6 and time.monotonic() < until:
        assert killed.poll() is None, killed.stderr.read()
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    begun = {path.name for path in folder.glob("*_last.ckpt")}
    assert 6 <= len(begun) < 12
    found = search(folder, n_jobs)
    starts = {path.name: read_run(str(path))[0].starts for path in folder.glob("*_last.ckpt")}
    assert len(starts) == 13
    resumed = {name for name, start in starts.items() if len(start) > 1}
    assert resumed <= begun and len(resumed) <= n_jobs
    # Those went on where they were: at the batch after their last file.
    assert all(len(start) == 2 for name, start in starts.items() if name in resumed)
    whole = search(tmp_path / "whole")
    assert np.array_equal(found.cv_results_["mean_test_score"], whole.cv_results_["mean_test_score"])
    assert digest(found.best_estimator_) == digest(whole.best_estimator_)


def test_a_fit_in_a_folder_waits_for_the_process_that_trains_it(tmp_path):
    settings = {"rng": 1, "n_epochs": 1, "n_threads": 1}
    first = NNClassifier(LAYERS, checkpoint=f"{tmp_path}/", **settings).fit(X, Y)
    held = RunWriter(first.checkpoint_)
    held.acquire(lambda: None)
    timer = threading.Timer(0.15, held.release)
    timer.start()
    with pytest.warns(ArignoteWarning, match=r"process \d+ on \S+ is training this run; waiting until it ends"):
        second = NNClassifier(LAYERS, checkpoint=f"{tmp_path}/", **settings).fit(X, Y)
    timer.join()
    assert second.status_.startswith("finished") and digest(second) == digest(first)


def test_a_fit_of_fewer_epochs_has_files_of_its_own_though_the_longer_run_ends_while_it_waits(tmp_path):
    settings = {"rng": 1, "n_threads": 1}
    expected = NNClassifier(LAYERS, n_epochs=1, **settings).fit(X, Y)
    longer = NNClassifier(LAYERS, n_epochs=3, checkpoint=f"{tmp_path}/elsewhere/", **settings).fit(X, Y)
    (tmp_path / "folder").mkdir()
    held = RunWriter(longer.checkpoint_.replace("elsewhere", "folder"))
    held.acquire(lambda: None)

    def end():
        for path in (tmp_path / "elsewhere").glob("*.ckpt"):
            shutil.copy(path, tmp_path / "folder")
        held.release()

    timer = threading.Timer(0.15, end)
    timer.start()
    with pytest.warns(ArignoteWarning, match="is training this run; waiting until it ends"):
        found = NNClassifier(LAYERS, n_epochs=1, checkpoint=f"{tmp_path}/folder/", **settings).fit(X, Y)
    timer.join()
    assert found.n_epochs_ == 1 and tensors_sha256(found.params) == tensors_sha256(expected.params)
    assert found.checkpoint_ == f"{held.stem}-1" and read_run(found.checkpoint_)[0].progress.epoch == 1


def kill_once(marker, event):
    """Kill the process in the middle of an epoch, unless another one was."""
    if event.kind == "batch" and event.batch == 3:
        with contextlib.suppress(FileExistsError):
            marker.mkdir()
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.torture
def test_a_search_over_machines_of_which_one_is_killed_has_the_scores_of_a_search_on_one(tmp_path):
    distributed = pytest.importorskip("distributed")
    expected, killed = search(tmp_path / "alone").cv_results_, tmp_path / "killed"
    options = {"dashboard_address": None, "local_directory": str(tmp_path), "silence_logs": "CRITICAL"}
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, **options) as cluster,
        distributed.Client(cluster),
        parallel_config("dask", scatter=[X, Y]),
    ):
        found = search(tmp_path / "shared", None, partial(kill_once, killed)).cv_results_
    assert killed.exists()
    scores = [name for name in expected if name.endswith("_test_score")]
    assert len(scores) == 5 and all(np.array_equal(found[name], expected[name]) for name in scores)
    names = [{path.name for path in (tmp_path / place).glob("*_last.ckpt")} for place in ("alone", "shared")]
    assert names[0] == names[1]
