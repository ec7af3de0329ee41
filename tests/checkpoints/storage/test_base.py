"""What a lock says of its holder, which paths are URLs, where the files of a stem are, and conditional writes."""

from __future__ import annotations

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from stepped import Files

from arignote.checkpoints.storage import folder_of, is_url
from arignote.checkpoints.storage.base import holder
from arignote.checkpoints.storage.local import LocalFolder


def test_the_holder_is_named_from_the_content_of_a_lock():
    assert holder(b'{"host": "vm", "pid": 7}') == holder('{"host": "vm", "pid": 7}') == "process 7 on vm"


@pytest.mark.parametrize("text", [b"", b"\xff", b"[1]", b"7", b"{}", b'{"pid": 7}', b'{"host": "vm"}', b'"text"'])
def test_a_lock_without_a_holder_belongs_to_another_process(text):
    assert holder(text) == "another process"


@pytest.mark.parametrize("path", ["s3://bucket/run", "memory://run", "simplecache::s3://bucket/run", "a.b+c-d1://x"])
def test_a_protocol_makes_a_url(path):
    assert is_url(path)


@pytest.mark.parametrize(
    "path", ["runs/digits", "/runs/digits", "c://x", "3s://x", "runs/s3://x", "s3:/x", "s3:x", "", "::x"]
)
def test_what_has_no_protocol_of_two_letters_is_a_path(path):
    assert not is_url(path)


@pytest.mark.slow
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
    assert isinstance(found, LocalFolder) and str(found._given_path) == folder and rest == name


@pytest.fixture(params=["local", "s3", "memory", "in steps", "in one step"])
def folder(request, tmp_path):
    """An empty folder of each kind, and those by which other tests replace a store."""
    if request.param == "local":
        return LocalFolder(tmp_path)
    if request.param.startswith("in "):
        return Files(atomic=request.param == "in one step")
    if request.param == "s3":
        request.getfixturevalue("s3")
    else:
        MemoryFileSystem.store.clear()
    return folder_of(f"{request.param}://bucket/run")[0]


@pytest.mark.slow
def test_a_file_is_written_where_its_contents_are_as_expected_and_not_otherwise(folder):
    assert not folder.write_if("file", [b"zero"], b"not there")
    assert folder.names() == []
    assert folder.write_if("file", [b"o", b"ne"], None)
    assert folder.read("file") == b"one"
    assert not folder.write_if("file", [b"two"], None)
    assert not folder.write_if("file", [b"two"], b"On")
    assert folder.read("file") == b"one"
    assert folder.write_if("file", [b"two"], b"one")
    assert folder.read("file") == b"two"
    assert not folder.write_if("file", [b"three"], b"one")
    assert folder.read("file") == b"two"
    assert folder.names() == ["file"]
