"""Bounds of a value that was read from a pickle: the number and the depth of its containers."""

from __future__ import annotations

from typing import Any

import numpy as np

from arignote.safe.pickled_values import Name, PickleError, Record

__all__ = ["check_tree"]


def _children(value: Any) -> Any:
    if type(value) is dict:
        return [*value.keys(), *value.values()]
    return value.reshape(-1) if type(value) is np.ndarray else value


def _is_container(value: Any) -> bool:
    kind = type(value)
    return kind in (list, tuple, dict, set, frozenset) or (kind is np.ndarray and value.dtype.kind == "O")


def check_tree(root: Any, most_items: int, depth: int, allow_names: bool = False) -> None:
    """Raise PickleError if containers are too deep, contain themselves, or have too many items.

    Shared containers are counted as often as they occur, as code that copies, prints or writes a value expands them.
    Records are counted as one item; their arguments and states are checked on their own.

    Parameters
    ----------
    root : object
        The value.
    most_items : int
        Most items of all containers.
    depth : int
        Most levels of containers.
    allow_names : bool, default False
        Whether names of classes may be among the values.
    """
    # By id of a complete container: the number of all its items, and its depth.
    sizes: dict[int, tuple[int, int]] = {}
    records: set[int] = set()
    roots = [root]
    while roots:
        stack, open_ = [(roots.pop(), False)], set[int]()
        while stack:
            value, is_complete = stack.pop()
            if type(value) is Record:
                if id(value) not in records:
                    records.add(id(value))
                    roots += [value.args, value.state]
                continue
            if type(value) is Name and not allow_names:
                raise PickleError(f"holds {value.module}.{value.name} itself, which is not data")
            if id(value) in sizes or not _is_container(value):
                continue
            if is_complete:
                inner = [sizes.get(id(item), (1, 0)) for item in _children(value)]
                size = 1 + sum(size for size, _ in inner)
                deep = 1 + max((deep for _, deep in inner), default=0)
                if size > most_items or deep > depth:
                    bound = f"{most_items} items in all" if size > most_items else f"{depth} levels"
                    raise PickleError(f"has containers within containers of more than {bound}")
                sizes[id(value)] = size, deep
                open_.discard(id(value))
                continue
            if id(value) in open_:
                raise PickleError("has a container that contains itself")
            open_.add(id(value))
            # Below its items, so that it comes up again when all of them are complete.
            stack.append((value, True))
            stack += [(item, False) for item in _children(value) if type(item) in _WALKED]


_WALKED = (list, tuple, dict, set, frozenset, np.ndarray, Record, Name)
