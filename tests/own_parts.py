"""The parts of Arignote itself, without those that other tests of the same process have registered."""

from __future__ import annotations

import ast
import doctest
import sys

from arignote.registry import names, part_name


def own_names(kind):
    """Return the registered names of a kind with their classes, as `names` does, without those of tests."""
    return {name: cls for name, cls in names(kind).items() if cls.__module__.partition(".")[0] == "arignote"}


def first_names(kind):
    """Return the first name of each part of a kind, sorted, without aliases."""
    return sorted({part_name(cls) for cls in own_names(kind).values()})


def from_example(cls):
    """Return the part that the example of a docstring builds."""
    code = "\n".join(example.source for example in doctest.DocTestParser().get_examples(cls.__doc__))
    namespace = dict(vars(sys.modules[cls.__module__]))
    exec(code, namespace)
    [call, *_] = [
        node
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == cls.__name__
    ]
    return eval(ast.unparse(call), namespace)
