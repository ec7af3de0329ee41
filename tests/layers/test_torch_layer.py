"""Modules of torch as layers, against the same modules on their own."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from command_line import arignote
from promise import Stopped, digest, killed_after
from torch import nn

from arignote import CheckpointError, ConfigError, NNClassifier
from arignote.checkpoints.format import decode
from arignote.engine.network import Network
from arignote.layers import declare, parse
from arignote.layers.base import ShapeError
from arignote.layers.torch_layer import TorchLayer, plain_attributes
from arignote.streams import stream

OUTPUT = ["ClassificationOutputLayer", {"n_classes": 3}]
HERE = __name__


class TwoStages(nn.Sequential):
    """Modules one after the other, whose parameters have dotted names."""

    def __init__(self, n_in, n_out):
        super().__init__(nn.Linear(n_in, 5), nn.Tanh(), nn.Sequential(nn.Linear(5, n_out), nn.BatchNorm1d(n_out)))


class CountsCalls(nn.Module):
    """What comes in, plus the number of calls, outside training too."""

    def __init__(self):
        super().__init__()
        self.register_buffer("n_calls", torch.zeros(()))

    def forward(self, x):
        self.n_calls += 1
        return x + self.n_calls


class Scaled(nn.Module):
    """What comes in, times a buffer that is no part of the state of the module, and plus one that is fixed."""

    def __init__(self, n):
        super().__init__()
        self.register_buffer("factor", torch.arange(n).float() + 1, persistent=False)
        self.shift = nn.Parameter(torch.full((n,), 0.5), requires_grad=False)

    def forward(self, x):
        return x * self.factor + self.shift


class FromNumPy(nn.Module):
    """A buffer that is made by NumPy."""

    def __init__(self, n):
        super().__init__()
        self.register_buffer("factor", torch.from_numpy(np.arange(n, dtype=np.float32)))

    def forward(self, x):
        return x * self.factor


class Assigned(nn.Module):
    """A running mean that replaces its buffer instead of changing it."""

    def __init__(self, n):
        super().__init__()
        self.register_buffer("mean", torch.zeros(n))

    def forward(self, x):
        if self.training:
            self.mean = 0.5 * self.mean + 0.5 * x.detach().mean(0)
        return x - self.mean


class PlainTensor(nn.Module):
    """A tensor that is neither parameter nor buffer."""

    def __init__(self, n):
        super().__init__()
        self.inner = nn.Module()
        self.inner.factor = torch.arange(n).float()

    def forward(self, x):
        return x * self.inner.factor


class Counting(nn.Module):
    """A module that remembers how often it was called, without a buffer."""

    def __init__(self):
        super().__init__()
        self.n_calls = 0

    def forward(self, x):
        self.n_calls += 1
        return x + self.n_calls


class DrawsFromNumPy(nn.Module):
    """Initial values from the global generator of NumPy."""

    def __init__(self, n):
        super().__init__()
        self.factor = nn.Parameter(torch.from_numpy(np.random.normal(size=n).astype(np.float32)))

    def forward(self, x):
        return x * self.factor


class Pair(nn.Module):
    """A module that returns two tensors."""

    def forward(self, x):
        return x, x


class OtherRows(nn.Module):
    """A module that returns other rows."""

    def forward(self, x):
        return x[:1]


class OnlyOutside(nn.Module):
    """A module that is as it should be outside training alone."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault

    def forward(self, x):
        if not self.training:
            return x
        if self.fault == "raises":
            raise RuntimeError("not today")
        return (x, x) if self.fault == "pair" else x[:, :2]


class NoModule:
    """A class that is no module."""


def torch_layer(module, name="t", **params):
    where = module if ":" in module else f"torch.nn:{module}" if hasattr(nn, module) else f"{HERE}:{module}"
    return ["TorchLayer", {"name": name, "module": where, "params": params}]


def network_of(layers, shape, seed=3):
    network = Network(declare(parse(layers), shape))
    network.initialise(seed)
    return network


