"""Bytes of a pickle, read in pieces within a limit."""

from __future__ import annotations

from typing import Protocol

from arignote.safe.pickled_values import PickleError

__all__ = ["ByteSource"]

# Bytes that are read at a time.
_PIECE = 1 << 16
# Bytes of the longest line: opcodes of protocol 0 end with one.
_LONGEST_LINE = 1 << 20


class _Readable(Protocol):
    def read(self, n_bytes: int, /) -> bytes: ...


class ByteSource:
    """Bytes of a stream, read in pieces, so that no more bytes are allocated than it has.

    Parameters
    ----------
    stream : binary file
        The file, open for reading.
    most_bytes : int
        Largest number of bytes that are read.

    Attributes
    ----------
    n_read : int
        Number of bytes read so far.
    """

    def __init__(self, stream: _Readable, most_bytes: int):
        self._stream, self._most = stream, most_bytes
        self._piece, self._at = b"", 0
        self.n_read = 0

    def _fill(self) -> bool:
        """Read the next piece, and return whether there was one; raise PickleError if the stream is too long."""
        try:
            piece = self._stream.read(_PIECE)
        except EOFError as error:
            # Raised by gzip at the end of an incomplete stream.
            raise PickleError(f"is truncated: {error}") from None
        self.n_read += len(piece)
        if self.n_read > self._most:
            raise PickleError(f"is longer than {self._most} bytes (unpacked), the most that is read of such a file")
        self._piece, self._at = self._piece[self._at :] + piece, 0
        return bool(piece)

    def take(self, n_bytes: int) -> bytes:
        """Return exactly as many bytes as requested; raise PickleError if the stream has fewer."""
        end = self._at + n_bytes
        if end <= len(self._piece):
            taken = self._piece[self._at : end]
            self._at = end
            return taken
        # Before anything is read, as a forged pickle may name any length.
        if n_bytes > self._most:
            raise PickleError(
                f"is truncated: it needs {n_bytes} bytes more; at most {self._most} are read of such a file"
            )
        pieces = [self._piece[self._at :]]
        missing = n_bytes - len(pieces[0])
        self._piece, self._at = b"", 0
        while missing > 0:
            if not self._fill():
                raise PickleError(f"is truncated: {missing} more bytes are needed")
            pieces.append(self._piece[:missing])
            self._at = len(pieces[-1])
            missing -= self._at
            if missing > 0:
                self._piece, self._at = b"", 0
        return b"".join(pieces)

    def byte(self) -> int:
        """Return the next byte."""
        at = self._at
        if at < len(self._piece):
            self._at = at + 1
            return self._piece[at]
        return self.take(1)[0]

    def line(self) -> bytes:
        """Return the bytes up to the next line feed, without it."""
        while (end := self._piece.find(b"\n", self._at)) < 0:
            if len(self._piece) - self._at > _LONGEST_LINE or not self._fill():
                raise PickleError("is truncated, or has a line without an end")
        line = self._piece[self._at : end]
        self._at = end + 1
        return line

    def ends_within(self, n_bytes: int) -> bool:
        """Read to the end of the stream, and return whether at most `n_bytes` were left."""
        left = len(self._piece) - self._at
        self._piece, self._at = b"", 0
        while left <= n_bytes and self._fill():
            left += len(self._piece)
            self._piece = b""
        return left <= n_bytes
