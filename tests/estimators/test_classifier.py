"""NNClassifier behaves as scikit-learn's users expect."""

from __future__ import annotations

import pickle
import random
import warnings

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from arignote import ArignoteWarning, Data, DataError, DataWithHoldoutPartitions, NNClassifier

MLP = [["FC", {"n_units": 16, "activation": "relu"}], ["ClassificationOutput"]]
FAST = {"n_epochs": 8, "batch_size": 32, "sgd_type": "nag", "lr_rule": 0.1}


def test_strings_columns_and_frames_are_labels_and_features(digits):
    pandas = pytest.importorskip("pandas")
    X, y = digits
    words = np.array(list("abcdefghij"))[y]
    plain = NNClassifier(MLP, rng=1).fit(X, y, **FAST)
    named = NNClassifier(MLP, rng=1).fit(pandas.DataFrame(X), pandas.Series(words), **FAST)
    column = NNClassifier(MLP, rng=1).fit((X, y[:, None]), **FAST)
    assert set(named.predict(X)) <= set("abcdefghij") and named.classes_.tolist() == list("abcdefghij")
    assert np.array_equal(named.predict_proba(X), plain.predict_proba(X))
    assert np.array_equal(column.predict_proba(X), plain.predict_proba(X))
    assert plain.score(X, y) > 0.8


@pytest.fixture
def frames(digits):
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(digits[0], columns=[f"pixel{n}" for n in range(digits[0].shape[1])]), digits[1]


def test_the_names_of_columns_are_learned_and_kept_in_files(frames, tmp_path):
    X, y = frames
    fitted = NNClassifier(MLP, rng=1).fit(X, y, **FAST, checkpoint=str(tmp_path / "run"))
    for classifier in (fitted, NNClassifier.load(str(tmp_path / "run")), pickle.loads(pickle.dumps(fitted))):
        assert classifier.feature_names_in_.tolist() == X.columns.tolist()
        with pytest.warns(ArignoteWarning, match="X does not have valid feature names"):
            found = classifier.predict(X.to_numpy())
        assert np.array_equal(classifier.predict(X), found)
    # The values decide whether it is the same run, not what they are called.
    again = NNClassifier(MLP, rng=1).fit(X.to_numpy(), y, **FAST, checkpoint=str(tmp_path / "run"))
    assert len(again.state_.starts) == 1
    assert not hasattr(fitted.fit(X.to_numpy(), y, n_epochs=1, resume=True), "feature_names_in_")


def test_labels_in_wider_text_than_they_need_are_classes_like_others(digits, tmp_path):
    X, y = digits
    # Numbers become text of 21 letters.
    fitted = NNClassifier(MLP, rng=1, n_epochs=1).fit(X, y.astype(str), checkpoint=str(tmp_path / "run"))
    assert fitted.classes_.tolist() == NNClassifier.load(str(tmp_path / "run")).classes_.tolist() == list("0123456789")


def test_columns_that_have_no_names_leave_none(frames):
    X, y = frames
    for data in ((X.to_numpy(), y), (X.set_axis(range(X.shape[1]), axis=1), y)):
        assert not hasattr(NNClassifier(MLP, rng=1, n_epochs=1).fit(*data), "feature_names_in_")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda X: X.rename(columns={"pixel3": "pixel99"}), "lacks the column 'pixel3', .*There are: pixel0, "),
        (lambda X: X.drop(columns=["pixel0", "pixel5"]), "lacks the columns 'pixel0', 'pixel5', .*There are: pixel1, "),
        (lambda X: X[["pixel1", *X.columns]], "has several columns 'pixel1'"),
    ],
)
def test_a_frame_that_lacks_a_column_is_refused_by_its_name(change, words, frames):
    X, y = frames
    fitted = NNClassifier(MLP, rng=1, n_epochs=1).fit(X, y)
    for act in (fitted.predict, fitted.predict_proba, lambda X: fitted.evaluate(X, y), lambda X: fitted.score(X, y)):
        with pytest.raises(DataError, match=rf"^X {words}"):
            act(change(X))
    with pytest.raises(DataError, match=rf"^valid {words}"):
        NNClassifier(MLP, rng=1, n_epochs=1).fit(X, y, valid=(change(X), y))


@pytest.mark.parametrize("wrap", [lambda X, y: (X, y), lambda X, y: ((X, y),), lambda X, y: (Data(X, y),)])
def test_the_columns_of_a_frame_are_put_in_the_order_of_fit(wrap, frames):
    X, y = frames
    other = X[X.columns[::-1]].assign(more="text")
    fitted = NNClassifier(MLP, rng=1, n_epochs=1).fit(X, y, valid=(other, y), test=0.2)
    expected = fitted.predict_proba(X)
    # Taken by position, they would give other numbers.
    with pytest.warns(ArignoteWarning, match="valid feature names"):
        assert not np.allclose(fitted.predict_proba(X.to_numpy()[:, ::-1]), expected)
    assert np.array_equal(fitted.predict_proba(other), expected) and fitted.score(other, y) == fitted.score(X, y)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "this run was trained on")
        assert fitted.evaluate(*wrap(other, y)) == fitted.evaluate(*wrap(X, y))
    assert fitted.evaluate(*wrap(other, y), part="test") == fitted.evaluate(X, y, part="test")
    assert fitted.evaluate(*wrap(other, y), part="valid")["nll"] == pytest.approx(fitted.best_["value"])


