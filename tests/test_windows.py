"""Windows of one long series as examples, with parts that never overlap."""

from __future__ import annotations

import numpy as np
import pytest
from chunked_rows import Chunked
from command_line import arignote
from promise import Stopped, digest, killed_after
from sklearn.metrics import r2_score

from arignote import ConfigError, DataError, NNClassifier, NNRegressor
from arignote.data.prepare.fit_data import FitData
from arignote.data.prepare.prepared import prepare
from arignote.data.targets import Numbers, Targets
from arignote.spec.settings import FitSettings

RNG = np.random.default_rng(3)
N = 300
SERIES = np.column_stack([np.sin(np.arange(N) / 5), RNG.normal(size=N)]).astype(np.float32)
# The next value of the first column.
NEXT = np.sin((np.arange(N) + 1) / 5)
SETTINGS = {
    "n_epochs": 2,
    "batch_size": 16,
    "n_threads": 1,
    "valid": 0.2,
    "test": 0.1,
    "windows": {"length": 12, "step": 5},
}
LAYERS = [["GRULayer", {"n_units": 5, "only_last": True}], ["RegressionOutputLayer"]]


def fit(x=SERIES, y=NEXT, layers=LAYERS, **more):
    return NNRegressor(layers, rng=3).fit(x, y, **SETTINGS | more)


@pytest.mark.slow
def test_a_series_is_forecast_from_its_windows():
    found = fit(n_epochs=80, sgd_type="adam", lr_rule=0.02)
    assert found.evaluate(SERIES, NEXT, "r2", part="test")["r2"] > 0.9
    # A prediction for each window, whose value is that of its last step.
    predicted = found.predict(SERIES)
    ends = np.arange(11, N, 5)
    assert predicted.shape == ends.shape and found.n_features_in_ == 24
    assert np.corrcoef(predicted, NEXT[ends])[0, 1] > 0.95
    assert found.predict(SERIES[:12]).shape == (1,) and found.predict(SERIES[:12])[0] == pytest.approx(predicted[0])


