"""scikit-learn's own checks of an estimator, and what its searches and meta-estimators need of one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingRegressor, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, cross_validate
from sklearn.utils.estimator_checks import parametrize_with_checks

from arignote import NNClassifier, NNRegressor

DENSE = ["FCLayer", {"n_units": 8, "activation": "relu"}]
CLASSES, NUMBERS = [DENSE, ["ClassificationOutputLayer"]], [DENSE, ["RegressionOutputLayer"]]
# The checks ask for accuracy too, on data of two or three features.
QUICK = {"sgd_type": "adam", "lr_rule": 0.1, "n_epochs": 8, "batch_size": 32}
ESTIMATORS = [NNClassifier(CLASSES, **QUICK), NNRegressor(NUMBERS, **QUICK)]
REASON = "another number of rows gives other minibatches; see the test of one batch of all rows"
EXPECTED = {f"check_sample_weight_equivalence_on_{kind}_data": REASON for kind in ("dense", "sparse")}
# The checks have data of fewer rows, which is what the warning is about.
SMALL = "ignore:batch_size 32 is larger than the data"
rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3)).astype(np.float32)
Y, NUMBER = (X[:, 0] > 0).astype(int), X[:, 0] - X[:, 1]


def classifier(**settings):
    return NNClassifier(CLASSES, **{"rng": 1, "n_epochs": 3, "batch_size": 10, "sgd_type": "adam"} | settings)


@pytest.mark.slow
@pytest.mark.filterwarnings(SMALL)
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=lambda estimator: EXPECTED)
def test_the_checks_of_scikit_learn_pass(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.skipif(sklearn.__version__.startswith("1.7."), reason="scikit-learn 1.7 has no check of such arrays")
def test_the_checks_pass_where_arrays_of_other_libraries_are_dispatched():
    """SciPy reads the variable when it is imported; without it the check of such arrays is skipped."""
    code = (
        "import json\nfrom sklearn.utils.estimator_checks import check_estimator; import test_scikit_learn as one\n"
        "found = [row for e in one.ESTIMATORS for row in check_estimator(e, expected_failed_checks=one.EXPECTED)]\n"
        "print(json.dumps({row['check_name']: row['status'] for row in found}))"
    )
    environment = os.environ | {"SCIPY_ARRAY_API": "1", "PYTHONWARNINGS": SMALL}
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    status = json.loads(ended.stdout)
    assert status["check_array_api_input"] == "passed"
    assert {name for name, one in status.items() if one != "passed"} <= EXPECTED.keys()


@pytest.mark.parametrize(("make", "y"), [(NNClassifier, Y), (NNRegressor, NUMBER)], ids=["classes", "numbers"])
def test_in_one_batch_of_all_rows_a_weight_is_worth_as_many_equal_rows(make, y):
    """The mean of ``w_i loss_i`` over weights of mean 1 is the mean over ``w_i`` copies of each row."""
    weights = rng.integers(0, 4, 40)
    # Mean and spread of the target would be those of the rows, not of the weights.
    settings = {"rng": 1, "n_epochs": 30, "shuffle": False, "sgd_type": "nag", "lr_rule": 0.1, "scale_target": False}
    layers = CLASSES if make is NNClassifier else NUMBERS
    weighted = make(layers, batch_size=40, **settings).fit(X, y, sample_weight=weights)
    repeated = make(layers, batch_size=int(weights.sum()), **settings).fit(X.repeat(weights, 0), y.repeat(weights))
    plain = make(layers, batch_size=40, **settings).fit(X, y)
    found = [one.predict_proba(X) if make is NNClassifier else one.predict(X) for one in (weighted, repeated, plain)]
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)
    assert np.abs(found[2] - found[1]).max() > 0.01


@pytest.mark.slow
def test_workers_of_joblib_are_silent_and_share_the_cores(capfd):
    """A step of this size would run on all cores."""
    large = [["FCLayer", {"n_units": 2048}], ["FCLayer", {"n_units": 2048}], ["ClassificationOutputLayer"]]
    found = cross_validate(
        NNClassifier(large, n_epochs=0, batch_size=20), X, Y, cv=2, n_jobs=os.cpu_count(), return_estimator=True
    )
    environments = [one.state_.environment for one in found["estimator"]]
    assert {(one["n_threads"], one["n_threads_from"]) for one in environments} == {(1, "cores")}
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_search_in_a_folder_keeps_each_fit_and_trains_none_again(tmp_path):
    def searched():
        net = classifier(checkpoint=f"{tmp_path}/", n_epochs=1)
        return GridSearchCV(net, {"lr_rule": [0.1, 0.01]}, cv=2).fit(X, Y)

    first = searched()
    # One of each rate and fold, and one of all rows.
    assert len(list(tmp_path.glob("*_last.ckpt"))) == 2 * 2 + 1 and first.best_estimator_.status_ == "starts"
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.ckpt")}
    again = searched()
    assert again.best_estimator_.status_.startswith("finished")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.ckpt")} == before
    assert np.array_equal(again.predict_proba(X), first.predict_proba(X))


def test_epochs_are_a_resource_of_a_halving_search():
    search = HalvingGridSearchCV(
        classifier(), {"lr_rule": [0.1, 0.01, 1e-6]}, resource="n_epochs", min_resources=1, max_resources=9, cv=2
    ).fit(X, Y)
    assert search.n_resources_ == [1, 3] and search.best_params_["n_epochs"] == 3


@pytest.mark.slow
def test_calibration_and_ensembles_take_it_as_one_of_theirs():
    calibrated = CalibratedClassifierCV(classifier(), cv=2).fit(X, Y)
    bagged = BaggingClassifier(classifier(), n_estimators=2, random_state=0).fit(X, Y)
    voted = VotingClassifier([("net", classifier()), ("lr", LogisticRegression())], voting="soft").fit(X, Y)
    for fitted in (calibrated, bagged, voted):
        np.testing.assert_allclose(fitted.predict_proba(X).sum(axis=1), 1, atol=1e-5)
    # Each member of an ensemble has a seed of its own.
    assert len({member.state_.rng for member in bagged.estimators_}) == 2
    net = NNRegressor(NUMBERS, rng=1, n_epochs=2, batch_size=10)
    assert StackingRegressor([("net", net)], cv=2).fit(X, NUMBER).predict(X).shape == (40,)


def test_metadata_is_routed_to_a_fit_within_a_search():
    seen = []

    class Watched(NNClassifier):
        def fit(self, X, y, *, sample_weight=None, groups=None):
            seen.append((len(X), sample_weight, groups))
            return super().fit(X, y, sample_weight=sample_weight, groups=groups)

    with sklearn.config_context(enable_metadata_routing=True):
        net = Watched(CLASSES, rng=1, n_epochs=1, batch_size=8, valid=0.5)
        net.set_fit_request(sample_weight=True, groups=True).set_score_request(sample_weight=True)
        weights = np.arange(40.0)
        GridSearchCV(net, {"lr_rule": [0.1]}, cv=2, refit=False).fit(X, Y, sample_weight=weights, groups=weights % 4)
    assert [n_rows for n_rows, *_ in seen] == [20, 20]
    assert sorted(np.concatenate([weight for _, weight, _ in seen]).tolist()) == weights.tolist()
    assert all(np.array_equal(weight % 4, group) for _, weight, group in seen)
