"""Selection of columns of a table: by name, by position, by range, and by exclusion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arignote.errors import DataError, available_names, listed

__all__ = ["Columns", "Mixed", "Names", "chosen_columns"]

# A selection of columns, as a user writes it.
Columns = str | int | Sequence[str | int]
# Names of the columns of a table; positions if it has no header.
Names = tuple[str, ...] | tuple[int, ...]
# Which columns of a table may be text beside others of numbers: none, any, or exactly those of some names or positions.
Mixed = bool | Names


def chosen_columns(asked: Columns | None, available: Sequence[str], where: str) -> tuple[list[str], bool]:
    """Select columns.

    Parameters
    ----------
    asked : str, int or sequence of these, optional
        "a,b": names; "3" or 3: a position, from the end if negative; "0:64": positions without the last one, as a
        slice; "a:c": names with the last one, as in ``DataFrame.loc``; "!y", "!0:3": all but these. Items of a string
        are separated by commas. The exact name of a column takes precedence, then
        its name without the spaces around it. None or "": all columns.
    available : sequence of str
        Names of all columns of the table.
    where : str
        Name of the table in errors.

    Returns
    -------
    names : list of str
        The selected columns, in the order of `asked`.
    are_named : bool
        Whether columns were named, rather than others excluded.

    Raises
    ------
    DataError
        If there is no such column, or none is left.
    """
    if asked is None or asked == "":
        return list(available), False
    if isinstance(asked, str):
        items: list[Any] = [asked] if asked in available else asked.split(",")
    else:
        items = [asked] if isinstance(asked, int) else list(asked)
    wanted: list[str] = []
    excluded: set[str] = set()
    for item in items:
        if isinstance(item, str) and item.startswith("!") and item not in available:
            excluded |= set(_named(item[1:], available, where))
        else:
            wanted += _named(item, available, where)
    # With exclusions alone, all others are selected.
    selected = [name for name in wanted or available if name not in excluded]
    if not selected:
        raise DataError(f"{where}: no columns are left of {asked!r}. There are: {listed(available)}")
    return selected, bool(wanted)


def _named(item: str | int, available: Sequence[str], where: str) -> list[str]:
    """Return the columns that a name, a position or a range selects."""
    if item in available:
        return [str(item)]
    word = str(item).strip()
    first, colon, last = word.partition(":")
    if colon and _is_position(first or "0") and _is_position(last or "0"):
        start, stop = int(first or 0), int(last) if last else len(available)
        # A slice would leave out what is out of range without an error.
        bounds = range(-len(available), len(available) + 1)
        if start not in bounds or stop not in bounds or not available[start:stop]:
            raise DataError(f"{where}: has {len(available)} columns; columns {word} are out of range")
        return list(available[start:stop])
    if colon:
        ends = [_place(name, available, where) for name in (first or available[0], last or available[-1])]
        if ends[0] > ends[1]:
            raise DataError(f"{where}: the columns {word} are in reverse order: {last} comes before {first}")
        return list(available[ends[0] : ends[1] + 1])
    return [available[_place(word, available, where)]]


def _place(word: str, available: Sequence[str], where: str) -> int:
    if word in available:
        return available.index(word)
    alike = [place for place, name in enumerate(available) if name.strip() == word.strip()]
    if len(alike) == 1:
        return alike[0]
    if _is_position(word):
        if not -len(available) <= int(word) < len(available):
            raise DataError(
                f"{where}: has {len(available)} columns (0 to {len(available) - 1}); column {word} is out of range"
            )
        return int(word) % len(available)
    raise DataError(f"{where}: has no column {word!r}. {available_names(word, available)}")


def _is_position(word: str) -> bool:
    return word.strip().removeprefix("-").isdigit()
