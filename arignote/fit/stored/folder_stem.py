"""The name of the files of a fit in a folder, in which each fit has files of its own."""

from __future__ import annotations

from typing import Any

from arignote.checkpoints.names import stem_in
from arignote.data.prepare.fit_data import OpenedData
from arignote.layers.base import Layer
from arignote.registry import dump, find, leaves_stems
from arignote.spec.objective import objective_of
from arignote.spec.settings import FitSettings, decides

__all__ = ["stem_in_folder", "stem_of_fewer_epochs"]


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
    fields = FitSettings.model_fields
    chosen = {key: value for key, value in values.items() if decides(key) and not leaves_stems(fields[key], value)}
    chosen["augmentation"] = [_of_stem("augmentation", spec) for spec in chosen["augmentation"]]
    for key, kind in (("sgd_type", "updater"), ("stop_rule", "stop_rule"), ("average", "average")):
        if chosen.get(key):
            chosen[key] = _of_stem(kind, chosen[key])
    if settings.final_epochs:
        # With them n_epochs cannot be raised.
        chosen |= {"final_epochs": settings.final_epochs, "n_epochs": settings.n_epochs}
    fingerprint = opened.rows["train"].fingerprint(opened.digests)
    of_layers = [_of_stem("layer", dump(layer)) for layer in layers]
    return stem_in(folder, name, [of_layers, chosen, [*start, fingerprint]])


def stem_of_fewer_epochs(stem: str, n_epochs: int) -> str:
    """Return the stem in a folder of a fit that ends before the run of `stem`, which has trained more epochs."""
    return f"{stem}-{n_epochs}"


def _of_stem(kind: str, spec: list[Any] | str) -> list[Any] | str:
    """Return a spec without parameters that were added later and have their defaults; a function is its name."""
    if isinstance(spec, str):
        return spec
    word, params = spec
    fields = find(kind, word).model_fields
    return [word, {key: value for key, value in params.items() if not leaves_stems(fields[key], value)}]
