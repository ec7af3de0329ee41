"""Pickles of 2015: whatever they name becomes an inert stand-in that holds its arguments and its state."""

from __future__ import annotations

import pickle
import re
from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.errors import CheckpointError

__all__ = ["Unpickler", "plain"]


class _Object:
    """What stands in for an object of 2015."""

    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any) -> Any:
        made = super().__new__(cls)
        made.args, made.state = args, None
        return made

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __getitem__(self, key: str) -> Any:
        """Return an entry of the state, arrays as arrays."""
        if not isinstance(self.state, dict) or key not in self.state:
            raise CheckpointError(f"its {type(self).__name__} has no entry {key!r}, which a checkpoint of 2015 holds")
        return plain(self.state[key])


class _Bytes(_Object):
    def __new__(cls, text: str = "", *encoding: str) -> Any:
        return text.encode("latin1")


class _Scalar(_Object):
    def __new__(cls, dtype: _DType, raw: Any) -> Any:
        return np.frombuffer(raw.encode("latin1") if isinstance(raw, str) else raw, dtype.get())[0]


class _Rebuilt(_Object):
    def __new__(cls, kind: type[_Object], *base: Any) -> Any:
        return _Object.__new__(kind)


class _DType(_Object):
    def get(self) -> np.dtype[Any]:
        # Numbers alone: a state from a file may make other types read beyond their memory.
        if not re.fullmatch(r"[biuf]\d{1,2}", str(self.args[0])):
            raise CheckpointError(f"it holds an array of {self.args[0]!r}; arrays of a checkpoint are numbers")
        dtype: np.dtype[Any] = np.dtype(self.args[0]).newbyteorder(self.state[1] if self.state else "=")
        return dtype


class _Array(_Object):
    def get(self) -> NDArray[Any]:
        _, shape, dtype, by_columns, raw = self.state
        raw = raw.encode("latin1") if isinstance(raw, str) else raw
        return np.frombuffer(raw, dtype.get()).reshape(shape, order="F" if by_columns else "C")


def plain(value: Any) -> Any:
    """Return arrays of the file as arrays, in lists too; the rest as it is."""
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.get() if isinstance(value, _Array) else value


_INERT = {
    "arignote.nnets.nets": "NNClassifier",
    "arignote.nnets.training": "SupervisedTraining",
    "arignote.nnets.sgd_updates": "SGD Rule",
    "arignote.nnets.layers": "InputLayer InputImageLayer FCLayer FCMaxoutLayer LCLayer LCMaxoutLayer SegmentedLayer "
    "ConvLayer ConvMaxoutLayer MLPConvLayer DropoutLayer MaxPool2DLayer MaxPoolChannelsLayer GlobalAveragePoolLayer "
    "DenoisingAutoEncoderLayer ClassificationOutputLayer SoftmaxOutputLayer OrdinalOutputLayer MultilabelOutputLayer "
    "BC01ToC01BLayer C01BToBC01Layer",
    "numpy": "ndarray",
    "numpy.random": "RandomState __RandomState_ctor",
    "numpy.random.mtrand": "RandomState __RandomState_ctor",
    "mtrand": "RandomState __RandomState_ctor",
    "numpy.random._pickle": "__randomstate_ctor __bit_generator_ctor",
    "numpy.random._mt19937": "MT19937",
    **dict.fromkeys(("io", "_io", "StringIO", "cStringIO"), "StringIO StringO"),
    **dict.fromkeys(("builtins", "__builtin__"), "object"),
    "datetime": "datetime timedelta",
}
_KNOWN: dict[tuple[str, str], type] = {
    **{(module, name): type(name, (_Object,), {}) for module, names in _INERT.items() for name in names.split()},
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _Bytes,
    ("numpy", "dtype"): _DType,
    **{(module, "bytes"): _Bytes for module in ("builtins", "__builtin__")},
    **{(module, "_reconstructor"): _Rebuilt for module in ("copyreg", "copy_reg")},
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Array for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _Scalar for core in ("core", "_core")},
}


class Unpickler(pickle.Unpickler):
    """Loads what a checkpoint of 2015 is made of, its classes as plain records; anything else is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise CheckpointError(
                f"names {module}.{name}, which a checkpoint of 2015 does not need; it was refused and nothing was run"
            )
        return _KNOWN[module, name]
