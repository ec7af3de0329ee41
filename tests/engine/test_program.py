"""A network with its preprocessing and its predictions as one module, beside numbers written down by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote.data.table_formula import Encoding, TableFormula
from arignote.engine.network import Network
from arignote.engine.program import ExportedInput, ExportedOutput, Program
from arignote.layers import declare, parse


def network_of(output, n_in, *before, weights):
    """Return a network of an output layer that has these weights."""
    network = Network(declare(parse([*before, output]), n_in, 2))
    with torch.no_grad():
        network.named["output.W"].copy_(torch.tensor(weights))
    return network


@pytest.mark.parametrize(
    ("classes", "label"),
    [
        (np.array([7, 5]), [7, 5]),
        (np.array([False, True]), [False, True]),
        (np.array([0.5, 2.5]), [0.5, 2.5]),
        # Text, and positions themselves, stay positions.
        (np.array(["a", "b"]), [0, 1]),
        (np.array([0, 1]), [0, 1]),
    ],
    ids=str,
)
def test_probabilities_are_a_softmax_and_labels_the_classes(classes, label):
    network = network_of(["ClassificationOutputLayer"], (2,), weights=[[1.0, 0.0], [0.0, 1.0]])
    rows = ExportedInput("x", (2,), "float64", [("subtract", np.array([3.0, 0.0]))])
    program = Program(network, [rows], [ExportedOutput("output", "", "one", classes, [])])
    found = program(torch.tensor([[4.0, 0.0], [3.0, 2.0]], dtype=torch.float64))
    assert list(found) == program.outputs[0].names == ["label", "probabilities"]
    # False is not 0.
    assert repr(found["label"].tolist()) == repr(label)
    # exp(1) / (1 + exp(1)), exp(2) / (1 + exp(2)).
    np.testing.assert_allclose(found["probabilities"].detach().amax(1), [0.731059, 0.880797], rtol=1e-5)


def test_numbers_are_in_their_units_and_rows_that_are_refused_are_not_numbers():
    network = network_of(["RegressionOutputLayer"], (3,), weights=[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    text = Encoding(0, rows=np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], np.float32), refused=np.array([0, 0, 1]) > 0)
    table = ExportedInput("x", (1,), "float64", [], TableFormula([1], [0], [["a"]], [text]), ["kind", "size"])
    output = ExportedOutput("output", "mass.", "none", None, [("multiply", np.float64(10)), ("add", np.float64(1))])
    program = Program(network, [table], [output])
    assert [(one.name, one.shape, one.dtype, one.columns) for one in program.parts] == [
        ("x", (1,), "float64", ["size"]),
        ("x.text", (1,), "int64", ["kind"]),
    ]
    assert [(tuple(one.shape), one.dtype) for one in program.example()] == [
        ((3, 1), torch.float64),
        ((3, 1), torch.int64),
    ]
    found = program(torch.tensor([[2.0], [3.0], [4.0]], dtype=torch.float64), torch.tensor([[0], [1], [2]]))
    np.testing.assert_array_equal(found["mass.values"].detach(), [[21, 11], [31, 1], [np.nan, np.nan]])
