"""What `monitor` may name: the norm of the gradient and layers, each under a name of its own."""

from __future__ import annotations

import numpy as np
import pytest
from command_line import arignote

from arignote import ConfigError, NNClassifier

LAYERS = [["FCLayer", {"n_units": 8, "activation": "relu"}], ["ClassificationOutputLayer"]]
RNG = np.random.default_rng(3)
X = RNG.normal(size=(60, 5)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
# Without momentum an update is the gradient times the rate.
SGD = {"sgd_type": "sgd", "lr_rule": 0.25, "batch_size": 60, "n_threads": 1, "restore_best": False, "shuffle": False}


def fit(layers=LAYERS, **settings):
    return NNClassifier(layers, rng=3).fit(X, Y, **SGD | settings)


@pytest.mark.parametrize(
    ("monitor", "words"),
    [
        (
            ["grad_norm", "fc2"],
            r"monitor: there is no layer 'fc2'. Did you mean 'fc1'\? There are: grad_norm, input, fc1, ",
        ),
        ("gradnorm", r"there is no layer 'gradnorm'. Did you mean 'grad_norm'\?"),
        (["fc1", "fc1"], "monitor names 'fc1' twice"),
        ({"fc1": 1}, "monitor must be a list"),
        (3, "monitor must be a list"),
        ([3], "monitor must be text"),
    ],
)
def test_what_cannot_be_monitored_is_refused_before_training(monitor, words, tmp_path):
    with pytest.raises(ConfigError, match=words):
        fit(monitor=monitor, checkpoint=str(tmp_path / "run"))
    assert not list(tmp_path.iterdir())


def test_a_config_names_the_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", X)
    np.save("y.npy", Y)
    config = """rng: 1
data: {train: {features: x.npy, labels: y.npy}, valid: 0.2}
layers: [[FCLayer, {n_units: 3}], [ClassificationOutputLayer]]
fit:
  n_epochs: 1
  checkpoint: null
  monitor: [grad_norm, fc3]
"""
    (tmp_path / "c.yaml").write_text(config)
    for command in ("check", "fit"):
        ended = arignote(command, "c.yaml")
        assert ended.code == 2 and "c.yaml:7:3: fit.monitor: there is no layer 'fc3'. Did you mean 'fc1'?" in ended.err
    out = arignote("fit", "c.yaml", "--set", "fit.monitor=[grad_norm, fc1]").out
    assert "grad_norm" in out and "fc1.zeros" in out


def test_a_name_that_means_the_gradient_and_a_layer_is_refused():
    layers = [["FCLayer", {"name": "grad_norm", "n_units": 3}], ["ClassificationOutputLayer"]]
    with pytest.raises(ConfigError, match="'grad_norm' is the norm of the gradient, and the name of a layer: rename"):
        NNClassifier(layers, monitor=["grad_norm"]).fit([[0.0], [1.0]], [0, 1])
