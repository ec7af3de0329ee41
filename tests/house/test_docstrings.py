"""Docstrings of the public face pass `numpydoc.validate`."""

from __future__ import annotations

import inspect

import pytest
from numpydoc.validate import validate

import arignote

# Codes that are not held against a docstring, each with its reason.
IGNORED = {
    "ES01": "a summary that says all needs no second paragraph",
    "SA01": "few of these names have others to refer to; docs/ connects them",
    "EX01": "the example of the class shows its methods; examples that show nothing new would be noise",
}


def _public_names():
    """Give the dotted name of each public class and function, and of each of its public methods and properties."""
    for word in arignote.__all__:
        thing = getattr(arignote, word)
        if not callable(thing):
            continue
        yield f"arignote.{word}"
        for name in dir(thing):
            member = inspect.getattr_static(thing, name)
            member = getattr(member, "fget", None) or getattr(member, "__func__", member)
            # What scikit-learn and Python define, they document.
            if not name.startswith("_") and getattr(member, "__module__", "").startswith("arignote"):
                yield f"arignote.{word}.{name}"


NAMES = list(_public_names())


def test_the_public_face_is_found():
    assert {"arignote.Data", "arignote.NNClassifier.fit", "arignote.NNClassifier.load"} <= set(NAMES)
    assert "arignote.NNClassifier.params" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_public_docstring_is_numpydoc(name):
    assert [error for error in validate(name)["errors"] if error[0] not in IGNORED] == []


@pytest.mark.parametrize("code", IGNORED)
def test_a_code_is_ignored_only_while_it_is_needed(code):
    assert any(code == error[0] for name in NAMES for error in validate(name)["errors"])
