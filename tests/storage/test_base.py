"""What a lock says of its holder, which paths are URLs, and where the files of a stem are."""

from __future__ import annotations

import pytest

from arignote.storage import folder_of, is_url
from arignote.storage.base import holder
from arignote.storage.local import LocalFolder


def test_the_holder_is_named_by_what_a_lock_says():
    assert holder(b'{"host": "vm", "pid": 7}') == holder('{"host": "vm", "pid": 7}') == "process 7 on vm"


@pytest.mark.parametrize("text", [b"", b"\xff", b"[1]", b"7", b"{}", b'{"pid": 7}', b'{"host": "vm"}', b'"text"'])
def test_what_says_nothing_of_a_holder_is_of_another_process(text):
    assert holder(text) == "another process"


@pytest.mark.parametrize("path", ["s3://bucket/run", "memory://run", "simplecache::s3://bucket/run", "a.b+c-d1://x"])
def test_a_protocol_makes_a_url(path):
    assert is_url(path)


@pytest.mark.parametrize(
    "path", ["runs/digits", "/runs/digits", "c://x", "3s://x", "runs/s3://x", "s3:/x", "s3:x", "", "::x"]
)
def test_what_has_no_protocol_of_two_letters_is_a_path(path):
    assert not is_url(path)


@pytest.mark.parametrize(
    ("stem", "folder", "name"),
    [
        ("run", ".", "run"),
        ("runs/digits", "runs", "digits"),
        ("/digits", "/", "digits"),
        ("/a/b/digits", "/a/b", "digits"),
        ("file:///a/digits", "/a", "digits"),
    ],
)
def test_a_stem_is_a_folder_and_the_name_of_its_files(stem, folder, name):
    found, rest = folder_of(stem)
    assert isinstance(found, LocalFolder) and str(found._as_told) == folder and rest == name
