"""One step from one batch or several, against torch.optim on all their rows; scores; rows of a validation batch."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from arignote.engine import step as step_module
from arignote.engine.by_hand.tape import Tape
from arignote.engine.feed import DeviceBatch
from arignote.engine.network import Network
from arignote.engine.predict import Scorer, outputs_of, predict, validation_rows
from arignote.engine.setup import Setup
from arignote.engine.step import TrainingStep
from arignote.generators import GENERATORS, preserve_global_generators
from arignote.layers import Layer, declare, parse
from arignote.optim.updaters import Updater
from arignote.registry import build, register
from arignote.spec.objective import ReportedLoss
from arignote.streams import stream_seed

functional = torch.nn.functional
OUTPUT = ["ClassificationOutputLayer"]
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 4)).astype(np.float32), RNG.integers(0, 3, 12)
WEIGHTS = np.linspace(0, 2, 12).astype(np.float32)
# By hand, and with a layer that autograd records.
MLPS = {
    "by hand": [["FCLayer", {"name": "fc", "n_units": 5, "activation": "tanh"}]],
    "by autograd": [["FCLayer", {"name": "fc", "n_units": 5, "activation": torch.tanh}]],
}


def conv(n_maps):
    return ["ConvLayer", {"n_output_maps": n_maps, "filter_shape": 5, "activation": "relu"}]


def network_of(layers, shape=(4,), n_classes=3, **more):
    output = ["ClassificationOutputLayer", {"name": "out", "W": "glorot_uniform"}]
    network = Network(declare(parse([*layers, output]), shape, n_classes), Setup(**more))
    network.initialise(3)
    return network.train()


def step_of(layers, updater="sgd", max_grad_norm=None, **more):
    return TrainingStep(network_of(layers, **more), [build("loss", "nll")], build("updater", updater), max_grad_norm)


def step_by(way, updater="sgd", behind=()):
    """Return a step whose gradients come by hand, some of them from autograd, or all of them."""
    step = step_of([*MLPS["by hand" if way == "by hand" else "by autograd"], *behind], updater)
    assert isinstance(step._gradients, Tape) and ("fc" in step.by_hand) == (way == "by hand")
    if way == "all by autograd":
        step._gradients = step._by_autograd
    return step


def part(rows, seed=0, weights=None):
    weights = None if weights is None else torch.from_numpy(weights[rows])
    return torch.from_numpy(X[rows]), (torch.from_numpy(Y[rows]),), weights, seed


def scorer_of(network, **losses):
    return Scorer(
        network, [ReportedLoss(name, "out", build("loss", loss), np.ones(3)) for name, loss in losses.items()]
    )


def probabilities(network, batches, **seed):
    return np.concatenate([found["out"] for found in predict(network, batches, **seed)])


def update(step, parts, **how):
    batches = [DeviceBatch((one[0],), *one[1:3]) for one in parts]
    return step(batches, [one[3] for one in parts], n_rows=[len(one[0]) for one in parts], **how)


def logits_by_torch(params, x):
    return (x @ params["fc.W"] + params["fc.b"]).tanh() @ params["out.W"] + params["out.b"]


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("way", [*MLPS, "all by autograd"])
@pytest.mark.parametrize("cuts", [[12], [7, 12], [2, 3, 12]], ids=str)
def test_several_batches_count_as_one_batch_of_all_their_rows(way, weights, cuts):
    step = step_by(way, "momentum")
    leaves = {name: tensor.detach().clone().requires_grad_() for name, tensor in step.network.named.items()}
    optimiser = torch.optim.SGD(leaves.values(), lr=0.3, momentum=0.8)
    parts = [part(slice(a, b), weights=weights) for a, b in zip([0, *cuts], cuts, strict=False)]
    for n in range(1, 4):
        by_row = functional.cross_entropy(
            logits_by_torch(leaves, torch.from_numpy(X)), torch.from_numpy(Y), reduction="none"
        )
        expected = (by_row if weights is None else by_row * torch.from_numpy(weights)).mean()
        optimiser.zero_grad()
        expected.backward()
        loss = update(step, parts, lr=0.3, momentum=0.8, n=n)
        optimiser.step()
        # The loss before the update.
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5) and not loss.requires_grad
        for name, leaf in leaves.items():
            torch.testing.assert_close(step.network.named[name].detach(), leaf.detach(), rtol=1e-4, atol=1e-5)
        assert [batch.n_rows for batch in step.last_batches] == np.diff([0, *cuts]).tolist()


@pytest.mark.parametrize("way", [*MLPS, "all by autograd"])
def test_each_of_several_batches_draws_with_the_seed_of_its_own(way):
    step = step_by(way, behind=[["GaussianNoiseLayer", {"sigma": 0.5}]])
    leaves = {name: tensor.detach().clone().requires_grad_() for name, tensor in step.network.named.items()}
    parts, losses = [part(slice(0, 5), 11), part(slice(5, 12), 12)], []
    for x, (y,), _, seed in parts:
        generator = torch.Generator().manual_seed(seed)
        hidden = (x @ leaves["fc.W"] + leaves["fc.b"]).tanh()
        noisy = hidden + 0.5 * torch.randn(hidden.shape, generator=generator)
        losses.append(functional.cross_entropy(noisy @ leaves["out.W"] + leaves["out.b"], y, reduction="sum") / 12)
    sum(losses).backward()
    torch.manual_seed(99)
    assert update(step, parts, lr=0.5, momentum=0.0, n=1).item() == pytest.approx(sum(losses).item(), rel=1e-5)
    for name, leaf in leaves.items():
        expected = leaf.detach() - 0.5 * leaf.grad
        torch.testing.assert_close(step.network.named[name].detach(), expected, rtol=1e-4, atol=1e-5)


def test_the_bound_of_the_norm_is_that_of_the_step():
    step = step_of(MLPS["by hand"], max_grad_norm=0.01)
    before = step.network.weights.clone()
    update(step, [part(slice(0, 12))], lr=1.0, momentum=0.0, n=1)
    assert float((step.network.weights - before).norm()) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("updater", ["adam", "rmsprop"])
def test_the_number_of_the_update_and_the_momentum_in_force_reach_the_updater(updater):
    step = step_of(MLPS["by hand"], updater)
    before = step.network.weights.clone()
    update(step, [part(slice(0, 12))], lr=0.01, momentum=0.25, n=3)
    g = step.network.gradients
    if updater == "adam":
        expected = 0.1 * g / (1 - 0.9**3) / ((0.001 * g**2 / (1 - 0.999**3)).sqrt() + 1e-8)
    else:
        expected = g / ((0.75 * g**2).sqrt() + 1e-6)
    torch.testing.assert_close(before - step.network.weights, 0.01 * expected, rtol=1e-3, atol=1e-6)


def test_a_network_whose_parameters_are_all_fixed_has_a_loss_and_stays():
    fixed = {"fix_params": True}
    layers = [["FCLayer", {"n_units": 5, "activation": torch.tanh, **fixed}]]
    output = ["ClassificationOutputLayer", {"W": "glorot_uniform", **fixed}]
    network = Network(declare(parse([*layers, output]), (4,), 3))
    network.initialise(3)
    before = network.arrays()
    step = TrainingStep(network.train(), [build("loss", "nll")], build("updater", "sgd"))
    loss = update(step, [part(slice(0, 12))], lr=1.0, momentum=0.0, n=1)
    (logits,) = network(torch.from_numpy(X))
    assert loss.item() == pytest.approx(float(functional.cross_entropy(logits, torch.from_numpy(Y))))
    assert all(np.array_equal(before[name], array) for name, array in network.arrays().items())


def test_slots_are_named_by_slot_and_parameter_and_are_live():
    step = step_of(MLPS["by hand"], "adam")
    names = ["fc.W", "fc.b", "out.W", "out.b"]
    assert list(step.slots) == [f"{slot}/{name}" for slot in ("mean", "square") for name in names]
    assert step.slots["mean/fc.W"].shape == (4, 5)
    update(step, [part(slice(0, 12))], lr=0.1, momentum=0.0, n=1)
    torch.testing.assert_close(step.slots["mean/fc.W"], 0.1 * step.network.named["fc.W"].grad)
    torch.testing.assert_close(step.slots["square/out.b"], 0.001 * step.network.named["out.b"].grad ** 2)


def test_the_sum_of_losses_begins_at_zero_in_float64():
    zero = step_of([]).zero()
    assert zero.dtype == torch.float64 and zero.shape == () and zero.item() == 0.0


@pytest.mark.parametrize("cuts", [[12], [5, 12]], ids=str)
def test_gradients_of_float16_are_scaled_for_the_backward_pass_and_divided_before_the_update(cuts):
    step = step_of([], precision="fp16")
    assert sorted(step.slots) == ["scaler/n_good", "scaler/scale"]
    parts = [part(slice(a, b)) for a, b in zip([0, *cuts], cuts, strict=False)]
    W = step.network.arrays()["out.W"]
    p = torch.from_numpy(X @ W).softmax(1).numpy()
    expected = X.T @ (p - np.eye(3)[Y]) / 12
    before = W.copy()
    loss = update(step, parts, lr=1.0, momentum=0.0, n=1)
    # Three decimal digits are what float16 has.
    np.testing.assert_allclose(before - step.network.arrays()["out.W"], expected, rtol=1e-2, atol=1e-3)
    assert loss.item() == pytest.approx(-np.log(p[np.arange(12), Y]).mean(), rel=1e-2)
    assert step.slots["scaler/scale"].item() == 65536.0 and step.slots["scaler/n_good"].item() == 1


def test_gradients_that_are_not_finite_change_nothing_but_the_scale():
    step = step_of([], "momentum", precision="fp16")
    before, slots = step.network.arrays(), step.slots["velocity/out.W"].clone()
    x, y, _, seed = part(slice(0, 12))
    loss = update(step, [(x * 1000, y, None, seed)], lr=1.0, momentum=0.5, n=1)
    assert bool(loss.isfinite()) and step.slots["scaler/scale"].item() == 32768.0
    assert all(np.array_equal(before[name], array) for name, array in step.network.arrays().items())
    assert torch.equal(step.slots["velocity/out.W"], slots)


def test_the_norms_of_gradients_are_added_up_unscaled_and_without_those_that_are_skipped():
    network = network_of([], precision="fp16")
    step = TrainingStep(network, [build("loss", "nll")], build("updater", "sgd"), monitor_gradient=True)
    x, y, _, seed = part(slice(0, 12))
    update(step, [(x * 1000, y, None, seed)], lr=1.0, momentum=0.0, n=1)
    assert step.slots["monitor/grad_norm"].tolist() == [0, 0]
    p = torch.from_numpy(X @ network.arrays()["out.W"]).softmax(1).numpy()
    errors = (p - np.eye(3)[Y]) / 12
    norm = np.sqrt(((X.T @ errors) ** 2).sum() + (errors.sum(0) ** 2).sum())
    update(step, [(x, y, None, seed)], lr=1.0, momentum=0.0, n=1)
    assert step.slots["monitor/grad_norm"].tolist() == [pytest.approx(norm, rel=1e-2), 1]


def test_the_default_generators_are_seeded():
    step_module.seed_generators(2**62 + 7, torch.device("cpu"))
    found = torch.rand(5)
    assert torch.equal(found, torch.rand(5, generator=torch.Generator().manual_seed(2**62 + 7)))


def test_the_generators_of_a_gpu_are_seeded_where_it_trains(monkeypatch):
    seeds = []
    monkeypatch.setattr(torch.cuda, "manual_seed", seeds.append)
    step_module.seed_generators(7, torch.device("cpu"))
    step_module.seed_generators(8, torch.device("cuda"))
    assert seeds == [8]


# What torch's compiler says of itself.
@pytest.mark.filterwarnings("ignore")
def test_a_step_is_compiled_only_where_it_goes_by_autograd():
    assert step_of(MLPS["by hand"], compile=True).setup == Setup()
    assert step_of(MLPS["by hand"], precision="bf16_matmul").setup == Setup(precision="bf16_matmul")
    assert step_of(MLPS["by autograd"], compile=True).setup == Setup(compile=True)
    assert step_of(MLPS["by autograd"]).setup == Setup()


def test_a_step_that_has_done_nothing_was_given_nothing():
    step = step_of([], device="meta")
    assert list(step.last_batches) == [] and step.zero().device.type == "meta"


@pytest.mark.parametrize(
    ("layers", "shape", "n_rows"),
    [
        ([["FCLayer", {"n_units": 32}]], (64,), 2048),
        (
            [["FCLayer", {"n_units": 400}], ["DropoutLayer", {"dropout_p": 0.5}], ["FCLayer", {"n_units": 400}]],
            (784,),
            2048,
        ),
        ([conv(32), ["MaxPool2DLayer", {"pool_shape": 2}], conv(64)], (1, 28, 28), 256),
        ([conv(64)], (3, 224, 224), 16),
        # 8,000,000 values over those of the input, the dense layer and the output, down to a power of 2:
        # 8e6 // (3000 + 890 + 10) = 2051, 8e6 // (3000 + 896 + 10) = 2048, 8e6 // (3000 + 897 + 10) = 2047.
        ([["FCLayer", {"n_units": 890}]], (3000,), 2048),
        ([["FCLayer", {"n_units": 896}]], (3000,), 2048),
        ([["FCLayer", {"n_units": 897}]], (3000,), 1024),
        # 8e6 // 500,010 = 15, and at least 16 are taken.
        ([["FCLayer", {"n_units": 1000}]], (499_000,), 16),
        # Layers without parameters put out nothing that counts: 8e6 // (4000 + 10) = 1995.
        ([["DropoutLayer", {"dropout_p": 0.5}]] * 4, (4000,), 1024),
    ],
)
def test_the_rows_of_a_batch_follow_from_what_layers_put_out(layers, shape, n_rows):
    assert validation_rows(Network(declare(parse([*layers, OUTPUT]), shape, 10), Setup(device="meta"))) == n_rows


def test_logits_are_those_outside_training_of_float32_rows():
    network = network_of(
        [["FCLayer", {"name": "fc", "n_units": 5, "activation": "tanh"}], ["DropoutLayer", {"dropout_p": 0.5}]]
    )
    expected = logits_by_torch(network.named, torch.from_numpy(X)).detach()
    # Columns first.
    (found,) = outputs_of(network, np.asfortranarray(X), 0, "predict").values()
    torch.testing.assert_close(found, expected)
    assert not found.requires_grad and not network.training
    p = probabilities(network, [X[:5], X[5:6], X[6:]])
    assert p.dtype == np.float32 and p.shape == (12, 3)
    np.testing.assert_allclose(p, expected.softmax(1), rtol=1e-5)


@register()
class ShiftedLayer(Layer):
    """Adds a number that it draws, outside training too."""

    def build(self, shape):
        return lambda params, x, training: x + np.random.normal()


def test_a_users_own_layer_draws_from_the_stream_of_its_batch():
    network = network_of([[f"{__name__}:ShiftedLayer"]])
    weights = network.arrays()["out.W"]

    def expected(*name):
        # seed_globals: NumPy takes seeds of 32 bits.
        drawn = np.random.RandomState(stream_seed(7, *name) % 2**32).normal()
        return torch.from_numpy(((X + drawn) @ weights).astype(np.float32))

    torch.testing.assert_close(outputs_of(network, X, 7, "predict", 2), {"out": expected("predict", 2)})
    p = probabilities(network, [X[:5], X[5:]], seed=7)
    np.testing.assert_allclose(p[5:], expected("predict", 1)[5:].softmax(1), rtol=1e-5)
    scorer = scorer_of(network, nll="nll")
    nll = functional.cross_entropy(expected("validate", "valid", 3, 0), torch.from_numpy(Y))
    assert scorer([(X, Y)], seed=7, position=("valid", 3))["nll"] == pytest.approx(float(nll), rel=1e-5)


@pytest.mark.parametrize("cuts", [[12], [1, 12], [5, 10, 12]], ids=str)
def test_scores_are_means_over_rows_however_they_are_cut(cuts):
    network = network_of([["DropoutLayer", {"dropout_p": 0.5}]])
    batches = [(X[a:b], Y[a:b]) for a, b in zip([0, *cuts], cuts, strict=False)]
    logits = X @ network.arrays()["out.W"]
    expected = {
        "valid_nll": float(functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(Y))),
        "valid_error": float((logits.argmax(1) != Y).mean()),
    }
    scorer = scorer_of(network, valid_nll="nll", valid_error="error")
    for _ in range(2):
        found = scorer(iter(batches))
        assert list(found) == list(expected) and found == pytest.approx(expected, rel=1e-6)
        assert all(type(value) is float for value in found.values())


def test_scores_are_added_in_float64():
    # 2^24 + 3 is no number of float32.
    class Given(step_module.Loss):
        def build(self):
            return lambda logits, y: y.float()

    scorer = scorer_of(network_of([]), given=Given())
    ones, small = np.ones(3, np.int64), np.zeros(2, np.int64)
    big = np.full(1, 2**24, np.int64)
    batches = [(X[:1], big), (X[:3], ones), (X[:2], small)]
    assert scorer(batches)["given"] == (2**24 + 3) / 6


def test_a_stop_is_checked_before_each_batch_of_a_validation():
    read, asked = [], []

    def batches():
        for n in range(3):
            read.append(n)
            yield X[n : n + 1], Y[n : n + 1]

    scorer_of(network_of([]), nll="nll")(batches(), lambda: asked.append(len(read)))
    assert asked == [1, 2, 3]


class ByHandOrNot(step_module.Loss):
    """A loss of one's own."""

    def build(self):
        return lambda logits, y: functional.cross_entropy(logits, y, reduction="none")


