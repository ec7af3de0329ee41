"""Bad input: where, what was expected, what was got, the way out; and nothing written."""

from __future__ import annotations

import numpy as np
import pytest

from arignote import ArignoteWarning, CheckpointError, ConfigError, DataError, NNClassifier, NotFiniteError

OUTPUT = ["ClassificationOutputLayer"]
FC = ["FCLayer", {"n_units": 8}]
IMAGE = ["InputImageLayer", {"n_pixels": 8}]
CONV = ["ConvLayer", {"n_output_maps": 2, "filter_shape": 3}]
MLP = [FC, OUTPUT]


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([["FCLayr", {}], OUTPUT], r"layers\[0\]: unknown layer 'FCLayr'. Did you mean 'FCLayer'\?"),
        ([["FC", {"n_units": -5, "name": "fc2"}], OUTPUT], r"\(FC 'fc2'\): n_units must be an integer >= 1; got -5"),
        ([["FC", {"n_units": 8, "activation": "rellu"}], OUTPUT], "Did you mean 'relu'"),
        ([["FC", {"n_unit": 8}], OUTPUT], "unknown parameter 'n_unit'. Did you mean 'n_units'"),
        ([FC], "the last layer must be an output layer"),
        ([OUTPUT, FC], "the last layer must be an output layer"),
        ([CONV, OUTPUT], "conv1: needs images .*InputImageLayer"),
        ([IMAGE, CONV, ["MaxPool2D", {"pool_shape": 9, "name": "p"}], OUTPUT], r"p: pool_shape \[9, 9\] is larger"),
        (None, "must be a list of"),
    ],
)
def test_a_list_that_is_not_a_network_is_reported(layers, words, digits, tmp_path):
    with pytest.raises(ConfigError, match=words):
        NNClassifier(layers, rng=1).fit(*digits, checkpoint=str(tmp_path / "run"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"n_epoch": 3}, "Did you mean 'n_epochs'"),
        ({"n_epochs": "3"}, "n_epochs must be an integer; got '3'"),
        ({"sgd_type": "adm"}, "Did you mean 'adam'"),
        ({"sgd_type": ["adam", {"beta3": 0.1}]}, "Did you mean 'beta2'"),
        (
            {"lr_rule": {"rule": "stalled", "interval": 2, "multiply_by": 0.5}},
            "needs validation data: give valid, such as 0.1",
        ),
        ({"sgd_type": "sgd", "momentum_rule": 0.5}, "no momentum"),
        ({"train_loss": "error"}, "no gradient"),
        ({"checkpoint_every": "often"}, 'must be "auto"'),
        ({"device": "tpu9"}, "device must be one"),
    ],
)
def test_a_setting_that_is_wrong_is_reported(settings, words, digits, tmp_path):
    with pytest.raises(ConfigError, match=words):
        NNClassifier(MLP, rng=1).fit(*digits, checkpoint=str(tmp_path / "run"), **settings)
    assert not list(tmp_path.iterdir())


def broken(digits):
    X, y = digits
    nan = X.copy()
    nan[5, 3] = np.nan
    return {
        "length": ((X, y[:-1]), {}, "X has 300 rows, its labels 299"),
        "nan": ((nan, y), {}, "X row 5 holds nan.*allow_nonfinite"),
        "empty": ((X[:0], y[:0]), {}, "X is empty"),
        "one class": ((X, y * 0), {}, "one class only"),
        "one-hot": ((X, np.eye(10)[y]), {}, "one-hot.*argmax"),
        "one axis": ((X[:, 0], y), {}, "reshape"),
        "no labels": ((X,), {}, "fit requires y to be passed, but the target y is None"),
        "continuous": ((X, y + 0.5), {}, "looks like a regression target"),
        "no row": ((X, y), {"valid": 0.0001}, "leaves no row"),
        "all rows": ((X, y), {"valid": 0.6, "test": 0.5}, "leave no row"),
        "not a fraction": ((X, y), {"valid": 1.5}, r"fraction in \[0, 1\)"),
        "unknown class": ((X, y), {"valid": (X[:3], y[:3] + 50)}, "none of the classes"),
        "other shape": ((X, y), {"valid": (X[:3, :5], y[:3])}, "an example of valid has shape"),
    }


@pytest.mark.parametrize("case", list(broken((np.zeros((300, 64)), np.zeros(300, dtype=int)))))
def test_data_that_cannot_be_trained_on_is_reported(case, digits, tmp_path):
    data, settings, words = broken(digits)[case]
    with pytest.raises(DataError, match=words):
        NNClassifier(MLP, rng=1).fit(*data, checkpoint=str(tmp_path / "run"), **settings)
    assert not list(tmp_path.iterdir())


