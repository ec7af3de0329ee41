"""Everything that is wrong in a config: in its sections, its layers and its settings, and where these do not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from arignote.data.inputs import channels_of
from arignote.data.readers.column_roles import proposed_source
from arignote.data.readers.tables import split_source
from arignote.data.specs import CSVFormat, DataSpec, Source
from arignote.data.targets import misnamed
from arignote.errors import Complaint, ConfigError, listed
from arignote.hints.advice import Advice, Replacement
from arignote.layers.base import Layer
from arignote.layers.layer_list import parse
from arignote.layers.output import OutputLayer
from arignote.registry.complaints import complaints_of
from arignote.spec.inputs import complaints_of_channels, inputs_of
from arignote.spec.locations import At
from arignote.spec.monitored import complaints_of_monitor
from arignote.spec.objective import objective_of, targets_of
from arignote.spec.ruled_numbers import ruled_numbers
from arignote.spec.run_spec import RunSpec
from arignote.spec.settings import FitSettings

__all__ = ["complaints_of_config"]


def complaints_of_config(values: dict[str, Any], folder_of: Callable[[At], Path]) -> list[Complaint]:
    """Return everything that is wrong in a config: in its sections, its layers and its settings.

    Parameters
    ----------
    values : dict
        The config as plain data.
    folder_of : callable
        Takes keys from the root; returns the folder of a relative path there.
    """
    complaints = _complaints_of_sections(values, folder_of)
    if "include" in values:
        # Those of files are merged before.
        complaints.append(Complaint(("include",), "include is read from files only: write it into the config"))
    layers, defaults = values.get("layers"), values.get("layer_defaults", {})
    parsed: list[Layer] = []
    # Layers that are no list, or defaults that are no mapping, are reported already.
    if isinstance(layers, list) and isinstance(defaults, dict):
        try:
            parsed = parse(layers, defaults)
            complaints += _complaints_of_features(parsed, values.get("data"))
            complaints += _complaints_of_labels(parsed, values.get("data"))
        except ConfigError as error:
            complaints += error.complaints
    fit, wrong = values.get("fit", {}), list[Complaint]()
    if isinstance(fit, dict):
        # These belong to `data`, which `RunSpec` reports.
        fit = {key: value for key, value in fit.items() if key not in ("valid", "test")}
        wrong = _complaints_of_section(FitSettings, fit, "fit")
        if fit.get("report") is True and fit.get("checkpoint", "") is None:
            message = "report is written beside the files of the run: set checkpoint to a path, or leave it out"
            wrong.append(Complaint(("fit", "report"), message))
    # Settings that are wrong cannot be built, and are reported.
    if parsed and isinstance(fit, dict) and not wrong:
        wrong = _complaints_of_objective(parsed, FitSettings(**fit), values.get("data"))
    return complaints + wrong


def _complaints_of_objective(layers: list[Layer], settings: FitSettings, data: Any) -> list[Complaint]:
    """Return which losses, settings and labels do not fit the layers of inputs and outputs."""
    complaints = complaints_of_channels(layers, settings) + complaints_of_monitor(layers, settings)
    try:
        objective_of(layers, settings)
        ruled_numbers(layers, settings)
        from_input = targets_of(layers, settings).from_input
    except ConfigError as error:
        return complaints + list(error.complaints)
    if from_input and isinstance(data, dict):
        named = [name for name in ("train", "valid", "test") if "labels" in _mapping(data.get(name))]
        message = "the target of the network is its input: leave labels out"
        complaints += [Complaint(("data", name, "labels"), message) for name in named]
    return complaints


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _complaints_of_features(layers: list[Layer], data: Any) -> list[Complaint]:
    """Return for which subsets the features are not those of the input layers."""
    channels = channels_of(inputs_of(layers))
    wanted = ", ".join(f"{channel}: ..." for channel in channels)
    complaints: list[Complaint] = []
    for name in ("train", "valid", "test"):
        features = _mapping(_mapping(data).get(name)).get("features")
        if features is None or (len(channels) == 1 and not isinstance(features, dict)):
            continue
        wrong = misnamed(features, [str(channel) for channel in channels], "input layer of the channel")
        if wrong and len(channels) == 1:
            message = f"features must be one source, as there is one input; got {', '.join(features)}"
            complaints.append(Complaint(("data", name, "features"), message))
        elif wrong:
            message = f"features must have a source for each channel, {{{wanted}}}; {wrong}"
            complaints.append(Complaint(("data", name, "features"), message))
    return complaints


def _complaints_of_labels(layers: list[Layer], data: Any) -> list[Complaint]:
    """Return for which subsets the labels are not those of the output layers."""
    outputs = [str(layer.name) for layer in layers if isinstance(layer, OutputLayer)]
    wanted = ", ".join(f"{output}: ..." for output in outputs)
    complaints: list[Complaint] = []
    for name in ("train", "valid", "test"):
        source = _mapping(data).get(name)
        labels, wrong = source.get("labels") if isinstance(source, dict) else "", ""
        if isinstance(labels, dict):
            wrong = misnamed(labels, outputs)
        elif len(outputs) > 1 and isinstance(source, dict) and (labels is None or isinstance(labels, str)):
            wrong = f"got {labels!r}" if "labels" in source else "none is named"
        if wrong:
            message = f"labels must have a source for each output, {{{wanted}}}; {wrong}"
            complaints.append(Complaint(("data", name, "labels"), message))
    return complaints


def _complaints_of_sections(values: dict[str, Any], folder_of: Callable[[At], Path]) -> list[Complaint]:
    """Return what is wrong in the sections of a config, each checked by its own model."""
    complaints: list[Complaint] = []
    data = values.get("data")
    if complaint := _complaint_of_path(data, folder_of, "data"):
        complaints.append(complaint)
        values = values | {"data": None}
    if isinstance(data, dict):
        for name in ("train", "valid", "test"):
            given = data.get(name)
            # "valid.csv" is a path, "0.15" a fraction, whose suffix does not begin with a letter.
            is_path = name == "train" or (isinstance(given, str) and Path(split_source(given)[0]).suffix[1:2].isalpha())
            if is_path and (complaint := _complaint_of_path(given, folder_of, "data", name)):
                complaints.append(complaint)
                # A stand-in that is valid, so that one error is not reported by two models; so too below.
                data = data | {name: {"features": "reported"}}
        sources = {name: data[name] for name in DataSpec.model_fields if isinstance(data.get(name), dict)}
        for name, source in sources.items():
            if isinstance(source.get("csv"), dict):
                complaints += _complaints_of_section(CSVFormat, source["csv"], "data", name, "csv")
                source = source | {"csv": None}
            complaints += _complaints_of_section(Source, source, "data", name)
        complaints += _complaints_of_section(
            DataSpec, data | dict.fromkeys(sources, Source(features="checked")), "data"
        )
        values = values | {"data": None}
    misplaced = [key for key in values if key in FitSettings.model_fields and key not in RunSpec.model_fields]
    complaints += [Complaint((key,), f"belongs to fit: write fit.{key}") for key in misplaced]
    return complaints + _complaints_of_section(
        RunSpec, {key: value for key, value in values.items() if key not in misplaced}
    )


def _complaints_of_section(section: type[BaseModel], values: dict[str, Any], *at: str) -> list[Complaint]:
    """Return what is wrong in a section, with paths that begin with `at`."""
    try:
        section(**values)
    except ValidationError as error:
        return [complaint.under(*at) for complaint in complaints_of(error, section)]
    return []


def _complaint_of_path(given: Any, folder_of: Callable[[At], Path], *at: str) -> Complaint | None:
    """Return the complaint on a source that is written as a path, or as a pair of paths; None for anything else."""
    if isinstance(given, str):
        source, columns = proposed_source(given, folder_of(at))
    elif isinstance(given, list) and len(given) == 2 and all(isinstance(path, str) for path in given):
        source, columns = dict(zip(("features", "labels"), given, strict=True)), []
    else:
        return None
    message = f"must be a mapping of features and labels; got {given!r}"
    message += f", with the columns {listed(columns)}" if columns else ""
    value = source if len(at) > 1 else {"train": source}
    return Complaint(at, f"{at[-1]} {message}", advice=Advice("Write {}", (Replacement(".".join(at), value),)))
