"""A network with its preprocessing and its predictions as one module of PyTorch, which is exported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from arignote.data.table_formula import TableFormula
from arignote.data.values.operations import Operation
from arignote.engine.exported_rows import EncodedTable, Operations
from arignote.engine.network import DEFAULT_SETUP, Network, rebuilt
from arignote.layers.base import Shape

__all__ = ["N_TRACED", "ExportedInput", "ExportedOutput", "Program"]

# Rows of the example that is traced. A program is not specialised to a number of rows that is neither 0 nor 1.
N_TRACED = 3


@dataclass(frozen=True)
class ExportedInput:
    """What a program takes of a channel.

    Attributes
    ----------
    name : str
    shape : tuple of int
        Shape of an example before preprocessing.
    dtype : "float32", "float64" or "int64"
        Type of the rows.
    operations : list of Operation
        Preprocessing.
    table : TableFormula, optional
        Preprocessing of a table with categories, instead of operations; `shape` is that of its columns of numbers.
    columns : sequence of str or int
        Names of the columns of a table with categories, or their positions.
    """

    name: str
    shape: Shape
    dtype: str
    operations: list[Operation]
    table: TableFormula | None = None
    columns: Sequence[str | int] = ()

    @property
    def parts(self) -> list[ExportedInput]:
        """The tensors that a program takes: of a table its columns of numbers, and codes of those of text."""
        if self.table is None:
            return [self]
        parts = ((self.name, self.dtype, self.table.numbers), (f"{self.name}.text", "int64", self.table.words))
        return [
            ExportedInput(name, (len(places),), dtype, [], columns=[self.columns[at] for at in places])
            for name, dtype, places in parts
            if places
        ]


@dataclass(frozen=True)
class ExportedOutput:
    """What a program gives of an output layer.

    Attributes
    ----------
    layer : str
        Name of the output layer.
    prefix : str
        Beginning of the names of its outputs: label and probabilities, or values.
    labels_per_row : "none", "one" or "several"
        See `Target`.
    classes : array (n_classes,), optional
        Labels in the order of the probabilities, if a row has one label.
    operations : list of Operation
        From what the network predicts to numbers.
    """

    layer: str
    prefix: str
    labels_per_row: str
    classes: NDArray[Any] | None
    operations: list[Operation]

    @property
    def names(self) -> list[str]:
        """The names of its outputs."""
        words = ["values"] if self.labels_per_row == "none" else ["label", "probabilities"]
        return [self.prefix + word for word in words]

    @property
    def text(self) -> list[str] | None:
        """The classes, if they are text, which a tensor cannot hold."""
        return self.classes.tolist() if self.classes is not None and self.classes.dtype.kind == "U" else None


class Program(nn.Module):
    """A network with its preprocessing and its predictions, on the CPU in float32.

    Parameters
    ----------
    network : Network
    inputs : sequence of ExportedInput
        Of each input layer, in order, then the lengths or the mask of sequences.
    outputs : sequence of ExportedOutput
    """

    def __init__(self, network: Network, inputs: Sequence[ExportedInput], outputs: Sequence[ExportedOutput]):
        super().__init__()
        self.network = rebuilt(network.architecture, DEFAULT_SETUP, network.arrays())
        self.inputs, self.outputs = list(inputs), list(outputs)
        self.prepare = nn.ModuleList(
            Operations(one.operations) if one.table is None else EncodedTable(one.table) for one in inputs
        )
        self.decode = nn.ModuleList(map(_Prediction, outputs))
        self.eval()

    def forward(self, *x: Tensor) -> dict[str, Tensor]:
        """Return the predictions by name.

        Parameters
        ----------
        *x : Tensor (n, ...)
            Rows of each input, not preprocessed; then the lengths (n,) or masks (n, steps) of sequences.
        """
        prepared, refused = list[Tensor](), list[Tensor]()
        rows = iter(x)
        for taken, prepare in zip(self.inputs, self.prepare, strict=True):
            x_of_layer = prepare(*(next(rows) for _ in taken.parts))
            if taken.table is not None:
                x_of_layer, wrong = x_of_layer
                refused.append(wrong)
            # Tokens stay whole numbers; preprocessing may have computed in float64.
            prepared.append(x_of_layer if x_of_layer.dtype == torch.int64 else x_of_layer.float())
        of_layers = dict(zip(self.network.architecture.outputs, self.network(*prepared), strict=True))
        predictions: dict[str, Tensor] = {}
        for one, decode in zip(self.outputs, self.decode, strict=True):
            to_predictions = self.network.architecture.outputs[one.layer].to_predictions()
            predictions |= decode(to_predictions(of_layers[one.layer]))
        for wrong in refused:
            predictions = {name: _marked(values, wrong) for name, values in predictions.items()}
        return predictions

    def example(self) -> tuple[Tensor, ...]:
        """Return rows of each input: zeros of its shape and type."""
        return tuple(torch.zeros(N_TRACED, *one.shape, dtype=getattr(torch, one.dtype)) for one in self.parts)

    @property
    def parts(self) -> list[ExportedInput]:
        """The tensors that it takes, in order."""
        return [part for one in self.inputs for part in one.parts]


def _marked(values: Tensor, wrong: Tensor) -> Tensor:
    """Return predictions (rows, ...) with NaN for rows that predicting refuses; labels have no NaN."""
    if not values.is_floating_point():
        return values
    return torch.where(wrong.reshape(-1, *[1] * (values.dim() - 1)), torch.nan, values)


class _Prediction(nn.Module):
    """What a program gives of the predictions of an output layer: probabilities with labels, or numbers."""

    def __init__(self, output: ExportedOutput):
        super().__init__()
        self.prefix, self.labels_per_row = output.prefix, output.labels_per_row
        self.operations = Operations(output.operations)
        classes = output.classes
        # Integers that are their own positions, and text, stay positions. False and 0.0 equal 0, but are no integers.
        are_positions = (
            classes is None
            or classes.dtype.kind == "U"
            or (classes.dtype.kind in "iu" and classes.tolist() == list(range(len(classes))))
        )
        self.classes: Tensor | None
        self.register_buffer("classes", None if are_positions else torch.from_numpy(np.array(classes)))

    def forward(self, predicted: Tensor) -> dict[str, Tensor]:
        """Return predictions by name."""
        if self.labels_per_row == "none":
            return {f"{self.prefix}values": self.operations(predicted)}
        label = (predicted > 0.5).long() if self.labels_per_row == "several" else predicted.argmax(-1)
        if self.classes is not None:
            label = self.classes[label]
        return {f"{self.prefix}label": label, f"{self.prefix}probabilities": predicted}