def test_probabilities_add_up_and_evaluate_agrees_with_score(digits):
    fitted = NNClassifier(MLP, rng=1).fit(*digits, **FAST)
    assert fitted.predict_proba(digits[0]).sum(1) == pytest.approx(1, abs=1e-5)
    assert fitted.evaluate(*digits)["error"] == pytest.approx(1 - fitted.score(*digits))


def test_logarithms_of_probabilities_are_those_of_scipy(digits):
    fitted = NNClassifier(MLP, rng=1).fit(*digits, **FAST)
    wanted = log_softmax(fitted.layer_output(digits[0], "output").astype(np.float64), axis=1)
    assert fitted.predict_log_proba(digits[0]) == pytest.approx(wanted, abs=1e-4)
    # A probability that is 0 in float32, without a warning.
    with torch.no_grad():
        fitted.network_.named["output.b"][0] = -1e4
    assert (fitted.predict_log_proba(digits[0])[:, 0] == -np.inf).all()


def test_batches_of_all_rows_make_one_update_an_epoch_and_resume(digits, tmp_path):
    settings = FAST | {"batch_size": -1, "valid": 0.1, "checkpoint": str(tmp_path / "run")}
    fitted = NNClassifier(MLP, rng=1).fit(*digits, **settings | {"n_epochs": 3})
    assert fitted.state_.progress.n_updates == 3 and fitted.state_.spec["fit"]["batch_size"] == 270
    resumed = NNClassifier(MLP, rng=1).fit(*digits, **settings | {"n_epochs": 5})
    assert resumed.status_.startswith("resumes at epoch 4") and resumed.state_.progress.n_updates == 5


def test_one_sigmoid_unit_gives_two_classes(digits):
    X, y = digits[0], digits[1] > 4
    fitted = NNClassifier([["FC", {"n_units": 8}], ["ClassificationOutput", {"n_classes": 1}]], rng=1)
    fitted.fit(X, y.astype(int), **FAST)
    assert fitted.predict_proba(X).shape == (300, 2) and fitted.score(X, y.astype(int)) > 0.8


def test_n_classes_larger_than_those_seen_makes_classes_a_range(digits):
    fitted = NNClassifier([["ClassificationOutput", {"n_classes": 12}]], rng=1).fit(*digits, n_epochs=1)
    assert fitted.classes_.tolist() == list(range(12))


def test_it_can_be_cloned_and_searched(digits):
    search = GridSearchCV(NNClassifier(MLP, rng=1, **FAST), {"batch_size": [32, 150]}, cv=2).fit(*digits)
    assert search.best_params_ == {"batch_size": 32}
    assert clone(NNClassifier(MLP, n_epochs=7)).get_params()["n_epochs"] == 7


def test_the_same_seed_gives_the_same_network_and_global_state_is_left_alone(digits):
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate(), torch.get_num_threads()
    first = NNClassifier(MLP, rng=1, n_threads=1).fit(*digits, **FAST)
    second = NNClassifier(MLP, random_state=1, n_threads=1).fit(*digits, **FAST)
    other = NNClassifier(MLP, rng=2, n_threads=1).fit(*digits, **FAST)
    assert first.state_.history.sha256() == second.state_.history.sha256() != other.state_.history.sha256()
    assert torch.equal(torch.get_rng_state(), before[0]) and np.array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2] and torch.get_num_threads() == before[3]


@pytest.mark.slow
def test_the_best_network_is_kept_with_and_without_a_checkpoint(digits, tmp_path):
    settings = FAST | {"valid": 0.3, "n_epochs": 12, "lr_rule": 0.4}
    free = NNClassifier(MLP, rng=1).fit(*digits, **settings)
    kept = NNClassifier(MLP, rng=1).fit(*digits, **settings, checkpoint=str(tmp_path / "run"))
    last = NNClassifier(MLP, rng=1).fit(*digits, **settings, restore_best=False)
    losses = [record["valid_nll"] for record in free.history_]
    assert free.best_["value"] == min(losses) and free.best_["epoch"] == 1 + int(np.argmin(losses)) < 12
    assert np.array_equal(free.predict_proba(digits[0]), kept.predict_proba(digits[0]))
    assert not np.array_equal(free.predict_proba(digits[0]), last.predict_proba(digits[0]))


