"""What all losses have in common: means over rows, weights, and the names of columns."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote import ConfigError
from arignote.optim.losses import Loss
from arignote.registry import Pair, build, names, part_name

VALUES = torch.tensor([1.0, 2.0, 6.0], dtype=torch.float64)
Y = torch.tensor([0, 1, 0])


class Given(Loss):
    """Values that a test gives."""

    def build(self):
        return lambda outputs, y: outputs


def test_the_mean_is_over_rows_and_weights_multiply_them_without_being_divided_by():
    mean = Given().mean()
    assert mean(VALUES, Y) == 3.0
    # (1 * 0.5 + 2 * 0 + 6 * 2) / 3
    assert float(mean(VALUES, Y, torch.tensor([0.5, 0.0, 2.0]))) == pytest.approx(12.5 / 3)


def test_several_values_per_row_have_a_mean_each():
    found = Given().mean()(torch.tensor([[1.0, 10.0], [3.0, 30.0], [5.0, 80.0]]), Y)
    assert found.tolist() == [3.0, 40.0]


@pytest.mark.parametrize("values", [torch.tensor(3.0), torch.ones(2), torch.ones(1, 3)], ids=lambda one: str(one.shape))
def test_a_loss_without_one_value_per_row_is_refused(values):
    shape = tuple(values.shape)
    with pytest.raises(ConfigError) as refused:
        Given().mean()(values, Y)
    assert str(refused.value).endswith(f"must return one value per row, 3 in all; got the shape {shape}")


def test_the_value_of_a_loss_is_the_mean_of_its_rows():
    assert Given().value(np.array(2.5), np.ones(3)) == 2.5
    assert not Given().greater_is_better and not Given().differentiable and Given().targets == ("classes",)


@pytest.mark.parametrize(
    ("spec", "column"),
    [
        ("nll", "nll"),
        ("cross_entropy", "nll"),
        (["nll", {"label_smoothing": 0.0}], "nll"),
        (["nll", {"label_smoothing": 0.1}], "nll(label_smoothing=0.1)"),
        ("top_k_error", "top_k_error"),
        (["top_k_error", {"k": 3}], "top_k_error(k=3)"),
        (["huber", {"delta": 2.0}], "huber(delta=2.0)"),
        (["hinge", {"margin": 0.5}], "hinge(margin=0.5)"),
        ("mse", "squared"),
        ("bce", "binary_cross_entropy"),
        ("mean_absolute_error", "mae"),
        ("root_mean_squared_error", "rmse"),
    ],
    ids=str,
)
def test_the_column_is_the_name_with_the_parameters_that_are_not_their_defaults(spec, column):
    assert build("loss", spec).column == column


class Windowed(Given):
    """Values that a test gives, with a pair of numbers."""

    window: Pair = (3, 3)


def test_a_column_has_parameters_as_a_config_has_them_and_no_weight():
    assert build("loss", ["huber", {"delta": 2.0, "weight": 0.5}]).column == "huber(delta=2.0)"
    assert build("loss", ["nll", {"weight": 2.0}]).column == "nll"
    # A config has lists where Python has tuples.
    assert Windowed(window=[3, 5]).column.endswith("Windowed(window=[3, 5])")


# What each fits, and whether it can be minimised.
EXPECTED = {
    "nll": ("classes ranks", True),
    "error": ("classes ranks", False),
    "top_k_error": ("classes ranks", False),
    "hinge": ("classes", True),
    "brier": ("classes ranks", True),
    "rank_error": ("ranks", False),
    "binary_cross_entropy": ("flags", True),
    "flag_error": ("flags", False),
    "squared": ("numbers same", True),
    "absolute": ("numbers same", True),
    "huber": ("numbers same", True),
    "mae": ("numbers same", False),
    "rmse": ("numbers same", False),
    "r2": ("numbers same", False),
    "reconstruction": ("own_input", True),
}


def test_each_loss_says_what_it_fits_whether_it_has_a_gradient_and_which_way_is_better():
    own = {part_name(cls): cls for cls in names("loss").values() if cls.__module__.startswith("arignote.")}
    # What a score fits follows from its metric: test_of_all_rows.py.
    del own["score"]
    assert {name: (" ".join(cls.targets), cls.differentiable) for name, cls in own.items()} == EXPECTED
    assert [name for name, cls in own.items() if cls.greater_is_better] == ["r2"]


# That of pretraining compares two halves of the outputs, of which one is given: test_of_reconstructions.py.
@pytest.mark.parametrize(
    "name", [name for name, (kind, has_gradient) in EXPECTED.items() if has_gradient and kind != "own_input"]
)
def test_the_gradient_of_a_loss_that_can_be_minimised_is_that_of_its_values(name):
    generator = torch.Generator().manual_seed(1)
    outputs = torch.randn(5, 3, dtype=torch.float64, generator=generator).requires_grad_()
    kind = EXPECTED[name][0].split()[0]
    y = {
        "classes": torch.tensor([0, 2, 1, 1, 0]),
        "flags": torch.randint(0, 2, (5, 3), generator=generator).double(),
        "numbers": torch.randn(5, 3, dtype=torch.float64, generator=generator),
    }[kind]
    assert torch.autograd.gradcheck(build("loss", name).build(), (outputs, y))


@pytest.mark.parametrize("name", EXPECTED)
def test_a_loss_is_computed_where_the_outputs_are(name):
    # "meta" is a device that is no CPU, and is everywhere.
    outputs = torch.zeros(5, 8, device="meta")
    y = torch.zeros(5, dtype=torch.int64, device="meta")
    found = build("loss", name).mean()(outputs, y if EXPECTED[name][0].startswith(("classes", "ranks")) else outputs)
    assert found.device.type == "meta"
