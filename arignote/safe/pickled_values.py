"""Values for the names in a pickle: plain values built here, inert records, or an error."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.safe.arrays import array_of_bytes, array_of_objects, plain_dtype

__all__ = ["AllowedNames", "Array", "DType", "Name", "PickleError", "Record", "check_key"]

# More keys of one hash in a container are an attack: each is compared with all before it.
_MOST_OF_ONE_HASH = 50
# Items of a key at all levels: hashing a tuple of 200,000 levels ended in a segmentation fault.
_LARGEST_KEY = 1_000


class PickleError(ValueError):
    """A pickle is damaged, exceeds a limit, or names an object that is not allowed."""


@dataclass(frozen=True)
class Name:
    """A name in a pickle, which is never imported."""

    module: str
    name: str


@dataclass(eq=False)
class Record:
    """An inert object of a class that the caller allows: its class, arguments and state."""

    kind: Name
    args: tuple[Any, ...] = ()
    state: Any = None

    def __contains__(self, key: str) -> bool:
        return isinstance(self.state, dict) and key in self.state

    def __getitem__(self, key: str) -> Any:
        """Return an entry of the state; raise PickleError if it has none of this name."""
        if key not in self:
            raise PickleError(f"its {self.kind.name} has no entry {key!r}")
        return self.state[key]


@dataclass(eq=False)
class DType:
    """A dtype whose state, with the byte order, has not been read yet."""

    name: str
    places: list[int] = field(default_factory=list)


@dataclass(eq=False)
class Array:
    """An array whose state, with shape, dtype and values, has not been read yet."""

    places: list[int] = field(default_factory=list)


class AllowedNames:
    """The names that a pickle may use, and the values of calls to them.

    Parameters
    ----------
    records : collection of (module, name)
        Classes that become a `Record`.
    most_copied : function
        Returns how many bytes may have been copied into arrays and bytes so far, so that many copies of one text do
        not fill the memory.
    """

    def __init__(self, records: Collection[tuple[str, str]], most_copied: Callable[[], int]):
        self._records, self._most_copied = records, most_copied
        self._copied = 0
        self.unfinished = 0
        # By id of a container: the number of keys by hash.
        self.hashes: dict[int, dict[int, int]] = {}

    def name(self, module: Any, name: Any) -> Name:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise PickleError("is a broken pickle: a name must be text")
        if (module, name) not in _BUILDERS and (module, name) not in self._records:
            raise PickleError(
                f"names {module:.80}.{name:.80}, which it does not need; it was refused and nothing was run"
            )
        return Name(module, name)

    def called(self, called: Any, args: Any) -> Any:
        """Return the value of ``called(*args)``."""
        if type(called) is not Name or type(args) is not tuple:
            raise PickleError("is a broken pickle: only a name can be called, with a tuple")
        builder = _BUILDERS.get((called.module, called.name))
        return Record(called, args) if builder is None else builder(self, *args)

    def instance(self, cls: Any, args: Any) -> Record:
        """Return the record of a new instance of a class."""
        if type(cls) is not Name or (cls.module, cls.name) not in self._records or type(args) is not tuple:
            raise PickleError("makes an instance of a class that is not allowed")
        return Record(cls, args)

    def built(self, target: Any, state: Any) -> Any:
        """Return an object with its state set."""
        if type(target) is Record:
            target.state = state
            return target
        if type(target) is DType:
            self.unfinished -= 1
            return _with_order(target.name, state)
        if type(target) is not Array or type(state) is not tuple or len(state) not in (4, 5):
            raise PickleError(f"sets a state of a {type(target).__name__}")
        self.unfinished -= 1
        # The number of a version may come before these four.
        shape, dtype, by_columns, values = state[-4:]
        return self.array(values, dtype, shape, "F" if by_columns else "C")

    def array(self, values: Any, dtype: Any, shape: Any, order: Any) -> NDArray[Any]:
        if not isinstance(dtype, np.dtype) or order not in ("C", "F"):
            raise PickleError("is a broken pickle: an array needs a dtype and an order")
        if dtype.kind == "O":
            return array_of_objects(values, shape, order)
        raw = values.encode("latin1") if isinstance(values, str) else values
        if not isinstance(raw, bytes | bytearray):
            raise PickleError(f"has an array of numbers made of a {type(raw).__name__}")
        self.copy(len(raw))
        return array_of_bytes(raw, dtype, shape, order)

    def copy(self, n_bytes: int) -> None:
        """Count copied bytes; raise PickleError if they are too many."""
        self._copied += n_bytes
        if self._copied > self._most_copied():
            raise PickleError("copies the same bytes again and again, far beyond its own length")


def _with_order(name: str, state: Any) -> np.dtype[Any]:
    """Return a dtype by its name, with the byte order in its state; the rest of the state is not used."""
    if type(state) is not tuple or len(state) < 5 or any(part is not None for part in state[2:5]):
        raise PickleError("has a dtype of fields or of shapes; only numbers, booleans and text are read")
    if name in ("O", "O4", "O8"):
        return np.dtype(object)
    return plain_dtype(name, state[1])


def _dtype(allowed: AllowedNames, name: Any, *_: Any) -> DType:
    if name not in ("O", "O4", "O8"):
        plain_dtype(name)
    allowed.unfinished += 1
    return DType(str(name))


def _array(allowed: AllowedNames, cls: Any, *_: Any) -> Array:
    if cls != Name("numpy", "ndarray"):
        raise PickleError("makes an array of another class than numpy.ndarray")
    allowed.unfinished += 1
    return Array()


def _scalar(allowed: AllowedNames, dtype: Any, raw: Any) -> Any:
    return allowed.array(raw, dtype, (1,), "C")[0]


def _from_buffer(allowed: AllowedNames, raw: Any, dtype: Any, shape: Any, order: Any, *_: Any) -> NDArray[Any]:
    return allowed.array(raw, dtype, shape, order)


def _bytes(allowed: AllowedNames, value: Any = b"", encoding: str = "latin1") -> bytes:
    allowed.copy(len(value))
    if isinstance(value, str) and encoding in ("latin1", "latin-1"):
        return value.encode("latin1")
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    raise PickleError("makes bytes of an object that is neither text nor bytes")


def _bytearray(allowed: AllowedNames, *args: Any) -> bytearray:
    return bytearray(_bytes(allowed, *args))


def _complex(allowed: AllowedNames, real: Any = 0.0, imaginary: Any = 0.0) -> complex:
    if not all(type(part) in (int, float) for part in (real, imaginary)):
        raise PickleError("makes a complex number of parts that are not numbers")
    return complex(real, imaginary)


def _set(allowed: AllowedNames, items: Any = ()) -> set[Any]:
    return set(_hashable(allowed, items))


def _frozenset(allowed: AllowedNames, items: Any = ()) -> frozenset[Any]:
    return frozenset(_hashable(allowed, items))


def _hashable(allowed: AllowedNames, items: Any) -> list[Any]:
    if not isinstance(items, list | tuple):
        raise PickleError("makes a set of an object that is not a list")
    for item in items:
        check_key(item, items, allowed)
    return list(items)


def _ordered(allowed: AllowedNames, pairs: Any = ()) -> dict[Any, Any]:
    """Return an OrderedDict as a dict, which keeps its order too."""
    if not isinstance(pairs, list | tuple):
        raise PickleError("makes a dict of an object that is not a list")
    made: dict[Any, Any] = {}
    for pair in pairs:
        key, value = pair
        check_key(key, made, allowed)
        made[key] = value
    return made


def _reconstructed(allowed: AllowedNames, cls: Any, *_: Any) -> Record:
    return allowed.instance(cls, ())


_CONTAINERS: dict[str, Callable[..., Any]] = {
    "bytes": _bytes,
    "bytearray": _bytearray,
    "complex": _complex,
    "set": _set,
    "frozenset": _frozenset,
}
_NUMPY: dict[tuple[str, str], Callable[..., Any]] = {
    ("multiarray", "_reconstruct"): _array,
    ("multiarray", "scalar"): _scalar,
    ("numeric", "_frombuffer"): _from_buffer,
}
_BUILDERS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "dtype"): _dtype,
    # Only ever an argument.
    ("numpy", "ndarray"): _dtype,
    ("_codecs", "encode"): _bytes,
    ("collections", "OrderedDict"): _ordered,
    **{(module, "_reconstructor"): _reconstructed for module in ("copyreg", "copy_reg")},
    **{(module, name): make for module in ("builtins", "__builtin__") for name, make in _CONTAINERS.items()},
    # NumPy 1 and 2.
    **{(f"numpy.{core}.{module}", name): make for core in ("core", "_core") for (module, name), make in _NUMPY.items()},
}


def check_key(key: Any, container: object, allowed: AllowedNames) -> None:
    """Raise PickleError if a key has too many parts to be hashed, or too many keys of a container have one hash.

    Parameters
    ----------
    key : object
    container : object
        The dict or set that it is for, or the list of which one is made; counted by its id.
    allowed : AllowedNames
        Has the counts.
    """
    if type(key) in (str, bytes):
        # Their hashes differ between processes, so that no file can choose them.
        return
    parts = [key]
    n_parts = 0
    while parts:
        part = parts.pop()
        n_parts += 1
        if n_parts > _LARGEST_KEY:
            raise PickleError(f"has a key of more than {_LARGEST_KEY} parts")
        if type(part) is tuple:
            parts += part[: _LARGEST_KEY + 1]
        elif type(part) in (Array, DType):
            raise PickleError("has a key that is not complete")
    counts = allowed.hashes.setdefault(id(container), {})
    n_same = counts[hash(key)] = counts.get(hash(key), 0) + 1
    if n_same > _MOST_OF_ONE_HASH:
        raise PickleError(f"has more than {_MOST_OF_ONE_HASH} keys with the same hash in one container")
