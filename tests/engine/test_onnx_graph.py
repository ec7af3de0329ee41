"""Changes of a graph of ONNX, computed by onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest

from arignote.engine.onnx_graph import encode_text, look_up_classes, rename

onnx = pytest.importorskip("onnx", reason="pip install 'arignote[onnx]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="exported networks are computed with onnxruntime")


def model_of(nodes, inputs, outputs, *, shape=("s0", 2)):
    """Return a model of nodes over int64."""
    make, kind = onnx.helper.make_tensor_value_info, onnx.TensorProto.INT64
    faces = [[make(name, kind, shape) for name in names] for names in (inputs, outputs)]
    graph = onnx.helper.make_graph([onnx.helper.make_node(*node) for node in nodes], "g", *faces)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)


def run(model, **x):
    onnx.checker.check_model(model)
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, x)


def test_text_becomes_its_position_missing_text_the_next_number_and_other_text_the_one_after_it():
    model = model_of([("Add", ["x.text", "x.text"], ["y"])], ["x.text"], ["y"])
    encode_text(model, "x.text", [["a", "süd", "c"], ["a"]])
    text = np.array([["a", "a"], ["süd", ""], ["", "b"], ["A", "süd"]], object)
    (found,) = run(model, **{"x.text": text})
    assert (found // 2).tolist() == [[0, 0], [1, 1], [3, 2], [4, 2]]


def test_no_text_that_is_a_value_is_not_missing():
    model = model_of([("Identity", ["x"], ["y"])], ["x"], ["y"], shape=("n", 1))
    encode_text(model, "x", [["", "b"]])
    assert run(model, x=np.array([["b"], [""], ["z"]], object))[0].tolist() == [[1], [0], [3]]


def test_numbers_of_classes_become_their_text():
    model = model_of([("Identity", ["x"], ["label"])], ["x"], ["label"], shape=("n",))
    look_up_classes(model.graph, "label", ["ant", "bär"])
    assert run(model, x=np.array([1, 0, 1]))[0].tolist() == ["bär", "ant", "bär"]


def test_faces_get_their_names_though_a_value_within_the_graph_has_them():
    nodes = [("Sub", ["a", "b"], ["x"]), ("Neg", ["x"], ["label"]), ("Identity", ["label"], ["c"])]
    model = model_of(nodes, ["a", "b"], ["c"])
    rename(model.graph, ["b", "x"], ["label"])
    # The first input is now named b, as the second one was.
    assert run(model, b=np.array([[5, 1]]), x=np.array([[2, 2]]))[0].tolist() == [[-3, 1]]
    assert [one.type.tensor_type.shape.dim[0].dim_param for one in model.graph.input] == ["batch", "batch"]
