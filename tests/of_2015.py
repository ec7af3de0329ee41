"""Checkpoints as the Arignote of 2015 wrote them, with classes under the names of that time."""

from __future__ import annotations

import gzip
import io
import pickle

import numpy as np


def predict(state, x):
    from arignote.engine.checked_copy import copy_into
    from arignote.engine.network import Network
    from arignote.engine.predict import predict
    from arignote.layers import declare, parse

    spec = state.spec
    network = Network(declare(parse(spec["layers"]), tuple(spec["n_in"]), state.n_outputs))
    copy_into(network.named, state.network, "2015")
    network.eval()
    return next(predict(network, [x]))["output"]


class Writer(pickle._Pickler):
    """Names classes as 2015 did, whatever lies under these names today."""

    def save_global(self, obj, name=None):
        module = getattr(obj, "of_2015", None)
        if module is None:
            return super().save_global(obj, name)
        self.write(pickle.GLOBAL + f"{module}\n{obj.__name__}\n".encode())
        self.memoize(obj)


def old(module, kind, **state):
    made = type(kind, (), {"of_2015": f"arignote.nnets.{module}"})()
    made.__dict__.update(state)
    return made


def layer(kind, n_in, name, **params):
    arrays = params.pop("arrays", {})
    common = {"l1": 0, "l2": 0, "fix_params": False, "maxnorm": None, "may_train_unsupervised": True}
    return old("layers", kind, **common | {"n_in": n_in, "name": name, "trainable_params": arrays} | params)


def rule(kind="constant", value=0.1, **more):
    params = {"final_value": None, "decrease_by": 0.0, "multiply_by": 1.0, "interval": None, "schedule": None}
    memory = {"last_epoch": 0, "best_valid": np.inf, "epochs_since_best": 0, "update_epochs": []}
    return old("sgd_updates", "Rule", **params | memory | {"rule": kind, "initial_value": value} | more)


def network(layers, n_in, memory=(), sgd_type="nag", lr=0.1, momentum=0.9, lr_rule=None, epoch=3, **trainer):
    sgd = old(
        "sgd_updates",
        "SGD",
        lr_rule=lr_rule or rule(value=lr),
        momentum_rule=rule(value=momentum),
        update_params=[],
        stored_update_params=list(memory),
        sgd_type=sgd_type,
        max_grad_norm=None,
        learning_rate=np.array(lr, np.float32),
        momentum=np.array(momentum, np.float32),
    )
    losses = {"train": "nll", "valid": "nll", "test": ["nll", "error"]}
    counts = {"epoch": epoch, "max_epochs": 5, "iter": 10 * epoch - 1, "examples_seen": 200 * epoch}
    shown = {
        "train_loss": [],
        "valid_loss": [],
        "test_loss": [],
        "train_valid_loss": [],
        "last_validation_loss": np.inf,
    }
    shown |= {"best_validation_loss": np.inf, "validation_frequency": None, "validate_on_train": False}
    trained = old("training", "SupervisedTraining", sgd=sgd, loss_type=losses, **counts | shown | trainer)
    rng = np.random.RandomState(0).get_state()
    layers = [layer("InputLayer", np.ravel(n_in), "input"), *layers]
    state = {"trainer": trained, "n_in": np.array(n_in), "batch_size": 20, "name": "old", "rng": rng}
    return old("nets", "NNClassifier", layers_train=layers, **state)


def write(path, net, version="3.0"):
    stream = io.BytesIO()
    Writer(stream, 2).dump({"model_store_version": version, "model_type": type(net)})
    Writer(stream, 2).dump(net)
    path.write_bytes(gzip.compress(stream.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")))
    return path


def drawn(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def output(n_in, n_classes=3, **params):
    arrays = {"W": drawn(n_in, n_classes), "b": drawn(n_classes)}
    return layer("ClassificationOutputLayer", (n_in,), "output", n_classes=n_classes, arrays=arrays, **params)


def linear_layer(n_in, n_units):
    arrays = {"W": drawn(n_in, n_units), "b": drawn(n_units), "act_func_args": []}
    return layer("FCLayer", (n_in,), "linear", n_units=n_units, activation="linear", l2=0.5, arrays=arrays)
