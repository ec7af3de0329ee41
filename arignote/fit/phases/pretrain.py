"""Pretraining: one run for each layer, in order, before the run of the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from arignote.data.prepare.fit_data import FitData, open_data
from arignote.data.prepare.split import split_rows
from arignote.errors import Complaint, ConfigError
from arignote.layers.base import Layer
from arignote.optim.settings import LearningSettings
from arignote.spec.pretrained import autoencoder_of, names_of_pretrained
from arignote.spec.settings import FitSettings

__all__ = ["Stage", "data_of_stages", "stages"]

# Settings of learning that hold for autoencoders too.
_SHARED = {"accumulate", "sgd_max_grad_norm", "sgd_max_grad_value"}
# Other settings that are for the network alone.
_OF_NETWORK = {"class_weight", "balance_classes", "profile", "report", "log", "checkpoint"}


@dataclass(frozen=True)
class Stage:
    """The run that pretrains one layer.

    Attributes
    ----------
    layers : list of Layer
        An autoencoder of the input of the layer, behind those before it.
    settings : FitSettings
    stored_network : str or None
        Stem of the run before, from which the layers before take their parameters.
    """

    layers: list[Layer]
    settings: FitSettings
    stored_network: str | None


def stages(layers: Sequence[Layer], settings: FitSettings, stem: str | None, seed: int | None) -> list[Stage]:
    """Return the runs of pretraining, in order.

    Parameters
    ----------
    layers : sequence of Layer
    settings : FitSettings
        With `pretrain`.
    stem : str or None
        Stem of the run of the network, "runs/digits"; those of pretraining are "runs/digits_pre1" ...
    seed : int or None

    Raises
    ------
    ConfigError
        If there is no stem or no seed.
    """
    assert settings.pretrain is not None
    if stem is None:
        message = (
            "pretrain needs checkpoint: the run of each layer has files of its own, runs/NAME_pre1, runs/NAME_pre2"
        )
        raise ConfigError(Complaint(("fit", "pretrain"), message))
    if seed is None:
        message = "pretrain needs rng, so that all of its runs hold out the same rows: rng=42"
        raise ConfigError(Complaint(("fit", "pretrain"), message))
    runs: list[Stage] = []
    for name in names_of_pretrained(layers, settings.pretrain):
        own = FitSettings(**_settings(settings), checkpoint=f"{stem}_pre{len(runs) + 1}")
        before = runs[-1].settings.checkpoint if runs else None
        runs.append(Stage(autoencoder_of(layers, name, settings.pretrain), own, before))
    return runs


def _settings(settings: FitSettings) -> dict[str, Any]:
    """Return the settings of the run of a layer."""
    pretraining = settings.pretrain
    assert pretraining is not None
    shared = FitSettings.model_fields.keys() - LearningSettings.model_fields.keys() - _OF_NETWORK | _SHARED
    loss = ["reconstruction", {"cost": pretraining.cost}]
    losses = {name: loss for name in ("train_loss", "valid_loss", "test_loss")}
    learning = {"sgd_type": settings.sgd_type, "lr_rule": settings.lr_rule, "momentum_rule": settings.momentum_rule}
    # The rules of the settings do not follow it: their rates suit the updater of the settings.
    if pretraining.sgd_type is not None:
        learning = {"sgd_type": pretraining.sgd_type}
    if pretraining.lr_rule is not None:
        learning["lr_rule"] = pretraining.lr_rule
    return {name: getattr(settings, name) for name in shared} | losses | learning | {"n_epochs": pretraining.n_epochs}


def data_of_stages(data: FitData, settings: FitSettings, seed: int) -> FitData:
    """Return the data of a fit, of which the rows are held out that the fit of the network holds out.

    Parameters
    ----------
    data : FitData
        Data of the fit of the network; its targets decide which rows fractions hold out.
    settings : FitSettings
    seed : int
        Seed of the run.
    """
    numbers = split_rows(data, open_data(data, settings), settings, seed, None).numbers
    valid, test = (numbers.get(name, rows) for name, rows in (("valid", data.valid), ("test", data.test)))
    # Labels stay, as columns of a table that are labels are no features; those of several outputs are of no use.
    y = None if isinstance(data.y, Mapping) else data.y
    return replace(data, y=y, groups=None, valid=valid, test=test)
