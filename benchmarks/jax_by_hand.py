"""W1, W2 and W3 written by hand in JAX, without a library on top: a part of peers.py."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

if TYPE_CHECKING:
    from peers import Work

LR, MOMENTUM, KEEP_P = 0.01, 0.9, 0.5
# Weights by layer, of which those with four axes (height, width, maps in and out) are followed by pooling.
SHAPES: dict[str, list[tuple[int, ...]]] = {
    "W1": [(784, 400), (400, 400), (400, 10)],
    "W2": [(5, 5, 1, 32), (5, 5, 32, 64), (1024, 256), (256, 10)],
    "W3": [(64, 32), (32, 10)],
}


def fresh(name: str) -> list[dict[str, jax.Array]]:
    """Return initial weights, drawn as PyTorch draws them; W1 has a slope for each hidden unit."""
    rng = np.random.default_rng(0)
    network = []
    for number, shape in enumerate(SHAPES[name], 1):
        bound = math.prod(shape[:-1]) ** -0.5
        layer = {"w": rng.uniform(-bound, bound, shape), "b": rng.uniform(-bound, bound, shape[-1])}
        if name == "W1" and number < len(SHAPES[name]):
            layer["slope"] = np.full(shape[-1], 0.25)
        network.append({key: jnp.asarray(values, jnp.float32) for key, values in layer.items()})
    return network


def loss_of(network: list[dict[str, jax.Array]], key, x, y, *, dropout: bool, l2: float) -> jax.Array:
    """Return the mean negative log-likelihood of a batch, and the penalty on the hidden weights."""
    *hidden, output = network
    for number, layer in enumerate(hidden):
        if layer["w"].ndim == 4:
            x = x[..., None] if x.ndim == 3 else x
            x = lax.conv_general_dilated(x, layer["w"], (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
            x = jax.nn.relu(x + layer["b"])
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
            continue
        x = x.reshape(len(x), -1) @ layer["w"] + layer["b"]
        x = jnp.where(x > 0, x, layer["slope"] * x) if "slope" in layer else jax.nn.relu(x)
        if dropout:
            kept = jax.random.bernoulli(jax.random.fold_in(key, number), KEEP_P, x.shape)
            x = jnp.where(kept, x / KEEP_P, 0)
    logs = jax.nn.log_softmax(x @ output["w"] + output["b"])
    penalty = l2 * sum((layer["w"] ** 2).sum() for layer in hidden) if l2 else 0.0
    return penalty - jnp.take_along_axis(logs, y[:, None], 1).mean()


def train(work: Work) -> Callable[[], float]:
    """Return an epoch, a compiled step for each batch."""
    gradient = jax.value_and_grad(partial(loss_of, dropout=work.name != "W3", l2=work.l2))

    def step(state: Any, x, y) -> Any:
        network, velocity, key, total = state
        key, drawn = jax.random.split(key)
        loss, grad = gradient(network, drawn, x, y)
        velocity = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocity, grad)
        network = jax.tree.map(lambda p, v, g: p - LR * (g + MOMENTUM * v), network, velocity, grad)
        return network, velocity, key, total + loss

    compiled = jax.jit(step, donate_argnums=0)
    network = fresh(work.name)
    state = (network, jax.tree.map(jnp.zeros_like, network), jax.random.key(0), jnp.zeros(()))
    rng = np.random.default_rng(0)

    def epoch() -> float:
        nonlocal state
        began = time.perf_counter()
        # All three workloads have whole batches only.
        for rows in rng.permutation(work.n_rows).reshape(-1, work.batch):
            state = compiled(state, work.x[rows], work.y[rows])
        jax.block_until_ready(state)
        return time.perf_counter() - began

    return epoch
