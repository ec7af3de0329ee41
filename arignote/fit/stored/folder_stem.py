"""The name of the files of a fit in a folder, in which each fit has files of its own."""

from __future__ import annotations

from typing import Any

from arignote.checkpoints.names import stem_in
from arignote.data.prepare.fit_data import OpenedData
from arignote.layers.base import Layer
from arignote.registry import dump
from arignote.spec.objective import objective_of
from arignote.spec.settings import FitSettings, decides

__all__ = ["stem_in_folder", "stem_of_fewer_epochs"]

# Settings, and parameters of parts, that were added after stems in folders were first made, with their defaults. These
# leave a stem as it was, so that a run that began before is found again.
_ADDED = {
    "scale_target": True,
    "missing_targets": False,
    "windows": None,
    "sgd_max_grad_value": None,
    "rules": None,
    "average": None,
    "pretrain": None,
    "weighted_validation": False,
    "shards": None,
}
_ADDED_TO_AUGMENTATIONS: dict[str, Any] = {"channel": None}
# To the part of a setting.
_ADDED_TO_PARTS: dict[str, dict[str, Any]] = {
    "sgd_type": {"beta1_decay": 1.0},
    "stop_rule": {"min_delta": 0.0},
    "average": {"warmup": False},
}
_ADDED_TO_LAYERS: dict[str, Any] = {
    "thaw_at": None,
    "input": None,
    "share": None,
    "lr_factor": 1.0,
    "nonnegative": False,
    "auxiliary": False,
    "lengths": None,
    "offsets": None,
    "mask": None,
    "per_step": False,
    "pad": [0, 0],
    "dilation": [1, 1],
    "n_groups": 1,
    "axes": None,
    "count_include_pad": True,
    "untie_biases": False,
    "clip": None,
    "ignore_border": True,
}
# Those that other layers always had.
_ADDED_TO_TYPE: dict[str, dict[str, Any]] = {
    "ActivationLayer": {"fix_params": False, "load_params": None},
    "AveragePool1DLayer": {"pad": 0},
    "BatchNormLayer": {"fix_params": False, "load_params": None},
    "MaxPool1DLayer": {"pad": 0},
    "TorchLayer": {"fix_params": False, "load_params": None},
    "DropoutLayer": {"per": "unit"},
}


def stem_in_folder(
    folder: str,
    layers: list[Layer],
    opened: OpenedData,
    settings: FitSettings,
    name: str | None,
    start: list[Any],
) -> str:
    """Return the stem of the files in a folder, which follows from what decides the numbers.

    `n_epochs` may be raised, so that it is not among these; see `stem_of_fewer_epochs`.

    Parameters
    ----------
    opened : OpenedData
        Its training rows decide, before any are held out.
    name : str or None
        Of the run.
    start : list
        The seed and, if layers load parameters, the digests of these.
    """
    values = settings.model_dump(mode="json") | objective_of(layers, settings).spec()
    chosen = {key: value for key, value in values.items() if decides(key) and value != _ADDED.get(key, ...)}
    chosen["augmentation"] = [_of_stem(spec, _ADDED_TO_AUGMENTATIONS) for spec in chosen["augmentation"]]
    for key in _ADDED_TO_PARTS.keys() & chosen.keys():
        chosen[key] = chosen[key] and _of_stem(chosen[key], _ADDED_TO_PARTS[key])
    if settings.final_epochs:
        # With them n_epochs cannot be raised.
        chosen |= {"final_epochs": settings.final_epochs, "n_epochs": settings.n_epochs}
    fingerprint = opened.rows["train"].fingerprint(opened.digests)
    specs = [dump(layer) for layer in layers]
    of_layers = [_of_stem(spec, _ADDED_TO_LAYERS | _ADDED_TO_TYPE.get(spec[0], {})) for spec in specs]
    return stem_in(folder, name, [of_layers, chosen, [*start, fingerprint]])


def stem_of_fewer_epochs(stem: str, n_epochs: int) -> str:
    """Return the stem in a folder of a fit that ends before the run of `stem`, which has trained more epochs."""
    return f"{stem}-{n_epochs}"


def _of_stem(spec: list[Any] | str, added: dict[str, Any]) -> list[Any] | str:
    """Return a spec without parameters that were added later and have their defaults; a function is its name."""
    if isinstance(spec, str):
        return spec
    word, params = spec
    return [word, {key: value for key, value in params.items() if value != added.get(key, ...)}]
