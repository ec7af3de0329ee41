"""A file to whose end is written, on a disk that may be full."""

from __future__ import annotations

from arignote.observers.appended_file import AppendedFile


def test_bytes_are_written_behind_the_valid_ones_over_whatever_is_there(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"kept|of a killed process")
    file = AppendedFile(path)
    file.end = 5
    file.append(b"new")
    assert path.read_bytes().startswith(b"kept|new") and (file.end, file.pending) == (8, b"")


def test_what_could_not_be_written_comes_before_what_follows(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"")
    file = AppendedFile(path)
    file.pending = b"first,"
    file.append(b"second")
    assert path.read_bytes() == b"first,second"
