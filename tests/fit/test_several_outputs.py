"""Fits of networks of several outputs: what is minimised and reported, which network is best, and exact resume."""

from __future__ import annotations

import os
import signal

import forked
import numpy as np
import pytest
import torch
from promise import Stopped, digest, killed_after
from torch.nn.functional import cross_entropy, huber_loss

from arignote import CheckpointError, ConfigError, DataError, NNClassifier, NNRegressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5)).astype(np.float32)
KIND = np.array(["cat", "dog", "eel"])[np.argmax(X[:, :3], axis=1)]
SIZE = X @ [1.0, -2.0, 0.5, 0.0, 3.0] + 7
SIGN = (X[:, 3] > 0).astype(int)
# A third of the numbers, those of all eels among them in part.
MISSING = np.where(np.arange(60) % 3 == 1, np.nan, SIZE)
Y = {"kind": KIND, "size": SIZE, "sign": SIGN}

BODY = ["FCLayer", {"name": "body", "n_units": 6, "activation": "tanh"}]
KIND_LAYER = ["ClassificationOutputLayer", {"name": "kind"}]
KIND_BESIDE = ["ClassificationOutputLayer", {"name": "kind", "input": "body"}]
SIZE_LAYER = ["RegressionOutputLayer", {"name": "size", "input": "body"}]
SIGN_LAYER = ["ClassificationOutputLayer", {"name": "sign", "input": "body", "auxiliary": True}]
LAYERS = [BODY, KIND_LAYER, SIZE_LAYER, SIGN_LAYER]
WEIGHTED = {"size": ["squared", {"weight": 0.5}], "sign": ["nll", {"weight": 0.25}]}


def fitted(y=Y, layers=LAYERS, **settings):
    settings = {"batch_size": 20, "train_loss": WEIGHTED} | settings
    return NNClassifier(layers, rng=1).fit(X, y, **settings)


def with_torch(n_updates, lr, y, *, weights=None, size_loss=torch.square):
    """Minimise the weighted sum of the losses with plain torch; return the loss before each update, and the weights."""
    start = fitted(y, n_epochs=0, missing_targets=True).params
    params = {name: torch.tensor(array, requires_grad=True) for name, array in start.items()}
    of_rows = torch.ones(60) if weights is None else torch.tensor(weights / weights.mean(), dtype=torch.float32)
    kind = torch.tensor(np.unique(KIND, return_inverse=True)[1])
    known = np.isfinite(y["size"])
    scaled = (np.nan_to_num(y["size"]) - np.nanmean(y["size"])) / np.nanstd(y["size"])
    size, is_present = torch.tensor(scaled, dtype=torch.float32), torch.tensor(known)
    losses = []
    for _ in range(n_updates):
        h = torch.tanh(torch.tensor(X) @ params["body.W"] + params["body.b"])
        of_kind, of_size, of_sign = (h @ params[f"{name}.W"] + params[f"{name}.b"] for name in ("kind", "size", "sign"))
        loss = cross_entropy(of_kind, kind, reduction="none")
        loss = loss + 0.5 * torch.where(is_present, size_loss(of_size[:, 0] - size), 0.0)
        loss = loss + 0.25 * cross_entropy(of_sign, torch.tensor(SIGN), reduction="none")
        loss = (of_rows * loss).mean()
        losses.append(loss.item())
        for param, g in zip(params.values(), torch.autograd.grad(loss, list(params.values())), strict=True):
            param.data -= lr * g
    return losses, {name: param.detach().numpy() for name, param in params.items()}


WEIGHTS = RNG.uniform(0.5, 2.0, 60)
CASES = {
    "layers and losses by hand": {},
    "a loss of autograd": {"train_loss": WEIGHTED | {"size": ["huber", {"delta": 0.5, "weight": 0.5}]}},
    "rows of different weights": {"sample_weight": WEIGHTS},
    "rows without a number": {"missing_targets": True},
    "both, in several batches of an update": {
        "missing_targets": True,
        "sample_weight": WEIGHTS,
        "batch_size": 13,
        "accumulate": 5,
    },
}


