"""Start a fit: of arrays, or of a config."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from arignote.checkpoints.progress import OBSERVER
from arignote.checkpoints.state import TrainingState
from arignote.checkpoints.writer import RunWriter
from arignote.data.prepare.fit_data import FitData, open_data
from arignote.engine.connection import connected
from arignote.engine.network import Network
from arignote.engine.profile import Profile
from arignote.engine.session import session
from arignote.errors import ConfigError, warn
from arignote.fit.assemble import assemble
from arignote.fit.changes import warn_of_changes
from arignote.fit.config_data import open_config, with_layers
from arignote.fit.phases.one_pass import OnePass, begin_pass, check_files_of_passes
from arignote.fit.phases.pretrain import data_of_stages, stages
from arignote.fit.plan import FitRequest, Plan
from arignote.fit.processes import check_processes, end_together, follow, is_first, quiet, together, whole_choice
from arignote.fit.resume import candidates, choose, load_into, resume_message
from arignote.fit.review.page_at_end import check_report, report_fit
from arignote.fit.run import network_to_predict, run
from arignote.fit.run_files import locked_files
from arignote.fit.stored.folder_stem import stem_in_folder
from arignote.fit.stored.transfer import StoredNetwork, digests_of
from arignote.layers.base import Layer
from arignote.observers.events import Event
from arignote.preemption.signals import StopRequest, StopRequested
from arignote.report.observers import GuardedObserver, check_logs, held_alone, with_log
from arignote.report.profile import check_profile_file, show_profile
from arignote.report.progress import ProgressLines
from arignote.spec.pretrained import loaded_layers, names_of_pretrained
from arignote.spec.run_spec import RunSpec
from arignote.spec.settings import FitSettings

__all__ = ["FitResult", "fit_config", "fit_network"]


@dataclass(frozen=True)
class FitResult:
    """The result of a fit.

    Attributes
    ----------
    state : TrainingState
        The last state, as arrays.
    network : Network
        The network to predict with.
    status : str
        How the fit started: from scratch, or where a run was resumed.
    checkpoint : str or None
        Stem of its files.
    raise_if_stopped : callable
        Raises Interrupted if a signal or a notice stopped the fit; returns after Ctrl-C.
    """

    state: TrainingState
    network: Network
    status: str
    checkpoint: str | None
    raise_if_stopped: Callable[[], None]


def fit_network(
    layers: list[Layer],
    data: FitData,
    settings: FitSettings,
    *,
    name: str | None = None,
    seed: int | None = None,
    in_memory: TrainingState | None = None,
    stored_network: str | None = None,
    one_pass: OnePass | None = None,
    is_warm: bool = False,
    is_in_folder: bool = False,
) -> FitResult:
    """Train a network, or resume its training.

    Parameters
    ----------
    layers : list of Layer
    data : FitData
        What the layers declare of the data is added here.
    settings : FitSettings
        A checkpoint that ends in a slash is a folder, in which each fit has a stem of its own.
    name, seed, in_memory, one_pass, is_warm, is_in_folder
        See `FitRequest`.
    stored_network : str, optional
        Run, or safetensors file, from which layers with `load_params` take their parameters.
    """
    _check_written(settings)
    with connected() as processes, quiet(processes):
        request = FitRequest(
            with_layers(data, layers, settings),
            layers,
            settings,
            settings.checkpoint,
            name,
            seed,
            in_memory=in_memory,
            stored_network=StoredNetwork.at(stored_network),
            one_pass=one_pass,
            is_warm=is_warm,
            is_in_folder=is_in_folder,
            processes=processes,
        )
        return _fit(_with_pretrained(_with_stem(request)))


def _with_stem(request: FitRequest) -> FitRequest:
    """Return the request with a stem of its own, if its checkpoint is a folder."""
    folder = request.checkpoint
    if folder is None or not folder.endswith("/"):
        return request
    opened, loaded = open_data(request.data, request.settings), digests_of(request.layers, request.stored_network)
    start = [request.seed, loaded] if loaded else [request.seed]
    stem = stem_in_folder(folder, request.layers, opened, request.settings, request.name, start)
    return replace(request, checkpoint=stem, opened=opened, is_in_folder=True)


def _with_pretrained(request: FitRequest) -> FitRequest:
    """Return the request with layers that begin as they are pretrained, if the settings ask for that."""
    if request.settings.pretrain is None:
        return request
    layers = loaded_layers(request.layers, names_of_pretrained(request.layers, request.settings.pretrain))
    return replace(request, stored_network=_pretrain(request), layers=layers)


def _fit(request: FitRequest) -> FitResult:
    """Train with signals and notices as requests to stop, and print what is asked for."""
    settings, is_heard = request.settings, is_first(request.processes)
    lines = ProgressLines() if settings.verbose and is_heard else None
    # A bar is erased whatever ends the fit.
    with StopRequest(settings.stop_signals, settings.preemption) as stop, lines or nullcontext():
        try:
            observers = _observers(settings, stop, lines) if is_heard else ()
            state, network, status, profile = _train(request, stop, observers)
        except StopRequested:
            # Before training began.
            stop.raise_interrupted()
            raise KeyboardInterrupt from None
    if settings.profile and is_heard:
        show_profile(profile, settings.profile)
    lost = state.position if request.checkpoint is None else ""
    is_stopped = state.progress.interrupted or stop.signalled
    raise_if_stopped = partial(stop.raise_interrupted, lost) if is_stopped else lambda: None
    return FitResult(state, network, status, state.spec["fit"]["checkpoint"], raise_if_stopped)


def _check_written(settings: FitSettings) -> None:
    """Raise ConfigError if what is written at the end, beside checkpoints, has no place."""
    check_profile_file(settings.profile)
    check_report(settings)
    check_logs(settings)


def _observers(
    settings: FitSettings, stop: StopRequest, lines: ProgressLines | None
) -> Sequence[Callable[[Event], None]]:
    """Return those of the settings, of which each may stop the run, and the one that prints."""
    guarded = [GuardedObserver(one, partial(stop.request, OBSERVER)) for one in with_log(settings)]
    return guarded if lines is None else [*guarded, lines]


def _pretrain(request: FitRequest) -> StoredNetwork:
    """Train the layers of `pretrain`, each in a run of its own, and return the last of these, which has them all.

    A run of the network that began before has its parameters: it is resumed without them.
    """
    settings, stem, seed, stored = request.settings, request.checkpoint, request.seed, request.stored_network
    runs = stages(request.layers, settings, stem, seed)
    assert stem is not None and seed is not None
    pretrained = StoredNetwork(str(runs[-1].settings.checkpoint))
    if stored is not None and stored.path != pretrained.path:
        raise ConfigError("pretrain and stored_network exclude each other: both say which parameters layers begin with")
    # A run that is resumed has weights of its own: the runs of pretraining may have been deleted.
    if request.in_memory is not None or (settings.resume in (True, "force") and RunWriter(stem).existing("last")):
        return pretrained
    unlabelled = data_of_stages(request.data, settings, seed)
    for stage in runs:
        result = fit_network(
            stage.layers,
            unlabelled,
            stage.settings,
            seed=seed,
            stored_network=stage.stored_network,
            is_in_folder=str(settings.checkpoint).endswith("/"),
        )
        result.raise_if_stopped()
        if result.state.progress.interrupted:
            raise KeyboardInterrupt
    return pretrained


def _train(
    request: FitRequest, stop: StopRequest, observers: Sequence[Callable[..., Any]]
) -> tuple[TrainingState, Network, str, Profile | None]:
    """Return the last state, the network to predict with, how the fit started, and what was profiled."""
    processes, profile = request.processes, None
    with ExitStack() as stack:
        with together(processes):
            # Only the first process locks and reads; `together` raises its error in the others, which wait for it.
            request, files, spool = stack.enter_context(locked_files(request, stop))
            stack.enter_context(held_alone(request.settings) if is_first(processes) else nullcontext())
            chosen = _chosen(request, files, spool) if is_first(processes) else None
        text = b"" if processes is None else processes.of_first(b"" if chosen is None else whole_choice(*chosen[:3]))
        with together(processes):
            plan, stored, where, changes, problems = chosen or (*follow(request, text), [], [])
            fit = assemble(plan, stored)
        check_processes(fit)
        state, status = fit.state, "starts"
        cause = "start" if stored is None else stored.cause_of_next
        stack.enter_context(session(fit.step.setup))
        if stored is not None:
            load_into(state, stored, where)
            warn_of_changes(stored, state, changes, where)
            status = resume_message(state, where)
            if request.one_pass is not None:
                status = begin_pass(state, stored, request.one_pass.network)
        # A finished run whose last state is in the spool is run for no epochs, which writes it to the store.
        is_saved = spool is None or not where.startswith(spool.folder.path_of())
        if not (state.finished and stored is not None and is_saved):
            profile = run(fit, stop, files, spool, status, cause, observers)
        elif files is not None and not problems:
            files.clean_up(state.run_id)
        result, network = state.snapshot(), network_to_predict(fit)
        if request.settings.report and files is not None and not state.progress.interrupted:
            report_fit(fit, result, network, files, stop)
        end_together(processes, result)
        return result, network, status, profile


def _chosen(
    request: FitRequest, files: RunWriter | None, spool: RunWriter | None
) -> tuple[Plan, TrainingState | None, str, list[str], list[str]]:
    """Return what `choose` does, and a message for each file that is skipped."""
    problems: list[str] = []
    if request.one_pass is None:
        stored_states = candidates(files, spool, request.settings.resume, problems)
    else:
        check_files_of_passes(files, request.in_memory, request.settings.resume)
        stored_states = iter(())
    plan, stored, where, changes = choose(request, stored_states)
    for problem in problems:
        warn(f"{problem}. Resuming from {where}")
    return plan, stored, where, changes, problems


def fit_config(spec: RunSpec, **settings: Any) -> FitResult:
    """Train the network of a config; the parameters are those of `open_config`."""
    with spec.naming_lines(), connected() as processes:
        with together(processes):
            layers, data, fit = open_config(spec, **settings)
        return fit_network(layers, data, fit, name=spec.name, seed=spec.rng, stored_network=spec.stored_network)
