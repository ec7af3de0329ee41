"""Parts of a user's own: named as "module:Name", imported where a person names them, never because a file does."""

from __future__ import annotations

import json
import os
from typing import ClassVar

import forked
import numpy as np
import pytest

from arignote import ArignoteWarning, CheckpointError, ConfigError, NNClassifier, registry
from arignote.layers import Layer
from arignote.optim.updaters import NAG, Updater

MODULE = '''
"""A layer of a user's own."""
from pathlib import Path
from typing import ClassVar
from arignote.layers import Layer
from arignote.registry import register

Path(__file__).with_name("imported").write_text("")

@register()
class Twice(Layer):
    """Twice the input."""
    name_prefix: ClassVar[str] = "twice"

    def build(self, shape):
        return lambda params, x, training: 2 * x

class NotAPart:
    pass
'''
TRAIN = """
import numpy as np
from arignote import NNClassifier
X = np.random.default_rng(0).normal(size=(40, 5)).astype("f4")
layers = [["my_parts:Twice", {}], ["FCLayer", {"n_units": 3}], ["ClassificationOutputLayer"]]
print(NNClassifier(layers, rng=1, n_epochs=%d, batch_size=8).fit(X, X[:, 0] > 0, checkpoint="run").status_)
"""
LOAD = """
import json, sys
from arignote import CheckpointError, NNClassifier
found = {}
try:
    NNClassifier.load("run")
except CheckpointError as error:
    found["refused"] = str(error)
found["imported"] = "my_parts" in sys.modules
found["layers"] = [layer.name for layer in NNClassifier.load("run", trust=["my_parts"])._layers()]
print(json.dumps(found))
"""


def python(code, folder):
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return forked.run(["-c", code], cwd=folder, env=environment, check=True).stdout


@pytest.mark.slow
def test_a_module_that_only_a_file_names_is_imported_on_trust_alone(tmp_path):
    (tmp_path / "my_parts.py").write_text(MODULE)
    python(TRAIN % 1, tmp_path)
    (tmp_path / "imported").unlink()
    found = json.loads(python(LOAD, tmp_path))
    assert "trust=['my_parts']" in found["refused"] and not found["imported"]
    assert found["layers"] == ["input", "twice1", "fc1", "output"]
    assert "resumes at epoch 2" in python(TRAIN % 2, tmp_path)
    (tmp_path / "imported").unlink()
    forked.run(["-m", "arignote", "inspect", "run"], cwd=tmp_path, check=True)
    assert not (tmp_path / "imported").exists()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("no_such_module:Layer", "No module named 'no_such_module'"),
        ("os:system", "'os:system' is not a registered layer"),
        ("../digits.h5:/images", "'../digits.h5:/images' is not a registered layer"),
        ("arignote.streams:stream", "not a registered layer"),
    ],
)
def test_a_class_that_is_not_registered_is_refused(word, message):
    with pytest.raises(ConfigError, match=message):
        NNClassifier([[word, {}], ["ClassificationOutputLayer"]]).summary()


def test_what_a_layer_of_a_users_own_lacks_is_reported(monkeypatch):
    monkeypatch.setattr(registry.table, "_PARTS", {kind: registry.names(kind) for kind in registry.kinds()})

    @registry.register()
    class Half(Layer):
        """Without what it does."""

    with pytest.raises(ConfigError, match=r"layers\[0\].*'Half' must define build"):
        NNClassifier([["Half"], ["ClassificationOutputLayer"]]).summary()


def test_a_function_of_a_script_trains_with_a_word_and_is_given_again(digits, tmp_path):
    stem = str(tmp_path / "run")
    layers = [["FCLayer", {"n_units": 3, "activation": lambda x: x.abs()}], ["ClassificationOutputLayer"]]
    with pytest.warns(ArignoteWarning, match=r"<lambda> is defined only in this script"):
        NNClassifier(layers, rng=1).fit(*digits, n_epochs=1, checkpoint=stem)
    with pytest.raises(CheckpointError, match=r"give the layers again: NNClassifier.load\(.*layers="):
        NNClassifier.load(stem)
    loaded = NNClassifier.load(stem, layers=layers)
    assert np.isfinite(loaded.predict_proba(digits[0])).all()


def test_a_layer_without_a_deterministic_form_is_named(digits):
    import torch

    def put(x):
        return x.clone().put_(torch.tensor([0]), torch.ones(1))

    layers = [["FCLayer", {"name": "odd", "n_units": 3, "activation": put}], ["ClassificationOutputLayer"]]
    with pytest.raises(ConfigError, match=r"layer 'odd' has no deterministic form on cpu"):
        NNClassifier(layers, rng=1).fit(*digits, n_epochs=1)
    assert not torch.are_deterministic_algorithms_enabled()


