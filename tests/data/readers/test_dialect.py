"""How a text table is written: found from its first lines, or refused where two readings are as good."""

from __future__ import annotations

import pytest

from arignote import DataError
from arignote.data.readers.dialect import Dialect, find_dialect, is_number
from arignote.data.specs import CSVFormat


def found(text, **given):
    return find_dialect(text.splitlines(keepends=True), CSVFormat(**given), "t.csv")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n1,2\n", Dialect(",")),
        ("1.5,2\n3,4\n", Dialect(",", header=False)),
        ("a;b\n1,5;2\n", Dialect(";", decimal=",")),
        ("1,5;2,25\n1,5;3\n", Dialect(";", header=False, decimal=",")),
        ("a\tb\n1\t2\n", Dialect("\t")),
        ("1|x\n2|y\n", Dialect("|", header=False)),
        ("1 2.5  3\n4 5 6\n", Dialect(" ", header=False)),
        ("1,5 2,5\n3,5 4\n", Dialect(" ", header=False, decimal=",")),
        ("# made by hand\n1,2.5\n# more\n3,4\n", Dialect(",", header=False, comment="#")),
        ("a,b\n# more\n3,4\n", Dialect(",", comment="#")),
        ("colour,n\n#ff0000,1\n#00ff00,2\n", Dialect(",")),
        ("a, b\n1, 2\n", Dialect(",", skips_spaces=True)),
        ('"a, b",c\n1,2\n', Dialect(",")),
        ("one\n1.5\n2\n", Dialect(",")),
        ("1.5\n2.5\n", Dialect(",", header=False)),
        ("john smith\njane doe\n", Dialect(",")),
        ("date,n\n2020-01-01 10:00,5\n2020-01-02 11:00,6\n", Dialect(",")),
        ("name;size\nx,y;1\nz,w;2\n", Dialect(";")),
        ("a,b,c\n1,2\n3,4,5\n6,7,8\n", Dialect(",")),
        ("0,1,2\n0.5,1.5,2.5\n", Dialect(",")),
        ("0,1,2,3,4,5,6,7\n1,2,3,4,5,6,7,8\n", Dialect(",")),
        (",0,1\n0,2.5,3.5\n", Dialect(",")),
        ("5,1,2\n3,4,5\n", Dialect(",", header=False)),
        ("5.1,setosa\n4.9,setosa\n", Dialect(",", header=False)),
        ("5.1,?,1\n4.9,3.0,0\n", Dialect(",", header=False)),
        ("p,x,s\ne,x,s\np,x,y\n", Dialect(",", header=False)),
        ("city,land\nparis,france\nrome,italy\n", Dialect(",")),
        ("a,2019\n1,2\n", Dialect(",")),
        ("1,234;2\n0,5;3\n", Dialect(";", header=False, decimal=",")),
        ("a,b\n", Dialect(",")),
        ("1,2\n", Dialect(",", header=False)),
        ("", Dialect(",")),
    ],
)
def test_the_dialect_of_a_table(text, expected):
    assert found(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0,1,2\n3,4,5\n", r"the line is '0,1,2'. Set csv: \{header: true\} or csv: \{header: false\}"),
        ("0\n1\n0\n", "may hold the names of the columns or the first row"),
        ("x,1.5\n2,3\n4,5\n", "may hold the names of the columns or the first row; the line is 'x,1.5'"),
        ("a;b,c\nd;e,f\n", r"fits the delimiters ',' and ';' equally well; the line is 'a;b,c'"),
        ("x;y\n1,234;2\n", r"numbers such as 1,234 may be decimal marks or separate thousands"),
        ("# a,b\n1,2.5\n3,4\n", r"last comment line may hold the names.*comment: \"#\", header: false.*comment: \"\""),
    ],
)
def test_an_ambiguous_table_is_refused_with_its_line_and_the_settings_that_resolve_it(text, words):
    with pytest.raises(DataError, match=words) as error:
        found(text)
    assert str(error.value).startswith("t.csv: ")


def test_settings_of_the_user_are_not_detected():
    assert found("0,1,2\n3,4,5\n", header=False) == Dialect(",", header=False)
    assert found("a;b,c\nd;e,f\n", delimiter=";").delimiter == ";"
    assert found("x;y\n1,234;2\n", decimal=",") == Dialect(";", decimal=",")
    assert found("# a,b\n1,2.5\n3,4\n", comment="#") == Dialect(",", header=False, comment="#")
    assert found("# a,b\n1,2.5\n3,4\n", comment="") == Dialect(",")
    assert found("a,b\n1,2\n", delimiter="|", header=True, decimal=".", comment="!").delimiter == "|"


@pytest.mark.parametrize(
    ("word", "decimal", "expected"),
    [
        ("1", ".", True),
        (" -1.5e-3 ", ".", True),
        (".5", ".", True),
        ("inf", ".", True),
        ("1_000", ".", False),
        ("1,5", ".", False),
        ("1,5", ",", True),
        ("1.5", ",", False),
        ("15", ",", True),
        ("x", ".", False),
        ("", ".", False),
    ],
)
def test_a_number_is_written_with_its_decimal_mark(word, decimal, expected):
    assert is_number(word, decimal) is expected


def test_a_dialect_is_described_as_text():
    message = str(Dialect("\t", False, "#", ","))
    assert message == "delimiter tab, no header, comment lines '#', decimal ','"
    assert str(Dialect()) == "delimiter ',', header"