def test_labels_outside_n_classes_are_reported(digits):
    with pytest.raises(DataError, match="10 classes, the output layer n_classes=5"):
        NNClassifier([FC, ["ClassificationOutputLayer", {"n_classes": 5}]]).fit(*digits)


@pytest.mark.parametrize("valid", ["0.1", True])
def test_a_number_that_is_not_a_fraction_is_reported(valid, digits):
    with pytest.raises(DataError, match=rf"valid must be a fraction in \[0, 1\), row numbers or data; got {valid!r}"):
        NNClassifier(MLP, rng=1).fit(*digits, valid=valid)


def test_what_is_masked_is_missing(digits):
    X, y = digits
    third = np.arange(len(y)) == 3
    with pytest.raises(DataError, match=r"X row 3 holds nan"):
        NNClassifier(MLP, rng=1).fit(np.ma.masked_array(X, np.broadcast_to(third[:, None], X.shape)), y)
    with pytest.raises(DataError, match=r"label of X row 3 is masked"):
        NNClassifier(MLP, rng=1).fit(X, np.ma.masked_array(y, third))


def test_no_data_at_all_is_reported():
    with pytest.raises(DataError, match=r"X must be data: an array \(rows, \.\.\.\).*; got None"):
        NNClassifier(MLP, rng=1).fit(None)


@pytest.mark.parametrize(("kind", "label"), [(np.int64, "11"), (str, "'11'")])
def test_a_label_is_reported_as_it_is_written(kind, label, digits):
    X, y = digits
    wrong = np.where(y == y[0], 11, y)
    with pytest.raises(DataError, match=rf"^label {label} of valid row 0 is none of the classes"):
        NNClassifier(MLP, rng=1).fit(X, y.astype(kind), valid=(X, wrong.astype(kind)))


def test_a_batch_larger_than_the_data_is_reported_and_used_as_one(digits):
    with pytest.warns(ArignoteWarning, match="used as one batch"):
        fitted = NNClassifier(MLP, rng=1).fit(*digits, n_epochs=1, batch_size=5000)
    assert fitted.state_.progress.n_updates == 1


def test_a_loss_that_turns_nan_names_step_and_layer_and_keeps_the_last_good_file(digits, tmp_path):
    rule = {"rule": "fixed", "initial_value": 0.1, "multiply_by": 1e30, "interval": 1}
    stem = str(tmp_path / "run")
    with pytest.raises(NotFiniteError, match=r"epoch 2, batch 1: .*'fc1'.*run_last.ckpt.*Lower the learning rate"):
        NNClassifier(MLP, rng=1).fit(
            *digits, sgd_type="sgd", lr_rule=rule, n_epochs=5, checkpoint=stem, checkpoint_every="epoch"
        )
    assert NNClassifier.load(stem).n_epochs_ == 1


def test_an_augmentation_that_makes_nan_is_named_in_the_error(digits):
    def hollow(x, y, epoch):
        return (np.full_like(x, np.nan) if epoch == 1 else x), y

    with pytest.raises(NotFiniteError, match=r"epoch 2, batch 0: examples were not finite when they came") as message:
        NNClassifier(MLP, rng=1).fit(*digits, n_epochs=3, augmentation=hollow)
    assert "Check preprocessing and augmentation" in str(message.value) and "learning rate" not in str(message.value)


def test_an_augmentation_that_draws_from_another_generator_is_reported(digits):
    def noisy(x, y, rng):
        return x + np.random.rand(*x.shape).astype(np.float32), y

    with pytest.warns(ArignoteWarning, match="will not be exact"):
        NNClassifier(MLP, rng=1).fit(*digits, n_epochs=1, augmentation=noisy)


def test_an_exception_in_an_augmentation_thread_arrives_with_its_batch_and_no_thread_is_left(digits):
    import threading

    def fails(x, y, epoch):
        if epoch == 1:
            raise ValueError("broken image")
        return x, y

    with pytest.raises(DataError, match="epoch 2, batch 0: ValueError: broken image"):
        NNClassifier(MLP, rng=1).fit(*digits, n_epochs=3, augmentation=fails, n_workers=2)
    assert not [t for t in threading.enumerate() if "augment" in t.name]


def test_a_missing_run_is_reported(tmp_path):
    with pytest.raises(CheckpointError, match="there is no run"):
        NNClassifier.load(str(tmp_path / "nothing"))
