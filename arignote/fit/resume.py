"""Going on: which state a fit goes on from, whether it may, and what is told of it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from arignote.checkpoints.progress import STOP_RULE
from arignote.checkpoints.reader import RunFiles
from arignote.checkpoints.state import TrainingState
from arignote.engine.environment import INFORMATIVE
from arignote.engine.network import copy_into
from arignote.errors import ArignoteWarning, CheckpointError
from arignote.registry import completed
from arignote.spec.settings import completed_settings, decides

__all__ = ["candidates", "differences", "other_than", "story", "take_over", "tell"]


def candidates(
    files: RunFiles | None, spool: RunFiles | None, resume: bool | str, faults: list[str]
) -> Iterator[tuple[str, TrainingState]]:
    """Yield the states that a fit may go on from, with their paths, the most advanced first.

    Parameters
    ----------
    files, spool : RunFiles or None
        Of the run; and what was kept on this machine while its store could not be reached.
    resume : bool, "fresh" or "force"
        As of `fit`.
    faults : list of str
        Takes what is wrong with files that were passed over.

    Raises
    ------
    CheckpointError
        Where `resume` is False and there are files; where there are files, but none is good.
    """
    if files is None or resume == "fresh":
        return
    if resume is False and files.there():
        raise CheckpointError(f'{files.path("last")}: exists, and resume is False; use resume=True or "fresh"')
    found = files.states(faults)
    first = next(found, None)
    spooled = next(spool.states([]), None) if spool is not None else None
    if spooled is not None and (first is None or _is_ahead(spooled[1], first[1])):
        yield spooled
    if first is not None:
        yield first
        yield from found
    elif spooled is None and faults:
        raise CheckpointError("\n".join([*faults, 'No good checkpoint is left; resume="fresh" (--fresh) starts over']))


def _is_ahead(one: TrainingState, other: TrainingState) -> bool:
    return one.run_id == other.run_id and one.progress.n_updates > other.progress.n_updates


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return what differs between two nested mappings, a line each: ``fit.batch_size: 128 then, 64 now``."""
    found = []
    for key in dict.fromkeys((*old, *new)):
        path, a, b = f"{prefix}{key}", old.get(key), new.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += differences(a, b, f"{path}.")
        elif a != b:
            found.append(f"{path}: {a!r} then, {b!r} now")
    return found


def _comparable(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides the numbers of a run, layers by name; what a file of an earlier version lacks is added."""
    layers = [completed("layer", layer) for layer in spec["layers"]]
    fit = {key: value for key, value in completed_settings(spec["fit"]).items() if decides(key)}
    return {"layers": {params["name"]: {"type": word} | params for word, params in layers}, "fit": fit}


def other_than(stored: TrainingState, new: TrainingState) -> list[str]:
    """Return what decides the numbers and differs, a line each; a file of 2015 knows nothing of the data."""
    then, now = _comparable(stored.spec), _comparable(new.spec)
    if _in_one_batch(stored) and _in_one_batch(new):
        # Nobody asked for just that: the data decides it.
        then["fit"]["batch_size"] = now["fit"]["batch_size"]
    found = differences(then, now)
    order_then, order_now = list(then["layers"]), list(now["layers"])
    if order_then != order_now and set(order_then) == set(order_now):
        found.insert(0, f"order of layers: {', '.join(order_then)} then, {', '.join(order_now)} now")
    if new.rng != stored.rng:
        found.append(f"rng: {stored.rng} then, {new.rng} now")
    if not stored.data:
        return found
    return found + differences(_of_data(stored), _of_data(new))


def _of_data(state: TrainingState) -> dict[str, Any]:
    """Return what decides of the data: the values, whatever their columns are called, however written and split."""
    values = {name: part for name, part in state.data.items() if name not in ("feature_names", "csv", "split")}
    return {"classes": state.classes, "data": values}


def _in_one_batch(state: TrainingState) -> bool:
    n_rows: int = state.data.get("train", {}).get("features", {}).get("shape", [0])[0]
    return bool(state.spec["fit"]["batch_size"] == n_rows)


def refusal(where: str, found: list[str]) -> CheckpointError:
    """Return the error that says what differs, and the ways out."""
    listed = "\n  ".join(found)
    return CheckpointError(
        f"{where}: this run was started with something else:\n  {listed}\n"
        'Give what it was started with, start over with resume="fresh" (--fresh), '
        'or go on all the same with resume="force" (--force). Several fits, as of a search, need a folder, '
        'checkpoint="runs/", which gives each a run of its own'
    )


def tell(stored: TrainingState, new: TrainingState, found: list[str], where: str) -> None:
    """Warn of all that keeps the run from going on bit for bit."""
    then, now = (
        {key: value for key, value in state.environment.items() if key not in INFORMATIVE} for state in (stored, new)
    )
    told = found + (differences(then, now, "environment.") if then else [])
    if told:
        warnings.warn(
            f"{where}: resumes correctly, but perhaps not bit for bit: " + "; ".join(told),
            ArignoteWarning,
            stacklevel=4,
        )


def take_over(state: TrainingState, stored: TrainingState, where: str) -> None:
    """Copy a stored state into live tensors that network and updater have laid out.

    Where other data, or other batches, were forced upon the run, its unfinished epoch begins again; where another rule
    was, it starts where it says.
    """
    copy_into(state.network, stored.network, where)
    copy_into(state.slots, stored.slots, where)
    state.epoch_loss.fill_(float(stored.epoch_loss))
    n_validations = stored.progress.n_validations
    then, now = completed_settings(stored.spec["fit"]), completed_settings(state.spec["fit"])
    state.rules = {
        name: stored.rules[name] if _start(then, name) == _start(now, name) else replace(new, changed_at=n_validations)
        for name, new in state.rules.items()
    }
    state.run_id = stored.run_id
    # Files of earlier versions do not name the stop rule here.
    state.progress = replace(stored.progress, stopped_by=STOP_RULE if stored.progress.ended else None)
    state.history = stored.snapshot().history
    state.best = replace(stored.best) if stored.best is not None else None
    state.starts = [list(start) for start in stored.starts]
    if _batches(stored, then) != _batches(state, now):
        state.progress = replace(state.progress, batch=0, epoch_examples=0, validation_due=False)
        state.epoch_loss.zero_()


def _start(fit: Mapping[str, Any], name: str) -> Any:
    """Return the rule `name` of completed settings, and what its initial value depends on."""
    rule = fit[f"{name}_rule"]
    return rule, None if rule and rule[1].get("initial_value") is not None else fit["sgd_type"]


def _batches(state: TrainingState, fit: Mapping[str, Any]) -> Any:
    """Return what the position in an epoch depends on; `fit` are the completed settings of the state."""
    features = state.data.get("train", {}).get("features", {})
    return (
        state.rng,
        state.data.get("order"),
        features.get("shape", [None])[0],
        [fit[key] for key in ("batch_size", "drop_last", "accumulate")],
    )


def story(state: TrainingState, where: str) -> str:
    """Return where a run stands, in a line."""
    done, asked = state.progress.epoch, state.n_epochs
    if state.finished:
        how = " (ended by its stop rule)" if state.progress.ended else ""
        if done > asked:
            return f"finished, {done} epochs done, {asked} asked for ({where})"
        return f"finished, {done} of {asked} epochs{how} ({where})"
    return f"goes on from epoch {done + 1}, batch {state.progress.batch} ({where})"
