"""The inputs of a network: what it takes of the data, and the settings by channel, which must suit them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from arignote.data.inputs import Input, of_channel
from arignote.errors import Complaint
from arignote.layers.base import Layer
from arignote.layers.embedding import tokens_of
from arignote.layers.inputs import InputImageLayer, InputLayer
from arignote.spec.settings import FitSettings

__all__ = ["complaints_of_channels", "inputs_of"]


def inputs_of(layers: Sequence[Layer], n_in: Any = None) -> tuple[Input, ...]:
    """Return what the input layers declare of the data, in the order of the layers.

    Parameters
    ----------
    layers : sequence of Layer
    n_in : tuple of int, or dict of str to these, optional
        Shape of an example in a run, of several channels by name. Runs of version 0.1 were trained on flat rows, which
        are not reshaped to images.
    """
    inputs = []
    n_tokens = tokens_of(layers)
    for layer in layers:
        shape = n_in.get(getattr(layer, "channel", None)) if isinstance(n_in, Mapping) else n_in
        if isinstance(layer, InputImageLayer):
            inputs.append(
                # A run of version 0.1, whose rows are flat: see above.
                Input(layer.channel, None if shape is not None and tuple(shape) != layer.n_in else layer.n_in)
            )
        elif isinstance(layer, InputLayer):
            inputs.append(_plain_input(layer, shape, n_tokens.get(str(layer.name))))
    return tuple(inputs)


def _plain_input(layer: InputLayer, shape: Any, n_tokens: int | None) -> Input:
    steps = shape or layer.n_in if layer.steps is not None else None
    return Input(
        layer.channel,
        lengths=layer.lengths,
        offsets=layer.offsets,
        mask=layer.mask,
        steps=layer.steps,
        n_steps=None if steps is None else steps[0],
        n_tokens=n_tokens,
    )


def complaints_of_channels(layers: Sequence[Layer], settings: FitSettings) -> list[Complaint]:
    """Return complaints about settings by channel that do not suit the channels of the input layers."""
    inputs = inputs_of(layers)
    channels = [one.channel for one in inputs if one.channel is not None]
    complaints: list[Complaint] = []
    # Tokens are indices of an embedding: a preprocessing step would return float32.
    for one in inputs:
        if one.n_tokens is not None and of_channel(settings.preprocess, one.channel):
            where = ("fit", "preprocess", *([str(one.channel)] if isinstance(settings.preprocess, Mapping) else []))
            complaints.append(Complaint(where, "an EmbeddingLayer takes tokens as they are: leave preprocess out"))
    for key in ("preprocess", "axes"):
        given = getattr(settings, key)
        if isinstance(given, Mapping):
            known = ", ".join(map(repr, channels)) or "none"
            complaints += [
                Complaint(("fit", key, name), f"no input layer takes the channel {name!r}. Channels: {known}")
                for name in given
                if name not in channels
            ]
        elif given and len(inputs) > 1:
            of_each = ", ".join(f"{name}: ..." for name in channels)
            complaints.append(
                Complaint(("fit", key), f"{key} must be a mapping, {{{of_each}}}, as there are several inputs")
            )
    return complaints
