"""Whether data of a declared size fits into memory, checked before it is read."""

from __future__ import annotations

from arignote.errors import DataError
from arignote.safe.memory import available_bytes, size_text

__all__ = ["check_memory"]


def check_memory(n_bytes: int, where: str, what: str = "its values") -> None:
    """DataError where so many bytes are more than can be allocated.

    Parameters
    ----------
    n_bytes : int
        Bytes needed.
    where, what : str
        Begin and subject of the message.
    """
    # Small amounts are not worth a look at the machine.
    if n_bytes < 1 << 20:
        return
    there = available_bytes()
    if n_bytes > there:
        raise DataError(
            f"{where}: {what} need {size_text(n_bytes)} of memory, and {size_text(there)} are free. "
            "Is the file broken, or does it declare more than it holds?"
        )
