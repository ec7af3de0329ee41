"""Files of a program that run without Arignote, ONNX and those of PyTorch, traced for any number of rows."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from arignote.engine.network import Network
from arignote.engine.onnx_graph import encode_text, look_up_classes, rename
from arignote.engine.program import N_TRACED, Program
from arignote.errors import ConfigError
from arignote.layers.architecture import Placed
from arignote.layers.embedding import EmbeddingLayer, tokens_of
from arignote.registry import part_name

__all__ = ["as_onnx", "as_torch_program"]

# The most that a file of protobuf holds, in bytes.
_LARGEST_ONNX = 2**31 - 1


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the exporter warns of and logs about itself from the user."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def as_torch_program(program: Program, metadata: Mapping[str, Any]) -> bytes:
    """Return a program as a file that `torch.export.load` reads, with its metadata as the extra file "metadata.json".

    Raises
    ------
    ConfigError
        If layers cannot be exported; the message names them.
    """
    exported, file = _traced(program, _exported), BytesIO()
    with _quiet():
        torch.export.save(exported, file, extra_files={"metadata.json": json.dumps(metadata)})
    return file.getvalue()


def as_onnx(program: Program, metadata: Mapping[str, Any]) -> bytes:
    """Return a program as a file of ONNX, with metadata as text of JSON by name.

    Raises
    ------
    ConfigError
        If layers cannot be exported; the message names them.
    """
    n_bytes = 4 * sum(tensor.numel() for tensor in program.state_dict().values())
    if n_bytes > _LARGEST_ONNX:
        raise ConfigError(f"a file of ONNX holds 2 GB; the network has {n_bytes / 1e9:.1f} GB: write a .pt2")
    model = _traced(program, _to_onnx)
    names = [name for output in program.outputs for name in output.names]
    rename(model.graph, [one.name for one in program.parts], names)
    for one in program.inputs:
        if one.table is not None and one.table.words:
            encode_text(model, f"{one.name}.text", one.table.texts)
    for output in program.outputs:
        if output.text is not None:
            look_up_classes(model.graph, f"{output.prefix}label", output.text)
    for name, value in metadata.items():
        model.metadata_props.add(key=name, value=json.dumps(value))
    content: bytes = model.SerializeToString()
    return content


def _traced(program: Program, trace: Callable[..., Any]) -> Any:
    """Return what `trace` makes of a program; ConfigError, which names the layers, if it fails."""
    try:
        return trace(program, program.example())
    except Exception as error:
        failed = list(_not_exportable(program.network, trace))
        lines = failed or [f"the network: {_first_line(error)}"]
        raise ConfigError(
            "\n  ".join(["the network cannot be exported:", *lines, "Weights can: write a .safetensors"])
        ) from error


def _not_exportable(network: Network, trace: Callable[..., Any]) -> Iterator[str]:
    """Yield a line for each layer that cannot be exported alone, with the reason."""
    for place, (params, forward) in network.placed():
        layer = _Alone(place, params, forward)
        is_tokens = isinstance(place.layer, EmbeddingLayer) or place.name in tokens_of(network.architecture.layers)
        dtype = torch.int64 if is_tokens else torch.float32
        # Behind the inputs come the lengths of sequences.
        steps = (torch.ones(N_TRACED, dtype=torch.int64),) * (len(place.fields) if place.sources else 0)
        x = (*(torch.zeros(N_TRACED, *shape, dtype=dtype) for shape in place.input_shapes), *steps)
        try:
            trace(layer, x)
        except Exception as error:
            yield f"{place.name} ({part_name(place.layer)}): {_first_line(error)}"


class _Alone(nn.Module):
    """A layer as a network of its own."""

    def __init__(self, place: Placed, params: Mapping[str, Any], compute: Callable[..., Tensor]):
        super().__init__()
        self.takes_list, self.compute, self.names = place.takes_list, compute, list(params)
        for i, tensor in enumerate(params.values()):
            # By number: torch refuses names with dots, which those of a TorchLayer have.
            self.register_parameter(f"p{i}", nn.Parameter(tensor.detach(), requires_grad=False))

    def forward(self, *x: Tensor) -> Tensor:
        params = {name: getattr(self, f"p{i}") for i, name in enumerate(self.names)}
        return self.compute(params, list(x) if self.takes_list else x[0], False)


@_quiet()
def _exported(module: nn.Module, x: tuple[Tensor, ...]) -> ExportedProgram:
    batch = Dim("batch", min=1)
    return torch.export.export(module, x, dynamic_shapes=(tuple({0: batch} for _ in x),))


@_quiet()
def _to_onnx(module: nn.Module, x: tuple[Tensor, ...]) -> Any:
    program = torch.onnx.export(_exported(module, x), x, dynamo=True, verbose=False)
    assert program is not None
    return program.model_proto


def _first_line(error: BaseException) -> str:
    """Return the first line of the error that has caused an error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]:.200}"
