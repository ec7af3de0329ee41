"""Numbers of a run for TensorBoard; after kills they are those of a run that was never killed."""

from __future__ import annotations

import io
import os
import struct
import time
from collections.abc import Callable
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

from arignote.errors import Complaint, ConfigError
from arignote.observers.appended_file import AppendedFile
from arignote.observers.base import NamedObserver, kept
from arignote.observers.events import Event
from arignote.registry import PathForm, register

__all__ = ["TensorBoardLog"]

# TensorBoard reads files whose names have "tfevents", in the order of their names.
_NAME = "events.out.tfevents.{:06d}.arignote"
_OWN = "events.out.tfevents.*.arignote"
# Of a batch; the history has no column of this name.
_LOSS = "loss"


class _EventFiles:
    """The files of one fit, one for each of its starts.

    What lies after the state that a run is resumed from is cut off. A TensorBoard that has read it already drops it
    when it reads the record with which the next file begins.
    """

    def __init__(self, folder: str, kinds: tuple[str, ...]):
        self.folder, self._kinds = Path(folder), kinds
        # None until the start, and after one that failed, which was reported.
        self._file: AppendedFile | None = None
        if self.folder.exists() and not self.folder.is_dir():
            raise ConfigError(Complaint(("fit", "observers"), f"{folder} must be a folder"))

    def __call__(self, event: Event) -> None:
        if event.kind == "start":
            self._resume(event)
        elif event.kind in self._kinds and self._file is not None:
            values = {_LOSS: event.loss} if event.kind == "batch" else dict(event.record)
            # It is the step.
            values.pop("examples_seen", None)
            scalars = [{"tag": name, "simple_value": value} for name, value in values.items() if isfinite(value)]
            self._file.append(_record(event.examples_seen, summary={"value": scalars}))

    def _resume(self, start: Event) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        files = sorted(self.folder.glob(_OWN))
        for path in files:
            _cut(path, start)
        number = int(files[-1].name.split(".")[-2]) + 1 if files else 1
        file = AppendedFile(self.folder / _NAME.format(number))
        file.path.touch()
        self._file = file
        restart = _record(start.examples_seen + 1, session_log={"status": "START"})
        self._file.append(_record(0, file_version="brain.Event:2") + restart)


def _record(step: int, **content: Any) -> bytes:
    from tensorboard.compat.proto.event_pb2 import Event as Record
    from tensorboard.summary.writer.record_writer import RecordWriter

    record = io.BytesIO()
    RecordWriter(record).write(Record(wall_time=time.time(), step=step, **content).SerializeToString())
    return record.getvalue()


def _cut(path: Path, start: Event) -> None:
    """Cut off what lies after the state that a run is resumed from, and from a damaged record on."""
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event as Record

    content, end = path.read_bytes(), 0
    # A record is its length, a checksum of this, its data, and a checksum of these.
    while end + 12 <= len(content):
        (n_bytes,) = struct.unpack_from("<Q", content, end)
        next_end = end + 12 + n_bytes + 4
        if next_end > len(content):
            break
        try:
            record = Record.FromString(content[end + 12 : end + 12 + n_bytes])
        except DecodeError:
            break
        tags = {value.tag for value in record.summary.value}
        if tags and not kept(start, "batch" if tags == {_LOSS} else "validation", record.step):
            break
        end = next_end
    os.truncate(path, end)


@register()
class TensorBoardLog(NamedObserver):
    """Writes event files for TensorBoard; needs the package, `pip install 'arignote[tensorboard]'`.

    Each column of the history is a scalar of its name, whose step is the number of examples that were trained on.

    Parameters
    ----------
    path : str
        Folder of the event files, of one run alone: those of another run in it are erased. ``tensorboard --logdir``
        shows it, or the folder around several.
    batches : bool, default False
        Whether there is a scalar "loss" too, of the batch of each update.

    Examples
    --------
    >>> TensorBoardLog(path="runs/tensorboard/digits").batches
    False
    """

    path: Annotated[str, PathForm.PATH]
    batches: bool = False

    def opened(self) -> Callable[[Event], None]:
        if find_spec("tensorboard") is None:
            message = "TensorBoardLog needs a package: pip install 'arignote[tensorboard]'"
            raise ConfigError(Complaint(("fit", "observers"), message))
        return _EventFiles(self.path, ("batch", "validation") if self.batches else ("validation",))