class StepOfOnesOwn(Updater):
    """An updater of one's own."""

    def step(self, w, g, slots, lr, momentum, n):
        w.add_(g, alpha=-lr)


@pytest.mark.parametrize(
    ("layers", "loss", "updater", "asked", "exclusive"),
    [
        (MLPS["by hand"], "nll", "sgd", {}, False),
        (MLPS["by hand"], "nll", "sgd", {"exclusive": True}, True),
        ([[f"{__name__}:ShiftedLayer"]], "nll", "sgd", {}, True),
        (MLPS["by hand"], ByHandOrNot(), "sgd", {}, True),
        (MLPS["by hand"], "nll", StepOfOnesOwn(), {}, True),
    ],
    ids=["none", "in another thread", "layer", "loss", "updater"],
)
def test_global_generators_are_seeded_and_kept_from_other_threads_only_if_code_of_a_user_may_draw(
    layers, loss, updater, asked, exclusive
):
    step = TrainingStep(network_of(layers), [build("loss", loss)], build("updater", updater), **asked)
    assert step.exclusive is exclusive
    with preserve_global_generators():
        np.random.seed(1)
        before = np.random.get_state()[1].tolist()
        update(step, [part(slice(0, 12), 5)], lr=0.1, momentum=0.0, n=1)
        expected = np.random.RandomState(5)
        if layers not in MLPS.values():
            # The layer has drawn one number.
            expected.normal()
        found = np.random.get_state()[1].tolist()
        assert found == (expected.get_state()[1].tolist() if exclusive else before)
    held = []

    def other_thread():
        if GENERATORS.acquire(blocking=False):
            GENERATORS.release()
        else:
            held.append(True)

    def look(*args):
        thread = threading.Thread(target=other_thread)
        thread.start()
        thread.join()
        return forward(*args)

    forward = step._gradients
    step._gradients = look
    with preserve_global_generators():
        update(step, [part(slice(0, 12), 5)], lr=0.1, momentum=0.0, n=2)
    assert bool(held) is exclusive