@pytest.mark.parametrize("case", CASES)
def test_the_sum_of_the_losses_times_their_weights_is_minimised_as_by_plain_torch(case):
    settings = {"batch_size": 60, "n_epochs": 4, "sgd_type": "sgd", "lr_rule": 0.5} | CASES[case]
    y = Y | {"size": MISSING} if "missing_targets" in settings else Y
    ours = fitted(y, **settings)
    size_loss = (
        (lambda d: huber_loss(d, torch.zeros(60), reduction="none", delta=0.5)) if "train_loss" in CASES[case] else None
    )
    losses, params = with_torch(4, 0.5, y, weights=settings.get("sample_weight"), size_loss=size_loss or torch.square)
    np.testing.assert_allclose([row["train_loss"] for row in ours.history_], losses, rtol=1e-5)
    for name, array in params.items():
        np.testing.assert_allclose(ours.params[name], array, atol=2e-6)
    assert losses[-1] < losses[0] - 0.1


def test_the_history_has_the_losses_of_the_main_output_first_under_their_plain_names():
    history = fitted(n_epochs=1, valid=0.2, test=0.2, validate_on_train=True).history_
    assert list(history[0]) == [
        *("epoch", "examples_seen", "train_loss"),
        *("scored_train_nll", "scored_train_error", "scored_train_size_squared", "scored_train_size_mae"),
        *("scored_train_size_r2", "scored_train_sign_nll", "scored_train_sign_error"),
        *("valid_nll", "valid_error", "valid_size_squared", "valid_size_mae", "valid_size_r2"),
        *("valid_sign_nll", "valid_sign_error"),
        *("test_error", "test_nll", "test_size_rmse", "test_size_mae", "test_size_r2"),
        *("test_sign_error", "test_sign_nll"),
        *("learning_rate", "momentum", "seconds"),
    ]


def test_an_output_that_is_not_named_keeps_its_losses_and_a_list_is_for_the_main_output():
    def columns(valid_loss):
        history = fitted(n_epochs=1, valid=0.2, valid_loss=valid_loss).history_
        return [name for name in history[0] if name.startswith("valid_")]

    of_sign = ["valid_sign_nll", "valid_sign_error"]
    assert columns({"size": ["r2", "rmse"]}) == [
        "valid_nll",
        "valid_error",
        "valid_size_r2",
        "valid_size_rmse",
        *of_sign,
    ]
    of_size = ["valid_size_squared", "valid_size_mae", "valid_size_r2"]
    assert columns(["brier"]) == ["valid_brier", *of_size, *of_sign]


def test_reported_losses_are_means_over_the_rows_that_have_the_value():
    y = Y | {"size": MISSING}
    held_out = np.arange(40, 60)
    ours = fitted(y, n_epochs=2, valid=held_out, missing_targets=True, restore_best=False)
    found = ours.predict(X[held_out])
    p, q = ours.predict_proba(X[held_out]), ours.history_[-1]
    classes = np.unique(KIND, return_inverse=True)[1][held_out]
    assert q["valid_nll"] == pytest.approx(-np.log(p[np.arange(20), classes]).mean(), rel=1e-5)
    assert q["valid_error"] == pytest.approx((found["kind"] != KIND[held_out]).mean())
    true = MISSING[held_out]
    difference = (found["size"] - true)[np.isfinite(true)]
    assert 0 < np.isnan(true).sum() < 20
    assert q["valid_size_mae"] == pytest.approx(np.abs(difference).mean(), rel=1e-5)
    scale = np.nanstd(MISSING[:40])
    assert q["valid_size_squared"] == pytest.approx(((difference / scale) ** 2).mean(), rel=1e-5)
    assert q["valid_size_r2"] == pytest.approx(1 - (difference**2).mean() / np.nanvar(true), rel=1e-5)


