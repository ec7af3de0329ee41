"""Preprocessing of rows, channel by channel: fitted to the training rows, and applied to others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.inputs import of_channel
from arignote.data.pipeline import Pipeline
from arignote.data.preprocess import Learned
from arignote.data.rows.selection import Rows
from arignote.errors import DataError, warn

__all__ = ["check_categories", "fit_preprocessing", "learned_of", "pipelines_of", "preprocessed", "warn_of_bytes"]

# Steps, or their specs, of all rows or by channel.
PreprocessSpecs = Any


def fit_preprocessing(rows: Rows, steps: PreprocessSpecs) -> Learned:
    """Return what preprocessing learns from training rows, as of `Pipeline.fit`, of several channels "channel/0.mean".

    Parameters
    ----------
    rows : Rows
        Training rows, not preprocessed.
    steps : sequence of Preprocess or of specs, a dict of these by channel, or None
    """
    learned: Learned = {}
    for channel, pipeline in pipelines_of(rows.conversions, steps).items():
        reader = rows.readers[channel]
        arrays = pipeline.fit(partial(rows.blocks, channel), reader.columns, reader.text)
        learned |= {_prefix(channel, rows.conversions) + name: array for name, array in arrays.items()}
    return learned


def preprocessed(rows: Rows, steps: PreprocessSpecs, learned: Mapping[str, NDArray[Any]]) -> Rows:
    """Return rows with fitted preprocessing; `learned` is what `fit_preprocessing` has returned for the same steps.

    Parameters
    ----------
    rows : Rows
        Not preprocessed.
    steps : object
        See `fit_preprocessing`.
    learned : dict of str to array
    """
    if not steps:
        return rows
    conversions = dict(rows.conversions)
    for channel, pipeline in pipelines_of(rows.conversions, steps).items():
        arrays = learned_of(channel, rows.conversions, learned)
        conversions[channel] = replace(conversions[channel], preprocess=partial(pipeline.apply, arrays))
    return replace(rows, conversions=conversions)


def check_categories(rows: Mapping[str, Rows], steps: PreprocessSpecs) -> None:
    """Raise DataError, before training, if rows that are held out hold a category that no training row holds.

    Parameters
    ----------
    rows : dict of str to Rows
        By subset, preprocessed.
    steps : object
        See `fit_preprocessing`.
    """
    for name, subset in rows.items():
        for channel, pipeline in pipelines_of(subset.conversions, steps).items():
            preprocess = subset.conversions[channel].preprocess
            if name == "train" or preprocess is None or not pipeline.refuses_categories:
                continue
            try:
                for block in subset.blocks(channel):
                    preprocess(block)
            except DataError as error:
                raise DataError(f"{name}: {error}") from None


def warn_of_bytes(rows: Rows, steps: PreprocessSpecs) -> None:
    """Warn of channels of integers of 0 to 255 that are not preprocessed."""
    preprocessed_channels = pipelines_of(rows.conversions, steps)
    for channel in rows.conversions:
        if rows.readers[channel].dtype == np.uint8 and channel not in preprocessed_channels:
            name, scale = rows.what, "[['Scale', {'divide_by': 255}]]"
            if len(rows.conversions) > 1:
                name, scale = f"{name}[{channel!r}]", f"{{{channel!r}: {scale}}}"
            warn(
                f"{name} holds integers of 0 to 255 (uint8); networks train better on values near 0 to 1: "
                f"try preprocess={scale}"
            )


def pipelines_of(channels: Collection[str], steps: PreprocessSpecs) -> dict[str, Pipeline]:
    """Return the preprocessing of each channel that has any."""
    if isinstance(steps, Mapping) and len(channels) == 1:
        # The only channel need not be named by the rows.
        steps = next(iter(steps.values()), None)
    chosen = {channel: of_channel(steps, channel) for channel in channels}
    return {channel: Pipeline(one) for channel, one in chosen.items() if one}


def learned_of(channel: str, channels: Collection[str], learned: Mapping[str, NDArray[Any]]) -> Learned:
    """Return what the preprocessing of one of several channels has learned, of what `fit_preprocessing` returns.

    Parameters
    ----------
    channel : str
    channels : collection of str
        Names of all channels, of which a single one has no prefix.
    learned : dict of str to array
    """
    prefix = _prefix(channel, channels)
    return {name.removeprefix(prefix): array for name, array in learned.items() if name.startswith(prefix)}


def _prefix(channel: str, channels: Collection[str]) -> str:
    return "" if len(channels) == 1 else f"{channel}/"