@pytest.mark.parametrize(("length", "step"), [(12, 5), (12, 1), (12, 12), (7, 20)])
def test_no_step_of_the_series_is_in_windows_of_two_parts(length, step):
    settings = FitSettings(windows={"length": length, "step": step}, batch_size=8)
    data = FitData(SERIES, NEXT, valid=0.2, test=0.1, targets=Targets({"output": Numbers()}, "output"))
    parts = prepare(data, settings, seed=1).subsets
    n_windows = (N - length) // step + 1
    assert len(parts["valid"][0]) == round(0.2 * n_windows) and len(parts["test"][0]) == round(0.1 * n_windows)
    steps = {
        name: {at * step + within for at in rows.index.tolist() for within in range(length)}
        for name, (rows, _) in parts.items()
    }
    assert (
        not steps["train"] & steps["valid"]
        and not steps["valid"] & steps["test"]
        and not steps["train"] & steps["test"]
    )
    # Parts are contiguous, and follow one another in time.
    assert max(steps["train"]) < min(steps["valid"]) and max(steps["valid"]) < min(steps["test"])
    # No more is left out than has a step in common.
    n_lost = n_windows - sum(len(rows) for rows, _ in parts.values())
    assert n_lost == 2 * ((length - 1) // step)
    y = data.targets.decode({"output": parts["valid"][1]}, prepare(data, settings, seed=1).target_states)["output"]
    ends = parts["valid"][0].index * step + length - 1
    np.testing.assert_allclose(y, NEXT[ends], atol=1e-6)


def test_windows_that_a_user_holds_out_have_no_step_in_common_with_others():
    settings = FitSettings(windows={"length": 12, "step": 5}, batch_size=8)
    data = FitData(SERIES, NEXT, valid=np.array([20, 21]), targets=Targets({"output": Numbers()}, "output"))
    index = prepare(data, settings, seed=1).subsets["train"][0].index
    # Two windows on each side begin within 12 steps.
    assert sorted(set(range(58)) - set(index.tolist())) == [18, 19, 20, 21, 22, 23]


@pytest.mark.parametrize("shuffle", [True, False, "full"])
def test_a_series_in_a_file_gives_the_windows_of_one_in_memory(shuffle):
    expected = fit(shuffle=shuffle)
    if shuffle is True:
        # In chunks they come in another order.
        assert fit(Chunked(SERIES, 40)).state_.data["order"]["kind"] == "chunks"
        return
    found = fit(Chunked(SERIES, 40), shuffle=shuffle)
    assert all(np.array_equal(array, expected.params[name]) for name, array in found.params.items())


@pytest.mark.slow
def test_targets_of_each_step_are_those_of_the_steps_of_a_window():
    layers = [["LSTMLayer", {"n_units": 5}], ["ClassificationOutputLayer", {"per_step": True}]]
    labels = np.where(NEXT > 0, "up", "down")
    settings = SETTINGS | {"n_epochs": 60, "sgd_type": "adam", "lr_rule": 0.02}
    found = NNClassifier(layers, rng=3).fit(SERIES, labels, **settings)
    assert found.predict(SERIES).shape == ((N - 12) // 5 + 1, 12)
    assert found.evaluate(SERIES, labels, "accuracy", part="test")["accuracy"] > 0.85


def test_a_series_of_one_number_and_several_channels():
    one = fit(SERIES[:, 0], layers=[["FCLayer", {"n_units": 4}], LAYERS[1]])
    assert one.state_.spec["n_in"] == [12] and one.predict(SERIES[:, 0]).shape == (58,)
    layers = [
        ["InputLayer", {"channel": "a"}],
        LAYERS[0],
        ["InputLayer", {"channel": "b"}],
        ["ConcatLayer", {"inputs": ["gru1", "b"]}],
        LAYERS[1],
    ]
    both = fit({"a": SERIES, "b": SERIES[:, 1]}, layers=layers)
    assert both.state_.spec["n_in"] == {"a": [12, 2], "b": [12]}


def test_a_run_resumes_in_the_same_network_and_other_windows_are_refused(tmp_path):
    expected = digest(fit())
    stem = str(tmp_path / "run")
    with pytest.raises(Stopped):
        fit(checkpoint=stem, checkpoint_every=1, observers=killed_after(2))
    assert digest(fit(checkpoint=stem)) == expected
    with pytest.raises(Exception, match=r"fit\.windows"):
        fit(checkpoint=stem, windows={"length": 12, "step": 4})


@pytest.mark.parametrize(
    ("x", "y", "more", "words"),
    [
        (SERIES[:5], NEXT[:5], {}, "X has 5 steps, fewer than a window of 12"),
        (SERIES, NEXT[:-1], {}, "y must have a value for each of the 300 steps of the series; got 299"),
        (
            [SERIES, SERIES],
            NEXT,
            {"layers": [["InputLayer", {"lengths": True}], *LAYERS]},
            "windows are cut out of one series",
        ),
    ],
)
def test_a_series_that_does_not_fit_is_refused(x, y, more, words):
    with pytest.raises(DataError, match=words):
        fit(x, y, **more)


@pytest.mark.parametrize(
    ("windows", "words"),
    [({"length": 0}, "length must be an integer >= 1; got 0"), ({"step": 3}, "length"), (5, "windows")],
)
def test_windows_that_are_none_are_refused(windows, words):
    with pytest.raises(ConfigError, match=words):
        fit(windows=windows)


@pytest.mark.slow
def test_a_config_of_a_series_from_training_to_predictions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savetxt("s.csv", np.column_stack([SERIES, NEXT]), delimiter=",", header="a,b,next", comments="", fmt="%.9g")
    (tmp_path / "c.yaml").write_text(
        """
rng: 3
data: {train: {features: "s.csv:a,b", labels: "s.csv:next"}, valid: 0.2, test: 0.1}
layers: [[GRULayer, {n_units: 5, only_last: true}], [RegressionOutputLayer]]
fit: {n_epochs: 2, batch_size: 16, n_threads: 1, windows: {length: 12, step: 5}, checkpoint: run}
"""
    )
    for words in (
        ["check", "c.yaml", "--data"],
        ["fit", "c.yaml"],
        ["evaluate", "run", "--config", "c.yaml", "--part", "test"],
        ["predict", "run", "--features", "s.csv:a,b", "--out", "p.csv"],
    ):
        ended = arignote(*words)
        assert ended.code == 0, ended
    assert "58 rows -> p.csv" in ended.out
    ended = arignote("check", "c.yaml", "--set", "fit.windows={length: 0}")
    assert ended.code == 2 and "length must be an integer >= 1; got 0" in ended.err


def test_scores_and_weights_are_of_the_last_steps_of_windows():
    ends = np.arange(11, N, 5)
    found = fit()
    predicted, weights = found.predict(SERIES), np.arange(N) % 7
    for given, taken in ((None, None), (weights, weights[ends])):
        expected = r2_score(NEXT[ends], predicted, sample_weight=taken)
        assert found.score(SERIES, NEXT, sample_weight=given) == pytest.approx(expected, abs=1e-6)
    signs = NNClassifier([LAYERS[0], ["ClassificationOutputLayer"]], rng=3, **SETTINGS).fit(SERIES, NEXT > 0)
    assert signs.score(SERIES, NEXT > 0) == np.mean(signs.predict(SERIES) == (NEXT > 0)[ends])
    with pytest.raises(DataError, match="y must have a value for each of the 300 steps of the series; got 299"):
        signs.score(SERIES, NEXT[1:] > 0)
    # Weights of steps at which no window ends count for nothing.
    others = np.where(np.isin(np.arange(N), ends), weights, 1000)
    assert digest(fit(sample_weight=weights)) == digest(fit(sample_weight=others)) != digest(found)


def test_windows_whose_last_steps_have_one_group_stay_together():
    settings = FitSettings(windows={"length": 12, "step": 5}, batch_size=8)
    targets = Targets({"output": Numbers()}, "output")
    groups = np.arange(N) // 50
    rows = prepare(FitData(SERIES, NEXT, valid=0.3, groups=groups, targets=targets), settings, seed=1).subsets
    held, trained = ({(at * 5 + 11) // 50 for at in rows[name][0].index.tolist()} for name in ("valid", "train"))
    assert held and trained and not held & trained


@pytest.mark.parametrize("name", ["sample_weight", "groups"])
def test_weights_and_groups_of_windows_are_refused(name):
    with pytest.raises(
        DataError, match=rf"{name} must be one value for each step of the series; got the shape \(58,\)"
    ):
        fit(**{name: np.ones(58)})
