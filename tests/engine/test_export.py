"""Exported networks, computed by onnxruntime: every registered layer, and several rows of any number."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from contracts.test_layers import LAYERS, SHAPES, network_of, rows
from torch import nn

from arignote.engine.export import _to_onnx

onnxruntime = pytest.importorskip("onnxruntime", reason="exported networks are computed with onnxruntime")
pytest.importorskip("onnxscript", reason="pip install 'arignote[onnx]'")
pytestmark = pytest.mark.slow

# The parameters that choose another computation; of layers of sequences one will do, as each step is exported.
VARIANTS = {
    "LSTMLayer, peepholes": {"peepholes": True, "backwards": True, "n_layers": 1},
    "LSTMLayer, last state": {"only_last": True, "bidirectional": True, "n_layers": 1},
    "ClassificationOutputLayer, one sum": {"n_classes": 1},
    "ConvLayer, groups and pads": {"pad": "same", "filter_shape": 3, "stride": 1, "untie_biases": True},
    "BatchNormLayer, fixed": {"fix_params": True},
}
CASES = [*LAYERS, *VARIANTS]


class Together(nn.Module):
    """Networks that take the same rows: one export takes seconds, however small."""

    def __init__(self, networks):
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, *x):
        return [network(*x)[0] for network in self.networks]


def layer_of(case):
    return case.partition(",")[0]


def changed(network):
    """Return a network with no weight, bias or running mean of 0."""
    with torch.no_grad():
        for number, (_, tensor) in enumerate(sorted(network.named.items())):
            if tensor.dtype == torch.float32:
                tensor.add_(0.1 + 0.2 * torch.rand(tensor.shape, generator=torch.Generator().manual_seed(number)))
    return network


@pytest.mark.parametrize("shape", sorted({SHAPES.get(name, (1, 8, 8)) for name in LAYERS}), ids=str)
def test_each_layer_computes_the_same_as_onnx_for_any_number_of_rows(shape):
    # All layers that take rows of a shape.
    cases = [case for case in CASES if SHAPES.get(layer_of(case), (1, 8, 8)) == shape]
    networks = [changed(network_of(layer_of(case), **VARIANTS.get(case, {}))) for case in cases]
    model = _to_onnx(Together(networks).eval(), (rows(layer_of(cases[0]), 3),))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    for n_rows in (1, 3, 7, 500):
        x = rows(layer_of(cases[0]), n_rows)
        computed = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        for case, network, found in zip(cases, networks, computed, strict=True):
            with torch.no_grad():
                expected = network(x)[0].numpy()
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5, err_msg=case)
            assert n_rows == 1 or np.ptp(expected, axis=0).max() > 1e-3, case
