"""Parameters of another network: of runs, of 2015 and of safetensors files; what is refused; how such a run resumes."""

from __future__ import annotations

import re
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import arignote
from of_2015 import network, output, write
from promise import Stopped, digest, killed_after, newest
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file

from arignote import CheckpointError, ConfigError, NNClassifier, NNRegressor
from arignote.errors import ArignoteWarning
from arignote.report.inspection import inspection

X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.int64)
BASE = [["FCLayer", {"name": "fc", "n_units": 5}], ["ClassificationOutputLayer", {"name": "out"}]]
OUT = ["ClassificationOutputLayer", {"name": "out"}]
SETTINGS = {"batch_size": 20, "lr_rule": 0.5}


def fc(load_params, n_units=5, **more):
    return ["FCLayer", {"name": "fc", "n_units": n_units, "load_params": load_params} | more]


def start(layers, stored, x=X, y=Y, cls=NNClassifier, **more):
    """Return an estimator with the parameters that training would begin with."""
    return cls(layers, **{"rng": 2, "n_epochs": 0, "stored_network": stored} | SETTINGS | more).fit(x, y)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose last network is not its best one: from the third epoch on it learns wrong labels."""
    stem = str(tmp_path_factory.mktemp("runs") / "first")
    more = {"valid": (X, Y), "checkpoint": stem} | SETTINGS
    NNClassifier(BASE, rng=1, n_epochs=2, **more).fit(X, Y)
    with pytest.warns(match="data"):
        NNClassifier(BASE, rng=1, n_epochs=4, **more).fit(X, 1 - Y, resume="force")
    return stem


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """Modules of torch with their file: a square dense layer, one that is not, a convolution, a recurrent layer."""
    torch.manual_seed(3)
    parts = torch.nn.ModuleDict(
        {
            "square": torch.nn.Linear(4, 4),
            "wide": torch.nn.Linear(4, 5),
            "conv": torch.nn.Conv2d(1, 3, (2, 1)),
            "lstm": torch.nn.LSTM(2, 5, batch_first=True),
            "norm": torch.nn.BatchNorm1d(4),
        }
    )
    for tensor in (*parts["norm"].parameters(), parts["norm"].running_mean, parts["norm"].running_var):
        tensor.data.uniform_(0.5, 2.0)
    path = str(tmp_path_factory.mktemp("torch") / "module.safetensors")
    save_file(parts.state_dict(), path)
    return parts, path


def test_a_stem_means_the_last_network_and_a_file_its_own(run):
    for path, state in ((run, f"{run}_last.ckpt"), (f"{run}_best.ckpt", f"{run}_best.ckpt")):
        stored = NNClassifier.load(state)
        loaded = start([fc("fc"), OUT], path).params
        assert all((loaded[f"fc.{name}"] == stored.params[f"fc.{name}"]).all() for name in "Wba")
        # What is not loaded is drawn: of an output layer zeros.
        assert not loaded["out.W"].any() and stored.params["out.W"].any()
    best, last = (NNClassifier.load(f"{run}_{which}.ckpt").params["fc.W"] for which in ("best", "last"))
    assert (best != last).any()


def test_true_loads_the_layer_of_the_same_name_and_suits_all_layers(run):
    layers = [["FCLayer", {"name": "fc", "n_units": 5}], ["ClassificationOutputLayer", {"name": "out"}]]
    loaded = start(layers, run, layer_defaults={"load_params": True})
    stored = NNClassifier.load(f"{run}_last.ckpt").params
    assert all((loaded.params[name] == stored[name]).all() for name in stored)
    new = [layers[0], ["ClassificationOutputLayer", {"name": "out", "load_params": None}]]
    assert not start(new, run, layer_defaults={"load_params": True}).params["out.W"].any()


def test_each_repetition_of_a_block_begins_with_the_same_layer(run):
    square = ["FCLayer", {"name": "fc", "n_units": 4}]
    layers = [["Block", {"name": "twice", "repeat": 2, "layers": [square]}], OUT]
    stem = run + "-of-block"
    NNClassifier(layers, rng=3, n_epochs=1, checkpoint=stem, **SETTINGS).fit(X, Y)
    again = [["Block", {"name": "twice", "repeat": 2, "layers": [["FCLayer", square[1] | {"load_params": True}]]}], OUT]
    stored, loaded = NNClassifier.load(stem).params, start(again, stem).params
    assert (loaded["twice-1-fc.W"] == stored["twice-1-fc.W"]).all()
    assert (loaded["twice-2-fc.W"] == stored["twice-2-fc.W"]).all()
    assert (stored["twice-1-fc.W"] != stored["twice-2-fc.W"]).any()
    other = [
        "Block",
        {"name": "other", "repeat": 2, "layers": [["FCLayer", square[1] | {"load_params": "twice-{n}-fc"}]]},
    ]
    loaded = start([other, OUT], stem).params
    assert all((loaded[f"other-{n}-fc.W"] == stored[f"twice-{n}-fc.W"]).all() for n in (1, 2))


def test_parameters_of_a_checkpoint_of_2015_are_loaded(tmp_path):
    old = output(4)
    path = write(tmp_path / "a.pkl.gz", network([old], [4]))
    loaded = start(
        [["ClassificationOutputLayer", {"name": "new", "load_params": "output"}]], str(path), y=np.arange(60) % 3
    )
    assert (loaded.params["new.W"] == old.trainable_params["W"]).all()
    assert (loaded.params["new.b"] == old.trainable_params["b"]).all()


def test_a_mapping_loads_what_it_names_and_the_rest_is_drawn(run):
    drawn_ones = start([fc(None), OUT], None).params
    loaded = start([fc({"b": "fc.b", "a": "fc.a"}), OUT], run).params
    stored = NNClassifier.load(f"{run}_last.ckpt").params
    assert (loaded["fc.b"] == stored["fc.b"]).all() and (loaded["fc.a"] == stored["fc.a"]).all()
    assert (loaded["fc.W"] == drawn_ones["fc.W"]).all()


@pytest.mark.parametrize("name", ["square", "wide"])
def test_a_dense_layer_computes_what_that_of_torch_does(name, modules):
    parts, path = modules
    load = {"W": {"name": f"{name}.weight", "transpose": True}, "b": f"{name}.bias"}
    layers = [fc(load, parts[name].out_features, activation="linear"), ["RegressionOutputLayer", {"n_outputs": 1}]]
    found = torch.from_numpy(layer_output(start(layers, path, y=X[:, 0], cls=NNRegressor), X, "fc"))
    torch.testing.assert_close(found, parts[name](torch.from_numpy(X)))


def test_a_convolution_computes_what_that_of_torch_does(modules):
    parts, path = modules
    load = {"W": "conv.weight", "b": "conv.bias"}
    conv = {"name": "conv", "n_output_maps": 3, "filter_shape": [2, 1], "activation": "linear", "load_params": load}
    layers = [["InputImageLayer", {"n_pixels": 2}], ["ConvLayer", conv], OUT]
    found = layer_output(start(layers, path), X, "conv")
    torch.testing.assert_close(torch.from_numpy(found), parts["conv"](torch.from_numpy(X.reshape(-1, 1, 2, 2))))


def test_a_recurrent_layer_computes_what_that_of_torch_does(modules):
    parts, path = modules
    names = {"W_in": "weight_ih_l0", "W_rec": "weight_hh_l0", "b_in": "bias_ih_l0", "b_rec": "bias_hh_l0"}
    load = {param: f"lstm.{name}" for param, name in names.items()}
    layers = [["LSTMLayer", {"name": "lstm", "n_units": 5, "load_params": load}], OUT]
    x = X.reshape(-1, 2, 2)
    found = layer_output(start(layers, path, x=x), x, "lstm")
    torch.testing.assert_close(torch.from_numpy(found), parts["lstm"](torch.from_numpy(x))[0])


def test_a_batch_norm_computes_what_that_of_torch_does(modules):
    parts, path = modules
    names = {"gamma": "weight", "beta": "bias", "mean": "running_mean", "var": "running_var"}
    load = {param: f"norm.{name}" for param, name in names.items()}
    layers = [["BatchNormLayer", {"name": "norm", "load_params": load, "fix_params": True}], OUT]
    found = torch.from_numpy(layer_output(start(layers, path, n_epochs=1), X, "norm"))
    torch.testing.assert_close(found, parts["norm"].eval()(torch.from_numpy(X)))


def test_axes_in_another_order_are_those_of_numpy(tmp_path):
    kernel = np.arange(24, dtype=np.float64).reshape(2, 2, 2, 3)
    save_arrays({"conv/kernel": kernel}, tmp_path / "keras.safetensors")
    load = {"W": {"name": "conv/kernel", "transpose": [3, 2, 0, 1]}}
    conv = {"name": "conv", "n_output_maps": 3, "filter_shape": 2, "load_params": load}
    layers = [["InputImageLayer", {"n_pixels": 2, "n_images": 2}], ["ConvLayer", conv], OUT]
    found = start(layers, str(tmp_path / "keras.safetensors"), x=np.tile(X, 2)).params["conv.W"]
    assert found.shape == (3, 2, 2, 2) and found.dtype == np.float32
    # (height, width, channels, maps) of Keras.
    assert all(found[m, c, h, w] == kernel[h, w, c, m] for h, w, c, m in np.ndindex(kernel.shape))


def layer_output(estimator, x, name):
    """Return the output of a layer of the network that an estimator has fitted."""
    with torch.no_grad():
        return dict(estimator.network_.eval().outputs((torch.from_numpy(x).float(),)))[name].numpy()


@pytest.mark.parametrize(
    ("load", "message"),
    [
        ("fcc", "{path} has no layer 'fcc' with parameters. Did you mean 'fc'? There are: fc, out"),
        (
            "out",
            "the layer has the parameters W, b, a, 'out' of {path} has W, b: name those that are loaded, "
            "load_params: [W: ..., b: ...]",
        ),
        ({"W": "fc.w"}, "{path} has no 'fc.w'. Did you mean 'fc.W'? There are: fc.W, fc.a, fc.b, out.W, out.b"),
        ({"w": "fc.W"}, "the layer has no parameter 'w'. Did you mean 'W'?"),
        ({"W": "out.W"}, "'out.W' of {path} has shape (5, 2); W needs (4, 5)"),
        (
            {"W": {"name": "out.W", "transpose": True}},
            "'out.W' of {path} has shape (5, 2), transposed (2, 5); W needs (4, 5)",
        ),
        (
            {"W": {"name": "fc.W", "transpose": [0]}},
            "'fc.W' of {path} has shape (4, 5); transpose, [0], must be an order of its axes",
        ),
    ],
    ids=str,
)
def test_what_is_on_neither_side_or_does_not_fit_is_refused_by_layer_and_entry(load, message, run):
    with pytest.raises(ConfigError) as raised:
        start([fc(load), OUT], run)
    shown = str(raised.value).replace("{", "[").replace("}", "]")
    assert shown == f"fc: load_params: {message.format(path=run)}"


def test_all_that_does_not_fit_is_in_one_report(run):
    with pytest.raises(ConfigError) as raised:
        start(
            [fc({"W": "out.W", "b": "out.b"}), ["ClassificationOutputLayer", {"name": "out", "load_params": "ou"}]], run
        )
    assert str(raised.value).startswith("out: load_params: ")
    with pytest.raises(ConfigError) as raised:
        start([fc({"W": "out.W", "b": "out.b"}), ["ClassificationOutputLayer", {"load_params": {"W": "fc.W"}}]], run)
    lines = str(raised.value).splitlines()
    assert [line.partition(" of ")[0] for line in lines] == [
        "fc: load_params: 'out.W'",
        "fc: load_params: 'out.b'",
        "output: load_params: 'fc.W'",
    ]


def test_a_foreign_layer_is_refused_with_the_mapping_that_loads_it(modules):
    _, path = modules
    with pytest.raises(ConfigError) as raised:
        start([fc("wide"), OUT], path)
    assert str(raised.value).endswith(
        "name those that are loaded, load_params: {W: {name: wide.weight, transpose: true}, b: wide.bias}"
    )
    with pytest.raises(ConfigError, match=r"\(5, 4\); W needs \(4, 5\). Write W: {name: wide.weight, transpose: true}"):
        start([fc({"W": "wide.weight"}), OUT], path)


def test_a_square_weight_of_another_library_is_loaded_only_if_it_is_said_how_it_lies(modules):
    parts, path = modules
    with pytest.raises(ConfigError, match=r"'square.weight' of .* is square, .* Write W: {name: square.weight, transp"):
        start([fc({"W": "square.weight"}, 4), OUT], path)
    weight = parts["square"].weight.detach().numpy()
    for transpose, expected in ((False, weight), (True, weight.T)):
        loaded = start([fc({"W": {"name": "square.weight", "transpose": transpose}}, 4), OUT], path)
        assert (loaded.params["fc.W"] == expected).all()


def test_a_square_weight_of_this_package_is_loaded_as_it_is(tmp_path):
    first = start([fc(None, 4), OUT], None)
    save_arrays(first.params, tmp_path / "own.safetensors")
    for load in ("fc", True, {"W": "fc.W"}):
        again = start([fc(load, 4), OUT], str(tmp_path / "own.safetensors"), rng=9)
        assert (again.params["fc.W"] == first.params["fc.W"]).all()


@pytest.mark.parametrize(
    ("layers", "stored", "message"),
    [
        ([fc("fc"), OUT], None, "fc: load_params needs stored_network, the path of a run or of a safetensors file"),
        ([fc({"W": "x"}), OUT], None, "fc: load_params needs stored_network"),
    ],
)
def test_without_a_stored_network_nothing_can_be_loaded(layers, stored, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        start(layers, stored)


def test_what_cannot_be_read_is_refused_with_the_path(tmp_path):
    def refused(path, content=None):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(CheckpointError) as raised:
            start([fc("fc"), OUT], str(path))
        assert str(path) in str(raised.value)
        return str(raised.value)

    assert "there is no run of this stem" in refused(tmp_path / "none")
    assert "is a zip archive, as those of torch.save" in refused(tmp_path / "a.pt", b"PK\3\4" + bytes(60))
    assert "is neither a checkpoint nor a safetensors file" in refused(tmp_path / "a.safetensors", b"abc")
    for name, values in (("nan", [np.nan]), ("large", [1e300])):
        save_arrays({"fc.b": np.array(values * 5)}, tmp_path / f"{name}.safetensors")
        with pytest.raises(CheckpointError, match=r"'fc.b' has values that are not finite in float32"):
            start([fc({"b": "fc.b"}), OUT], str(tmp_path / f"{name}.safetensors"))


def trained(run, stem=None, **more):
    layers = [fc("fc", fix_params=["b"]), OUT]
    more = {"n_epochs": 2, "checkpoint": stem and str(stem), "stored_network": run} | SETTINGS | more
    return NNClassifier(layers, rng=2, valid=0.2, **more).fit(X, Y)


def copy_of(run, folder):
    """Return a stem with copies of the files of a run."""
    folder.mkdir()
    for path in Path(run).parent.glob(f"{Path(run).name}_*.ckpt"):
        shutil.copy(path, folder)
    return str(folder / Path(run).name)


def test_a_killed_run_resumes_without_the_stored_network_to_the_same_bits(run, tmp_path):
    whole, stem = trained(run), tmp_path / "run"
    first = copy_of(run, tmp_path / "first")
    with pytest.raises(Stopped):
        trained(first, stem, checkpoint_every=1, observers=killed_after(2))
    assert list(newest(stem).loaded) == ["fc"] and newest(stem).loaded == whole.state_.loaded
    # Named again, not named, and no longer there.
    for number, stored in enumerate((first, None, first)):
        again = tmp_path / f"run{number}"
        for path in tmp_path.glob("run_*"):
            shutil.copy(path, tmp_path / path.name.replace("run_", f"run{number}_"))
        if number == 2:
            shutil.rmtree(tmp_path / "first")
            with pytest.warns(ArignoteWarning, match="there is no run of this stem .* The run is resumed without it"):
                ended = trained(stored, again)
        else:
            ended = trained(stored, again)
        assert digest(ended) == digest(whole) and ended.state_.loaded == whole.state_.loaded


def test_a_run_that_began_from_other_parameters_is_refused(run, tmp_path):
    first = copy_of(run, tmp_path / "first")
    trained(first, tmp_path / "run", n_epochs=1)
    Path(f"{first}_last.ckpt").unlink()
    best = f"{run}_best.ckpt"
    with pytest.raises(CheckpointError, match=r"digest of load_params of fc: '\w{16}' then, '\w{16}' now"):
        trained(best, tmp_path / "run")
    with pytest.warns(ArignoteWarning, match="digest of load_params of fc"):
        forced = trained(best, tmp_path / "run", resume="force")
    assert forced.n_epochs_ == 2 and forced.state_.loaded == trained(run, n_epochs=0).state_.loaded
    # Of the same values in another file nothing differs.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert trained(run, tmp_path / "run").n_epochs_ == 2


def test_the_digest_is_of_names_and_values_of_what_is_loaded(run, tmp_path):
    def loaded(load, values):
        save_arrays({"fc.b": values, "other": np.ones(5)}, tmp_path / "a.safetensors")
        return start([fc(load), OUT], str(tmp_path / "a.safetensors")).state_.loaded["fc"]

    zeros = np.zeros(5)
    found = [
        loaded({"b": "fc.b"}, zeros),
        loaded({"a": "fc.b"}, zeros),
        loaded({"b": "fc.b"}, zeros + 1),
        loaded({"a": "fc.b", "b": "fc.b"}, zeros),
    ]
    assert len(set(found)) == 4
    assert loaded({"b": "other"}, zeros) == found[2] and start([fc(None), OUT], run).state_.loaded == {}


def test_a_loaded_estimator_goes_on_without_the_stored_network(run, tmp_path):
    stem = str(tmp_path / "run")
    trained(run, stem, n_epochs=1)
    again = NNClassifier.load(stem).fit(X, Y, valid=0.2, n_epochs=2)
    assert digest(again) == digest(trained(run))
    assert inspection(stem)["loaded"] == again.state_.loaded == trained(run).state_.loaded


def test_in_a_folder_other_parameters_have_a_stem_of_their_own(run, tmp_path):
    stems = [trained(stored, f"{tmp_path}/").checkpoint_ for stored in (run, f"{run}_best.ckpt", f"{run}_last.ckpt")]
    assert stems[0] == stems[2] != stems[1]


CONFIG = """
name: second
rng: 2
stored_network: first/first
data:
  train: {features: x.npy, labels: y.npy}
