"""What the input layers of a network declare of the data: the channel of each, and how its rows are stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from arignote.data.arrays import Alter

__all__ = ["Axes", "Conversion", "Input", "of_channel"]

# Order of the axes of images.
Axes = Literal["NCHW", "NHWC", "NHW"]


@dataclass(frozen=True)
class Input:
    """What an input layer declares of the data.

    Attributes
    ----------
    channel : str or None
        Name of its channel; None if it takes the only one.
    image : tuple of int or None
        (channels, height, width) of images, to which flat rows are reshaped.
    """

    channel: str | None = None
    image: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Conversion:
    """The steps from stored rows of one channel to an input of the network.

    Attributes
    ----------
    axes : str or None
        Order of the axes of images: "NCHW", "NHWC" or "NHW".
    image : tuple of int or None
        (channels, height, width) of images that are stored as flat rows, or without a channel axis.
    preprocess : callable, optional
        Fitted preprocessing, a function of an array (rows, ...).
    """

    axes: str | None = None
    image: tuple[int, int, int] | None = None
    preprocess: Alter | None = None

    def channels_first(self, raw: NDArray[Any]) -> NDArray[Any]:
        """Return stored rows (rows, ...) with the axes of a network; one number per row is an axis of one."""
        if raw.ndim == 1:
            return raw[:, None]
        if self.axes == "NHWC":
            return np.moveaxis(raw, -1, 1)
        raw = raw[:, None] if self.axes == "NHW" else raw
        return raw if self.image is None else raw.reshape(len(raw), *self.image)

    def __call__(self, raw: NDArray[Any]) -> NDArray[np.float32]:
        """Return stored rows (rows, ...), which are not changed, as the network takes them: contiguous, writeable."""
        raw = self.channels_first(raw)
        if self.preprocess is not None:
            raw = self.preprocess(raw)
        x = np.ascontiguousarray(raw, dtype=np.float32)
        return x if x.flags.writeable else x.copy()

    def fits_image(self, size: tuple[int, int, int], shape: tuple[int, ...]) -> bool:
        """Return whether stored examples of a shape are images of a size that are flat or lack a channel axis."""
        shape = self.channels_first(np.empty((0, *shape))).shape[1:]
        return shape in ((prod(size),), size[1:] if size[0] == 1 else ())


def of_channel(setting: Any, channel: str | None) -> Any:
    """Return what a setting is for a channel: a mapping has a value for each that is not the default, None."""
    return setting.get(channel) if isinstance(setting, Mapping) else setting