def test_data_with_partitions_is_the_same_as_fractions(digits):
    X, y = digits
    a = NNClassifier(MLP, rng=1).fit(X, y, valid=0.2, test=0.1, **FAST)
    b = NNClassifier(MLP, rng=1).fit(DataWithHoldoutPartitions(X, y, valid_frac=0.2, test_frac=0.1), **FAST)
    assert a.state_.history.sha256() == b.state_.history.sha256()


def test_data_may_alter_each_batch(digits):
    X, y = digits
    a = NNClassifier(MLP, rng=1).fit(X / 2, y, **FAST)
    b = NNClassifier(MLP, rng=1).fit(Data(X, y, alter_features=lambda x: x / 2), **FAST)
    assert a.state_.history.sha256() == b.state_.history.sha256()


def test_losses_are_weighted_by_examples_and_partitions_are_stratified(digits):
    X, y = digits
    fitted = NNClassifier(MLP, rng=1).fit(X, y, valid=0.2, shuffle=False, **FAST | {"n_epochs": 1, "batch_size": 70})
    assert fitted.history_[0]["examples_seen"] == 240
    from arignote.data.prepare.partition import partition

    parts = partition(y, {"valid": 0.2}, 1)
    assert abs(np.bincount(y[parts["valid"]], minlength=10) - np.bincount(y, minlength=10) / 5).max() <= 1
    assert sorted([*parts["valid"], *parts["train"]]) == list(range(300))


def test_fixed_parameters_stay_and_maxnorm_holds(digits):
    layers = [["FC", {"n_units": 16, "maxnorm": 0.5, "fix_params": ["b"]}], ["ClassificationOutput"]]
    fitted = NNClassifier(layers, rng=1).fit(*digits, **FAST)
    assert np.all(fitted.params["fc1.b"] == 0) and np.any(fitted.params["output.b"] != 0)
    assert np.linalg.norm(fitted.params["fc1.W"], axis=0).max() <= 0.5 + 1e-6


def test_l2_adds_twice_its_weights_to_the_gradient(digits):
    X, y = digits
    step = {"n_epochs": 1, "batch_size": 300, "sgd_type": "sgd", "lr_rule": 0.5}
    layers = [["FC", {"n_units": 4, "name": "a", "l2": 0.01, "activation": "tanh"}], ["ClassificationOutput"]]
    free = [["FC", {"n_units": 4, "name": "a", "activation": "tanh"}], ["ClassificationOutput"]]
    start = NNClassifier(free, rng=1).fit(X, y, **step | {"n_epochs": 0}).params["a.W"]
    moved = NNClassifier(layers, rng=1).fit(X, y, **step).params["a.W"]
    plain = NNClassifier(free, rng=1).fit(X, y, **step).params["a.W"]
    np.testing.assert_allclose(plain - moved, 0.5 * 2 * 0.01 * start, atol=1e-6)


def test_parameters_of_what_fit_wrote_can_be_loaded_by_layer(digits, tmp_path):
    stem = str(tmp_path / "run")
    first = NNClassifier(MLP, rng=1).fit(*digits, **FAST, checkpoint=stem)
    layers = [["FC", {"n_units": 16, "activation": "relu", "load_params": "fc1"}], ["ClassificationOutput"]]
    second = NNClassifier(layers, rng=2, stored_network=stem).fit(*digits, n_epochs=0)
    assert np.array_equal(second.params["fc1.W"], first.params["fc1.W"])
    third = NNClassifier(MLP, rng=3).fit(*digits, n_epochs=0)
    third.set_trainable_params(first, layers=["fc1"])
    assert np.array_equal(third.params["fc1.W"], first.params["fc1.W"])
    assert not np.array_equal(third.params["output.W"], first.params["output.W"])


def test_the_callers_list_is_never_changed(digits):
    layers = [["FC", {"n_units": 16}], ["ClassificationOutput"]]
    NNClassifier(layers, layer_defaults={"activation": "relu", "l2": 0.001}).fit(*digits, n_epochs=1)
    assert layers == [["FC", {"n_units": 16}], ["ClassificationOutput"]]


def test_a_network_of_fixed_parameters_stays_as_it_is_by_autograd_too(digits):
    layers = [
        ["FCMaxoutLayer", {"n_units": 4, "fix_params": True}],
        ["ClassificationOutputLayer", {"fix_params": True}],
    ]
    ends = [NNClassifier(layers, rng=1, n_epochs=n).fit(*digits).params for n in (0, 1)]
    assert all((ends[1][name] == values).all() for name, values in ends[0].items())


def test_an_augmentation_that_returns_another_shape_in_a_later_batch_is_reported(digits):
    n_calls = iter(range(100))

    def crop(x, y):
        # One call tries it out.
        return (x if next(n_calls) < 3 else x[:, 1:]), y

    layers = [["FCLayer", {"n_units": 4}], ["ClassificationOutputLayer"]]
    with pytest.raises(DataError, match=r"augmentation changes the shape of an example from \(64,\) to \(63,\)"):
        NNClassifier(layers, n_epochs=1, batch_size=64, augmentation=crop, n_workers=0).fit(*digits)
