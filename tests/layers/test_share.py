"""Shared weights: one tensor, whose gradient is the sum over all uses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote import ConfigError, NNClassifier
from arignote.checkpoints.format import decode
from arignote.engine.feed import DeviceBatch
from arignote.engine.network import Network
from arignote.engine.step import TrainingStep
from arignote.layers import declare, parse
from arignote.registry import build

functional = torch.nn.functional
OUTPUT = ["ClassificationOutputLayer", {"n_classes": 3}]


def fc(name, n_units=4, **more):
    return ["FCLayer", {"name": name, "n_units": n_units, "activation": "tanh"} | more]


# The input has as many numbers as the layers have units.
TWICE = [fc("a", l1=0.03, l2=0.02), ["BatchNormLayer", {"name": "norm"}], fc("b", share="a"), OUTPUT]
THRICE = [fc("a"), fc("b", share="a", activation="sigmoid"), fc("c", share="b"), OUTPUT]


def network_of(layers, shape=(4,)):
    network = Network(declare(parse(layers), shape))
    network.initialise(3)
    with torch.no_grad():
        generator = torch.Generator().manual_seed(1)
        network.weights.add_(torch.randn(network.weights.shape, generator=generator), alpha=0.5)
    return network.train()


def rows(n=7, n_in=4):
    generator = torch.Generator().manual_seed(n)
    return torch.randn(n, n_in, generator=generator), torch.randint(0, 3, (n,), generator=generator)


def test_shared_parameters_are_one_tensor():
    network = network_of(THRICE)
    assert list(network.named) == ["a.W", "a.b", "output.W", "output.b"]
    assert network.weights.numel() == 4 * 4 + 4 + 4 * 3 + 3 == network.architecture.n_params
    assert [(place.name, place.owner, place.n_params) for place in network.architecture.placed] == [
        ("input", "input", 0),
        ("a", "a", 20),
        ("b", "a", 0),
        ("c", "a", 0),
        ("output", "output", 15),
    ]


def test_each_use_has_an_activation_of_its_own():
    network = network_of(THRICE).eval()
    x, _ = rows()
    p = network.named
    z = torch.tanh(x @ p["a.W"] + p["a.b"])
    z = torch.sigmoid(z @ p["a.W"] + p["a.b"])
    z = torch.tanh(z @ p["a.W"] + p["a.b"])
    torch.testing.assert_close(network(x)[0], z @ p["output.W"] + p["output.b"])


def test_the_gradient_is_the_sum_over_all_uses():
    network = network_of(THRICE)
    step = TrainingStep(network, [build("loss", "nll")], build("updater", "sgd"))
    x, y = rows()
    # Of each use a tensor of its own.
    uses = [network.named["a.W"].detach().clone().requires_grad_() for _ in range(3)]
    b, p = network.named["a.b"].detach(), network.named
    z = torch.tanh(x @ uses[0] + b)
    z = torch.sigmoid(z @ uses[1] + b)
    z = torch.tanh(z @ uses[2] + b)
    functional.cross_entropy(z @ p["output.W"].detach() + p["output.b"].detach(), y).backward()
    gradients = [use.grad for use in uses]
    assert all(g.abs().max() > 0.01 for g in gradients)
    for way in (step._gradients, step._by_autograd):
        network.gradients.fill_(np.nan)
        way((x,), (y,), None, 1.0, 0.0)
        torch.testing.assert_close(network.flat_views(network.gradients)["a.W"], sum(gradients), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("updater", ["sgd", "adam"])
@pytest.mark.parametrize("max_grad_norm", [None, 100.0])
def test_penalties_count_once(updater, max_grad_norm):
    network = network_of(TWICE)
    step = TrainingStep(network, [build("loss", "nll")], build("updater", updater), max_grad_norm)
    x, y = rows()
    p = {name: tensor.detach().clone() for name, tensor in network.named.items()}
    trained = {name: p[name].requires_grad_() for name, tensor in network.named.items() if tensor.requires_grad}
    z = torch.tanh(x @ p["a.W"] + p["a.b"])
    z = functional.batch_norm(z, None, None, p["norm.gamma"], p["norm.beta"], training=True)
    z = torch.tanh(z @ p["a.W"] + p["a.b"])
    loss = functional.cross_entropy(z @ p["output.W"] + p["output.b"], y)
    (loss + 0.03 * p["a.W"].abs().sum() + 0.02 * p["a.W"].square().sum()).backward()
    optimizer = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[updater](list(trained.values()), lr=0.1)
    optimizer.step()
    step([DeviceBatch((x,), (y,))], [0], lr=0.1, momentum=0.0, n=1, n_rows=[len(y)])
    for name, tensor in trained.items():
        torch.testing.assert_close(network.named[name].detach(), tensor.detach(), rtol=1e-4, atol=1e-5)


def test_shared_parameters_of_a_layer_that_is_fixed_are_fixed():
    network = network_of([fc("a", fix_params=["W"]), fc("b", share="a"), OUTPUT])
    assert [name for name, tensor in network.named.items() if tensor.requires_grad] == ["a.b", "output.W", "output.b"]


def test_convolutions_share_over_maps_of_other_sizes():
    conv = {"n_output_maps": 2, "filter_shape": 3, "activation": "relu"}
    layers = [
        ["ConvLayer", {"name": "a", **conv}],
        ["MaxPool2DLayer", {"pool_shape": 2}],
        ["ConvLayer", {"name": "b", "share": "a", **conv}],
        OUTPUT,
    ]
    network = network_of(layers, (2, 10, 10)).eval()
    p = network.named
    x, _ = rows(5, 200)
    z = functional.conv2d(x.view(5, 2, 10, 10), p["a.W"], p["a.b"]).relu()
    z = functional.conv2d(functional.max_pool2d(z, 2), p["a.W"], p["a.b"]).relu()
    expected = z.flatten(1) @ p["output.W"] + p["output.b"]
    torch.testing.assert_close(network(x.view(5, 2, 10, 10))[0], expected)


def test_outputs_share_their_weights():
    first, second = (["ClassificationOutputLayer", {"name": name, "n_classes": 3}] for name in ("first", "second"))
    second[1]["share"] = "first"
    network = network_of([fc("a"), first, fc("b"), second])
    assert "second.W" not in network.named and network.architecture.n_outputs == {"first": 3, "second": 3}


def test_repetitions_of_a_block_share_a_layer_outside_of_it():
    block = ["Block", {"name": "again", "repeat": 2, "layers": [fc("z", share="a")]}]
    network = network_of([fc("a"), block, OUTPUT])
    assert list(network.named) == ["a.W", "a.b", "output.W", "output.b"]
    assert [place.owner for place in network.architecture.placed] == ["input", "a", "a", "a", "output"]


def test_a_checkpoint_has_each_tensor_once_and_predicts_the_same(tmp_path, digits):
    x, y = digits
    layers = [fc("a", 64, l2=1e-4), fc("b", 64, share="a"), fc("c", 64, share="b"), ["ClassificationOutputLayer"]]
    settings = {"n_epochs": 2, "batch_size": 64, "valid": 0.2, "sgd_type": "adam"}
    fitted = NNClassifier(layers, rng=3).fit(x, y, **settings, checkpoint=str(tmp_path / "run"))
    path = tmp_path / "run_last.ckpt"
    state, _ = decode(path.read_bytes(), str(path))
    assert sorted(state.network) == ["a.W", "a.b", "output.W", "output.b"]
    assert sorted(state.slots) == sorted(f"{slot}/{name}" for slot in ("mean", "square") for name in state.network)
    loaded = NNClassifier.load(str(tmp_path / "run"))
    assert np.array_equal(loaded.predict_proba(x), fitted.predict_proba(x))
    p = {name: torch.from_numpy(array) for name, array in loaded.params.items()}
    z = torch.from_numpy(x)
    for _ in range(3):
        z = torch.tanh(z @ p["a.W"] + p["a.b"])
    expected = (z @ p["output.W"] + p["output.b"]).softmax(1).numpy()
    np.testing.assert_allclose(loaded.predict_proba(x), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (
            [fc("a"), fc("b", 5, share="a"), OUTPUT],
            "b: share: FCLayer with parameters of the shapes {'W': (4, 5), 'b': (5,)} cannot use those of 'a', "
            "FCLayer with {'W': (4, 4), 'b': (4,)}",
        ),
        (
            [fc("a", use_bias=False), fc("b", share="a"), OUTPUT],
            "b: share: FCLayer with parameters of the shapes {'W': (4, 4), 'b': (4,)} cannot use those of 'a', "
            "FCLayer with {'W': (4, 4)}",
        ),
        (
            [fc("a"), fc("b", share="a", activation="prelu"), OUTPUT],
            "b: share: FCLayer with parameters of the shapes {'W': (4, 4), 'b': (4,), 'a': (4,)} cannot use those of "
            "'a', FCLayer with {'W': (4, 4), 'b': (4,)}",
        ),
        (
            [fc("a", 3), fc("c"), ["ClassificationOutputLayer", {"n_classes": 3, "share": "a"}]],
            "output: share: ClassificationOutputLayer with parameters of the shapes {'W': (4, 3), 'b': (3,)} cannot "
            "use those of 'a', FCLayer with {'W': (4, 3), 'b': (3,)}",
        ),
        (
            [["DropoutLayer", {"name": "a", "dropout_p": 0.5}], fc("b", share="a"), OUTPUT],
            "b: share: FCLayer with parameters of the shapes {'W': (4, 4), 'b': (4,)} cannot use those of 'a', "
            "DropoutLayer with {}",
        ),
    ],
    ids=["other units", "no bias", "slopes", "other type", "no weights"],
)
def test_layers_that_do_not_fit_are_refused(layers, expected):
    with pytest.raises(ConfigError) as raised:
        declare(parse(layers), (4,))
    assert str(raised.value) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("l1", 0.1),
        ("l2", 0.1),
        ("maxnorm", 1.0),
        ("fix_params", True),
        ("load_params", "fc1"),
        ("lr_factor", 0.5),
        ("nonnegative", True),
        ("W", "he_normal"),
        ("b", 0.5),
    ],
)
def test_what_belongs_to_the_owner_is_refused(name, value):
    with pytest.raises(ConfigError) as raised:
        parse([fc("a"), fc("b", share="a", **{name: value}), OUTPUT])
    message = f"{name} is that of the layer 'a', whose parameters are shared: set it there"
    assert str(raised.value) == f"layers[1] (FCLayer 'b'): {message}"


@pytest.mark.parametrize("name", ["l1", "l2", "maxnorm", "fix_params", "lr_factor"])
def test_a_default_of_all_layers_is_for_the_owner_alone(name):
    value = True if name == "fix_params" else 0.5
    layers = parse([fc("a"), fc("b", share="a"), OUTPUT], {name: value})
    assert [getattr(layer, name) for layer in layers[1:]] == [value, type(layers[2]).model_fields[name].default, value]
