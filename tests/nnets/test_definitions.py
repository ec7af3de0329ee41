"""Lists of layers by functions: those that a person would write."""

from __future__ import annotations

import numpy as np
import pytest

from arignote import ConfigError, NNClassifier
from arignote.layers import declare, parse
from arignote.nnets.nets import define_cnn, define_logistic_regression, define_mlp
from arignote.spec.config import read_config


def test_an_mlp_has_dropout_where_its_rate_is_not_zero_and_penalties_on_all_weights():
    found = define_mlp(10, [30, 20], [0.1, 0, 0.5], activation="tanh", l1_reg=0.01, l2_reg=0.02)
    assert found == [
        ["DropoutLayer", {"name": "DO-input", "dropout_p": 0.1}],
        ["FCLayer", {"name": "fc0", "n_units": 30, "activation": "tanh", "l1": 0.01, "l2": 0.02}],
        ["FCLayer", {"name": "fc1", "n_units": 20, "activation": "tanh", "l1": 0.01, "l2": 0.02}],
        ["DropoutLayer", {"name": "DO-fc1", "dropout_p": 0.5}],
        ["ClassificationOutputLayer", {"name": "output", "n_classes": 10, "l1": 0.01, "l2": 0.02}],
    ]


def test_one_rate_is_that_of_the_input_and_of_every_layer():
    layers = define_mlp(3, 5, 0.25) + define_cnn(3, (8, 8), [2], [3], [2], 5, 0.25)
    rates = [params["dropout_p"] for name, params in layers if name == "DropoutLayer"]
    assert rates == [0.25] * 5 and define_mlp(3, 5, 0)[0][0] == "FCLayer"


def test_a_cnn_has_the_shapes_of_its_numbers():
    layers = define_cnn(10, (3, 28, 20), [4, 6], [5, 3], [2, 0], [30, 20], [0, 0.1, 0.2, 0.3, 0.4], l2_reg=0.02)
    names = "input conv0 maxpool0 DO-conv0 conv1 DO-conv1 fc0 DO-fc0 fc1 DO-fc1 output"
    assert " ".join(params["name"] for _, params in layers) == names
    assert [params["dropout_p"] for _, params in layers if "dropout_p" in params] == [0.1, 0.2, 0.3, 0.4]
    shapes = {place.name: place.output_shape for place in declare(parse(layers), (3 * 28 * 20,)).placed}
    # 28 - 5 + 1 = 24 and 20 - 5 + 1 = 16, halved by the pool; then 12 - 3 + 1 and 8 - 3 + 1.
    assert shapes["conv0"] == (4, 24, 16) and shapes["maxpool0"] == (4, 12, 8) and shapes["conv1"] == (6, 10, 6)
    assert shapes["fc0"] == (30,) and shapes["output"] == (10,)
    assert [(params.get("l1"), params.get("l2")) for name, params in layers if name != "DropoutLayer"] == [
        *[(None, None)] * 4,
        *[(0, 0.02)] * 3,
    ]


def test_an_image_of_two_axes_has_one_channel():
    for shape in ((8, 6), np.array([1, 8, 6])):
        layers = parse(define_cnn(3, shape, 2, 3, 2, 5, 0))
        assert [(place.name, place.output_shape) for place in declare(layers, (48,)).placed][:2] == [
            ("input", (1, 8, 6)),
            ("conv0", (2, 6, 4)),
        ]


def test_the_lists_train_and_go_into_a_config(tmp_path, digits):
    from ruamel.yaml import YAML

    cnn = define_cnn(10, [8, 8], [2], [3], [2], [5], 0.1)
    for layers in (define_logistic_regression(10, 0.001, 0.002), define_mlp(10, 5, 0.1), cnn):
        fitted = NNClassifier(layers, rng=1).fit(*digits, n_epochs=1)
        assert fitted.predict_proba(digits[0][:3]).shape == (3, 10)
        YAML().dump({"layers": layers}, tmp_path / "net.yaml")
        assert parse(read_config(tmp_path / "net.yaml").layers) == parse(layers)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: define_mlp(3, [4, 5], [0.1, 0.2]), r"dropout_p must be one number, or 3, .*; got \[0\.1, 0\.2\]"),
        (
            lambda: define_cnn(3, (8, 8), [2], [3], [2], [4], [0.5]),
            r"dropout_p must be one number, or 3, .*; got \[0\.5\]",
        ),
        (lambda: define_cnn(3, (8,), 2, 3, 2, 4, 0), r"input_image_shape must be .*; got \[8\]"),
        (lambda: define_cnn(3, (8, 8), [2, 2], [3], [2, 2], 4, 0), "for each convolution; got 2, 1 and 2"),
    ],
)
def test_numbers_that_do_not_go_together_are_refused(call, message):
    with pytest.raises(ConfigError, match=message):
        call()