def loaded(module, arrays, prefix="t."):
    """Return a module with the values of the tensors of a layer, those of non-persistent buffers too."""
    tensors = dict([*module.named_parameters(), *module.named_buffers()])
    found = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    assert found.keys() == tensors.keys()
    with torch.no_grad():
        for name, array in found.items():
            assert tuple(array.shape) == tuple(tensors[name].shape)
            tensors[name].copy_(torch.from_numpy(array))
    return module


MODULES = {
    "Hardswish": (nn.Hardswish, {}, (4,)),
    "Linear": (nn.Linear, {"in_features": 4, "out_features": 3}, (4,)),
    "BatchNorm1d": (nn.BatchNorm1d, {"num_features": 4, "momentum": 0.3}, (4,)),
    "Conv2d": (
        nn.Conv2d,
        {"in_channels": 2, "out_channels": 3, "kernel_size": 3, "padding": 1, "groups": 1},
        (2, 5, 4),
    ),
    "GroupNorm": (nn.GroupNorm, {"num_groups": 2, "num_channels": 4}, (4, 3, 3)),
    "Flatten": (nn.Flatten, {}, (2, 3, 3)),
    "ReLU": (nn.ReLU, {"inplace": True}, (4,)),
    "TwoStages": (TwoStages, {"n_in": 4, "n_out": 6}, (4,)),
    "Scaled": (Scaled, {"n": 4}, (4,)),
    "FromNumPy": (FromNumPy, {"n": 4}, (4,)),
    "Assigned": (Assigned, {"n": 4}, (4,)),
}


@pytest.mark.parametrize("name", MODULES)
def test_a_layer_is_its_module_in_training_and_outside(name):
    cls, params, shape = MODULES[name]
    network = network_of([torch_layer(name, **params), OUTPUT], shape)
    module = loaded(cls(**params), network.arrays())
    generator = torch.Generator().manual_seed(1)
    for training in (True, True, False):
        network.train(training), module.train(training)
        x = torch.randn(6, *shape, generator=generator)
        kept = x.clone()
        found = dict(network.outputs((x,)))["t"]
        assert torch.equal(x, kept) and found.shape[1:] == network.architecture.placed[1].output_shape
        torch.testing.assert_close(found, module(x.clone()), rtol=1e-6, atol=1e-7)
    # What the module keeps has changed as that of the module did.
    for key, tensor in [*module.named_parameters(), *module.named_buffers()]:
        torch.testing.assert_close(network.named[f"t.{key}"].detach(), tensor.detach(), rtol=1e-6, atol=1e-7)


def test_parameters_are_trained_and_buffers_are_not():
    network = network_of([torch_layer("TwoStages", n_in=4, n_out=6), torch_layer("Scaled", "s", n=6), OUTPUT], (4,))
    trained = {name: tensor.requires_grad for name, tensor in network.named.items()}
    assert trained == {
        "t.0.weight": True,
        "t.0.bias": True,
        "t.2.0.weight": True,
        "t.2.0.bias": True,
        "t.2.1.weight": True,
        "t.2.1.bias": True,
        "t.2.1.running_mean": False,
        "t.2.1.running_var": False,
        "t.2.1.num_batches_tracked": False,
        "s.shift": False,
        "s.factor": False,
        "output.W": True,
        "output.b": True,
    }
    assert network.architecture.placed[1].n_params == 4 * 5 + 5 + 5 * 6 + 6 + 6 + 6
    assert network.named["t.2.1.num_batches_tracked"].dtype == torch.int64


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("Linear", {"in_features": 4, "out_features": 3}),
        ("TwoStages", {"n_in": 4, "n_out": 6}),
        ("BatchNorm1d", {"num_features": 4}),
        ("Scaled", {"n": 4}),
    ],
)
def test_initial_values_are_those_of_the_constructor_under_the_seed_of_each_tensor(name, params):
    cls = MODULES[name][0]
    arrays = network_of([torch_layer(name, **params), OUTPUT], (4,), seed=11).arrays()
    before = torch.get_rng_state()
    for key, array in arrays.items():
        if not key.startswith("t."):
            continue
        tensor = key.removeprefix("t.")
        torch.manual_seed(int(stream(11, "init", "t", tensor).integers(2**63)))
        module = cls(**params)
        expected = dict([*module.named_parameters(), *module.named_buffers()])[tensor].detach().numpy()
        assert np.array_equal(array, expected) and array.dtype == expected.dtype
    torch.set_rng_state(before)