def test_of_an_output_without_a_value_in_the_held_out_rows_the_losses_are_nan():
    size = np.where(np.arange(60) >= 40, np.nan, SIZE)
    last = fitted(Y | {"size": size}, n_epochs=1, valid=np.arange(40, 60), missing_targets=True).history_[-1]
    assert all(np.isnan(last[name]) for name in ("valid_size_squared", "valid_size_mae", "valid_size_r2"))
    assert np.isfinite([last["train_loss"], last["valid_nll"], last["valid_sign_nll"]]).all()


def test_a_row_without_any_value_is_left_out():
    layers = [BODY, ["RegressionOutputLayer", {"name": "a"}], ["RegressionOutputLayer", {"name": "b", "input": "body"}]]
    a = np.where(np.arange(60) % 3 == 0, np.nan, SIZE)
    b = np.where(np.arange(60) % 2 == 0, np.nan, SIZE)
    ours = NNRegressor(layers, rng=1).fit(X, {"a": a, "b": b}, n_epochs=1, batch_size=10, missing_targets=True)
    assert ours.history_[0]["examples_seen"] == 60 - 10
    assert ours.evaluate(X, {"a": a, "b": b})["mae"] == pytest.approx(np.nanmean(np.abs(ours.predict(X)["a"] - a)))


@pytest.mark.slow
def test_the_main_output_decides_which_network_is_best():
    # The size counts most, so that the kind is not always better when the size is.
    settings = {"n_epochs": 12, "valid": 0.3, "sgd_type": "adam", "lr_rule": 0.1, "batch_size": 8}
    ours = fitted(train_loss={"size": ["squared", {"weight": 5.0}]}, **settings)
    best = {name: np.argmin([row[f"valid_{name}"] for row in ours.history_]) for name in ("nll", "size_squared")}
    assert best["nll"] != best["size_squared"]
    assert ours.best_["epoch"] == best["nll"] + 1
    assert ours.best_["value"] == ours.history_[best["nll"]]["valid_nll"]
    # The same two layers as a regression: the size is the main output.
    of_size = NNRegressor([BODY, SIZE_LAYER, KIND_BESIDE], rng=1)
    of_size.fit(X, {"size": SIZE, "kind": KIND}, **settings)
    assert of_size.best_["value"] == min(row["valid_squared"] for row in of_size.history_)


def test_an_auxiliary_output_is_never_the_main_one_though_it_is_the_first():
    aux = ["ClassificationOutputLayer", {"name": "sign", "auxiliary": True}]
    y = {"kind": KIND, "sign": SIGN}
    ours = fitted(y, [BODY, aux, KIND_BESIDE], n_epochs=1, valid=0.2, train_loss=None)
    columns = [name for name in ours.history_[0] if name.startswith("valid_")]
    assert columns == ["valid_nll", "valid_error", "valid_sign_nll", "valid_sign_error"]
    assert ours.classes_.tolist() == ["cat", "dog", "eel"]


def test_rows_are_held_out_in_proportion_to_the_classes_of_the_main_output():
    state = fitted(n_epochs=0, valid=0.25).state_
    n_valid = state.data["valid"]["features"]["shape"][0]
    numbers = np.unique(KIND, return_counts=True)[1]
    assert n_valid == 15
    ours = fitted(n_epochs=1, valid=0.25)
    of_kind = ours.confusion(X, Y, part="valid")[0].sum(axis=1)
    assert np.abs(of_kind - numbers * 0.25).max() <= 1


