"""A starter config as text, checked against its data before it is written."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from arignote.data.readers.base import Reader
from arignote.data.readers.config_sources import open_source
from arignote.data.specs import CSVFormat, Source
from arignote.data.values.fields import ALONE
from arignote.errors import ConfigError
from arignote.fit.preview.check import check_config
from arignote.fit.preview.check_data import check_data
from arignote.fit.starter.facts import facts_of_features, facts_of_labels
from arignote.fit.starter.network import FEW_ROWS, layers_for, settings_for
from arignote.fit.starter.sources import find_sources
from arignote.spec.config import read_config
from arignote.spec.named_files import to_folder, with_paths
from arignote.spec.yaml_text import block_lines, flow_text, write_text, yaml_path

__all__ = ["write_starter"]

_COMMENTS = {
    "rng: 1": "the same seed gives the same network",
    "data:": "relative paths start from the folder of this file",
    "valid: 0.": "of the rows held out: they decide which network is best",
    "fit:": "arignote render has all settings, with their defaults",
    "average:": "of the weights; it is validated, and predicts",
    "lr_rule:": "halved after so many validations without a better one",
    "preprocess:": "learned from the training rows",
}


def write_starter(data: str, labels: str | None, out: str | None, csv: CSVFormat | None = None) -> Iterator[str]:
    """Write a config for data that trains as it stands; yield a line on the data, its notes, and what comes next.

    Parameters
    ----------
    data : str
        A CSV, Parquet, npz, npy or HDF5 file, or a folder of images; a source as of `get_reader`.
    labels : str, optional
        A column or an array of the same file, or another source; by default what is named as labels.
    out : str, optional
        The file, or "-" for standard output; by default named after the data, in the working directory.
    csv : CSVFormat, optional
        Format of a text table; what it leaves out is detected.

    Raises
    ------
    ConfigError, DataError
        If the file exists or is not named as YAML, or if the data cannot be trained on; nothing is written.
    """
    name = re.sub(r"[^\w-]+", "_", Path(data.partition(":")[0]).stem) or "run"
    path = Path("-") if out == "-" else yaml_path(f"{name}.yaml" if out is None else out)
    if out != "-" and path.exists():
        raise ConfigError(f"{path}: exists, and is not overwritten. Name another file: --out {name}_2.yaml")
    values, summary, notes = _config(name, data, labels, csv)
    # Before it is written: data that cannot be trained on leaves no config behind.
    _check(_text(values, summary, notes, None))
    if out == "-":
        yield _text(values, summary, notes, None).rstrip("\n")
        return
    write_text(path, _text(values, summary, notes, path.parent))
    yield summary
    yield from (f"not certain: {note}" for note in notes)
    yield f"written into {path}"
    yield f"next:  arignote fit {path}"


def _config(name: str, data: str, labels: str | None, csv: CSVFormat | None) -> tuple[dict[str, Any], str, list[str]]:
    """Return the values of a config, a line on its data, and what was decided without being certain."""
    sources = find_sources(data, labels, csv)
    train = sources.subsets["train"]
    features, y = _opened(train)
    facts, target = facts_of_features(features), facts_of_labels(y)
    if facts.left_out:
        columns = train.get("columns", [])
        # `columns` either names columns or excludes them ("!"), never both.
        more = [f"!{one}" for one in facts.left_out] if all(one.startswith("!") for one in columns) else []
        train["columns"] = [*(one for one in columns if one not in facts.left_out), *more]
    if facts.axes == "NHWC":
        train["axes"] = "NHWC"
    held_out = {"valid": 0.2 if facts.n_rows < FEW_ROWS else 0.1}
    subsets = {subset: sources.subsets.get(subset, held_out.get(subset)) for subset in ("train", "valid", "test")}
    values = {
        "name": name,
        "rng": 1,
        "data": {subset: source for subset, source in subsets.items() if source is not None},
        "layers": layers_for(facts, target),
        "fit": settings_for(facts, target) | {"checkpoint": f"runs/{name}"},
    }
    summary = f"{data}: {facts.n_rows:,} rows of {facts.description}; labels: {target.description}"
    return values, summary, [*sources.notes, *facts.notes, *target.notes]


def _opened(train: Mapping[str, Any]) -> tuple[Reader, Reader]:
    features, labels = open_source(Source(**train), load=False, mixed={ALONE: True})
    assert isinstance(features, Reader) and isinstance(labels, Reader)
    return features, labels


def _check(text: str) -> None:
    """Raise ConfigError or DataError if a config cannot be trained."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "starter.yaml"
        path.write_text(text, encoding="utf-8")
        spec = read_config(path)
        check_config(spec)
        list(check_data(spec))


def _text(values: Mapping[str, Any], summary: str, notes: list[str], folder: Path | None) -> str:
    """Return a config as YAML, with comments; without a folder of the file, paths are absolute."""
    data = with_paths({"data": values["data"]}, lambda path, form, _: to_folder(folder, path, form))["data"]
    # Names of the data may have line breaks, which would end a comment.
    lines = [f"# {' '.join(text.split())}" for text in (summary, *(f"Not certain: {note}" for note in notes))]
    lines += block_lines({"name": values["name"], "rng": values["rng"], "data": data}, levels=3)
    if "test" not in data:
        lines.append("  # test: 0.1               # as valid, but rows that are scored only; or a source, as train")
    lines += ["layers:", *(f"  - {flow_text(layer)}" for layer in values["layers"])]
    lines += block_lines({"fit": values["fit"]}, levels=2)
    return "\n".join(map(_commented, lines)) + "\n"


def _commented(line: str) -> str:
    comment = next((text for start, text in _COMMENTS.items() if line.strip().startswith(start)), None)
    return line if comment is None else f"{line:<28}# {comment}" if len(line) < 28 else f"{line}  # {comment}"
