"""``arignote.image.augment`` of 2015: augmentations made of current ones."""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.geometric_transforms import Flip, QuarterTurns, Shift
from arignote.errors import DataError

__all__ = ["alter_training_minibatch", "augmentation_pipeline", "create_shift_augment", "no_augmentation"]

# Features and labels of a batch.
XY = tuple[Any, Any]


def create_shift_augment(max_shift_x: int, max_shift_y: int | None = None) -> Shift:
    """Return the augmentation `Shift`, which shifts each image of a batch by numbers of pixels of its own.

    Parameters
    ----------
    max_shift_x : int >= 0
        Largest shift to the left or the right, pixels.
    max_shift_y : int >= 0, optional
        Largest shift up or down, pixels; by default `max_shift_x`.

    Returns
    -------
    Shift
        It takes images (rows, h, w) or (rows, channels, h, w).

    Examples
    --------
    >>> create_shift_augment(3, 1).max_shift
    (1, 3)
    """
    return Shift(max_shift=(max_shift_x if max_shift_y is None else max_shift_y, max_shift_x))


def alter_training_minibatch(train_x: Any, train_y: Any, epoch: int, rng: np.random.Generator) -> XY:
    """Flip and rotate square images by quarter turns, each of the eight orientations as likely.

    Parameters
    ----------
    train_x : array (rows, h * h), (rows, h, h) or (rows, channels, h, h)
    train_y : array (rows,)
    epoch : int
    rng : numpy.random.Generator

    Returns
    -------
    x : array of float32
        In the shape of `train_x`.
    y : array (rows,)

    Raises
    ------
    DataError
        If the images are not square.
    """
    x: NDArray[Any] = np.asarray(train_x)
    side = isqrt(x.shape[-1])
    if x.ndim == 2 and side * side != x.shape[1]:
        raise DataError(f"alter_training_minibatch needs square images; got rows of {x.shape[1]} pixels")
    images = x.reshape(len(x), side, side) if x.ndim == 2 else x
    # A mirror image or not, times four turns: the eight orientations of a square.
    for part in (Flip(), QuarterTurns()):
        images, _ = part(images, train_y, epoch=epoch, rng=rng)
    return images.reshape(x.shape), train_y


def augmentation_pipeline(*augment_funcs: Callable[..., XY]) -> Callable[..., XY]:
    """Return an augmentation that applies several in sequence; ``fit(augmentation=[...])`` takes a list as well.

    Parameters
    ----------
    *augment_funcs : callable
        Functions ``f(x, y, epoch=, rng=) -> (x, y)``.

    Returns
    -------
    callable
    """

    def augmented(train_x: Any, train_y: Any, epoch: int, rng: np.random.Generator) -> XY:
        for function in augment_funcs:
            train_x, train_y = function(train_x, train_y, epoch=epoch, rng=rng)
        return train_x, train_y

    return augmented


def no_augmentation(x: Any, y: Any = None, epoch: int = 0, rng: Any = None, **more: Any) -> Any:
    """Return `x`, or (x, y), unchanged.

    Parameters
    ----------
    x, y : array (rows, ...), array (rows,)
    epoch, rng, **more
        Not used.

    Returns
    -------
    array, or tuple of arrays
    """
    return x if y is None else (x, y)