# What is wrong, and where it is said.
WRONG = {
    "train_loss: there is no output layer 'sort'; output layers: kind, size, sign": {"train_loss": {"sort": "nll"}},
    "valid_loss: there is no output layer 'sort'; output layers: kind, size, sign": {"valid_loss": {"sort": ["nll"]}},
    "test_loss: there is no output layer 'sort'; output layers: kind, size, sign": {"test_loss": {"sort": ["nll"]}},
    "train_loss 'nll' does not fit RegressionOutputLayer 'size', which fits numbers; losses that do: absolute, huber": {
        "train_loss": {"size": "nll"}
    },
    "valid_loss 'rmse' does not fit ClassificationOutputLayer 'sign'": {"valid_loss": {"sign": ["rmse"]}},
    "class_weight is for one output of classes, but ClassificationOutputLayer fits classes and": {
        "class_weight": "balanced"
    },
    "balance_classes is for one output of classes": {"balance_classes": True},
}


@pytest.mark.parametrize("message", WRONG)
def test_settings_that_do_not_suit_the_outputs_are_refused(message):
    with pytest.raises(ConfigError) as error:
        fitted(n_epochs=1, **WRONG[message])
    assert message in str(error.value)


def test_a_loss_of_a_weight_is_refused_with_one_output():
    with pytest.raises(ConfigError, match="train_loss: a weight is for networks of several outputs"):
        fitted(KIND, [BODY, KIND_LAYER], train_loss=["nll", {"weight": 2.0}])
    with pytest.raises(ConfigError, match="weight must be a number > 0"):
        fitted(train_loss={"kind": ["nll", {"weight": 0}]})


def test_outputs_that_cannot_be_together_are_refused():
    same = ["RegressionOutputLayer", {"name": "copy", "input": "body", "target": "same"}]
    with pytest.raises(ConfigError, match="an output whose target is the input cannot be one of several"):
        fitted({"kind": KIND}, [BODY, KIND_LAYER, same], train_loss=None)
    only = [BODY, ["ClassificationOutputLayer", {"name": "sign", "auxiliary": True}]]
    with pytest.raises(ConfigError, match="one output layer at least must not be auxiliary"):
        fitted(SIGN, only, train_loss=None)


def test_losses_of_two_outputs_that_would_have_one_name_are_refused():
    layers = [["OrdinalOutputLayer", {"name": "age"}], ["ClassificationOutputLayer", {"name": "rank", "input": "body"}]]
    y = {"age": SIGN, "rank": SIGN}
    message = "valid_loss: 'rank_error' is a loss of 'age' and of 'rank': rename the layer 'rank'"
    with pytest.raises(ConfigError) as error:
        fitted(y, [BODY, *layers], train_loss=None)
    assert message in str(error.value) and "test_loss: 'rank_error'" in str(error.value)
    assert fitted(y, [BODY, *layers], n_epochs=0, train_loss=None, valid_loss=["nll"], test_loss=["nll"])


def test_mixup_is_refused_before_training():
    with pytest.raises(DataError, match="Mixup needs one output, of classes, flags or numbers"):
        fitted(n_epochs=1, augmentation="Mixup")


def test_missing_numbers_are_refused_with_their_output_and_row_unless_they_may_be_missing():
    message = "y of X, 'size' row 1 is missing; leave the row out, or set missing_targets=True"
    with pytest.raises(DataError, match=message):
        fitted(Y | {"size": MISSING}, n_epochs=1)
    with pytest.raises(DataError, match="y of X, 'size' column 0 is missing in every training row"):
        fitted(Y | {"size": SIZE * np.nan}, n_epochs=1, missing_targets=True)


# Resume: an epoch has 3 batches; dropout and a user's augmentation draw random numbers.
RESUMED = {
    "n_epochs": 3,
    "valid": 0.2,
    "test": 0.1,
    "sgd_type": "adam",
    "missing_targets": True,
    "train_loss": WEIGHTED,
    "batch_size": 16,
    "lr_rule": {"rule": "stalled", "initial_value": 0.05, "multiply_by": 0.5, "interval": 1},
}
WITH_DROPOUT = [BODY, ["DropoutLayer", {"name": "drop", "dropout_p": 0.3}], *LAYERS[1:]]


