"""Pictures as data URIs: examples that are images, and the filters of a convolution."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.layers.architecture import Architecture

__all__ = ["filters_of", "png", "shown", "weights_of_filters"]

Array = NDArray[Any]

_MOST_FILTERS = 64
# Pixels of a side.
_MOST_PIXELS = 64


def png(pixels: NDArray[np.uint8]) -> str:
    """Return grey (height, width) or colour (height, width, 3) as the data URI of a PNG file.

    References
    ----------
    PNG Specification, third edition, 2025, sections 5 and 11: chunks of a length, a type, data and a CRC-32.
    """

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = pixels.shape[:2]
    # Each line begins with the number of its filter: 0, none.
    lines = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    # 8 bits a channel; colour type 2 is RGB, 0 grey (PNG specification, IHDR).
    head = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines.tobytes(), 9)) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + body).decode()


def shown(images: Array) -> list[str]:
    """Return images (n, channels, height, width) as data URIs, in colour if there are three channels, else the first.

    Bytes are shown as they are; other values from the lowest, black, to the highest, white. Large images are thinned.
    """
    if not len(images):
        return []
    images = images[:, :3] if images.shape[1] >= 3 else images[:, :1]
    images = _thinned(images)
    if images.dtype != np.uint8:
        images = _as_bytes(images.astype(np.float64), float(np.nanmin(images)), float(np.nanmax(images)))
    return [png(_last_axis(image)) for image in images]


def filters_of(W: Array) -> tuple[list[NDArray[np.uint8]], int]:
    """Return the filters (maps, channels, height, width) of a convolution as pixels, and how many there are.

    Each is scaled by its largest absolute value, so that 0 is the same grey in all. Of three channels a filter is one
    picture in colour, otherwise each channel is one.
    """
    maps = W if W.shape[1] == 3 else W.reshape(-1, 1, *W.shape[2:])
    drawn: list[Array] = list(_thinned(maps[:_MOST_FILTERS]).astype(np.float64))
    # Symmetric about 0, so that a weight of 0 is grey in every filter.
    sizes = [float(np.nanmax(np.abs(one), initial=0.0)) or 1.0 for one in drawn]
    return [_last_axis(_as_bytes(one, -size, size)) for one, size in zip(drawn, sizes, strict=True)], len(maps)


def weights_of_filters(
    architecture: Architecture, network: Mapping[str, Array], layer: str | None = None
) -> tuple[str, Array] | None:
    """Return the name and the weights (maps, channels, height, width) of a convolution of images; None if it is none.

    Parameters
    ----------
    architecture : Architecture
    network : dict of str to array
        Parameters by name.
    layer : str, optional
        Name of the layer; by default the first one of filters.
    """
    for place in architecture.placed:
        W = network.get(f"{place.name}.W") if len(place.input_shape) == 3 and "W" in place.params else None
        if W is not None and W.ndim == 4 and layer in (None, place.name):
            return place.name, W
    return None


def _thinned(images: Array) -> Array:
    """Return images (n, channels, height, width) without most of their pixels, if they are large."""
    step = -(-max(1, *images.shape[2:]) // _MOST_PIXELS)
    return images[:, :, ::step, ::step]


def _as_bytes(values: Array, low: float, high: float) -> NDArray[np.uint8]:
    """Return values with 0 for `low` and 255 for `high`; those that are not finite are 0."""
    scaled = (values - low) / ((high - low) or 1.0)
    return np.rint(255 * np.clip(np.nan_to_num(scaled, posinf=0.0, neginf=0.0), 0, 1)).astype(np.uint8)


def _last_axis(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image (channels, height, width) with its channels last, of one channel without them."""
    return image[0] if len(image) == 1 else np.ascontiguousarray(np.moveaxis(image, 0, -1))
