"""Pickles of 2015: each class that they name becomes an inert record of its arguments and its state."""

from __future__ import annotations

import gzip
import os
from typing import Any, BinaryIO

from arignote.safe.byte_source import ByteSource
from arignote.safe.pickle import Limits, Record, load_pickle

__all__ = ["LIMITS", "kind_of", "read_value", "source_of"]

_GZIP = b"\x1f\x8b"

# Enough for networks of that time: graphics cards of 2015 had at most 12 GB for weights, the state of the updater and
# all images of a batch. Five million items hold the losses of a million updates, which are stored one by one.
LIMITS = Limits(n_bytes=2 << 30, n_items=5_000_000)
# gzip hardly compresses trained weights: a real file of 2015 unpacks to less than four times its length. A file with a
# larger ratio was made to fill the memory.
_MOST_UNPACKED = 20
# Bytes that any file may unpack to.
_ALWAYS_UNPACKED = 64 << 20

_CLASSES = {
    "arignote.nnets.nets": "NNClassifier",
    "arignote.nnets.training": "SupervisedTraining",
    "arignote.nnets.sgd_updates": "SGD Rule",
    "arignote.nnets.layers": "InputLayer InputImageLayer FCLayer FCMaxoutLayer LCLayer LCMaxoutLayer SegmentedLayer "
    "ConvLayer ConvMaxoutLayer MLPConvLayer DropoutLayer MaxPool2DLayer MaxPoolChannelsLayer GlobalAveragePoolLayer "
    "DenoisingAutoEncoderLayer ClassificationOutputLayer SoftmaxOutputLayer OrdinalOutputLayer MultilabelOutputLayer "
    "BC01ToC01BLayer C01BToBC01Layer",
    "numpy.random": "RandomState __RandomState_ctor",
    "numpy.random.mtrand": "RandomState __RandomState_ctor",
    "mtrand": "RandomState __RandomState_ctor",
    "numpy.random._pickle": "__randomstate_ctor __bit_generator_ctor",
    "numpy.random._mt19937": "MT19937",
    **dict.fromkeys(("io", "_io", "StringIO", "cStringIO"), "StringIO StringO"),
    **dict.fromkeys(("builtins", "__builtin__"), "object"),
    "datetime": "datetime timedelta",
}
_RECORDS = {(module, name) for module, names in _CLASSES.items() for name in names.split()}


def read_value(source: ByteSource) -> Any:
    """Return the next value of a file of 2015; raise PickleError if it names a class that the format does not need."""
    return load_pickle(source, LIMITS, _RECORDS)


def kind_of(value: Any) -> str:
    """Return the name of the class of 2015 that a record stands for, or of the type of a value."""
    return value.kind.name if isinstance(value, Record) else type(value).__name__


def source_of(file: BinaryIO) -> ByteSource:
    """Return the bytes of an open file of 2015, unpacked if they are compressed with gzip."""
    n_bytes, is_packed = os.fstat(file.fileno()).st_size, file.read(2) == _GZIP
    file.seek(0)
    if not is_packed:
        return ByteSource(file, min(LIMITS.n_bytes, n_bytes))
    return ByteSource(gzip.GzipFile(fileobj=file), min(LIMITS.n_bytes, _ALWAYS_UNPACKED + _MOST_UNPACKED * n_bytes))
