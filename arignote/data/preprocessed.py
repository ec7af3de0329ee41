"""Preprocessing of rows, channel by channel: fitted to the training rows, and applied to others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.inputs import of_channel
from arignote.data.preprocess import Pipeline
from arignote.data.rows import Rows
from arignote.errors import warn

__all__ = ["fit_preprocessing", "preprocessed", "warn_of_bytes"]

# Parts or specs of all rows, or by channel.
Parts = Any
Learned = dict[str, NDArray[Any]]


def fit_preprocessing(rows: Rows, parts: Parts) -> Learned:
    """Return what preprocessing learns from training rows, as of `Pipeline.fit`, of several channels "channel/0.mean".

    Parameters
    ----------
    rows : Rows
        Training rows, not preprocessed.
    parts : sequence of Preprocess or of specs, a dict of these by channel, or None
    """
    learned: Learned = {}
    for channel, pipeline in _pipelines(rows, parts).items():
        found = pipeline.fit(partial(rows.blocks, channel))
        learned |= {_prefix(rows, channel) + name: array for name, array in found.items()}
    return learned


def preprocessed(rows: Rows, parts: Parts, learned: Mapping[str, NDArray[Any]]) -> Rows:
    """Return rows with fitted preprocessing; `learned` is what `fit_preprocessing` has returned for the same parts."""
    conversions = dict(rows.conversions)
    for channel, pipeline in _pipelines(rows, parts).items():
        prefix = _prefix(rows, channel)
        own = {name.removeprefix(prefix): array for name, array in learned.items() if name.startswith(prefix)}
        conversions[channel] = replace(conversions[channel], preprocess=partial(pipeline.apply, own))
    return replace(rows, conversions=conversions)


def warn_of_bytes(rows: Rows, parts: Parts) -> None:
    """Warn of channels of integers of 0 to 255 that are not preprocessed."""
    preprocessed_channels = _pipelines(rows, parts)
    for channel in rows.conversions:
        if rows.readers[channel].dtype == np.uint8 and channel not in preprocessed_channels:
            name, scale = rows.what, "[['Scale', {'divide_by': 255}]]"
            if len(rows.conversions) > 1:
                name, scale = f"{name}[{channel!r}]", f"{{{channel!r}: {scale}}}"
            warn(
                f"{name} holds integers of 0 to 255 (uint8); networks train better on values near 0 to 1: "
                f"try preprocess={scale}"
            )


def _pipelines(rows: Rows, parts: Parts) -> dict[str, Pipeline]:
    """Return the preprocessing of each channel that has any."""
    if isinstance(parts, Mapping) and len(rows.conversions) == 1:
        # The only channel need not be named by the rows.
        parts = next(iter(parts.values()), None)
    chosen = {channel: of_channel(parts, channel) for channel in rows.conversions}
    return {channel: Pipeline(one) for channel, one in chosen.items() if one}


def _prefix(rows: Rows, channel: str) -> str:
    return "" if len(rows.conversions) == 1 else f"{channel}/"
