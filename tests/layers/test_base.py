"""What layers have in common: defaults, fixed parameters, bounds of settings."""

from __future__ import annotations

import pytest

from arignote.errors import ConfigError
from arignote.layers import declare, parse
from arignote.layers.base import Layer, Param
from arignote.layers.initializers import Constant
from arignote.registry import build


@pytest.mark.parametrize(
    ("fix_params", "fixed"),
    [(False, ""), (True, "W W1 b b1 a"), (["W"], "W W1"), (["W1"], "W1"), (["b", "a"], "b b1 a"), ([], "")],
    ids=str,
)
def test_parameters_are_fixed_all_or_by_the_beginning_of_their_names(fix_params, fixed):
    layer = build("layer", ["FCLayer", {"n_units": 2, "fix_params": fix_params}])
    assert [name for name in ("W", "W1", "b", "b1", "a") if layer.is_fixed(name)] == fixed.split()


def test_a_layer_with_weights_is_not_penalised_nor_bounded_nor_fixed_of_its_own_accord():
    layer = build("layer", ["FCLayer", {"n_units": 2}])
    expected = {"l1": 0.0, "l2": 0.0, "maxnorm": None, "fix_params": False, "load_params": None, "use_bias": True}
    assert {name: getattr(layer, name) for name in [*expected, "W", "b"]} == expected | {"W": None, "b": None}
    assert layer.lr_factor == 1.0 and layer.nonnegative is False


def test_a_parameter_has_one_connection_and_is_trained_and_not_penalised_by_default():
    param = Param((3,), Constant())
    assert (param.fan_in, param.fan_out, param.unit_axis, param.trained) == (1, 1, None, True)


def test_a_layer_that_declares_nothing_keeps_the_shape_and_has_no_parameters():
    class Same(Layer):
        def build(self, shape):
            return lambda params, x, training: x

    assert (Same().output_shape((3, 4)), Same().declare_params((3, 4)), Same().notes((3, 4))) == ((3, 4), {}, [])
    assert (Same().name, Same().name_prefix, Same().kind) == (None, "layer", "layer")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"l1": -0.1}, "l1 must be a number >= 0"),
        ({"l2": -0.1}, "l2 must be a number >= 0"),
        ({"maxnorm": 0.0}, "maxnorm must be a number > 0"),
        ({"lr_factor": 0.0}, "lr_factor must be a number > 0"),
        ({"lr_factor": -1.0}, "lr_factor must be a number > 0"),
        ({"lr_factor": float("inf")}, "lr_factor must be a finite number"),
        ({"name": "a.b"}, "name must be a name without dots"),
        ({"name": "a/b"}, "name must be a name without dots"),
        ({"name": " a"}, "name must be a name without dots"),
        ({"name": ""}, "name must be a name without dots"),
        ({"fix_params": "W"}, "fix_params must be true or false or a list"),
    ],
    ids=str,
)
def test_settings_out_of_bounds_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        build("layer", ["FCLayer", {"n_units": 2, **settings}])


@pytest.mark.parametrize("name", ["a", "a b", "fc-1", "1"])
def test_a_name_may_have_blanks_inside(name):
    assert build("layer", ["FCLayer", {"n_units": 2, "name": name}]).name == name