def test_initial_values_depend_on_seed_layer_and_tensor_alone():
    linear = {"in_features": 4, "out_features": 4}

    def values(layers, name="t", seed=3):
        return network_of(layers, (4,), seed).arrays()[f"{name}.weight"]

    first = values([torch_layer("Linear", **linear), OUTPUT])
    # Neither on what stands before, nor on generators, which are left as they are.
    torch.manual_seed(5)
    before = torch.get_rng_state()
    fc = ["FCLayer", {"n_units": 4}]
    assert np.array_equal(
        values([fc, torch_layer("Linear", "other", **linear), torch_layer("Linear", **linear), OUTPUT]), first
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert not np.array_equal(values([torch_layer("Linear", "u", **linear), OUTPUT], "u"), first)
    assert not np.array_equal(values([torch_layer("Linear", **linear), OUTPUT], seed=4), first)


def test_a_constructor_that_draws_from_numpy_draws_from_the_stream_of_the_layer():
    def values(seed):
        return network_of([torch_layer("DrawsFromNumPy", n=4), OUTPUT], (4,), seed).arrays()["t.factor"]

    np.random.seed(1)
    first = values(3)
    before = np.random.get_state()[1].copy()
    assert np.array_equal(values(3), first) and not np.array_equal(values(4), first)
    assert np.array_equal(np.random.get_state()[1], before)


def rows():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(61, 4)).astype(np.float32)
    return x, (x[:, 0] + 0.3 * rng.normal(size=61) > 0).astype(np.int64)


SETTINGS = {"n_epochs": 3, "batch_size": 10, "valid": 0.2, "sgd_type": "adam", "n_threads": 1}


def fitted(layers, **more):
    return NNClassifier(layers, rng=7).fit(*rows(), **SETTINGS, **more)


def read(path):
    return decode(path.read_bytes(), str(path))[0]


