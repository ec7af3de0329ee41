"""The promise for other targets than classes: SIGKILL, three kills in a row, and what is not resumed."""

from __future__ import annotations

import pickle
import random
import time

import forked
import numpy as np
import pytest
from promise import Stopped, digest, killed_after, newest

from arignote import CheckpointError, NNClassifier, NNRegressor
from arignote.checkpoints.format import decode, encode
from arignote.report.inspection import inspection

RNG = np.random.default_rng(12)
N = 60
X = RNG.normal(size=(N, 4)).astype(np.float32)
SCORE = X @ np.array([1.0, -2.0, 0.5, 0.0])
NUMBERS = np.column_stack([500 + 3 * SCORE, X[:, 1] ** 2])
NUMBERS[[5, 20]] = NUMBERS[1, 0] = NUMBERS[[2, 40], 1] = np.nan
LISTS = [[word for word, is_set in (("red", row[0] > 0), ("blue", row[1] > 0)) if is_set] for row in X]
HIDDEN = ["FCLayer", {"n_units": 5, "activation": "tanh"}]
DROPOUT = ["DropoutLayer", {"dropout_p": 0.2}]


def noisy(x, y, rng):
    return x + rng.normal(size=x.shape).astype(np.float32), y


CASES = {
    "numbers, some missing": (
        NNRegressor,
        [HIDDEN, DROPOUT, ["RegressionOutputLayer"]],
        NUMBERS,
        {"missing_targets": True, "valid_loss": ["r2", "mae"], "train_loss": ["huber", {"delta": 0.5}]},
    ),
    "a column of numbers": (
        NNRegressor,
        [HIDDEN, ["RegressionOutputLayer"]],
        NUMBERS[:, 1:],
        {"missing_targets": True},
    ),
    "unscaled numbers": (NNRegressor, [HIDDEN, ["RegressionOutputLayer"]], SCORE, {"scale_target": False}),
    "lists of labels": (NNClassifier, [HIDDEN, DROPOUT, ["MultilabelOutputLayer"]], LISTS, {}),
    "ranks": (
        NNClassifier,
        [HIDDEN, ["OrdinalOutputLayer", {"ranks": ["low", "middle", "high"]}]],
        np.array(["low", "middle", "high"])[np.digitize(SCORE, [-1, 1])],
        {"valid_loss": ["rank_error", "nll"], "balance_classes": True},
    ),
    "classes without weights of their own": (
        NNClassifier,
        [HIDDEN, DROPOUT, ["FCLayer", {"n_units": 3}], ["SoftmaxOutputLayer", {"clip": [-2.0, 2.0]}]],
        np.digitize(SCORE, [-1, 1]),
        {},
    ),
    "an augmented input": (
        NNRegressor,
        [HIDDEN, ["RegressionOutputLayer", {"target": "same"}]],
        None,
        {"augmentation": noisy, "n_workers": 2, "preprocess": [["Standardise"]], "valid_loss": ["r2", "squared"]},
    ),
}
SETTINGS = {
    "n_epochs": 3,
    "batch_size": 12,
    "valid": 0.2,
    "sgd_type": "nag",
    "lr_rule": {"rule": "stalled", "initial_value": 0.1, "multiply_by": 0.5, "interval": 1},
    "n_threads": 1,
}


def fit(case, **more):
    cls, layers, y, own = CASES[case]
    return cls(layers, rng=3, **SETTINGS | own | more).fit(X, y)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_three_times_killed_it_ends_in_the_same_network_and_predictions(case, tmp_path):
    whole = fit(case)
    for _ in range(3):
        with pytest.raises(Stopped):
            fit(case, checkpoint=str(tmp_path / "run"), checkpoint_every=1, observers=killed_after(2))
    ended = fit(case, checkpoint=str(tmp_path / "run"))
    assert digest(ended) == digest(whole) and len(ended.state_.starts) == 4
    assert np.asarray(ended.predict(X)).tolist() == np.asarray(whole.predict(X)).tolist()
    assert ended.state_.targets == whole.state_.targets


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_what_a_target_has_learned_is_kept_in_the_file_and_in_a_pickle(case, tmp_path):
    fitted = fit(case, checkpoint=str(tmp_path / "run"))
    stored = newest(tmp_path / "run")
    assert stored.targets == fitted.state_.targets and list(stored.targets) == ["output"]
    for path in sorted(tmp_path.glob("*.ckpt")):
        state = decode(path.read_bytes(), str(path))[0]
        again = decode(b"".join(encode(state)[0]), "again")[0]
        assert again.targets == fitted.state_.targets
    loaded = type(fitted).load(str(tmp_path / "run"))
    for one in (loaded, pickle.loads(pickle.dumps(fitted))):
        assert np.asarray(one.predict(X)).tolist() == np.asarray(fitted.predict(X)).tolist()
    # A loaded run goes on as the run itself would.
    if CASES[case][3].get("augmentation") is None:
        more = loaded.fit(X, CASES[case][2], n_epochs=5, valid=0.2)
        assert digest(more) == digest(fit(case, n_epochs=5))