def negate(x, y, rng):
    """Negate some rows, and the numbers that go with them."""
    chosen = rng.random(len(x)) < 0.5
    x[chosen] *= -1
    y["size"][chosen] *= -1
    return x, y


def resumable(stem=None, y=None, layers=WITH_DROPOUT, **settings):
    more = {} if stem is None else {"checkpoint": str(stem), "checkpoint_every": 1}
    settings = RESUMED | {"augmentation": negate} | more | settings
    return NNClassifier(layers, rng=3).fit(X, Y | {"size": MISSING} if y is None else y, **settings)


@pytest.mark.slow
def test_stopped_after_every_batch_and_resumed_it_ends_in_the_same_bits(tmp_path):
    whole = resumable()
    n_updates = whole.state_.progress.n_updates
    assert n_updates == 9
    for n in range(1, n_updates):
        with pytest.raises(Stopped):
            resumable(tmp_path / f"run{n}", observers=killed_after(n))
        ended = resumable(tmp_path / f"run{n}")
        assert digest(ended) == digest(whole) and ended.state_.targets == whole.state_.targets


@pytest.mark.slow
def test_killed_and_resumed_it_ends_in_the_same_bits(tmp_path):
    code = (
        "import os, signal, sys\n"
        "import torch\n"
        "torch.set_num_threads(1)\n"
        f"sys.path.insert(0, {os.path.dirname(os.path.dirname(__file__))!r})\n"
        f"sys.path.insert(0, {os.path.dirname(__file__)!r})\n"
        "import test_several_outputs as own\n"
        "def kill(event):\n"
        "    if event.kind == 'batch' and (event.epoch, event.batch) == (2, 2):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        f"own.resumable({str(tmp_path / 'run')!r}, observers=kill, augmentation=None)"
    )
    ended = forked.run(["-c", code])
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    resumed = resumable(tmp_path / "run", augmentation=None)
    assert resumed.state_.starts == [[0, 0], [1, 1]]
    assert digest(resumed) == digest(resumable(augmentation=None))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train_loss": WEIGHTED | {"sign": ["nll", {"weight": 0.5}]}}, "fit.train_loss.sign: .* 0.25.* then, .* 0.5"),
        ({"train_loss": WEIGHTED | {"kind": "brier"}}, "fit.train_loss.kind: 'nll' then, 'brier' now"),
        ({"valid_loss": {"size": ["r2"]}}, "fit.valid_loss.size: "),
        ({"y": Y | {"size": MISSING, "sign": 2 * SIGN}}, r"targets.sign.values: \[0, 1\] then, \[0, 2\] now"),
        ({"y": Y | {"size": MISSING[::-1]}}, "data.train.labels.sha256: "),
        ({"scale_target": False}, "fit.scale_target: True then, False now"),
    ],
)
def test_a_run_is_not_resumed_with_other_losses_or_targets(changed, message, tmp_path):
    resumable(tmp_path / "run", n_epochs=1)
    with pytest.raises(CheckpointError, match=message):
        resumable(tmp_path / "run", n_epochs=1, **changed)


def test_a_weight_that_is_written_out_though_it_is_the_default_resumes(tmp_path):
    resumable(tmp_path / "run", n_epochs=1)
    named = WEIGHTED | {"kind": ["nll", {"weight": 1.0}]}
    assert resumable(tmp_path / "run", n_epochs=2, train_loss=named).status_.startswith("resumes at epoch 2")


def test_a_folder_gives_fits_of_other_weights_other_stems(tmp_path):
    stems = {
        fitted(n_epochs=0, checkpoint=f"{tmp_path}/", train_loss=loss).checkpoint_
        for loss in (None, WEIGHTED, WEIGHTED | {"kind": "nll"}, {"size": "huber"})
    }
    assert len(stems) == 3
