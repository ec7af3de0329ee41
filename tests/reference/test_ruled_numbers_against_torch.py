"""A fit with penalties and a norm that follow rules has the weights of a loop of torch (script = this test)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote import NNClassifier

N_ROWS, N_IN, N_CLASSES, BATCH = 24, 5, 3, 6
N_UPDATES = 3 * N_ROWS // BATCH


def data():
    rng = np.random.default_rng(3)
    return rng.normal(size=(N_ROWS, N_IN)).astype(np.float32), rng.integers(0, N_CLASSES, N_ROWS)


def by_torch(l2, l1, maxnorm, sgd):
    """Return W after three epochs over rows in order; the numbers are functions of complete updates and epochs."""
    x, y = map(torch.from_numpy, data())
    w = torch.zeros(N_IN, N_CLASSES, requires_grad=True)
    b = torch.zeros(N_CLASSES, requires_grad=True)
    optimizer = sgd([w, b])
    for n in range(N_UPDATES):
        epoch, at = divmod(n, N_ROWS // BATCH)
        rows = slice(at * BATCH, (at + 1) * BATCH)
        loss = torch.nn.functional.cross_entropy(x[rows] @ w + b, y[rows])
        loss = loss + l2(n, epoch) * (w**2).sum() + l1(n, epoch) * w.abs().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            w.copy_(torch.renorm(w, 2, 1, maxnorm(n, epoch)))
    return w.detach().numpy()


SGD = {
    "sgd": lambda params: torch.optim.SGD(params, lr=0.5),
    "nag": lambda params: torch.optim.SGD(params, lr=0.5, momentum=0.8, nesterov=True),
    "adam": lambda params: torch.optim.Adam(params, lr=0.5),
}


@pytest.mark.parametrize("updater", SGD)
def test_penalties_and_norms_that_follow_rules_give_the_weights_of_torch(updater):
    x, y = data()
    rules = {
        "out.l2": ["linear", {"initial_value": 0.2, "final_value": 0.0, "n_updates": 8}],
        "out.l1": ["step", {"initial_value": 0.04, "multiply_by": 0.5, "n_epochs": 1}],
        "out.maxnorm": ["absolute", {"after_epochs": [[0, 1.0], [1, 0.75]], "after_updates": None}],
    }
    network = NNClassifier([["ClassificationOutputLayer", {"name": "out"}]], rng=1, shuffle=False)
    network.fit(
        *(x, y),
        rules=rules,
        n_epochs=3,
        batch_size=BATCH,
        sgd_type=["nag", {"momentum": 0.8}] if updater == "nag" else updater,
        lr_rule=0.5,
    )
    expected = by_torch(
        lambda n, epoch: max(0.2 * (1 - n / 8), 0.0),
        lambda n, epoch: 0.04 * 0.5**epoch,
        lambda n, epoch: 1.0 if epoch == 0 else 0.75,
        SGD[updater],
    )
    np.testing.assert_allclose(network.params["out.W"], expected, rtol=1e-4, atol=1e-5)
    assert [row["out.l1"] for row in network.history_] == [0.04, 0.02, 0.01]


def test_factors_decays_and_norms_of_gradients_that_follow_rules_give_the_weights_of_torch():
    x, y = map(torch.from_numpy, data())
    w, b = torch.zeros(N_IN, N_CLASSES, requires_grad=True), torch.zeros(N_CLASSES, requires_grad=True)
    # Weights decay, biases do not.
    optimizer = torch.optim.AdamW([{"params": [w]}, {"params": [b], "weight_decay": 0.0}], lr=0.1)
    for n in range(N_UPDATES):
        epoch, at = divmod(n, N_ROWS // BATCH)
        optimizer.param_groups[0]["weight_decay"] = 0.5 * 0.5**epoch
        for group in optimizer.param_groups:
            group["lr"] = 0.1 * (1 - n / 16)
        rows = slice(at * BATCH, (at + 1) * BATCH)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(x[rows] @ w + b, y[rows]).backward()
        torch.nn.utils.clip_grad_value_([w, b], 0.25 if n < 6 else 0.125)
        torch.nn.utils.clip_grad_norm_([w, b], 0.5 - 0.4 * min(n / 8, 1))
        optimizer.step()
    network = NNClassifier([["ClassificationOutputLayer", {"name": "out"}]], rng=1, shuffle=False)
    rules = {
        "out.lr_factor": ["linear", {"final_value": 0.25, "n_updates": 12}],
        "sgd_type.weight_decay": ["step", {"multiply_by": 0.5, "n_epochs": 1}],
        "sgd_max_grad_norm": ["linear", {"initial_value": 0.5, "final_value": 0.1, "n_updates": 8}],
        "sgd_max_grad_value": ["absolute", {"after_updates": [[6, 0.125]]}],
    }
    network.fit(
        *data(),
        rules=rules,
        n_epochs=3,
        batch_size=BATCH,
        sgd_type=["adamw", {"weight_decay": 0.5}],
        sgd_max_grad_value=0.25,
        lr_rule=0.1,
    )
    np.testing.assert_allclose(network.params["out.W"], w.detach().numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(network.params["out.b"], b.detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("loss", ["nll", ["nll", {"label_smoothing": 0.25}]], ids=["by hand", "by autograd"])
def test_the_weight_of_a_loss_that_follows_a_rule_is_that_of_plain_torch(loss):
    x, kinds = map(torch.from_numpy, data())
    signs = (x[:, 0] > 0).long()
    params = [torch.zeros(N_IN, n, requires_grad=True) for n in (N_CLASSES, 2)]
    smoothing = 0.0 if loss == "nll" else 0.25
    for n in range(6):
        kind = torch.nn.functional.cross_entropy(x @ params[0], kinds, label_smoothing=smoothing)
        total = 0.5**n * kind + 0.25 * torch.nn.functional.cross_entropy(x @ params[1], signs)
        for param, g in zip(params, torch.autograd.grad(total, params), strict=True):
            param.data -= 0.5 * g
    outputs = [
        ["ClassificationOutputLayer", {"name": name, "input": "x", "use_bias": False}] for name in ("kind", "sign")
    ]
    network = NNClassifier([["InputLayer", {"name": "x"}], *outputs], rng=1)
    network.fit(
        data()[0],
        {"kind": kinds.numpy(), "sign": signs.numpy()},
        train_loss={"kind": loss, "sign": ["nll", {"weight": 0.25}]},
        rules={"train_loss.kind.weight": ["step", {"multiply_by": 0.5, "n_updates": 1}]},
        n_epochs=6,
        batch_size=N_ROWS,
        sgd_type="sgd",
        lr_rule=0.5,
    )
    for name, param in zip(("kind", "sign"), params, strict=True):
        np.testing.assert_allclose(network.params[f"{name}.W"], param.detach().numpy(), rtol=1e-4, atol=1e-5)
    assert [row["train_loss.kind.weight"] for row in network.history_][:3] == [1.0, 0.5, 0.25]
