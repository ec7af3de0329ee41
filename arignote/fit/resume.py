"""Resume: which state a fit resumes from, whether it may, and what is reported of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from arignote.checkpoints.progress import STOP_RULE
from arignote.checkpoints.reader import RunFiles
from arignote.checkpoints.state import AVERAGE, TrainingState
from arignote.engine.checked_copy import copy_into
from arignote.engine.monitor import GRAD_NORM_SLOT
from arignote.errors import CheckpointError, ConfigError, warn
from arignote.fit.changes import changes, refusal
from arignote.fit.phases.final_epochs import check_final_epochs
from arignote.fit.phases.one_pass import begin_epoch_again
from arignote.fit.plan import FitRequest, Plan, plan_fit
from arignote.spec.settings import completed_settings

__all__ = [
    "candidates",
    "choose",
    "load_into",
    "resume_message",
]


# In place of the path of a file.
IN_MEMORY = "the estimator's state"


def candidates(
    files: RunFiles | None, spool: RunFiles | None, resume: bool | str, problems: list[str]
) -> Iterator[tuple[str, TrainingState]]:
    """Yield the states that a fit may resume from, with their paths, the most advanced first.

    Parameters
    ----------
    files, spool : RunFiles or None
        Of the run; and what was kept on this machine while the store could not be reached.
    resume : bool, "fresh" or "force"
        See `fit`.
    problems : list of str
        Receives a message for each file that is skipped.

    Raises
    ------
    CheckpointError
        If `resume` is False and there are files; if there are files, but none is good.
    """
    if files is None or resume == "fresh":
        return
    if resume is False and files.existing():
        raise CheckpointError(f'{files.path("last")}: exists, and resume is False; use resume=True or "fresh"')
    stored = files.states(problems)
    first = next(stored, None)
    spooled = next(spool.states([]), None) if spool is not None else None
    if spooled is not None and (first is None or _is_ahead(spooled[1], first[1])):
        yield spooled
    if first is not None:
        yield first
        yield from stored
    elif spooled is None and problems:
        raise CheckpointError(
            "\n".join([*problems, 'No good checkpoint is left; resume="fresh" (--fresh) starts over'])
        )


def _is_ahead(one: TrainingState, other: TrainingState) -> bool:
    # A state of another run_id is what an earlier run of this stem has left in the temporary folder.
    return one.run_id == other.run_id and one.progress.n_updates > other.progress.n_updates


def choose(
    request: FitRequest, stored_states: Iterator[tuple[str, TrainingState]]
) -> tuple[Plan, TrainingState | None, str, list[str]]:
    """Return the plan of the fit, the newest stored state of the same run, its path, and what differs from it.

    The data is prepared once for all stored states of one run, and compared before any network is built.

    Parameters
    ----------
    request : FitRequest
    stored_states : iterator of (str, TrainingState)
        As of `candidates`; if there are none, the state in memory is used.

    Returns
    -------
    Plan, TrainingState or None, str, list of str
        Differences are only returned with resume="force".

    Raises
    ------
    CheckpointError
        If there are stored states, but none is of the same run, or its final epochs do not suit the settings.
    """
    refused: list[tuple[str, list[str]]] = []
    plans: dict[str, Plan] = {}
    for where, stored in _or_in_memory(request, stored_states):
        # The files of one run have one seed and one split: the data is prepared once for all of them.
        plan = plans.get(stored.run_id) or plan_fit(request, stored)
        plans[stored.run_id] = plan
        changed = changes(stored, plan, of_data=request.one_pass is None)
        is_warm = request.is_warm and stored is request.in_memory
        if is_warm:
            _check_warm(stored, plan)
            changed = []
        if not changed or request.settings.resume == "force":
            if request.one_pass is None:
                check_final_epochs(stored, request.settings, where)
            for other, differing in refused:
                warn(f"{other}: is of another run ({'; '.join(differing)}). Resuming from {where}")
            return plan, stored, where, changed
        refused.append((where, changed))
    if refused:
        raise refusal(*refused[0])
    return plan_fit(request, None), None, "", []


def _check_warm(stored: TrainingState, plan: Plan) -> None:
    """Raise ConfigError if a warm start would give the outputs of the network other labels."""
    for name, target_state in plan.targets.items():
        then, now = (one.get("of", one).get("values") for one in (stored.targets[name], target_state))
        if then != now:
            # The words of scikit-learn.
            raise ConfigError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. Previously "
                f"got {then}, `y` has {now}"
            )


def _or_in_memory(
    request: FitRequest, stored_states: Iterator[tuple[str, TrainingState]]
) -> Iterator[tuple[str, TrainingState]]:
    first = next(stored_states, None)
    if first is not None:
        yield first
        yield from stored_states
    elif request.in_memory is not None:
        yield IN_MEMORY, request.in_memory


def load_into(state: TrainingState, stored: TrainingState, where: str) -> None:
    """Copy a stored state into a new one, whose tensors are those of the network and the updater.

    With resume="force": if the data or the batches changed, the unfinished epoch begins again; if a rule changed, it
    starts at its initial value; an average that is added begins with the weights as they are.

    Parameters
    ----------
    state : TrainingState
        Of the new fit; changed in place.
    stored : TrainingState
        The run that is resumed.
    where : str
        Path of its file, for errors.

    Raises
    ------
    CheckpointError
        If a tensor is missing, or has another shape.
    """
    # In place: these tensors are views of the flat vectors that the network and the updater compute with.
    copy_into(state.network, stored.network, where)
    slots = _slots_for(state.slots, stored)
    if differing := sorted(state.slots.keys() ^ slots.keys()):
        raise CheckpointError(
            f"{where}: its updater keeps other slots than the one that is set, such as {differing[0]!r}. No resume can "
            "change sgd_type, precision fp16, or which parameters are trained. Use what the run was started with, "
            'start over with resume="fresh" (--fresh), or begin another run from its parameters (stored_network, and '
            "load_params of the layers)"
        )
    copy_into(state.slots, slots, where)
    state.epoch_loss.fill_(float(stored.epoch_loss))
    n_validations = stored.progress.n_validations
    then, now = completed_settings(stored.spec["fit"]), completed_settings(state.spec["fit"])
    state.rules = {
        name: stored.rules[name]
        if name in stored.rules and _origin(stored, then, name) == _origin(state, now, name)
        # A rule that is new or changed waits from here on, not from the start of the run.
        else replace(new, changed_at=n_validations)
        for name, new in state.rules.items()
    }
    state.run_id, state.loaded, state.thawed = stored.run_id, dict(stored.loaded), dict(stored.thawed)
    # Files of earlier versions do not name the stop rule here.
    ended_by = stored.progress.stopped_by or STOP_RULE
    state.progress = replace(stored.progress, stopped_by=ended_by if stored.progress.ended else None)
    # A history of its own: rows that are appended do not appear in `stored`.
    state.history = stored.snapshot().history
    state.best = replace(stored.best) if stored.best is not None else None
    state.best_train = replace(stored.best_train) if stored.best_train is not None else None
    state.starts, state.causes = [list(start) for start in stored.starts], list(stored.causes)
    # With resume="force": in other batches, the number of the next one names other rows.
    if _batching(stored, then) != _batching(state, now):
        begin_epoch_again(state)


def _slots_for(own: Mapping[str, Any], stored: TrainingState) -> dict[str, Any]:
    """Return stored slots with those of what is monitored and averaged now, which may be something else than before."""
    # The sum of the norms and their number, as `GradientNorm` keeps them.
    first: dict[str, Any] = {GRAD_NORM_SLOT: np.zeros(2)}
    if not any(name.startswith(AVERAGE) for name in stored.slots):
        # An average that is added begins with the weights as they are.
        first |= {f"{AVERAGE}{name}": array for name, array in stored.network.items()}
    of_updater = {
        name: array
        for name, array in stored.slots.items()
        if name in own or not (name == GRAD_NORM_SLOT or name.startswith(AVERAGE))
    }
    return {name: array for name, array in first.items() if name in own} | of_updater


def _origin(state: TrainingState, fit: Mapping[str, Any], name: str) -> Any:
    """Return the rule `name` of completed settings, and what its initial value depends on."""
    if name in ("lr", "momentum"):
        rule, source = fit[f"{name}_rule"], fit["sgd_type"]
    else:
        layer, _, param = name.rpartition(".")
        rule = (fit["rules"] or {}).get(name)
        # A name that is not of a layer begins with that of a setting.
        setting = fit.get(name.partition(".")[0])
        source = next((params.get(param) for _, params in state.spec["layers"] if params["name"] == layer), setting)
    # A rule with an initial_value of its own begins there, whatever the setting is.
    return rule, None if rule and rule[1].get("initial_value") is not None else source


def _batching(state: TrainingState, fit: Mapping[str, Any]) -> Any:
    """Return what the position in an epoch depends on; `fit` are the completed settings of the state."""
    subsets = ("train", "valid", "test") if state.progress.is_final else ("train",)
    return (
        state.rng,
        state.data.get("final_order" if state.progress.is_final else "order"),
        [state.data.get(subset, {}).get("features", {}).get("shape", [None])[0] for subset in subsets],
        [fit[key] for key in ("batch_size", "drop_last", "accumulate")],
    )


def resume_message(state: TrainingState, where: str) -> str:
    """Return where a run is resumed, in a line."""
    done, asked = state.progress.epoch, state.n_epochs
    if state.finished:
        how = f" ({state.ended_by})" if state.ended_by else ""
        if done > asked:
            return f"finished, {done} epochs done, {asked} asked for ({where})"
        return f"finished, {done} of {asked} epochs{how} ({where})"
    return f"resumes at epoch {done + 1}, batch {state.progress.batch} ({where})"
