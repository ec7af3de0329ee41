"""Networks as modules of torch.nn: the same outputs, in a process that has no Arignote."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from contracts.test_layers import LAYERS, network_of, rows
from export_document import DOCUMENT, with_layers
from torch import nn

from arignote import NNClassifier
from arignote.engine.network import Network
from arignote.engine.standard_modules import _CONVERSIONS, standard_modules
from arignote.errors import ConfigError
from arignote.layers import declare, parse

# Their parameters in `network_of` have no module of torch.nn.
REFUSED = {"AveragePool1DLayer": "NLC", "Conv1DLayer": "NLC", "Conv3DLayer": "untie_biases"}
# Parameters with which there is one.
CHANGES = {
    "AveragePool1DLayer": {"axes": "NCL", "pool_length": 2, "pad": 1, "count_include_pad": False},
    "Conv1DLayer": {"axes": "NCL", "use_bias": False},
    "Conv3DLayer": {"untie_biases": False, "activation": ["leaky_relu", {"slope": 0.2}]},
    "MaxPool2DLayer": {"ignore_border": False, "pool_shape": 3, "pad": 1},
    "ConvLayer": {"activation": ["elu", {"alpha": 0.5}]},
    "SoftmaxOutputLayer": {"clip": [-0.1, 0.2]},
}


def changed(network):
    with torch.no_grad():
        for number, (_, tensor) in enumerate(sorted(network.named.items())):
            if tensor.dtype == torch.float32:
                tensor.add_(0.1 + 0.2 * torch.rand(tensor.shape, generator=torch.Generator().manual_seed(number)))
    return network


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_a_module_of_torch_with_the_same_output_or_is_refused_by_name(name):
    if name in REFUSED or name not in _CONVERSIONS:
        with pytest.raises(ConfigError, match=rf"\({name}\): .*{REFUSED.get(name, '')}"):
            standard_modules(network_of(name))
    if name in _CONVERSIONS:
        network, x = changed(network_of(name, **CHANGES.get(name, {}))), rows(name, 5)
        state = torch.random.get_rng_state()
        module = standard_modules(network)
        assert torch.equal(state, torch.random.get_rng_state())
        assert all(type(one).__module__.startswith("torch.nn.") for one in module.modules())
        with torch.no_grad():
            torch.testing.assert_close(module(x), network(x)[0], rtol=1e-5, atol=1e-6)
            network.weights.zero_()
            assert name.startswith("Softmax") or module(x).std() > 1e-4


ACTIVATIONS = ["linear", "relu", "leaky_relu", "prelu", "tanh", "sigmoid", "elu", "selu", "softplus", "gelu", "silu"]


def test_each_activation_is_that_of_torch():
    layers = [["FCLayer", {"n_units": 6, "activation": activation}] for activation in [*ACTIVATIONS, "softmax"]]
    network = Network(
        declare(parse([*layers, ["RegressionOutputLayer", {"n_outputs": 2, "W": "glorot_uniform"}]]), (4,))
    )
    network.initialise(1)
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(standard_modules(network)(x), network.eval()(x)[0])
    for name in ("abstanh", "scaled_tanh", "prelu_shelf"):
        layer = ["FCLayer", {"n_units": 6, "activation": name}]
        with pytest.raises(ConfigError, match=rf"fc1 \(FCLayer\): torch.nn has no activation '{name}'"):
            standard_modules(Network(declare(parse([layer, ["RegressionOutputLayer"]]), (4,))))


def test_the_document_lists_the_layers_that_are_modules_of_torch():
    assert DOCUMENT.read_text() == with_layers(DOCUMENT.read_text())


SCRIPT = """
import sys, numpy as np, torch
module = torch.load(sys.argv[1], weights_only=False)
x = torch.from_numpy(np.load(sys.argv[2]))
np.save(sys.argv[3], module(x).softmax(1).detach().numpy())
assert "arignote" not in sys.modules
"""


@pytest.mark.slow
def test_a_process_without_arignote_loads_the_module(tmp_path):
    x = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    layers = [["FCLayer", {"n_units": 4}], ["BatchNormLayer"], ["ClassificationOutputLayer"]]
    classifier = NNClassifier(layers, rng=1, n_epochs=2, batch_size=10).fit(x, np.arange(20) % 3)
    module = classifier.to_torch()
    assert list(dict(module.named_children())) == ["input", "fc1", "norm1", "output"]
    assert isinstance(module.output, nn.Linear)
    torch.save(module, tmp_path / "module.pt")
    np.save(tmp_path / "x.npy", x)
    # Isolated, so that PYTHONPATH is not used.
    words = [sys.executable, "-I", "-c", SCRIPT, *(str(tmp_path / name) for name in ("module.pt", "x.npy", "p.npy"))]
    subprocess.run(words, check=True, cwd=tmp_path)
    np.testing.assert_allclose(np.load(tmp_path / "p.npy"), classifier.predict_proba(x), rtol=1e-5, atol=1e-6)
