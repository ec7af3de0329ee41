"""What a module exports is what it lists in `__all__`, in both directions."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import arignote

MODULES = sorted(m.name for m in pkgutil.walk_packages(arignote.__path__, "arignote.") if "__main__" not in m.name)
# Sample data that is loaded from the network when it is first named.
LAZY = {("arignote.sample_data", "mnist")}


def test_all_lists_each_public_class_and_function_and_nothing_else(subtests):
    for name in MODULES:
        with subtests.test(name):
            module = importlib.import_module(name)
            listed = getattr(module, "__all__", None)
            if listed is None:
                continue
            assert [word for word in listed if (name, word) not in LAZY and not hasattr(module, word)] == []
            public = {
                word
                for word, thing in vars(module).items()
                if not word.startswith("_")
                and (inspect.isclass(thing) or inspect.isfunction(thing))
                and thing.__module__ == name
                and thing.__qualname__ == word
            }
            assert sorted(public - set(listed)) == []
            assert len(set(listed)) == len(listed)
