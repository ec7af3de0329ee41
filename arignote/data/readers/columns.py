"""Columns of a table, as they are asked for: by name, by position, by range, and all but some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arignote.errors import DataError, available_names, listed

__all__ = ["Columns", "Names", "chosen_columns"]

# What is asked for.
Columns = str | int | Sequence[str | int]
# Names of the columns of a table; positions where it has no header.
Names = tuple[str, ...] | tuple[int, ...]


def chosen_columns(asked: Columns | None, there: Sequence[str], where: str) -> tuple[list[str], bool]:
    """Return the names of the columns asked for, and whether they were named (not only others excluded).

    Parameters
    ----------
    asked : str, int or sequence of these, optional
        "a,b"; "3" or 3, a position, from the end where negative; "0:64", positions without the last one, as a slice of
        Python; "a:c", names with the last one, as ``DataFrame.loc``; "!y", "!0:3", all but these. Several in a string
        are separated by commas. The exact name of a column comes first, then its name without the spaces around it.
    there : sequence of str
        The names of all columns of the table.
    where : str
        The table, for errors.

    Raises
    ------
    DataError
        For a column that is not there.
    """
    if asked is None or asked == "":
        return list(there), False
    if isinstance(asked, str):
        items: list[Any] = [asked] if asked in there else asked.split(",")
    else:
        items = [asked] if isinstance(asked, int) else list(asked)
    wanted: list[str] = []
    excluded: set[str] = set()
    for item in items:
        if isinstance(item, str) and item.startswith("!") and item not in there:
            excluded |= set(_named(item[1:], there, where))
        else:
            wanted += _named(item, there, where)
    found = [name for name in wanted or there if name not in excluded]
    if not found:
        raise DataError(f"{where}: no columns are left of {asked!r}. There are: {listed(there)}")
    return found, bool(wanted)


def _named(item: str | int, there: Sequence[str], where: str) -> list[str]:
    """Return the columns of a name, a position or a range."""
    if item in there:
        return [str(item)]
    word = str(item).strip()
    first, colon, last = word.partition(":")
    if colon and _is_position(first or "0") and _is_position(last or "0"):
        start, stop = int(first or 0), int(last) if last else len(there)
        bounds = range(-len(there), len(there) + 1)
        if start not in bounds or stop not in bounds or not there[start:stop]:
            raise DataError(f"{where}: has {len(there)} columns, and so no columns {word}")
        return list(there[start:stop])
    if colon:
        ends = [_place(name, there, where) for name in (first or there[0], last or there[-1])]
        if ends[0] > ends[1]:
            raise DataError(f"{where}: the columns {word} are in the other order: {last} comes before {first}")
        return list(there[ends[0] : ends[1] + 1])
    return [there[_place(word, there, where)]]


def _place(word: str, there: Sequence[str], where: str) -> int:
    if word in there:
        return there.index(word)
    alike = [place for place, name in enumerate(there) if name.strip() == word.strip()]
    if len(alike) == 1:
        return alike[0]
    if _is_position(word):
        if not -len(there) <= int(word) < len(there):
            raise DataError(f"{where}: has {len(there)} columns (0 to {len(there) - 1}), and so no column {word}")
        return int(word) % len(there)
    raise DataError(f"{where}: has no column {word!r}. {available_names(word, there)}")


def _is_position(word: str) -> bool:
    return word.strip().removeprefix("-").isdigit()
