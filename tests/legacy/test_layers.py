"""Layers of 2015, with their parameters in the order of today: the same predictions."""

from __future__ import annotations

import numpy as np
import pytest
from of_2015 import drawn, layer, linear_layer, network, output, predict, softmax, write

from arignote.errors import CheckpointError
from arignote.legacy import read_2015


def convolved(x, weights, biases):
    from scipy.signal import convolve2d

    return np.array(
        [
            [sum(convolve2d(c, f, "valid") for c, f in zip(image, w, strict=True)) for w in weights]
            + biases[:, None, None]
            for image in x
        ]
    )


def test_the_filters_of_theano_are_turned_round(tmp_path):
    w, b = drawn(3, 2, 3, 2), drawn(3)
    conv = layer(
        "ConvLayer",
        (2, 6, 5),
        "conv1",
        n_output_maps=3,
        filter_shape=(3, 2),
        stride=(1, 1),
        activation="prelu",
        batch_size=20,
        partial_sum=1,
        maxnorm=1.0,
        arrays={"W": w, "b": b, "act_func_args": [np.array([0.1, 0.2, 0.3], np.float32)]},
    )
    last, x = output(48), drawn(4, 2, 6, 5)
    state = read_2015(write(tmp_path / "a.pkl.gz", network([conv, last], (2, 6, 5))))
    assert (state.network["conv1.W"] == w[:, :, ::-1, ::-1]).all()
    sums = convolved(x, w, b)
    maps = np.where(sums > 0, sums, sums * np.array([0.1, 0.2, 0.3])[:, None, None])
    arrays = last.trainable_params
    assert np.allclose(predict(state, x), softmax(maps.reshape(4, -1) @ arrays["W"] + arrays["b"]), atol=1e-5)


def test_an_output_without_weights_has_the_softmax_of_what_comes_in_within_its_bounds(tmp_path):
    arrays = {"W": 9 * drawn(4, 3), "b": drawn(3)}
    dense = layer("FCLayer", (4,), "fc", n_units=3, activation="linear", arrays=arrays)
    net = network([dense, layer("SoftmaxOutputLayer", (3,), "output", clip=(-1.0, 2.0))], [4])
    state = read_2015(write(tmp_path / "a.pkl.gz", net))
    x = drawn(5, 4)
    expected = softmax(np.clip(x @ arrays["W"] + arrays["b"], -1, 2))
    assert np.allclose(predict(state, x), expected, atol=1e-5)


def test_the_pieces_of_maxout_find_their_units(tmp_path):
    ws, bs = [drawn(2, 1, 2, 3) + k for k in range(3)], [drawn(2) - k for k in range(3)]
    wf, bf = [drawn(12, 4) * (k + 1) for k in range(2)], [drawn(4) + k for k in range(2)]
    shape = {"n_output_maps": 2, "filter_shape": (2, 3), "stride": (1, 1), "maxout_k": 3}
    net = network(
        [
            # One that was given came after the input layer that was always put first.
            layer("InputImageLayer", np.array([20]), "image", n_images=1, n_pixels=(4, 5)),
            layer("ConvMaxoutLayer", (1, 4, 5), "conv", arrays={"W": ws, "b": bs}, **shape),
            layer("MaxPool2DLayer", (2, 3, 3), "pool", pool_shape=(2, 1), stride=(1, 1)),
            layer("FCMaxoutLayer", (12,), "fc.1", n_units=4, maxout_k=2, arrays={"W": wf, "b": bf}),
            output(4),
        ],
        [20],
    )
    state, x = read_2015(write(tmp_path / "a.pkl.gz", net)), drawn(5, 20)
    maps = np.max([convolved(x.reshape(5, 1, 4, 5), w, b) for w, b in zip(ws, bs, strict=True)], axis=0)
    pooled = np.maximum(maps[:, :, :-1], maps[:, :, 1:]).reshape(5, -1)
    hidden = np.max([pooled @ w + b for w, b in zip(wf, bf, strict=True)], axis=0)
    arrays = net.layers_train[-1].trainable_params
    assert np.allclose(predict(state, x), softmax(hidden @ arrays["W"] + arrays["b"]), atol=1e-5)
    assert "fc_1.W" in state.network