def test_the_names_of_layers_by_hand_are_those_that_autograd_does_not_record():
    assert step_of(MLPS["by hand"]).by_hand == ["input", "fc", "out"]
    assert step_of(MLPS["by autograd"]).by_hand == ["input", "out"]
    assert step_of(MLPS["by hand"], precision="bf16").by_hand == []


def test_predictions_and_scores_have_the_seed_0_by_default():
    network = network_of([[f"{__name__}:ShiftedLayer"]])
    scorer = scorer_of(network, nll="nll")
    assert np.array_equal(probabilities(network, [X]), probabilities(network, [X], seed=0))
    assert not np.array_equal(probabilities(network, [X]), probabilities(network, [X], seed=1))
    assert scorer([(X, Y)]) == scorer([(X, Y)], seed=0) != scorer([(X, Y)], seed=1)


def test_each_batch_of_a_validation_draws_numbers_of_its_own():
    network = network_of([[f"{__name__}:ShiftedLayer"]])
    scorer, weights = scorer_of(network, nll="nll"), network.arrays()["out.W"]
    total = 0.0
    for batch, rows in enumerate((slice(0, 5), slice(5, 12))):
        drawn = np.random.RandomState(stream_seed(7, "validate", batch) % 2**32).normal()
        logits = torch.from_numpy((X[rows] + drawn) @ weights)
        total += float(functional.cross_entropy(logits, torch.from_numpy(Y[rows]), reduction="sum"))
    found = scorer([(X[:5], Y[:5]), (X[5:], Y[5:])], seed=7)["nll"]
    assert found == pytest.approx(total / 12, rel=1e-5)


def test_a_scorer_keeps_the_probabilities_of_each_batch_if_it_is_asked_to():
    network = network_of([["FCLayer", {"name": "fc", "n_units": 5, "activation": "tanh"}]])
    kept = []
    scorer_of(network, nll="nll")([(X[:5], Y[:5]), (X[5:], Y[5:])], keep=kept.append)
    expected = logits_by_torch(network.named, torch.from_numpy(X)).detach().softmax(1)
    assert [len(batch["out"]) for batch in kept] == [5, 7]
    np.testing.assert_allclose(np.concatenate([batch["out"] for batch in kept]), expected, rtol=1e-5)
