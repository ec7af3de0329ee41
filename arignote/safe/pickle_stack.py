"""The stack on which the opcodes of a pickle work: values, marks and the memo, each of them counted."""

from __future__ import annotations

import codecs
import struct
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from arignote.safe.byte_source import ByteSource
from arignote.safe.pickled_values import AllowedNames, Array, DType, PickleError, check_key

__all__ = ["Limits", "PickleStack"]

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


@dataclass
class PickleStack:
    """The stack and the memo on which the opcodes of a pickle work, within limits.

    Attributes
    ----------
    source : ByteSource
    limits : Limits
    records : collection of (module, name)
        Classes that become a `Record`.
    stack, below : list, list of list
        Values since the last mark, and those before, mark by mark.
    memo : dict of int to object
    spent : int
        What is counted against `Limits.n_items`.
    """

    source: ByteSource
    limits: Limits
    records: Collection[tuple[str, str]]
    stack: list[Any] = field(default_factory=list)
    below: list[list[Any]] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    spent: int = 0

    def __post_init__(self) -> None:
        self.allowed = AllowedNames(self.records, lambda: 4 * self.source.n_read + 1_000_000)

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
        # As the module pickle decodes this opcode; escapes make bytes, and no code.
        self.latin(codecs.escape_decode(line[1:-1])[0])

    def utf8(self, n_bytes: int) -> None:
        # pickle writes lone surrogates this way.
        self.push(str(self.source.take(n_bytes), "utf-8", "surrogatepass"))

    def integer(self) -> None:
        word = self.source.line()
        # Booleans, in protocols 0 and 1.
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
        # The memo still has the array or dtype as it was before its state was set.
        for index in getattr(target, "places", ()):
            self.memo[index] = built
        self.push(built)