class Wrong(Layer):
    """Returns what `what` names."""

    name_prefix: ClassVar[str] = "wrong"
    what: str

    def build(self, shape):
        def needs_ten_rows(x):
            if len(x) < 10:
                raise KeyError("ten rows")
            return x

        does = {
            "none": lambda x: None,
            "none at the end": lambda x: None if len(x) == 8 else x,
            "shape": lambda x: x[:, 1:],
            "rows": lambda x: x[1:],
            "type": lambda x: x.double(),
            "fault": lambda x: x.no_such_method(),
            "value": lambda x: int("one"),
            "ten rows": needs_ten_rows,
            "nothing": lambda x: x,
        }
        return lambda params, x, training: does[self.what](x)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("none", r"layer 'wrong1' returns NoneType, not a tensor of shape \(16, 5\)"),
        ("none at the end", r"layer 'wrong1' returns NoneType, not a tensor of shape \(8, 5\)"),
        ("shape", r"layer 'wrong1' returns shape \(16, 4\) where it declares \(16, 5\)"),
        ("rows", r"layer 'wrong1' returns shape \(15, 5\) where it declares \(16, 5\)"),
        ("type", r"layer 'wrong1' returns torch.float64 where torch.float32 came to it"),
        ("fault", r"layer 'wrong1' fails: AttributeError: .* 'no_such_method'"),
        ("value", r"layer 'wrong1' fails: ValueError: invalid literal"),
        ("ten rows", r"layer 'wrong1' fails: KeyError: 'ten rows'"),
    ],
)
def test_a_layer_that_does_not_do_as_it_declares_is_named(what, message):
    x = np.random.default_rng(0).normal(size=(40, 5)).astype("f4")
    layers = [Wrong(what=what), ["FCLayer", {"n_units": 3}], ["ClassificationOutputLayer"]]
    with pytest.raises(ConfigError, match=message):
        NNClassifier(layers, n_epochs=1, batch_size=16, shuffle=False).fit(x, x[:, 0] > 0)


class Failing(Updater):
    def step(self, w, g, slots, lr, momentum, n):
        raise TypeError("of the updater")


def test_an_error_is_attributed_to_its_own_layer(digits):
    layers = [Wrong(what="nothing"), ["ClassificationOutputLayer"]]
    with pytest.raises(TypeError, match="of the updater"):
        NNClassifier(layers, n_epochs=1, sgd_type=Failing()).fit(*digits)


class Plain(Updater):
    """Has no more than it must."""

    def step(self, w, g, slots, lr, momentum, n):
        w.sub_(g, alpha=lr)


def test_an_updater_that_has_no_more_than_it_must_trains_as_sgd_does(digits):
    layers = [["ClassificationOutputLayer", {"l2": 0.01}]]
    ends = [NNClassifier(layers, rng=1, n_epochs=1, sgd_type=updater).fit(*digits) for updater in (Plain(), "sgd")]
    assert (ends[0].params["output.W"] == ends[1].params["output.W"]).all()


class Signs(NAG):
    """Goes by the signs of the gradients; keeps a slot as its parent does, or puts another in its place."""

    rebinds: bool = False

    def step(self, w, g, slots, lr, momentum, n):
        if self.rebinds:
            slots["velocity"] = 0.9 * slots["velocity"] + g
        w.sub_(g.sign(), alpha=lr)


def test_the_step_of_an_updater_of_a_users_own_is_taken_also_where_its_parent_has_a_kernel(digits):
    def fitted(updater):
        return NNClassifier(
            [["ClassificationOutputLayer", {"l2": 0.01}]], rng=1, n_epochs=0, sgd_type=updater, lr_rule=0.125
        )

    start = fitted("nag").fit(*digits).params["output.W"]
    moved = fitted(Signs()).fit(*digits, n_epochs=1, batch_size=len(digits[0])).params["output.W"]
    assert set(np.unique(np.abs(moved - start).round(6))) <= {0.0, 0.125}


def test_a_slot_cannot_be_put_in_the_place_of_another(digits):
    with pytest.raises(TypeError, match="does not support item assignment"):
        NNClassifier([["ClassificationOutputLayer"]], n_epochs=1, sgd_type=Signs(rebinds=True)).fit(*digits)