@pytest.mark.parametrize(
    ("case", "more", "words"),
    [
        ("numbers, some missing", {"scale_target": False}, "fit.scale_target: True then, False now"),
        ("unscaled numbers", {"scale_target": True}, "fit.scale_target: False then, True now"),
        ("unscaled numbers", {"missing_targets": True}, "fit.missing_targets: False then, True now"),
        ("unscaled numbers", {"train_loss": "absolute"}, "fit.train_loss: 'squared' then, 'absolute' now"),
        (
            "lists of labels",
            {"valid_loss": "flag_error"},
            r"fit.valid_loss: \['binary_cross_entropy', 'flag_error'\] then",
        ),
    ],
)
def test_a_run_is_not_resumed_with_another_target(case, more, words, tmp_path):
    stem = str(tmp_path / "run")
    with pytest.raises(Stopped):
        fit(case, checkpoint=stem, checkpoint_every=1, observers=killed_after(3))
    with pytest.raises(CheckpointError, match=words):
        fit(case, checkpoint=stem, **more)
    # The files are kept, so that the run itself is resumed.
    assert digest(fit(case, checkpoint=stem)) == digest(fit(case))


CONFIG = """\
rng: 4
data: {train: {features: 't.csv:a,b,c', labels: 't.csv:y,z'}, valid: 0.2}
layers: [[FCLayer, {n_units: 16, activation: tanh}], [DropoutLayer, {dropout_p: 0.1}], [RegressionOutputLayer]]
fit:
  n_epochs: 24
  batch_size: 8
  missing_targets: true
  valid_loss: [r2, rmse]
  sgd_type: nag
  lr_rule: {rule: stalled, initial_value: 0.02, multiply_by: 0.5, interval: 2}
  checkpoint_every: 7
  checkpoint: CHECKPOINT
"""


def write_table(path, n_rows=600):
    rng = np.random.default_rng(5)
    table = rng.normal(size=(n_rows, 3)).round(4)
    y, z = (100 * table[:, 0] + 7).round(3), (table[:, 1] * table[:, 2]).round(4)
    cells = [
        [*map(str, row), "" if n % 9 == 0 else str(y[n]), "NA" if n % 7 == 0 else str(z[n])]
        for n, row in enumerate(table)
    ]
    path.write_text("\n".join(["a,b,c,y,z", *(",".join(row) for row in cells)]) + "\n")


@pytest.mark.slow
def test_a_regressor_that_is_killed_at_random_moments_ends_in_the_same_bits(tmp_path):
    write_table(tmp_path / "t.csv")

    def command(stem):
        path = tmp_path / f"{stem}.yaml"
        path.write_text(CONFIG.replace("CHECKPOINT", stem))
        return ["-m", "arignote", "fit", str(path)]

    forked.run(command("whole"), check=True)
    whole = inspection(str(tmp_path / "whole"))
    assert whole["finished"] and whole["epoch"] == 24
    moments, stood_at = random.Random(6), [0, 0]
    for _ in range(2):
        process = forked.Forked(command("killed"))
        process.stdout.readline()
        time.sleep(moments.uniform(0, 0.3))
        process.kill()
        process.communicate()
        found = inspection(str(tmp_path / "killed"))
        if not found["finished"]:
            stood_at = [found["epoch"], found["batch"]]
    forked.run(command("killed"), check=True)
    ended = inspection(str(tmp_path / "killed"))
    for key in ("weights_sha256", "average_sha256", "history_sha256", "epoch", "finished"):
        assert ended[key] == whole[key]
    assert ended["best"]["value"] == whole["best"]["value"] and stood_at in ended["starts"] and stood_at != [0, 0]