def test_buffers_are_in_the_checkpoint_with_their_types(tmp_path):
    layers = [
        torch_layer("BatchNorm1d", num_features=4),
        torch_layer("Scaled", "s", n=4),
        ["ClassificationOutputLayer"],
    ]
    found = fitted(layers, checkpoint=str(tmp_path / "run"))
    stored = read(tmp_path / "run_last.ckpt").network
    assert sorted(stored) == [
        "output.W",
        "output.b",
        "s.factor",
        "s.shift",
        "t.bias",
        "t.num_batches_tracked",
        "t.running_mean",
        "t.running_var",
        "t.weight",
    ]
    # 49 rows are for training: 5 batches in each of 3 epochs.
    n_batches = 3 * 5
    assert stored["t.num_batches_tracked"].dtype == np.int64 and stored["t.num_batches_tracked"] == n_batches
    assert stored["s.factor"].tolist() == [1, 2, 3, 4]
    loaded_again = NNClassifier.load(str(tmp_path / "run"), trust=[HERE])
    x, _ = rows()
    assert np.array_equal(loaded_again.predict_proba(x), found.predict_proba(x))
    module = loaded(nn.BatchNorm1d(4), loaded_again.params).eval()
    scaled = loaded(Scaled(4), loaded_again.params, "s.")
    p = {name: torch.from_numpy(array) for name, array in loaded_again.params.items()}
    with torch.no_grad():
        expected = (scaled(module(torch.from_numpy(x))) @ p["output.W"] + p["output.b"]).softmax(1).numpy()
    np.testing.assert_allclose(found.predict_proba(x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "layer",
    [
        torch_layer("BatchNorm1d", num_features=4),
        torch_layer("Dropout", p=0.4),
        torch_layer("TwoStages", n_in=4, n_out=6),
        torch_layer("Assigned", n=4),
        torch_layer("RReLU"),
    ],
    ids=lambda spec: spec[1]["module"].rpartition(":")[2],
)
def test_killed_runs_resume_in_the_same_bits(layer, tmp_path):
    layers = [["FCLayer", {"n_units": 4}], layer, ["ClassificationOutputLayer"]]
    whole = fitted(layers)
    fewer = NNClassifier(layers, rng=7).fit(*rows(), **SETTINGS | {"n_epochs": 0})
    assert digest(whole)[1] != digest(fewer)[1]
    for k in (1, 4, 7):
        stem = str(tmp_path / f"run{k}")
        with pytest.raises(Stopped):
            fitted(layers, checkpoint=stem, checkpoint_every=1, observers=killed_after(k))
        assert digest(fitted(layers, checkpoint=stem)) == digest(whole)


def test_a_module_that_keeps_what_no_checkpoint_holds_is_refused_before_training(tmp_path):
    layers = [["FCLayer", {"n_units": 4}], torch_layer("Counting", "counts"), ["ClassificationOutputLayer"]]
    with pytest.raises(ConfigError, match=r"layer 'counts' keeps something from one call to the next"):
        fitted(layers, checkpoint=str(tmp_path / "run"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("raises", "layer 't' fails: RuntimeError: not today"),
        ("pair", "layer 't' returns tuple, not a tensor of shape (4, 4)"),
        ("fewer columns", "layer 't' returns shape (4, 2) where it declares (4, 4)"),
    ],
)
def test_a_module_that_fails_in_training_is_refused_before_it_with_the_name_of_its_layer(fault, words, tmp_path):
    layers = [torch_layer("OnlyOutside", fault=fault), ["ClassificationOutputLayer"]]
    with pytest.raises(ConfigError) as raised:
        fitted(layers, checkpoint=str(tmp_path / "run"))
    assert str(raised.value) == words and not list(tmp_path.iterdir())


class CountsLong(nn.Module):
    """A module whose counter changes no output for a while."""

    def __init__(self):
        super().__init__()
        self.n_calls = 0

    def forward(self, x):
        self.n_calls += 1
        return x if self.n_calls < 1000 else -x


def test_a_counter_that_changes_no_output_yet_is_refused_too():
    layers = [torch_layer("CountsLong", "counts"), ["ClassificationOutputLayer"]]
    with pytest.raises(ConfigError, match=r"layer 'counts' keeps something from one call to the next"):
        fitted(layers)


class KeepsMuch(nn.Module):
    """A module with attributes of every kind, some of them in a module of its own."""

    def __init__(self, inner=None):
        super().__init__()
        self.n, self.factor, self.word = 3, 0.5, "a"
        self.some, self.by_name, self.seen = [1, 2], {"a": 1}, {4}
        # Neither is a number, a text or a container of these; or it is torch's own.
        self.function, self._n, self.weight = torch.relu, 7, nn.Parameter(torch.ones(1))
        self.inner = inner


def test_numbers_texts_and_containers_are_what_a_module_may_keep_from_one_call_to_the_next():
    own = {"n": "3", "factor": "0.5", "word": "'a'", "some": "[1, 2]", "by_name": "{'a': 1}", "seen": "{4}"}
    expected = {f"{path}.{name}": text for path in ("", "inner") for name, text in own.items()}
    assert plain_attributes(KeepsMuch(KeepsMuch())) == plain_attributes(KeepsMuch(KeepsMuch()).eval()) == expected


def test_the_check_for_hidden_memory_leaves_buffers_as_they_were():
    layers = [
        torch_layer("BatchNorm1d", num_features=4),
        torch_layer("Dropout", "d", p=0.4),
        ["ClassificationOutputLayer"],
    ]
    found = NNClassifier(layers, rng=7).fit(*rows(), **SETTINGS | {"n_epochs": 0}).params
    assert (
        found["t.num_batches_tracked"] == 0
        and not found["t.running_mean"].any()
        and (found["t.running_var"] == 1).all()
    )


def test_only_training_changes_buffers():
    X, y = rows()
    fitted = NNClassifier([torch_layer("CountsCalls"), ["ClassificationOutputLayer"]], rng=7)
    fitted.fit(X, y, n_epochs=2, batch_size=10, valid=(X[:20], y[:20]), restore_best=False)
    n_steps = 2 * -(-len(X) // 10)
    assert fitted.params["t.n_calls"] == n_steps
    first = fitted.predict_proba(X)
    assert np.array_equal(fitted.predict_proba(X), first) and fitted.params["t.n_calls"] == n_steps


@pytest.mark.parametrize("fix_params", [True, False, ["weight", "bias"]], ids=str)
def test_a_fixed_module_is_in_evaluation_mode_in_training_too(fix_params):
    layer = TorchLayer(module="torch.nn:BatchNorm1d", params={"num_features": 4}, fix_params=fix_params)
    module = nn.BatchNorm1d(4)
    nn.init.uniform_(module.running_mean)
    nn.init.uniform_(module.running_var, 0.5, 2.0)
    params = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    x = torch.randn(9, 4, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(layer.build((4,))(params, x, True), module.train(fix_params is not True)(x))
    for name, tensor in module.state_dict().items():
        torch.testing.assert_close(params[name], tensor)


def test_a_tensor_that_is_neither_parameter_nor_buffer_is_refused_with_what_to_write():
    with pytest.raises(ConfigError) as raised:
        declare(parse([torch_layer("PlainTensor", n=4), OUTPUT]), (4,))
    message = (
        "t: PlainTensor has the tensor 'inner.factor', which is neither a parameter nor a buffer: use register_buffer"
    )
    assert str(raised.value) == message


@pytest.mark.parametrize(
    "module", ["Hardswish", "torch.nn", "torch.nn:", ":Hardswish", "torch.nn:functional.relu", "a b:C", ""]
)
def test_what_is_no_class_of_a_module_is_refused(module):
    with pytest.raises(ConfigError) as raised:
        TorchLayer(module=module)
    assert str(raised.value) == f"module must be 'module:Class', such as 'torch.nn:Hardswish'; got {module!r}"
    with pytest.raises(ConfigError) as raised:
        parse([["TorchLayer", {"module": module}], OUTPUT])
    assert str(raised.value).startswith("layers[0] (TorchLayer): module must be 'module:Class'")


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (
            torch_layer("torch.nn:Hardswich"),
            "t: torch.nn has no torch.nn.Module 'Hardswich'. Did you mean 'Hardswish'?",
        ),
        (torch_layer(f"{HERE}:NoModule"), f"t: {HERE} has no torch.nn.Module 'NoModule'. Known: "),
        (torch_layer("os:DirEntry"), "t: os has no torch.nn.Module 'DirEntry'"),
        (
            torch_layer("LazyLinear", out_features=3),
            "t: torch.nn:LazyLinear finds the shape of 'weight' in its first batch; a layer must know it before: ",
        ),
        (torch_layer(f"{HERE}:torch_layer"), f"t: {HERE} has no torch.nn.Module 'torch_layer'."),
        (
            torch_layer("not_there_at_all:Net"),
            "t: No module named 'not_there_at_all'. Is the folder of the module on PYTHONPATH?",
        ),
        (torch_layer("Linear", in_features=4), "t: Linear({'in_features': 4}) fails: TypeError: "),
        (
            torch_layer("Linear", in_features=4, out_features=-1),
            "t: Linear({'in_features': 4, 'out_features': -1}) fails: RuntimeError: ",
        ),
        (torch_layer("Linear", in_features=5, out_features=3), "t: torch.nn:Linear cannot take (4,): "),
        (torch_layer("Conv2d", in_channels=1, out_channels=1, kernel_size=1), "t: torch.nn:Conv2d cannot take (4,): "),
        (
            torch_layer("Pair"),
            f"t: {HERE}:Pair must return one tensor (rows, ...) of as many rows; got tuple of 2 rows",
        ),
        (
            torch_layer("OtherRows"),
            f"t: {HERE}:OtherRows must return one tensor (rows, ...) of as many rows; got a tensor of shape (1, 4) of "
            "2 rows",
        ),
        (
            torch_layer("LSTM", input_size=4, hidden_size=2),
            "t: torch.nn:LSTM must return one tensor (rows, ...) of as many rows; got tuple of 2 rows",
        ),
        (torch_layer("MSELoss"), "t: torch.nn:MSELoss cannot take (4,): "),
    ],
    ids=range(14),
)
def test_what_is_wrong_with_a_module_names_its_layer(layer, words):
    with pytest.raises(ConfigError) as raised:
        declare(parse([layer, OUTPUT]), (4,))
    assert str(raised.value).startswith(words) and "\n" not in str(raised.value)


def test_the_shape_of_a_module_is_found_without_its_memory():
    # A matrix of 4 TB.
    layer = TorchLayer(module="torch.nn:Linear", params={"in_features": 1_000_000, "out_features": 1_000_000})
    assert layer.output_shape((1_000_000,)) == (1_000_000,)
    assert layer.declare_params((1_000_000,))["weight"].shape == (1_000_000, 1_000_000)
    with pytest.raises(ShapeError, match=r"torch.nn:Linear cannot take \(3,\)"):
        layer.output_shape((3,))


OWN = """\
import sys

import torch

sys.modules["arignote_test_imported"] = sys.modules[__name__]


class Half(torch.nn.Module):
    def forward(self, x):
        return x / 2
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run with a module of a file of a user's own, which is then forgotten."""
    (tmp_path / "module_of_a_user.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    layers = [torch_layer("module_of_a_user:Half"), ["ClassificationOutputLayer"]]
    expected = fitted(layers, checkpoint=str(tmp_path / "run")).predict_proba(rows()[0])
    for name in ("module_of_a_user", "arignote_test_imported"):
        monkeypatch.delitem(sys.modules, name)
    return str(tmp_path / "run"), expected


def test_a_module_that_a_checkpoint_names_is_imported_only_if_it_is_trusted(run):
    stem, expected = run
    for trust in ([], ["another_module"]):
        with pytest.raises(CheckpointError) as raised:
            NNClassifier.load(stem, trust=trust)
        assert "'module_of_a_user:Half' is of the module 'module_of_a_user', which is not imported" in str(raised.value)
        assert "trust=['module_of_a_user']" in str(raised.value)
        assert "arignote_test_imported" not in sys.modules and "module_of_a_user" not in sys.modules
    found = NNClassifier.load(stem, trust=["module_of_a_user"])
    assert "arignote_test_imported" in sys.modules
    assert np.array_equal(found.predict_proba(rows()[0]), expected)


def test_inspect_imports_no_module_that_a_checkpoint_names(run):
    stem, _ = run
    for words in (("inspect", stem), ("inspect", stem, "--json"), ("verify", stem)):
        assert arignote(*words).code == 0
        assert "arignote_test_imported" not in sys.modules and "module_of_a_user" not in sys.modules


def test_layers_that_are_given_again_need_no_trust(run):
    stem, expected = run
    layers = [torch_layer("module_of_a_user:Half"), ["ClassificationOutputLayer"]]
    assert np.array_equal(NNClassifier.load(stem, layers=layers).predict_proba(rows()[0]), expected)


def test_modules_of_torch_nn_need_no_trust(tmp_path):
    fitted([torch_layer("Hardswish"), ["ClassificationOutputLayer"]], checkpoint=str(tmp_path / "run"))
    assert NNClassifier.load(str(tmp_path / "run")).params
