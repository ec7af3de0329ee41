"""A file to whose end an observer writes."""

from __future__ import annotations

from pathlib import Path

__all__ = ["AppendedFile"]


class AppendedFile:
    """A file to whose end is written; what a full disk has no room for is written with what follows.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path):
        self.path = path
        # Bytes of the file that are valid; bytes that could not be written yet.
        self.end, self.pending = 0, b""

    def append(self, content: bytes) -> None:
        """Write bytes; OSError if some could not be written, which are kept for the next time."""
        self.pending += content
        with self.path.open("r+b", buffering=0) as file:
            # Over a part that was written when the disk was full.
            file.seek(self.end)
            while self.pending:
                # Fewer than all if the disk is full; then none, which raises.
                n_written = file.write(self.pending)
                self.end, self.pending = self.end + n_written, self.pending[n_written:]
