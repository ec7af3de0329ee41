"""A config with every setting, name and shape filled in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from arignote.errors import ConfigError, DataError
from arignote.fit.config_data import architecture_of_config
from arignote.layers.base import Layer
from arignote.layers.layer_list import parse
from arignote.registry import dump
from arignote.spec.named_files import to_folder, with_paths
from arignote.spec.objective import objective_of
from arignote.spec.run_spec import RunSpec
from arignote.spec.settings import FitSettings, checked_settings
from arignote.spec.yaml_text import block_lines, flow_text, write_text, yaml_path

__all__ = ["render", "write_rendered"]


def write_rendered(spec: RunSpec, out: str) -> None:
    """Write a config as `render` returns it.

    Parameters
    ----------
    spec : RunSpec
    out : str
        A YAML file, or "-" for standard output.

    Raises
    ------
    ConfigError
        If the file is one that the config was read from, is not named as YAML, or cannot be written; the old one is
        kept.
    """
    if out == "-":
        print(render(spec), end="")
        return
    path = yaml_path(out)
    if path.exists() and any(path.samefile(one) for one in spec.files):
        raise ConfigError(f"--out must be another file than the config; got {out!r}")
    text = render(spec, path.parent)
    write_text(path, text)
    print(f"written into {path}")


def render(spec: RunSpec, folder: Path | None = None) -> str:
    """Return a config as YAML, with all that it includes, inherits or leaves out.

    Read again, it has the same settings and layers, and is rendered as the same text.

    Parameters
    ----------
    spec : RunSpec
        Its data, if it has any, is opened for the shapes.
    folder : Path, optional
        Folder of the file that it is written into; by default paths are absolute.
    """
    layers, settings = parse(spec.layers, spec.layer_defaults), checked_settings(spec.fit)
    values = spec.model_dump(mode="json", exclude={"include", "layers", "layer_defaults"})
    # Before `with_paths`, which looks for paths among the settings of `fit`.
    values["fit"] = _settings(settings, spec.fit)
    values = with_paths(values, lambda path, form, _: to_folder(folder, path, form))
    fit = values.pop("fit")
    comments = _default_losses(layers, settings)
    lines = ["# All settings, with their defaults; shapes are of one example."]
    lines += block_lines(values, levels=3)
    lines += ["layers:", *_layer_lines(spec, layers), "fit:"]
    for line in block_lines(fit, indent=2):
        comment = comments.get(line.strip())
        lines.append(line if comment is None else f"{line}  # {comment}")
    return "\n".join(lines) + "\n"


def _settings(settings: FitSettings, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of `fit` as plain data."""
    values = settings.model_dump(mode="json")
    # As plain data they are without their parameters.
    values["observers"] = given.get("observers")
    if "verbose" not in given:
        # Of a config it is true, in Python false.
        del values["verbose"]
    return values


def _default_losses(layers: list[Layer], settings: FitSettings) -> dict[str, str]:
    """Return the losses that follow from the output layers, by the line that leaves them out."""
    losses = objective_of(layers, settings).spec()
    # In one line, as the comment that they become.
    texts = {key: " ".join(flow_text(value).split()) for key, value in losses.items()}
    return {f"{key}: null": text for key, text in texts.items() if getattr(settings, key) is None}


def _layer_lines(spec: RunSpec, layers: list[Layer]) -> Iterator[str]:
    """Yield a line for each layer, below one with its shapes if these are known."""
    shapes: list[str] = []
    try:
        shapes = [
            f"{' and '.join(map(_shape, place.input_shapes))} -> {_shape(place.output_shape)}, "
            f"{place.n_params:,} parameters"
            for place in architecture_of_config(spec).placed
        ]
    except DataError as error:
        yield f"  # Shapes are not known: {str(error).splitlines()[0]}"
    except ConfigError as error:
        if spec.data is not None:
            raise
        yield f"  # Shapes are not known without data: {str(error).splitlines()[0]}"
    for number, layer in enumerate(layers):
        if shapes:
            yield f"  # {shapes[number]}"
        yield f"  - {flow_text(dump(layer), 6)}"


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
