"""Changes of a graph of ONNX for what PyTorch has no tensors of: names of inputs and outputs, and text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["encode_text", "look_up_classes", "rename"]


def rename(graph: Any, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Name the inputs and outputs of a graph, and their first axis "batch".

    The exporter would name an input as it is asked to, even if a value within the graph has that name.
    """
    faces = dict(zip((one.name for one in (*graph.input, *graph.output)), (*inputs, *outputs), strict=True))
    # A value within may have a name that a face gets; names of a graph must differ.
    names = {name: f"{name}/inner" for name in (*inputs, *outputs)} | faces
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    # The exporter has a symbol of its own for the number of rows.
    old = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    for value in (*graph.input, *graph.output, *graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param == old:
                dim.dim_param = "batch"
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        value.name = names.get(value.name, value.name)


def look_up_classes(graph: Any, name: str, classes: Sequence[str]) -> None:
    """Replace an output, numbers of classes, by the text of these classes, which PyTorch has no tensors of."""
    from onnx import TensorProto, helper

    for node in graph.node:
        node.input[:] = [f"{name}_number" if one == name else one for one in node.input]
        node.output[:] = [f"{name}_number" if one == name else one for one in node.output]
    text: Any = [one.encode() for one in classes]
    graph.initializer.append(helper.make_tensor(f"{name}_classes", TensorProto.STRING, [len(text)], text))
    # ONNX, unlike torch, has tensors of text.
    graph.node.append(helper.make_node("Gather", [f"{name}_classes", f"{name}_number"], [name]))
    output = next(one for one in graph.output if one.name == name)
    output.type.tensor_type.elem_type = TensorProto.STRING


def encode_text(model: Any, name: str, texts: Sequence[Sequence[str]]) -> None:
    """Replace an input, the codes of columns of text, by this text, which PyTorch has no tensors of; "" is missing."""
    from onnx import TensorProto, helper

    graph: Any = model.graph
    nodes: list[Any] = []
    for node in graph.node:
        node.input[:] = [f"{name}_codes" if one == name else one for one in node.input]
    for at, known in enumerate(texts):
        number, column = f"{name}_{at}", f"{name}_{at}_text"
        graph.initializer.append(helper.make_tensor(number, TensorProto.INT64, [1], [at]))
        nodes.append(helper.make_node("Gather", [name, number], [column], axis=1))
        keys = [*known, ""] if "" not in known else list(known)
        # 0 to n - 1 are the known texts, n is a missing one, n + 1 any other.
        encoded: Any = {"keys_strings": keys, "values_int64s": range(len(keys)), "default_int64": len(known) + 1}
        nodes.append(helper.make_node("LabelEncoder", [column], [f"{column}_code"], domain="ai.onnx.ml", **encoded))
    codes = [f"{name}_{at}_text_code" for at in range(len(texts))]
    nodes.append(helper.make_node("Concat", codes, [f"{name}_codes"], axis=1))
    # In front: a node must follow those whose outputs it takes.
    behind = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *behind])
    graph_input = next(one for one in graph.input if one.name == name)
    graph_input.type.tensor_type.elem_type = TensorProto.STRING
    # LabelEncoder has keys_strings with values_int64s since version 2 of this domain.
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 2))
