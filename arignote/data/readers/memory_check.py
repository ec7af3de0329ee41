"""Check that data of a declared size fits into memory, before it is read."""

from __future__ import annotations

from arignote.errors import DataError
from arignote.safe.memory import available_bytes, size_text

__all__ = ["check_memory"]


def check_memory(n_bytes: int, where: str, what: str = "its values") -> None:
    """Raise DataError if data needs more memory than is free.

    Parameters
    ----------
    n_bytes : int
        Bytes needed.
    where, what : str
        Name of the source, and of what needs the memory, in the message.

    Raises
    ------
    DataError
    """
    # For small amounts, reading the state of the machine is not worth its time.
    if n_bytes < 1 << 20:
        return
    available = available_bytes()
    if n_bytes > available:
        raise DataError(
            f"{where}: {what} need {size_text(n_bytes)} of memory, but {size_text(available)} are free. "
            "Is the file broken, or does it declare more than it holds?"
        )
