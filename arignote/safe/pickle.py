"""Pickles read by an interpreter of their opcodes that imports nothing, calls nothing and allocates within limits.

It builds numbers, text, bytes, containers and plain NumPy arrays itself. Classes that the caller allows become a
`Record` of their name, arguments and state. Any other name is refused. The unpickler of Python is not used: it imports
what a pickle names, and allocates what its opcodes declare before it reads the bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection
from typing import Any

from arignote.safe.byte_source import ByteSource
from arignote.safe.pickle_stack import Limits, PickleStack
from arignote.safe.pickled_values import Name, PickleError, Record
from arignote.safe.value_bounds import check_tree

__all__ = ["Limits", "Name", "PickleError", "Record", "load_pickle"]


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
        return _value_of(PickleStack(source, limits, records))
    except PickleError:
        raise
    except MemoryError:
        raise PickleError("needs more memory than there is") from None
    except Exception as error:
        # Opcodes with unsuitable operands on the stack may raise nearly any exception.
        raise PickleError(f"is a broken pickle: {type(error).__name__}: {error}"[:500]) from None


def _value_of(machine: PickleStack) -> Any:
    """Return the value that the opcodes leave on the stack."""
    byte, most, actions = machine.source.byte, machine.limits.n_items, _ACTIONS
    while (code := byte()) != _STOP:
        machine.spent += 1
        if machine.spent > most:
            raise PickleError(f"has more than {most} items, the most that are read of such a file")
        action = actions.get(code)
        if action is None:
            raise PickleError(f"is truncated, or not a pickle of data: it has the opcode {bytes([code])!r}")
        action(machine)
    value = machine.stack.pop()
    if machine.allowed.unfinished or machine.below:
        raise PickleError("is a broken pickle: an array, a dtype or a container is not complete")
    check_tree(value, machine.limits.n_items, machine.limits.depth, allow_names=bool(machine.records))
    return value


_Action = Callable[[PickleStack], Any]
# The opcodes of protocols 0 to 5, as the module pickletools describes them.
_BY_LETTER: dict[bytes, _Action] = {
    # The protocol: each opcode means the same in all of them.
    b"\x80": lambda i: i.source.take(1),
    # The length of a frame, which is not needed: bytes are read one after the other.
    b"\x95": lambda i: i.source.take(8),
    b"(": PickleStack.mark,
    b"0": PickleStack.pop,
    b"1": PickleStack.since_mark,
    b"N": lambda i: i.push(None),
    b"\x88": lambda i: i.push(True),
    b"\x89": lambda i: i.push(False),
    b"I": PickleStack.integer,
    b"L": lambda i: i.push(i.long_of(i.source.line())),
    b"J": lambda i: i.push(i.number("<i")),
    b"K": lambda i: i.stack.append(i.source.byte()),
    b"M": lambda i: i.push(i.number("<H")),
    b"\x8a": lambda i: i.long(i.number("<B")),
    b"\x8b": lambda i: i.long(i.number("<i")),
    b"F": lambda i: i.push(float(i.source.line())),
    b"G": lambda i: i.push(struct.unpack(">d", i.source.take(8))[0]),
    b"S": PickleStack.quoted,
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
    b"s": PickleStack.set_item,
    b"u": lambda i: i.set_items(i.since_mark()),
    b"\x90": lambda i: i.add_items(i.since_mark()),
    b"g": lambda i: i.get(int(i.source.line())),
    b"h": lambda i: i.get(i.source.byte()),
    b"j": lambda i: i.get(i.number("<I")),
    b"p": lambda i: i.put(i.long_of(i.source.line())),
    b"q": lambda i: i.put(i.source.byte()),
    b"r": lambda i: i.put(i.number("<I")),
    b"\x94": PickleStack.memoize,
    b"c": lambda i: i.name(i.source.line().decode(), i.source.line().decode()),
    b"\x93": PickleStack.named_by_stack,
    b"i": PickleStack.inst,
    b"o": PickleStack.obj,
    b"R": PickleStack.reduce,
    b"\x81": PickleStack.new_object,
    b"b": PickleStack.build,
}
_ACTIONS = {letter[0]: action for letter, action in _BY_LETTER.items()}
_STOP = ord(".")
