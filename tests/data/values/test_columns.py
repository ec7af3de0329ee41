"""Columns as they are asked for: names, positions, ranges and exclusions, as pandas and slices of Python have them."""

from __future__ import annotations

import pytest

from arignote import DataError
from arignote.data.values.columns import chosen_columns

pd = pytest.importorskip("pandas", reason="the expected columns are those of DataFrame.loc and iloc")
FRAME = pd.DataFrame([[0] * 6], columns=["a", "b", "c", "d", "e:f", "7"])


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (None, FRAME.columns),
        ("", FRAME.columns),
        ("a,c", FRAME[["a", "c"]].columns),
        ("c,a,a", FRAME[["c", "a", "a"]].columns),
        ("1:3", FRAME.iloc[:, 1:3].columns),
        (":2", FRAME.iloc[:, :2].columns),
        ("-2:", FRAME.iloc[:, -2:].columns),
        ("b:d", FRAME.loc[:, "b":"d"].columns),
        (":c", FRAME.loc[:, :"c"].columns),
        ("c:", FRAME.loc[:, "c":].columns),
        (-1, FRAME.iloc[:, [-1]].columns),
        (0, FRAME.iloc[:, [0]].columns),
        ("2", FRAME.iloc[:, [2]].columns),
        ("!a", FRAME.drop(columns="a").columns),
        ("!a:c,!7", FRAME.drop(columns=["a", "b", "c", "7"]).columns),
        (["a", "!b", "0:3"], ["a", "a", "c"]),
    ],
    ids=str,
)
def test_columns_are_those_of_pandas(asked, expected):
    assert chosen_columns(asked, list(FRAME.columns), "t.csv")[0] == list(expected)


def test_the_exact_name_of_a_column_comes_first():
    available = list(FRAME.columns)
    assert chosen_columns("e:f", available, "t")[0] == ["e:f"] and chosen_columns("7", available, "t")[0] == ["7"]
    assert chosen_columns("x,y", ["x,y", "x"], "t")[0] == ["x,y"]
    assert chosen_columns(["!a", "!b"], ["!a", "a", "b"], "t") == (["!a"], True)


def test_exclusions_name_no_column():
    available = list("abc")
    assert [chosen_columns(asked, available, "t")[1] for asked in (None, "!a", "a", "0:2", "0:2,!a")] == [
        False,
        False,
        True,
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("x", "t.csv: has no column 'x'. There are: a, b, c"),
        ("aa", "Did you mean 'a'?"),
        ("3", r"has 3 columns \(0 to 2\); column 3 is out of range"),
        ("-4", "column -4 is out of range"),
        ("0:4", "has 3 columns; columns 0:4 are out of range"),
        ("2:1", "columns 2:1 are out of range"),
        ("c:a", "are in reverse order: a comes before c"),
        ("!a:c", "no columns are left"),
        ("a,", "has no column ''"),
    ],
)
def test_columns_that_are_not_there_are_refused(asked, words):
    with pytest.raises(DataError, match=words.replace("?", r"\?")):
        chosen_columns(asked, list("abc"), "t.csv")
