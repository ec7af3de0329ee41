"""Files of a fitted network for programs without Arignote: ONNX, programs of PyTorch, and weights alone."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from arignote.data.inputs import Conversion, Input, of_channel
from arignote.data.rows.row_preprocessing import learned_of, pipelines_of
from arignote.data.values.fields import ALONE
from arignote.errors import CheckpointError, ConfigError
from arignote.estimators.fitted import alone
from arignote.replacing import is_stream, replacing_bytes
from arignote.version import __version__

if TYPE_CHECKING:
    from arignote.checkpoints.state import TrainingState
    from arignote.data.pipeline import Pipeline
    from arignote.engine.program import ExportedInput, Program
    from arignote.estimators.predictor import Predictor
    from arignote.layers.architecture import Placed

__all__ = ["check_export_file", "export_predictor", "export_run"]

_ENDINGS = (".onnx", ".pt2", ".safetensors")


def check_export_file(path: Path) -> str:
    """Return the ending of a file to export to; ConfigError if it cannot be written, before anything is computed."""
    ending = path.suffix.lower()
    if ending not in _ENDINGS:
        got = f"ends in {path.suffix}" if ending else "has no ending"
        raise ConfigError(f"{path}: the ending must be .onnx, .pt2 or .safetensors; this {got}")
    folder = path.parent
    if path.is_dir() or is_stream(path):
        raise ConfigError(f"{path}: is no regular file; give a path such as model{ending}")
    if not folder.is_dir():
        raise ConfigError(f"{path}: there is no folder {folder}; make it, or write to another one")
    # As of `replacing_bytes`: a temporary file beside the target of a link replaces it.
    real = Path(os.path.realpath(path))
    if not os.access(real.parent, os.W_OK) or (real.exists() and not os.access(real, os.W_OK)):
        raise ConfigError(f"{path}: cannot be written: permission denied. Write to another folder")
    missing = [name for name in ("onnx", "onnxscript") if ending == ".onnx" and find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"{path}: ONNX needs {' and '.join(missing)}: pip install 'arignote[onnx]'. A .pt2 or .safetensors needs "
            "nothing more"
        )
    return ending


def export_run(run: str, path: Path, which: str | None = None, trust: Sequence[str] = ()) -> None:
    """Write the network of a run, as of `export_predictor`.

    Parameters
    ----------
    run : str
        Stem of the run, or one of its files.
    path : Path
    which : "best", "last" or number of an epoch, optional
        By default the result of a finished run.
    trust : sequence of str
        Modules that may be imported because the file names them.

    Raises
    ------
    CheckpointError
        If there is no such run, its file cannot be used, or it is not finished and `which` is None.
    ConfigError
        See `export_predictor`.
    """
    check_export_file(path)
    from arignote.estimators.predictor import Predictor

    predictor = Predictor.load(run, which, trust)
    if which is None and not predictor.state.finished:
        raise CheckpointError(
            f"{run}: is not finished ({predictor.state.position}): resume it, or export what it has with --which best "
            "or last"
        )
    export_predictor(predictor, path)


def export_predictor(predictor: Predictor, path: Path) -> None:
    """Write a fitted network as the ending of a file says, whole or not at all.

    Parameters
    ----------
    predictor : Predictor
    path : Path
        .onnx or .pt2: preprocessing, network and predictions; .safetensors: parameters by name.

    Raises
    ------
    ConfigError
        If the file cannot be written, a package is missing, or a layer or a step of preprocessing cannot be exported.
    """
    ending = check_export_file(path)
    if ending == ".safetensors":
        content = _weights(predictor)
    else:
        from arignote.engine.export import as_onnx, as_torch_program

        program = _program_of(predictor)
        metadata = _metadata_of(predictor) | _tables_of(program)
        content = (as_onnx if ending == ".onnx" else as_torch_program)(program, metadata)
    try:
        with replacing_bytes(path) as file:
            file.write(content)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from None


def _program_of(predictor: Predictor) -> Program:
    """Return the network of a predictor with its preprocessing and predictions."""
    from arignote.engine.program import ExportedInput, ExportedOutput, Program

    network, state, targets = predictor.network, predictor.state, predictor.targets
    channels = [one.channel or ALONE for one in predictor.inputs]
    pipelines = pipelines_of(channels, state.spec["fit"].get("preprocess"))
    outputs = []
    for name in predictor.shown:
        target, of_target = targets.by_output[name], state.targets[name]
        labels = target.of_step.labels_per_row
        # By a list, as labels in an array of objects get the dtype that they have in common.
        classes = np.array(target.classes(of_target).tolist()) if labels == "one" else None
        prefix = f"{name}." if len(predictor.shown) > 1 else ""
        outputs.append(ExportedOutput(name, prefix, labels, classes, target.operations(of_target)))
    taken = {name for output in outputs for name in output.names}
    inputs = []
    for one, channel, place in zip(predictor.inputs, channels, network.architecture.inputs, strict=True):
        if channel in pipelines:
            learned = learned_of(channel, channels, state.preprocess)
            inputs.append(_preprocessed(state, one, place, pipelines[channel], learned))
        else:
            dtype = "float32" if one.n_tokens is None else "int64"
            inputs.append(ExportedInput(one.field, place.input_shape, dtype, []))
    inputs += [ExportedInput(name, shape, "int64", []) for name, shape in _steps_of(predictor).items()]
    # All names of a file of ONNX differ.
    named = [replace(one, name=f"input.{one.name}") if one.name in taken else one for one in inputs]
    return Program(network, named, outputs)


def _preprocessed(
    state: TrainingState, one: Input, place: Placed, pipeline: Pipeline, learned: Mapping[str, NDArray[Any]]
) -> ExportedInput:
    """Return an input whose rows are preprocessed."""
    from arignote.engine.program import ExportedInput

    stored = _stored(state, one.field)
    shape, dtype = _shape_before(state, one, stored, place), _dtype_before(stored)
    if one.steps is not None:
        # Steps are the rows that are preprocessed.
        operations = [("reshape", (-1, *shape[1:])), *pipeline.operations(learned, shape[1:])]
        return ExportedInput(one.field, shape, dtype, [*operations, ("reshape", (-1, *place.input_shape))])
    table = pipeline.table_formula(learned)
    if table is not None:
        names = state.data.get("feature_names")
        names = names.get(one.channel) if isinstance(names, Mapping) else names
        return ExportedInput(one.field, (len(table.numbers),), dtype, [], table, names or range(len(learned["text"])))
    return ExportedInput(one.field, shape, dtype, pipeline.operations(learned, shape))


def _steps_of(predictor: Predictor) -> dict[str, tuple[int, ...]]:
    """Return the names of the lengths and masks of sequences, with the shape of that of a row."""
    places = predictor.network.architecture.inputs
    return {
        one.steps: place.input_shape[:1] if one.mask else ()
        for one, place in zip(predictor.inputs, places, strict=True)
        if one.steps is not None
    }


def _stored(state: TrainingState, channel: str) -> dict[str, Any]:
    """Return the fingerprint of the training rows of a channel."""
    features: Any = state.data.get("train", {}).get("features", {})
    stored: dict[str, Any] = features.get("channels", {}).get(channel, features)
    return stored


def _shape_before(state: TrainingState, one: Input, stored: Mapping[str, Any], place: Placed) -> tuple[int, ...]:
    """Return the shape of an example before preprocessing, which may change it; ConfigError if it is not known."""
    after = place.input_shape
    if "shape" not in stored:
        return after
    axes = of_channel(state.spec["fit"].get("axes"), one.channel)
    before = Conversion(axes, one.image).channels_first(np.empty((0, *stored["shape"][1:]))).shape[1:]
    # The axes of a `Data` are not stored. Without a change of shape its examples are those that the network takes.
    if sorted(n for n in before if n > 1) == sorted(n for n in after if n > 1):
        return after
    if axes is None and len(before) == 3:
        raise ConfigError(
            f"{place.name}: preprocess changes the shape of images, and the order of their axes before is not stored: "
            'give fit the setting axes, such as axes="NCHW"; or write a .safetensors'
        )
    return before


def _dtype_before(stored: Mapping[str, Any]) -> str:
    """Return the type in which NumPy subtracts float32 from stored rows, as preprocessing does."""
    # float64, int32 and larger integers: NumPy promotes them and float32 to float64.
    is_narrow = np.promote_types(stored.get("dtype", "float32"), np.float32) == np.float32
    return "float32" if is_narrow else "float64"


def _metadata_of(predictor: Predictor) -> dict[str, Any]:
    """Return what a file says beside the network, as plain data by name."""
    state, targets = predictor.state, predictor.targets
    classes = {
        name: targets.by_output[name].classes(state.targets[name]).tolist()
        for name in predictor.shown
        if targets.by_output[name].of_step.labels_per_row != "none"
    }
    metadata: dict[str, Any] = {"arignote": __version__, "name": state.spec["name"]}
    if classes:
        metadata["classes_"] = alone(classes) if len(predictor.shown) == 1 else classes
    metadata["channels"] = [*(one.field for one in predictor.inputs), *_steps_of(predictor)]
    names = state.data.get("feature_names")
    return metadata | ({"feature_names_in_": names} if isinstance(names, list | Mapping) else {})


def _tables_of(program: Program) -> dict[str, Any]:
    """Return the columns of tables with categories, by the inputs that take them, and the text that has a code."""
    tables = [(one.parts, one.table) for one in program.inputs if one.table is not None]
    columns = {part.name: part.columns for parts, _ in tables for part in parts}
    categories = {parts[-1].name: table.texts for parts, table in tables if table.words}
    return {"columns": columns, "categories": categories} if tables else {}


def _weights(predictor: Predictor) -> bytes:
    """Return the parameters and buffers of a network as a file of safetensors, with the layers as its metadata."""
    import json

    from safetensors.numpy import save

    metadata = _metadata_of(predictor) | {"layers": predictor.network.architecture.spec()}
    text = {name: json.dumps(value) for name, value in metadata.items()}
    content: bytes = save(predictor.network.arrays(), metadata=text)
    return content
