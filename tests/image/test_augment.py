"""Augmentations by their names of 2015."""

from __future__ import annotations

import numpy as np
import pytest

from arignote import DataError, NNClassifier
from arignote.data import readers
from arignote.image import augment

# The eight orientations of a square image whose four pixels differ.
IMAGE = np.array([[1.0, 2.0], [3.0, 4.0]])
ORIENTATIONS = {tuple(np.rot90(image, k).ravel()) for image in (IMAGE, IMAGE[:, ::-1]) for k in range(4)}


def rng():
    return np.random.default_rng(0)


def test_the_first_number_of_a_shift_is_that_of_columns():
    x = np.zeros((500, 5, 5))
    x[:, 2, 2] = 1
    shifted, y = augment.create_shift_augment(2, 1)(x, np.arange(500), epoch=0, rng=rng())
    rows, columns = (set(np.argwhere(shifted)[:, axis].tolist()) for axis in (1, 2))
    assert rows == {1, 2, 3} and columns == {0, 1, 2, 3, 4} and (y == np.arange(500)).all()
    both = augment.create_shift_augment(1)(x, y, epoch=0, rng=rng())[0]
    assert set(np.argwhere(both)[:, 1].tolist()) == set(np.argwhere(both)[:, 2].tolist()) == {1, 2, 3}


@pytest.mark.parametrize("shape", [(800, 4), (800, 2, 2), (800, 1, 2, 2)])
def test_all_eight_orientations_are_as_likely_in_every_form_of_rows(shape):
    x, y = augment.alter_training_minibatch(np.tile(IMAGE.ravel(), 800).reshape(shape), np.arange(800), 0, rng())
    found, counts = np.unique(x.reshape(800, 4), axis=0, return_counts=True)
    assert x.shape == shape and {tuple(row) for row in found.tolist()} == ORIENTATIONS
    # 100 each, with a standard deviation of 9.4.
    assert counts.min() > 60 and counts.max() < 140 and (y == np.arange(800)).all()


def test_rows_that_are_no_square_are_refused():
    with pytest.raises(DataError, match="needs square images; got rows of 6 pixels"):
        augment.alter_training_minibatch(np.ones((2, 6)), np.arange(2), 0, rng())


def test_a_pipeline_applies_its_functions_in_order_with_epoch_and_stream():
    def add(x, y, epoch, rng):
        return x + epoch, y

    def double(x, y, epoch, rng):
        return 2 * x, y + rng.integers(10)

    x, y = augment.augmentation_pipeline(add, double)(np.ones(2), np.zeros(2), epoch=3, rng=rng())
    assert x.tolist() == [8, 8] and y.tolist() == [rng().integers(10)] * 2
    assert augment.augmentation_pipeline()(1, 2, epoch=0, rng=None) == augment.no_augmentation(1, 2) == (1, 2)
    assert augment.no_augmentation(1) == 1


def test_a_shift_of_2015_trains_images_that_a_function_makes_of_flat_rows(digits, tmp_path):
    def make_square(batch):
        return batch.reshape(-1, 8, 8)

    X, y = digits
    train = readers.Data(X, y, batch_size=50, alter_features=make_square)
    conv = [["ConvLayer", {"n_output_maps": 2, "filter_shape": 3}], ["ClassificationOutputLayer"]]
    fitted = NNClassifier([["InputImageLayer", {"n_images": 1, "n_pixels": (8, 8)}], *conv], rng=1)
    fitted.fit(train, n_epochs=1, augmentation=augment.create_shift_augment(1, 1), checkpoint=str(tmp_path / "run"))
    # A part, unlike a function, is in the file by its name.
    [[name, params]] = fitted.state_.spec["fit"]["augmentation"]
    assert name == "Shift" and params["max_shift"] == [1, 1]