layers:
  - [FCLayer, {name: fc, n_units: 5, load_params: fc}]
  - [ClassificationOutputLayer, {name: out}]
fit: {n_epochs: 0, batch_size: 20, checkpoint: runs/second}
"""


@pytest.fixture
def config(run, tmp_path):
    """A config beside its data and its stored network."""
    copy_of(run, tmp_path / "first")
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y)
    (tmp_path / "second.yaml").write_text(CONFIG)
    return tmp_path / "second.yaml"


@pytest.mark.slow
def test_a_config_names_a_stored_network_from_its_own_folder(config, run):
    assert arignote("fit", config).code == 0
    loaded, stored = (NNClassifier.load(f"{stem}_last.ckpt") for stem in (config.parent / "runs" / "second", run))
    assert (loaded.params["fc.W"] == stored.params["fc.W"]).all()
    timed = arignote("summary", config, "--time", "--set", "fit.n_epochs=1")
    assert timed.code == 0 and "an epoch takes about" in timed.out
    ended = arignote("check", config, "--data")
    assert ended.code == 0 and f"fc.W, fc.b, fc.a are loaded from {config.parent}/first/first" in ended.out


def test_a_layer_of_a_config_that_cannot_be_loaded_is_reported_with_its_line(config):
    for command in (["fit"], ["check", "--data"]):
        ended = arignote(command[0], config, *command[1:], "--set", "layers.fc.n_units=6")
        assert ended.code == 2 and f"{config}:8" in ended.err
        assert "load_params: 'fc.W' of" in ended.err and "has shape (4, 5); W needs (4, 6)" in ended.err
    assert not list((config.parent / "runs").glob("*.ckpt"))
