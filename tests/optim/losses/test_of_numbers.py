"""Losses of numbers, held by torch, scikit-learn and tables worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score, root_mean_squared_error
from torch.nn import functional

from arignote.registry import build

RNG = np.random.default_rng(3)
OUTPUTS = RNG.normal(size=(9, 3)) * 2
Y = RNG.normal(size=(9, 3))
WEIGHTS = RNG.uniform(0, 2, 9)
NAN = np.nan
OF_TORCH = {
    "squared": functional.mse_loss,
    "absolute": functional.l1_loss,
    "huber": functional.huber_loss,
    "huber of 0.5": lambda o, y, reduction: functional.huber_loss(o, y, reduction=reduction, delta=0.5),
    "huber of 3": lambda o, y, reduction: functional.huber_loss(o, y, reduction=reduction, delta=3.0),
}
SPECS = {name: [name.split()[0], {"delta": float(name.split()[2])} if "of" in name else {}] for name in OF_TORCH}


def of_rows(spec, outputs=OUTPUTS, y=Y):
    return build("loss", spec).build()(torch.as_tensor(outputs), torch.as_tensor(y)).numpy()


def gradient(spec, y, weights=None, outputs=OUTPUTS):
    leaf = torch.tensor(outputs, requires_grad=True)
    given = [] if weights is None else [torch.as_tensor(weights)]
    build("loss", spec).mean()(leaf, torch.as_tensor(y), *given).backward()
    return leaf.grad.numpy()


@pytest.mark.parametrize("name", OF_TORCH)
@pytest.mark.parametrize("n_columns", [1, 3])
def test_values_of_rows_means_and_gradients_are_those_of_torch(name, n_columns):
    outputs, y = OUTPUTS[:, :n_columns], Y[:, :n_columns]
    leaf = torch.tensor(outputs, requires_grad=True)
    costs = OF_TORCH[name](leaf, torch.tensor(y), reduction="none")
    np.testing.assert_allclose(of_rows(SPECS[name], outputs, y), costs.detach().numpy().mean(axis=1))
    mean = build("loss", SPECS[name]).mean()
    assert float(mean(torch.tensor(outputs), torch.tensor(y))) == pytest.approx(costs.mean().item())
    (costs.mean(dim=1) * torch.tensor(WEIGHTS)).mean().backward()
    np.testing.assert_allclose(gradient(SPECS[name], y, WEIGHTS, outputs), leaf.grad.numpy())


def test_huber_is_worked_out_by_hand():
    outputs = np.array([[0.5], [1.0], [-1.0], [3.0], [-3.0]])
    zero = np.zeros((5, 1))
    assert of_rows("huber", outputs, zero).tolist() == [0.125, 0.5, 0.5, 2.5, 2.5]
    # delta * (|d| - delta / 2) = 2 * (3 - 1)
    assert of_rows(["huber", {"delta": 2.0}], outputs, zero).tolist() == [0.125, 0.5, 0.5, 4.0, 4.0]
    assert (gradient(["huber", {"delta": 2.0}], zero, outputs=outputs) * 5).ravel().tolist() == [0.5, 1.0, -1.0, 2, -2]


MISSING = np.array([[1.0, NAN], [NAN, 4.0], [2.0, 6.0]])
GIVEN = np.array([[3.0, 7.0], [7.0, 1.0], [1.0, 9.0]])


@pytest.mark.parametrize(
    ("name", "by_row", "slopes"),
    [
        # Differences 2, -; -, -3; -1, 3: a row is the mean over its columns that are there.
        ("squared", [4.0, 9.0, 5.0], [[4.0, 0.0], [0.0, -6.0], [-1.0, 3.0]]),
        ("absolute", [2.0, 3.0, 2.0], [[1.0, 0.0], [0.0, -1.0], [-0.5, 0.5]]),
        ("huber", [1.5, 2.5, 1.5], [[1.0, 0.0], [0.0, -1.0], [-0.5, 0.5]]),
    ],
)
def test_a_missing_target_counts_neither_in_the_loss_nor_in_the_gradient(name, by_row, slopes):
    assert of_rows(name, GIVEN, MISSING).tolist() == by_row
    np.testing.assert_allclose(gradient(name, MISSING, outputs=GIVEN), np.array(slopes) / 3)
    weights = np.array([1.0, 0.0, 2.0])
    expected = weights[:, None] * np.array(slopes) / 3
    np.testing.assert_allclose(gradient(name, MISSING, weights, GIVEN), expected)


def value(name, outputs, y, units=None):
    """Return a loss of rows that are scored in one block."""
    loss = build("loss", name)
    means = loss.mean()(torch.as_tensor(outputs), torch.as_tensor(y)).numpy()
    return loss.value(means, np.ones(y.shape[1]) if units is None else np.array(units))


UNITS = np.array([10.0, 0.5, 3.0])


@pytest.mark.parametrize("name", ["mae", "rmse", "r2"])
@pytest.mark.parametrize("n_columns", [1, 3])
def test_scores_are_those_of_scikit_learn_in_units_of_the_target(name, n_columns):
    outputs, y, units = OUTPUTS[:, :n_columns], Y[:, :n_columns], UNITS[:n_columns]
    score = {"mae": mean_absolute_error, "rmse": root_mean_squared_error, "r2": r2_score}[name]
    assert value(name, outputs, y) == pytest.approx(score(y, outputs))
    assert value(name, outputs, y, units) == pytest.approx(score(y * units, outputs * units))


@pytest.mark.parametrize("name", ["mae", "rmse", "r2"])
def test_scores_of_blocks_of_rows_are_those_of_all_rows(name):
    loss = build("loss", name)
    blocks = [slice(0, 4), slice(4, 9)]
    means = [loss.mean()(torch.tensor(OUTPUTS[b]), torch.tensor(Y[b])).numpy() for b in blocks]
    found = loss.value((4 * means[0] + 5 * means[1]) / 9, UNITS)
    assert found == pytest.approx(value(name, OUTPUTS, Y, UNITS))


def test_scores_of_missing_targets_are_those_of_the_rows_of_each_column():
    y = Y.copy()
    y[[0, 3, 4], 0] = y[[8], 1] = NAN
    score = {"mae": mean_absolute_error, "rmse": root_mean_squared_error, "r2": r2_score}
    for name, of_column in score.items():
        by_column = [
            of_column(unit * y[there, j], unit * OUTPUTS[there, j])
            for j, unit in enumerate(UNITS)
            for there in [~np.isnan(y[:, j])]
        ]
        assert value(name, OUTPUTS, y, UNITS) == pytest.approx(np.mean(by_column))


def test_the_root_is_taken_of_the_mean_of_each_column():
    # Mean squares 4 and 36.
    outputs, y = np.array([[2.0, 6.0], [2.0, -6.0]]), np.zeros((2, 2))
    assert value("rmse", outputs, y) == 4.0
    assert value("mae", outputs, y, [1.0, 10.0]) == 31.0
    assert mean_squared_error(y, outputs) == 20.0


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [([[2.0], [2.0], [2.0]], 1.0), ([[2.0], [2.5], [2.0]], 0.0), ([[1.0], [2.0], [4.0]], 0.0)],
)
def test_a_column_without_variance_counts_as_in_scikit_learn(outputs, expected):
    for shift in (0.0, -2.0):
        # The second time all numbers of the target are 0.
        y, shifted = np.full((3, 1), 2.0 + shift), np.array(outputs) + shift
        assert value("r2", shifted, y) == expected == r2_score(y, shifted)
    # Of numbers that float64 cannot represent, the variance is what rounding leaves.
    y = np.full((7, 1), 0.1, dtype=np.float32)
    assert value("r2", y, y) == 1.0 and value("r2", y + 0.5, y) == 0.0


@pytest.mark.parametrize("size", [1e-9, 1e9])
def test_whether_a_column_has_variance_is_seen_whatever_its_unit(size):
    y = size * np.full((7, 1), 1.2345678)
    assert value("r2", y, y) == 1.0 and value("r2", 1.1 * y, y) == 0.0
    y = size * np.array([[1.0], [1.5], [2.5]])
    outputs = size * np.array([[1.0], [2.0], [2.0]])
    assert value("r2", outputs, y) == pytest.approx(r2_score(y, outputs))


@pytest.mark.parametrize("name", ["mae", "rmse", "r2"])
def test_a_column_of_which_nothing_is_there_has_no_score(name):
    y = Y.copy()
    y[:, 1] = NAN
    assert np.isnan(value(name, OUTPUTS, y))


def test_r2_of_a_column_without_variance_beside_another_is_the_mean():
    y = np.array([[2.0, 1.0], [2.0, 2.0], [2.0, 4.0]])
    outputs = np.array([[2.0, 1.5], [3.0, 2.5], [2.0, 3.0]])
    assert value("r2", outputs, y) == pytest.approx(r2_score(y, outputs))


@pytest.mark.parametrize("name", ["mae", "rmse", "r2"])
@pytest.mark.parametrize("constant", [False, True])
def test_a_prediction_that_is_no_number_makes_no_score(name, constant):
    outputs, y = OUTPUTS.copy(), np.ones_like(Y) if constant else Y
    outputs[4, 1] = NAN
    assert np.isnan(value(name, outputs, y))


@pytest.mark.parametrize("name", ["mae", "rmse", "r2"])
def test_sums_are_float64_of_float32_outputs(name):
    found = build("loss", name).build()(torch.zeros(4, 2), torch.ones(4, 2))
    assert found.dtype == torch.float64 and found.shape == (4, 8 if name == "r2" else 4)


@pytest.mark.parametrize("name", SPECS)
def test_losses_of_float32_outputs_are_float32(name):
    found = of_rows(SPECS[name], OUTPUTS.astype(np.float32), Y.astype(np.float32))
    assert found.dtype == np.float32 and found.shape == (9,)
