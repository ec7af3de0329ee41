"""Observers that a config can name: what happens in a run as rows of a file, or for TensorBoard."""

from arignote.observers.base import NamedObserver
from arignote.observers.row_files import CSVLog, JSONLinesLog
from arignote.observers.tensorboard import TensorBoardLog

__all__ = ["CSVLog", "JSONLinesLog", "NamedObserver", "TensorBoardLog"]
