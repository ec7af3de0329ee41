"""Errors: the tree, where a fault is seen from, and what was meant."""

from __future__ import annotations

import pytest

from arignote import errors
from arignote.errors import Complaint, ConfigError, Interrupted, did_you_mean

TREE = {
    "ConfigError": ValueError,
    "CallError": TypeError,
    "DataError": ValueError,
    "DataTypeError": TypeError,
    "CheckpointError": RuntimeError,
    "NotFiniteError": ArithmeticError,
}


@pytest.mark.parametrize("name", TREE)
def test_each_error_is_one_of_arignote_and_one_of_python(name):
    kind = getattr(errors, name)
    assert issubclass(kind, errors.ArignoteError) and issubclass(kind, TREE[name])
    drawn = next(line for line in errors.__doc__.splitlines() if f"── {name}" in line)
    assert f"({TREE[name].__name__})" in drawn


def test_an_error_names_its_place_from_the_root():
    fault = ConfigError([Complaint(("n_units",), "must be given", "FCLayer 'fc1'"), Complaint((), "is empty")])
    above = fault.under("layers", 2)
    assert str(above) == "layers[2].n_units (FCLayer 'fc1'): must be given\nlayers[2]: is empty"
    assert str(fault) == "n_units (FCLayer 'fc1'): must be given\nis empty"
    assert above.complaints[0].path == ("layers", 2, "n_units")


@pytest.mark.parametrize(
    ("complaint", "message"),
    [
        (Complaint(("fit", "n_epochs"), "n_epochs must be an integer"), "fit.n_epochs must be an integer"),
        (Complaint(("fit", "a"), "a: is empty"), "fit.a: is empty"),
        (Complaint(("layers", 0, "l2"), "l2 must be >= 0", "FC 'x'"), "layers[0] (FC 'x'): l2 must be >= 0"),
        (Complaint(("l2",), "l2 must be >= 0"), "l2 must be >= 0"),
        (Complaint(("fit", "l"), "l2 must be >= 0"), "fit.l: l2 must be >= 0"),
    ],
)
def test_a_name_is_said_once(complaint, message):
    assert str(complaint) == message


def test_an_error_of_one_sentence_is_a_complaint_too():
    assert ConfigError("no").complaints == (Complaint((), "no"),) and str(ConfigError("no")) == "no"
    assert str(ConfigError(Complaint(("a",), "no"), ["file:3: a: no"])) == "file:3: a: no"


def test_to_be_interrupted_is_to_leave_with_a_code():
    with pytest.raises(SystemExit) as caught:
        raise Interrupted("SIGTERM", 143)
    assert caught.value.code == 143 and str(caught.value) == "SIGTERM: stopped and saved"
    assert not isinstance(caught.value, Exception)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("FCLAYR", "Did you mean 'FCLayer'?"),
        ("adm", "Did you mean 'adam'?"),
        ("zzz", "Known: FCLayer, adam, nag."),
    ],
)
def test_the_nearest_word_is_offered_or_all_are(word, message):
    assert did_you_mean(word, ["nag", "adam", "FCLayer", "nag"]) == message


def test_a_list_to_show_comes_after_the_nearest_word_and_is_cut_where_it_is_very_long():
    assert did_you_mean("adm", ["adam", "nag"], ["nag", "adam"]) == "Did you mean 'adam'? Known: nag, adam."
    many = [f"layer{n:02d}" for n in range(25)]
    assert did_you_mean("zzz", many, many).endswith("layer18, layer19 and 5 more.")


@pytest.mark.parametrize(
    ("shape", "expected", "axes"),
    [
        ((8, 6, 3), (3, 8, 6), "NHWC"),
        ((6, 3, 8), (3, 8, 6), "NCHW"),
        ((8, 6), (1, 8, 6), "NHW"),
        ((8, 6), (3, 8, 6), ""),
        ((64,), (1, 8, 8), ""),
        ((3, 8, 7), (3, 8, 6), ""),
    ],
)
def test_axes_in_another_order_are_named(shape, expected, axes):
    found = errors.axes_hint(shape, expected)
    assert found.endswith(f"set axes: {axes}") if axes else found == ""
