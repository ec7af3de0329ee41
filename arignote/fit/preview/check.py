"""Check a config beyond what reading it does, before anything is trained; its data is not opened."""

from __future__ import annotations

from arignote.checkpoints.storage import check_stem
from arignote.data.specs import Source, check_held_out
from arignote.errors import warn
from arignote.layers.layer_list import parse
from arignote.layers.thawing import check_thaw
from arignote.spec.rules import check_new_rules, check_validated, first_values, idle_settings
from arignote.spec.run_spec import RunSpec
from arignote.spec.settings import FitSettings

__all__ = ["check_config"]


def check_config(spec: RunSpec) -> int:
    """Check what reading a config does not: its stem, and whether the machine has its device.

    Returns
    -------
    int
        Number of layers.
    """
    layers = parse(spec.layers, spec.layer_defaults)
    settings = FitSettings(**spec.fit)
    with spec.naming_lines():
        check_thaw(layers, settings.n_epochs)
        check_new_rules(layers, settings)
        check_validated(settings, has_valid=spec.data is None or bool(spec.data.valid))
    for message in idle_settings(first_values(layers, settings), settings):
        warn(message)
    if spec.data is not None:
        held_out = [source for source in (spec.data.valid, spec.data.test) if source]
        has_weights = spec.data.sample_weight is None or not any(isinstance(source, Source) for source in held_out)
        check_held_out(settings.final_epochs, has_any=bool(held_out), has_weights=has_weights)
    if spec.fit["checkpoint"] is not None:
        check_stem(spec.fit["checkpoint"])
    device = spec.fit.get("device", "auto")
    if device not in ("auto", "cpu"):
        from arignote.engine.setup import check_device

        check_device(device)
    return len(layers)
