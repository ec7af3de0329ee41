"""Pretraining: what its runs learn, by a recursion in NumPy; which rows they see; how it resumes; what is refused."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading

import forked
import numpy as np
import pytest
from promise import Stopped, digest, killed_after, newest

from arignote import CheckpointError, ConfigError, NNClassifier, NNRegressor
from arignote.checkpoints.writer import RunWriter
from arignote.engine.network import Network
from arignote.errors import ArignoteWarning
from arignote.layers import declare, parse

LAYERS = [
    ["FCLayer", {"n_units": 6, "activation": "sigmoid"}],
    ["FCLayer", {"n_units": 4, "activation": "sigmoid"}],
    ["ClassificationOutputLayer"],
]
RATE = 0.5


def data(n=60):
    rng = np.random.default_rng(0)
    return rng.random((n, 8), dtype=np.float32), np.arange(n) % 3


def fit(stem, x=None, y=None, layers=LAYERS, pretrain=None, **more):
    own = {"n_epochs": 2, "corruption_level": 0.3} if pretrain is None else pretrain
    settings = {"rng": 3, "n_epochs": 2, "batch_size": 20, "sgd_type": "adam", "valid": 0.2, "n_threads": 1}
    x, y = data() if x is None else (x, y)
    return NNClassifier(layers, **settings | {"checkpoint": str(stem), "pretrain": own} | more).fit(x, y)


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def trained(h, W, b, n_steps, cost):
    """Return W, b, c after steps of gradient descent on the cost of sigmoid(h W + b) W^T + c, in float64."""
    h, W, b, c = h.astype(np.float64), W.astype(np.float64), b.astype(np.float64), np.zeros(h.shape[1])
    for _ in range(n_steps):
        code = sigmoid(h @ W + b)
        z = code @ W.T + c
        # The derivative of (z - h)^2, or of -h log p - (1 - h) log(1 - p) with p = sigmoid(z).
        d_z = (2 * (z - h) if cost == "squared" else sigmoid(z) - h) / h.size
        d_sums = d_z @ W * code * (1 - code)
        d_W = d_z.T @ code + h.T @ d_sums
        W, b, c = W - RATE * d_W, b - RATE * d_sums.sum(0), c - RATE * d_z.sum(0)
    return W, b, c


@pytest.mark.parametrize("cost", ["squared", "cross_entropy"])
def test_each_layer_learns_by_the_recursion_of_a_tied_autoencoder_and_training_begins_there(cost, tmp_path):
    x, y = data()
    pretrain = {"n_epochs": 5, "corruption_level": 0.0, "cost": cost}
    more = {"sgd_type": "sgd", "lr_rule": RATE, "batch_size": 60, "valid": None}
    fitted = fit(tmp_path / "run", x, y, pretrain=pretrain, **more, n_epochs=0)
    drawn = Network(declare(parse(LAYERS), (8,), 3))
    drawn.initialise(3)
    first, h = drawn.arrays(), x
    for number, name in enumerate(("fc1", "fc2"), 1):
        found = newest(tmp_path / f"run_pre{number}").network
        expected = trained(h, first[f"{name}.W"], first[f"{name}.b"], 5, cost)
        for param, values in zip(("W", "b", "b_prime"), expected, strict=True):
            np.testing.assert_allclose(found[f"{name}.{param}"], values, rtol=1e-4, atol=1e-6)
            assert param == "b_prime" or np.array_equal(fitted.params[f"{name}.{param}"], found[f"{name}.{param}"])
        assert np.abs(expected[0] - first[f"{name}.W"]).max() > 1e-3
        h = sigmoid(h @ expected[0] + expected[1])
    one, two = newest(tmp_path / "run_pre1"), newest(tmp_path / "run_pre2")
    assert np.array_equal(one.network["fc1.W"], two.network["fc1.W"])
    # What each run begins with is in its state.
    assert set(two.loaded) == {"fc1"} and set(fitted.state_.loaded) == {"fc1", "fc2"}
    assert fitted.state_.loaded["fc1"] == two.loaded["fc1"]


def test_corruption_changes_what_is_learned_and_each_layer_has_its_own(tmp_path):
    def weights(stem, level, layer="FCLayer", **more):
        layers = [[layer, {"n_units": 6, "activation": "sigmoid", **more}], LAYERS[-1]]
        fit(tmp_path / stem, layers=layers, pretrain={"n_epochs": 1, "corruption_level": level})
        return newest(tmp_path / f"{stem}_pre1").network["fc1.W"]

    assert np.abs(weights("a", 0.3) - weights("b", 0.0)).max() > 1e-4
    own = weights("c", 0.0, "DenoisingAutoEncoderLayer", corruption_level=0.3)
    assert np.array_equal(own, weights("a2", 0.3))


def test_rows_that_are_held_out_teach_no_layer(tmp_path):
    x, y = data()
    fitted = fit(tmp_path / "run", x, y, test=0.1)
    for number in (1, 2):
        state = newest(tmp_path / f"run_pre{number}")
        for part in ("train", "valid", "test"):
            one, other = (kept.data[part]["features"] for kept in (state, fitted.state_))
            assert one == other
        assert "valid_reconstruction" in state.history.records()[-1]


@pytest.mark.slow
def test_labels_within_the_data_are_no_features_of_what_is_taught(tmp_path):
    x, y = data()
    expected = fit(tmp_path / "whole", x[:40], y[:40], valid=(x[40:], y[40:])).params
    assert newest(tmp_path / "whole_pre2").data["valid"]["features"]["shape"][0] == 20
    table = np.column_stack([x, y])
    names = [f"x{n}" for n in range(8)] + ["y"]
    for name, rows in (("train", table[:40]), ("valid", table[40:])):
        np.savetxt(tmp_path / f"{name}.csv", rows, fmt="%.9g", delimiter=",", header=",".join(names), comments="")
    pairs = ((x[:40], y[:40]), None, (x[40:], y[40:]))
    files = (
        f"{tmp_path}/train.csv:!y",
        f"{tmp_path}/train.csv:y",
        (f"{tmp_path}/valid.csv:!y", f"{tmp_path}/valid.csv:y"),
    )
    for number, (features, labels, valid) in enumerate((pairs, files)):
        found = fit(tmp_path / f"run{number}", features, labels, valid=valid).params
        assert all(np.array_equal(found[name], values) for name, values in expected.items())


@pytest.mark.slow
def test_stopped_after_each_batch_of_each_run_it_ends_in_the_same_bits(tmp_path):
    expected = digest(fit(tmp_path / "whole"))
    stages = [newest(tmp_path / f"whole_pre{number}").network for number in (1, 2)]
    # 48 rows, so that each run has 2 epochs of 3 batches.
    for n_batches in range(1, 18):
        stem = tmp_path / f"run{n_batches}"
        with pytest.raises(Stopped):
            fit(stem, checkpoint_every=1, observers=killed_after(n_batches))
        with contextlib.suppress(Stopped):
            fit(stem, checkpoint_every=1, observers=killed_after(1))
        assert digest(fit(stem)) == expected
        for number, arrays in enumerate(stages, 1):
            found = newest(tmp_path / f"run{n_batches}_pre{number}").network
            assert all(np.array_equal(found[name], values) for name, values in arrays.items())


SCRIPT = """
import os, signal, sys
sys.path[:0] = {path!r}
from test_pretrain import fit
from promise import at_event
kill = at_event({number}, lambda: os.kill(os.getpid(), signal.{signal}))
fit({stem!r}, checkpoint_every=1, observers=kill)
"""


@pytest.mark.slow
def test_killed_in_the_middle_of_the_second_run_it_ends_in_the_same_bits(tmp_path):
    expected = digest(fit(tmp_path / "whole"))
    for name, code in (("SIGKILL", -signal.SIGKILL), ("SIGTERM", 128 + signal.SIGTERM)):
        stem = tmp_path / name
        path = [entry for entry in sys.path if entry] + [__file__.rpartition("/")[0]]
        ended = forked.run(["-c", SCRIPT.format(path=path, number=9, signal=name, stem=str(stem))])
        assert ended.returncode == code, ended.stderr
        assert not (tmp_path / f"{name}_last.ckpt").exists()
        stopped = newest(tmp_path / f"{name}_pre2")
        assert 0 < stopped.progress.n_updates < 6 and not stopped.finished
        assert newest(tmp_path / f"{name}_pre1").finished
        assert digest(fit(stem)) == expected


@pytest.mark.slow
def test_a_run_that_began_needs_the_runs_of_its_layers_no_more(tmp_path):
    expected = digest(fit(tmp_path / "whole", n_epochs=4))
    fit(tmp_path / "run")
    for path in tmp_path.glob("run_pre*"):
        path.unlink()
    with pytest.warns(ArignoteWarning, match="The run is resumed without it"):
        assert digest(fit(tmp_path / "run", n_epochs=4)) == expected
    assert not list(tmp_path.glob("run_pre*"))


def test_a_loaded_classifier_goes_on(tmp_path):
    expected = digest(fit(tmp_path / "whole", n_epochs=4))
    fit(tmp_path / "run")
    loaded = NNClassifier.load(str(tmp_path / "run"))
    assert digest(loaded.fit(*data(), n_epochs=4, valid=0.2, n_threads=1)) == expected


@pytest.mark.slow
def test_other_pretraining_is_another_run(tmp_path):
    fit(tmp_path / "run")
    with pytest.raises(CheckpointError, match=r"fit\.pretrain"):
        fit(tmp_path / "run", pretrain={"n_epochs": 3})
    fresh = fit(tmp_path / "run", pretrain={"n_epochs": 3}, resume="fresh")
    assert newest(tmp_path / "run_pre1").progress.epoch == 3 and fresh.status_ == "starts"


def test_its_updater_and_rate_may_be_its_own(tmp_path):
    fit(tmp_path / "run", lr_rule=0.01, pretrain={"n_epochs": 1, "sgd_type": "nag", "lr_rule": 0.25})
    spec = newest(tmp_path / "run_pre1").spec["fit"]
    assert spec["sgd_type"][0] == "nag" and spec["lr_rule"][1]["initial_value"] == 0.25
    fit(tmp_path / "other", lr_rule=0.01, pretrain={"n_epochs": 1})
    spec = newest(tmp_path / "other_pre1").spec["fit"]
    assert spec["sgd_type"][0] == "adam" and spec["lr_rule"][1]["initial_value"] == 0.01


def test_in_a_folder_each_fit_has_runs_of_its_own(tmp_path):
    stem = fit(f"{tmp_path}/runs/").checkpoint_
    stage = tmp_path / "runs" / f"{stem.rpartition('/')[2]}_pre2"
    assert newest(stage).finished
    # One that another process of a search trains is waited for.
    held = RunWriter(str(stage))
    held.acquire(lambda: None)
    for path in (tmp_path / "runs").glob("*.ckpt"):
        if "_pre" not in path.name:
            path.unlink()
    timer = threading.Timer(0.15, held.release)
    timer.start()
    with pytest.warns(ArignoteWarning, match="is training this run; waiting until it ends"):
        assert fit(f"{tmp_path}/runs/").checkpoint_ == stem
    timer.join()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"checkpoint": None}, "pretrain needs checkpoint"),
        ({"rng": None}, "pretrain needs rng, so that all of its runs hold out the same rows"),
        ({"stored_network": "other"}, "pretrain and stored_network exclude each other"),
        ({"pretrain": {"layers": ["fc9"]}}, "there is no FCLayer, LCLayer or DenoisingAutoEncoderLayer 'fc9'"),
    ],
)
def test_what_pretraining_lacks_is_named_before_anything_is_written(more, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        fit(tmp_path / "run", **more)
    assert not list(tmp_path.iterdir())


def test_the_network_of_a_run_is_loaded_by_the_estimator_of_numbers_and_reconstructs(tmp_path):
    x, _ = data()
    fit(tmp_path / "run")
    found = NNRegressor.load(str(tmp_path / "run_pre2"))
    p = {name: array.astype(np.float64) for name, array in found.params.items()}
    h = sigmoid(x @ p["fc1.W"] + p["fc1.b"])
    z = sigmoid(h @ p["fc2.W"] + p["fc2.b"]) @ p["fc2.W"].T + p["fc2.b_prime"]
    np.testing.assert_allclose(found.predict(x), z, atol=1e-5)
    np.testing.assert_allclose(found.layer_output(x, "fc1"), h, atol=1e-5)
    assert found.evaluate(x)["reconstruction"] == pytest.approx(((z - h) ** 2).mean(), rel=1e-5)
    with pytest.raises(ConfigError, match=r"score needs a y; .* use evaluate\(X\)"):
        found.score(x)
    with pytest.raises(ConfigError, match="AutoEncoderOutputLayer 'fc2' fits own_input: use NNRegressor"):
        NNClassifier.load(str(tmp_path / "run_pre2"))
