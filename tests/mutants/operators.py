"""What the mutation tester may change: the operators of cosmic-ray that are used, and four more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cosmic_ray.operators.operator import Example, Operator
from cosmic_ray.plugins import get_operator
from parso.python.tree import Keyword, Name, Number
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
    "NumberReplacer",
)

# Functions of any number of arguments: each argument is left out in turn, not only the last one.
VARIADIC = {"stream"}


class ScaleFloat(Operator):
    """Halve a float: a default rate wrong by a factor."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[Position]:
        if isinstance(node, Number) and is_float(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> NodeOrLeaf:
        # Half of zero is zero.
        return Number(repr(float(node.value) / 2 or 1.0), node.start_pos, node.prefix)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return (Example("x = 0.9", "x = 0.45"), Example("x = 0.0", "x = 1.0"))


class ExceptionReplacer(Operator):
    """Do not catch an exception of an except clause; cosmic-ray's operator of this name knows no dotted names."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[Position]:
        for exception in self._caught(node):
            yield exception.start_pos, exception.end_pos

    @staticmethod
    def _caught(node: Any) -> list[Any]:
        if node.type != "except_clause":
            return []
        exceptions = node.children[1]
        if exceptions.type != "atom":
            return [exceptions]
        inner = exceptions.children[1]
        return inner.children[::2] if inner.type == "testlist_comp" else [inner]

    def mutate(self, node: Any, index: int) -> NodeOrLeaf:
        exception = self._caught(node)[index]
        siblings = exception.parent.children
        name = Name("NeverRaised", exception.start_pos, exception.get_first_leaf().prefix)
        siblings[siblings.index(exception)] = name
        return node  # type: ignore[no-any-return]

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return (
            Example("try: f()\nexcept OSError: pass", "try: f()\nexcept NeverRaised: pass"),
            Example("try: f()\nexcept a.Error as e: pass", "try: f()\nexcept NeverRaised as e: pass"),
            Example("try: f()\nexcept (A, b.B): pass", "try: f()\nexcept (A, NeverRaised): pass", occurrence=1),
        )


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


OUR_OWN: dict[str, type[Operator]] = {
    op.__name__: op for op in (ScaleFloat, ExceptionReplacer, DropStatement, DropArgument)
}


def is_float(node: Number) -> bool:
    """Return whether a number is written as a float."""
    return not node.value.lower().startswith("0x") and any(sign in node.value.lower() for sign in ".e")


def operator(name: str) -> Operator:
    """Return an operator by its name."""
    return OUR_OWN[name]() if name in OUR_OWN else get_operator(f"core/{name}")()
