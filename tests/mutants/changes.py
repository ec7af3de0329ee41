"""The mutants of a source text: each operator at each place, but for what changes no behaviour.

A mutant is a module with one change.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from operators import FROM_COSMIC_RAY, OUR_OWN, is_float, operator

# Calls whose arguments are texts for people, or checks of types.
CALLS_NOT_CHANGED = {"warn", "print", "isinstance", "issubclass", "cast", "TypeVar", "super"}
# Arguments that only guard against mistakes of the programmer, say where a warning points to, or save a copy.
ARGUMENTS_NOT_CHANGED = {"strict", "stacklevel", "frozen", "slots", "kw_only", "repr", "copy"}
# Comparisons that an operator negates already: AddNot would make the same mutant again.
NEGATED = ("==", "!=", "is", "is not")


def _is_duplicate(node: Any, name: str, occurrence: int) -> bool:
    """Return whether another operator, or another occurrence, makes the same mutant or one as good."""
    if name == "NumberReplacer":
        # Floats are scaled; of an integer plus one and minus one, plus one is enough.
        return is_float(node) or occurrence % 2 == 1
    if name == "AddNot":
        condition = node.children[2 if node.type == "test" else 1]
        compares = condition.type == "comparison" and condition.children[1].get_code().strip() in NEGATED
        return compares or condition.get_code().split()[0] in ("not", "True", "False")
    return False


def _is_excluded(node: Any) -> bool:
    """Return whether a change of this node would change a text for people, a type or a guard, but no behaviour."""
    if node.type == "argument" and node.children[0].get_code().strip() in ARGUMENTS_NOT_CHANGED:
        return True
    if node.type == "except_clause" and "ImportError" in node.get_code():
        return True
    if node.type == "if_stmt" and node.children[1].get_code().strip() == "TYPE_CHECKING":
        return True
    if node.type == "operator" and node.parent.type in ("parameters", "param"):
        # The star before arguments that are given by name.
        return True
    above, child = node.parent, node
    while above is not None:
        match above.type:
            case "fstring" | "decorator" | "assert_stmt" | "import_from" | "import_name" | "tfpdef" | "raise_stmt":
                # The raise statement as a whole is above its parts: it can be left out.
                return True
            case "annassign":
                excluded = child is above.children[1]
            case "funcdef":
                excluded = child is above.annotation or above.name.value in ("__repr__", "__str__")
            case "argument":
                excluded = above.children[0].get_code().strip() in ARGUMENTS_NOT_CHANGED
            case "expr_stmt":
                excluded = above.children[0].get_code().strip() in ("__all__", "__slots__")
            case "atom_expr" | "power" if child.type == "trailer":
                called = above.children[above.children.index(child) - 1].get_code().strip().lstrip(".")
                excluded = called in CALLS_NOT_CHANGED
            case _:
                excluded = False
        if excluded:
            return True
        above, child = above.parent, above
    return False


def _lines(node: Any, begin: int, end: int) -> range:
    """Return the lines that may be reported as executed where the changed code, from line `begin` to `end`, is."""
    while node.parent is not None and node.type not in ("simple_stmt", "funcdef", "classdef"):
        if node.type.endswith("_stmt") and node.parent.type != "simple_stmt":
            break
        node = node.parent
    if node.type == "simple_stmt":
        end = node.get_last_leaf().start_pos[0]
    return range(begin if node.parent is None else node.start_pos[0], end + 1)


@dataclass(frozen=True)
class Change:
    """One mutant of a source text; a test that executes none of `lines` cannot notice it."""

    operator: str
    occurrence: int
    line: int
    lines: range

    def apply(self, source: str) -> str:
        """Return the changed text."""
        return str(mutate_code(source, operator(self.operator), self.occurrence))


def diff(source: str, changed: str) -> str:
    """Return the lines that differ, without context."""
    lines = difflib.unified_diff(source.splitlines(), changed.splitlines(), n=0, lineterm="")
    return "\n".join(list(lines)[3:])


def changes(source: str) -> list[Change]:
    """List the mutants of a source text, in the order of its lines."""
    tree = get_ast(source)
    found = []
    for name in (*FROM_COSMIC_RAY, *OUR_OWN):
        act = operator(name)
        positions = ((node, at) for node in ast_nodes(tree) for at in act.mutation_positions(node))
        for occurrence, (node, (begin, end)) in enumerate(positions):
            place = node
            if name == "DropArgument":
                # The operator visits the list of arguments; the exclusions are about the argument.
                place = next((one for one in getattr(node, "children", ()) if one.start_pos == begin), node)
                place = node if node.type == "argument" else place
            if not _is_excluded(place) and not _is_duplicate(node, name, occurrence):
                found.append(Change(name, occurrence, begin[0], _lines(node, begin[0], end[0])))
    return sorted(found, key=lambda one: (one.line, one.operator, one.occurrence))
