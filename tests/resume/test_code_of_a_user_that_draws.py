"""Layers and augmentations of a user may draw from any global generator: a resumed run draws the same numbers."""

from __future__ import annotations

import random
import signal
from typing import ClassVar

import numpy as np
import pytest
import torch
from promise import LAYERS, Stopped, digest, killed_after

from arignote import ArignoteWarning, NNClassifier
from arignote.errors import Interrupted
from arignote.layers import Layer
from arignote.registry import register

pytestmark = pytest.mark.slow
# 120 rows to train on: four batches an epoch.
SETTINGS = {"n_epochs": 3, "batch_size": 30, "valid": 0.2, "sgd_type": "nag", "checkpoint_every": 1}
DRAWS = {
    "numpy": lambda: float(np.random.normal()),
    "python": lambda: random.gauss(0, 1),
    "torch": lambda: float(torch.randn(())),
}


@register()
class DrawsLayer(Layer):
    """Adds a number that it draws, in training and in validation."""

    name_prefix: ClassVar[str] = "draws"
    source: str = "numpy"

    def build(self, shape):
        draw = DRAWS[self.source]
        return lambda params, x, training: x + 0.1 * draw()


def layers_with(source):
    return [LAYERS[0], [f"{__name__}:DrawsLayer", {"source": source}], *LAYERS[1:]]


def without_rng(x, y):
    shift = np.random.normal() + random.random() + float(torch.rand(()))
    return x + np.float32(0.1 * shift), y


@pytest.fixture
def fit(digits, tmp_path):
    x, y = digits[0][:150], digits[1][:150]

    def run(layers=LAYERS, stem=None, seed=0, **more):
        # What the caller has drawn before must not count.
        np.random.seed(seed)
        random.seed(seed)
        torch.manual_seed(seed)
        checkpoint = {"checkpoint": str(tmp_path / stem)} if stem else {}
        return NNClassifier(layers, rng=3).fit(x, y, **SETTINGS | checkpoint | more)

    return run


@pytest.mark.parametrize("source", DRAWS)
@pytest.mark.parametrize("n_batches", [1, 4, 6])
def test_a_layer_draws_the_same_numbers_after_a_kill(fit, source, n_batches):
    whole = digest(fit(layers_with(source)))
    with pytest.raises(Stopped):
        fit(layers_with(source), "run", observers=killed_after(n_batches))
    assert digest(fit(layers_with(source), "run", seed=7)) == whole


@pytest.mark.parametrize("source", DRAWS)
def test_a_layer_draws_the_same_numbers_in_a_validation_with_which_a_resume_begins(fit, source):
    often = {"validation_frequency": 60}
    whole = digest(fit(layers_with(source), **often))

    def ask_to_stop(event):
        if event.kind == "batch" and (event.epoch, event.batch) == (2, 2):
            signal.raise_signal(signal.SIGUSR1)

    with pytest.raises(Interrupted):
        fit(layers_with(source), "run", observers=ask_to_stop, **often)
    resumed = fit(layers_with(source), "run", seed=7, **often)
    assert resumed.state_.starts == [[0, 0], [1, 2]]
    assert digest(resumed) == whole


def test_each_batch_of_a_validation_has_numbers_of_its_own(fit, monkeypatch):
    seeds = []
    monkeypatch.setattr("arignote.engine.predict.seed_all", lambda seed, device: seeds.append(seed))
    monkeypatch.setattr("arignote.fit.validations.subset_scores.validation_rows", lambda network: 10)
    fit(layers_with("numpy"), n_epochs=2, validate_on_train=True, test=0.1)
    # 12 batches of validation data, 11 of training data and 2 of test data in all; each seed once.
    assert len(seeds) == len(set(seeds)) > 20


def test_predictions_of_a_layer_that_draws_are_the_same_each_time(fit, digits):
    fitted = fit(layers_with("numpy"), n_epochs=1)
    first = fitted.predict_proba(digits[0])
    np.random.seed(99)
    assert np.array_equal(fitted.predict_proba(digits[0]), first)
    assert fitted.evaluate(*digits) == fitted.evaluate(*digits)


@pytest.mark.parametrize("n_workers", [0, 1, 4])
def test_an_augmentation_without_rng_draws_the_same_numbers_after_a_kill(fit, n_workers):
    # Dropout draws from torch's generator in another thread at the same time.
    whole = digest(fit(augmentation=without_rng, n_workers=0))
    with pytest.raises(Stopped):
        fit(stem="run", augmentation=without_rng, n_workers=n_workers, observers=killed_after(6))
    assert digest(fit(stem="run", seed=7, augmentation=without_rng, n_workers=n_workers)) == whole


def with_both(x, y, rng):
    return x + np.float32(np.random.normal() * rng.normal() / 10), y


def test_an_augmentation_beside_a_layer_that_draws(fit):
    layers = layers_with("numpy")
    whole = digest(fit(layers, augmentation=with_both, n_workers=0))
    with pytest.raises(Stopped):
        fit(layers, "run", augmentation=with_both, n_workers=2, observers=killed_after(5))
    assert digest(fit(layers, "run", seed=7, augmentation=with_both, n_workers=2)) == whole


@pytest.mark.parametrize("source", ["numpy", "python"])
@pytest.mark.parametrize("n_workers", [0, 2])
def test_a_draw_that_begins_in_the_middle_of_a_run_is_reported_once(fit, source, n_workers):
    def augment(x, y, epoch, rng):
        return (x + np.float32(DRAWS[source]()) if epoch == 1 and len(x) else x), y

    with pytest.warns(ArignoteWarning) as caught:
        fit(augmentation=augment, n_workers=n_workers)
    assert len(caught) == 1
    assert str(caught[0].message).startswith("augmentation ")
    assert "a resumed run will not be exact" in str(caught[0].message)


def test_a_draw_from_a_generator_of_the_users_own_is_reported_in_the_epoch_in_which_it_begins(fit):
    own = np.random.default_rng(5)

    def augment(x, y, epoch, rng):
        return (x + np.float32(own.normal()) if epoch == 2 else x), y

    with pytest.warns(ArignoteWarning, match="gives different results for the same rng"):
        fit(augmentation=augment)


def test_an_augmentation_that_draws_from_rng_alone_is_not_reported(fit):
    fit(augmentation=lambda x, y, rng: (x + np.float32(rng.normal()), y), n_workers=2)


@pytest.mark.parametrize("augmentation", [None, without_rng])
def test_the_generators_of_the_caller_are_put_back(fit, digits, augmentation):
    def states():
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()

    fitted = fit(layers_with("numpy"), augmentation=augmentation, n_epochs=1)
    np.random.seed(0), random.seed(0), torch.manual_seed(0)
    assert states() == (before := states())
    fitted.predict(digits[0])
    fitted.evaluate(*digits)
    assert states() == before
    # `fit` of the fixture seeds with 0 too, and then trains.
    fit(layers_with("numpy"), augmentation=augmentation, n_epochs=1)
    assert states() == before
