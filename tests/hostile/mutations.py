"""Mutations of valid files: of bytes, of the opcodes of pickles, of JSON, and of what lies within packed files."""

from __future__ import annotations

import copy
import gzip
import io
import json
import pickletools
import struct
import zipfile
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from hostile.makers import sealed

Mutation = Callable[[Random, bytes, Sequence[bytes]], bytes]

_SIZES = (
    0,
    1,
    2,
    127,
    128,
    255,
    256,
    2**15,
    2**16 - 1,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**40,
    2**62,
    2**63 - 1,
    2**64 - 1,
)


def _place(rng: Random, data: bytes) -> int:
    """Return a place in the data; beginnings and ends, where the structure is, come more often."""
    width = rng.choice((16, 64, 256, len(data)))
    return min(
        rng.randrange(width) if rng.random() < 0.8 else len(data) - 1 - rng.randrange(width), len(data) - 1
    ) % len(data)


def flip_bits(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        changed[_place(rng, data)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def set_bytes(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 4))):
        changed[_place(rng, data)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return bytes(changed)


def cut(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    return data[: _place(rng, data)]


def drop(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    at = _place(rng, data)
    return data[:at] + data[at + rng.choice((1, 2, 8, 100)) :]


def repeat(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    at, length = _place(rng, data), rng.choice((1, 2, 8, 64, 1000))
    return data[:at] + data[at : at + length] * rng.choice((2, 3, 50, 1000 if length < 64 else 2)) + data[at + length :]


def splice(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    other = rng.choice(others)
    return data[: _place(rng, data)] + other[_place(rng, other) :]


def resize(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Set what may be a length to an extreme."""
    at, form = _place(rng, data), rng.choice(("<B", "<H", ">H", "<I", ">I", "<Q", ">Q"))
    value = rng.choice(_SIZES) % 256 ** struct.calcsize(form)
    return data[:at] + struct.pack(form, value) + data[at + struct.calcsize(form) :]


def renumber(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Set a number in text to an extreme."""
    places = [at for at, byte in enumerate(data[:20_000]) if 48 <= byte < 58]
    if not places:
        return flip_bits(rng, data, others)
    at = rng.choice(places)
    end = at
    while end < len(data) and 48 <= data[end] < 58:
        end += 1
    return data[:at] + rng.choice((b"-1", b"1e999", b".inf", b"9" * 30, b"", *(b"%d" % n for n in _SIZES))) + data[end:]


BYTES: tuple[Mutation, ...] = (flip_bits, set_bytes, cut, drop, repeat, splice, resize, renumber)


def of_bytes(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Return data after one to three mutations of its bytes."""
    data = data or b"\0"
    for _ in range(rng.choice((1, 1, 2, 3))):
        data = rng.choice(BYTES)(rng, data, others) or b"\0"
    return data


def _opcodes(data: bytes) -> list[bytes]:
    """Return the opcodes of one or more pickles in a row, each with its argument."""
    found: list[bytes] = []
    stream = io.BytesIO(data)
    while stream.tell() < len(data):
        begin = stream.tell()
        places = [place for _, _, place in pickletools.genops(stream) if place is not None]
        end = stream.tell()
        # Places are counted from the begin of the stream.
        places = [place if place >= begin else place + begin for place in places]
        found += [data[at:after] for at, after in zip(places, [*places[1:], end], strict=True)]
    return found


def random_opcode(rng: Random) -> bytes:
    """Return an opcode with an argument that it takes, or one that is too large."""
    opcode = rng.choice(pickletools.opcodes)
    argument = b""
    if opcode.arg is not None:
        width = opcode.arg.n
        if width > 0:
            argument = (rng.choice(_SIZES) % 256**width).to_bytes(width, "little")
        elif width == pickletools.UP_TO_NEWLINE:
            words = (b"1", b"'a'", b"numpy\nndarray", b"builtins\nset", b"os\nsystem", b"9" * 30, b"-5", b"01")
            argument = rng.choice(words) + b"\n"
        else:
            n_bytes = {pickletools.TAKEN_FROM_ARGUMENT1: 1, pickletools.TAKEN_FROM_ARGUMENT8U: 8}.get(width, 4)
            argument = (
                rng.choice((0, 1, 3, 200, 2**31 - 1) if n_bytes > 1 else (0, 1, 3)).to_bytes(n_bytes, "little") + b"abc"
            )
    return opcode.code.encode("latin1") + argument


def of_pickle(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Return a pickle with its opcodes changed: dropped, repeated, moved, exchanged, or new ones."""
    opcodes = _opcodes(data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at, to = rng.randrange(len(opcodes)), rng.randrange(len(opcodes))
        length = rng.choice((1, 1, 2, 10))
        action = rng.randrange(6)
        if action == 0 and len(opcodes) > length:
            del opcodes[at : at + length]
        elif action == 1:
            opcodes[at : at + length] = opcodes[at : at + length] * rng.choice((2, 3, 200))
        elif action == 2:
            opcodes[to:to] = opcodes[at : at + length]
        elif action == 3:
            opcodes[at], opcodes[to] = opcodes[to], opcodes[at]
        elif action == 4:
            opcodes[at : at + rng.randrange(2)] = [random_opcode(rng) for _ in range(length)]
        else:
            opcodes[at] = of_bytes(rng, opcodes[at], others)
    return b"".join(opcodes)


_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2**31, 2**53, 2**63, 10**30, -(10**30), 1e308, 0.5, -0.5, "", "x"),
    *("float:NaN", "float:Infinity"),
    *([], {}, [[]], [0], ["a", {}], {"a": 1}, "\0", "../../x", "a" * 1000, "os:system", "<U9", "O", [0] * 50),
)  # fmt: skip


def of_json(rng: Random, value: Any) -> Any:
    """Return a JSON value with one to three of its places changed."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places: list[tuple[Any, Any]] = []
        waiting = [value]
        while waiting:
            item = waiting.pop()
            for key in item if isinstance(item, dict) else range(len(item)):
                places.append((item, key))
                if isinstance(item[key], dict | list):
                    waiting.append(item[key])
        if not places:
            return value
        item, key = rng.choice(places)
        action = rng.randrange(8)
        if action == 0:
            del item[key]
        elif action == 1 and isinstance(item, dict):
            item[rng.choice(("", "x", "name", "lr", "a.b", "network/x"))] = copy.deepcopy(item[key])
        elif action == 1:
            item.insert(key, copy.deepcopy(item[key]))
        elif action == 2:
            other, from_ = rng.choice(places)
            is_there = from_ in other if isinstance(other, dict) else from_ < len(other)
            # A copy, made before the item is changed: a value must not contain itself.
            item[key] = copy.deepcopy(other[from_]) if is_there else 0
        else:
            item[key] = copy.deepcopy(rng.choice(_VALUES))
    return value


def of_checkpoint(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Return a checkpoint whose header is changed, with the digest that it must have; or one of changed bytes."""
    if rng.random() < 0.2:
        return of_bytes(rng, data, others)
    length = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    metadata = header.pop("__metadata__")
    if rng.random() < 0.25:
        header = of_json(rng, header)
    elif rng.random() < 0.1:
        metadata["arignote"] = of_bytes(rng, metadata["arignote"].encode(), others).decode("latin1")
    else:
        metadata["arignote"] = json.dumps(of_json(rng, json.loads(metadata["arignote"])))
    return sealed(header | {"__metadata__": metadata}, body)


def packed(inner: Mutation) -> Mutation:
    """Return a mutation of a gzip file: of what is packed, or of the packed bytes."""

    def mutate(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
        if rng.random() < 0.2:
            return of_bytes(rng, data, others)
        return gzip.compress(inner(rng, gzip.decompress(data), [gzip.decompress(other) for other in others]), 1)

    return mutate


def of_zip(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Return a zip file with one of its entries changed, or with its own bytes changed."""
    if rng.random() < 0.5:
        return of_bytes(rng, data, others)
    found = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(found, "w", zipfile.ZIP_DEFLATED) as new:
        chosen = rng.choice(old.namelist())
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, of_bytes(rng, content, [content]) if name == chosen else content)
    return found.getvalue()


_WORDS = (
    *(b"&a ", b"*a", b"<<: ", b"- [", b"]", b"{", b"}", b"? ", b": ", b"|\n", b">\n", b"%YAML 1.1\n", b"---\n"),
    *(b"...\n",),
    *(b"!!python/name:os.system ", b"!!set ", b"2001-12-14", b".nan", b"0x_", b"~", b"\t", b"'", b'"', b"# ", b"\xff"),
    *(b"[" * 100, b"\n" + b" " * 40, b"fit: ", b"layers: ", b"data: {train: ", b"\0", b"1_0", b"0o9", b"'\\x"),
)  # fmt: skip


def of_yaml(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Return a config with words, lines or bytes changed."""
    for _ in range(rng.choice((1, 2, 3))):
        lines = data.splitlines(keepends=True) or [b"\n"]
        at, to = rng.randrange(len(lines)), rng.randrange(len(lines))
        action = rng.randrange(5)
        if action == 0:
            lines[at], lines[to] = lines[to], lines[at]
        elif action == 1:
            lines[at:at] = lines[to : to + 3]
        elif action == 2:
            place = rng.randrange(len(lines[at]) + 1)
            lines[at] = lines[at][:place] + rng.choice(_WORDS) + lines[at][place:]
        elif action == 3:
            lines[at] = (b" " * rng.randrange(6)) + lines[at].lstrip()
        data = of_bytes(rng, data, others) if action == 4 else b"".join(lines)
    return data
