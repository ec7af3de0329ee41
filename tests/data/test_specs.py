"""The `data:` section of a config: formats of text tables, and sources by their roles."""

from __future__ import annotations

import pytest

from arignote.data.specs import CSVFormat, DataSpec, labels_by_role, table_format
from arignote.errors import ConfigError


@pytest.mark.parametrize(
    ("csv", "expected"),
    [
        ({"delimiter": "tab"}, {"delimiter": "\t"}),
        ({"delimiter": "\\t", "decimal": ","}, {"delimiter": "\t", "decimal": ","}),
        ({"missing": "NA", "text": ["zip", 3]}, {"missing": ["NA"], "text": ["zip", "3"]}),
        ({"comment": ""}, {"comment": ""}),
    ],
)
def test_a_format_is_what_is_meant_by_it(csv, expected):
    assert table_format(csv) == CSVFormat(**expected)


@pytest.mark.parametrize(
    ("csv", "words"),
    [
        ({"delimiter": ";;"}, "must be one character"),
        ({"delimiter": ""}, "Leave it out to have it detected"),
        ({"comment": '"'}, "must be one character, not a quote"),
        ({"delimiter": ",", "decimal": ","}, "delimiter, comment and decimal must differ; got , and ,"),
        ({"header": 1}, "header"),
        (["header"], r"csv must be a mapping \(header, delimiter, "),
    ],
)
def test_a_format_that_no_table_has_is_refused(csv, words):
    with pytest.raises(ConfigError, match=words):
        table_format(csv)


def test_sources_have_roles_and_those_of_several_outputs_their_names():
    labels = {"kind": "a.csv:k", "size": "a.csv:s"}
    assert labels_by_role("labels", labels) == {"labels 'kind'": "a.csv:k", "labels 'size'": "a.csv:s"}
    train = {"features": "a.csv"}
    spec = DataSpec(train=train, valid={"features": "b.csv", "labels": labels}, test=0.1, groups="g.csv")
    of_valid = {"labels of valid 'kind'": "a.csv:k", "labels of valid 'size'": "a.csv:s"}
    assert spec.others() == {"groups": "g.csv"} | of_valid
