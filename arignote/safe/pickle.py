"""Pickles read by an interpreter of their opcodes that imports nothing, calls nothing and allocates within limits.

It builds numbers, text, bytes, containers and plain NumPy arrays itself. Classes that the caller allows become a
`Record` of their name, arguments and state. Any other name is refused. The unpickler of Python is not used: it imports
what a pickle names, and allocates what its opcodes declare before it reads the bytes.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from arignote.safe.byte_source import ByteSource
from arignote.safe.pickled_values import AllowedNames, Array, DType, Name, PickleError, Record, check_key
from arignote.safe.value_bounds import check_tree

__all__ = ["Limits", "Name", "PickleError", "Record", "load_pickle"]

_LONGEST_INTEGER = 1024
_MARK_COST, _CONTAINER_COST = 2, 4


@dataclass(frozen=True)
class Limits:
    """Bounds of one pickle.

    Attributes
    ----------
    n_bytes : int
        Bytes of the (unpacked) pickle.
    n_items : int
        Opcodes executed, where a container counts as four; and items of the result, counted as often as they occur.
    depth : int
        Containers within containers.
    """

    n_bytes: int
    n_items: int = 10_000_000
    depth: int = 100


def load_pickle(source: ByteSource, limits: Limits, records: Collection[tuple[str, str]] = ()) -> Any:
    """Return the value of one pickle.

    Parameters
    ----------
    source : ByteSource
        The bytes; they are read up to the end of the pickle.
    limits : Limits
        Bounds of items and depth; that of the bytes is part of the source.
    records : collection of (module, name)
        Classes that become a `Record`. Without any, a bare name is refused too, so that the value is plain data.

    Raises
    ------
    PickleError
        If the pickle is damaged, exceeds a limit, or names anything else; no code of it is run.
    """
    try:
        return _Interpreter(source, limits, records).run()
    except PickleError:
        raise
    except MemoryError:
        raise PickleError("needs more memory than there is") from None
    except Exception as error:
        # Opcodes with unsuitable operands on the stack may raise nearly any exception.
        raise PickleError(f"is a broken pickle: {type(error).__name__}: {error}"[:500]) from None


@dataclass
class _Interpreter:
    source: ByteSource
    limits: Limits
    records: Collection[tuple[str, str]]
    stack: list[Any] = field(default_factory=list)
    below: list[list[Any]] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    spent: int = 0

    def __post_init__(self) -> None:
        self.allowed = AllowedNames(self.records, lambda: 4 * self.source.n_read + 1_000_000)

    def run(self) -> Any:
        byte, most, actions = self.source.byte, self.limits.n_items, _ACTIONS
        while (code := byte()) != _STOP:
            self.spent += 1
            if self.spent > most:
                raise PickleError(f"has more than {most} items, the most that are read of such a file")
            action = actions.get(code)
            if action is None:
                raise PickleError(f"is truncated, or not a pickle of data: it has the opcode {bytes([code])!r}")
            action(self)
        value = self.stack.pop()
        if self.allowed.unfinished or self.below:
            raise PickleError("is a broken pickle: an array, a dtype or a container is not complete")
        check_tree(value, self.limits.n_items, self.limits.depth, allow_names=bool(self.records))
        return value

    def spend(self, cost: int) -> None:
        self.spent += cost - 1

    def number(self, form: str) -> int:
        number: int = struct.unpack(form, self.source.take(struct.calcsize(form)))[0]
        return number

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def mark(self) -> None:
        self.spend(_MARK_COST)
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def pop(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.since_mark()

    # The memo: a dict, so that a large index costs nothing.

    def get(self, index: int) -> None:
        value = self.memo[index]
        if type(value) in (Array, DType):
            raise PickleError("refers to an array or a dtype that is not complete")
        self.push(value)

    def put(self, index: int) -> None:
        if index < 0:
            raise PickleError("has a negative memo index")
        value = self.memo[index] = self.stack[-1]
        if type(value) in (Array, DType):
            value.places.append(index)

    def memoize(self) -> None:
        self.put(len(self.memo))

    # Containers

    def new(self, value: Any) -> None:
        self.spend(_CONTAINER_COST)
        self.push(value)

    def tuple_of(self, n_items: int) -> None:
        self.stack[-n_items:] = [tuple(self._last(n_items))]

    def _last(self, n_items: int) -> list[Any]:
        items = self.stack[-n_items:]
        if len(items) < n_items:
            raise PickleError("is a broken pickle: a tuple has too few items")
        return items

    def extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise PickleError(f"appends to a {type(target).__name__}")
        target.extend(items)

    def set_items(self, items: list[Any]) -> None:
        self._fill(self.stack[-1], items)

    def _fill(self, target: Any, items: list[Any]) -> None:
        if type(target) is not dict or len(items) % 2:
            raise PickleError("is a broken pickle: keys and values must be pairs of a dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            check_key(key, target, self.allowed)
            target[key] = value

    def set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.set_items([key, value])

    def dict_of(self, items: list[Any]) -> None:
        made: dict[Any, Any] = {}
        self._fill(made, items)
        self.push(made)

    def add_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not set:
            raise PickleError(f"adds to a {type(target).__name__}")
        target.update(self.checked(items, target))

    def checked(self, items: list[Any], target: object) -> list[Any]:
        for item in items:
            check_key(item, target, self.allowed)
        return items

    def frozen(self, items: list[Any]) -> None:
        self.push(frozenset(self.checked(items, items)))

    # Text and numbers

    def latin(self, data: bytes) -> None:
        """Push a text of Python 2."""
        self.push(data.decode("latin1"))

    def quoted(self) -> None:
        line = self.source.line().strip()
        if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in b"'\"":
            raise PickleError("is a broken pickle: a text has no quotes")
        self.latin(codecs.escape_decode(line[1:-1])[0])

    def utf8(self, n_bytes: int) -> None:
        self.push(str(self.source.take(n_bytes), "utf-8", "surrogatepass"))

    def integer(self) -> None:
        word = self.source.line()
        self.push({b"00": False, b"01": True}[word] if word in (b"00", b"01") else self.long_of(word))

    def long_of(self, word: bytes) -> int:
        if len(word) > _LONGEST_INTEGER:
            raise PickleError(f"has an integer of {len(word)} digits")
        return int(word.rstrip(b"L"))

    def long(self, n_bytes: int) -> None:
        if not 0 <= n_bytes <= _LONGEST_INTEGER:
            raise PickleError(f"has an integer of {n_bytes} bytes")
        self.push(int.from_bytes(self.source.take(n_bytes), "little", signed=True))

    # Names and what is built of them

    def name(self, module: str, name: str) -> None:
        self.push(self.allowed.name(module, name))

    def named_by_stack(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.name(module, name)

    def inst(self) -> None:
        """Push an instance of an old-style class of Python 2, in protocol 0."""
        module, name = (self.source.line().decode() for _ in range(2))
        self.push(self.allowed.called(self.allowed.name(module, name), tuple(self.since_mark())))

    def obj(self) -> None:
        """Push an instance of an old-style class of Python 2, in protocols 1 and 2."""
        cls, *args = self.since_mark()
        self.push(self.allowed.called(cls, tuple(args)))

    def reduce(self) -> None:
        args, called = self.stack.pop(), self.stack.pop()
        self.push(self.allowed.called(called, args))

    def new_object(self) -> None:
        args, cls = self.stack.pop(), self.stack.pop()
        self.push(self.allowed.instance(cls, args))

    def build(self) -> None:
        state, target = self.stack.pop(), self.stack.pop()
        built = self.allowed.built(target, state)
        for index in getattr(target, "places", ()):
            self.memo[index] = built
        self.push(built)


_Action = Callable[[_Interpreter], Any]
# The opcodes of protocols 0 to 5, as the module pickletools describes them.
_BY_LETTER: dict[bytes, _Action] = {
    b"\x80": lambda i: i.source.take(1),
    # The length of a frame, which is not needed: bytes are read one after the other.
    b"\x95": lambda i: i.source.take(8),
    b"(": _Interpreter.mark,
    b"0": _Interpreter.pop,
    b"1": _Interpreter.since_mark,
    b"N": lambda i: i.push(None),
    b"\x88": lambda i: i.push(True),
    b"\x89": lambda i: i.push(False),
    b"I": _Interpreter.integer,
    b"L": lambda i: i.push(i.long_of(i.source.line())),
    b"J": lambda i: i.push(i.number("<i")),
    b"K": lambda i: i.stack.append(i.source.byte()),
    b"M": lambda i: i.push(i.number("<H")),
    b"\x8a": lambda i: i.long(i.number("<B")),
    b"\x8b": lambda i: i.long(i.number("<i")),
    b"F": lambda i: i.push(float(i.source.line())),
    b"G": lambda i: i.push(struct.unpack(">d", i.source.take(8))[0]),
    b"S": _Interpreter.quoted,
    b"T": lambda i: i.latin(i.source.take(i.number("<I"))),
    b"U": lambda i: i.latin(i.source.take(i.number("<B"))),
    b"V": lambda i: i.push(str(i.source.line(), "raw-unicode-escape")),
    b"X": lambda i: i.utf8(i.number("<I")),
    b"\x8c": lambda i: i.utf8(i.source.byte()),
    b"\x8d": lambda i: i.utf8(i.number("<Q")),
    b"B": lambda i: i.push(i.source.take(i.number("<I"))),
    b"C": lambda i: i.push(i.source.take(i.number("<B"))),
    b"\x8e": lambda i: i.push(i.source.take(i.number("<Q"))),
    b"\x96": lambda i: i.push(bytearray(i.source.take(i.number("<Q")))),
    b"]": lambda i: i.new([]),
    b"}": lambda i: i.new({}),
    b"\x8f": lambda i: i.new(set()),
    b")": lambda i: i.push(()),
    b"l": lambda i: i.push(i.since_mark()),
    b"t": lambda i: i.push(tuple(i.since_mark())),
    b"\x85": lambda i: i.tuple_of(1),
    b"\x86": lambda i: i.tuple_of(2),
    b"\x87": lambda i: i.tuple_of(3),
    b"d": lambda i: i.dict_of(i.since_mark()),
    b"\x91": lambda i: i.frozen(i.since_mark()),
    b"a": lambda i: i.extend([i.stack.pop()]),
    b"e": lambda i: i.extend(i.since_mark()),
    b"s": _Interpreter.set_item,
    b"u": lambda i: i.set_items(i.since_mark()),
    b"\x90": lambda i: i.add_items(i.since_mark()),
    b"g": lambda i: i.get(int(i.source.line())),
    b"h": lambda i: i.get(i.source.byte()),
    b"j": lambda i: i.get(i.number("<I")),
    b"p": lambda i: i.put(i.long_of(i.source.line())),
    b"q": lambda i: i.put(i.source.byte()),
    b"r": lambda i: i.put(i.number("<I")),
    b"\x94": _Interpreter.memoize,
    b"c": lambda i: i.name(i.source.line().decode(), i.source.line().decode()),
    b"\x93": _Interpreter.named_by_stack,
    b"i": _Interpreter.inst,
    b"o": _Interpreter.obj,
    b"R": _Interpreter.reduce,
    b"\x81": _Interpreter.new_object,
    b"b": _Interpreter.build,
}
_ACTIONS = {letter[0]: action for letter, action in _BY_LETTER.items()}
_STOP = ord(".")
