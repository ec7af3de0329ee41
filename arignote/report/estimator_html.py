"""An estimator as HTML for notebooks: where it stands, its layers, the settings that differ from the defaults."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from arignote.checkpoints.progress import subset_of
from arignote.checkpoints.state import TrainingState
from arignote.layers.architecture import Architecture
from arignote.layers.base import Layer
from arignote.registry import part_name
from arignote.report.score_text import score_text

__all__ = ["estimator_html"]

# Networks of blocks may have thousands of layers.
_MOST_ROWS = 200
_STYLE = """<style>
.arignote table {border-collapse: collapse; margin: 0.5em 0}
.arignote th, .arignote td {text-align: left; padding: 0.1em 0.8em 0.1em 0; border-bottom: 1px solid #8884}
</style>"""


def estimator_html(
    heading: str,
    state: TrainingState | None,
    checkpoint: str | None,
    network: Architecture | Sequence[Layer] | str,
    settings: Mapping[str, Any],
) -> str:
    """Return an estimator as HTML, in which all that comes from the user is escaped.

    Parameters
    ----------
    heading : str
        Class and name.
    state : TrainingState or None
        The last one; None before `fit`.
    checkpoint : str or None
        Stem of the files.
    network : Architecture, sequence of Layer, or str
        Layers with their shapes; without them if the shape of an example is not known; what is wrong with the layers.
    settings : dict
        Those that differ from the defaults.
    """
    parts = [f"<strong>{escape(heading)}</strong>", f"<div>{escape('; '.join(_standing(state, checkpoint)))}</div>"]
    if isinstance(network, str):
        parts.append(f"<pre>{escape(network)}</pre>")
    else:
        parts.append(_table(*_of_layers(network)))
    if settings:
        # Shortened, as a setting may hold a large array.
        rows = [(name, reprlib.repr(value)) for name, value in settings.items()]
        summary = f"Settings that differ from the defaults: {len(rows)}"
        parts.append(f"<details><summary>{summary}</summary>{_table(('setting', 'value'), rows)}</details>")
    return "\n".join([f'<div class="arignote">{_STYLE}', *parts, "</div>"])


def _standing(state: TrainingState | None, checkpoint: str | None) -> list[str]:
    """Return where a run is, its best validation, and its files."""
    files = f"checkpoint {checkpoint}" if checkpoint is not None else "no checkpoint"
    if state is None:
        return ["not fitted", files]
    position = state.position + (", interrupted" if state.progress.interrupted else "")
    if state.best is None:
        return [position, files]
    record = state.best_record
    name = next((name for name in record if subset_of(name) == "valid"), "")
    value = f" {name} {score_text(name, record[name])}" if name else ""
    return [position, f"best{value} in epoch {state.best.epoch}", files]


def _of_layers(network: Architecture | Sequence[Layer]) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Return head and rows of the table of layers."""
    if isinstance(network, Architecture):
        shapes = [(" x ".join(map(str, place.output_shape)), f"{place.n_params:,}") for place in network.placed]
        rows = [(*_declared(layer), *shape) for layer, shape in zip(network.layers, shapes, strict=True)]
        return ("name", "type", "declared", "output shape", "parameters"), rows
    return ("name", "type", "declared"), [_declared(layer) for layer in network]


def _declared(layer: Layer) -> tuple[str, str, str]:
    """Return name, type and the parameters that differ from the defaults."""
    params = layer.model_dump(exclude_defaults=True, exclude={"name"})
    return str(layer.name), part_name(layer), ", ".join(f"{name}={_short(value)}" for name, value in params.items())


def _short(value: Any) -> str:
    """Return the value of a parameter as text; a part without parameters is its name."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[1], dict):
        word, params = value
        return f"{word} {_short(params)}" if params else str(word)
    # A layer of the user may hold anything.
    return json.dumps(value, default=repr)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    left_out = [[f"and {len(rows) - _MOST_ROWS} more"]] if len(rows) > _MOST_ROWS else []
    body = "\n".join(_row("td", cells) for cells in [*rows[:_MOST_ROWS], *left_out])
    return f"<table><thead>{_row('th', head)}</thead><tbody>\n{body}\n</tbody></table>"


def _row(tag: str, cells: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"
