"""Comparison of a stored run with the fit that would resume it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arignote.checkpoints.state import TrainingState
from arignote.engine.environment import INFORMATIVE
from arignote.errors import CheckpointError, warn
from arignote.fit.plan import Plan
from arignote.registry import completed
from arignote.spec.settings import completed_settings, decides

__all__ = ["changes", "decisive_settings", "differences", "refusal", "warn_of_changes"]


def differences(
    old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "", words: tuple[str, str] = ("then", "now")
) -> list[str]:
    """Return what differs between two nested mappings, a line each: ``fit.batch_size: 128 then, 64 now``.

    Parameters
    ----------
    old, new : mapping
        As stored, and of the fit.
    prefix : str, default ""
        Begins the path of each line.
    words : (str, str)
        Follow the old and the new value.
    """
    lines = []
    # A dict, as a set would have another order in each process (strings are hashed with a random seed).
    for key in dict.fromkeys((*old, *new)):
        path, a, b = f"{prefix}{key}", old.get(key), new.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            lines += differences(a, b, f"{path}.", words)
        elif a != b:
            lines.append(f"{path}: {a!r} {words[0]}, {b!r} {words[1]}")
    return lines


def decisive_settings(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides the numbers of a run, with layers by name, and defaults for what an older file lacks."""
    layers = [completed("layer", layer) for layer in spec["layers"]]
    fit = {key: value for key, value in completed_settings(spec["fit"]).items() if decides(key)}
    # Files of earlier versions have none.
    fit["shards"] = fit["shards"] or 1
    return {"layers": {params["name"]: {"type": word} | params for word, params in layers}, "fit": fit}


def changes(stored: TrainingState, plan: Plan | TrainingState, *, of_data: bool = True) -> list[str]:
    """Return what decides the numbers and differs, a line each; a file of 2015 does not record the data.

    Parameters
    ----------
    stored : TrainingState
    plan : Plan or TrainingState
        The fit that would resume it, or another state.
    of_data : bool, default True
        False, for a single pass: the data, the size of its batches and the stop rule are not compared.
    """
    then, now = decisive_settings(stored.spec), decisive_settings(plan.spec)
    if not of_data or (_in_one_batch(stored.spec, stored.data) and _in_one_batch(plan.spec, plan.data)):
        # The data decides the size of a single batch.
        then["fit"]["batch_size"] = now["fit"]["batch_size"]
    # A pass of partial_fit has no stop rule, whatever the fit before it had (`settings_of_pass`).
    if not of_data:
        then["fit"]["stop_rule"] = now["fit"]["stop_rule"]
    lines = differences(then, now)
    # `differences` compares layers by name, so that it does not see their order, which decides what each one takes.
    order_then, order_now = list(then["layers"]), list(now["layers"])
    if order_then != order_now and set(order_then) == set(order_now):
        lines.insert(0, f"order of layers: {', '.join(order_then)} then, {', '.join(order_now)} now")
    if plan.rng != stored.rng:
        lines.append(f"rng: {stored.rng} then, {plan.rng} now")
    # Of a layer for which both are known: a run does not need the stored network again.
    both = stored.loaded.keys() & plan.loaded.keys()
    # 16 of the 64 digits of a SHA-256, as they are shown in a message.
    then, now = ({name: one.loaded[name][:16] for name in sorted(both)} for one in (stored, plan))
    lines += differences(then, now, "digest of load_params of ")
    if not stored.data or not of_data:
        return lines
    # Final epochs may be added to a run, and older files have no order of their rows.
    unknown = {"final_order"} - (stored.data.keys() & plan.data.keys())
    then, now = (_decisive_data(one.targets, one.data, unknown) for one in (stored, plan))
    return lines + differences(then, now)


def _decisive_data(targets: Mapping[str, Any], fingerprint: Mapping[str, Any], unknown: set[str]) -> dict[str, Any]:
    """Return what decides the numbers: not the names of columns, the format of the file, or how rows were held out."""
    left_out = {"feature_names", "text", "csv", "split"} | unknown
    return {"targets": targets, "data": {name: value for name, value in fingerprint.items() if name not in left_out}}


def _in_one_batch(spec: Mapping[str, Any], fingerprint: Mapping[str, Any]) -> bool:
    # 0 rows if the data is not recorded, which is no batch size: then the sizes are compared.
    n_rows: int = fingerprint.get("train", {}).get("features", {}).get("shape", [0])[0]
    return bool(spec["fit"]["batch_size"] == n_rows)


def refusal(where: str, differing: list[str]) -> CheckpointError:
    """Return the error that lists what differs, and how to continue."""
    listed = "\n  ".join(differing)
    return CheckpointError(
        f"{where}: this run was started with something else:\n  {listed}\n"
        'Use what it was started with, start over with resume="fresh" (--fresh), '
        'or resume in spite of that with resume="force" (--force). Several fits, as of a search, need a folder, '
        'checkpoint="runs/", which gives each a run of its own'
    )


def warn_of_changes(stored: TrainingState, new: TrainingState, changed: list[str], where: str) -> None:
    """Warn of everything that may change bits: what has `changed`, and another environment.

    Parameters
    ----------
    stored, new : TrainingState
    changed : list of str
        As `changes` returns it.
    where : str
        Name of the file.
    """
    then, now = (
        {key: value for key, value in state.environment.items() if key not in INFORMATIVE} for state in (stored, new)
    )
    # A file of 2015 has no environment to compare with.
    changed = changed + (differences(then, now, "environment.") if then else [])
    if changed:
        warn(f"{where}: resumes correctly, but perhaps not bit for bit: " + "; ".join(changed))