def test_segments_of_an_input_find_their_arrays(tmp_path):
    w, b = [drawn(2, 3), drawn(3, 3)], [drawn(3), drawn(3) - 1]
    a = [[np.array([0.1, 0.2, 0.3], np.float32)], [np.array([0.4, 0.5, 0.6], np.float32)]]
    wm, bm = [[drawn(3, 2) + k + 5 * s for k in range(3)] for s in range(2)], [[drawn(2) + k for k in range(3)]] * 2
    arrays = {"W": w, "b": b, "act_func_args": a}
    segments = {"n_segments": 2}
    net = network(
        [
            layer(
                "LCLayer", (5,), "lc", n_units=3, activation="prelu", arrays=arrays, corruption_level=0.1, **segments
            ),
            layer("LCMaxoutLayer", (6,), "max", n_units=2, maxout_k=3, arrays={"W": wm, "b": bm}, **segments),
            output(4),
        ],
        [5],
    )
    state, x = read_2015(write(tmp_path / "a.pkl.gz", net)), drawn(4, 5)
    parts = []
    for part, weights, biases, (slopes,) in zip((x[:, :2], x[:, 2:]), w, b, a, strict=True):
        sums = part @ weights + biases
        parts.append(np.where(sums > 0, sums, slopes * sums))
    largest = [
        np.max([part @ weights + biases for weights, biases in zip(*pieces, strict=True)], axis=0)
        for part, *pieces in zip(parts, wm, bm, strict=True)
    ]
    last = net.layers_train[-1].trainable_params
    expected = softmax(np.concatenate(largest, axis=1) @ last["W"] + last["b"])
    assert np.allclose(predict(state, x), expected, atol=1e-5)
    assert set(state.slots) == {f"velocity/{name}" for name in state.network}


def test_pools_whose_windows_overlap_the_edge_are_those_of_theano(tmp_path):
    # theano.tensor.signal.pool of that time, ignore_border=False: a smaller window at the end counts.
    pool = layer("MaxPool2DLayer", (1, 5, 4), "pool", pool_shape=(2, 2), stride=(2, 2))
    last, x = output(6), drawn(3, 1, 5, 4)
    state = read_2015(write(tmp_path / "a.pkl.gz", network([pool, last], (1, 5, 4))))
    assert state.spec["layers"][1][1]["ignore_border"] is False
    arrays = last.trainable_params
    windows = np.pad(x, ((0, 0), (0, 0), (0, 1), (0, 0)), constant_values=-np.inf).reshape(3, 3, 2, 2, 2)
    z = windows.max((2, 4)).reshape(3, 6) @ arrays["W"] + arrays["b"]
    assert np.abs(predict(state, x) - softmax(z)).max() < 1e-6
    # A filter that only fits into the map with the window at the edge.
    pool = layer("MaxPool2DLayer", (1, 5, 5), "pool", pool_shape=(2, 2), stride=(2, 2))
    weights = {"W": drawn(2, 1, 3, 3), "b": drawn(2), "act_func_args": []}
    conv = layer(
        "ConvLayer", (1, 3, 3), "conv", n_output_maps=2, filter_shape=(3, 3), activation="linear", arrays=weights
    )
    state = read_2015(write(tmp_path / "c.pkl.gz", network([pool, conv, output(2)], (1, 5, 5))))
    assert state.spec["layers"][1][1]["ignore_border"] is False
    # Without such windows pools are as they were converted before.
    even = layer("MaxPool2DLayer", (1, 4, 4), "pool", pool_shape=(2, 2), stride=(2, 2))
    state = read_2015(write(tmp_path / "b.pkl.gz", network([even, output(4)], (1, 4, 4))))
    assert state.spec["layers"][1][1]["ignore_border"] is True


def test_a_linear_layer_and_a_multilabel_output_are_one_layer_now(tmp_path):
    first, x = linear_layer(4, 3), drawn(5, 4)
    last, slots = layer("MultilabelOutputLayer", (3,), "output"), [{"velocity": drawn(4, 3)}, {"velocity": drawn(3)}]
    net = network([first, last], [4], slots)
    state = read_2015(write(tmp_path / "a.pkl.gz", net))
    z = x @ first.trainable_params["W"] + first.trainable_params["b"]
    assert np.abs(predict(state, x) - 1 / (1 + np.exp(-z))).max() < 1e-6
    assert state.targets == {"output": {"target": "flags", "form": "matrix", "dtype": "<i8", "values": [0, 1, 2]}}
    fit = state.spec["fit"]
    assert (fit["train_loss"], fit["test_loss"]) == ("binary_cross_entropy", ["binary_cross_entropy", "flag_error"])
    assert [name for name, _ in state.spec["layers"]] == ["InputLayer", "MultilabelOutputLayer"]
    assert state.spec["layers"][1][1]["l2"] == 0.5 and (state.slots["velocity/output.b"] == drawn(3) / -0.1).all()


def test_of_an_ordinal_output_of_2015_the_other_layers_are_loaded(tmp_path):
    from arignote import NNClassifier

    first = linear_layer(4, 2)
    path = write(tmp_path / "a.pkl.gz", network([first, layer("OrdinalOutputLayer", (2,), "output", clip=None)], [4]))
    with pytest.raises(CheckpointError, match=r"OrdinalOutputLayer has thresholds .* stored_network, .* load_params"):
        read_2015(path)
    linear = {"name": "linear", "n_units": 2, "activation": "linear", "load_params": True}
    new = NNClassifier([["FCLayer", linear], ["OrdinalOutputLayer"]], rng=1, n_epochs=0, stored_network=str(path))
    found = new.fit(drawn(8, 4), np.arange(8) % 3, batch_size=4)
    assert (found.params["linear.W"] == first.trainable_params["W"]).all()
