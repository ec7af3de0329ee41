"""What `help`, `signature` and `dir` show of estimators."""

from __future__ import annotations

import inspect
import pydoc

import pytest

from arignote import NNClassifier, NNRegressor
from arignote.estimators.calls import checked_call
from arignote.estimators.documentation import PublicDir, with_settings
from arignote.spec.settings import FitSettings


@with_settings
@checked_call("arguments", takes_settings=True)
def fit(self, X, *, valid=None, **settings):
    return settings


def test_a_signature_ends_with_every_setting_by_keyword_and_its_default():
    parameters = inspect.signature(fit).parameters
    assert list(parameters) == ["self", "X", "valid", *FitSettings.model_fields]
    assert {parameters[name].kind for name in FitSettings.model_fields} == {inspect.Parameter.KEYWORD_ONLY}
    assert (parameters["n_epochs"].default, parameters["batch_size"].default) == (50, 128)
    assert fit(None, 1, n_epochs=2) == {"n_epochs": 2}
    # What an editor shows of it is its own code.
    assert inspect.getsource(fit).endswith("return settings\n")


def test_entries_stand_in_place_of_each_word_with_the_indentation_of_a_docstring():
    class Documented(metaclass=PublicDir):
        """Summary.

        Parameters
        ----------
        {constructor}
        {settings}

        Attributes
        ----------
        {fitted}
        """

    lines = Documented.__doc__.splitlines()
    assert not [line for line in lines if "{constructor}" in line or "{settings}" in line or "{fitted}" in line]
    shared = [
        "layers : list of [Layer, {params}], or str",
        "n_epochs : int >= 0, default 50",
        "history_ : list of dict",
    ]
    for line in shared:
        assert line in lines
    # The last entry of the constructor, and the first setting, which is behind it.
    last = lines.index("valid, test : float, optional")
    assert lines[last + 2].partition(" : ")[0] == next(iter(FitSettings.model_fields))
    # `help`, an instance, and a class that is derived from it.
    assert pydoc.getdoc(Documented) == inspect.getdoc(Documented())
    assert "n_epochs : int >= 0, default 50" in pydoc.getdoc(Documented)
    derived = type("Derived", (Documented,), {})
    assert derived.__doc__ is None
    derived.__doc__ = "Of a user."
    assert derived.__doc__.strip() == pydoc.getdoc(derived) == "Of a user."


@pytest.mark.parametrize("cls", [NNClassifier, NNRegressor])
def test_dir_has_public_names_and_leaves_requests_of_metadata_out(cls):
    assert type(cls) is PublicDir
    assert {"__init__", "fit", "predict", "evaluate", "load", "get_params"} <= set(dir(cls))
    assert not [name for name in dir(cls) if name.endswith("_request") or name == "__dict__"]
    # They exist all the same.
    assert callable(cls.set_fit_request)