# Layer, shape that comes in -> shape, parameters, axis of the units of those that may be penalised.
@pytest.mark.parametrize(
    ("layer", "shape", "output", "params", "weights"),
    [
        (["FCLayer", {"n_units": 5}], (2, 3), (5,), {"W": (6, 5), "b": (5,), "a": (5,)}, {"W": 1}),
        (
            ["FCLayer", {"n_units": 5, "activation": "prelu_shelf", "use_bias": False}],
            (6,),
            (5,),
            {"W": (6, 5), "a": (5,), "c": (5,)},
            {"W": 1},
        ),
        (["FCMaxoutLayer", {"n_units": 5}], (6,), (5,), {"W": (6, 25), "b": (25,)}, {"W": 1}),
        (["FCMaxoutLayer", {"n_units": 5, "maxout_k": 2}], (6,), (5,), {"W": (6, 10), "b": (10,)}, {"W": 1}),
        (
            ["ConvLayer", {"n_output_maps": 4, "filter_shape": [2, 3], "stride": [2, 1]}],
            (3, 7, 8),
            (4, 3, 6),
            {"W": (4, 3, 2, 3), "b": (4,), "a": (4,)},
            {"W": 0},
        ),
        (
            ["ConvMaxoutLayer", {"n_output_maps": 4, "filter_shape": 2}],
            (3, 7, 8),
            (4, 6, 7),
            {"W": (20, 3, 2, 2), "b": (20,)},
            {"W": 0},
        ),
        (
            ["MLPConvLayer", {"n_output_maps": 4, "filter_shape": 2, "n_units": [5, 6], "stride": 3}],
            (3, 7, 8),
            (4, 2, 3),
            {
                **{"W": (5, 3, 2, 2), "b": (5,), "a": (5,)},
                **{"W1": (6, 5, 1, 1), "b1": (6,), "a1": (6,)},
                **{"W2": (4, 6, 1, 1), "b2": (4,), "a2": (4,)},
            },
            {"W": 0, "W1": 0, "W2": 0},
        ),
        (["BatchNormLayer"], (3, 7, 8), (3, 7, 8), dict.fromkeys(("gamma", "beta", "mean", "var"), (3,)), {}),
        (["BatchNormLayer"], (6,), (6,), dict.fromkeys(("gamma", "beta", "mean", "var"), (6,)), {}),
        (["MaxPool2DLayer", {"pool_shape": [2, 3], "stride": [1, 2]}], (3, 7, 8), (3, 6, 3), {}, {}),
        (["MaxPool2DLayer", {"pool_shape": [2, 3]}], (3, 7, 8), (3, 3, 2), {}, {}),
        (["GlobalAveragePoolLayer"], (3, 7, 8), (3,), {}, {}),
        (["DropoutLayer", {"dropout_p": 0.5}], (3, 7, 8), (3, 7, 8), {}, {}),
        (["GaussianNoiseLayer"], (6,), (6,), {}, {}),
    ],
    ids=str,
)
def test_shapes_and_parameters_are_those_worked_out_by_hand(layer, shape, output, params, weights):
    architecture = declare(parse([layer, ["ClassificationOutputLayer", {"n_classes": 2}]]), shape)
    place = architecture.placed[1]
    assert place.output_shape == output and {name: param.shape for name, param in place.params.items()} == params
    found = {name: param.unit_axis for name, param in place.params.items() if param.unit_axis is not None}
    assert found == weights
    not_trained = {name for name, param in place.params.items() if not param.trained}
    assert not_trained == ({"mean", "var"} if layer[0] == "BatchNormLayer" else set())


@pytest.mark.parametrize(
    ("layer", "notes"),
    [
        (["FCLayer", {"n_units": 2, "fix_params": ["w", "b"]}], ["no parameter begins with 'w'; there are W, b, a"]),
        (["FCLayer", {"n_units": 2, "fix_params": ["W", "a"]}], []),
        (["LSTMLayer", {"n_units": 2, "fix_params": ["W_rec"], "only_last": True}], []),
        (["ActivationLayer", {"activation": "relu", "fix_params": ["a"]}], []),
        (["BatchNormLayer", {"fix_params": True}], []),
    ],
    ids=str,
)
def test_the_beginning_of_a_name_that_no_parameter_has_is_remarked(layer, notes):
    architecture = declare(parse([layer, ["ClassificationOutputLayer", {"n_classes": 2}]]), (4,))
    name = architecture.placed[1].name
    assert architecture.notes == [f"{name}: fix_params: {note}" for note in notes]
