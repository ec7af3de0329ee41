"""What a part says of itself: its signature, its docstring with inherited parameters, and errors of calls."""

from __future__ import annotations

import inspect

import pytest
from pydantic import Field

from arignote.errors import ConfigError
from arignote.registry import Part
from arignote.registry.part_type import docstring_sections, parameter_entries, summary_of


class Base(Part):
    """Base class.

    Parameters
    ----------
    shared : int, default 1
        Of all.
    """

    kind = "test of part_type"
    shared: int = 1


class Own(Base):
    """A part that takes
    two lines.

    More.

    Parameters
    ----------
    b, c : float
        Both.

    Notes
    -----
    Here.
    """

    b: float
    c: float = Field(0.5)

    def method(self):
        """Return nothing."""


def test_required_parameters_come_first_then_own_ones_then_those_of_bases():
    signature = inspect.signature(Own)
    assert list(signature.parameters) == ["b", "c", "shared"]
    assert [p.default for p in signature.parameters.values()] == [inspect.Parameter.empty, 0.5, 1]


def test_a_docstring_has_the_parameters_of_the_bases_too():
    own = dict.fromkeys("bc", ("float", "Both."))
    assert parameter_entries(Own) == own | {"shared": ("int, default 1", "Of all.")}
    assert summary_of(Own) == "A part that takes two lines."
    assert list(docstring_sections(inspect.cleandoc(Own.__doc__))) == ["", "Parameters", "Notes"]


def test_dir_has_what_the_part_defines_alone():
    # Not what pydantic and the base class of all parts have.
    assert [name for name in dir(Own) if not name.startswith("_")] == ["method"]


def test_parameters_are_given_by_name_and_all_errors_come_together():
    with pytest.raises(ConfigError, match=r"Own takes its parameters by name, Own\(b=\.\.\.\); got \(1,\)"):
        Own(1)
    with pytest.raises(ConfigError) as refused:
        Own(c="x", d=2)
    assert len(refused.value.complaints) == 3
