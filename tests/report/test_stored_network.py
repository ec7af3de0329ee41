"""The size of a stored network: the same number wherever it is shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from arignote import NNClassifier
from arignote.report.comparison import comparison
from arignote.report.inspection import inspection
from arignote.report.page.gather import StoredRun, page_of
from arignote.report.page.overlay import page_of_several
from arignote.report.stored_network import n_params_of

LAYERS = [["FCLayer", {"n_units": 3, "activation": "relu"}], ["BatchNormLayer"], ["ClassificationOutputLayer"]]
# Weights and biases of 4 x 3 and 3 x 2, and two parameters for each of 3 units.
N_PARAMS = (4 * 3 + 3) + 2 * 3 + (3 * 2 + 2)


def test_running_means_are_no_parameters_wherever_the_size_of_a_network_is_shown(tmp_path):
    stem = str(tmp_path / "run")
    X = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    classifier = NNClassifier(LAYERS, rng=1).fit(X, X[:, 0] > 0, n_epochs=1, batch_size=20, checkpoint=stem)
    assert classifier.n_params == N_PARAMS == inspection(stem)["n_params"] == comparison([stem])[0]["n_params"]
    run = StoredRun.read(stem)
    assert page_of(run)["facts"]["n_params"] == page_of_several([run, run])["facts"][1]["n_params"] == str(N_PARAMS)
    # Layers of a module that is not trusted: all that the file holds, with 3 running means and 3 variances.
    untrusted = replace(run.state, spec=run.state.spec | {"layers": [["own:Layer", {}]]})
    assert n_params_of(untrusted, stem) == N_PARAMS + 6
