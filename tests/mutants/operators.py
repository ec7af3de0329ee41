"""What the mutation tester may change: the operators of cosmic-ray that are used, three more, and the exclusions.

A mutant is a module with one change. `changes` lists the mutants of a source text.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Example, Operator
from cosmic_ray.plugins import get_operator
from parso.python.tree import Keyword, Number
from parso.tree import NodeOrLeaf

Position = tuple[tuple[int, int], tuple[int, int]]

# Of cosmic-ray: a sign, a factor, a bound, an off-by-one, a condition, a loop, an exception that is not caught.
FROM_COSMIC_RAY = (
    "ReplaceBinaryOperator_Add_Sub",
    "ReplaceBinaryOperator_Sub_Add",
    "ReplaceBinaryOperator_Mul_Div",
    "ReplaceBinaryOperator_Div_Mul",
    "ReplaceBinaryOperator_FloorDiv_Mul",
    "ReplaceBinaryOperator_Mod_FloorDiv",
    "ReplaceBinaryOperator_Pow_Mul",
    "ReplaceBinaryOperator_BitOr_BitAnd",
    "ReplaceBinaryOperator_BitAnd_BitOr",
    "ReplaceComparisonOperator_Lt_LtE",
    "ReplaceComparisonOperator_LtE_Lt",
    "ReplaceComparisonOperator_Gt_GtE",
    "ReplaceComparisonOperator_GtE_Gt",
    "ReplaceComparisonOperator_Eq_NotEq",
    "ReplaceComparisonOperator_NotEq_Eq",
    "ReplaceComparisonOperator_Is_IsNot",
    "ReplaceComparisonOperator_IsNot_Is",
    "ReplaceUnaryOperator_Delete_USub",
    "ReplaceUnaryOperator_Delete_Not",
    "ReplaceUnaryOperator_Delete_Invert",
    "AddNot",
    "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue",
    "ReplaceAndWithOr",
    "ReplaceOrWithAnd",
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "ZeroIterationForLoop",
    "ExceptionReplacer",
    "NumberReplacer",
)

# Calls whose arguments are texts for people, or checks of types.
CALLS_NOT_CHANGED = {"warn", "print", "isinstance", "issubclass", "cast", "TypeVar", "super"}
# Arguments that only guard against mistakes of the programmer, or say where a warning points to.
ARGUMENTS_NOT_CHANGED = {"strict", "stacklevel", "frozen", "slots", "kw_only", "repr"}
# Functions of any number of arguments: each argument is left out in turn, not only the last one.
VARIADIC = {"stream"}
# Comparisons that an operator negates already: AddNot would make the same mutant again.
NEGATED = ("==", "!=", "is", "is not")


class ScaleFloat(Operator):
    """Halve a float: a default rate wrong by a factor."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[Position]:
        if isinstance(node, Number) and _is_float(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> NodeOrLeaf:
        # Half of zero is zero.
        return Number(repr(float(node.value) / 2 or 1.0), node.start_pos, node.prefix)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return (Example("x = 0.9", "x = 0.45"), Example("x = 0.0", "x = 1.0"))


class DropStatement(Operator):
    """Leave out a call made for its effect, an assignment to an attribute or an item, or a raise."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[Position]:
        if node.parent is not None and node.parent.type == "simple_stmt" and self._has_effect(node):
            yield node.start_pos, node.end_pos

    @staticmethod
    def _has_effect(node: Any) -> bool:
        if node.type in ("atom_expr", "power"):
            return bool(node.children[-1].get_code().startswith("("))
        if node.type == "expr_stmt":
            return node.children[0].type in ("atom_expr", "power") or (
                node.children[1].type == "operator" and (node.children[1].value != "=")
            )
        return node.type in ("raise_stmt", "del_stmt")

    def mutate(self, node: Any, index: int) -> NodeOrLeaf:
        return Keyword("pass", node.start_pos, node.get_first_leaf().prefix)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return (
            Example("os.fsync(f)\n", "pass\n"),
            Example("self.x = 1\n", "pass\n"),
            Example("x += 1\n", "pass\n"),
            Example("raise ValueError\n", "pass\n"),
        )


class DropArgument(Operator):
    """Leave out a keyword argument, or the last of several positional ones; of `stream` any."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[Position]:
        for _, argument in self._found(node):
            yield argument.start_pos, argument.end_pos

    @staticmethod
    def _found(node: Any) -> list[tuple[int, Any]]:
        if node.type != "arglist" or node.parent.type != "trailer":
            if node.type == "argument" and node.parent.type == "trailer" and node.children[0].type == "name":
                return [(0, node)] if node.children[1].get_code().strip() == "=" else []
            return []
        arguments = [(n, child) for n, child in enumerate(node.children) if child.type != "operator"]
        keywords = [(n, one) for n, one in arguments if one.type == "argument" and one.children[0].type == "name"]
        positional = [(n, one) for n, one in arguments if one.type != "argument"]
        if node.parent.get_previous_sibling().get_code().strip() in VARIADIC:
            return positional
        return keywords + positional[1:][-1:]

    def mutate(self, node: Any, index: int) -> NodeOrLeaf | None:
        at, argument = self._found(node)[index]
        if argument is node:
            return None
        # The comma before it goes too, or the one behind the first.
        del node.children[max(at - 1, 0) : at + 1 + (at == 0)]
        return node  # type: ignore[no-any-return]

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return (
            Example("f(a, b)", "f(a)"),
            Example("f(a, axis=1)", "f(a)"),
            Example("f(axis=1)", "f()"),
            Example("stream(a, b, c)", "stream(a, c)", occurrence=1),
        )


OUR_OWN: dict[str, type[Operator]] = {op.__name__: op for op in (ScaleFloat, DropStatement, DropArgument)}


def _is_float(node: Number) -> bool:
    return not node.value.lower().startswith("0x") and any(sign in node.value.lower() for sign in ".e")


def _is_duplicate(node: Any, operator: str, occurrence: int) -> bool:
    """Return whether another operator, or another occurrence, makes the same mutant or one as good."""
    if operator == "NumberReplacer":
        # Floats are scaled; of an integer plus one and minus one, plus one is enough.
        return _is_float(node) or occurrence % 2 == 1
    if operator == "AddNot":
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
        return str(mutate_code(source, _operator(self.operator), self.occurrence))


def diff(source: str, changed: str) -> str:
    """Return the lines that differ, without context."""
    lines = difflib.unified_diff(source.splitlines(), changed.splitlines(), n=0, lineterm="")
    return "\n".join(list(lines)[3:])


def _operator(name: str) -> Operator:
    return OUR_OWN[name]() if name in OUR_OWN else get_operator(f"core/{name}")()


def changes(source: str) -> list[Change]:
    """List the mutants of a source text, in the order of its lines."""
    tree = get_ast(source)
    found = []
    for name in (*FROM_COSMIC_RAY, *OUR_OWN):
        operator = _operator(name)
        positions = ((node, at) for node in ast_nodes(tree) for at in operator.mutation_positions(node))
        for occurrence, (node, (begin, end)) in enumerate(positions):
            place = node
            if name == "DropArgument":
                # The operator visits the list of arguments; the exclusions are about the argument.
                place = next((one for one in getattr(node, "children", ()) if one.start_pos == begin), node)
                place = node if node.type == "argument" else place
            if not _is_excluded(place) and not _is_duplicate(node, name, occurrence):
                found.append(Change(name, occurrence, begin[0], _lines(node, begin[0], end[0])))
    return sorted(found, key=lambda one: (one.line, one.operator, one.occurrence))
